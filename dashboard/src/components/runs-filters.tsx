/** The filters of the runs page. They live in the address; this only shows and changes it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { deploymentStore, knownModels } from "../deployment";
import { visible } from "../format";
import { useDebounced, useMedia } from "../hooks";
import { SEARCH_FIELD, wasSearchAsked } from "../keys";
import { href, navigate } from "../router";
import { filterCount, filtered, METADATA_PREFIX, parseMetadata, RANGES } from "../runs-query";
import { OPEN_STATUSES } from "../status";
import { useStore } from "../store";
import { Icon } from "./icon";

const SEARCH_QUIET_MS = 300;
const STATUS_CHOICES = [
  ["", "All"],
  [OPEN_STATUSES.join(","), "Open"],
  ["succeeded", "Succeeded"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
] as const;

interface FiltersProps {
  query: URLSearchParams;
  /** Models of the rows on the page, to be offered. */
  models: readonly string[];
}

export function RunsFilters({ query, models }: FiltersProps) {
  const isWide = useMedia("(min-width: 641px)");
  const set = (changes: Record<string, string | null>, mode: "push" | "replace" = "push") =>
    navigate(href(["runs"], filtered(query, changes)), mode);
  const count = filterCount(query) - (query.has("q") ? 1 : 0) - (query.has("status") ? 1 : 0);
  const more = <More query={query} models={models} set={set} />;
  return (
    <search class="filters" aria-label="Filters">
      <div class="switch statuses" role="group" aria-label="Status">
        {STATUS_CHOICES.map(([value, word]) => (
          <button
            key={word}
            type="button"
            aria-pressed={(query.get("status") ?? "") === value}
            onClick={() => set({ status: value })}
          >
            {word}
          </button>
        ))}
      </div>
      <Search query={query} set={set} />
      {isWide ? (
        more
      ) : (
        <details class="more-filters" open={count > 0}>
          <summary>More filters{count > 0 && ` (${count})`}</summary>
          {more}
        </details>
      )}
      <Labels query={query} set={set} />
    </search>
  );
}

type Set = (changes: Record<string, string | null>, mode?: "push" | "replace") => void;

function Search({ query, set }: { query: URLSearchParams; set: Set }) {
  const asked = query.get("q") ?? "";
  const [text, setText] = useState(asked);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // After the page, which takes the focus to its heading.
    if (wasSearchAsked()) requestAnimationFrame(() => field.current?.focus());
  }, []);
  // Back and forward change the address under the field.
  useEffect(() => setText(asked), [asked]);
  useDebounced(text, SEARCH_QUIET_MS, (value) => {
    if (value !== asked) set({ q: value }, "replace");
  });
  return (
    <div class="search-field">
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        aria-label="Search in task and result"
        aria-keyshortcuts="/"
        placeholder="Search in task and result"
        {...{ [SEARCH_FIELD]: true }}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function More({ query, models, set }: { query: URLSearchParams; models: readonly string[]; set: Set }) {
  const deployment = useStore(deploymentStore);
  const agent = query.get("agent") ?? "";
  const agents = [
    ...new Set([...(deployment?.agents.map(({ name }) => name) ?? []), ...(agent === "" ? [] : [agent])]),
  ];
  const range = query.get("range") ?? (query.has("since") || query.has("until") ? "custom" : "");
  return (
    <div class="filter-row">
      <label>
        <span class="label">Model</span>
        <input
          list="filter-models"
          placeholder="any"
          value={query.get("model") ?? ""}
          spellcheck={false}
          onChange={(event) => set({ model: event.currentTarget.value.trim() })}
        />
        <datalist id="filter-models">
          {knownModels(deployment, models).map((model) => (
            <option key={model} value={model} />
          ))}
        </datalist>
      </label>
      <label>
        <span class="label">Agent</span>
        <select value={agent} onChange={(event) => set({ agent: event.currentTarget.value })}>
          <option value="">any</option>
          {agents.map((name) => (
            <option key={name} value={name}>
              {visible(name)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="label">When</span>
        <select value={range} onChange={(event) => set(rangeChange(event.currentTarget.value))}>
          <option value="">any time</option>
          {RANGES.map(([value, word]) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
          <option value="custom">from … to …</option>
        </select>
      </label>
      {range === "custom" && (
        <>
          <Moment name="since" label="From" query={query} set={set} />
          <Moment name="until" label="To" query={query} set={set} />
        </>
      )}
      <MetadataField set={set} />
    </div>
  );
}

function rangeChange(choice: string): Record<string, string | null> {
  if (choice !== "custom") return { range: choice, since: null, until: null };
  return { range: null, since: String(Date.now() - 86_400_000), until: null };
}

function Moment({
  name,
  label,
  query,
  set,
}: {
  name: "since" | "until";
  label: string;
  query: URLSearchParams;
  set: Set;
}) {
  return (
    <label>
      <span class="label">{label}</span>
      <input
        type="datetime-local"
        value={localMinute(Number(query.get(name) ?? Number.NaN))}
        onChange={(event) => {
          const at = new Date(event.currentTarget.value).getTime();
          set({ [name]: Number.isNaN(at) ? null : String(at) });
        }}
      />
    </label>
  );
}

function MetadataField({ set }: { set: Set }) {
  const [text, setText] = useState("");
  const add = (event: Event) => {
    event.preventDefault();
    const pair = parseMetadata(text);
    if (pair === null) return;
    set({ [METADATA_PREFIX + pair[0]]: pair[1] });
    setText("");
  };
  return (
    <form class="metadata-filter" onSubmit={add}>
      <label>
        <span class="label">Metadata</span>
        <input
          placeholder="key=value, Enter"
          value={text}
          spellcheck={false}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
    </form>
  );
}

/** Filters that no field above shows, each with a button that removes it. */
function Labels({ query, set }: { query: URLSearchParams; set: Set }) {
  const labels = [...query].filter(([name]) => name.startsWith(METADATA_PREFIX) || name === "session");
  if (labels.length === 0) return null;
  return (
    <ul class="labels" aria-label="Filters set">
      {labels.map(([name, value]) => (
        <li key={name}>
          <button type="button" class="label-button" onClick={() => set({ [name]: null })} title="Remove this filter">
            <bdi>{visible(name.replace(METADATA_PREFIX, ""))}</bdi>=<bdi>{visible(value)}</bdi>
            <span class="visually-hidden">, remove</span>
            <Icon name="cross" />
          </button>
        </li>
      ))}
    </ul>
  );
}

function localMinute(at: number): string {
  if (!Number.isFinite(at)) return "";
  const date = new Date(at);
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
