/** What the shapes mean; only those that are there. */
import type { Row, Waterfall } from "../waterfall";

const ENTRIES: readonly [className: string, word: string, isThere: (row: Row) => boolean][] = [
  [
    "wf-call out-answered",
    "answered; paler: until the first text",
    (row) => row.kind === "call" && row.outcome === "answered",
  ],
  ["wf-call out-running", "in flight", (row) => row.kind === "call" && row.outcome === "running"],
  [
    "wf-call out-failed",
    "failed",
    (row) => row.kind === "call" && (row.outcome === "failed" || row.outcome === "aborted"),
  ],
  ["wf-call out-interrupted", "cut off by a crash", (row) => row.outcome === "interrupted"],
  ["wf-call out-cancelled", "cancelled", (row) => row.kind === "call" && row.outcome === "cancelled"],
  ["wf-tool out-answered", "a tool's call", (row) => row.kind === "tool" && row.outcome === "answered"],
  ["wf-tool out-failed", "a tool's call that failed", (row) => row.kind === "tool" && row.outcome === "failed"],
  ["wf-wait", "waiting for a person", (row) => row.kind === "wait"],
  ["wf-backoff", "waiting", (row) => row.kind === "backoff" || row.kind === "queue"],
  ["wf-span out-answered", "the agent's own span", (row) => row.kind === "span"],
];

export function WaterfallLegend({ rows: { rows, markers } }: { rows: Waterfall }) {
  const shown = ENTRIES.filter(([, , isThere]) => rows.some(isThere));
  return (
    <ul class="wf-legend">
      {shown.map(([className, word]) => (
        <li key={word} class={className}>
          <span class="wf-swatch">
            <i class="wf-bar" style={{ "--waited": "40%" }} />
          </span>
          {word}
        </li>
      ))}
      {markers.length > 0 && (
        <li>
          <span class="wf-swatch">
            <i class="wf-mark" />
          </span>
          crash or eviction survived
        </li>
      )}
    </ul>
  );
}
