import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, shows } from "./support/expect.mjs";
import { answers, details, go, runStatus, spans, startByForm, tableRow } from "./support/pages.mjs";

/** A model whose answer comes when the test has seen its thoughts. */
export const THINKER = {
  model: "thinker",
  thoughts: ["First the <b>tide</b>.", "DONE"],
  answer: "The tide is in.",
  reply() {
    const until = new Promise((resolve) => (this.speak = resolve));
    return { thoughts: this.thoughts.join("\n"), until, text: `${this.answer}\nDONE` };
  },
};

export function tests(server) {
  scenario("a run is started by the form and watched until it ends", { server }, async ({ page, context }) => {
    const table = await context.newPage();
    await go(table, "#/runs");
    await go(page, "#/runs");
    await page.bringToFront();
    await page.evaluate(noteLiveTexts);
    const started = await startByForm(page, {
      task: "Describe the tide.\n#scripted turns=4 words=50 latency_ms=200 chunk_ms=30",
      metadata: { customer: "42" },
    });
    await shows(runStatus(page), "running");
    await shows(tableRow(table, started).locator(".c-status"), "running");
    await shows(runStatus(page), "succeeded");
    await shows(tableRow(table, started).locator(".c-status"), "succeeded");
    await shows(tableRow(table, started).locator(".c-answers"), "4");
    await counts(answers(page), 4);

    const { texts, shrunk } = await page.evaluate(() => window.liveTexts);
    assert.deepEqual(shrunk, [], "a text that is written only grows");
    assert.ok(texts.length >= 20, `the text came in ${texts.length} pieces`);
    await shows(page.getByRole("list", { name: "Metadata" }), "customer=42");
  });

  scenario("a browser's own EventSource is done when its run has ended", { server }, async ({ page, watch, server }) => {
    await go(page, "#/runs");
    const task = { task: "Be followed.\n#scripted turns=3 words=20 latency_ms=100 chunk_ms=20" };
    const started = await new Api(server).start(task);
    const path = `/v1/sessions/${started.session}/events?run=1`;
    for (const when of ["under way", "over"]) {
      const before = watch.addresses.length;
      const { seqs, opened, endedIn } = await page.evaluate(followNatively, path);
      assert.deepEqual(
        seqs,
        seqs.map((_, index) => index + 1),
        when,
      );
      assert.ok(endedIn <= 3_000, `${when}: it was closed ${endedIn} ms after the run's end`);
      const asked = watch.addresses.slice(before).filter((address) => address.endsWith(path)).length;
      assert.ok(opened === 1 && asked <= 2, `${when}: asked for ${asked} times, opened ${opened} times`);
    }
  });

  scenario("the type of a problem leads to the place that explains it", { server }, async ({ page }) => {
    const problem = await (await page.request.get("/v1/sessions/nobody")).json();
    await page.goto(problem.type);
    assert.equal(new URL(page.url()).pathname + new URL(page.url()).hash, "/problems#not_found");
    await shows(page.locator("h2:target"), "not_found");
    await shows(page.locator("h2:target ~ ul").first(), "What to do:");
    await accessible(page);
  });

  scenario("a run that another model took over names both, in the list and on its page", { server }, async (test) => {
    const { page, server } = test;
    const api = new Api(server);
    const task = { task: "Go on without it.", model: "openai:gone", fallbacks: ["openai:silent"] };
    const started = await api.start(task);
    await go(page, `#/runs/${started.session}/1`);
    await shows(runStatus(page), "succeeded");
    await shows(page.locator(".run-header"), /openai:gone\s*,\s*then\s*openai:silent/);
    await go(page, "#/runs?model=openai:silent");
    await shows(tableRow(page, started).locator(".c-model"), /^openai:gone\s*,\s*then\s*openai:silent$/);
  });

  scenario("a model's thoughts are folded above its answer, and grow while it thinks", { server }, async (test) => {
    const { page, server } = test;
    const [first, last] = THINKER.thoughts;
    const api = new Api(server);
    const task = { task: "Is the tide in?", model: `openai:${THINKER.model}` };
    const started = await api.start(task);
    await go(page, `#/runs/${started.session}/1`);
    const answer = answers(page).first();
    const thoughts = answer.locator("details.thoughts");
    await shows(answer, "thinking");
    await shows(thoughts.locator("summary"), "Thinking…");
    assert.equal(await thoughts.getByText(first).isVisible(), false, "they are folded");
    await thoughts.locator("summary").click();
    await shows(thoughts, `${first}\n${last}`);
    assert.equal((await answer.locator("> .text-block").allInnerTexts()).join(""), "", "they are no part of the answer");
    THINKER.speak();
    await shows(runStatus(page), "succeeded");
    await shows(thoughts.locator("summary"), "Thoughts");
    await shows(thoughts, first);
    await shows(answer.locator("> .text-block"), THINKER.answer);
    await counts(answers(page), 1);

    // Whoever comes later finds them with the answer, and so does the span.
    await page.reload();
    await shows(answer.locator("> .text-block"), THINKER.answer);
    assert.equal(await thoughts.getByText(first).isVisible(), false, "they are folded");
    await page.locator('[data-row="call-1-1"]').click();
    const output = details(page).locator("details.part", { hasText: "Output" });
    await output.locator("details.thoughts summary").click();
    await shows(output.locator("details.thoughts"), first);
  });

  scenario("tokens that no server counted have a tilde, and a title that says why", { server }, async (test) => {
    const { page, server } = test;
    const budget = { total_tokens: 1_000 };
    const started = await new Api(server).start({ task: "Is it ebb?", model: "openai:silent", budget });
    await go(page, `#/runs/${started.session}/1`);
    await shows(runStatus(page), "succeeded");
    const tokens = page.locator('.run-header .num[title*="Estimated"]');
    await shows(tokens, /^~\d/);
    await shows(answers(page).first().locator('.num[title*="Estimated"]'), /^~\d/);
  });

  scenario("failed attempts, back-offs and an empty answer are visible", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const task = "Describe the ebb.\n#scripted turns=4 words=12 latency_ms=60 fault=500@2x2,empty@3";
    const started = await api.start({ task, instructions: "Be brief." });
    await go(page, `#/runs/${started.session}/1`);
    await shows(runStatus(page), "succeeded");
    const names = () => spans(page).locator(".wf-name").allInnerTexts();
    const kinds = (await eventually(names, (rows) => rows.length === 11, "eleven spans")).map(
      (name) => name.split("\n")[0],
    );
    assert.deepEqual(kinds.filter((name) => name.startsWith("back-off")).length, 3, `${kinds}`);
    await counts(page.locator("[data-row].wf-call.out-failed"), 3);
    await counts(page.locator("[data-row].wf-call.out-answered"), 4);
    const notes = await page.locator(".wf-call.out-failed .wf-note").allInnerTexts();
    assert.deepEqual(notes, ["server error", "server error", "empty response"]);

    await page.locator('[data-row="call-2-1"]').click();
    await shows(details(page).locator("h2"), /chat .*2\.1/s);
    await shows(details(page).locator(".fault"), "a scripted server error");
    await page.keyboard.press("ArrowDown");
    await shows(details(page).locator("h2"), "back-off");
    await shows(details(page), "Attempt 1 of call 2 failed");
    for (let step = 0; step < 3; step += 1) await page.keyboard.press("ArrowDown");
    const answered = details(page);
    await shows(answered.locator("h2"), /chat .*2\.3/s);
    await shows(answered.locator(".figures"), /Took.*Tokens\s+\d+.*Finish reason\s+stop/s);
    await shows(answered.locator("details", { hasText: "Output" }).first(), /Model/);
    await shows(answered.locator("details", { hasText: /^Input/ }), /Be brief\..*Describe the ebb\./s);
    const attributes = answered.locator("details", { hasText: /^Attributes/ });
    await attributes.locator("summary").click();
    await shows(attributes, "gen_ai.request.model");

    await page.keyboard.press("Escape");
    await page.locator('[data-row="run"]').click();
    await page.keyboard.press("End");
    await shows(details(page).locator("h2"), "4.1");
    await page.keyboard.press("Home");
    await shows(details(page).locator("h2"), "invoke_agent");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "details-title");
  });
}

