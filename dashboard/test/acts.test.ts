import assert from "node:assert/strict";
import { test } from "node:test";
import { openRequests, toolCallCount, type ToolProgress } from "../src/acts";
import type { Frame } from "../src/events";
import { fold, newFold, statusOf, type RunFold } from "../src/fold";
import { escaped, readJson, shownJson } from "../src/json";
import { defaultRow, waterfall } from "../src/waterfall";

/** Events with `seq` and `at` counted up, as a session writes them. */
function events(...bodies: Record<string, unknown>[]): Frame[] {
  return bodies.map(
    (body, index) => ({ seq: index + 1, run: 1, at: 1_000 + index * 100, ...body }) as unknown as Frame,
  );
}

const accepted = { type: "run.accepted", task: "t", agent: "shop", model: "m", max_iterations: 6, metadata: {} };
const answered = (call: number) => ({
  ...{ type: "model.answered", call, attempt: 1, iteration: 1, finish_reason: "tool_calls", latency_ms: 50 },
  message: { role: "assistant", content: "" },
  usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3, cost_usd: null },
  final: null,
});
const asked = [
  accepted,
  { type: "model.called", call: 1, attempt: 1, iteration: 1, model: "m", message_count: 2 },
  answered(1),
];
const toolCalled = (call: number, tool: string, attempt = 1) => ({
  ...{ type: "tool.called", call, attempt, iteration: 1, tool, arguments: { n: call } },
  effect: "read",
});
const toolAnswered = (call: number, tool: string, more: object, attempt = 1) => ({
  ...{ type: "tool.answered", call, attempt, tool, latency_ms: 40 },
  ...more,
});
const requested = (call: number, more: object = {}) => ({
  ...{ type: "approval.requested", call, tool: "refund", arguments: { cents: 9_000 }, effect: "once" },
  ...{ digest: "d".repeat(64), summary: "Refunds 90.00", rule: "tool: ask_when", expires_at: 9_000 },
  ...more,
});
const resolved = (call: number, decision: string, more: object = {}) => ({
  ...{ type: "approval.resolved", call, decision, reason: null, by: "acme/ann" },
  ...more,
});
const error = (code: string) => ({ error: { code, message: `it was ${code}` } });
const ended = (status: string) => ({
  ...{ type: "run.ended", status, stop_reason: "done", result: "r", error: null, iterations: 1 },
  usage: { input_tokens: 1, output_tokens: 2, total_tokens: 3, cost_usd: null },
});

function folded(frames: Frame[], from: RunFold = newFold(1)): RunFold {
  return frames.reduce(fold, from);
}

function outcomes(state: RunFold): string[] {
  return state.tools.map(({ call, attempt, outcome, errorType }) =>
    `${call}.${attempt} ${outcome} ${errorType ?? ""}`.trim(),
  );
}

test("tools run side by side, each with what it was given and what it gave", () => {
  const frames = events(
    ...asked,
    toolCalled(2, "search"),
    toolCalled(3, "pay"),
    toolAnswered(3, "pay", error("failed")),
    toolAnswered(2, "search", { result: { hits: 3 }, result_bytes: 10 }),
    toolAnswered(4, "fly", error("unknown_tool"), 0),
  );
  const seen = frames.map((_, index) => statusOf(folded(frames.slice(0, index + 1))));
  assert.deepEqual(seen.slice(3), ["running", "running", "running", "waiting", "waiting"]);
  const state = folded(frames);
  assert.deepEqual(outcomes(state), ["2.1 answered", "3.1 failed failed", "4.0 failed unknown_tool"]);
  const [search, pay, fly] = state.tools;
  assert.deepEqual([search?.arguments, search?.result, search?.latencyMs], [{ n: 2 }, { hits: 3 }, 40]);
  assert.equal(pay?.errorMessage, "it was failed");
  assert.equal(fly?.arguments, undefined);
  assert.deepEqual(folded([...frames.slice(0, 5), ...frames]), state, "a replay changes nothing");
});

test("progress belongs to the attempt under way, and its newest lines are kept", () => {
  const say = (text: string, attempt = 1, run = 1): Frame => {
    const frame: ToolProgress = { type: "tool.progress", run, call: 2, attempt, text };
    return frame as unknown as Frame;
  };
  const start = folded(events(...asked, toolCalled(2, "count")));
  const lines = (...frames: Frame[]) => folded(frames, start).tools[0]?.progress;
  assert.deepEqual(lines(say("1 of 2"), say("2 of 2"), say("old", 0), say("other", 1, 2)), ["1 of 2", "2 of 2"]);
  const many = lines(...Array.from({ length: 30 }, (_, n) => say(String(n))));
  assert.deepEqual([many?.length, many?.at(-1)], [20, "29"]);
});

