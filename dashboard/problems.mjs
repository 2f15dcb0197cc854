// The page that the `type` of an error leads to, made of the guide's chapter about errors.

/**
 * A chapter as a page. Of Markdown it knows headings, lists of one level, fenced code, `code` and **bold**; everything
 * else is text. Each heading of the second level has its words as its id.
 */
export function problemsPage(markdown, css) {
  const blocks = [];
  let code = null;
  for (const line of markdown.trim().split("\n")) {
    const [, marks, rest] = /^(#{1,2} |- |```)?(.*)$/.exec(line);
    if (marks === "```") {
      if (code !== null) blocks.push(`<pre tabindex="0">${escaped(code)}</pre>`);
      code = code === null ? "" : null;
    } else if (code !== null) code += `${line}\n`;
    else if (marks === "# ") blocks.push(`<h1>${inline(rest)}</h1>`);
    else if (marks === "## ") blocks.push(`<h2 id="${escaped(rest)}">${inline(rest)}</h2>`);
    else if (marks === "- ") blocks.push(`<li>${inline(rest)}</li>`);
    else blocks.push(line === "" ? "" : inline(line));
  }
  return page(grouped(blocks).join("\n"), css);
}

/** Lines that follow each other are one paragraph, items one list. */
function grouped(blocks) {
  const kind = (block) => (block === "" ? "" : (/^<(h1|h2|li|pre)/.exec(block)?.[1] ?? "p"));
  const groups = [];
  let before = "";
  for (const block of blocks) {
    const now = kind(block);
    if (now !== "" && now === before && now !== "h2") groups.at(-1).lines.push(block);
    else if (now !== "") groups.push({ kind: now, lines: [block] });
    before = now;
  }
  const wrapped = { p: "p", li: "ul" };
  return groups.map(({ kind, lines }) => {
    const tag = wrapped[kind];
    return tag ? `<${tag}>${lines.join("\n")}</${tag}>` : lines.join("\n");
  });
}

function inline(text) {
  return escaped(text)
    .replace(/`([^`]+)`/g, "<code>$1</code>")
    .replace(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function page(body, css) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Problems · longhaul</title>
    <link rel="icon" href="/favicon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="${css}">
  </head>
  <body>
    <main class="guide">
<a href="/">The dashboard</a>
${body}
    </main>
  </body>
</html>
`;
}
