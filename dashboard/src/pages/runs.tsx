import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import { Icon } from "../components/icon";
import { deploymentStore, isAnothers } from "../deployment";
import { NewRunDialog } from "../components/new-run";
import { Page } from "../components/page";
import { RunsFilters } from "../components/runs-filters";
import { RunsTable } from "../components/runs-table";
import { Banner, Empty, explained, Failure, Skeleton } from "../components/states";
import { Unindexed } from "../components/unindexed";
import { useLoaded, type Loaded } from "../hooks";
import type { TracePage } from "../openapi";
import { href } from "../router";
import { apiQuery, filterCount, newerPage, olderPage } from "../runs-query";
import { isOpen } from "../status";
import { useStore } from "../store";

/** How often the list is asked for, in milliseconds: while something is open, and else. */
const POLL_OPEN_MS = 2_000;
const POLL_QUIET_MS = 5_000;

/** Every run, newest first; the start page. */
export function RunsPage({ query }: { query: URLSearchParams }) {
  const [isStarting, setIsStarting] = useState(false);
  const list = useLoaded(
    query.toString(),
    (signal) => api.traces(apiQuery(query, Date.now()), signal),
    ({ traces }) => (traces.some((row) => isOpen(row.status)) ? POLL_OPEN_MS : POLL_QUIET_MS),
  );
  const hasNoIndex = list.error instanceof api.ApiError && list.error.code === "index_not_configured";
  const deployment = useStore(deploymentStore);
  const start = !isAnothers(deployment) && (
    <button type="button" class="button primary" onClick={() => setIsStarting(true)}>
      <Icon name="plus" /> New run
    </button>
  );
  return (
    <Page title="Runs" actions={start}>
      {hasNoIndex ? <Unindexed /> : <List list={list} query={query} onStart={() => setIsStarting(true)} />}
      <NewRunDialog isOpen={isStarting} onClose={() => setIsStarting(false)} />
    </Page>
  );
}

interface ListProps {
  list: Loaded<TracePage>;
  query: URLSearchParams;
  onStart: () => void;
}

function List({ list: { data: newest, error, loading: isLoading, reload }, query, onStart }: ListProps) {
  // With other filters the rows of the old ones stay, dimmed, until the new ones are there.
  const last = useRef<TracePage | null>(null);
  last.current = newest ?? (error === null ? last.current : null);
  const data = last.current;
  const loading = isLoading && data === null;
  const rows = data?.traces ?? [];
  const isOfAll = useStore(deploymentStore)?.operator === true && !query.get("tenant");
  const tenants = isOfAll ? "each" : "one";
  const models = rows.flatMap((row) => [...row.model.split(","), row.answered_by ?? []].flat());
  return (
    <>
      <RunsFilters query={query} models={models} />
      {error !== null && data !== null && (
        <Banner
          tone="warning"
          actions={
            <button type="button" class="button small" onClick={reload}>
              Try now
            </button>
          }
        >
          {explained(error).title}. This is what was there before; it is tried again.
        </Banner>
      )}
      {loading && (
        <div class="panel">
          <Skeleton lines={14} label="Loading the runs" />
        </div>
      )}
      {error !== null && data === null && <Failure error={error} onRetry={reload} />}
      {data !== null && rows.length > 0 && (
        <div class={isLoading ? "panel table-panel is-stale" : "panel table-panel"} aria-busy={isLoading}>
          <RunsTable rows={rows} tenants={tenants} />
        </div>
      )}
      {newest !== null && rows.length === 0 && <None query={query} onStart={onStart} />}
      {data !== null && <Pager query={query} next={data.next} isLoading={isLoading} />}
    </>
  );
}

function None({ query, onStart }: { query: URLSearchParams; onStart: () => void }) {
  if (filterCount(query) > 0) {
    const actions = (
      <a class="button" href={href(["runs"])}>
        Clear the filters
      </a>
    );
    return <Empty title="No run matches" icon="search" actions={actions} />;
  }
  if (query.get("tenant")) return <Empty title="This tenant has no runs" icon="search" />;
  if (query.has("c")) return <Empty title="No older runs" icon="search" />;
  const actions = (
    <button type="button" class="button primary" onClick={onStart}>
      <Icon name="plus" /> New run
    </button>
  );
  return (
    <Empty title="No runs yet" icon="play" actions={actions}>
      <p>Start one here, or post a task:</p>
      <pre class="code">{`curl ${location.origin}/v1/sessions -H 'Content-Type: application/json' \\
  -d '{"task":"Write a haiku about tides."}'`}</pre>
    </Empty>
  );
}

interface PagerProps {
  query: URLSearchParams;
  /** The cursor of the rows that are shown; of those of another question while these are loaded. */
  next: string | null;
  isLoading: boolean;
}

function Pager({ query, next, isLoading }: PagerProps) {
  const newer = newerPage(query);
  if (newer === null && next === null) return null;
  const page = query.getAll("c").length + 1;
  const [back, on] = query.get("sort") ? ["Previous", "Next"] : ["Newer", "Older"];
  return (
    <nav class="pager" aria-label="Pages of runs">
      {newer ? (
        <a class="button" href={href(["runs"], newer)} rel="prev">
          <Icon name="left" /> {back}
        </a>
      ) : (
        <span />
      )}
      <span class="muted num">Page {page}</span>
      {next !== null ? (
        <a
          class="button"
          href={href(["runs"], isLoading ? query : olderPage(query, next))}
          rel="next"
          aria-disabled={isLoading || undefined}
        >
          {on} <Icon name="right" />
        </a>
      ) : (
        <span />
      )}
    </nav>
  );
}
