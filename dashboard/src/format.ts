/** How numbers, times and foreign text are shown. Nothing here touches the page. */

/** What stands where a number is unknown. */
export const UNKNOWN = "–";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** `840 ms`, `12.3 s`, `3 min 05 s`, `2 h 04 min`, `3 d 4 h`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return UNKNOWN;
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  const two = (count: number) => String(count).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `12,345`. */
export function count(n: number | null | undefined): string {
  return n === null || n === undefined ? UNKNOWN : whole.format(n);
}

/** `1 answer`, `12,345 answers`. */
export function counted(n: number, one: string): string {
  return `${count(n)} ${one}${n === 1 ? "" : "s"}`;
}

/** `987`, `12.3k`, `4.5M`: for narrow columns, with `count` as the title. */
export function compact(n: number | null | undefined): string {
  if (n === null || n === undefined) return UNKNOWN;
  if (n < 10_000) return whole.format(n);
  const [scaled, unit] = n < 999_500 ? [n / 1e3, "k"] : n < 999_500_000 ? [n / 1e6, "M"] : [n / 1e9, "G"];
  return `${scaled < 99.95 ? scaled.toFixed(1) : whole.format(scaled)}${unit}`;
}

/** US dollars; small sums keep two significant digits. */
export function cost(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return UNKNOWN;
  if (usd === 0) return "$0";
  if (usd >= 1) return `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  if (usd >= 0.01) return `$${usd.toFixed(4)}`;
  return `$${usd.toFixed(Math.min(12, 1 - Math.floor(Math.log10(usd))))}`;
}

/** `12.5%` of a share from 0 to 1. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return UNKNOWN;
  return `${(share * 100).toFixed(share === 0 || share === 1 ? 0 : 1)}%`;
}

/** `now`, `12 s ago`, `5 min ago`, `3 h ago`, `4 d ago`, then the date. */
export function ago(at: number, now: number): string {
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 3) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.floor(seconds / 86_400)} d ago`;
  return exactTime(at).slice(0, 10);
}

/** Local time to the millisecond, with its zone: `2026-11-22 10:53:55.123 +01:00`. */
export function exactTime(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  const minutes = -date.getTimezoneOffset();
  const local = new Date(at + minutes * 60_000).toISOString();
  const two = (n: number) => String(n).padStart(2, "0");
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${local.slice(0, 10)} ${local.slice(11, 23)} ${zone}`;
}

/** The first characters of an id. */
export function shortId(id: string): string {
  return id.length > 10 ? `${id.slice(0, 8)}…` : id;
}

/** `budget_tokens` as `budget tokens`. */
export function words(code: string): string {
  return code.replaceAll("_", " ");
}

/** Whether a model's name says that it is none. */
export function isScripted(model: string): boolean {
  return model.startsWith("scripted:");
}

/** The last part of a model's name: `llama-3.1-8b-instruct` of `@cf/meta/llama-3.1-8b-instruct`. */
export function modelTail(model: string): string {
  const tail = model.slice(model.lastIndexOf("/") + 1);
  return tail === "" ? model : tail;
}

/**
 * Foreign text as it may be shown: control characters, and the marks that reorder text, become their names, so that
 * what is read is what is there. Line ends and tabs stay.
 */
export function visible(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(CONTROLS, (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** One line of foreign text, cut to `charsMax` characters. */
export function oneLine(text: string, charsMax = 200): string {
  const line = visible(
    text
      .slice(0, charsMax * 2)
      .replace(/\s+/g, " ")
      .trim(),
  );
  const chars = Array.from(line);
  return chars.length > charsMax || text.length > charsMax * 2 ? `${chars.slice(0, charsMax).join("")}…` : line;
}

// C0 without tab and line feed, DEL, C1, and the bidirectional embeddings, overrides and isolates.
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
