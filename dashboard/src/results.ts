/** What a tool gave, as somebody reads it: images, sounds and files are noted, not shown as letters. */
import { count } from "./format";
import { shownJson } from "./json";

/** A row of letters that no person reads, where the text around it was cut and is no JSON any more. */
const DATA_RUN = /[A-Za-z0-9+/=_-]{512,}/g;

/** A result as text. */
export function resultText(result: unknown): string {
  if (typeof result !== "string") return shownJson(JSON.parse(JSON.stringify(result ?? null, noted)));
  // A text of letters is the result itself; those of a file are the data of a part.
  if (!result.includes('"data":"')) return result;
  return result.replace(DATA_RUN, ({ length }) => `(${count(length)} characters without a space, not shown here)`);
}

/** In place of the data of a part of a result: its type and its size. */
function noted(this: unknown, key: string, value: unknown): unknown {
  const { mime_type: type, base64_bytes: size } = this as Record<string, unknown>;
  if (key !== "data" || typeof value !== "string" || typeof size !== "number") return value;
  const bytes = Math.floor((value.replace(/=+$/, "").length * 3) / 4);
  return `${typeof type === "string" ? type : "a file"}, ${count(bytes)} bytes, not shown here`;
}
