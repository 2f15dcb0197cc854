/** Which model is best by each figure. Pure. */
import type { Lane } from "./lanes";

export const FIGURES = ["latency", "first_chunk", "tokens_in", "tokens_out", "cost"] as const;
export type Figure = (typeof FIGURES)[number];

/** Less is better in all of them. */
export function figure(lane: Lane, which: Figure): number | null {
  switch (which) {
    case "latency":
      return lane.latencyMs;
    case "first_chunk":
      return lane.firstChunkMs;
    case "tokens_in":
      return lane.usage?.input_tokens ?? null;
    case "tokens_out":
      return lane.usage?.output_tokens ?? null;
    case "cost":
      return lane.usage?.cost_usd ?? null;
  }
}

/**
 * By figure, the models with its least value. Only answers count: a failure is not quick. Nothing is marked where fewer
 * than two are known, where all are the same, and while a model may still come.
 */
export function best(lanes: readonly Lane[]): ReadonlyMap<Figure, ReadonlySet<string>> {
  const marks = new Map<Figure, ReadonlySet<string>>();
  if (lanes.some(({ status }) => status === "running" || status === "waiting" || status === "queued")) return marks;
  const answered = lanes.filter(({ status }) => status === "succeeded");
  for (const which of FIGURES) {
    const known = answered.flatMap((lane) => {
      const value = figure(lane, which);
      return value === null ? [] : [{ model: lane.model, value }];
    });
    const least = Math.min(...known.map(({ value }) => value));
    const winners = known.filter(({ value }) => value === least);
    if (known.length < 2 || winners.length === known.length) continue;
    marks.set(which, new Set(winners.map(({ model }) => model)));
  }
  return marks;
}
