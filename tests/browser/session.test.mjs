import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, shows } from "./support/expect.mjs";
import { focusIsIn, go, placeOf, runStatus, tableRow } from "./support/pages.mjs";

export function tests(server) {
  scenario("a run is made again by keyboard, with what was asked and what was changed", { server }, async (test) => {
    const { page, server } = test;
    const api = new Api(server);
    const asked = {
      task: "Describe the flood.",
      model: "scripted:echo",
      max_iterations: 2,
      instructions: "Be brief.\n\nMind the moon.",
      metadata: { customer: 42, tier: "gold" },
    };
    const started = await api.start(asked);
    await api.ended(started);
    await go(page, `#/runs/${started.session}/1`);
    const again = page.getByRole("button", { name: "Run again" });
    await page.locator("button:enabled", { hasText: "Run again" }).waitFor();
    await again.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Run again" });
    const value = (label) => dialog.getByLabel(label, { exact: true }).inputValue();
    assert.equal(await value("Task"), asked.task);
    await focusIsIn(dialog.getByLabel("Task"));
    assert.equal(await value("Model"), asked.model);
    assert.equal(await value("Answers at most"), "2");
    assert.equal(await value("Instructions"), asked.instructions);
    assert.deepEqual([await value("Key 1"), await value("Value 1")], ["customer", "42"]);
    await accessible(page);
    // Closed by mistake, it still has what was typed.
    await page.keyboard.press("End");
    await page.keyboard.type(" And the ebb.");
    await page.keyboard.press("Escape");
    await focusIsIn(again);
    await page.keyboard.press("Enter");
    assert.equal(await value("Task"), "Describe the flood. And the ebb.");
    await page.keyboard.press("Control+Enter");
    await page.waitForURL((url) => !url.hash.includes(started.session));
    await shows(page.locator("h1"), "Describe the flood. And the ebb.");
    const made = placeOf(page);
    await api.ended(made);
    const [first, second] = await Promise.all([started, made].map((one) => accepted(api, one)));
    assert.deepEqual({ ...second, task: first.task }, first, "all but the task is as it was, and 42 is a number");
  });

  scenario("a comparison is made again from its run's page", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const models = ["scripted:haiku", "scripted:echo"];
    const compared = await api.compare({ task: "Compare the tides.", models, metadata: { customer: 7 } });
    await api.listed(compared);
    await go(page, `#/runs/${compared.session}/1`);
    await page.locator("button:enabled", { hasText: "Run again" }).click();
    await shows(page.locator("h1"), "Compare models");
    assert.equal(await page.getByLabel("Task").inputValue(), "Compare the tides.");
    assert.equal(await page.getByLabel("Model 2", { exact: true }).inputValue(), models[1]);
  });

  scenario("a session is erased after a question, and then it is nowhere", { server }, async (test) => {
    const { page, watch, server } = test;
    const api = new Api(server);
    const started = await api.start({ task: "Write what is to be forgotten." });
    await api.listed(started);
    await go(page, `#/runs/${started.session}/1`);
    await page.getByRole("button", { name: "Erase" }).focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Erase this session?" });
    await shows(dialog, "cannot be undone");
    await accessible(page);
    await page.keyboard.press("Escape");
    await counts(page.locator("dialog[open]"), 0);
    assert.equal((await api.run(started)).status, "succeeded", "the question alone erases nothing");

    // The page that is erased may ask once more for what is gone.
    watch.allow(/status 404: /, /Failed to load resource: .* 404/, /WebSocket connection .* failed/);
    await page.getByRole("button", { name: "Erase" }).click();
    await dialog.getByRole("button", { name: "Erase the session" }).click();
    await shows(page.locator("h1"), "Runs");
    await assert.rejects(api.run(started), /404/);
    await counts(tableRow(page, started), 0);
    await go(page, `#/runs/${started.session}/1`);
    await shows(page.locator(".state"), "There is no such run");
    await go(page, `#/sessions/${started.session}`);
    await shows(page.locator(".state"), "There is no such session");
    await accessible(page);
  });

  scenario("a session that is refused to be erased says why, and stays", { server }, async ({ page, watch, server }) => {
    const started = await new Api(server).start({ task: "Write what stays." });
    await go(page, `#/sessions/${started.session}`);
    const refused = { title: "The token lacks a scope", status: 403, detail: "It needs run.", code: "missing_scope" };
    await page.route(`**/v1/sessions/${started.session}`, (route) =>
      route.request().method() === "DELETE"
        ? route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(refused) })
        : route.continue(),
    );
    watch.allow(/status 403: /, /Failed to load resource: .* 403/);
    await page.getByRole("button", { name: "Erase" }).click();
    await page.getByRole("button", { name: "Erase the session" }).click();
    await shows(page.locator("dialog .field-error"), "The token lacks a scope. It needs run.");
    await accessible(page);
  });

  scenario("a session's page has its whole conversation, and follows it", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const started = await api.start({ task: "First, the flood.", model: "scripted:echo" });
    await api.request(`/v1/sessions/${started.session}/runs`, { task: "Then, the ebb." });
    await api.ended({ ...started, run: 2 });
    await go(page, `#/runs/${started.session}/1`);
    await page.getByRole("link", { name: /^Session/ }).focus();
    await page.keyboard.press("Enter");
    await shows(page.locator("h1"), /succeeded\s+Session/);
    const parts = page.locator(".session-run");
    await counts(parts, 2);
    const { messages } = await api.request(`/v1/sessions/${started.session}/messages`);
    const texts = await parts.locator("article.message .text").allInnerTexts();
    assert.deepEqual(texts, messages.map(({ content }) => content));
    await shows(parts.nth(0), /Run 1[^]*First, the flood/);
    await shows(parts.nth(1), /Run 2[^]*Then, the ebb/);
    await accessible(page);

    const slow = "Last, the turn.\n#scripted turns=2 words=8 latency_ms=4000";
    await api.request(`/v1/sessions/${started.session}/runs`, { task: slow, model: "scripted:haiku" });
    await shows(parts.nth(2), /watch run 3/);
    await shows(parts.nth(2).locator(".chip"), "succeeded");
    await counts(parts.nth(2).locator("article.from-assistant"), 2);
    await page.getByRole("textbox", { name: "Next task in this session" }).fill("And once more.");
    await page.keyboard.press("Control+Enter");
    await page.waitForURL(/#\/runs\/[^/]+\/4/);
    await shows(runStatus(page), "succeeded");
  });

  scenario("the event log is the journal, word for word", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const started = await api.start({ task: "Describe <b>the</b> tide.\n#scripted turns=3 words=10 fault=500@2" });
    await api.request(`/v1/sessions/${started.session}/runs`, { task: "And now?" });
    await api.ended({ ...started, run: 2 });
    const journal = async () => (await api.request(`/v1/sessions/${started.session}/events?limit=1000`)).events;
    // A page has more events than this session.
    await page.route(/\/events\?.*limit=200/, (route) =>
      route.continue({ url: route.request().url().replace("limit=200", "limit=5") }),
    );
    await go(page, `#/runs/${started.session}/1`);
    await page.getByRole("link", { name: "Events" }).click();
    await shows(page.locator("h2"), "Events");
    const rows = page.locator(".event");
    const select = page.getByRole("combobox", { name: "Run" });
    assert.equal(await select.inputValue(), "1");
    await select.selectOption("");
    const more = page.getByRole("button", { name: "Load more events" });
    const events = await eventually(journal, (found) => found.filter(({ type }) => type === "trace.flushed").length === 2, "an end");
    await go(page, `#/sessions/${started.session}?view=events`);
    await loadAll(rows, more, events.length);
    const seqs = await rows.locator(".event-seq").allInnerTexts();
    assert.deepEqual(seqs.map(Number), events.map(({ seq }) => seq));
    const types = await rows.locator(".event-type").allInnerTexts();
    assert.deepEqual(types, events.map(({ type }) => type));
    await rows.first().locator("summary").focus();
    await page.keyboard.press("Enter");
    await shows(rows.first(), "Describe <b>the</b> tide.");
    assert.deepEqual(JSON.parse(await rows.first().locator(".text").innerText()), events[0]);
    await accessible(page);

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download JSON lines" }).click(),
    ]);
    const lines = readFileSync(await download.path(), "utf8").trimEnd().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line)), events);
    assert.equal(download.suggestedFilename(), `events-${started.session}.jsonl`);
  });

  scenario("events of an open session are appended as they happen", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const started = await api.start({ task: "Wait.\n#scripted turns=2 words=5 latency_ms=2500" });
    await go(page, `#/sessions/${started.session}?view=events`);
    const types = page.locator(".event-type");
    await counts(types.filter({ hasText: "run.accepted" }), 1);
    await counts(types.filter({ hasText: "run.ended" }), 0);
    await counts(types.filter({ hasText: "run.ended" }), 1);
    const seqs = (await page.locator(".event-seq").allInnerTexts()).map(Number);
    assert.deepEqual(seqs, seqs.map((_, index) => index + 1), "each is there once");
  });
}

/** Asks for page after page. */
async function loadAll(rows, more, expected) {
  const step = async () => {
    if ((await more.count()) > 0) await more.click();
    return rows.count();
  };
  await eventually(step, (found) => found === expected, `${expected} events`);
}

/** What a run was asked, without what differs between two runs. */
async function accepted(api, { session }) {
  const { events } = await api.request(`/v1/sessions/${session}/events?limit=1`);
  const { at, ...asked } = events[0];
  const { spans } = await api.trace({ session });
  return { ...asked, instructions: spans.find(({ call }) => call !== null).input[0].content };
}
