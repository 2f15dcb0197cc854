import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { announce } from "../components/announcer";
import { openRequests } from "../acts";
import { Approvals } from "../components/approvals";
import { Conversation } from "../components/conversation";
import { Lost } from "../components/lost";
import { Page } from "../components/page";
import { RunHeader } from "../components/run-header";
import { RunActions } from "../components/run-actions";
import { SessionRuns } from "../components/session-runs";
import { SpanDetails } from "../components/span-details";
import { Empty, Failure, Skeleton } from "../components/states";
import { StatusChip } from "../components/status";
import { MarkdownToggle } from "../components/text";
import { Waterfall } from "../components/waterfall";
import { WaterfallLegend } from "../components/waterfall-legend";
import { statusOf, type RunFold } from "../fold";
import { oneLine, words } from "../format";
import { useMedia, useNow } from "../hooks";
import { href, setQuery } from "../router";
import { useRunStream, useTrace } from "../run-stream";
import type { Connection } from "../stream";
import type { RunStatus, Trace } from "../openapi";
import { became, isOpen } from "../status";
import { defaultRow, findRow, waterfall, type Row } from "../waterfall";

/** How often bars of what is open grow, in milliseconds. */
const GROW_MS = 250;

interface RunPageProps {
  session: string;
  run: number;
  query: URLSearchParams;
}

/** One run: its spans, what was said, and both while they happen. */
export function RunPage({ session, run, query }: RunPageProps) {
  const stream = useRunStream(session, run);
  const { fold, connection, fault } = stream;
  const { trace, error } = useTrace(session, run, `${fold.seq}/${connection.state === "lost"}`);
  const status = statusOf(fold) ?? trace?.status ?? null;
  useAnnounced(status, connection.state);
  const isMissing = fault !== null || (trace === null && error !== null && fold.accepted === null);

  if (isMissing) return <Missing error={fault ?? error} run={run} onRetry={stream.retryNow} />;
  if (status === null) {
    return (
      <Page title={`Run ${run}`}>
        <Lost stream={stream} isOpen />
        <div class="panel">
          <Skeleton lines={3} label="Loading the run" />
        </div>
        <div class="panel">
          <Skeleton lines={9} label="Loading the spans" />
        </div>
      </Page>
    );
  }
  const task = fold.accepted?.task ?? trace?.spans[0]?.input[0]?.content ?? "";
  return (
    <Page
      class="run-page"
      documentTitle={`${words(status)}: ${oneLine(task, 40)}`}
      title={
        <span class="run-title">
          <StatusChip status={status} detail={fold.ended?.stopReason ?? trace?.stop_reason} />
          <bdi>{oneLine(task, 120)}</bdi>
        </span>
      }
      actions={<RunActions session={session} run={run} status={status} fold={fold} trace={trace} />}
    >
      <Lost stream={stream} isOpen={isOpen(status)} />
      <RunHeader session={session} run={run} status={status} fold={fold} trace={trace} />
      <Approvals session={session} requests={isOpen(status) ? openRequests(fold) : []} />
      <Body session={session} fold={fold} trace={trace} status={status} connection={connection} query={query} />
      <SessionRuns session={session} run={run} status={status} />
    </Page>
  );
}

interface BodyProps {
  session: string;
  fold: RunFold;
  trace: Trace | null;
  status: RunStatus;
  connection: Connection;
  query: URLSearchParams;
}

function Body({ session, fold, trace, status, connection, query }: BodyProps) {
  const isWide = useMedia("(min-width: 1000px)");
  const [tab, setTab] = useState<"spans" | "conversation">("spans");
  const heading = useRef<HTMLHeadingElement>(null);
  const latest = Math.max(
    fold.attempts.at(-1)?.calledAt ?? 0,
    fold.tools.at(-1)?.calledAt ?? 0,
    fold.requests.at(-1)?.at ?? 0,
    fold.resumptions.at(-1)?.at ?? 0,
  );
  const now = Math.max(useNow(isOpen(status) ? GROW_MS : null), latest);
  const rows = useMemo(() => waterfall(fold, trace), [fold, trace]);
  const selected = rows && (findRow(rows.rows, query.get("span")) ?? defaultRow(rows.rows));
  const select = (row: Row) => setQuery({ span: row.span?.span_id ?? row.id }, "replace");
  const selectById = (id: string) => {
    const row = findRow(rows?.rows ?? [], id);
    if (row) select(row);
    setTab("spans");
  };
  const spans = rows && selected && (
    <>
      <section class="panel" aria-label="Waterfall">
        <Waterfall
          rows={rows}
          now={now}
          selected={selected.id}
          onSelect={select}
          onOpen={() => heading.current?.focus()}
        />
        <WaterfallLegend rows={rows} />
      </section>
      <SpanDetails row={selected} runStartedAt={rows.startedAt} deliveries={fold.deliveries} heading={heading} />
    </>
  );
  const conversation = (
    <section class="panel conversation-panel" aria-labelledby="conversation-title">
      <header class="panel-head">
        <h2 id="conversation-title">Conversation</h2>
        <MarkdownToggle />
        {isOpen(status) && (
          <span class={`stream stream-${connection.state}`}>
            {connection.state === "over" ? "ended" : connection.state}
          </span>
        )}
      </header>
      <Conversation session={session} fold={fold} trace={trace} onSelect={selectById} />
    </section>
  );
  if (isWide) {
    return (
      <div class="run-columns">
        <div class="run-spans">{spans}</div>
        {conversation}
      </div>
    );
  }
  return (
    <>
      <div class="switch" role="group" aria-label="Show">
        <button type="button" aria-pressed={tab === "spans"} onClick={() => setTab("spans")}>
          Spans
        </button>
        <button type="button" aria-pressed={tab === "conversation"} onClick={() => setTab("conversation")}>
          Conversation
        </button>
      </div>
      {tab === "spans" ? spans : conversation}
    </>
  );
}

function Missing({ error, run, onRetry }: { error: unknown; run: number; onRetry: () => void }) {
  const isGone = (error as { status?: number }).status === 404;
  return (
    <Page title={`Run ${run}`}>
      {isGone ? (
        <Empty
          title="There is no such run"
          icon="search"
          actions={
            <a class="button" href={href(["runs"])}>
              All runs
            </a>
          }
        >
          It was erased, or it belongs to another tenant.
        </Empty>
      ) : (
        <Failure error={error} onRetry={onRetry} />
      )}
    </Page>
  );
}

/** Says changes of the status and of the connection once each, and nothing of the first look. */
function useAnnounced(status: RunStatus | null, connection: string) {
  const before = useRef<{ status: RunStatus | null; isLost: boolean }>({ status: null, isLost: false });
  useEffect(() => {
    const { status: known } = before.current;
    if (known !== null && status !== null && status !== known) announce(`The run ${became(status)}`);
    before.current.status = status ?? known;
  }, [status]);
  useEffect(() => {
    const wasLost = before.current.isLost;
    if (connection === "lost" && !wasLost) announce("Connection lost");
    if (connection === "live" && wasLost) announce("Connected again");
    if (connection !== "connecting") before.current.isLost = connection === "lost";
  }, [connection]);
}
