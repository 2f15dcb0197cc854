/** The filters of the runs page. They live in the address; this only shows and changes it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { deploymentStore, knownModels } from "../deployment";
import { visible } from "../format";
import { useDebounced, useMedia } from "../hooks";
import { SEARCH_FIELD, wasSearchAsked } from "../keys";
import { href, navigate } from "../router";
import {
  FIGURES,
  filterCount,
  filtered,
  FLAGS,
  METADATA_PREFIX,
  ORDERS,
  parseFigure,
  parseMetadata,
  RANGES,
  RARE,
} from "../runs-query";
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
  const rare = RARE.filter((name) => query.has(name)).length;
  const common = <More query={query} models={models} set={set} />;
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
      {isWide && common}
      <Folded count={isWide ? rare : count}>
        {!isWide && common}
        <Rare query={query} set={set} />
      </Folded>
      <Labels query={query} set={set} />
    </search>
  );
}

/** Filters that are shown when somebody asks for them, or when one of them is set. */
function Folded({ count, children }: { count: number; children: ComponentChildren }) {
  const isSet = count > 0;
  const [isOpen, setIsOpen] = useState(isSet);
  // The address may bring one; one that is removed folds nothing under the eyes of its reader.
  useEffect(() => {
    if (isSet) setIsOpen(true);
  }, [isSet]);
  return (
    <details class="more-filters" open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>More filters{isSet && ` (${count})`}</summary>
      {children}
    </details>
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
        aria-label="Search in task and result, or find an id"
        aria-keyshortcuts="/"
        placeholder="Text, id or address of a run"
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
        <Typed
          list="filter-models"
          placeholder="any"
          asked={query.get("model") ?? ""}
          onTyped={(text) => set({ model: text.trim() })}
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
      <label>
        <span class="label">Order</span>
        <select value={query.get("sort") ?? ""} onChange={(event) => set({ sort: event.currentTarget.value })}>
          {ORDERS.map(([value, word]) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface TypedProps {
  /** What the address has. */
  asked: string;
  onTyped: (text: string) => void;
  placeholder: string;
  /** Whether it takes a figure. */
  isFigure?: boolean;
  /** The id of what is offered. */
  list?: string;
}

/** A field whose text counts once it is left or entered. The list is loaded again meanwhile, and takes nothing from it. */
function Typed({ asked, onTyped, placeholder, isFigure = false, list }: TypedProps) {
  const [text, setText] = useState(asked);
  useEffect(() => setText(asked), [asked]);
  return (
    <input
      {...(isFigure ? { type: "number", min: "0", step: "any" } : { list })}
      placeholder={placeholder}
      spellcheck={false}
      autocapitalize="off"
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
      onChange={(event) => onTyped(event.currentTarget.value)}
    />
  );
}

/** What a run failed of, what it took and what it went through. */
function Rare({ query, set }: { query: URLSearchParams; set: Set }) {
  return (
    <div class="filter-row rare">
      <label>
        <span class="label">Error</span>
        <Typed
          placeholder="any, or a word like timeout"
          asked={query.get("error_type") ?? ""}
          onTyped={(text) => set({ error_type: text.trim() })}
        />
      </label>
      {FIGURES.map((figure) => (
        <label key={figure.name}>
          <span class="label">{figure.label}</span>
          <Typed
            isFigure
            placeholder={figure.unit}
            asked={query.has(figure.name) ? String(Number(query.get(figure.name)) / figure.factor) : ""}
            onTyped={(text) => set({ [figure.name]: parseFigure(text, figure) })}
          />
        </label>
      ))}
      {FLAGS.map(([name, label]) => (
        <label key={name} class="check">
          <input
            type="checkbox"
            checked={query.get(name) === "true"}
            onChange={(event) => set({ [name]: event.currentTarget.checked ? "true" : null })}
          />
          {label}
        </label>
      ))}
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
