/** Metadata as rows of a form. Pure. */
import type { Metadata } from "./openapi";

export interface Label {
  key: string;
  value: string;
  /** What the value was before it became a text: a number that nobody changes stays one. */
  was?: Metadata[string];
}

export function labelsOf(metadata: Metadata): Label[] {
  return Object.entries(metadata).map(([key, value]) => ({ key, value: String(value), was: value }));
}

/** The value of a row as it is sent. */
export function labelValue({ value, was }: Label): Metadata[string] {
  return was !== undefined && String(was) === value ? was : value;
}
