/** Numbers, times and names with their exact value as the title. */
import { ago, compact, cost, count, duration, exactTime, isScripted, modelTail, oneLine, UNKNOWN } from "../format";
import { useNow } from "../hooks";
import type { Usage } from "../openapi";
import { Icon } from "./icon";

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

/** Why a number has a tilde. */
const ESTIMATED = " Estimated: the model's server did not count all of them, and the run has a budget.";

export function Tokens({ usage }: { usage: Usage | null | undefined }) {
  const told = usage
    ? `${count(usage.total_tokens)} tokens: ${count(usage.input_tokens)} in, ${count(usage.output_tokens)} out`
    : "not known";
  const isEstimated = usage?.estimated === true;
  return (
    <span class="num" title={isEstimated ? `${told}.${ESTIMATED}` : told}>
      {isEstimated && "~"}
      {compact(usage?.total_tokens)}
    </span>
  );
}

export function Cost({ usd, isEstimated = false }: { usd: number | null | undefined; isEstimated?: boolean }) {
  if (usd === null || usd === undefined) {
    return (
      <span class="num" title="not known">
        {cost(usd)}
      </span>
    );
  }
  return (
    <span class="num" title={isEstimated ? `${usd} US dollars, from estimated tokens` : `${usd} US dollars`}>
      {isEstimated && "~"}
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

/** The model that was asked for, and the one that took the run over from it. */
export function ModelNames({ model, then, isShort }: { model: string; then?: string | null; isShort?: boolean }) {
  if (then === undefined || then === null || then === model) return <ModelName model={model} isShort={isShort} />;
  return (
    <span class="model-names" title={`${oneLine(model, 300)}, then ${oneLine(then, 300)}`}>
      <span>
        <ModelName model={model} isShort={isShort} />,
      </span>{" "}
      <span>
        then <ModelName model={then} isShort={isShort} />
      </span>
    </span>
  );
}

/** The models of a comparison, and how many of them failed. */
export function ModelCount({ models, failed }: { models: string; failed: number }) {
  return (
    <span title={oneLine(models.replaceAll(",", ", "), 400)}>
      <Icon name="compare" /> {models.split(",").length} models
      {failed > 0 && (
        <>
          , <span class="models-failed">{failed} failed</span>
        </>
      )}
    </span>
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
