import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { scenario } from "./support/browser.mjs";
import { fitsTheWindow, shows } from "./support/expect.mjs";
import { go, placeOf, runStatus, startByForm } from "./support/pages.mjs";

const TAG = "<img src=x onerror=\"window.canary='img'\">";
const SCRIPT = "</textarea></script><script>window.canary='script'</script>";
const LINK = "javascript:window.canary='link'";
const ODD = "\u202Egnp.exe\u202C \u0000 \u001b[31mred\u001b[0m \u009b2J \u2066isolated \ufeff\u200b";
const LONG = "W".repeat(10_000);
export const HOSTILE = [TAG, SCRIPT, LINK, `[click](${LINK})`, "{{7*7}} ${7*7} <%= 7*7 %>", ODD, LONG].join("\n");
const NARROW = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

export function tests(server) {
  scenario("hostile text is shown as text, on a narrow screen too", { server, device: NARROW }, async (test) => {
    const { page, context, watch, server } = test;
    await context.addInitScript(() => (window.canary = null));
    const api = new Api(server);
    await go(page, "#/runs");
    const metadata = {
      [`${TAG.slice(0, 60)}`]: `${SCRIPT} ${LINK} ${ODD}`.slice(0, 200),
      ["k".repeat(64)]: "v".repeat(500),
    };
    await startByForm(page, { task: HOSTILE, model: "scripted:echo", instructions: HOSTILE, metadata });
    const echoed = placeOf(page);
    await shows(runStatus(page), "succeeded");
    await harmless(page);
    for (const tab of ["Conversation", "Spans"]) {
      await page.getByRole("button", { name: tab, exact: true }).click();
      const text = page.locator("article.from-user .text:visible, .details .text:visible").first();
      await shows(text, "<img src=x onerror");
      await shows(text, "⟨U+202E⟩gnp.exe");
      await harmless(page);
    }
    for (const row of await page.locator("[data-row]").all()) {
      await row.click();
      for (const part of await page.locator("section.details details:not([open]) > summary").all()) await part.click();
      await harmless(page);
    }

    // What a provider says: its answers, its errors, and a model's name.
    const model = `openai:${TAG.replaceAll(" ", "/")}`;
    const refused = await api.start({ task: "Say it.", model: "openai:hostile-refusal" });
    const named = await api.start({ task: "Say it.", model });
    const compared = await api.compare({
      task: HOSTILE,
      models: [model, "scripted:echo", "openai:hostile-refusal"],
      metadata,
    });
    for (const started of [echoed, refused, named, compared]) await api.listed(started);
    await go(page, `#/runs/${refused.session}/1`);
    await shows(page.locator(".why"), "<img src=x");
    await harmless(page);
    await go(page, `#/runs/${named.session}/1`);
    await shows(page.locator(".run-header"), "<img/src=x/onerror");
    await harmless(page);
    await go(page, `#/compare/${compared.session}`);
    await shows(page.getByRole("article", { name: "scripted:echo" }), "<script>");
    await harmless(page);

    await go(page, "#/runs");
    await shows(page.locator("table.runs"), "<img src=x onerror");
    await harmless(page);
    await go(page, "#/models");
    await shows(page.getByRole("region", { name: "Models in figures" }), "<img/src=x");
    await harmless(page);

    // The session, its events, and the same texts as Markdown.
    await go(page, `#/sessions/${compared.session}`);
    await page.getByRole("checkbox", { name: "Markdown" }).check();
    for (const { session } of [echoed, compared, refused]) {
      await go(page, `#/sessions/${session}`);
      await page.locator(".session-run .markdown").first().waitFor();
      const more = page.getByRole("button", { name: /^Show all/ });
      while ((await more.count()) > 0) await more.first().click();
      await harmless(page);
      await go(page, `#/sessions/${session}?view=events`);
      await page.locator(".event").nth(3).waitFor();
      for (const event of await page.locator(".event summary").all()) await event.click();
      await harmless(page);
    }
    await go(page, `#/runs/${echoed.session}/1`);
    await page.locator("button:enabled", { hasText: "Run again" }).click();
    await page.getByRole("dialog", { name: "Run again" }).waitFor();
    await harmless(page);
    await page.keyboard.press("Escape");

    // Addresses, as a link from elsewhere may have them.
    const odd = encodeURIComponent(`${TAG}${LINK}${"x".repeat(300)}`);
    watch.allow(/status 40[04]/, /Failed to load resource/, /WebSocket connection .* failed/);
    for (const query of ["agent", "q", "model", "status", "metadata.a", "session", "c", "range", "since"]) {
      await go(page, `#/runs?${query}=${odd}`);
      await page.locator(".state, table.runs tr").first().waitFor();
      await harmless(page);
    }
    for (const route of [
      `#/${odd}`,
      `#/runs/${odd}/1`,
      `#/compare/${odd}`,
      `#/sessions/${odd}`,
      `#/sessions/${odd}?view=events&run=${odd}`,
      `#/compare?task=${odd}&models=${odd}&agent=${odd}`,
    ]) {
      await go(page, route);
      await harmless(page);
    }
    await go(page, `#/models?model=${odd}&sort=${odd}&since=${odd}&latency=${odd}&tokens=${odd}`);
    await harmless(page);
  });
}

/** Nothing of the text became markup, nothing ran, and the page is no wider than the window. */
async function harmless(page) {
  const found = await page.evaluate(() => ({
    canary: window.canary,
    scripts: document.scripts.length,
    images: [...document.images].map((image) => image.getAttribute("src")),
    links: [...document.links].map((link) => link.protocol).filter((protocol) => !/^https?:$/.test(protocol)),
  }));
  assert.deepEqual(found, { canary: null, scripts: 1, images: ["/favicon.svg"], links: [] });
  await fitsTheWindow(page);
}
