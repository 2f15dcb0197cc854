/** Figures as a table for a spreadsheet. Pure. */
import type { StatsGroup, StatsGroups } from "./openapi";
import { OPEN_STATUSES } from "./status";

const HEAD = [
  ...["runs", "open", "succeeded", "failed", "cancelled", "resumed"],
  ...["input_tokens", "output_tokens", "total_tokens", "cost_usd"],
];

/** The runs by a label, a line a value: the exact figures, and nothing for what is unknown. */
export function groupsCsv({ by, groups, rest }: StatsGroups): string {
  const lines = groups.map((group) => [group.value ?? "", ...figures(group)]);
  // A value may be this text too: the last line is told by its place.
  if (rest !== null) lines.push(["(all others)", ...figures(rest)]);
  return [[by, ...HEAD], ...lines].map((line) => `${line.map(cell).join(",")}\r\n`).join("");
}

export function openRuns({ statuses }: StatsGroup): number {
  return OPEN_STATUSES.reduce((sum, status) => sum + (statuses[status] ?? 0), 0);
}

function figures(group: StatsGroup): (number | null)[] {
  const { runs, statuses, resumed, usage } = group;
  const ended = ["succeeded", "failed", "cancelled"].map((status) => statuses[status] ?? 0);
  const used = [usage.input_tokens, usage.output_tokens, usage.total_tokens, usage.cost_usd];
  return [runs, openRuns(group), ...ended, resumed, ...used];
}

/** A spreadsheet takes a text that begins like a formula for one: a quote before it says that it is text. */
function cell(value: string | number | null): string {
  if (typeof value !== "string") return value === null ? "" : String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
