/** The facts of a run in one line of figures, and why it failed. */
import type { ComponentChildren } from "preact";
import { toolCallCount } from "../acts";
import { answersOf, type RunFold } from "../fold";
import { count, shortId, visible, words } from "../format";
import { href } from "../router";
import type { RunStatus, Trace, Usage } from "../openapi";
import { CopyButton } from "./copy";
import { Cost, Duration, Elapsed, ModelNames, Tokens, When } from "./figures";
import { useNow } from "../hooks";
import { shownJson } from "../json";
import { Icon } from "./icon";
import { Labelled } from "./tool-view";

interface RunHeaderProps {
  session: string;
  run: number;
  status: RunStatus;
  fold: RunFold;
  trace: Trace | null;
}

export function RunHeader({ session, run, status, fold, trace }: RunHeaderProps) {
  const now = useNow(10_000);
  const acceptedAt = fold.accepted?.at ?? trace?.started_at ?? null;
  const endedAt = fold.ended?.at ?? trace?.ended_at ?? null;
  const model = fold.accepted?.model ?? trace?.model ?? "";
  const latest = fold.attempts.at(-1)?.model ?? trace?.answered_by;
  const models = fold.accepted?.models ?? null;
  const resumed = Math.max(fold.resumptions.length, trace?.resumed ?? 0);
  const attempts = Math.max(fold.attempts.length, trace?.attempts ?? 0);
  const usage = usageOf(fold, trace);
  const metadata = Object.entries(fold.accepted?.metadata ?? trace?.metadata ?? {});
  const most = fold.accepted?.maxIterations;
  return (
    <section class="panel run-header" aria-label="Summary">
      <dl class="figures">
        <Figure name="Agent">
          <bdi>{visible(fold.accepted?.agent ?? trace?.agent ?? "")}</bdi>
        </Figure>
        {models ? (
          <Figure name="Models">
            <a href={href(["compare", session])}>{models.length} compared</a>
          </Figure>
        ) : (
          <Figure name="Model">
            <ModelNames model={model} then={latest} />
          </Figure>
        )}
        <Figure name="Duration">
          {endedAt !== null && acceptedAt !== null ? (
            <Duration ms={endedAt - acceptedAt} />
          ) : acceptedAt !== null ? (
            <Elapsed since={acceptedAt} />
          ) : (
            "–"
          )}
        </Figure>
        <Figure name="Answers">
          <span class="num">
            {count(answersOf(fold))}
            {most !== undefined && models === null && <span class="muted"> of at most {most}</span>}
            {models !== null && <span class="muted"> of {models.length}</span>}
          </span>
        </Figure>
        <Figure name="Attempts">
          <span class="num">{count(attempts)}</span>
        </Figure>
        {toolCallCount(fold) > 0 && (
          <Figure name="Tool calls">
            <span class="num">{count(toolCallCount(fold))}</span>
          </Figure>
        )}
        <Figure name="Resumed">
          <span class={resumed > 0 ? "num resumed" : "num"}>
            {resumed > 0 && <Icon name="bolt" />} {resumed === 0 ? "never" : `${count(resumed)}×`}
          </span>
        </Figure>
        <Figure name="Tokens">
          <Tokens usage={usage} />
        </Figure>
        <Figure name="Cost">
          <Cost usd={usage?.cost_usd} isEstimated={usage?.estimated} />
        </Figure>
        <Figure name="Started">
          <When at={acceptedAt} now={now} />
        </Figure>
        {trace && (
          <Figure name="Trace">
            <span class="id">
              <code title={trace.trace_id}>{shortId(trace.trace_id)}</code>
              <CopyButton text={trace.trace_id} label="Copy the trace id" />
            </span>
          </Figure>
        )}
        <Figure name="Session">
          <span class="id">
            <a href={href(["sessions", session])} title="The whole session">
              <code>
                {shortId(session)}/{run}
              </code>
            </a>
            <CopyButton text={session} label="Copy the session id" />
          </span>
        </Figure>
      </dl>
      {metadata.length > 0 && (
        <ul class="labels" aria-label="Metadata">
          {metadata.map(([key, value]) => (
            <li key={key}>
              <a href={href(["runs"], { [`metadata.${key}`]: String(value) })} title="All runs with this">
                <bdi>{visible(key)}</bdi>=<bdi>{visible(String(value))}</bdi>
              </a>
            </li>
          ))}
        </ul>
      )}
      {status === "failed" && <Why fold={fold} trace={trace} />}
      {fold.ended?.output !== undefined && <Labelled name="Output" text={shownJson(fold.ended.output)} />}
    </section>
  );
}

function Why({ fold, trace }: { fold: RunFold; trace: Trace | null }) {
  const code = fold.ended?.error?.code ?? fold.ended?.stopReason ?? trace?.stop_reason ?? "failed";
  const message = fold.ended?.error?.message ?? trace?.spans[0]?.error_message ?? "";
  return (
    <p class="why">
      <Icon name="cross" />
      <span>
        <strong>Failed: {words(code)}.</strong> {visible(message)}
      </span>
    </p>
  );
}

function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The run's own sum at its end; until then what its answers told. Unknown numbers stay unknown. */
function usageOf(fold: RunFold, trace: Trace | null): Usage | null {
  if (fold.ended) return fold.ended.usage;
  const told = fold.attempts.flatMap(({ usage }) => (usage ? [usage] : []));
  if (told.length === 0) return trace?.usage ?? null;
  const sum = (key: "input_tokens" | "output_tokens" | "total_tokens" | "cost_usd") => {
    const known = told.flatMap((usage) => usage[key] ?? []);
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
  };
  return {
    input_tokens: sum("input_tokens"),
    output_tokens: sum("output_tokens"),
    total_tokens: sum("total_tokens"),
    cost_usd: sum("cost_usd"),
    ...(told.some((usage) => usage.estimated) ? { estimated: true } : {}),
  };
}
