import assert from "node:assert/strict";
import { test } from "node:test";
import { folded, growing } from "../src/fold-text";
import { blocks, type Block } from "../src/markdown/blocks";
import { inline, type Inline } from "../src/markdown/inline";

/** A tree as text: what a reader would see, with a name around each part. */
function shown(text: string): string {
  return blocks(text).map(block).join(" ");
}

function block(one: Block): string {
  switch (one.kind) {
    case "paragraph":
      return `p(${line(one.text)})`;
    case "heading":
      return `h${one.level}(${line(one.text)})`;
    case "code":
      return `code:${one.language}(${one.text})`;
    case "quote":
      return `quote(${one.blocks.map(block).join(" ")})`;
    case "list":
      return `${one.start ?? "list"}(${one.items.map((item) => item.map(block).join(" ")).join("; ")})`;
    case "table":
      return `table(${one.rows.map((row) => row.map(line).join("|")).join("; ")})`;
    case "rule":
      return "rule";
  }
}

function line(text: string): string {
  return inline(text).map(part).join("");
}

function part(one: Inline): string {
  if (one.kind === "text") return one.text;
  if (one.kind === "code") return `<${one.text}>`;
  if (one.kind === "link") return `${one.isImage ? "image" : "link"}(${one.label})(${one.address})`;
  return `${one.kind}(${one.content.map(part).join("")})`;
}

test("what models write is read as they mean it", () => {
  const rows: [text: string, expected: string][] = [
    ["# One #\n\ntext\nmore", "h1(One) p(text\nmore)"],
    ["**bold**, *em*, ***both***, ~~gone~~", "p(strong(bold), emphasis(em), emphasis(strong(both)), strike(gone))"],
    ["snake_case_name and 2 * 3 * 4 and *args", "p(snake_case_name and 2 * 3 * 4 and *args)"],
    ["_em_ and __init__", "p(emphasis(em) and strong(init))"],
    ["**a *b* c** d*", "p(strong(a emphasis(b) c) d*)"],
    ["_a _b c* d_ e_ *em*", "p(emphasis(a emphasis(b c* d) e) emphasis(em))"],
    ["`a*b*` and ``c`d`` and `open", "p(<a*b*> and <c`d> and `open)"],
    ["\\*no\\* \\a $5 and $6", "p(*no* \\a $5 and $6)"],
    ["[text](/a_(b) \"t\") ![map](m.png) [x] [ref][1]", 'p(link(text)(/a_(b) "t") image(map)(m.png) [x] [ref][1])'],
    ["https://a.test/x_y_z_ **https://b.test/**", "p(https://a.test/x_y_z_ strong(https://b.test/))"],
    ["- a\n- b\n  - c\n\n  more\n- d", "list(p(a); p(b) list(p(c)) p(more); p(d))"],
    ["1. One\n\n   ```py\n   x = 1\n   ```\n\n2. Two\n3) Three", "1(p(One) code:py(x = 1); p(Two); p(Three))"],
    ["1. One\n  - two\n\n- a\n\t- b\n\t\t- c", "1(p(One) list(p(two))) list(p(a) list(p(b) list(p(c))))"],
    ["7. seven", "7(p(seven))"],
    ["It was\n1999. a year\n- then\n", "p(It was\n1999. a year) list(p(then))"],
    ["> a\n> > b\n\nafter", "quote(p(a) quote(p(b))) p(after)"],
    ["| a | b |\n|---|:-:|\n| `x\\|y` | 2 | 3 |\n| 4\nafter", "table(a|b; <x|y>|2 | 3; 4|) p(after)"],
    ["a | b\nno table", "p(a | b\nno table)"],
    ["text\n---\n* * *", "p(text) rule rule"],
    ["```js\nopen *fence*\n# no", "code:js(open *fence*\n# no)"],
    ["~~~\n```\n~~~\nafter", "code:(```) p(after)"],
    ["<b>html</b> <br> &amp;", "p(<b>html</b> <br> &amp;)"],
    ["#hashtag\n#", "p(#hashtag) h1()"],
    ["    indented", "p(    indented)"],
    ["\r\na\r\n\r\nb", "p(a) p(b)"],
    ["", ""],
  ];
  for (const [text, expected] of rows) assert.equal(shown(text), expected, JSON.stringify(text));
});

