import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../src/events";
import { fold, newFold } from "../src/fold";
import type { Span, Trace } from "../src/openapi";
import { defaultRow, findRow, ticks, waterfall } from "../src/waterfall";

const usage = { input_tokens: null, output_tokens: null, total_tokens: null, cost_usd: null };
const SPAN: Span = {
  ...{ span_id: "root", parent_span_id: null, name: "invoke_agent default", kind: "internal", status: "ok" },
  ...{ started_at: 1_000, ended_at: 2_000, duration_ms: 1_000, error_type: null, error_message: null },
  ...{ model: null, call: null, attempt: null, iteration: null, usage, latency_ms: null, time_to_first_chunk_ms: null },
  ...{ attributes: {}, input: [], input_left_out: 0, output: null, events: [] },
};

function folded(...events: Record<string, unknown>[]) {
  const frames = events.map((body, index) => ({ seq: index + 1, run: 1, ...body }) as unknown as Frame);
  return frames.reduce(fold, newFold(1));
}

function traced(...spans: Partial<Span>[]): Trace {
  return {
    status: "succeeded",
    started_at: 1_000,
    ended_at: 2_000,
    spans: [SPAN, ...spans.map((s) => ({ ...SPAN, ...s }))],
  } as Trace;
}

const accepted = {
  at: 1_000,
  type: "run.accepted",
  task: "t",
  agent: "default",
  model: "m",
  max_iterations: 6,
  metadata: {},
};
const called = (at: number, call: number, attempt = 1) => ({
  at,
  type: "model.called",
  call,
  attempt,
  iteration: 1,
  model: "@cf/a/b",
  message_count: 1,
});
const failed = (at: number, call: number, attempt: number, retryAt: number | null) => ({
  ...{ at, type: "model.failed", call, attempt, error_type: "timeout", message: "slow", retry_at: retryAt },
});

test("a failed call, its back-off and the next attempt are three rows", () => {
  const state = folded(accepted, called(1_000, 1), failed(1_300, 1, 1, 1_800), called(1_800, 1, 2));
  const rows = waterfall(state, null)?.rows ?? [];
  const told = rows.map(({ id, outcome, startedAt, endedAt }) => [id, outcome, startedAt, endedAt]);
  assert.deepEqual(told, [
    ["run", "running", 1_000, null],
    ["call-1-1", "failed", 1_000, 1_300],
    ["backoff-1-1", "answered", 1_300, 1_800],
    ["call-1-2", "running", 1_800, null],
  ]);
});

test("a back-off that goes on is open, and so is the wait in the queue", () => {
  const waiting = waterfall(folded(accepted, called(1_000, 1), failed(1_300, 1, 1, 9_000)), null);
  assert.equal(waiting?.rows.at(-1)?.endedAt, null);
  const queued = waterfall(folded(accepted), null);
  assert.deepEqual(
    queued?.rows.map((row) => row.id),
    ["run", "queue"],
  );
  assert.equal(queued?.rows.at(-1)?.outcome, "running");
  const begun = waterfall(folded(accepted, called(4_000, 1)), null);
  assert.equal(begun?.rows.find((row) => row.id === "queue")?.endedAt, 4_000);
});

test("the trace's times and names are better, and its user spans are nested", () => {
  const call = {
    span_id: "c1",
    parent_span_id: "root",
    name: "chat b",
    call: 1,
    attempt: 1,
    started_at: 1_010,
    ended_at: 1_290,
  };
  const child = { span_id: "u1", parent_span_id: "c1", name: "look up", started_at: 1_050, ended_at: 1_060 };
  const inner = {
    span_id: "u2",
    parent_span_id: "u1",
    name: "cache",
    started_at: 1_051,
    ended_at: 1_052,
    status: "error" as const,
  };
  const state = folded(accepted, called(1_000, 1), failed(1_300, 1, 1, null));
  const rows = waterfall(state, traced(call, child, inner))?.rows ?? [];
  const told = rows.map(({ name, depth, startedAt, outcome }) => [name, depth, startedAt, outcome]);
  assert.deepEqual(told.slice(1), [
    ["chat b", 1, 1_010, "failed"],
    ["look up", 2, 1_050, "answered"],
    ["cache", 3, 1_051, "failed"],
  ]);
  assert.equal(findRow(rows, "c1")?.id, "call-1-1");
  assert.equal(findRow(rows, "nothing"), null);
});

test("a page without a stream shows the trace alone", () => {
  const cut = { call: 1, attempt: 1, status: "error" as const, error_type: "interrupted" };
  const resumed = { name: "run.resumed", at: 1_500, attributes: { "longhaul.cause": "eviction" } };
  const trace = traced(
    { ...cut, span_id: "c1", parent_span_id: "root" },
    { ...SPAN, call: 1, attempt: 2, span_id: "c2", started_at: 1_500 },
  );
  trace.spans[0] = { ...SPAN, events: [resumed] };
  const shown = waterfall(newFold(1), trace);
  assert.deepEqual(
    shown?.rows.map((row) => row.outcome),
    ["answered", "interrupted", "answered"],
  );
  assert.deepEqual(shown?.markers, [{ at: 1_500, label: "eviction" }]);
  assert.equal(waterfall(newFold(1), null), null);
});

test("a trace that points to itself ends", () => {
  const loop = traced(
    { span_id: "a", parent_span_id: "a" },
    { span_id: "b", parent_span_id: "root" },
    { span_id: "root", parent_span_id: "b" },
  );
  assert((waterfall(newFold(1), loop)?.rows.length ?? 0) < 100);
});

test("first comes what went wrong", () => {
  const open = waterfall(folded(accepted, called(1_000, 1)), null)?.rows ?? [];
  assert.equal(defaultRow(open)?.id, "call-1-1");
  const end = {
    at: 1_400,
    type: "run.ended",
    status: "failed",
    stop_reason: "x",
    result: null,
    error: null,
    usage,
    iterations: 0,
  };
  const over = waterfall(folded(accepted, called(1_000, 1), failed(1_300, 1, 1, null), end), null)?.rows ?? [];
  assert.equal(defaultRow(over)?.id, "call-1-1");
  assert.equal(defaultRow([]), null);
});

test("an axis has a few round steps", () => {
  for (const spanMs of [1, 3, 47, 950, 12_300, 61_000, 3_700_000, 200_000_000]) {
    const steps = ticks(spanMs);
    assert(steps.length >= 1 && steps.length <= 9 && steps[0] === 0, `${spanMs}: ${steps}`);
  }
  assert.deepEqual(ticks(12_300), [0, 5_000, 10_000]);
});

test("a call has the name that its span will have", () => {
  const names = (models?: string[]) => {
    const calls = ["openai:big/one", "@cf/a/b"].map((model, index) => ({ ...called(1_000, index + 1), model }));
    const rows = waterfall(folded({ ...accepted, ...(models && { models }) }, ...calls), null)?.rows ?? [];
    return rows.slice(1).map(({ name }) => name);
  };
  assert.deepEqual(names(), ["chat big/one", "chat @cf/a/b"]);
  assert.deepEqual(names(["openai:big/one", "@cf/a/b"]), ["inference:one", "inference:b"]);
});
