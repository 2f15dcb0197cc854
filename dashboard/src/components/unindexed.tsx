/** The runs page of a deployment without an index: how to get one, and the runs that this browser started. */
import * as api from "../api";
import { oneLine, shortId } from "../format";
import { useLoaded, useNow } from "../hooks";
import type { Run } from "../openapi";
import { href } from "../router";
import { startedRuns, type StartedRun } from "../started";
import { isOpen } from "../status";
import { Duration, Elapsed, ModelCount, ModelNames, Tokens, When } from "./figures";
import { Empty } from "./states";
import { StatusChip } from "./status";

const SHOWN_MAX = 20;
const POLL_MS = 3_000;

const BINDING = `[[d1_databases]]
binding = "DB"
database_name = "longhaul"
migrations_dir = "migrations"`;

const COMMANDS = `npx wrangler deploy
npx wrangler d1 migrations apply DB --remote`;

export function Unindexed() {
  const known = startedRuns().slice(0, SHOWN_MAX);
  const { data } = useLoaded(
    `started/${known.length}`,
    (signal) => Promise.all(known.map((run) => found(run, signal))),
    (runs) => (runs.some((run) => run !== null && isOpen(run.status)) ? POLL_MS : null),
  );
  const now = useNow(5_000);
  const runs = (data ?? []).filter((run) => run !== null);
  return (
    <>
      <Empty title="There is no index of runs" icon="info">
        <p>
          Runs work without one. To list, filter and chart them, bind a D1 database as <code>DB</code> in{" "}
          <code>wrangler.toml</code>, deploy, and make its tables:
        </p>
        <pre class="code">{BINDING}</pre>
        <pre class="code">{COMMANDS}</pre>
      </Empty>
      {runs.length > 0 && (
        <section class="panel" aria-labelledby="started-title">
          <h2 id="started-title">Started from this browser</h2>
          <ol class="started">
            {runs.map((run) => (
              <li key={`${run.session}/${run.run}`}>
                <a class="run-link" href={href(["runs", run.session, String(run.run)])}>
                  <span class="mono">
                    {shortId(run.session)}/{run.run}
                  </span>
                  <StatusChip status={run.status} />
                  {run.comparison ? (
                    <ModelCount
                      models={run.model}
                      failed={run.comparison.filter(({ status }) => status === "failed").length}
                    />
                  ) : (
                    <ModelNames model={run.model} then={run.answered_by} isShort />
                  )}
                  <span class="muted">
                    {run.ended_at ? (
                      <Duration ms={run.ended_at - run.accepted_at} />
                    ) : (
                      <Elapsed since={run.accepted_at} />
                    )}
                  </span>
                  <span class="muted">
                    <Tokens usage={run.usage} /> tokens
                  </span>
                  <span class="muted">
                    <When at={run.accepted_at} now={now} />
                  </span>
                  {run.result !== null && <bdi class="text-line muted">{oneLine(run.result, 120)}</bdi>}
                </a>
              </li>
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

/** Null for a run that was erased meanwhile. */
async function found({ session, run }: StartedRun, signal: AbortSignal): Promise<Run | null> {
  try {
    return await api.run(session, run, signal);
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 404) return null;
    throw error;
  }
}
