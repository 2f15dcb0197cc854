/** The raw event log: each event with its position, and its JSON when it is opened. */
import { useState } from "preact/hooks";
import { allEvents, gist, useEventLog } from "../event-log";
import type { RunEvent } from "../events";
import { exactTime, oneLine } from "../format";
import { shownJson } from "../json";
import { href, navigate } from "../router";
import { announce } from "./announcer";
import { CopyButton } from "./copy";
import { download } from "./download";
import { Icon } from "./icon";
import { Empty, Failure, Skeleton } from "./states";
import { TextBlock } from "./text";

interface EventLogProps {
  session: string;
  /** Only the events of this run. */
  run: number | null;
  /** The numbers of the session's runs. */
  runs: readonly number[];
  isOpen: boolean;
}

export function EventLog({ session, run, runs, isOpen }: EventLogProps) {
  const { events, hasMore, isLoading, error, loadMore } = useEventLog(session, run, isOpen);
  const show = (choice: string) => navigate(href(["sessions", session], { view: "events", run: choice }));
  return (
    <section class="panel event-log" aria-labelledby="events-title">
      <header class="panel-head">
        <h2 id="events-title">Events</h2>
        <div class="actions">
          <label class="check">
            <span>of</span>
            <select aria-label="Run" value={run ?? ""} onChange={(event) => show(event.currentTarget.value)}>
              <option value="">all runs</option>
              {runs.map((number) => (
                <option key={number} value={number}>
                  run {number}
                </option>
              ))}
            </select>
          </label>
          <Download session={session} run={run} />
        </div>
      </header>
      {isLoading && <Skeleton lines={9} label="Loading the events" />}
      {error !== null && events.length === 0 && <Failure error={error} onRetry={loadMore} />}
      {!isLoading && error === null && events.length === 0 && <Empty title="No events" />}
      {events.length > 0 && (
        <ol class="events">
          {events.map((event) => (
            <li key={event.seq}>
              <EventRow event={event} />
            </li>
          ))}
        </ol>
      )}
      {hasMore && (
        <button type="button" class="button" onClick={loadMore}>
          Load more events
        </button>
      )}
    </section>
  );
}

function EventRow({ event }: { event: RunEvent }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details class="event" onToggle={(toggled) => setIsOpen(toggled.currentTarget.open)}>
      <summary>
        <span class="event-seq num">{event.seq}</span>
        <time class="event-at num muted" dateTime={new Date(event.at).toISOString()} title={exactTime(event.at)}>
          {exactTime(event.at).slice(11, 23)}
        </time>
        <span class="event-run num muted">run {event.run}</span>
        <code class="event-type">{oneLine(event.type, 60)}</code>
        <bdi class="event-gist">{gist(event)}</bdi>
      </summary>
      {isOpen && (
        <div class="event-json">
          <CopyButton text={JSON.stringify(event, null, 2)} label={`Copy event ${event.seq}`} />
          <TextBlock text={shownJson(event)} mono isUnfolded />
        </div>
      )}
    </details>
  );
}

function Download({ session, run }: { session: string; run: number | null }) {
  const [isBusy, setIsBusy] = useState(false);
  const save = async () => {
    setIsBusy(true);
    try {
      const name = run === null ? `events-${session}.jsonl` : `events-${session}-${run}.jsonl`;
      download(name, await allEvents(session, run), "application/x-ndjson");
    } catch {
      announce("Could not download the events");
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <button type="button" class="button" disabled={isBusy} onClick={() => void save()}>
      <Icon name="download" /> {isBusy ? "Loading…" : "Download JSON lines"}
    </button>
  );
}