const PARTS = [
  ..."*_~`[]()!#>-+|\\\n\n\n  \t1.<:\"'&$=",
  ..."abcdeXYZé😀\u202e\u0000",
  ...["**", "__", "~~", "```", "\n- ", "\n  - ", "\n1. ", "\n> ", "\n# ", "\n| a | b |\n|--|--|\n", "](", "![", "https://x.test/", "\n\n"],
];

test("no letter of a text is lost or moved, whatever is in it", () => {
  const random = randomOf(7);
  for (let round = 0; round < 5_000; round += 1) {
    const length = Math.floor(random() * 60);
    const text = Array.from({ length }, () => PARTS[Math.floor(random() * PARTS.length)]).join("");
    assert.equal(letters(blocks(text).map(plain).join("")), letters(text), JSON.stringify(text));
  }
});

// Whatever is not linear would take hours here.
test("hostile texts are read to their end, and their depth is bounded", () => {
  const units = [
    ..."[]()!*_~`#>-+|\\\n <&\"' \t",
    ...["[a](", "[[](", "![", "[a](b \"", "**a", "_a ", "*a _b ", "***a", "a*", "``a", "` `` ", "> ", "> - ", "- ", "- a\n", "1. "],
    ...["  - a\n", "\n\n", "- a\n\n\n", "|a", "|-", "|-\n", "a|b\n-|-\n", "~~~\n", "```a\n", "# # ", "#\n", "\\", "https://", "http", "\t- a\n"],
  ];
  const nested = ["*a ", "_a ", "**a "].map((mark) => mark.repeat(20_000) + `b${mark.trim().slice(0, -1)} `.repeat(20_000));
  for (const text of [...units.map((unit) => unit.repeat(Math.ceil(100_000 / unit.length))), ...nested]) {
    const depth = blocks(text).reduce((most, one) => Math.max(most, depthOf(one)), 0);
    assert(depth <= 20, `${JSON.stringify(text.slice(0, 20))} is ${depth} deep`);
  }
});

test("a long text is folded, one that is little longer than its fold is not", () => {
  assert.deepEqual(folded("a\n".repeat(30)), { shown: "a\n".repeat(30), whole: null });
  const tall = folded(Array.from({ length: 100 }, (_, index) => `line ${index}`).join("\n"));
  assert.equal(tall.shown.split("\n").length, 24);
  assert.deepEqual(tall.whole, { count: 100, unit: "lines" });
  const wide = folded("W".repeat(10_000));
  assert.deepEqual([wide.shown.length, wide.whole], [2_000, { count: 10_000, unit: "characters" }]);
  assert.equal(growing("a".repeat(9_000)).shown.length, 6_001);
});

/** What a reader sees of it, without the names of the parts. */
function plain(one: Block): string {
  switch (one.kind) {
    case "paragraph":
    case "heading":
      return plainLine(one.text);
    case "code":
      return one.language + one.text;
    case "quote":
      return one.blocks.map(plain).join("");
    case "list":
      return one.items.flat().map(plain).join("");
    case "table":
      return one.rows.flat().map(plainLine).join("");
    case "rule":
      return "";
  }
}

function plainLine(text: string): string {
  return inline(text).map(plainPart).join("");
}

function plainPart(one: Inline): string {
  if (one.kind === "text" || one.kind === "code") return one.text;
  if (one.kind === "link") return one.label + one.address;
  return one.content.map(plainPart).join("");
}

/** Numbers may go: those of lists are counted anew. */
function letters(text: string): string {
  return text.replace(/[^\p{L}\p{S}\u202e\u0000]|[|*_~`<>+$=^]/gu, "");
}

function depthOf(one: Block): number {
  if (one.kind === "quote") return 1 + deepest(one.blocks.map(depthOf));
  if (one.kind === "list") return 1 + deepest(one.items.flat().map(depthOf));
  if (one.kind === "paragraph" || one.kind === "heading") return 1 + deepest(inline(one.text).map(lineDepth));
  return 1;
}

function lineDepth(one: Inline): number {
  return "content" in one ? 1 + deepest(one.content.map(lineDepth)) : 1;
}

function deepest(depths: readonly number[]): number {
  return depths.reduce((most, depth) => Math.max(most, depth), 0);
}

function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
