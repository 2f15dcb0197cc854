import assert from "node:assert/strict";
import { test } from "node:test";
import { COST, costPerCall, ERROR_RATE, latency, tokens, type Counters } from "../src/charts/metrics";
import { bucketLabel, trimmed } from "../src/charts/plot";
import { DAY_MS, HOUR_MS } from "../src/charts/range";
import { bucketMsFor, chartData, COLORS, described, isBlank, lonePlaces } from "../src/charts/series";
import { looks, readings, shownModels } from "../src/charts/series";
import type { ModelStats, Stats } from "../src/openapi";

const T0 = 1_794_700_800_000; // a midnight in UTC
const utc = () => 0;

test("hours without calls are gaps, not zeros and not bridged", () => {
  const stats = statsOf(6, [model("m", [[0, {}], [1, {}], [4, {}]])]);
  const { at, series } = chartData(stats, ["m"], [{ metric: latency("p95") }], utc);
  assert.equal(at.length, 6);
  assert.deepEqual(series[0]?.values, [1_000, 1_000, null, null, 1_000, null]);
  assert.deepEqual(lonePlaces(series[0]?.values ?? []), [4]);
});

test("what is not known stays unknown, in sums too", () => {
  const unknown = { usage: { input_tokens: null, output_tokens: null, total_tokens: null, cost_usd: null } };
  const stats = statsOf(3, [model("m", [[0, unknown], [1, {}]])]);
  assert.deepEqual(chartData(stats, ["m"], [{ metric: COST }], utc).series[0]?.values, [null, 0.5, null]);
  assert.equal(costPerCall({ calls: 3, usage: unknown.usage }), null);
  assert.equal(costPerCall({ calls: 0, usage: { ...unknown.usage, cost_usd: 0 } }), null);
  assert(isBlank(chartData(statsOf(3, [model("m", [[0, unknown]])]), ["m"], [{ metric: COST }], utc)));
});

test("longer buckets add what adds up, and take the mean of percentiles by answered calls", () => {
  const hours: [number, Partial<Counters>][] = [
    [0, { calls: 10, answered: 9, error_count: 1, latency_ms: { p50: 1, p95: 100, p99: 1 } }],
    [5, { calls: 30, answered: 1, error_count: 29, latency_ms: { p50: 1, p95: 1_100, p99: 1 } }],
    [6, {}],
  ];
  const stats = statsOf(7 * 24, [model("m", hours)]);
  const rate = chartData(stats, ["m"], [{ metric: ERROR_RATE }], utc);
  assert.equal(rate.bucketMs, 6 * HOUR_MS);
  assert.equal(rate.at.length, 28);
  assert.deepEqual(rate.series[0]?.values.slice(0, 3), [30 / 40, 0, null]);
  assert.equal(chartData(stats, ["m"], [{ metric: latency("p95") }], utc).series[0]?.values[0], 200);
  assert.equal(chartData(stats, ["m"], [{ metric: tokens("in") }], utc).series[0]?.values[0], 20);
});

test("days are local days, also where clocks change", () => {
  // Clocks go back by an hour at 01:00 UTC of the tenth day.
  const changeAt = T0 + 10 * DAY_MS + HOUR_MS;
  const offset = (at: number) => (at < changeAt ? 2 : 1) * HOUR_MS;
  const since = T0 - 2 * HOUR_MS;
  const stats = { ...statsOf(0, [model("m", [[0, {}]])]), since, until: since + 30 * DAY_MS + HOUR_MS };
  const { at } = chartData(stats, ["m"], [{ metric: ERROR_RATE }], offset);
  const lengths = at.slice(1).map((start, index) => (start - (at[index] ?? 0)) / HOUR_MS);
  assert.equal(at.length, 30);
  assert.deepEqual(lengths.filter((hours) => hours !== 24), [25]);
});

test("a model's colour comes from its name alone", () => {
  const names = Array.from({ length: 24 }, (_, index) => `openai:model-${index}`);
  const all = looks(names);
  for (const name of names) {
    assert.equal(looks([name]).get(name)?.color, all.get(name)?.color, "no other model changes it");
  }
  assert.deepEqual(looks([...names].reverse()), all);
  assert.equal(new Set([...all.values()].map(({ color }) => color)).size, COLORS, "names use every colour");
});

