/** A run's or call's status: a word, a glyph and a colour; never the colour alone. */
import { words } from "../format";
import { Icon, type IconName } from "./icon";

const GLYPHS: Record<string, IconName> = {
  queued: "queue",
  running: "play",
  waiting: "clock",
  succeeded: "check",
  answered: "check",
  ok: "check",
  failed: "cross",
  error: "cross",
  aborted: "cross",
  interrupted: "bolt",
  cancelled: "slash",
};

export function StatusChip({ status, detail }: { status: string; detail?: string | null | undefined }) {
  return (
    <span class={`chip status-${status}`}>
      <Icon name={GLYPHS[status] ?? "info"} />
      <span class="chip-word">{words(status)}</span>
      {detail && detail !== status && <span class="chip-detail">{words(detail)}</span>}
    </span>
  );
}
