/** A piece of a line as the charts draw it. */
import type { Look } from "./series";

export function Swatch({ look: { color, dash } }: { look: Look }) {
  return (
    <svg class={`swatch series-color-${color + 1}`} viewBox="0 0 18 8" aria-hidden="true" focusable="false">
      <path d="M0 4h18" stroke-dasharray={dash.length === 0 ? undefined : dash.join(" ")} />
    </svg>
  );
}
