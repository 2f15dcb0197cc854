import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { PHONE, scenario } from "./support/browser.mjs";
import { counts, fitsTheWindow, shows } from "./support/expect.mjs";
import { details, go, runStatus } from "./support/pages.mjs";

/** The agent of `examples/tools`, whose model asks for what the task says: a JSON list of tools for each answer. */
export function harbour({ task, turn }) {
  const asked = JSON.parse(task)[turn - 1];
  return asked ? { tools: asked } : { text: "The harbour is in order.\nDONE" };
}

const tide = (port) => ({ name: "tide", arguments: { port } });
const count = (steps, step_ms) => ({ name: "count", arguments: { steps, step_ms } });
const clear = (ship) => ({ name: "clear", arguments: { ship } });

export function tests(server) {
  const start = (turns) => {
    const body = { task: JSON.stringify(turns), agent: "harbour", model: "openai:harbour" };
    return new Api(server()).start(body);
  };

  scenario("calls of tools are shown with what they are given, say and give", { server }, async ({ page }) => {
    const started = await start([[tide("Whitby"), count(40, 100), tide("Atlantis")]]);
    await go(page, `#/runs/${started.session}/1`);
    const tools = page.locator("article.from-tool");
    const counting = tools.filter({ hasText: "count" });
    await shows(counting, "running");
    await shows(counting.locator(".tool-progress"), /\d+ of 40/);
    await shows(tools.filter({ hasText: "Whitby" }).first(), /"port": "Whitby"[^]*Result[^]*09:12/);
    await shows(tools.filter({ hasText: "Atlantis" }).first(), /failed[^]*Atlantis is unknown; there are Whitby/);
    await shows(runStatus(page), "succeeded");
    await shows(counting, "answered");
    await shows(page.locator(".run-header"), /Tool calls\s+3/);
    await page.reload();
    await counts(tools, 3);
    await counts(page.locator("[data-row].wf-tool.out-answered"), 2);
    await shows(page.locator("[data-row].wf-tool.out-failed .wf-note"), "failed");
    await page.locator("[data-row].wf-tool.out-failed").click();
    await shows(details(page), /execute_tool tide[^]*failed[^]*Atlantis is unknown/);
    await shows(details(page).locator("details", { hasText: "Arguments" }).first(), '"port": "Atlantis"');
    await accessible(page);
    await go(page, "#/models");
    const figures = page.getByRole("region", { name: "Tools in figures" });
    await shows(figures.locator("tr", { hasText: "tide" }), /tide\s+2\s+50\.0%\s+failed 1\s+0/);
    await accessible(page);
  });

  scenario("a call waits in the inbox until somebody has approved it", { server }, async ({ page, server }) => {
    const started = await start([[clear("Ann\u202e\u200b"), tide("Penzance")]]);
    await go(page, "#/inbox");
    await shows(page.locator(".top-bar nav .inbox-count"), "1");
    await shows(page.locator(".inbox-link"), /clear[^]*Ann\\u\{202e\}\\u\{200b\}[^]*harbour[^]*expires in/);
    await accessible(page);
    await page.locator(".inbox-link").click();
    const form = page.locator("form.approval");
    await shows(form, /clear[^]*once[^]*Ann\\u202e\\u200b/);
    await shows(runStatus(page), "waiting");
    await shows(page.locator("article.from-tool"), "11:40");
    await accessible(page);
    await form.getByRole("button", { name: "Edit…" }).click();
    const edited = form.getByRole("textbox", { name: "Arguments" });
    assert.match(await edited.inputValue(), /"Ann\\u202e\\u200b"/);
    await edited.fill('{"ship": "Ann"');
    await form.getByRole("button", { name: "Approve these arguments" }).click();
    await shows(form.locator(".field-error"), "This is no JSON");
    await accessible(page);
    await edited.fill('{"ship": "Ann"}');
    await form.getByRole("button", { name: "Approve these arguments" }).click();
    await counts(form, 0);
    await shows(runStatus(page), "succeeded");
    await shows(page.locator(".conversation"), "was approved, with other arguments by local");
    await shows(page.locator("article.from-tool", { hasText: "clear" }), "Ann may leave, by order");
    await shows(page.locator("[data-row].wf-wait .wf-note"), "edited");
    await counts(page.locator(".top-bar nav .inbox-count"), 0);
    await go(page, "#/inbox");
    await shows(page.locator(".state"), "Nothing waits for a person");
    const trace = await new Api(server).trace(started);
    const wait = trace.spans.find(({ name }) => name === "await_approval clear");
    assert.deepEqual([wait.wait.decision, wait.wait.edited], ["edited", '{"ship":"Ann"}']);
  });

  scenario("the whole of a long result comes when somebody asks for it", { server }, async ({ page, server }) => {
    const started = await start([[clear("M".repeat(40_000))]]);
    await go(page, `#/runs/${started.session}/1`);
    await shows(runStatus(page), "waiting");
    await new Api(server).request(`/v1/sessions/${started.session}/approvals/2`, { decision: "approve" });
    await shows(runStatus(page), "succeeded");
    const called = page.locator("article.from-tool", { hasText: /Result, 40,0\d\d bytes/ });
    const loads = called.getByRole("button", { name: "Load the whole result" });
    await accessible(page);
    await loads.click();
    // Of the arguments, and of the result once it is there.
    const folds = called.getByRole("button", { name: /^Show all 40,\d+ characters$/ });
    await counts(folds, 2);
    await folds.last().click();
    await shows(called, "MMM may leave, by order");
    assert.match(await called.innerText(), /M{40000} may leave/);
  });

  scenario("a call is denied by keyboard, and the model is told why", { server }, async ({ page }) => {
    const started = await start([[clear("Bounty")]]);
    await go(page, `#/runs/${started.session}/1`);
    const form = page.locator("form.approval");
    await form.getByRole("button", { name: "Deny…" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.type("She has not paid.");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await counts(form, 0);
    await shows(runStatus(page), "succeeded");
    await shows(page.locator(".conversation"), "was denied by local: She has not paid.");
    await shows(page.locator("article.from-tool"), /denied[^]*She has not paid/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "main", "the keyboard is not lost");
  });

  scenario("one box steers the run under way, and then goes on with the session", { server }, async ({ page, server }) => {
    const started = await start([[clear("Beagle")]]);
    const api = new Api(server);
    await go(page, `#/runs/${started.session}/1`);
    await shows(runStatus(page), "waiting");
    const box = page.getByRole("textbox", { name: "Say something to the run" });
    await box.focus();
    await page.keyboard.type("Mind the <b>moon</b>.");
    await accessible(page);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const said = page.locator("article.from-user", { hasText: "Mind the <b>moon</b>." });
    await shows(said, /steered by local · not read yet/);
    await shows(runStatus(page), "waiting");
    assert.equal(await box.inputValue(), "");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "TEXTAREA", "the keyboard is not lost");
    await page.reload();
    await shows(said, /not read yet/);
    await api.request(`/v1/sessions/${started.session}/approvals/2`, { decision: "deny" });
    await shows(runStatus(page), "succeeded");
    await counts(said.filter({ hasText: "not read yet" }), 0);
    await counts(said, 1);
    await page.getByRole("textbox", { name: "Next task in this session" }).fill("[]");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.waitForURL(/#\/runs\/[^/]+\/2/);
    await shows(runStatus(page), "succeeded");
  });

  for (const [name, device] of [
    ["phone", PHONE],
    ["dark", { colorScheme: "dark" }],
  ]) {
    const title = `an approval fits a ${name} page and is accessible there`;
    scenario(title, { server, device }, async ({ page, server }) => {
      const started = await start([[clear("M".repeat(300))]]);
      await go(page, `#/runs/${started.session}/1`);
      const form = page.locator("form.approval");
      await form.getByRole("button", { name: "Edit…" }).click();
      await accessible(page);
      await fitsTheWindow(page);
      await go(page, "#/inbox");
      const listed = page.locator(".inbox-link", { hasText: "MMM" });
      await shows(listed, "clear");
      await accessible(page);
      await fitsTheWindow(page);
      await new Api(server).request(`/v1/sessions/${started.session}/cancel`, {});
      await counts(listed, 0);
    });
  }

  scenario("an approval outlives a kill -9 of the server", { server }, async ({ page, watch, server }) => {
    const started = await start([[clear("Endurance")]]);
    await go(page, `#/runs/${started.session}/1`);
    const form = page.locator("form.approval");
    await shows(form, "Endurance");
    watch.allow(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED/);
    watch.allow(/WebSocket connection to .* failed/);
    await server.kill9();
    await shows(page.locator(".banner"), "Connection lost");
    await form.getByRole("button", { name: "Approve", exact: true }).click();
    await shows(form.locator(".field-error"), "The server does not answer");
    await server.start();
    const retried = page.getByRole("button", { name: "Try now" }).click();
    await Promise.any([retried, page.locator(".banner").waitFor({ state: "detached" })]);
    await shows(form, "Endurance");
    await form.getByRole("button", { name: "Approve", exact: true }).click();
    await shows(runStatus(page), "succeeded");
    await shows(page.locator("article.from-tool"), "Endurance may leave, by order");
    await counts(page.locator("[data-row].wf-tool"), 1);
    await counts(page.locator("[data-row].wf-wait"), 1);
  });
}
