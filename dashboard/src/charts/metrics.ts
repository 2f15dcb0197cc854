/** What the charts show of a model's counters. Pure. */
import { compact, cost, duration, percent } from "../format";
import type { BucketStats } from "../openapi";

/** What a model did in some time. */
export type Counters = Omit<BucketStats, "at">;

export const PERCENTILES = ["p50", "p95", "p99"] as const;
export type Percentile = (typeof PERCENTILES)[number];

export interface Metric {
  id: string;
  /** In the middle of a sentence too. */
  name: string;
  /** Whether it can be had for a longer time from the counters of its hours, or only as a mean of theirs. */
  kind: "sum" | "percentile";
  value(counters: Counters): number | null;
  format(value: number): string;
  /** The least that the top of the axis stands for, so that small noise does not look like much. */
  topMin: number;
}

export function latency(percentile: Percentile): Metric {
  return {
    id: `latency-${percentile}`,
    name: `latency ${percentile}`,
    kind: "percentile",
    value: (counters) => counters.latency_ms[percentile],
    format: duration,
    topMin: 10,
  };
}

export const ERROR_RATE: Metric = {
  id: "error-rate",
  name: "error rate",
  kind: "sum",
  value: errorRate,
  format: percent,
  topMin: 0.05,
};

export const EMPTY_ANSWERS: Metric = {
  id: "empty",
  name: "empty responses",
  kind: "sum",
  value: (counters) => counters.empty,
  format: compact,
  topMin: 4,
};

export const TOKEN_KINDS = ["total", "in", "out"] as const;
export type TokenKind = (typeof TOKEN_KINDS)[number];

export function tokens(kind: TokenKind): Metric {
  const field = ({ total: "total_tokens", in: "input_tokens", out: "output_tokens" } as const)[kind];
  return {
    id: `tokens-${kind}`,
    name: kind === "total" ? "tokens" : `tokens ${kind}`,
    kind: "sum",
    value: (counters) => counters.usage[field],
    format: compact,
    topMin: 10,
  };
}

export const COST: Metric = {
  id: "cost",
  name: "cost",
  kind: "sum",
  value: (counters) => counters.usage.cost_usd,
  format: cost,
  topMin: 0.000_01,
};

/** The share of calls that failed; null without calls. */
export function errorRate(counters: Pick<Counters, "calls" | "error_count">): number | null {
  return counters.calls === 0 ? null : counters.error_count / counters.calls;
}

/** Null where either is not known. */
export function costPerCall(counters: Pick<Counters, "calls" | "usage">): number | null {
  const { cost_usd: usd } = counters.usage;
  return usd === null || counters.calls === 0 ? null : usd / counters.calls;
}
