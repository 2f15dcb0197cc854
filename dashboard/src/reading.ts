/** How texts of models and people are shown: as they are, or as the Markdown that they may be. Remembered. */
import { readLocal, writeLocal } from "./storage";
import { store } from "./store";

const KEY = "longhaul.markdown";

export const isMarkdown = store(readLocal(KEY) === "on");

export function setMarkdown(on: boolean): void {
  writeLocal(KEY, on ? "on" : null);
  isMarkdown.set(on);
}
