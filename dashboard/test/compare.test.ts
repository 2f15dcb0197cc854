import assert from "node:assert/strict";
import { test } from "node:test";
import { best } from "../src/diff/best";
import { atRows, draftOf, EMPTY_DRAFT, requestOf, type Draft } from "../src/diff/draft";
import { asked, isSettled, lanes, type Lane } from "../src/diff/lanes";
import { isEvent, type Frame } from "../src/events";
import { fold, newFold, type RunFold } from "../src/fold";
import type { ComparedModel, Run, Usage } from "../src/openapi";

const USAGE: Usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15, cost_usd: null };

test("lanes follow the stream: text in flight, a failure that is tried again, an answer", () => {
  let state = folded([accepted(["a", "b"]), called(1, "a"), called(2, "b"), delta(1, "Sal")]);
  let [a, b] = lanes(state, null, null) ?? [];
  assert.deepEqual([a?.status, a?.text, a?.isWhole, a?.runningSince], ["running", "Sal", false, 2]);
  assert.deepEqual([b?.status, b?.text], ["running", null]);

  state = folded([answered(1, "Salt"), failed(2, 900)], state);
  [a, b] = lanes(state, null, null) ?? [];
  assert.deepEqual([a?.status, a?.text, a?.isWhole, a?.latencyMs, a?.usage], ["succeeded", "Salt", true, 70, USAGE]);
  assert.deepEqual([b?.status, b?.retryAt, b?.error], ["waiting", 900, null]);

  state = folded([called(2, "b", 2), failed(2, null, 2)], state);
  [, b] = lanes(state, null, null) ?? [];
  assert.deepEqual([b?.status, b?.attempts, b?.error], ["failed", 2, { code: "timeout", message: "too slow" }]);
});

test("models are in the order in which they were asked for, those not called yet too", () => {
  const state = folded([accepted(["z", "a"]), called(1, "a")]);
  const seen = lanes(state, null, null)?.map(({ model, status }) => [model, status]);
  assert.deepEqual(seen, [["z", "queued"], ["a", "running"]]);
});

test("a cancelled comparison leaves no model open", () => {
  const state = folded([accepted(["a", "b"]), called(1, "a"), ended("cancelled")]);
  assert.deepEqual(lanes(state, null, null)?.map(({ status }) => status), ["cancelled", "cancelled"]);
});

test("a crash leaves a call waiting until it is made again", () => {
  const resumed: Frame = { ...envelope(), type: "run.resumed", cause: "crash", outstanding: [1] };
  const state = folded([accepted(["a", "b"]), called(1, "a"), resumed]);
  assert.equal(lanes(state, null, null)?.[0]?.status, "waiting");
  assert.equal(lanes(folded([called(1, "a", 2)], state), null, null)?.[0]?.status, "running");
});

test("without a stream the run says it all; an ended model is not held open by an old stream", () => {
  const run = runOf([compared("a", { status: "succeeded", text: "Salt" }), compared("b", { status: "running" })]);
  const old = folded([accepted(["a", "b"]), called(1, "a"), called(2, "b"), delta(1, "Sa")]);
  for (const state of [newFold(1), old]) {
    const seen = lanes(state, run, null)?.map(({ status, text }) => [status, text]);
    assert.deepEqual(seen, [["succeeded", "Salt"], ["running", null]]);
  }
});

test("a run of one model is no comparison", () => {
  assert.equal(lanes(folded([accepted(undefined)]), null, null), null);
  assert.equal(asked(folded([accepted(undefined)]), null), null);
});

test("what was asked can be asked again", () => {
  const again = asked(folded([accepted(["a", "b"])]), null);
  assert.deepEqual(again, { task: "t", models: ["a", "b"], agent: "default", metadata: {}, instructions: "" });
});

test("the least value is marked, among answers, once all have ended", () => {
  const failed = lane("c", { latencyMs: 1, status: "failed" });
  const three = [lane("a", { latencyMs: 5 }), lane("b", { latencyMs: 3 }), failed];
  assert.deepEqual([...(best(three).get("latency") ?? [])], ["b"]);
  assert(isSettled(failed));
  assert.equal(best([...three, lane("d", { status: "running" })]).size, 0);
});

test("nothing is best where all are the same or only one is known; several may share it", () => {
  assert.equal(best([lane("a", { latencyMs: 5 }), lane("b", { latencyMs: 5 })]).has("latency"), false);
  assert.equal(best([lane("a", { firstChunkMs: 5 }), lane("b", {})]).has("first_chunk"), false);
  const shared = best([lane("a", { latencyMs: 1 }), lane("b", { latencyMs: 1 }), lane("c", { latencyMs: 2 })]);
  assert.deepEqual([...(shared.get("latency") ?? [])], ["a", "b"]);
});

test("an address fills the form", () => {
  assert.deepEqual(draftOf(new URLSearchParams("task=hi&models=a,%20b,a,,c")).models, ["a", "b", "c"]);
  assert.deepEqual(draftOf(new URLSearchParams("models=a")).models, ["a", ""]);
  assert.equal(draftOf(new URLSearchParams(`models=${"abcdefghijk".split("").join()}`)).models.length, 8);
});

