/** A session as a whole: its runs, everything that was said in them, and the events that they are made of. */
import * as api from "../api";
import { Choice } from "../components/choice";
import { CopyButton } from "../components/copy";
import { Erase } from "../components/erase";
import { EventLog } from "../components/event-log";
import { Cost, Tokens, When } from "../components/figures";
import { Page } from "../components/page";
import { SayBox } from "../components/say-box";
import { RunList } from "../components/session-runs";
import { SessionConversation } from "../components/session-conversation";
import { Banner, Empty, explained, Failure, Skeleton } from "../components/states";
import { StatusChip } from "../components/status";
import { deploymentStore, isAnothers } from "../deployment";
import { count, shortId } from "../format";
import { useLoaded, useNow } from "../hooks";
import type { Run, Session, Usage } from "../openapi";
import { href, setQuery } from "../router";
import { isOpen } from "../status";
import { useStore } from "../store";

/** How often the session is asked for, in milliseconds: while something in it is open, and else. */
const POLL_OPEN_MS = 2_000;
const POLL_QUIET_MS = 5_000;

interface SessionPageProps {
  session: string;
  query: URLSearchParams;
}

export function SessionPage({ session, query }: SessionPageProps) {
  const { data, error, reload } = useLoaded(
    session,
    (signal) => api.session(session, signal),
    (found) => (found.status !== null && isOpen(found.status) ? POLL_OPEN_MS : POLL_QUIET_MS),
  );
  const deployment = useStore(deploymentStore);
  const isGone = error instanceof api.ApiError && error.status === 404;
  if (isGone) return <Gone />;
  if (data === null) {
    return (
      <Page title="Session">
        {error === null ? (
          <div class="panel">
            <Skeleton lines={9} label="Loading the session" />
          </div>
        ) : (
          <Failure error={error} onRetry={reload} />
        )}
      </Page>
    );
  }
  const isEvents = query.get("view") === "events";
  const named = Number(query.get("run"));
  const runs = data.runs.map(({ run }) => run);
  const isUnderWay = data.status !== null && isOpen(data.status);
  const latest = runs[0] ?? 1;
  return (
    <Page
      class="session-page"
      documentTitle={`Session ${shortId(session)}`}
      title={
        <span class="run-title">
          {data.status !== null && <StatusChip status={data.status} />}
          <span>
            Session <code title={session}>{shortId(session)}</code>
          </span>
          <CopyButton text={session} label="Copy the session id" />
        </span>
      }
      actions={<Erase session={session} />}
    >
      {error !== null && (
        <Banner tone="warning">{explained(error).title}. This is what was there before; it is tried again.</Banner>
      )}
      <Overview session={data} />
      <Choice
        label="Show"
        value={isEvents ? "events" : "conversation"}
        options={VIEWS}
        onChange={(view) => setQuery({ view: view === "events" ? view : null, run: null })}
      />
      {isEvents ? (
        <EventLog session={session} run={runs.includes(named) ? named : null} runs={runs} isOpen={isUnderWay} />
      ) : (
        <>
          <SessionConversation session={data} />
          {!data.runs.some(isComparison) && !isAnothers(deployment) && (
            <section class="panel" aria-label="Go on with the session">
              <SayBox session={session} run={latest} isUnderWay={data.runs.some(isSteerable)} />
            </section>
          )}
        </>
      )}
    </Page>
  );
}

const VIEWS = [
  { value: "conversation", name: "Conversation" },
  { value: "events", name: "Events" },
] as const;

function isComparison({ comparison }: Run): boolean {
  return comparison !== undefined;
}

function isSteerable({ status }: Run): boolean {
  return status === "running" || status === "waiting";
}

function Overview({ session: { runs, created_at: createdAt } }: { session: Session }) {
  const now = useNow(10_000);
  const usage = sum(runs);
  return (
    <section class="panel run-header" aria-label="Summary">
      <dl class="figures">
        <div>
          <dt>Runs</dt>
          <dd class="num">{count(runs.length)}</dd>
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
            <Cost usd={usage.cost_usd} isEstimated={usage.estimated} />
          </dd>
        </div>
        <div>
          <dt>Started</dt>
          <dd>
            <When at={createdAt} now={now} />
          </dd>
        </div>
      </dl>
      <RunList runs={runs} now={now} />
    </section>
  );
}

/** What all runs used. What is unknown of each stays unknown. */
function sum(runs: readonly Run[]): Usage {
  const total = (key: "input_tokens" | "output_tokens" | "total_tokens" | "cost_usd") => {
    const known = runs.flatMap(({ usage }) => usage[key] ?? []);
    return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
  };
  return {
    input_tokens: total("input_tokens"),
    output_tokens: total("output_tokens"),
    total_tokens: total("total_tokens"),
    cost_usd: total("cost_usd"),
    ...(runs.some(({ usage }) => usage.estimated) ? { estimated: true } : {}),
  };
}

function Gone() {
  return (
    <Page title="Session">
      <Empty
        title="There is no such session"
        icon="search"
        actions={
          <a class="button" href={href(["runs"])}>
            All runs
          </a>
        }
      >
        It was erased, or it belongs to another tenant.
      </Empty>
    </Page>
  );
}
