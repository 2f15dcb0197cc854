/**
 * The blocks of a Markdown text: the part of CommonMark that models write, and tables. No block is HTML, and no line is
 * lost. Pure, and linear in the text's length.
 *
 * Of the parsers that give tokens, those that are right (marked, micromark, markdown-it) weigh 15 to 41 KiB of gzip,
 * and those that are small hang on a row of backticks (simple-markdown) or lose text (streaming-markdown).
 */

export type Block =
  | { kind: "paragraph"; text: string }
  | { kind: "heading"; level: number; text: string }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; blocks: readonly Block[] }
  /** `start` is null where the items have no numbers. */
  | { kind: "list"; start: number | null; items: readonly (readonly Block[])[] }
  /** The first row is the head; each row has as many cells. */
  | { kind: "table"; rows: readonly (readonly string[])[] }
  | { kind: "rule" };

/** How deep quotes and lists may be in each other: what is deeper is a paragraph. */
const DEPTH_MAX = 6;
/** Columns of a table: a wider one is a paragraph. */
const COLUMNS_MAX = 30;

export function blocks(text: string): Block[] {
  return blocksOf(text.replaceAll("\r\n", "\n").split("\n"), 0);
}

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?: {1,4}(?=\S)| |$)/;

/** What a block begins with, and the line after it. */
type Found = [block: Block, next: number];

function blocksOf(lines: readonly string[], depth: number): Block[] {
  const found: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const [block, next] = special(lines, at, depth) ?? paragraph(lines, at, depth);
    found.push(block);
    at = next;
  }
  return found;
}

function special(lines: readonly string[], at: number, depth: number): Found | null {
  const line = lines[at] ?? "";
  const simple = fence(lines, at) ?? heading(line, at) ?? (isRule(line) ? ([{ kind: "rule" }, at + 1] as Found) : null);
  if (simple !== null) return simple;
  return table(lines, at) ?? (depth < DEPTH_MAX ? (quote(lines, at, depth) ?? list(lines, at, depth)) : null);
}

function paragraph(lines: readonly string[], at: number, depth: number): Found {
  let next = at + 1;
  while (next < lines.length && !isBlank(lines[next]) && !interrupts(lines, next, depth)) next += 1;
  return [{ kind: "paragraph", text: lines.slice(at, next).join("\n") }, next];
}

/** Whether a block begins here although a paragraph has not ended. */
function interrupts(lines: readonly string[], at: number, depth: number): boolean {
  const line = lines[at] ?? "";
  if (FENCE.test(line) || HEADING.test(line) || isRule(line) || columns(lines, at) !== null) return true;
  if (depth >= DEPTH_MAX) return false;
  const item = ITEM.exec(line);
  // A number at the start of a line is no list, but 1.
  return QUOTE.test(line) || (item !== null && /^([-*+]|1[.)])$/.test(item[2] ?? "") && line.trim() !== item[2]);
}

function fence(lines: readonly string[], at: number): Found | null {
  const [, marks = "", language = ""] = FENCE.exec(lines[at] ?? "") ?? [];
  if (marks === "" || (marks.startsWith("`") && language.includes("`"))) return null;
  const indent = (lines[at] ?? "").indexOf(marks);
  const isEnd = (line: string) => {
    const text = line.trim();
    return text.length >= marks.length && text === marks.charAt(0).repeat(text.length) && indentOf(line) < 4;
  };
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end] ?? "")) end += 1;
  const text = lines.slice(at + 1, end).map((line) => dedented(line, indent));
  return [{ kind: "code", language: language.trim(), text: text.join("\n") }, end + 1];
}

function heading(line: string, at: number): Found | null {
  const level = HEADING.exec(line)?.[1]?.length;
  if (level === undefined) return null;
  const text = line.trim().slice(level).trim();
  let end = text.length;
  while (text[end - 1] === "#") end -= 1;
  const isClosed = end < text.length && (end === 0 || text[end - 1] === " ");
  return [{ kind: "heading", level, text: isClosed ? text.slice(0, end).trim() : text }, at + 1];
}

function isRule(line: string): boolean {
  return indentOf(line) < 4 && /^(-{3,}|\*{3,}|_{3,})$/.test(line.replace(/[ \t]/g, ""));
}

