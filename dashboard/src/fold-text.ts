/** Which part of a long text is shown before somebody asks for the whole. Pure. */

/** A text is folded beyond this, and then shows so much. A text that is little longer than its fold has none. */
const LINES_MAX = 36;
const LINES_SHOWN = 24;
const CHARS_MAX = 3_000;
const CHARS_SHOWN = 2_000;
/** Characters that are shown of the end of a text that still grows. */
const GROWING_CHARS_SHOWN = 6_000;

export interface Folded {
  shown: string;
  /** What the whole is, in words; null where it is shown. */
  whole: { count: number; unit: "lines" | "characters" } | null;
}

export function folded(text: string): Folded {
  const lines = text.split("\n", LINES_MAX + 1);
  const isTall = lines.length > LINES_MAX;
  if (!isTall && text.length <= CHARS_MAX) return { shown: text, whole: null };
  const head = isTall ? lines.slice(0, LINES_SHOWN).join("\n") : text;
  const shown = head.length > CHARS_SHOWN ? head.slice(0, CHARS_SHOWN) : head;
  if (isTall) return { shown, whole: { count: text.split("\n").length, unit: "lines" } };
  return { shown, whole: { count: text.length, unit: "characters" } };
}

/** The end of a text that still grows. */
export function growing(text: string): Folded {
  if (text.length <= GROWING_CHARS_SHOWN) return { shown: text, whole: null };
  return { shown: `…${text.slice(-GROWING_CHARS_SHOWN)}`, whole: { count: text.length, unit: "characters" } };
}
