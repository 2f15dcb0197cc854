/** A comparison, while it runs and after: the answers side by side, and all spans on one time axis. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import * as api from "../api";
import { best as bestOf } from "../diff/best";
import { isSettled, lanes as lanesOf, type Lane } from "../diff/lanes";
import { statusOf, type RunFold } from "../fold";
import { count, modelTail, oneLine, words } from "../format";
import { useLoaded, useNow } from "../hooks";
import type { Run, RunStatus, Trace } from "../openapi";
import { href, setQuery } from "../router";
import { useRunStream, useTrace } from "../run-stream";
import { isOpen } from "../status";
import { findRow, waterfall, type Row } from "../waterfall";
import { announce } from "./announcer";
import { CompareCard } from "./compare-card";
import { Cost, Duration, Elapsed, Tokens, When } from "./figures";
import { Lost } from "./lost";
import { Page } from "./page";
import { RunActions } from "./run-actions";
import { SpanDetails } from "./span-details";
import { Empty, Failure, Skeleton } from "./states";
import { StatusChip } from "./status";
import { MarkdownToggle, TextBlock } from "./text";
import { Waterfall } from "./waterfall";
import { WaterfallLegend } from "./waterfall-legend";

/** A comparison is the only run of its session. */
const RUN = 1;
/** How often the run is asked for while it is open: with the stream, and without, in milliseconds. */
const POLL_LIVE_MS = 5_000;
const POLL_LOST_MS = 2_000;
/** How often bars of what is open grow, in milliseconds. */
const GROW_MS = 250;
/** A task that is longer is not whole in the heading. */
const TITLE_CHARS_MAX = 120;

export function CompareResult({ session, query }: { session: string; query: URLSearchParams }) {
  const stream = useRunStream(session, RUN);
  const { fold, connection, fault } = stream;
  const { trace } = useTrace(session, RUN, `${fold.seq}/${connection.state === "lost"}`);
  const loaded = useLoaded(
    session,
    (signal) => api.run(session, RUN, signal),
    (run) => (isOpen(run.status) ? (connection.state === "live" ? POLL_LIVE_MS : POLL_LOST_MS) : null),
  );
  const run = loaded.data;
  const isEnded = fold.ended !== null;
  useEffect(() => {
    if (isEnded) loaded.reload();
  }, [isEnded]);
  const lanes = useMemo(() => lanesOf(fold, run, trace), [fold, run, trace]);
  const status = run !== null && !isOpen(run.status) ? run.status : (statusOf(fold) ?? run?.status ?? null);
  useAnnounced(lanes, status);

  const error = fault ?? (fold.accepted === null && run === null ? loaded.error : null);
  if (error !== null) return <Missing error={error} onRetry={loaded.reload} />;
  if (status === null) return <Loading />;
  if (lanes === null) return <NoComparison session={session} />;
  const task = fold.accepted?.task ?? trace?.spans.at(-1)?.input.at(-1)?.content ?? "";
  return (
    <Page
      class="compare-page"
      documentTitle={`Compare, ${words(status)}: ${oneLine(task, 40)}`}
      title={
        <span class="run-title">
          <StatusChip status={status} detail={fold.ended?.stopReason ?? run?.stop_reason} />
          <bdi>{task === "" ? "Comparison" : oneLine(task, TITLE_CHARS_MAX)}</bdi>
        </span>
      }
      actions={<Actions session={session} status={status} fold={fold} trace={trace} />}
    >
      <Lost stream={stream} isOpen={isOpen(status)} />
      <Overview fold={fold} run={run} lanes={lanes} status={status} task={task} />
      <Answers lanes={lanes} query={query} />
      <Spans fold={fold} trace={trace} status={status} query={query} />
    </Page>
  );
}

interface ActionsProps {
  session: string;
  status: RunStatus;
  fold: RunFold;
  trace: Trace | null;
}

