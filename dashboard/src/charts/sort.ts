/** The order of the table of models, and its columns' values. Pure. */
import type { ModelStats } from "../openapi";
import { costPerCall, errorRate } from "./metrics";

export const COLUMNS = {
  model: (stat) => stat.model.toLowerCase(),
  calls: (stat) => stat.calls,
  error_rate: (stat) => errorRate(stat),
  errors: (stat) => stat.error_count,
  empty: (stat) => stat.empty,
  p50: (stat) => stat.latency_ms.p50,
  p95: (stat) => stat.latency_ms.p95,
  p99: (stat) => stat.latency_ms.p99,
  first_p50: (stat) => stat.time_to_first_chunk_ms.p50,
  first_p95: (stat) => stat.time_to_first_chunk_ms.p95,
  tokens_in: (stat) => stat.usage.input_tokens,
  tokens_out: (stat) => stat.usage.output_tokens,
  cost: (stat) => stat.usage.cost_usd,
  cost_per_call: (stat) => costPerCall(stat),
} as const satisfies Record<string, (stat: ModelStats) => string | number | null>;

export type Column = keyof typeof COLUMNS;

export interface Sort {
  column: Column;
  direction: "ascending" | "descending";
}

/** The server's order. */
export const SORT_DEFAULT: Sort = { column: "calls", direction: "descending" };

/** Of an address: `p95`, or `-p95` for the greatest first. */
export function parseSort(text: string | null): Sort {
  const column = text?.replace(/^-/, "") ?? "";
  if (!Object.hasOwn(COLUMNS, column)) return SORT_DEFAULT;
  return { column: column as Column, direction: text?.startsWith("-") ? "descending" : "ascending" };
}

export function sortQuery({ column, direction }: Sort): string | null {
  if (column === SORT_DEFAULT.column && direction === SORT_DEFAULT.direction) return null;
  return direction === "descending" ? `-${column}` : column;
}

/** What a click on a column's head asks for: names and times rise at first, amounts fall; then the other way. */
export function nextSort(now: Sort, column: Column): Sort {
  if (now.column === column) {
    return { column, direction: now.direction === "ascending" ? "descending" : "ascending" };
  }
  return { column, direction: LEAST_FIRST.has(column) ? "ascending" : "descending" };
}

const LEAST_FIRST: ReadonlySet<Column> = new Set<Column>([
  ...(["model", "p50", "p95", "p99"] as const),
  ...(["first_p50", "first_p95", "cost_per_call"] as const),
]);

/** What is not known comes last, whatever the direction; equals by name. */
export function sorted(models: readonly ModelStats[], { column, direction }: Sort): ModelStats[] {
  const value = COLUMNS[column];
  const sign = direction === "ascending" ? 1 : -1;
  return [...models].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null) || byName(a, b);
    if (left === right) return byName(a, b);
    return (left < right ? -1 : 1) * sign;
  });
}

function byName(a: ModelStats, b: ModelStats): number {
  return a.model < b.model ? -1 : Number(a.model > b.model);
}
