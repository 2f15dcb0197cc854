// The page never makes HTML of a text, and asks no other host for anything: so do its sources say. Its tests, which are
// full of hostile texts, may name what they like.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = process.env.LONGHAUL_DASHBOARD ?? "dashboard";
/** What is written by hand, as opposed to what is bundled into it. */
const SOURCES = /\.(css|html|js|json|mjs|svg|ts|tsx)$/;
const NOT_OURS = /^(dist|node_modules|test)(\/|$)/;
/** What `cargo xtask openapi` writes: as long as the API is large. */
const GENERATED = ["static/openapi.json", "src/openapi.ts"];
const LINES_MAX = 800;

/** What turns a text into markup or into code. */
const FORBIDDEN = [
  ...["dangerouslySetInnerHTML", "innerHTML", "outerHTML", "insertAdjacentHTML", "setHTMLUnsafe"],
  ...["createContextualFragment", "document.write", "srcdoc", "eval(", "new Function("],
];
/** `http://` or `https://` with a host. A namespace is a name: nobody asks for it. */
const ADDRESS = /https:\/\/[a-z0-9]|http:\/\/(?!www\.w3\.org\/)[a-z0-9]/i;

function problems(name: string, text: string): string[] {
  const lines = text.split("\n");
  const found = lines.flatMap((line, index) => [
    ...FORBIDDEN.filter((word) => line.includes(word)).map(
      (word) => `${name}:${index + 1} has ${word}: let the page show text as text`,
    ),
    ...(ADDRESS.test(line) ? [`${name}:${index + 1} has the address of another host: the page asks its own only`] : []),
  ]);
  const isLong = lines.length > LINES_MAX && !GENERATED.includes(name);
  return isLong ? [...found, `${name} has ${lines.length} lines, at most ${LINES_MAX} are allowed`] : found;
}

test("no source makes markup of a text, names another host, or is too long", () => {
  const names = readdirSync(ROOT, { recursive: true }).filter((name) => SOURCES.test(name) && !NOT_OURS.test(name));
  assert(names.includes("src/app.tsx") && names.includes("build.mjs"), "the sources are where they were");
  assert.deepEqual(
    names.flatMap((name) => problems(name, readFileSync(`${ROOT}/${name}`, "utf8"))),
    [],
  );
});

test("markup and other hosts are found", () => {
  const text = 'a\nnode.innerHTML = text;\nfetch("https://example.com/x");\n';
  assert.deepEqual(
    problems("a.ts", text).map((problem) => problem.split(":")[1]?.split(" ")[0]),
    ["2", "3"],
  );
  assert.equal(problems("a.ts", "http://www.w3.org/a http://b.c").length, 1);
  assert.equal(problems("a.ts", "x\n".repeat(LINES_MAX)).length, 1);
});

test("namespaces, schemes and own paths pass", () => {
  const passing = [
    'const SVG = "http://www.w3.org/2000/svg";',
    'if (url.startsWith("https://")) return;',
    "fetch(`${location.origin}/v1/traces`);",
    "ws://",
  ];
  assert.deepEqual(problems("a.ts", passing.join("\n")), []);
});
