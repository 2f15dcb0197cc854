/** JSON as people may judge it: what is not seen, or moves other characters, is written as its escape. */

/** A value over several lines. What comes out is the same JSON, so that it may be edited and read again. */
export function shownJson(value: unknown): string {
  return escaped(JSON.stringify(value, null, 2) ?? "null");
}

/** A JSON text with an escape for each character that nobody would see. Only its strings have such characters. */
export function escaped(json: string): string {
  return json.replace(UNSEEN, (found) =>
    Array.from({ length: found.length }, (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** Reads what somebody wrote; says what is wrong with it. */
export function readJson(text: string): { value: unknown } | { fault: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { fault: `This is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

// Control characters but for line feeds, format characters (those that reorder text, and joiners), line separators,
// spaces that are not the space, fillers that look like one, and variation selectors.
const UNSEEN = new RegExp(
  [
    String.raw`[\p{Cf}\p{Zl}\p{Zp}\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00a0\u034f\u115f\u1160\u1680\u17b4\u17b5`,
    String.raw`\u180b-\u180f\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]`,
  ].join(""),
  "gu",
);
