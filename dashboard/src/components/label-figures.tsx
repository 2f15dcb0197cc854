/** What the runs of each customer, tier or other label came to: a table, and the same as CSV. */
import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { rangeTimes, type Range } from "../charts/range";
import { groupsCsv, openRuns } from "../csv";
import { count, oneLine, visible } from "../format";
import { useLoaded } from "../hooks";
import type { StatsGroup, StatsGroups } from "../openapi";
import { href, setQuery } from "../router";
import { download } from "./download";
import { Cost, Tokens } from "./figures";
import { Icon } from "./icon";
import { Figure } from "./model-table";
import { Empty, explained, Skeleton } from "./states";

/** How often the figures are asked for again, in milliseconds. */
const REFRESH_MS = 30_000;
/** Runs whose labels are offered. */
const KNOWN_RUNS = 100;

interface LabelFiguresProps {
  range: Range;
  /** The label's key; null before one is chosen. */
  label: string | null;
}

export function LabelFigures({ range, label }: LabelFiguresProps) {
  const { data, error } = useLoaded(
    `${JSON.stringify(range)}/${label}`,
    async (signal) => {
      if (label === null) return null;
      const times = rangeTimes(range, Date.now());
      const { grouped } = await api.stats({ ...times, group: `metadata.${label}` }, signal);
      return grouped ? { grouped, times } : null;
    },
    () => (label === null ? null : REFRESH_MS),
  );
  return (
    <section class="panel model-figures label-figures" aria-labelledby="labels-title">
      <div class="panel-head">
        <h2 id="labels-title">By label</h2>
        <div class="actions">
          <LabelField label={label} />
          {data !== null && <Csv grouped={data.grouped} />}
        </div>
      </div>
      {label === null && <p class="muted">Name a label, such as customer, for runs, tokens and cost of each of its values.</p>}
      {error !== null && (
        <p class="field-error" role="alert">
          {explained(error).title}. {visible(explained(error).detail)}
        </p>
      )}
      {label !== null && data === null && error === null && <Skeleton lines={3} label="Loading the figures" />}
      {data !== null && data.grouped.groups.length === 0 && <Empty title="There was no run in this time" />}
      {data !== null && data.grouped.groups.length > 0 && label !== null && (
        <LabelTable label={label} grouped={data.grouped} times={data.times} filter={`metadata.${label}`} />
      )}
    </section>
  );
}

/** What the runs of each tenant came to, for an operator who looks at all of them. */
export function TenantFigures({ range }: { range: Range }) {
  const { data, error } = useLoaded(
    `tenants/${JSON.stringify(range)}`,
    async (signal) => {
      const times = rangeTimes(range, Date.now());
      const { grouped } = await api.stats({ ...times, group: "tenant" }, signal);
      return grouped ? { grouped, times } : null;
    },
    () => REFRESH_MS,
  );
  return (
    <section class="panel model-figures label-figures" aria-labelledby="tenants-title">
      <div class="panel-head">
        <h2 id="tenants-title">By tenant</h2>
        {data !== null && <Csv grouped={data.grouped} />}
      </div>
      {error !== null && (
        <p class="field-error" role="alert">
          {explained(error).title}. {visible(explained(error).detail)}
        </p>
      )}
      {data === null && error === null && <Skeleton lines={3} label="Loading the figures" />}
      {data !== null && <LabelTable label="tenant" grouped={data.grouped} times={data.times} filter="tenant" />}
    </section>
  );
}

function LabelField({ label }: { label: string | null }) {
  const [text, setText] = useState(label ?? "");
  // Back and forward change the address under the field.
  useEffect(() => setText(label ?? ""), [label]);
  const [keys, setKeys] = useState<readonly string[] | null>(null);
  const choose = (key: string) => setQuery({ label: key.trim() }, "replace");
  // What labels there are, newer runs tell: asked for when somebody wants to choose.
  const offer = () => {
    if (keys !== null) return;
    setKeys([]);
    api.traces(new URLSearchParams({ limit: String(KNOWN_RUNS) })).then(
      ({ traces }) => setKeys([...new Set(traces.flatMap(({ metadata }) => Object.keys(metadata)))].sort()),
      () => undefined,
    );
  };
  const submit = (event: Event) => {
    event.preventDefault();
    choose(text);
  };
  return (
    <form class="label-field" onSubmit={submit}>
      <input
        list="label-keys"
        aria-label="Label"
        placeholder="label, Enter"
        maxLength={64}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onFocus={offer}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => choose(event.currentTarget.value)}
      />
      <datalist id="label-keys">
        {keys?.map((key) => (
          <option key={key} value={key} />
        ))}
      </datalist>
    </form>
  );
}

function Csv({ grouped }: { grouped: StatsGroups }) {
  const name = `runs-by-${grouped.by.replace(/^metadata\./, "").replace(/[^\w-]/g, "_")}.csv`;
  return (
    <button type="button" class="button" onClick={() => download(name, groupsCsv(grouped), "text/csv;charset=utf-8")}>
      <Icon name="download" /> CSV
    </button>
  );
}

interface LabelTableProps {
  label: string;
  grouped: StatsGroups;
  times: { since: number; until: number };
  /** The filter of the runs page that chooses the runs of a value. */
  filter: string;
}

function LabelTable({ label, grouped: { groups, rest }, times, filter }: LabelTableProps) {
  return (
    <div
      class="model-table-scroll"
      role="region"
      aria-label={filter === "tenant" ? "Tenants in figures" : "Labels in figures"}
      tabIndex={0}
    >
      <table class="model-table">
        <thead>
          <tr>
            <th scope="col">
              <bdi class="mono">{oneLine(label, 64)}</bdi>
            </th>
            {["Runs", "Tokens", "Cost", "Open", "Succeeded", "Failed", "Cancelled", "Resumed"].map((name) => (
              <th key={name} scope="col" class={name === "Runs" || name === "Open" ? "end group-start" : "end"}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {groups.map((group) => (
            <LabelRow key={JSON.stringify(group.value)} group={group}>
              {group.value === null ? (
                <em class="muted">without the label</em>
              ) : (
                <a href={href(["runs"], { [filter]: group.value, ...times })} title="These runs">
                  <bdi>{oneLine(group.value, 80)}</bdi>
                </a>
              )}
            </LabelRow>
          ))}
          {rest !== null && (
            <LabelRow group={rest}>
              <em class="muted">all others</em>
            </LabelRow>
          )}
        </tbody>
      </table>
    </div>
  );
}

function LabelRow({ group, children }: { group: StatsGroup; children: preact.ComponentChildren }) {
  const { runs, statuses, resumed, usage } = group;
  return (
    <tr>
      <th scope="row">{children}</th>
      <Figure isStart>{count(runs)}</Figure>
      <Figure>
        <Tokens usage={usage} />
      </Figure>
      <Figure>
        <Cost usd={usage.cost_usd} isEstimated={usage.estimated} />
      </Figure>
      <Figure isStart>{count(openRuns(group))}</Figure>
      <Figure>{count(statuses.succeeded ?? 0)}</Figure>
      <Figure>{count(statuses.failed ?? 0)}</Figure>
      <Figure>{count(statuses.cancelled ?? 0)}</Figure>
      <Figure>{count(resumed)}</Figure>
    </tr>
  );
}
