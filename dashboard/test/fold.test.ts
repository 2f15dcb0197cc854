import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame, RunEvent } from "../src/events";
import { fold, answersOf, newFold, statusOf, type RunFold } from "../src/fold";

const usage = { input_tokens: 1, output_tokens: 2, total_tokens: 3, cost_usd: null };

/** Events with `seq` and `at` counted up, as a session writes them. */
function events(...bodies: Record<string, unknown>[]): Frame[] {
  return bodies.map(
    (body, index) => ({ seq: index + 1, run: 1, at: 1_000 + index * 100, ...body }) as unknown as Frame,
  );
}

const accepted = { type: "run.accepted", task: "t", agent: "default", model: "m", max_iterations: 6, metadata: {} };
const called = (call: number, attempt = 1) => ({
  type: "model.called",
  call,
  attempt,
  iteration: 1,
  model: "m",
  message_count: 2,
});
const answered = (call: number, attempt = 1) => ({
  ...{ type: "model.answered", call, attempt, iteration: 1, finish_reason: "stop", latency_ms: 50, final: null },
  message: { role: "assistant", content: "whole" },
  usage,
});
const failed = (call: number, attempt: number, retryAt: number | null) => ({
  ...{ type: "model.failed", call, attempt, error_type: "server_error", message: "500", retry_at: retryAt },
});
const ended = (status: string) => ({
  ...{ type: "run.ended", status, stop_reason: "done", result: "r", error: null, iterations: 1 },
  usage,
});
const delta = (call: number, attempt: number, offset: number, text: string, run = 1): Frame => ({
  ...{ type: "model.delta" as const, run, call, attempt, offset, text },
});

function folded(frames: Frame[], from: RunFold = newFold(1)): RunFold {
  return frames.reduce(fold, from);
}

function outcomes(state: RunFold): string[] {
  return state.attempts.map(({ call, attempt, outcome }) => `${call}.${attempt} ${outcome}`);
}

test("a run goes from queued over running and waiting to its end", () => {
  const frames = events(accepted, called(1), failed(1, 1, 5_000), called(1, 2), answered(1, 2), ended("succeeded"));
  const seen = frames.map((_, index) => statusOf(folded(frames.slice(0, index + 1))));
  assert.deepEqual(seen, ["queued", "running", "waiting", "running", "waiting", "succeeded"]);
  const state = folded(frames);
  assert.deepEqual(outcomes(state), ["1.1 failed", "1.2 answered"]);
  assert.equal(state.attempts[0]?.retryAt, 5_000);
  assert.equal(answersOf(state), 1);
});

test("a call says how many messages it left out", () => {
  const state = folded(events(accepted, called(1), { ...called(2), dropped_messages: 12 }));
  assert.deepEqual(
    state.attempts.map(({ droppedMessages }) => droppedMessages),
    [0, 12],
  );
});

test("a result with a schema is there as JSON", () => {
  const ending = { ...ended("succeeded"), output: { port: "Whitby" } };
  assert.deepEqual(folded(events(accepted, called(1), answered(1), ending)).ended?.output, { port: "Whitby" });
  assert.equal(folded(events(accepted, called(1), answered(1), ended("succeeded"))).ended?.output, undefined);
});

test("a replay on top of what was seen changes nothing", () => {
  const frames = events(accepted, called(1), answered(1), ended("succeeded"));
  const once = folded(frames);
  assert.deepEqual(folded(frames, once), once);
  assert.deepEqual(folded([...frames.slice(0, 3), ...frames]), once);
});

test("a crash interrupts what is in flight, and drops its text", () => {
  const resumed = { type: "run.resumed", cause: "crash", outstanding: [1] };
  const [first, second, crash, again] = events(accepted, called(1), resumed, called(1, 2)) as [
    Frame,
    Frame,
    Frame,
    Frame,
  ];
  const state = folded([first, second, delta(1, 1, 0, "half"), crash, again]);
  assert.deepEqual(outcomes(state), ["1.1 interrupted", "1.2 running"]);
  assert.equal(state.live.size, 0);
  assert.deepEqual(state.resumptions, [{ at: 1_200, cause: "crash", outstanding: [1] }]);
});

test("what was said is read with the next call, and not with a further attempt", () => {
  const steered = { type: "run.steered", message: "Mind the moon.", by: "ann" };
  const start = [accepted, called(1), failed(1, 1, 5_000), steered, called(1, 2)];
  const read = (state: RunFold) => state.notes.map(({ message, by, isRead }) => [message, by, isRead]);
  assert.deepEqual(read(folded(events(...start))), [["Mind the moon.", "ann", false]]);
  const on = [...start, answered(1, 2), called(2), steered];
  assert.deepEqual(
    read(folded(events(...on))).map(([, , isRead]) => isRead),
    [true, false],
  );
});