/** In the page: notes every text that is being written, and each that does not continue what was there before. */
function noteLiveTexts() {
  const texts = [];
  const shrunk = [];
  let before = { answer: "", text: "" };
  const note = () => {
    const live = document.querySelector(".message.is-live");
    const text = live?.querySelector(".text")?.textContent ?? "";
    const answer = live?.querySelector("button")?.getAttribute("aria-label") ?? "";
    if (text === before.text && answer === before.answer) return;
    if (answer === before.answer && !text.startsWith(before.text)) shrunk.push([before, text]);
    before = { answer, text };
    texts.push(text);
  };
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
  window.liveTexts = { texts, shrunk };
}

/** In the page: what a native EventSource gets of a run, and how long after the run's end it is closed for good. */
function followNatively(path) {
  const source = new EventSource(path);
  const seqs = [];
  let opened = 0;
  const take = ({ data }) => seqs.push(JSON.parse(data).seq);
  for (const type of ["run.accepted", "model.called", "model.answered"]) source.addEventListener(type, take);
  source.addEventListener("open", () => opened++);
  return new Promise((resolve) => {
    source.addEventListener("run.ended", (event) => {
      take(event);
      const ended = performance.now();
      source.addEventListener("error", () => {
        if (source.readyState === EventSource.CLOSED) resolve({ seqs, opened, endedIn: performance.now() - ended });
      });
    });
  });
}
