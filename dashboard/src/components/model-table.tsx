/** What each model did, as a table to sort. */
import type { ComponentChildren } from "preact";
import { costPerCall, errorRate } from "../charts/metrics";
import type { Look } from "../charts/series";
import { nextSort, sorted, type Column, type Sort } from "../charts/sort";
import { Swatch } from "../charts/swatch";
import { compact, count, oneLine, percent, words } from "../format";
import type { ModelStats } from "../openapi";
import { Cost, Duration, ModelName } from "./figures";
import { Icon } from "./icon";

interface ModelTableProps {
  models: readonly ModelStats[];
  looks: ReadonlyMap<string, Look>;
  sort: Sort;
  onSort: (sort: Sort) => void;
}

const GROUPS: readonly { name: string; columns: readonly { column: Column; name: string; full: string }[] }[] = [
  {
    name: "Calls",
    columns: [
      { column: "calls", name: "all", full: "Calls" },
      { column: "error_rate", name: "error rate", full: "Error rate" },
      { column: "errors", name: "errors", full: "Errors by type" },
      { column: "empty", name: "empty", full: "Empty responses" },
    ],
  },
  {
    name: "Latency",
    columns: [
      { column: "p50", name: "p50", full: "Latency p50" },
      { column: "p95", name: "p95", full: "Latency p95" },
      { column: "p99", name: "p99", full: "Latency p99" },
    ],
  },
  {
    name: "First chunk",
    columns: [
      { column: "first_p50", name: "p50", full: "Time to first chunk p50" },
      { column: "first_p95", name: "p95", full: "Time to first chunk p95" },
    ],
  },
  {
    name: "Tokens",
    columns: [
      { column: "tokens_in", name: "in", full: "Tokens in" },
      { column: "tokens_out", name: "out", full: "Tokens out" },
    ],
  },
  {
    name: "Cost",
    columns: [
      { column: "cost", name: "total", full: "Cost" },
      { column: "cost_per_call", name: "per call", full: "Cost per call" },
    ],
  },
];

export function ModelTable({ models, looks, sort, onSort }: ModelTableProps) {
  const head = { sort, onSort };
  return (
    <div class="model-table-scroll" role="region" aria-label="Models in figures" tabIndex={0}>
      <table class="model-table">
        <thead>
          <tr>
            <SortHead column="model" name="Model" full="Model" rows={2} {...head} />
            {GROUPS.map(({ name, columns }) => (
              <th key={name} scope="colgroup" colSpan={columns.length} class="group-start">
                {name}
              </th>
            ))}
          </tr>
          <tr>
            {GROUPS.flatMap(({ columns }) =>
              columns.map(({ column, name, full }, index) => (
                <SortHead key={column} column={column} name={name} full={full} isStart={index === 0} {...head} />
              )),
            )}
          </tr>
        </thead>
        <tbody>
          {sorted(models, sort).map((stat) => (
            <ModelRow key={stat.model} stat={stat} look={looks.get(stat.model)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface SortHeadProps {
  column: Column;
  name: string;
  full: string;
  sort: Sort;
  onSort: (sort: Sort) => void;
  rows?: number;
  isStart?: boolean;
}

function SortHead({ column, name, full, sort, onSort, rows, isStart = false }: SortHeadProps) {
  const isSorted = sort.column === column;
  return (
    <th
      scope="col"
      rowSpan={rows}
      class={`${column === "model" || column === "errors" ? "" : "end"} ${isStart ? "group-start" : ""}`}
      aria-sort={isSorted ? sort.direction : undefined}
    >
      <button
        type="button"
        class="sort-button"
        title={`Sort by: ${full}`}
        onClick={() => onSort(nextSort(sort, column))}
      >
        <span aria-hidden={full !== name}>{name}</span>
        {full !== name && <span class="visually-hidden">{full}</span>}
        <span aria-hidden="true" class={`sort-mark ${isSorted ? sort.direction : ""}`} />
      </button>
    </th>
  );
}

function ModelRow({ stat, look }: { stat: ModelStats; look: Look | undefined }) {
  const { latency_ms: latency, time_to_first_chunk_ms: first, usage } = stat;
  return (
    <tr>
      <th scope="row">
        <span class="model-cell">
          {look && <Swatch look={look} />}
          <ModelName model={stat.model} />
        </span>
      </th>
      <Figure isStart>
        <span title={`${count(stat.answered)} answered`}>{count(stat.calls)}</span>
      </Figure>
      <Figure>
        <span title={`${count(stat.error_count)} of ${count(stat.calls)}`}>{percent(errorRate(stat))}</span>
      </Figure>
      <td>
        <Errors errors={stat.errors} />
      </td>
      <Figure>{count(stat.empty)}</Figure>
      <Figure isStart>
        <Duration ms={latency.p50} />
      </Figure>
      <Figure>
        <Duration ms={latency.p95} />
      </Figure>
      <Figure>
        <Duration ms={latency.p99} />
      </Figure>
      <Figure isStart>
        <Duration ms={first.p50} />
      </Figure>
      <Figure>
        <Duration ms={first.p95} />
      </Figure>
      <Figure isStart>
        <span title={count(usage.input_tokens)}>{compact(usage.input_tokens)}</span>
      </Figure>
      <Figure>
        <span title={count(usage.output_tokens)}>{compact(usage.output_tokens)}</span>
      </Figure>
      <Figure isStart>
        <Cost usd={usage.cost_usd} />
      </Figure>
      <Figure>
        <Cost usd={costPerCall(stat)} />
      </Figure>
    </tr>
  );
}

export function Figure({ isStart = false, children }: { isStart?: boolean; children: ComponentChildren }) {
  return <td class={`end num ${isStart ? "group-start" : ""}`}>{children}</td>;
}

/** Types of errors, most first; a type is a word of the server, shown as such. */
export function Errors({ errors }: { errors: Record<string, number> }) {
  const entries = Object.entries(errors).sort(([, a], [, b]) => b - a);
  if (entries.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="error-types">
      {entries.map(([type, times]) => (
        <li key={type}>
          <bdi>{oneLine(words(type), 40)}</bdi> <span class="num">{count(times)}</span>
        </li>
      ))}
    </ul>
  );
}

/** Which models the charts show; also the charts' legend. */
export function ModelToggles({ models, looks, shown, onToggle, onHighlight }: TogglesProps) {
  return (
    <div class="toggles" role="group" aria-label="Models in the charts">
      {models.map(({ model }) => {
        const isShown = shown.includes(model);
        const isLast = isShown && shown.length === 1;
        const look = looks.get(model);
        return (
          <button
            key={model}
            type="button"
            class="toggle"
            aria-pressed={isShown}
            aria-disabled={isLast}
            title={isLast ? "The charts show at least one model" : undefined}
            onClick={() => !isLast && onToggle(model)}
            onMouseEnter={() => onHighlight(model)}
            onMouseLeave={() => onHighlight(null)}
            onFocus={() => onHighlight(model)}
            onBlur={() => onHighlight(null)}
          >
            {isShown && look ? <Swatch look={look} /> : <Icon name="plus" />}
            <ModelName model={model} isShort />
          </button>
        );
      })}
    </div>
  );
}

interface TogglesProps {
  models: readonly ModelStats[];
  looks: ReadonlyMap<string, Look>;
  shown: readonly string[];
  onToggle: (model: string) => void;
  onHighlight: (model: string | null) => void;
}
