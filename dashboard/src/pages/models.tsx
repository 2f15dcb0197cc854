/** What each model did over time: which to choose, and what went wrong with it; and what the tools did. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { parseRange, rangeQuery, rangeTimes, HOUR_MS, type Range } from "../charts/range";
import { looks as looksOf, shownModels } from "../charts/series";
import { parseSort, sortQuery } from "../charts/sort";
import { errorRate, PERCENTILES, TOKEN_KINDS } from "../charts/metrics";
import { LabelFigures, TenantFigures } from "../components/label-figures";
import { ModelCharts, type Percentiles } from "../components/model-charts";
import { ModelTable, ModelToggles } from "../components/model-table";
import { Page } from "../components/page";
import { RangeForm } from "../components/range-form";
import { Banner, Empty, explained, Failure, Skeleton } from "../components/states";
import { ToolTable } from "../components/tool-table";
import { Icon } from "../components/icon";
import { deploymentStore } from "../deployment";
import { count, exactTime, percent } from "../format";
import { useLoaded } from "../hooks";
import { href, navigate, setQuery } from "../router";
import type { ModelStats, Stats } from "../openapi";
import { useStore } from "../store";

/** How often the figures are asked for again, in milliseconds. */
const REFRESH_MS = 30_000;

interface Answer {
  stats: Stats;
  at: number;
}

export function ModelsPage({ query }: { query: URLSearchParams }) {
  const range = parseRange(query);
  const key = range.preset ?? `${range.since} ${range.until}`;
  const load = async (signal: AbortSignal): Promise<Answer> => {
    const stats = await api.stats(rangeTimes(range, Date.now()), signal);
    return { stats, at: Date.now() };
  };
  const { data, error, reload } = useLoaded(key, load, () => REFRESH_MS);
  const times = data?.stats ?? rangeTimes(range, Date.now());
  const isFailed = error !== null && data === null;
  return (
    <Page
      title="Models"
      class="models-page"
      actions={<RangeForm range={range} times={times} onChange={(next) => setQuery(rangeQuery(next))} />}
    >
      {error !== null && data !== null && <Outdated error={error} at={data.at} onRetry={reload} />}
      {isFailed && isIndexMissing(error) && <NoIndex />}
      {isFailed && !isIndexMissing(error) && <Failure error={error} onRetry={reload} />}
      {data === null && !isFailed && <Loading />}
      {data !== null && data.stats.models.length === 0 && <NoCalls range={range} />}
      {data !== null && data.stats.models.length > 0 && <Figures answer={data} query={query} range={range} />}
    </Page>
  );
}

interface FiguresProps {
  answer: Answer;
  query: URLSearchParams;
  range: Range;
}

function Figures({ answer: { stats, at }, query, range }: FiguresProps) {
  const isOfAll = useStore(deploymentStore)?.operator === true && !query.get("tenant");
  const [highlighted, setHighlighted] = useState<string | null>(null);
  const looks = looksOf(stats.models.map(({ model }) => model));
  const shown = shownModels(stats, query.getAll("model"));
  const asked = ([...PERCENTILES, "all"] as const).find((value) => value === query.get("latency"));
  const percentiles: Percentiles = asked ?? (shown.length === 1 ? "all" : "p95");
  const tokenKind = TOKEN_KINDS.find((value) => value === query.get("tokens")) ?? "total";
  const toggle = (model: string) => {
    const next = new URLSearchParams(query);
    next.delete("model");
    const chosen = shown.includes(model) ? shown.filter((other) => other !== model) : [...shown, model];
    for (const name of chosen) next.append("model", name);
    navigate(href(["models"], next), "replace");
  };
  const zoom = (since: number, until: number) => {
    const whole = { since: Math.floor(since / HOUR_MS) * HOUR_MS, until: Math.ceil(until / HOUR_MS) * HOUR_MS };
    setQuery(rangeQuery({ preset: null, ...whole }));
  };
  return (
    <>
      <section class="panel model-figures" aria-labelledby="figures-title">
        <div class="panel-head">
          <h2 id="figures-title">In figures</h2>
          <span class="muted model-note">
            {minute(stats.since)} to {minute(Math.min(stats.until, at))}; latency is that of answered calls
          </span>
        </div>
        <p class="model-summary">{summary(stats)}</p>
        <ModelTable
          models={stats.models}
          looks={looks}
          sort={parseSort(query.get("sort"))}
          onSort={(sort) => setQuery({ sort: sortQuery(sort) }, "replace")}
        />
      </section>
      {stats.tools.length > 0 && (
        <section class="panel model-figures" aria-labelledby="tools-title">
          <div class="panel-head">
            <h2 id="tools-title">Tools</h2>
            <span class="muted model-note">Calls that were refused or not made count as errors</span>
          </div>
          <ToolTable tools={stats.tools} />
        </section>
      )}
      {isOfAll && <TenantFigures range={range} />}
      <LabelFigures range={range} label={query.get("label")} />
      <section class="model-over-time" aria-labelledby="charts-title">
        <div class="panel-head">
          <h2 id="charts-title">Over time</h2>
          <span class="muted model-note wide-only">Drag over a chart to look closer; arrow keys read a chart</span>
        </div>
        <ModelToggles
          models={stats.models}
          looks={looks}
          shown={shown}
          onToggle={toggle}
          onHighlight={setHighlighted}
        />
        <ModelCharts
          stats={stats}
          shown={shown}
          highlighted={highlighted}
          percentiles={percentiles}
          tokenKind={tokenKind}
          onPercentiles={(value) => setQuery({ latency: value }, "replace")}
          onTokenKind={(value) => setQuery({ tokens: value === "total" ? null : value }, "replace")}
          onZoom={zoom}
        />
      </section>
    </>
  );
}

