/** A run's spans on one time axis: a grid for the keyboard, bars for the eye. */
import { useRef } from "preact/hooks";
import type { Outcome } from "../fold";
import { duration, visible } from "../format";
import { ticks, type Marker, type Row, type Waterfall as Rows } from "../waterfall";
import { Icon, type IconName } from "./icon";

interface WaterfallProps {
  rows: Rows;
  /** Where open bars end. */
  now: number;
  selected: string | null;
  onSelect: (row: Row) => void;
  /** Enter on a row, or a second look: the focus goes to the details. */
  onOpen: () => void;
}

const GLYPHS: Record<Outcome, IconName> = {
  running: "play",
  answered: "check",
  failed: "cross",
  interrupted: "bolt",
  cancelled: "slash",
  aborted: "cross",
};

const WORDS: Record<Outcome, string> = {
  running: "running",
  answered: "ok",
  failed: "failed",
  interrupted: "interrupted by a crash",
  cancelled: "cancelled",
  aborted: "given up",
};

/** What the word of a tick takes of the axis, in percent, where it is narrow. */
const TICK_SHARE = 10;
/** From here on a word stands before its tick: behind it the axis has no room. */
const TICK_TURNS = 0.85;

export function Waterfall({
  rows: { rows, markers, startedAt, endedAt },
  now,
  selected,
  onSelect,
  onOpen,
}: WaterfallProps) {
  const grid = useRef<HTMLDivElement>(null);
  const until = Math.max(endedAt ?? now, startedAt + 1);
  const scale = { startedAt, spanMs: until - startedAt };
  const steps = ticks(scale.spanMs, 5).filter((step) => step <= scale.spanMs * 0.96);
  // A flag lies over the words of the axis near it.
  const flags = markers.map((marker) => flagShares(marker, scale));
  const isCovered = (step: number) => {
    const from = (step / scale.spanMs) * 100;
    return flags.some((flag) => from < flag.to && from + TICK_SHARE > flag.from);
  };
  const current = rows.some((row) => row.id === selected) ? selected : (rows[0]?.id ?? null);

  const move = (event: KeyboardEvent) => {
    const at = rows.findIndex((row) => row.id === current);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return onOpen();
    }
    const row = to === undefined ? undefined : rows[to];
    if (to === undefined) return;
    event.preventDefault();
    if (row === undefined) return;
    onSelect(row);
    grid.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(row.id)}"]`)?.focus();
  };

  return (
    <div class="wf">
      <div class="wf-lines" aria-hidden="true">
        {steps.map((step) => (
          <i key={step} class="wf-line" style={{ left: `${(step / scale.spanMs) * 100}%` }} />
        ))}
        {markers.map((marker) => (
          <i key={marker.at} class="wf-mark" style={{ left: place(marker.at, scale) }} />
        ))}
      </div>
      <div class="wf-grid" role="treegrid" aria-label="Spans of the run" ref={grid} onKeyDown={move}>
        <div role="row" class="wf-row wf-head">
          <span role="columnheader">Span</span>
          <span role="columnheader" class="wf-track">
            <span class="visually-hidden">On the time axis</span>
            {steps
              .filter((step) => !isCovered(step))
              .map((step) => (
                <i
                  key={step}
                  aria-hidden="true"
                  class={step > scale.spanMs * TICK_TURNS ? "wf-tick is-last" : "wf-tick"}
                  style={{ left: `${(step / scale.spanMs) * 100}%` }}
                >
                  {step === 0 ? "0" : duration(step).replace(/\.0+ |(\.\d*[1-9])0+ /, "$1 ")}
                </i>
              ))}
            {markers.map((marker) => (
              <MarkerLabel key={marker.at} marker={marker} scale={scale} />
            ))}
          </span>
          <span role="columnheader" class="wf-time">
            Time
          </span>
        </div>
        {rows.map((row) => (
          <RowView
            key={row.id}
            row={row}
            until={until}
            scale={scale}
            isSelected={row.id === current}
            onSelect={onSelect}
          />
        ))}
      </div>
    </div>
  );
}