test("a crash cuts tools off: one is made again, one is in doubt", () => {
  const state = folded(
    events(
      ...asked,
      toolCalled(2, "search"),
      { ...toolCalled(3, "pay"), effect: "once" },
      { type: "run.resumed", cause: "crash", outstanding: [2] },
      toolCalled(2, "search", 2),
      toolAnswered(3, "pay", error("in_doubt")),
    ),
  );
  assert.deepEqual(outcomes(state), ["2.1 interrupted", "3.1 failed in_doubt", "2.2 running"]);
  assert.equal(state.tools[1]?.endedAt, 1_500, "it ended when it was cut off");
});

test("a failed attempt waits for the next one", () => {
  const failed = { type: "tool.failed", call: 2, attempt: 1, tool: "search", retry_at: 5_000, ...error("failed") };
  const state = folded(events(...asked, toolCalled(2, "search"), failed, toolCalled(2, "search", 2)));
  assert.deepEqual(outcomes(state), ["2.1 failed failed", "2.2 running"]);
  const rows = waterfall(state, null)?.rows.map(({ id, endedAt }) => `${id} ${endedAt}`);
  assert.deepEqual(rows?.slice(3), ["tool-2-1 1400", "backoff-2-1 1500", "tool-2-2 null"]);
});

test("a request is open until somebody decides, and each has its answer", () => {
  const frames = events(
    ...asked,
    requested(2),
    requested(3),
    resolved(3, "denied", { reason: "no" }),
    toolAnswered(3, "refund", error("denied"), 0),
    resolved(2, "edited", { arguments: { cents: 10 } }),
    { ...toolCalled(2, "refund"), arguments: { cents: 10 }, verdict: "approved" },
  );
  const open = frames.map((_, index) => openRequests(folded(frames.slice(0, index + 1))).map(({ call }) => call));
  assert.deepEqual(open.slice(3), [[2], [2, 3], [2], [2], [], []]);
  assert.equal(statusOf(folded(frames.slice(0, 7))), "waiting");
  const state = folded(frames);
  const [first, second] = state.requests;
  assert.deepEqual([first?.decision, first?.edited, first?.by], ["edited", { cents: 10 }, "acme/ann"]);
  assert.deepEqual([second?.decision, second?.edited, second?.reason], ["denied", undefined, "no"]);
  assert.equal(first?.seq, 4);
  assert.deepEqual(outcomes(state), ["3.0 failed denied", "2.1 running"]);
  assert.deepEqual(state.tools[0]?.arguments, { cents: 9_000 }, "what was shown is what was denied");
});

test("a person settles what is in doubt, and that is no success of the tool", () => {
  const once = { ...toolCalled(2, "pay"), effect: "once" };
  const state = folded(
    events(
      ...asked,
      once,
      { type: "run.resumed", cause: "crash", outstanding: [] },
      requested(2, { kind: "in_doubt", attempt: 1, tool: "pay" }),
      resolved(2, "settled"),
      toolAnswered(2, "pay", { result: "it was paid", by: "acme/ann" }),
    ),
  );
  assert.deepEqual(outcomes(state), ["2.1 failed in_doubt"]);
  assert.deepEqual([state.tools[0]?.result, state.tools[0]?.by], ["it was paid", "acme/ann"]);
});

test("what is open at the end is cancelled or given up", () => {
  const open = [...asked, toolCalled(2, "search"), toolCalled(3, "search")];
  const cancelled = toolAnswered(3, "search", error("cancelled"));
  assert.deepEqual(outcomes(folded(events(...open, cancelled, ended("cancelled")))), [
    "2.1 cancelled",
    "3.1 cancelled",
  ]);
  assert.deepEqual(outcomes(folded(events(...open, ended("failed")))), ["2.1 aborted", "3.1 aborted"]);
});

test("the oldest journals have neither attempts nor codes", () => {
  const [called, answer] = [
    { type: "tool.called", call: 2, tool: "search", arguments: {} },
    { type: "tool.answered", call: 2, tool: "search", error: "it said no", latency_ms: 1 },
  ];
  const state = folded(events(...asked, called, answer, { type: "approval.resolved", call: 9, decision: "deny" }));
  assert.deepEqual(outcomes(state), ["2.0 failed failed"]);
  assert.equal(state.tools[0]?.errorMessage, "it said no");
});