function Actions({ session, status, fold, trace }: ActionsProps) {
  return (
    <>
      <a class="button" href={href(["runs", session, String(RUN)])}>
        Open the run
      </a>
      <RunActions session={session} run={RUN} status={status} fold={fold} trace={trace} />
    </>
  );
}

interface OverviewProps {
  fold: RunFold;
  run: Run | null;
  lanes: readonly Lane[];
  status: RunStatus;
  task: string;
}

function Overview({ fold, run, lanes, status, task }: OverviewProps) {
  const open = isOpen(status);
  const now = useNow(open ? 1_000 : 30_000);
  const startedAt = fold.accepted?.at ?? run?.accepted_at ?? null;
  const endedAt = fold.ended?.at ?? run?.ended_at ?? null;
  const usage = fold.ended?.usage ?? run?.usage;
  const answered = lanes.filter((lane) => lane.status === "succeeded").length;
  return (
    <section class="panel compare-overview" aria-label="The comparison">
      <dl class="figures">
        <div>
          <dt>Answered</dt>
          <dd>
            {count(answered)} of {count(lanes.length)}
          </dd>
        </div>
        <div>
          <dt>Duration</dt>
          <dd>
            {open && startedAt !== null ? (
              <Elapsed since={startedAt} />
            ) : (
              <Duration ms={startedAt === null || endedAt === null ? null : endedAt - startedAt} />
            )}
          </dd>
        </div>
        <div>
          <dt>Tokens</dt>
          <dd>
            <Tokens usage={usage} />
          </dd>
        </div>
        <div>
          <dt>Cost</dt>
          <dd>
            <Cost usd={usage?.cost_usd} isEstimated={usage?.estimated} />
          </dd>
        </div>
        <div>
          <dt>Agent</dt>
          <dd>
            <bdi>{oneLine(fold.accepted?.agent ?? run?.agent ?? "", 60)}</bdi>
          </dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>
            <When at={startedAt} now={now} />
          </dd>
        </div>
      </dl>
      {(task.length > TITLE_CHARS_MAX || task.includes("\n")) && (
        <details class="compare-task">
          <summary>The whole task</summary>
          <TextBlock text={task} isProse />
        </details>
      )}
      {fold.ended?.error && (
        <p class="field-error">
          {oneLine(words(fold.ended.error.code), 80)}: {oneLine(fold.ended.error.message, 400)}
        </p>
      )}
    </section>
  );
}

function Answers({ lanes, query }: { lanes: readonly Lane[]; query: URLSearchParams }) {
  const best = useMemo(() => bestOf(lanes), [lanes]);
  const comparable = lanes.filter(({ isWhole, text }) => isWhole && text);
  const isOn = query.get("diff") !== "off" && comparable.length > 1;
  const chosen = comparable.find(({ model }) => model === query.get("base")) ?? comparable[0];
  const baseline = isOn ? chosen : undefined;
  return (
    <section class="compare-answers" aria-labelledby="answers-title">
      <div class="panel-head">
        <h2 id="answers-title">Answers</h2>
        <div class="compare-tools">
          <MarkdownToggle isIdle={isOn} />
          <label class="check">
            <input
              type="checkbox"
              checked={query.get("diff") !== "off"}
              onChange={(event) => setQuery({ diff: event.currentTarget.checked ? null : "off" }, "replace")}
            />
            Mark differences
          </label>
          <label class="check">
            <span>from</span>
            <select
              aria-label="Baseline"
              disabled={!isOn}
              value={chosen?.model ?? ""}
              onChange={(event) => setQuery({ base: event.currentTarget.value }, "replace")}
            >
              {comparable.length === 0 && <option value="">no answer yet</option>}
              {comparable.map(({ model }) => (
                <option key={model} value={model}>
                  {oneLine(model, 60)}
                </option>
              ))}
            </select>
          </label>
        </div>
      </div>
      <div class="compare-scroll" role="region" aria-label="Answers side by side" tabIndex={0}>
        <div class="compare-cards">
          {lanes.map((lane) => (
            <CompareCard
              key={lane.model}
              lane={lane}
              best={best}
              isBaseline={lane.model === baseline?.model}
              baseline={baseline === undefined || lane.model === baseline.model ? null : baseline.text}
            />
          ))}
        </div>
      </div>
    </section>
  );
}