function quote(lines: readonly string[], at: number, depth: number): Found | null {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next] ?? "")) next += 1;
  if (next === at) return null;
  const inside = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return [{ kind: "quote", blocks: blocksOf(inside, depth + 1) }, next];
}

function list(lines: readonly string[], at: number, depth: number): Found | null {
  const first = ITEM.exec(lines[at] ?? "");
  if (first === null) return null;
  const number = Number.parseInt(first[2] ?? "", 10);
  const isNumbered = !Number.isNaN(number);
  const items: Block[][] = [];
  let next = at;
  for (;;) {
    const line = lines[next] ?? "";
    const item = ITEM.exec(line);
    if (item === null || /^\d/.test(item[2] ?? "") !== isNumbered || isRule(line)) break;
    const [whole, margin = ""] = item;
    const inside = [line.slice(whole.length)];
    next += 1;
    // What is further in than the item's mark belongs to it; models often indent by two.
    while (next < lines.length) {
      const further = lines[next] ?? "";
      if (isBlank(further)) {
        const after = nextLine(lines, next);
        if (indentOf(lines[after] ?? "") < margin.length + 2) break;
        inside.push(...Array<string>(after - next).fill(""));
        next = after;
        continue;
      }
      if (indentOf(further) < margin.length + 2) break;
      inside.push(dedented(further, whole.length));
      next += 1;
    }
    items.push(blocksOf(inside, depth + 1));
    const after = nextLine(lines, next);
    if (after < lines.length && ITEM.test(lines[after] ?? "")) next = after;
  }
  return [{ kind: "list", start: isNumbered ? number : null, items }, next];
}

function table(lines: readonly string[], at: number): Found | null {
  const width = columns(lines, at);
  if (width === null) return null;
  let next = at + 2;
  while (next < lines.length && (lines[next] ?? "").includes("|")) next += 1;
  const rows = [lines[at] ?? "", ...lines.slice(at + 2, next)].map((line) => {
    const cells = cellsOf(line);
    // More than the head has stay in the last cell.
    const fit = cells.length > width ? [...cells.slice(0, width - 1), cells.slice(width - 1).join(" | ")] : cells;
    return [...fit, ...Array<string>(width - fit.length).fill("")];
  });
  return [{ kind: "table", rows }, next];
}

/** How many columns a table has that begins here. */
function columns(lines: readonly string[], at: number): number | null {
  const line = lines[at] ?? "";
  const below = lines[at + 1] ?? "";
  if (!line.includes("|") || !below.includes("-") || /[^|:\- \t]/.test(below)) return null;
  const width = cellsOf(line).length;
  const marks = cellsOf(below);
  return width <= COLUMNS_MAX && marks.length === width && marks.every((mark) => /^:?-+:?$/.test(mark)) ? width : null;
}

function cellsOf(line: string): string[] {
  const cells = [""];
  const text = line.trim();
  for (let at = text.startsWith("|") ? 1 : 0; at < text.length; at += 1) {
    const isEscaped = text[at] === "\\" && text[at + 1] === "|";
    if (isEscaped) at += 1;
    if (text[at] === "|" && !isEscaped) cells.push("");
    else cells.push(`${cells.pop() ?? ""}${text[at] ?? ""}`);
  }
  if (cells.length > 1 && cells.at(-1) === "") cells.pop();
  return cells.map((cell) => cell.trim());
}

function nextLine(lines: readonly string[], from: number): number {
  let at = from;
  while (at < lines.length && isBlank(lines[at])) at += 1;
  return at;
}

/** Columns of white space at the start; a tab counts as four. */
function indentOf(line: string): number {
  let columns = 0;
  for (const char of line) {
    if (char !== " " && char !== "\t") break;
    columns += char === "\t" ? 4 : 1;
  }
  return columns;
}

/** The line without at most so many columns of white space. */
function dedented(line: string, columns: number): string {
  let at = 0;
  for (let left = columns; left > 0 && (line[at] === " " || line[at] === "\t"); at += 1) {
    left -= line[at] === "\t" ? 4 : 1;
  }
  return line.slice(at);
}

function isBlank(line: string | undefined): boolean {
  return line === undefined || line.trim() === "";
}