test("a call that is made again without a word was cut off", () => {
  assert.deepEqual(outcomes(folded(events(accepted, called(1), called(1, 2)))), ["1.1 interrupted", "1.2 running"]);
});

test("what is open at the end is cancelled or given up", () => {
  const open = [accepted, called(1), called(2), answered(1)];
  assert.deepEqual(outcomes(folded(events(...open, ended("cancelled")))), ["1.1 answered", "2.1 cancelled"]);
  assert.deepEqual(outcomes(folded(events(...open, ended("failed")))), ["1.1 answered", "2.1 aborted"]);
});

test("text is placed by its offset: no hole, no doubling, the newest attempt only", () => {
  const start = folded(events(accepted, called(1)));
  const text = (...frames: Frame[]) => folded(frames, start).live.get(1)?.text;
  assert.equal(text(delta(1, 1, 0, "a😀"), delta(1, 1, 3, "b")), "a😀b");
  assert.equal(text(delta(1, 1, 0, "abc"), delta(1, 1, 0, "abcdef"), delta(1, 1, 6, "g")), "abcdefg");
  assert.equal(text(delta(1, 1, 0, "abc"), delta(1, 1, 1, "bc")), "abc");
  assert.equal(text(delta(1, 1, 0, "abc"), delta(1, 1, 9, "z")), "abc");
  assert.equal(text(delta(1, 2, 0, "new"), delta(1, 1, 0, "old")), "new");
  assert.equal(text(delta(1, 1, 0, "abc", 2)), undefined);
});

test("thoughts stand beside the text, and a new attempt begins both anew", () => {
  const thought = (attempt: number, offset: number, text: string): Frame => ({
    ...{ type: "model.thought" as const, run: 1, call: 1, attempt, offset, text },
  });
  const start = folded(events(accepted, called(1)));
  const live = (...frames: Frame[]) => folded(frames, start).live.get(1);
  assert.deepEqual(live(thought(1, 0, "hm")), { attempt: 1, text: "", thoughts: "hm" });
  const both = live(thought(1, 0, "h😀"), delta(1, 1, 0, "a"), thought(1, 3, "m"), delta(1, 1, 1, "b"));
  assert.deepEqual(both, { attempt: 1, text: "ab", thoughts: "h😀m" });
  assert.deepEqual(live(thought(1, 0, "old"), delta(1, 2, 0, "new")), { attempt: 2, text: "new", thoughts: "" });
  assert.deepEqual(live(thought(1, 0, "a"), thought(1, 5, "hole")), { attempt: 1, text: "", thoughts: "a" });
});

test("text after its answer is late", () => {
  const state = folded([...events(accepted, called(1), answered(1)), delta(1, 1, 0, "late")]);
  assert.equal(state.live.size, 0);
});

test("parallel calls stream beside each other", () => {
  const frames = [
    ...events({ ...accepted, models: ["a", "b"] }, called(1), called(2)),
    delta(1, 1, 0, "one"),
    delta(2, 1, 0, "two"),
  ];
  const state = folded(frames);
  assert.deepEqual([state.live.get(1)?.text, state.live.get(2)?.text], ["one", "two"]);
  assert.deepEqual(state.accepted?.models, ["a", "b"]);
});

test("events of other runs and of unknown types only move the cursor", () => {
  const strange = [
    { seq: 4, run: 2, at: 1, ...called(9) },
    { seq: 7, run: 1, at: 1, type: "tomorrow.happened" },
  ] as unknown as RunEvent[];
  const before = folded(events(accepted, called(1)));
  const state = folded(strange, before);
  assert.deepEqual({ ...state, seq: before.seq }, before);
  assert.equal(state.seq, 7);
  assert.equal(folded([{ type: "caught_up", seq: 12 }], state).seq, 12);
});

test("the newest word of a sink counts", () => {
  const failing = { type: "trace.failed", sink: "otlp", status: 503, attempt: 1, retry_at: 9_000 };
  const flushed = { type: "trace.flushed", sink: "otlp", spans: 3, attempt: 2 };
  const parked = { ...failing, sink: "nexus", retry_at: null };
  const state = folded(events(accepted, failing, flushed, parked));
  assert.deepEqual(
    state.deliveries.map(({ sink, outcome }) => `${sink} ${outcome}`),
    ["otlp delivered", "nexus parked"],
  );
});
