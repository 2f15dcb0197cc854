/** Foreign text: what models, users and servers wrote. It is shown as text, whatever is in it. */
import { useState } from "preact/hooks";
import { count, oneLine, visible } from "../format";

/** Characters shown before "Show all". */
const CHARS_SHOWN = 6_000;

interface TextBlockProps {
  text: string;
  mono?: boolean;
  /** Which part of a long text is shown first; its end is what is read while it grows. */
  part?: "start" | "end";
}

/** A block of text with its line ends. */
export function TextBlock({ text, mono = false, part = "start" }: TextBlockProps) {
  const [isWhole, setIsWhole] = useState(false);
  const isCut = !isWhole && text.length > CHARS_SHOWN;
  const shown = !isCut ? text : part === "start" ? text.slice(0, CHARS_SHOWN) : `…${text.slice(-CHARS_SHOWN)}`;
  return (
    <div class="text-block">
      <div class={mono ? "text mono" : "text"} dir="auto">
        {visible(shown)}
      </div>
      {isCut && (
        <button type="button" class="button small" onClick={() => setIsWhole(true)}>
          Show all {count(text.length)} characters
        </button>
      )}
    </div>
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
