/** The time that the Models page covers, as its address has it: `since=30d`, or `since` and `until` in milliseconds. */
import { LIMITS } from "../openapi";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** The server answers for no longer time. */
export const RANGE_DAYS_MAX = LIMITS.stats_days;

export type Preset = "24h" | "7d" | "30d";

export type Range = { preset: Preset } | { preset: null; since: number; until: number };

export const PRESETS: readonly { preset: Preset; name: string; spanMs: number }[] = [
  { preset: "24h", name: "24 hours", spanMs: DAY_MS },
  { preset: "7d", name: "7 days", spanMs: 7 * DAY_MS },
  { preset: "30d", name: "30 days", spanMs: 30 * DAY_MS },
];

export const PRESET_DEFAULT: Preset = "7d";

/** What cannot be read is the default: an address is no form. */
export function parseRange(query: URLSearchParams): Range {
  const since = query.get("since") ?? "";
  const known = PRESETS.find(({ preset }) => preset === since);
  if (known) return { preset: known.preset };
  const [from, to] = [millis(since), millis(query.get("until") ?? "")];
  if (from === null || to === null || rangeFault(from, to) !== null) return { preset: PRESET_DEFAULT };
  return { preset: null, since: from, until: to };
}

/** The parameters of an address for a range; those of the default are left out. */
export function rangeQuery(range: Range): { since: string | null; until: string | null } {
  if (range.preset === null) return { since: String(range.since), until: String(range.until) };
  return { since: range.preset === PRESET_DEFAULT ? null : range.preset, until: null };
}

/** The times to ask for now. Days are whole local days, so that the first of them is no smaller than the rest. */
export function rangeTimes(range: Range, now: number): { since: number; until: number } {
  if (range.preset === null) return { since: range.since, until: range.until };
  const spanMs = PRESETS.find(({ preset }) => preset === range.preset)?.spanMs ?? 7 * DAY_MS;
  const since = now - spanMs;
  return { since: spanMs > DAY_MS ? new Date(since).setHours(0, 0, 0, 0) : since, until: now };
}

/** Why two times are no range, by the whole hours that they touch; null when they are one. */
export function rangeFault(since: number, until: number): string | null {
  if (until <= since) return "must be later than the start";
  const hoursMs = Math.ceil(until / HOUR_MS) * HOUR_MS - Math.floor(since / HOUR_MS) * HOUR_MS;
  if (hoursMs > RANGE_DAYS_MAX * DAY_MS) return `must be at most ${RANGE_DAYS_MAX} days after the start`;
  return null;
}

/** `2026-11-22T14:00`, local: what an input for date and time holds. */
export function localInput(at: number): string {
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

function millis(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}