test("tools and waits are rows, and what a run waits for is looked at first", () => {
  const found = toolAnswered(2, "search", { result: 1 });
  const state = folded(events(...asked, toolCalled(2, "search"), found, requested(3)));
  const rows = waterfall(state, null)?.rows ?? [];
  assert.deepEqual(
    rows.map(({ kind, name, place, note }) => [kind, name, place, note].join(" | ")),
    [
      "run | invoke_agent shop |  | ",
      "queue | queue wait |  | ",
      "call | chat m | 1.1 | ",
      "tool | execute_tool search | 2.1 | ",
      "wait | await_approval refund | 3 | waits for a person",
    ],
  );
  assert.equal(defaultRow(rows)?.id, "wait-1");
});

test("JSON shows what nobody would see, and stays the same JSON", () => {
  const hidden = { "to\u202e": "ann\u200b@example.com", note: "a\u00a0b\tc\u0007", emoji: "🌊\u{e0041}" };
  const value = { ...hidden, plain: "naïve 日本" };
  const shown = shownJson(value);
  assert.deepEqual(readJson(shown), { value });
  for (const unseen of ["\u202e", "\u200b", "\u00a0", "\u0007", "\u{e0041}"]) assert(!shown.includes(unseen));
  for (const seen of ["\\u202e", "\\u200b", "\\u00a0", "\\t", "\\udb40\\udc41", "🌊", "naïve 日本"]) {
    assert(shown.includes(seen), seen);
  }
  assert.equal(escaped('{"a":"\u2066x\u2069"}'), '{"a":"\\u2066x\\u2069"}');
  assert.equal(shownJson(undefined), "null");
  assert("fault" in readJson("{"));
});

test("what waits at a server has ended for now, and goes on in the next attempt", () => {
  const lists = (call: number, server: string, attempt = 1) => ({ ...toolCalled(call, "tools/list", attempt), server });
  const listed = (call: number, more: object) => ({
    ...{ type: "tools.listed", call, attempt: 1, server: "crm", count: 2, latency_ms: 30 },
    ...more,
  });
  const pending = (attempt: number, more: object = {}) => ({
    ...{ type: "tool.pending", call: 5, attempt, tool: "crm__pay", latency_ms: 20 },
    ...more,
  });
  const state = folded(
    events(
      accepted,
      lists(1, "crm"),
      lists(2, "down"),
      lists(3, "mail"),
      listed(1, { dropped: [{ name: "odd", why: "too long" }] }),
      listed(2, { server: "down", count: 0, ...error("failed") }),
      requested(3, { kind: "authorize", tool: "tools/list", url: "/oauth/start?server=mail" }),
      resolved(3, "authorized"),
      lists(3, "mail", 2),
      toolCalled(5, "crm__pay"),
      pending(1, { retry_at: 9_000 }),
      toolCalled(5, "crm__pay", 2),
      pending(2),
      requested(5, { kind: "input", tool: "crm__pay", schema: { type: "object" } }),
    ),
  );
  assert.deepEqual(outcomes(state), [
    "1.1 answered",
    "2.1 failed failed",
    "3.1 failed unauthorized",
    "3.2 running",
    "5.1 answered",
    "5.2 answered",
  ]);
  assert.deepEqual(openRequests(state).map(({ call, kind }) => `${call} ${kind}`), ["5 input"]);
  assert.equal(state.tools[4]?.retryAt, 9_000);
});

test("a server that is asked for its tools ends the wait in the queue, and is no call of a tool", () => {
  const listing = { ...toolCalled(1, "tools/list"), server: "crm" };
  const listed = { type: "tools.listed", call: 1, attempt: 1, count: 2, digest: "d", latency_ms: 900 };
  const late = (frames: Frame[]) => frames.map((frame, at) => ({ ...frame, at: at === 0 ? 1_000 : 3_000 + at * 100 }));
  const state = folded(late(events(accepted, listing, listed, { ...asked[1], call: 2 }, toolCalled(3, "crm__find"))));
  assert.equal(toolCallCount(state), 1);
  const rows = waterfall(state, null)?.rows ?? [];
  assert.equal(rows.find(({ id }) => id === "queue")?.endedAt, 3_100);
  assert.deepEqual(
    rows.filter(({ kind }) => kind === "tool").map(({ name }) => name),
    ["tools/list", "execute_tool crm__find"],
  );
});
