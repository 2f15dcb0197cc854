/**
 * Emphasis, code and links inside a line of Markdown. Pure, and linear in the text's length whatever is in it. What is
 * not recognised stays as it was written, so that no word of a text is lost.
 */

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "link"; isImage: boolean; label: string; address: string }
  | { kind: Style; content: readonly Inline[] };

export type Style = "strong" | "emphasis" | "strike";

/** How deep emphasis may be in emphasis: what is deeper keeps its marks. */
const DEPTH_MAX = 6;

interface Run {
  mark: string;
  /** Marks that no pair has taken. */
  left: number;
  canOpen: boolean;
  canClose: boolean;
  /** The styles that begin after its marks, the outermost first, and those that end before them. */
  opens: Style[];
  closes: Style[];
}

type Piece = Inline | Run;

export function inline(text: string): Inline[] {
  const found = pieces(text);
  pair(found.filter(isRun));
  return tree(found);
}

const SPECIAL = /[\\`*_~[!h]/g;
// A label without brackets, an address with at most one pair of parentheses in it, and a title.
const LINK = new RegExp(
  [
    String.raw`!?\[([^\[\]\n]{0,1000})\]`,
    String.raw`\((<?[^()<>\s]{0,2000}(?:\([^()<>\s]{0,2000}\)[^()<>\s]{0,2000})?>?(?:[ \t]{1,9}"[^"\n]{0,1000}")?)\)`,
  ].join(""),
  "y",
);
const ADDRESS = /https?:\/\/[^\s<>`"*~]{1,2000}/y;
const MARKS = /\*{1,99}|_{1,99}|~{1,99}/y;
const TICKS = /`+/y;
const PUNCTUATION = /[!-/:-@[-`{-~]/;

/** Everything between marks, and the marks. */
function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  const ends = tickRuns(text);
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain !== "") found.push({ kind: "text", text: plain });
    plain = "";
  };
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  while (at < text.length) {
    SPECIAL.lastIndex = at;
    const next = SPECIAL.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    at = next;
    const char = text[at];
    if (char === undefined) break;
    if (char === "\\" && PUNCTUATION.test(text[at + 1] ?? "")) {
      plain += text[at + 1];
      at += 2;
      continue;
    }
    if (char === "`") {
      const ticks = take(TICKS)?.[0] ?? char;
      const end = ends(ticks.length, at + ticks.length);
      if (end === null) plain += ticks;
      else {
        flush();
        found.push({ kind: "code", text: codeText(text.slice(at + ticks.length, end)) });
      }
      at = end === null ? at + ticks.length : end + ticks.length;
      continue;
    }
    const link = char === "[" || char === "!" ? take(LINK) : null;
    if (link) {
      flush();
      const [whole, label = "", address = ""] = link;
      found.push({ kind: "link", isImage: char === "!", label, address });
      at += whole.length;
      continue;
    }
    // An address keeps what would be marks elsewhere.
    const address = char === "h" ? take(ADDRESS)?.[0] : undefined;
    if (address !== undefined) {
      plain += address;
      at += address.length;
      continue;
    }
    const marks = take(MARKS)?.[0];
    if (marks !== undefined) {
      flush();
      found.push(runOf(marks, text[at - 1] ?? " ", text[at + marks.length] ?? " "));
      at += marks.length;
      continue;
    }
    plain += char;
    at += 1;
  }
  flush();
  return found;
}

/** Finds the next run of so many backticks from a place on; places only grow, so each run is looked at once. */
function tickRuns(text: string): (length: number, from: number) => number | null {
  const places = new Map<number, number[]>();
  for (const { 0: ticks, index } of text.matchAll(/`+/g)) {
    const known = places.get(ticks.length);
    if (known) known.push(index);
    else places.set(ticks.length, [index]);
  }
  const passed = new Map<number, number>();
  return (length, from) => {
    const known = places.get(length) ?? [];
    let place = passed.get(length) ?? 0;
    while (place < known.length && (known[place] ?? 0) < from) place += 1;
    passed.set(length, place);
    return known[place] ?? null;
  };
}

function codeText(text: string): string {
  const isPadded = text.startsWith(" ") && text.endsWith(" ") && text.trim() !== "";
  return isPadded ? text.slice(1, -1) : text;
}

/** Whether marks may begin or end emphasis is told by what stands beside them, as in CommonMark. */
function runOf(marks: string, before: string, after: string): Run {
  const mark = marks.charAt(0);
  const isSpace = (char: string) => /\s/.test(char);
  const isMark = (char: string) => /[\p{P}\p{S}]/u.test(char);
  const left = !isSpace(after) && (!isMark(after) || isSpace(before) || isMark(before));
  const right = !isSpace(before) && (!isMark(before) || isSpace(after) || isMark(after));
  const isWordy = mark === "_";
  return {
    mark,
    left: marks.length,
    canOpen: left && (!isWordy || !right || isMark(before)),
    canClose: right && (!isWordy || !left || isMark(after)),
    opens: [],
    closes: [],
  };
}

/** Pairs what begins emphasis with what ends it. */
function pair(runs: readonly Run[]): void {
  const open: Run[] = [];
  // Below this height of the stack there is no opener of a mark: nobody looks there twice.
  const floor = new Map<string, number>();
  const cut = (length: number) => {
    open.length = length;
    for (const [mark, height] of floor) floor.set(mark, Math.min(height, length));
  };
  for (const run of runs) {
    while (run.canClose && run.left > 0) {
      const lowest = floor.get(run.mark) ?? 0;
      let place = open.length - 1;
      while (place >= lowest && !fits(open[place], run)) place -= 1;
      const opener = open[place];
      if (place < lowest || opener === undefined) {
        floor.set(run.mark, open.length);
        break;
      }
      cut(place + 1);
      const style = styleOf(run.mark, Math.min(opener.left, run.left));
      const used = style === "emphasis" ? 1 : 2;
      opener.left -= used;
      run.left -= used;
      opener.opens.unshift(style);
      run.closes.push(style);
      if (opener.left === 0) cut(place);
    }
    if (run.canOpen && run.left > 0) open.push(run);
  }
}

function fits(opener: Run | undefined, closer: Run): boolean {
  if (opener === undefined || opener.mark !== closer.mark) return false;
  return closer.mark !== "~" || (opener.left >= 2 && closer.left >= 2);
}

function styleOf(mark: string, marks: number): Style {
  return mark === "~" ? "strike" : marks >= 2 ? "strong" : "emphasis";
}

/** Pieces with their pairs as a tree. */
function tree(found: readonly Piece[]): Inline[] {
  const root: Inline[] = [];
  // Null stands for emphasis that is too deep.
  const stack: { content: Inline[]; style: Style | null }[] = [{ content: root, style: null }];
  let depth = 0;
  const add = (item: Inline) => stack.at(-1)?.content.push(item);
  for (const piece of found) {
    if (!isRun(piece)) {
      add(piece);
      continue;
    }
    for (const style of piece.closes) {
      const top = stack.pop();
      if (top === undefined || top.style === null) add({ kind: "text", text: marksOf(style, piece.mark) });
      else {
        depth -= 1;
        add({ kind: top.style, content: top.content });
      }
    }
    if (piece.left > 0) add({ kind: "text", text: piece.mark.repeat(piece.left) });
    for (const style of piece.opens) {
      if (depth < DEPTH_MAX) {
        depth += 1;
        stack.push({ content: [], style });
      } else {
        add({ kind: "text", text: marksOf(style, piece.mark) });
        stack.push({ content: stack.at(-1)?.content ?? root, style: null });
      }
    }
  }
  return root;
}

function marksOf(style: Style, mark: string): string {
  return mark.repeat(style === "emphasis" ? 1 : 2);
}

function isRun(piece: Piece): piece is Run {
  return "mark" in piece;
}
