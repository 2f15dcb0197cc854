import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { PHONE, scenario } from "./support/browser.mjs";
import { counts, fitsTheWindow, shows } from "./support/expect.mjs";
import { answers, go, runStatus } from "./support/pages.mjs";

/** A model that writes Markdown, with everything in it that a page could be made to load or to run. */
export const WRITER = {
  model: "writer",
  text: [
    "# The tide\n\nIt is **high** at *four*: see [the table](https://example.com/tides) and [this](javascript:alert(1)).",
    "![a map](https://example.com/map.png) <img src=x onerror=\"window.canary='img'\"> https://example.com/auto",
    "1. Cast off.\n   - red\n   - green\n2. Call.",
    "| port | flood |\n|---|---|\n| Whitby | `04:10` |",
    "```js\nlet a = \"<script>window.canary='script'</script>\";\n```",
    "> " + "> ".repeat(40) + "deep",
    "*".repeat(5_000),
    "W".repeat(500),
  ].join("\n\n"),
};

/** A model whose answer is long: a line at a time. */
export const TALKER = {
  model: "talker",
  text: Array.from({ length: 300 }, (_, index) => `Line ${index + 1} of the log.`).join("\n"),
};

export function tests(server) {
  scenario("Markdown is a toggle that is remembered, and nothing in it is live", { server }, async (test) => {
    const { page, context, watch, server } = test;
    await context.addInitScript(() => (window.canary = null));
    const api = new Api(server);
    const started = await api.start({ task: "Write **plainly**.", model: `openai:${WRITER.model}` });
    await api.ended(started);
    await go(page, `#/runs/${started.session}/1`);
    const answer = answers(page).first();
    await shows(answer, "# The tide");
    await shows(answer, "is **high** at");
    const toggle = page.getByRole("checkbox", { name: "Markdown" });
    await toggle.focus();
    await page.keyboard.press("Space");
    await answer.getByRole("button", { name: /^Show all/ }).click();
    await shows(answer.locator(".md-heading"), "The tide");
    await shows(answer.locator("strong").first(), "high");
    await counts(answer.locator("ol > li"), 2);
    await counts(answer.locator("ol ul > li"), 2);
    await shows(answer.locator("table"), /port\s+flood\s+Whitby\s+04:10/);
    await shows(answer.locator(".md-code pre"), "<script>window.canary='script'</script>");
    await shows(answer, "the table (https://example.com/tides)");
    await shows(answer, "this (javascript:alert(1))");
    await shows(answer, "image: a map (https://example.com/map.png)");
    await shows(answer, '<img src=x onerror="window.canary=\'img\'">');
    await shows(answer.locator("xpath=preceding-sibling::article").last(), /^User\s+task\s+Write plainly\.$/);
    const found = await answer.evaluate((node) => node.querySelectorAll("a, img, script, iframe, [onerror], [style]").length);
    assert.equal(found, 0, "no link, no image, no script");
    assert.equal(await page.evaluate(() => window.canary), null);
    assert.ok(watch.addresses.every((address) => !address.includes("example.com")), "nothing is loaded");
    await accessible(page);

    await go(page, `#/sessions/${started.session}`);
    assert.equal(await page.getByRole("checkbox", { name: "Markdown" }).isChecked(), true, "it is remembered");
    await shows(page.locator(".session-run strong").first(), "plainly");
    await accessible(page);
    await page.reload();
    await shows(page.locator(".session-run .md-heading"), "The tide");
    await page.getByRole("checkbox", { name: "Markdown" }).uncheck();
    await shows(page.locator(".session-run article.from-assistant"), "# The tide");
    await counts(page.locator(".session-run .markdown"), 0);
  });

  scenario("Markdown fits a phone, whatever is in it", { server, device: { ...PHONE, colorScheme: "dark" } }, async (test) => {
    const { page, server } = test;
    const started = await new Api(server).start({ task: "Write.", model: `openai:${WRITER.model}` });
    await go(page, `#/sessions/${started.session}`);
    await page.getByRole("checkbox", { name: "Markdown" }).check();
    const answer = page.locator("article.from-assistant");
    await answer.getByRole("button", { name: /^Show all/ }).click();
    await shows(answer.locator("table"), "Whitby");
    await fitsTheWindow(page);
    await accessible(page);
  });

  scenario("differences are marked in what was written, not in Markdown", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const compared = await api.compare({ task: "Say **it**.", models: ["scripted:echo", `openai:${WRITER.model}`] });
    await api.listed(compared);
    await go(page, `#/compare/${compared.session}`);
    const toggle = page.getByRole("checkbox", { name: "Markdown" });
    const echo = page.getByRole("article", { name: "scripted:echo" });
    await shows(echo, "Say **it**.");
    assert.equal(await toggle.isEnabled(), false);
    await page.getByLabel("Mark differences").uncheck();
    await toggle.check();
    await shows(echo.locator("strong"), "it");
    await accessible(page);
  });

  scenario("a long answer is folded, but not while it is read as it is written", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const started = await api.start({ task: "Talk.", model: `openai:${TALKER.model}` });
    await api.ended(started);
    await go(page, `#/runs/${started.session}/1`);
    const text = answers(page).first().locator(".text");
    await shows(text, "Line 24 of the log.");
    assert.ok(!(await text.innerText()).includes("Line 25 of the log."));
    const button = answers(page).first().getByRole("button", { name: "Show all 301 lines" });
    await button.focus();
    await page.keyboard.press("Enter");
    await shows(text, "Line 300 of the log.");
    await page.keyboard.press("Enter");
    await shows(answers(page).first(), "Show all 301 lines");
    await accessible(page);

    const live = "Talk on.\n#scripted turns=1 words=700 chunk_ms=4";
    const streamed = await api.start({ task: live, model: "scripted:haiku" });
    await go(page, `#/runs/${streamed.session}/1`);
    await page.locator(".message.is-live .text").waitFor();
    await shows(runStatus(page), "succeeded");
    await shows(answers(page).first(), "Show less");
    await page.reload();
    await shows(answers(page).first(), /Show all [\d,]+ (lines|characters)/);
  });

  scenario("each message is copied as it was written", { server }, async ({ page, context, server }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const api = new Api(server);
    const started = await api.start({ task: "Write **it**.", model: `openai:${TALKER.model}` });
    await api.ended(started);
    await go(page, `#/runs/${started.session}/1`);
    await page.getByRole("checkbox", { name: "Markdown" }).check();
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    const message = (role) => page.getByRole("group", { name: "Messages" }).locator(`article.from-${role}`).last();
    await message("user").getByRole("button", { name: "Copy this message" }).focus();
    await page.keyboard.press("Enter");
    await shows(page.locator("[aria-live]"), "Copied");
    assert.equal(await copied(), "Write **it**.");
    await message("assistant").getByRole("button", { name: "Copy this message" }).click();
    await shows(page.locator("[aria-live]"), "Copied");
    assert.equal(await copied(), `${TALKER.text}\nDONE`, "the whole, although it is folded");
  });
}