test("models of one colour are told apart by their dash", () => {
  const names = Array.from({ length: COLORS + 1 }, (_, index) => `openai:model-${index}`);
  const drawn = [...looks(names).values()].map((look) => JSON.stringify(look));
  assert.equal(new Set(drawn).size, names.length);
});

test("chosen models are shown; without a choice the most called", () => {
  const stats = statsOf(1, ["a", "b", "c", "d", "e", "f"].map((name) => model(name, [[0, {}]])));
  assert.deepEqual(shownModels(stats, ["d", "gone"]), ["d"]);
  assert.deepEqual(shownModels(stats, ["gone"]), ["a", "b", "c", "d", "e"]);
});

test("readings are sorted, the unknown last", () => {
  const slow = { latency_ms: { p50: 1, p95: 9_000, p99: 1 } };
  const stats = statsOf(2, [model("x/none", [[1, {}]]), model("x/quick", [[0, {}]]), model("x/slow", [[0, slow]])]);
  const data = chartData(stats, ["x/none", "x/quick", "x/slow"], [{ metric: latency("p95") }], utc);
  const read = readings(data, 0).map(({ series, value }) => [series.label, value]);
  assert.deepEqual(read, [["slow", 9_000], ["quick", 1_000], ["none", null]]);
  assert.match(described(data, String), /none: from 1000 to 1000, latest 1000\. quick/);
});

test("several lines of a model have its colour, and dashes of their own", () => {
  const lines = [{ metric: latency("p50"), dash: [] }, { metric: latency("p95"), dash: [7, 4] }];
  const { series } = chartData(statsOf(1, [model("m", [[0, {}]])]), ["m"], lines, utc);
  assert.deepEqual(series.map(({ label, dash }) => [label, dash]), [["m p50", []], ["m p95", [7, 4]]]);
});

test("buckets keep a chart readable", () => {
  assert.equal(bucketMsFor(DAY_MS), HOUR_MS);
  assert.equal(bucketMsFor(7 * DAY_MS), 6 * HOUR_MS);
  assert.equal(bucketMsFor(8 * DAY_MS + HOUR_MS), 6 * HOUR_MS);
  assert.equal(bucketMsFor(30 * DAY_MS), DAY_MS);
});

test("an axis has no more digits than it needs", () => {
  assert.deepEqual(trimmed(["0 ms", "1.00 s", "2.50 s"]), ["0 ms", "1.0 s", "2.5 s"]);
  assert.deepEqual(trimmed(["0%", "5.0%", "10.0%"]), ["0%", "5%", "10%"]);
  assert.deepEqual(trimmed(["$0", "$0.0500", "$0.1000"]), ["$0", "$0.05", "$0.10"]);
  assert.deepEqual(trimmed([]), []);
});

test("the bucket that goes on says so", () => {
  const data = chartData(statsOf(2, [model("m", [[0, {}]])]), ["m"], [{ metric: ERROR_RATE }], utc);
  assert.match(bucketLabel(data, 1, data.until - 1), /so far$/);
  assert(!bucketLabel(data, 0, data.until - 1).includes("so far"));
  assert.equal(bucketLabel(data, 9, 0), "");
});

function statsOf(hours: number, models: ModelStats[]): Stats {
  return { since: T0, until: T0 + hours * HOUR_MS, bucket_ms: HOUR_MS, models, tools: [] };
}

function model(name: string, hours: [number, Partial<Counters>][]): ModelStats {
  const told = hours.map(([hour, counters]) => ({ at: T0 + hour * HOUR_MS, ...COUNTERS, ...counters }));
  return { model: name, ...COUNTERS, hours: told };
}

const COUNTERS: Counters = {
  calls: 2,
  answered: 2,
  errors: {},
  error_count: 0,
  empty: 0,
  latency_ms: { p50: 500, p95: 1_000, p99: 2_000 },
  time_to_first_chunk_ms: { p50: 100, p95: 200, p99: 300 },
  usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15, cost_usd: 0.5 },
};