interface Scale {
  startedAt: number;
  spanMs: number;
}

interface RowProps {
  row: Row;
  until: number;
  scale: Scale;
  isSelected: boolean;
  onSelect: (row: Row) => void;
}

function RowView({ row, until, scale, isSelected, onSelect }: RowProps) {
  const endedAt = row.endedAt ?? until;
  const from = share(row.startedAt, scale);
  const to = share(endedAt, scale);
  const waited =
    row.firstChunkAt === null ? 0 : (row.firstChunkAt - row.startedAt) / Math.max(1, endedAt - row.startedAt);
  const took = duration(endedAt - row.startedAt);
  return (
    <div
      role="row"
      class={`wf-row wf-${row.kind} out-${row.outcome}`}
      data-row={row.id}
      aria-level={row.depth + 1}
      aria-selected={isSelected}
      tabIndex={isSelected ? 0 : -1}
      onClick={(event) => {
        onSelect(row);
        event.currentTarget.focus({ preventScroll: true });
      }}
    >
      <span role="gridcell" class="wf-name" style={{ "--depth": row.depth }}>
        {isWait(row) ? <Icon name="clock" /> : <Icon name={GLYPHS[row.outcome]} />}
        <bdi class="wf-word" title={visible(row.name)}>
          {visible(row.name)}
        </bdi>
        {row.place !== "" && (row.kind === "call" || row.kind === "tool") && (
          <span class="wf-place" title={placeTitle(row)}>
            {row.place}
          </span>
        )}
        <span class="visually-hidden">, {row.kind === "wait" ? row.note : WORDS[row.outcome]}</span>
      </span>
      <span role="gridcell" class="wf-track">
        <i
          aria-hidden="true"
          class="wf-bar"
          style={{
            left: `${from}%`,
            width: `${Math.max(0, to - from)}%`,
            "--waited": `${Math.min(100, waited * 100)}%`,
          }}
        />
        {row.note !== "" && <Note text={row.note} from={from} to={to} />}
      </span>
      <span role="gridcell" class="wf-time num">
        {took}
      </span>
    </div>
  );
}

function isWait({ kind }: Row): boolean {
  return kind === "queue" || kind === "backoff" || kind === "wait";
}

/** The word beside a bar, where there is room for it. */
function Note({ text, from, to }: { text: string; from: number; to: number }) {
  const [side, style] =
    to <= 60
      ? ["after", { left: `${to}%` }]
      : from >= 40
        ? ["before", { right: `${100 - from}%` }]
        : ["inside", { left: `${from}%` }];
  return (
    <span class={`wf-note ${side}`} style={style}>
      {visible(text.replaceAll("_", " "))}
    </span>
  );
}

function MarkerLabel({ marker, scale }: { marker: Marker; scale: Scale }) {
  const { at, side } = flagShares(marker, scale);
  return (
    <span class={`wf-flag ${side}`} style={{ left: `${at}%` }}>
      <Icon name="bolt" />
      {visible(marker.label)}
    </span>
  );
}

/** Where a flag is on the axis, and about what it covers, in percent. */
function flagShares({ at: time, label }: Marker, scale: Scale): { at: number; side: string; from: number; to: number } {
  const at = share(time, scale);
  const width = 8 + 2.2 * label.length;
  if (at > 75) return { at, side: "end", from: at - width, to: at };
  if (at < 12) return { at, side: "start", from: at, to: at + width };
  return { at, side: "", from: at - width / 2, to: at + width / 2 };
}

function placeTitle({ attempt: ofModel, tool, span }: Row): string {
  const attempt = ofModel ?? tool;
  return `call ${attempt?.call ?? span?.call ?? "?"}, attempt ${attempt?.attempt ?? span?.attempt ?? "?"}`;
}

function place(at: number, scale: Scale): string {
  return `${share(at, scale)}%`;
}

function share(at: number, { startedAt, spanMs }: Scale): number {
  return Math.min(100, Math.max(0, ((at - startedAt) / spanMs) * 100));
}
