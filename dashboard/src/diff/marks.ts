/** How one text differs from another, with bounded work. Pure but for the clock that bounds it. */
import { diffLines, diffWords, type Change } from "diff";

export interface Part {
  kind: "same" | "added" | "removed";
  text: string;
}

export type Marks =
  | { unit: "words" | "lines"; parts: readonly Part[]; added: number; removed: number }
  /** The texts are the same. */
  | { unit: "same" }
  /** They are too long, or differ too much, to be compared in the time there is. */
  | { unit: "none" };

/** Both texts together: more is compared by lines. */
export const WORD_CHARS_MAX = 40_000;
export const LINE_CHARS_MAX = 2_000_000;
/** How long the page may stand still for one pair, in milliseconds. */
const WORD_TIMEOUT_MS = 150;
const LINE_TIMEOUT_MS = 100;
/** More pieces than these are noise, and slow to show. */
const PARTS_MAX = 4_000;

export function marks(before: string, after: string): Marks {
  if (before === after) return { unit: "same" };
  const chars = before.length + after.length;
  if (chars <= WORD_CHARS_MAX) {
    const options = { timeout: WORD_TIMEOUT_MS, ...segmenterFor(before + after) };
    const found = counted("words", diffWords(before, after, options));
    if (found) return found;
  }
  if (chars <= LINE_CHARS_MAX) {
    const found = counted("lines", diffLines(before, after, { timeout: LINE_TIMEOUT_MS }));
    if (found) return found;
  }
  return { unit: "none" };
}

function counted(unit: "words" | "lines", changes: Change[] | undefined): Marks | null {
  if (changes === undefined || changes.length > PARTS_MAX) return null;
  const total = (kind: "added" | "removed") =>
    changes.reduce((sum, change) => sum + (change[kind] ? sizeOf(change, unit) : 0), 0);
  const parts = changes.map(({ value, added, removed }): Part => ({
    kind: added ? "added" : removed ? "removed" : "same",
    text: value,
  }));
  // Words that differ in white space only are the same to the library.
  if (parts.every(({ kind }) => kind === "same")) return { unit: "same" };
  return { unit, parts, added: total("added"), removed: total("removed") };
}

/** A piece's words without punctuation, which the library counts as well. */
function sizeOf({ value, count }: Change, unit: "words" | "lines"): number {
  return unit === "lines" ? count : (value.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*/gu)?.length ?? 0);
}

/** Other scripts than Latin need the browser's knowledge of where words end, and of what may not be torn apart. */
function segmenterFor(text: string): { intlSegmenter?: Intl.Segmenter } {
  if (!/(?!\p{Script=Latin})\p{L}/u.test(text) || typeof Intl.Segmenter !== "function") return {};
  return { intlSegmenter: new Intl.Segmenter(undefined, { granularity: "word" }) };
}