/** `2026-11-22 14:05`, local. */
function minute(at: number): string {
  return exactTime(at).slice(0, 16);
}

/** The page in a sentence. */
function summary({ models }: Stats): string {
  const total = (value: (stat: ModelStats) => number) => models.reduce((sum, stat) => sum + value(stat), 0);
  const [calls, failed, empty] = [total((s) => s.calls), total((s) => s.error_count), total((s) => s.empty)];
  const named = `${count(models.length)} ${models.length === 1 ? "model" : "models"}`;
  const rate = percent(errorRate({ calls, error_count: failed }));
  const called = `${count(calls)} ${calls === 1 ? "call" : "calls"}`;
  return `${named}, ${called}; ${count(failed)} failed (${rate}), ${count(empty)} of them with an empty response.`;
}

function Outdated({ error, at, onRetry }: { error: unknown; at: number; onRetry: () => void }) {
  return (
    <Banner
      tone="warning"
      actions={
        <button type="button" class="button small" onClick={onRetry}>
          <Icon name="retry" /> Try again
        </button>
      }
    >
      {explained(error).title}. The figures are those of {exactTime(at).slice(11, 19)}.
    </Banner>
  );
}

const BINDING = `[[d1_databases]]
binding = "DB"
database_name = "longhaul"
database_id = "…"`;

function NoIndex() {
  return (
    <Empty title="There are no statistics: this deployment has no index" icon="info">
      <p>
        Calls are counted per model and hour in a D1 database. Bind one as DB, apply the migrations, and deploy again.
      </p>
      <pre class="code mono">{BINDING}</pre>
    </Empty>
  );
}

function NoCalls({ range }: { range: Range }) {
  const isWidest = range.preset === "30d";
  return (
    <Empty
      title="No model was called in this time"
      actions={
        <>
          <a class="button primary" href={href(["compare"])}>
            <Icon name="compare" /> Compare models
          </a>
          {!isWidest && (
            <button type="button" class="button" onClick={() => setQuery(rangeQuery({ preset: "30d" }))}>
              Show 30 days
            </button>
          )}
        </>
      }
    >
      A call is counted here when its run has ended.
    </Empty>
  );
}

/** Panels of the size of what comes. */
function Loading() {
  return (
    <>
      <section class="panel model-figures">
        <Skeleton lines={6} label="Loading the figures" />
      </section>
      <div class="charts" aria-hidden="true">
        {["wide", "", "", "", ""].map((extra, index) => (
          <div key={index} class={`panel chart chart-loading ${extra}`} />
        ))}
      </div>
    </>
  );
}

function isIndexMissing(error: unknown): boolean {
  return error instanceof api.ApiError && error.code === "index_not_configured";
}
