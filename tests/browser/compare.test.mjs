import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, shows } from "./support/expect.mjs";
import { details, go, placeOf, runStatus, spans, tableRow } from "./support/pages.mjs";

const MODELS = ["scripted:haiku", "scripted:echo", "scripted:slow"];

export function tests(server) {
  scenario("three models are compared by the form", { server }, async ({ page, watch, server }) => {
    await go(page, "#/compare");
    await page.getByLabel("Task").fill("Write about the morning tide, and the harbour behind it.");
    await page.getByRole("button", { name: "Add a model" }).click();
    for (const [index, model] of MODELS.entries())
      await page.getByLabel(`Model ${index + 1}`, { exact: true }).fill(model);
    await page.getByRole("button", { name: "Compare", exact: true }).click();
    await page.waitForURL(/#\/compare\/[^/]+/);
    const { session } = placeOf(page);

    const card = (model) => page.getByRole("article", { name: model });
    await shows(card("scripted:slow").locator(".chip"), "running");
    await page.locator(".compare-answer.is-live").first().waitFor();
    await shows(runStatus(page), "succeeded");
    for (const model of MODELS) {
      await shows(card(model).locator(".chip"), "succeeded");
      await shows(
        card(model).locator(".compare-figures"),
        /Latency.*\d+ (ms|s).*Tokens out.*\d.*Finish reason.*stop/is,
      );
    }
    await shows(card("scripted:echo"), "the harbour behind it");
    await shows(page.locator(".compare-overview"), /3 of 3/);

    await shows(card("scripted:haiku"), "Baseline");
    await shows(card("scripted:slow").locator(".compare-answer-head"), /\+\d+ −\d+ words/);
    assert.ok(
      (await card("scripted:slow").locator("ins").count()) > 0 &&
        (await card("scripted:slow").locator("del").count()) > 0,
    );
    await page.getByLabel("Baseline").selectOption("scripted:echo");
    await shows(card("scripted:echo"), "Baseline");
    assert.match(page.url(), /base=scripted%3Aecho/);
    await page.getByLabel("Mark differences").uncheck();
    await counts(page.locator(".compare-card ins"), 0);

    const names = await spans(page).locator(".wf-word").allInnerTexts();
    assert.deepEqual(names.slice(1).sort(), ["inference:echo", "inference:haiku", "inference:slow"]);
    await spans(page).filter({ hasText: "inference:slow" }).click();
    await shows(details(page).locator("h2"), "inference:slow");
    const trace = await new Api(server).trace({ session });
    assert.deepEqual(
      trace.spans.slice(1).map((span) => span.parent_span_id),
      Array(3).fill(trace.spans[0].span_id),
    );

    await go(page, "#/runs");
    const row = page.locator("table.runs tbody tr").filter({ hasText: "the morning tide" });
    await eventually(
      () => row.innerText(),
      (text) => /succeeded/.test(text) && /3 models/.test(text),
      "the row of the comparison",
    );
    assert.ok(watch.addresses.length > 0);
  });

  scenario("a model that fails harms no other", { server }, async ({ page, watch, server }) => {
    const models = ["scripted:haiku", "openai:refuses"];
    const { session } = await new Api(server).compare({ task: "Say it.", models });
    await go(page, `#/compare/${session}`);
    await shows(runStatus(page), "succeeded");
    const failed = page.getByRole("article", { name: "openai:refuses" });
    await shows(failed.locator(".chip"), "failed");
    await shows(failed.locator(".compare-fault"), "not today");
    await shows(page.getByRole("article", { name: "scripted:haiku" }).locator(".chip"), "succeeded");
    // The list says so too, and means the same by an answer.
    await new Api(server).listed({ session });
    await go(page, "#/runs");
    const row = tableRow(page, { session });
    await shows(row.locator(".c-status"), "succeeded");
    await shows(row.locator(".c-model"), /^\s*2 models, 1 failed$/);
    await shows(row.locator(".c-answers"), /^1$/);
    await accessible(page);
    await go(page, `#/runs/${session}/1`);
    await shows(page.locator(".run-header"), /Answers\s+1 of 2/);
    await shows(page.locator(".conversation"), "after 1 answer");
    watch.verify();
  });
}
