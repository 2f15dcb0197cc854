/** What the runs page is asked to show: its address, and what that means to `GET /v1/traces`. Pure. */

export const RANGES = [
  ["1h", "Last hour", 3_600_000],
  ["24h", "Last 24 hours", 86_400_000],
  ["7d", "Last 7 days", 7 * 86_400_000],
  ["30d", "Last 30 days", 30 * 86_400_000],
] as const;

export const METADATA_PREFIX = "metadata.";

/** The orders of the list: the server's word, and ours. The first is the server's own. */
export const ORDERS = [
  ["", "newest first"],
  ["duration", "longest first"],
  ["working", "most work first"],
  ["waiting", "longest wait first"],
  ["tokens", "most tokens first"],
  ["cost", "dearest first"],
] as const;

/** Filters by a run's figures. A person gives them in `unit`; the server takes `factor` as many, whole ones or not. */
export const FIGURES = [
  { name: "min_duration_ms", label: "Took at least", unit: "seconds", factor: 1_000, isWhole: true },
  { name: "min_working_ms", label: "Worked at least", unit: "seconds", factor: 1_000, isWhole: true },
  { name: "min_total_tokens", label: "Used at least", unit: "tokens", factor: 1, isWhole: true },
  { name: "min_cost_usd", label: "Cost at least", unit: "US dollars", factor: 1, isWhole: false },
] as const;

/** Filters that are on or off. */
export const FLAGS = [
  ["resumed", "Survived a crash"],
  ["model_failed", "A model failed"],
] as const;

/** Those that the page shows under "More filters". */
export const RARE = ["error_type", ...FIGURES.map(({ name }) => name), ...FLAGS.map(([name]) => name)];

/** Names in the address that the server knows too. */
const PASSED = ["status", "model", "agent", "q", "session", "since", "until", "sort", ...RARE];
/** Names in the address that choose no runs. */
const NO_FILTERS = ["c", "tenant", "sort"];
const RUNS_PER_PAGE = 50;
const MINUTE_MS = 60_000;

/** The parameters for the server. A named range ends now, and is rounded to the minute. */
export function apiQuery(query: URLSearchParams, now: number): URLSearchParams {
  const asked = new URLSearchParams();
  for (const [name, value] of query) {
    if (value !== "" && (PASSED.includes(name) || name.startsWith(METADATA_PREFIX))) asked.append(name, value);
  }
  const range = RANGES.find(([name]) => name === query.get("range"));
  if (range) asked.set("since", String(Math.floor((now - range[2]) / MINUTE_MS) * MINUTE_MS));
  asked.set("limit", String(RUNS_PER_PAGE));
  const cursor = query.getAll("c").at(-1);
  if (cursor) asked.set("cursor", cursor);
  return asked;
}

/** The address one page on. Every cursor on the way is kept, so that the way back is known. */
export function olderPage(query: URLSearchParams, next: string): URLSearchParams {
  const older = new URLSearchParams(query);
  older.append("c", next);
  return older;
}

/** The address one page back; null on the first one. */
export function newerPage(query: URLSearchParams): URLSearchParams | null {
  const cursors = query.getAll("c");
  if (cursors.length === 0) return null;
  const newer = new URLSearchParams(query);
  newer.delete("c");
  for (const cursor of cursors.slice(0, -1)) newer.append("c", cursor);
  return newer;
}

/** The address with other filters, back on the first page. Null removes one. */
export function filtered(query: URLSearchParams, changes: Record<string, string | null>): URLSearchParams {
  const next = new URLSearchParams(query);
  next.delete("c");
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  return next;
}

/** Filters that are set, without the page. */
export function filterCount(query: URLSearchParams): number {
  return [...query.keys()].filter((name) => !NO_FILTERS.includes(name)).length;
}

/** `key=value` as typed; null when it is none. */
export function parseMetadata(text: string): [key: string, value: string] | null {
  const at = text.indexOf("=");
  const key = text.slice(0, Math.max(0, at)).trim();
  const value = text.slice(at + 1).trim();
  return key === "" || value === "" ? null : [key, value];
}

/** A figure as typed, as the server takes it; null when it is none. */
export function parseFigure(text: string, { factor, isWhole }: (typeof FIGURES)[number]): string | null {
  const value = Number(text) * factor;
  if (text.trim() === "" || !Number.isFinite(value) || value < 0) return null;
  return String(isWhole ? Math.round(value) : value);
}
