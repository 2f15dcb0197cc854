/** Lines of a chart, from the answer of `GET /v1/stats`. Pure. */
import { modelTail, oneLine } from "../format";
import type { ModelStats, Percentiles, Stats, Usage } from "../openapi";
import type { Counters, Metric } from "./metrics";
import { DAY_MS, HOUR_MS } from "./range";

export interface Series {
  id: string;
  model: string;
  label: string;
  /** Which of the palette's colours. */
  color: number;
  /** Lengths of dashes and gaps; empty for a full line. */
  dash: readonly number[];
  /** One per time; null where nothing was called or nothing is known. */
  values: readonly (number | null)[];
}

export interface ChartData {
  since: number;
  until: number;
  /** When each bucket starts, and how long it is at most, in milliseconds. */
  at: readonly number[];
  bucketMs: number;
  series: readonly Series[];
}

export interface Look {
  color: number;
  dash: readonly number[];
}

/** Colours of the palette. */
export const COLORS = 8;
/** Lines that are shown before anybody chose. */
export const SHOWN_DEFAULT = 5;

const DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 3]];

/**
 * A look for each model. The colour comes from the model's name alone: whatever else is shown, it stays. The dash tells
 * models of one colour apart.
 */
export function looks(models: readonly string[]): ReadonlyMap<string, Look> {
  const found = new Map<string, Look>();
  const taken = new Map<number, number>();
  for (const model of [...new Set(models)].sort()) {
    const color = colorOf(model);
    const before = taken.get(color) ?? 0;
    taken.set(color, before + 1);
    found.set(model, { color, dash: DASHES[before % DASHES.length] ?? [] });
  }
  return found;
}

/** FNV-1a of the name, folded: names that differ in one letter differ in all bits. */
function colorOf(model: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < model.length; at += 1) hash = Math.imul(hash ^ model.charCodeAt(at), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % COLORS;
}

/** The models to draw: those chosen that there are, else the most called ones. */
export function shownModels(stats: Stats, chosen: readonly string[]): string[] {
  const names = stats.models.map(({ model }) => model);
  const found = names.filter((model) => chosen.includes(model));
  return found.length > 0 ? found : names.slice(0, SHOWN_DEFAULT);
}

/** How long buckets are, so that a chart of a usual time has some thirty of them. */
export function bucketMsFor(spanMs: number): number {
  if (spanMs <= 36 * HOUR_MS) return HOUR_MS;
  return spanMs <= 9 * DAY_MS ? 6 * HOUR_MS : DAY_MS;
}

export interface Line {
  metric: Metric;
  /** Replaces the dash of the model's look, where one model has several lines. */
  dash?: readonly number[];
}

/** Lines of each shown model. `offsetMs` is the local time's distance from UTC: days begin at local midnight. */
export function chartData(
  stats: Stats,
  shown: readonly string[],
  lines: readonly Line[],
  offsetMs: (at: number) => number = localOffsetMs,
): ChartData {
  const bucketMs = Math.max(stats.bucket_ms, bucketMsFor(stats.until - stats.since));
  // By the number of the bucket in local time: where clocks change, a day has an hour more or less.
  const bucketOf = (at: number) => Math.floor((at + (bucketMs > HOUR_MS ? offsetMs(at) : 0)) / bucketMs);
  const at: number[] = [];
  const places = new Map<number, number>();
  for (let hour = stats.since; hour < stats.until; hour += stats.bucket_ms) {
    const bucket = bucketOf(hour);
    if (places.has(bucket)) continue;
    places.set(bucket, at.length);
    at.push(hour);
  }
  const styles = looks(stats.models.map(({ model }) => model));
  const series = stats.models
    .filter(({ model }) => shown.includes(model))
    .flatMap((stat) => {
      const hoursAt: Counters[][] = at.map(() => []);
      for (const hour of stat.hours) hoursAt[places.get(bucketOf(hour.at)) ?? -1]?.push(hour);
      const look = styles.get(stat.model) ?? { color: 0, dash: [] };
      return lines.map(({ metric, dash }) => {
        const values = hoursAt.map((hours) => (hours.length === 0 ? null : finite(valueOf(metric, hours))));
        const label = lineLabel(stat, lines.length > 1 ? metric : null);
        const { color, dash: own } = look;
        return { id: `${stat.model} ${metric.id}`, model: stat.model, label, color, dash: dash ?? own, values };
      });
    });
  return { since: stats.since, until: stats.until, at, bucketMs, series };
}

