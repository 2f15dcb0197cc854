/** What the runs page is asked to show: its address, and what that means to `GET /v1/traces`. Pure. */

export const RANGES = [
  ["1h", "Last hour", 3_600_000],
  ["24h", "Last 24 hours", 86_400_000],
  ["7d", "Last 7 days", 7 * 86_400_000],
  ["30d", "Last 30 days", 30 * 86_400_000],
] as const;

export const METADATA_PREFIX = "metadata.";

/** Names in the address that the server knows too. */
const PASSED = ["status", "model", "agent", "q", "session", "since", "until"];
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
  return [...query.keys()].filter((name) => name !== "c" && name !== "tenant").length;
}

/** `key=value` as typed; null when it is none. */
export function parseMetadata(text: string): [key: string, value: string] | null {
  const at = text.indexOf("=");
  const key = text.slice(0, Math.max(0, at)).trim();
  const value = text.slice(at + 1).trim();
  return key === "" || value === "" ? null : [key, value];
}
