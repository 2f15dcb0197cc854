/** The other runs of a session, and a form for its next task. */
import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import { duration, shortId } from "../format";
import { useLoaded, useNow } from "../hooks";
import type { RunStatus, Session } from "../openapi";
import { href, navigate } from "../router";
import { rememberRun } from "../started";
import { isOpen } from "../status";
import { Field, faultAt } from "./field";
import { Cost, Tokens, When } from "./figures";
import { explained } from "./states";
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
  const runs = last.current?.runs ?? [];
  const isComparison = runs.some((other) => other.comparison !== undefined);
  return (
    <section class="panel session-runs" aria-labelledby="session-title">
      <h2 id="session-title">
        Session <code title={session}>{shortId(session)}</code>
      </h2>
      <ol class="run-list">
        {runs.map((other) => (
          <li key={other.run}>
            <a
              href={href(["runs", session, String(other.run)])}
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
      {!isComparison && <NextTask session={session} />}
    </section>
  );
}

function NextTask({ session }: { session: string }) {
  const [task, setTask] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const key = useRef({ task: "", key: "" });
  const submit = async (event: Event) => {
    event.preventDefault();
    // The same text that is sent again after a lost answer starts no second run.
    if (key.current.key === "" || key.current.task !== task) key.current = { task, key: api.newIdempotencyKey() };
    setIsBusy(true);
    setError(null);
    try {
      const accepted = await api.startNext(session, { task }, key.current.key);
      rememberRun(accepted);
      navigate(href(["runs", accepted.session, String(accepted.run)]));
    } catch (failure) {
      setError(failure);
    } finally {
      setIsBusy(false);
    }
  };
  const fault =
    error === null ? null : (faultAt(error, "/task") ?? `${explained(error).title}. ${explained(error).detail}`);
  return (
    <form class="form next-task" onSubmit={(event) => void submit(event)} noValidate>
      <Field
        label="Next task in this session"
        error={fault}
        help="It continues the conversation, with the session's agent and model."
      >
        {(ids) => (
          <textarea {...ids} rows={2} value={task} dir="auto" onInput={(event) => setTask(event.currentTarget.value)} />
        )}
      </Field>
      <div class="actions end">
        <button type="submit" class="button" disabled={isBusy}>
          {isBusy ? "Starting…" : "Start"}
        </button>
      </div>
    </form>
  );
}
