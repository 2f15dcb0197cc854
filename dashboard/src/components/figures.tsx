/** Numbers, times and names with their exact value as the title. */
import { ago, compact, cost, count, duration, exactTime, isScripted, modelTail, oneLine, UNKNOWN } from "../format";
import { useNow } from "../hooks";
import type { Usage } from "../openapi";

export function Duration({ ms }: { ms: number | null | undefined }) {
  return (
    <span class="num" title={ms === null || ms === undefined ? "not known" : `${count(ms)} ms`}>
      {duration(ms)}
    </span>
  );
}

/** Counts up from `since` while something is open. */
export function Elapsed({ since }: { since: number }) {
  return <span class="num">{duration(Math.max(0, useNow(1_000) - since))}</span>;
}

export function Tokens({ usage }: { usage: Usage | null | undefined }) {
  const title = usage
    ? `${count(usage.total_tokens)} tokens: ${count(usage.input_tokens)} in, ${count(usage.output_tokens)} out`
    : "not known";
  return (
    <span class="num" title={title}>
      {compact(usage?.total_tokens)}
    </span>
  );
}

export function Cost({ usd }: { usd: number | null | undefined }) {
  return (
    <span class="num" title={usd === null || usd === undefined ? "not known" : `${usd} US dollars`}>
      {cost(usd)}
    </span>
  );
}

/** How long ago, with the exact time as the title. */
export function When({ at, now }: { at: number | null; now: number }) {
  if (at === null) return <span class="num">{UNKNOWN}</span>;
  return (
    <time class="num" dateTime={new Date(at).toISOString()} title={exactTime(at)}>
      {ago(at, now)}
    </time>
  );
}

/** A model's name; one that is no model says so. */
export function ModelName({ model, isShort = false }: { model: string; isShort?: boolean }) {
  return (
    <span class="model-name" title={oneLine(model, 300)}>
      <bdi class="mono">{oneLine(isShort ? modelTail(model) : model, 120)}</bdi>
      {isScripted(model) && (
        <span class="no-model" title="no model: embedded script">
          {isShort ? "no model" : "no model: embedded script"}
        </span>
      )}
    </span>
  );
}
