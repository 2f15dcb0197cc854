import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ago,
  compact,
  cost,
  count,
  counted,
  duration,
  exactTime,
  modelTail,
  oneLine,
  percent,
  UNKNOWN,
  visible,
} from "../src/format";
import { became, STATUSES } from "../src/status";

test("a duration has the unit that a person would say", () => {
  const told = [
    0,
    7.4,
    999,
    999.6,
    9_994,
    12_340,
    59_949,
    59_951,
    185_000,
    3_599_600,
    7_440_000,
    3 * 86_400_000 + 4 * 3_600_000,
  ];
  const words = [
    "0 ms",
    "7 ms",
    "999 ms",
    "1.00 s",
    "9.99 s",
    "12.3 s",
    "59.9 s",
    "1 min 00 s",
    "3 min 05 s",
    "1 h 00 min",
  ];
  assert.deepEqual(told.map(duration), [...words, "2 h 04 min", "3 d 4 h"]);
});

test("one is one, and a run that has ended has done something", () => {
  assert.deepEqual(
    [0, 1, 2, 12_345].map((n) => counted(n, "answer")),
    ["0 answers", "1 answer", "2 answers", "12,345 answers"],
  );
  assert.deepEqual(STATUSES.map(became), [
    "is queued",
    "is running",
    "is waiting",
    "has succeeded",
    "has failed",
    "is cancelled",
  ]);
});

test("an unknown number is not 0", () => {
  for (const shown of [
    duration(null),
    count(null),
    compact(undefined),
    cost(null),
    percent(null),
    duration(Number.NaN),
  ]) {
    assert.equal(shown, UNKNOWN);
  }
  assert.deepEqual([duration(0), count(0), compact(0), cost(0), percent(0)], ["0 ms", "0", "0", "$0", "0%"]);
});

test("large counts are short, small costs keep two digits", () => {
  assert.deepEqual([9_999, 10_000, 99_949, 250_400, 999_600, 4_560_000].map(compact), [
    "9,999",
    "10.0k",
    "99.9k",
    "250k",
    "1.0M",
    "4.6M",
  ]);
  assert.deepEqual([0.0000123, 0.00961, 0.0123, 1.5, 1234.5].map(cost), [
    "$0.000012",
    "$0.0096",
    "$0.0123",
    "$1.50",
    "$1,234.50",
  ]);
});

test("how long ago, down to now and up to a date", () => {
  const now = Date.UTC(2026, 10, 22, 12);
  const seconds = [-5, 0, 2, 12, 59, 61, 3_700, 90_000];
  const words = ["now", "now", "now", "12 s ago", "59 s ago", "1 min ago", "1 h ago", "1 d ago"];
  assert.deepEqual(
    seconds.map((s) => ago(now - s * 1000, now)),
    words,
  );
  assert.match(ago(now - 40 * 86_400_000, now), /^2026-10-1\d$/);
  assert.match(exactTime(now), /^2026-11-2\d \d\d:00:00\.000 [+-]\d\d:\d\d$/);
  assert.equal(exactTime(Number.NaN), UNKNOWN);
});

test("control characters and marks that reorder text are named; letters of every script stay", () => {
  assert.equal(visible("a\u0000b\u001b[31m"), "a⟨U+0000⟩b⟨U+001B⟩[31m");
  assert.equal(visible("\u202Ec\u2066\u0085"), "⟨U+202E⟩c⟨U+2066⟩⟨U+0085⟩");
  for (const plain of ["tab\tand\nline", "مرحبا", "日本語 👩‍👩‍👧", "<img onerror=alert(1)>"])
    assert.equal(visible(plain), plain);
  assert.equal(visible("a\r\nb"), "a\nb");
});

test("a line is one line, and is cut between characters", () => {
  assert.equal(oneLine(" a\n\n b\t c "), "a b c");
  assert.equal(oneLine("👩".repeat(10), 3), "👩👩👩…");
  assert.equal(oneLine("x".repeat(100_000), 5), "xxxxx…");
});

test("a model's short name is its last part", () => {
  assert.deepEqual(["@cf/meta/llama", "scripted:haiku", "a/"].map(modelTail), ["llama", "scripted:haiku", "a/"]);
});
