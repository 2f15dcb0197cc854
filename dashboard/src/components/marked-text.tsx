/** A text with what differs from another one marked: by colour, by line, and in words for a screen reader. */
import { useEffect, useState } from "preact/hooks";
import { marks, type Marks, type Part } from "../diff/marks";
import { count, visible } from "../format";

/** Characters shown before "Show all". */
const CHARS_SHOWN = 6_000;

/** The marks of `after` against `before`; null until they are found, or while either is missing. */
export function useMarks(before: string | null, after: string | null): Marks | null {
  const [found, setFound] = useState<{ before: string; after: string; marks: Marks } | null>(null);
  useEffect(() => {
    if (before === null || after === null) return undefined;
    // Not in the same task as the render: each model's marks are found in one of their own.
    const timer = setTimeout(() => setFound({ before, after, marks: marks(before, after) }), 0);
    return () => clearTimeout(timer);
  }, [before, after]);
  return found !== null && found.before === before && found.after === after ? found.marks : null;
}

export function MarkedText({ parts }: { parts: readonly Part[] }) {
  const [isWhole, setIsWhole] = useState(false);
  const total = parts.reduce((sum, { text }) => sum + text.length, 0);
  const isCut = !isWhole && total > CHARS_SHOWN;
  return (
    <div class="text-block">
      <div class="text" dir="auto">
        {(isCut ? firstParts(parts) : parts).map((part, index) => (
          <PartView key={index} part={part} />
        ))}
      </div>
      {isCut && (
        <button type="button" class="button small" onClick={() => setIsWhole(true)}>
          Show all {count(total)} characters
        </button>
      )}
    </div>
  );
}

function PartView({ part: { kind, text } }: { part: Part }) {
  if (kind === "same") return <>{visible(text)}</>;
  const Tag = kind === "added" ? "ins" : "del";
  return (
    <Tag>
      <span class="visually-hidden">{kind === "added" ? " [added: " : " [removed: "}</span>
      {visible(text)}
      <span class="visually-hidden">] </span>
    </Tag>
  );
}

function firstParts(parts: readonly Part[]): Part[] {
  const shown: Part[] = [];
  let left = CHARS_SHOWN;
  for (const part of parts) {
    if (left <= 0) break;
    shown.push({ kind: part.kind, text: part.text.slice(0, left) });
    left -= part.text.length;
  }
  return shown;
}

/** How much differs, in words. */
export function MarksSummary({ marks: found }: { marks: Marks }) {
  if (found.unit === "same") return <>Same words as the baseline</>;
  if (found.unit === "none") return <>Too long or too different to mark</>;
  const { unit, added, removed } = found;
  return (
    <>
      <span class="added-count">+{count(added)}</span> <span class="removed-count">−{count(removed)}</span> {unit}
      {unit === "lines" && ", as the texts are long or very different"}
    </>
  );
}
