import assert from "node:assert/strict";
import { test } from "node:test";
import { gist } from "../src/event-log";
import type { RunEvent } from "../src/events";
import { fold, newFold } from "../src/fold";
import { labelsOf, labelValue } from "../src/labels";
import type { Trace } from "../src/openapi";
import { bodyOf, draftAgain, EMPTY_DRAFT } from "../src/run-draft";

const RULE = "Work in as many turns as you need, at most 6. When the task is complete, end your answer with DONE.";
const METADATA = { customer: 42, tier: "gold", isNew: true };

test("a run that is made again asks for what it asked", () => {
  const draft = draftAgain(accepted(), traced(`Be brief.\n\nMind the moon.\n\n${RULE}`));
  assert(draft !== null);
  assert.deepEqual(bodyOf(draft), {
    task: "t",
    agent: "shop",
    model: "m",
    max_iterations: 4,
    instructions: "Be brief.\n\nMind the moon.",
    metadata: METADATA,
  });
});

test("a run without instructions has none when it is made again", () => {
  assert.equal(draftAgain(accepted(), traced(RULE))?.instructions, "");
});

test("nothing is made again before it is known, and no comparison as one run", () => {
  assert.equal(draftAgain(newFold(1), traced(RULE)), null);
  assert.equal(draftAgain(accepted(), null), null);
  assert.equal(draftAgain(accepted({ models: ["a", "b"] }), traced(RULE)), null);
});

test("a label that nobody changed keeps its type, and one that was changed is a text", () => {
  const [customer, tier, isNew] = labelsOf(METADATA);
  assert(customer && tier && isNew);
  assert.deepEqual([customer, tier, isNew].map(labelValue), [42, "gold", true]);
  assert.equal(labelValue({ ...customer, value: "43" }), "43");
  assert.equal(labelValue({ key: "typed", value: "42" }), "42");
});

test("an empty form asks for a task alone", () => {
  assert.deepEqual(bodyOf({ ...EMPTY_DRAFT, task: "t", metadata: [{ key: "", value: "" }] }), { task: "t" });
});

test("an event says in a line what it is about, also one of a type that nobody knows yet", () => {
  const line = (event: object) => gist({ seq: 1, run: 1, at: 0, ...event } as unknown as RunEvent);
  const message = { role: "assistant", content: "The\ntide" };
  assert.equal(line({ type: "model.answered", call: 2, attempt: 1, message }), "call 2.1 · The tide");
  assert.equal(line({ type: "run.ended", status: "failed", stop_reason: "budget_tokens" }), "failed · budget tokens");
  assert.equal(line({ type: "some.day", tool: "x\u202ey" }), "x⟨U+202E⟩y");
  assert.equal(line({ type: "some.day", status: { odd: 1 }, message: 7, call: "?" }), "");
});

function accepted(more: object = {}) {
  const event = { type: "run.accepted", seq: 1, run: 1, at: 5, task: "t", agent: "shop", model: "m", max_iterations: 4 };
  return fold(newFold(1), { ...event, metadata: METADATA, ...more } as unknown as RunEvent);
}

function traced(system: string): Trace {
  const input = [{ role: "system", content: system }, { role: "user", content: "t" }];
  return { spans: [{ call: null, input: [] }, { call: 1, input }] } as unknown as Trace;
}
