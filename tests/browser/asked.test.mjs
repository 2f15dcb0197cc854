import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, shows } from "./support/expect.mjs";
import { go } from "./support/pages.mjs";

const SCHEMA = {
  type: "object",
  properties: {
    port: { type: "string", title: "Port", description: "Where she lies.", default: "Whitby" },
    draught: { type: "number", title: "Draught" },
    pilot: { type: "boolean", title: "Pilot", default: true },
    tide: { type: "string", title: "Tide", enum: ["ebb", "flood"] },
  },
  required: ["port", "draught"],
};

export function tests(server) {
  /** A call that waits, of which the page is told that its server asks this. What is answered is kept, and not sent. */
  const waiting = async (page, change) => {
    const task = JSON.stringify([[{ name: "clear", arguments: { ship: "Hope" } }]]);
    const started = await new Api(server()).start({ task, agent: "harbour", model: "openai:harbour" });
    const answers = [];
    await page.routeWebSocket(/\/events/, (socket) => {
      const to = socket.connectToServer();
      to.onMessage((text) => {
        const frame = text.startsWith("{") ? JSON.parse(text) : null;
        const isMeant = frame?.type === "approval.requested";
        socket.send(isMeant ? JSON.stringify({ ...frame, digest: undefined, ...change }) : text);
      });
    });
    await page.route(/\/approvals\/\d+$/, (route) => {
      answers.push(route.request().postDataJSON());
      return route.fulfill({ status: 200, contentType: "application/json", body: "{}" });
    });
    await go(page, `#/runs/${started.session}/1`);
    const form = page.locator("form.approval");
    await shows(form, "clear");
    // Nothing of it is left in the inbox.
    const leave = () => new Api(server()).request(`/v1/sessions/${started.session}/cancel`, {});
    return { form, answers, leave };
  };

  scenario("what a server asks for is a form", { server }, async ({ page }) => {
    const { form, answers, leave } = await waiting(page, { kind: "input", schema: SCHEMA, summary: "Which <b>port</b>?" });
    await shows(form, /Which <b>port<\/b>\?[^]*its words, and not ours/);
    await accessible(page);
    assert.equal(await form.getByLabel("Port", { exact: true }).inputValue(), "Whitby");
    await form.getByRole("button", { name: "Answer", exact: true }).click();
    await shows(form.locator(".field-error"), "Say something");
    assert.equal(await page.evaluate(() => document.activeElement.labels[0].textContent), "Draught");
    await accessible(page);
    await form.getByLabel("Draught", { exact: true }).fill("4.5");
    await form.getByLabel("Pilot (optional)", { exact: true }).uncheck();
    await form.getByLabel("Tide (optional)", { exact: true }).selectOption("ebb");
    const told = page.waitForResponse(/\/approvals\//);
    await form.getByRole("button", { name: "Answer", exact: true }).click();
    await told;
    const [{ request, ...answer }] = answers;
    assert.ok(request > 0);
    assert.deepEqual(answer, { decision: "answer", input: { port: "Whitby", draught: 4.5, pilot: false, tide: "ebb" } });
    await leave();
  });

  scenario("a page that a server wants visited is opened by its host, and nothing else is", { server }, async ({ page }) => {
    const url = "https://pay.example.com/checkout?id=7";
    const { form, leave } = await waiting(page, { kind: "input", schema: null, url, summary: "Pay there." });
    const link = form.getByRole("link", { name: "Open pay.example.com", exact: true });
    assert.equal(await link.getAttribute("href"), url);
    await shows(form.getByRole("button", { name: "It is done", exact: true }), "It is done");
    await accessible(page);
    await leave();
  });

  scenario("an address that is no page is not opened", { server }, async ({ page }) => {
    const { form, leave } = await waiting(page, { kind: "input", schema: null, url: "javascript:alert(1)", summary: "Pay." });
    await shows(form, /javascript:alert\(1\)[^]*not opened here/);
    await counts(form.getByRole("link"), 0);
    await leave();
  });

  scenario("a schema that no form can show is answered as JSON, or denied", { server }, async ({ page }) => {
    const schema = { type: "object", properties: { crew: { type: "array", items: { type: "object" } } } };
    const { form, answers, leave } = await waiting(page, { kind: "input", schema });
    const text = form.getByLabel("Answer", { exact: true });
    await text.fill('{"crew": [');
    await form.getByRole("button", { name: "Answer", exact: true }).click();
    await shows(form.locator(".field-error"), "This is no JSON");
    await accessible(page);
    await form.getByRole("button", { name: "Deny…", exact: true }).click();
    await form.getByLabel("Reason", { exact: true }).fill("Nobody asks us that.");
    const told = page.waitForResponse(/\/approvals\//);
    await form.getByRole("button", { name: "Deny", exact: true }).click();
    await told;
    const [{ request, ...answer }] = answers;
    assert.ok(request > 0);
    assert.deepEqual(answer, { decision: "deny", reason: "Nobody asks us that." });
    await leave();
  });

  scenario("a server that wants a token is authorized from the call that waits", { server }, async ({ page, watch }) => {
    watch.allow(/status 422/, /Failed to load resource/);
    const url = "https://runs.example.com/oauth/start?server=crm";
    const { form, leave } = await waiting(page, { kind: "authorize", url, tool: "crm__find" });
    await shows(form, /crm__find[^]*wants a token/);
    await accessible(page);
    await form.getByRole("button", { name: "Authorize crm", exact: true }).click();
    await shows(form.getByRole("alert"), /the deployment has no MCP server `crm`/);
    await leave();
  });
}