interface SpansProps {
  fold: RunFold;
  trace: Trace | null;
  status: RunStatus;
  query: URLSearchParams;
}

function Spans({ fold, trace, status, query }: SpansProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const latest = Math.max(fold.attempts.at(-1)?.calledAt ?? 0, fold.resumptions.at(-1)?.at ?? 0);
  const now = Math.max(useNow(isOpen(status) ? GROW_MS : null), latest);
  const rows = useMemo(() => waterfall(fold, trace), [fold, trace]);
  if (rows === null) return null;
  const selected = findRow(rows.rows, query.get("span"));
  const select = (row: Row) => setQuery({ span: row.span?.span_id ?? row.id }, "replace");
  return (
    <>
      <section class={`panel compare-spans ${selected ? "" : "unchosen"}`} aria-labelledby="spans-title">
        <div class="panel-head">
          <h2 id="spans-title">On one time axis</h2>
          <span class="muted wide-only">Choose a span for its input, output and attributes</span>
        </div>
        <Waterfall
          rows={rows}
          now={now}
          selected={selected?.id ?? null}
          onSelect={select}
          onOpen={() => heading.current?.focus()}
        />
        <WaterfallLegend rows={rows} />
      </section>
      {selected && (
        <SpanDetails row={selected} runStartedAt={rows.startedAt} deliveries={fold.deliveries} heading={heading} />
      )}
    </>
  );
}

function Loading() {
  return (
    <Page title="Comparison">
      <section class="panel">
        <Skeleton lines={2} label="Loading the comparison" />
      </section>
      <div class="compare-cards" aria-hidden="true">
        {[0, 1, 2].map((index) => (
          <div key={index} class="panel compare-card compare-card-loading" />
        ))}
      </div>
    </Page>
  );
}

function Missing({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const isGone = error instanceof api.ApiError && error.status === 404;
  const another = (
    <a class="button" href={href(["compare"])}>
      New comparison
    </a>
  );
  return (
    <Page title="Comparison">
      {isGone ? (
        <Empty title="There is no such comparison" icon="search" actions={another}>
          It was erased, or it belongs to another tenant.
        </Empty>
      ) : (
        <Failure error={error} onRetry={onRetry} />
      )}
    </Page>
  );
}

function NoComparison({ session }: { session: string }) {
  return (
    <Page title="Comparison">
      <Empty
        title="This session compares no models"
        icon="compare"
        actions={
          <a class="button" href={href(["runs", session, String(RUN)])}>
            Open its run
          </a>
        }
      >
        It is a run of one model.
      </Empty>
    </Page>
  );
}

/** Says each model's end and that of the whole once, and nothing of the first look. */
function useAnnounced(lanes: readonly Lane[] | null, status: RunStatus | null) {
  const before = useRef<{ settled: Set<string>; status: RunStatus | null } | null>(null);
  useEffect(() => {
    if (lanes === null || status === null) return;
    const settled = lanes.filter(isSettled);
    const known = before.current;
    const isOver = !isOpen(status);
    if (known !== null && isOver && known.status !== status) announce(`The comparison is ${words(status)}`);
    else if (known !== null) {
      const fresh = settled.filter(({ model }) => !known.settled.has(model));
      if (fresh.length > 0) announce(fresh.map((lane) => `${modelTail(lane.model)} ${words(lane.status)}`).join(", "));
    }
    before.current = { settled: new Set(settled.map(({ model }) => model)), status };
  }, [lanes, status]);
}