test("a request has what was filled in, and nothing else", () => {
  const request = requestOf({ ...EMPTY_DRAFT, task: " hi ", models: [" a ", "", "b"] });
  assert.deepEqual(request, { body: { task: " hi ", models: ["a", "b"] }, rows: [0, 2] });
  const metadata = [{ key: "customer", value: "42" }, { key: "", value: "" }];
  const common = { task: "t", models: ["a", "b"], agent: "x", instructions: "i" };
  const body = { ...common, budget: { deadline_ms: 1_500 }, metadata: { customer: "42" } };
  assert.deepEqual(requestOf({ ...common, deadlineSeconds: "1.5", metadata }), { body, rows: [0, 1] });
});

test("what the form knows to be wrong is said at its field", () => {
  const pointers = (part: Partial<Draft>) => {
    const request = requestOf({ ...EMPTY_DRAFT, task: "t", models: ["a", "b"], ...part });
    return "faults" in request ? request.faults.map(({ pointer }) => pointer) : [];
  };
  assert.deepEqual(pointers({ task: " \n" }), ["/task"]);
  assert.deepEqual(pointers({ models: ["a", ""] }), ["/models/1"]);
  assert.deepEqual(pointers({ models: ["", "a", ""] }), ["/models/0"]);
  assert.deepEqual(pointers({ models: ["a", "b", " a"] }), ["/models/2"]);
  for (const deadlineSeconds of ["0", "-1", "soon", "1e9"]) {
    assert.deepEqual(pointers({ deadlineSeconds }), ["/budget/deadline_ms"]);
  }
  assert.deepEqual(pointers({ metadata: [{ key: "", value: "v" }] }), ["/metadata"]);
  assert.deepEqual(pointers({ metadata: [{ key: "k", value: "1" }, { key: "k ", value: "2" }] }), ["/metadata"]);
});

test("the server's complaint about a model comes back to its row", () => {
  const faults = ["/models/1", "/models", "/models/9"].map((pointer) => ({ pointer, detail: "no" }));
  assert.deepEqual(atRows(faults, [0, 2]).map(({ pointer }) => pointer), ["/models/2", "/models", "/models/9"]);
});

function envelope() {
  return { seq: 0, run: 1, at: 0 };
}

/** The frames in their order: each event's number and time are its place. */
function folded(frames: Frame[], from: RunFold = newFold(1)): RunFold {
  return frames.reduce((state, frame) => {
    const next = state.seq + 1;
    return fold(state, isEvent(frame) ? { ...frame, seq: next, at: next } : frame);
  }, from);
}

function accepted(models: string[] | undefined): Frame {
  const named = models === undefined ? {} : { models };
  const how = { agent: "default", model: "a,b", max_iterations: 1, metadata: {} };
  return { ...envelope(), type: "run.accepted", task: "t", ...how, ...named };
}

function called(call: number, model: string, attempt = 1): Frame {
  return { ...envelope(), type: "model.called", call, attempt, iteration: 1, model, message_count: 1 };
}

function delta(call: number, text: string): Frame {
  return { type: "model.delta", run: 1, call, attempt: 1, offset: 0, text };
}

function answered(call: number, content: string): Frame {
  const message = { role: "assistant", content } as const;
  const outcome = { message, finish_reason: "stop", usage: USAGE, latency_ms: 70, final: "done" } as const;
  return { ...envelope(), type: "model.answered", call, attempt: 1, iteration: 1, ...outcome };
}

function failed(call: number, retryAt: number | null, attempt = 1): Frame {
  const fault = { error_type: "timeout", message: "too slow" } as const;
  return { ...envelope(), type: "model.failed", call, attempt, ...fault, retry_at: retryAt };
}

function ended(status: "cancelled"): Frame {
  const nothing = { result: null, error: null, usage: USAGE, iterations: 0 };
  return { ...envelope(), type: "run.ended", status, stop_reason: "cancelled", ...nothing };
}

function compared(model: string, part: Partial<ComparedModel>): ComparedModel {
  const figures = { usage: null, latency_ms: null, time_to_first_chunk_ms: null };
  const outcome = { text: null, error: null, finish_reason: null, ...figures };
  return { model, call: 1, status: "running", attempts: 1, ...outcome, ...part };
}

function runOf(comparison: ComparedModel[]): Run {
  const ids = { session: "s", run: 1, agent: "default", model: "a,b", trace_id: "" };
  const times = { accepted_at: 1, started_at: 1, ended_at: null };
  const soFar = { stop_reason: null, result: null, error: null, iterations: 0, attempts: 2, tool_calls: 0, usage: USAGE };
  return { ...ids, status: "running", ...soFar, ...times, comparison };
}

function lane(model: string, part: Partial<Lane>): Lane {
  const figures = { finishReason: null, usage: null, latencyMs: null, firstChunkMs: null };
  const times = { runningSince: null, retryAt: null };
  const outcome = { status: "succeeded", text: null, thoughts: "", isWhole: true, error: null } as const;
  return { model, call: 1, attempts: 1, ...outcome, ...figures, ...times, ...part };
}
