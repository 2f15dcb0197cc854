/** Foreign text: what models, users and servers wrote. It is shown as text, whatever is in it. */
import { useRef, useState } from "preact/hooks";
import { folded, growing } from "../fold-text";
import { count, oneLine, visible } from "../format";
import { isMarkdown, setMarkdown } from "../reading";
import { useStore } from "../store";
import { Markdown } from "./markdown";

interface TextBlockProps {
  text: string;
  mono?: boolean;
  /** Whether it may be Markdown: what people and models write. */
  isProse?: boolean;
  /** Whether it still grows: its end is what is read then. */
  isLive?: boolean;
  /** Whether it is shown whole, however long: what a person judges, or asked for. */
  isUnfolded?: boolean;
}

/** A block of text with its line ends; a long one is folded. */
export function TextBlock({ text, mono, isProse = false, isLive = false, isUnfolded = false }: TextBlockProps) {
  const [isWhole, setIsWhole] = useState(false);
  const isRich = useStore(isMarkdown) && isProse;
  // Nothing is folded under the eyes of somebody who reads it.
  const wasLive = useRef(isLive);
  wasLive.current ||= isLive;
  const fold = isUnfolded ? { shown: text, whole: null } : isLive ? growing(text) : folded(text);
  const isOpen = isWhole || (wasLive.current && !isLive);
  const shown = isOpen ? text : fold.shown;
  const kind = isRich ? "markdown" : mono ? "mono" : "";
  return (
    <div class="text-block">
      <div class={`text ${kind} ${!isOpen && !isLive && fold.whole ? "is-cut" : ""}`} dir="auto">
        {isRich ? <Markdown text={shown} /> : visible(shown)}
      </div>
      {fold.whole && (
        <button type="button" class="button small" aria-expanded={isOpen} onClick={() => setIsWhole(!isWhole)}>
          {isOpen ? "Show less" : `Show all ${count(fold.whole.count)} ${fold.whole.unit}`}
        </button>
      )}
    </div>
  );
}

/** Has every text of people and models shown as Markdown, here and elsewhere. */
export function MarkdownToggle({ isIdle = false }: { isIdle?: boolean }) {
  const isOn = useStore(isMarkdown);
  return (
    <label class={isIdle ? "check muted" : "check"} title={isIdle ? "Not while differences are marked" : undefined}>
      <input
        type="checkbox"
        checked={isOn && !isIdle}
        disabled={isIdle}
        onChange={(event) => setMarkdown(event.currentTarget.checked)}
      />
      Markdown
    </label>
  );
}

/** Text on one line, cut; the title has more of it. */
export function TextLine({ text, charsMax = 200 }: { text: string; charsMax?: number }) {
  return (
    <bdi class="text-line" title={oneLine(text, 500)}>
      {oneLine(text, charsMax)}
    </bdi>
  );
}
