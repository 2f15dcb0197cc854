/** Light or dark: as the system says, unless the user chose. */
import { readLocal, writeLocal } from "./storage";
import { store } from "./store";

export type Theme = "system" | "light" | "dark";

const KEY = "longhaul.theme";

export const theme = store<Theme>(stored());

export function setTheme(next: Theme): void {
  writeLocal(KEY, next === "system" ? null : next);
  apply(next);
  theme.set(next);
}

/** Call once before the first render. */
export function startTheme(): void {
  apply(theme.get());
}

/** A colour token (`--accent`) as the browser resolves it now: for a canvas. */
export function resolvedColor(name: `--${string}`, at: Element = document.documentElement): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  probe.hidden = true;
  at.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function apply(next: Theme): void {
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
}

function stored(): Theme {
  const value = readLocal(KEY);
  return value === "light" || value === "dark" ? value : "system";
}
