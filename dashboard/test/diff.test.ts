import assert from "node:assert/strict";
import { test } from "node:test";
import { LINE_CHARS_MAX, marks, WORD_CHARS_MAX, type Marks } from "../src/diff/marks";

test("words that differ are marked, and counted without punctuation", () => {
  const found = marks("The moon pulls a thread.", "The moon draws one silver thread.");
  assert.deepEqual(found, {
    unit: "words",
    parts: [
      { kind: "same", text: "The moon " },
      { kind: "removed", text: "pulls a" },
      { kind: "added", text: "draws one silver" },
      { kind: "same", text: " thread." },
    ],
    added: 3,
    removed: 2,
  });
});

test("the parts are both texts", () => {
  const [before, after] = ["one two\nthree <b>four</b>\n", "two three\n\n<b>five</b> & six"];
  const found = marks(before, after);
  assert.equal(textOf(found, "removed").replace(/\s/g, ""), after.replace(/\s/g, ""));
  assert.equal(textOf(found, "added").replace(/\s/g, ""), before.replace(/\s/g, ""));
});

test("texts that are the same but for white space are the same", () => {
  assert.deepEqual(marks("a b", "a b"), { unit: "same" });
  assert.deepEqual(marks("a  b\n", "a b"), { unit: "same" });
});

test("an empty text differs in all its words", () => {
  const found = marks("", "two words");
  assert(found.unit === "words" && found.added === 2 && found.removed === 0);
});

test("words of other scripts are not torn apart", () => {
  const found = marks("مرحبا كيف حالك", "مرحبا أين حالك");
  assert(found.unit === "words");
  const changed = found.parts.filter(({ kind }) => kind !== "same").map(({ text }) => text.trim());
  assert.deepEqual(changed, ["كيف", "أين"]);
});

test("long texts are compared by lines, longer ones not at all", () => {
  const line = "the same line of text\n";
  const long = line.repeat(Math.ceil(WORD_CHARS_MAX / line.length));
  const found = marks(long, `${long}one more\n`);
  assert(found.unit === "lines" && found.added === 1 && found.removed === 0);
  assert.deepEqual(marks("x".repeat(LINE_CHARS_MAX), "y"), { unit: "none" });
});

test("work is bounded, however different the texts are", () => {
  const noise = (seed: number) => {
    let state = seed;
    const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648).toString(36);
    return Array.from({ length: 200_000 }, next).join("\n").slice(0, LINE_CHARS_MAX / 2);
  };
  const startedAt = performance.now();
  const { unit } = marks(noise(1), noise(2));
  assert(unit === "none" || unit === "lines");
  assert(performance.now() - startedAt < 5_000);
});

/** The text without one kind of parts. */
function textOf(found: Marks, without: "added" | "removed"): string {
  assert("parts" in found);
  return found.parts.filter(({ kind }) => kind !== without).map(({ text }) => text).join("");
}