/** Whether no line has a value. */
export function isBlank({ series }: ChartData): boolean {
  return series.every(({ values }) => values.every((value) => value === null));
}

/** Places of values that have none beside them: no line goes through them, so they are drawn as points. */
export function lonePlaces(values: readonly (number | null | undefined)[]): number[] {
  const isNone = (value: number | null | undefined) => value === null || value === undefined;
  return values.flatMap((value, place) =>
    !isNone(value) && isNone(values[place - 1]) && isNone(values[place + 1]) ? [place] : [],
  );
}

export interface Reading {
  series: Series;
  value: number | null;
}

/** What the lines say at one place, greatest first; without a value last. */
export function readings({ series }: ChartData, place: number): Reading[] {
  const found = series.map((one) => ({ series: one, value: one.values[place] ?? null }));
  return found.sort((a, b) => (b.value ?? Number.NEGATIVE_INFINITY) - (a.value ?? Number.NEGATIVE_INFINITY));
}

/** A chart in a sentence per line, for those who do not see it. */
export function described(data: ChartData, format: (value: number) => string): string {
  const sentences = data.series.map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    const last = known.at(-1);
    if (last === undefined) return `${label}: no value.`;
    const least = known.reduce((a, b) => Math.min(a, b));
    const most = known.reduce((a, b) => Math.max(a, b));
    return `${label}: from ${format(least)} to ${format(most)}, latest ${format(last)}.`;
  });
  return sentences.join(" ");
}

/**
 * What a metric is over several hours. Percentiles do not add up, and the calls behind them are not here: over more
 * than an hour they are the mean of the hours', by answered calls.
 */
function valueOf(metric: Metric, hours: readonly Counters[]): number | null {
  if (metric.kind === "sum") return metric.value(summed(hours));
  const known = hours.flatMap((hour) => {
    const value = metric.value(hour);
    return value === null ? [] : [{ value, weight: Math.max(1, hour.answered) }];
  });
  const weights = known.reduce((total, { weight }) => total + weight, 0);
  return weights === 0 ? null : known.reduce((total, { value, weight }) => total + value * weight, 0) / weights;
}

/** Counters of several hours together, but for percentiles and types of errors. */
function summed(hours: readonly Counters[]): Counters {
  const sum = (value: (hour: Counters) => number) => hours.reduce((total, hour) => total + value(hour), 0);
  return {
    calls: sum((hour) => hour.calls),
    answered: sum((hour) => hour.answered),
    errors: {},
    error_count: sum((hour) => hour.error_count),
    empty: sum((hour) => hour.empty),
    latency_ms: NO_PERCENTILES,
    time_to_first_chunk_ms: NO_PERCENTILES,
    usage: {
      input_tokens: known(hours, "input_tokens"),
      output_tokens: known(hours, "output_tokens"),
      total_tokens: known(hours, "total_tokens"),
      cost_usd: known(hours, "cost_usd"),
    },
  };
}

const NO_PERCENTILES: Percentiles = { p50: null, p95: null, p99: null };

/** The sum of what is known; null where nothing is. */
function known(hours: readonly Counters[], field: keyof Usage): number | null {
  const values = hours.map((hour) => hour.usage[field]).filter((value) => typeof value === "number");
  return values.length === 0 ? null : values.reduce((a, b) => a + b, 0);
}

function lineLabel({ model }: ModelStats, metric: Metric | null): string {
  const name = oneLine(modelTail(model), 60);
  return metric === null ? name : `${name} ${metric.name.split(" ").at(-1)}`;
}

function localOffsetMs(at: number): number {
  return -new Date(at).getTimezoneOffset() * 60_000;
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}
