import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY_MS, HOUR_MS, parseRange, RANGE_DAYS_MAX, rangeFault, rangeQuery, rangeTimes } from "../src/charts/range";
import { nextSort, parseSort, SORT_DEFAULT, sorted, sortQuery } from "../src/charts/sort";
import type { ModelStats } from "../src/openapi";

test("a range survives its address", () => {
  for (const query of ["", "since=24h", "since=30d", "since=1794819600000&until=1794952800000"]) {
    const entries = Object.entries(rangeQuery(parseRange(new URLSearchParams(query))));
    const written = entries.flatMap(([name, value]) => (value === null ? [] : [`${name}=${value}`]));
    assert.equal(written.join("&"), query);
  }
});

test("what is no range is the default", () => {
  const tooLong = `since=0&until=${100 * DAY_MS}`;
  for (const query of ["since=never", "since=5", "since=9&until=9", "since=10&until=9", "since=-1&until=5", tooLong]) {
    assert.deepEqual(parseRange(new URLSearchParams(query)), { preset: "7d" }, query);
  }
});

test("the server's limit counts the hours that a range touches", () => {
  assert.equal(rangeFault(0, RANGE_DAYS_MAX * DAY_MS), null);
  assert.match(rangeFault(1, RANGE_DAYS_MAX * DAY_MS + 1) ?? "", /at most 92 days/);
  assert.match(rangeFault(HOUR_MS, HOUR_MS) ?? "", /later/);
});

test("presets follow the time, and days are whole", () => {
  const now = Date.UTC(2026, 10, 22, 14, 30);
  assert.deepEqual(rangeTimes({ preset: "24h" }, now), { since: now - DAY_MS, until: now });
  const { since } = rangeTimes({ preset: "7d" }, now);
  assert.deepEqual([new Date(since).getHours(), new Date(since).getMinutes()], [0, 0]);
  assert(now - since >= 7 * DAY_MS && now - since < 8 * DAY_MS + HOUR_MS);
});

test("the unknown is last in both directions; equals are by name", () => {
  const models = [stat("b", null), stat("d", 5), stat("a", null), stat("c", 1)];
  const order = (text: string) => sorted(models, parseSort(text)).map(({ model }) => model).join("");
  assert.equal(order("p95"), "cdab");
  assert.equal(order("-p95"), "dcab");
  assert.equal(order("-calls"), "abcd");
  assert.equal(order("-model"), "dcba");
});

test("a sort survives its address; what is none is the default", () => {
  for (const text of ["p95", "-p95", "model"]) assert.equal(sortQuery(parseSort(text)), text);
  for (const text of [null, "", "constructor", "-", "-toString"]) assert.deepEqual(parseSort(text), SORT_DEFAULT);
  assert.equal(sortQuery(SORT_DEFAULT), null);
});

test("a column's first order is the useful one", () => {
  assert.equal(nextSort(SORT_DEFAULT, "p95").direction, "ascending");
  assert.equal(nextSort(SORT_DEFAULT, "cost").direction, "descending");
  assert.equal(nextSort(SORT_DEFAULT, "calls").direction, "ascending");
});

function stat(model: string, p95: number | null): ModelStats {
  const percentiles = { p50: p95, p95, p99: p95 };
  const usage = { input_tokens: null, output_tokens: null, total_tokens: null, cost_usd: null };
  const counts = { calls: 1, answered: 1, errors: {}, error_count: 0, empty: 0 };
  return { model, ...counts, latency_ms: percentiles, time_to_first_chunk_ms: percentiles, usage, hours: [] };
}
