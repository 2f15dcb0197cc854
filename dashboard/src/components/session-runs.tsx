/** The other runs of a session, and a box to go on with it. */
import { useRef } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, isAnothers } from "../deployment";
import { duration, shortId } from "../format";
import { useLoaded, useNow } from "../hooks";
import type { Run, RunStatus, Session } from "../openapi";
import { href } from "../router";
import { isOpen } from "../status";
import { useStore } from "../store";
import { Cost, Tokens, When } from "./figures";
import { SayBox } from "./say-box";
import { StatusChip } from "./status";

/** How often the session is asked while something in it is open, in milliseconds. */
const POLL_MS = 4_000;

export function SessionRuns({ session, run, status }: { session: string; run: number; status: RunStatus }) {
  const { data } = useLoaded(
    `${session}/${status}`,
    (signal) => api.session(session, signal),
    (found) => (found.status !== null && isOpen(found.status) ? POLL_MS : null),
  );
  // A new key drops the data; the list must not vanish for that.
  const last = useRef<Session | null>(null);
  last.current = data ?? last.current;
  const now = useNow(10_000);
  const deployment = useStore(deploymentStore);
  const runs = last.current?.runs ?? [];
  const isComparison = runs.some((other) => other.comparison !== undefined);
  // The page's own run is known before the list is asked again.
  const isUnderWay = [status, ...runs.filter((other) => other.run !== run).map((other) => other.status)].some(
    (known) => known === "running" || known === "waiting",
  );
  return (
    <section class="panel session-runs" aria-labelledby="session-title">
      <h2 id="session-title">
        <a href={href(["sessions", session])}>
          Session <code title={session}>{shortId(session)}</code>
        </a>
      </h2>
      <RunList runs={runs} now={now} run={run} />
      {!isComparison && !isAnothers(deployment) && <SayBox session={session} run={run} isUnderWay={isUnderWay} />}
    </section>
  );
}

interface RunListProps {
  runs: readonly Run[];
  now: number;
  /** The one that the page shows. */
  run?: number;
}

export function RunList({ runs, now, run }: RunListProps) {
  return (
    <ol class="run-list">
      {runs.map((other) => (
        <li key={other.run}>
          <a
            href={href(["runs", other.session, String(other.run)])}
            aria-current={other.run === run ? "page" : undefined}
            class="run-link"
          >
            <span class="num">Run {other.run}</span>
            <StatusChip status={other.status} />
            <span class="muted num">{other.ended_at ? duration(other.ended_at - other.accepted_at) : "open"}</span>
            <span class="muted">
              <Tokens usage={other.usage} /> tokens
            </span>
            <span class="muted">
              <Cost usd={other.usage.cost_usd} isEstimated={other.usage.estimated} />
            </span>
            <span class="muted">
              <When at={other.accepted_at} now={now} />
            </span>
          </a>
        </li>
      ))}
    </ol>
  );
}
