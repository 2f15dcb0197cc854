import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, shows } from "./support/expect.mjs";
import { go, runStatus, startByForm, tableRow } from "./support/pages.mjs";

export const TOKENS = { alice: "alices-token-4711", bob: "bobs-token-0815" };

export function tests(server) {
  scenario("a token opens a tenant's own runs, and stays out of addresses", { server }, async (test) => {
    const { page, context, watch, server } = test;
    const headers = [];
    // Cargo begins with the command line, in which this test itself put the tokens.
    const start = server.log.length;
    context.on("request", (request) => headers.push([request.url(), request.headers()]));
    watch.allow(/status 401/, /Failed to load resource: .* 401/);
    await go(page, "#/runs");
    await shows(page.locator("h1"), "Sign in");
    await accessible(page);
    await signIn(page, "wrong");
    await shows(page.locator(".field-error"), "does not accept this token");
    await signIn(page, "Bearer ");
    await shows(page.locator(".field-error"), "Paste a token");
    await signIn(page, `  bearer  ${TOKENS.alice} `);
    await shows(page.locator("h1"), "Runs");
    await shows(page.locator(".state"), "No runs yet");
    await accessible(page);
    await shows(page.locator(".tenant"), "alice");

    const task = "Alices task.\n#scripted turns=2 words=20 chunk_ms=30 latency_ms=100";
    const started = await startByForm(page, { task });
    await shows(page.locator(".stream"), "live");
    await page.locator(".message.is-live .text").first().waitFor();
    await shows(runStatus(page), "succeeded");
    await page.reload();
    await shows(runStatus(page), "succeeded");
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await shows(tableRow(page, started).locator(".c-status"), "succeeded");

    await page.getByRole("button", { name: "Sign out" }).click();
    await shows(page.locator("h1"), "Sign in");
    await counts(page.locator("table.runs"), 0);
    await page.reload();
    await shows(page.locator("h1"), "Sign in");

    await signIn(page, TOKENS.bob);
    await shows(page.locator(".state"), "No runs yet");
    watch.allow(/status 404/, /Failed to load resource: .* 404/, /WebSocket connection .* failed/);
    await go(page, `#/runs/${started.session}/1`);
    await shows(page.locator(".state"), "There is no such run");
    await assert.rejects(new Api(server, TOKENS.bob).run(started), /404/);

    const secrets = Object.values(TOKENS).flatMap((token) => [token, Buffer.from(token).toString("base64url")]);
    const leaked = (text) => secrets.some((secret) => text.includes(secret));
    assert.deepEqual(watch.addresses.filter(leaked), []);
    assert.ok(watch.addresses.some((address) => address.startsWith("ws:")));
    const referrers = headers.filter(([, sent]) => leaked(sent.referer ?? ""));
    assert.deepEqual(referrers, []);
    const stored = await page.evaluate(
      () => JSON.stringify({ ...localStorage }) + document.cookie + location.href + document.title,
    );
    assert.ok(!leaked(stored), stored);
    assert.ok(!leaked(await page.content()));
    assert.ok(!leaked(server.log.slice(start)), "the server logs no token");
  });

  scenario("one sign-in is for all tabs, and ends with the last of them", { server }, async (test) => {
    const { page, context, watch } = test;
    watch.allow(/status 401/, /Failed to load resource: .* 401/);
    await go(page, "#/runs");
    const waiting = await context.newPage();
    await go(waiting, "#/models");
    await shows(waiting.locator("h1"), "Sign in");
    await signIn(page, TOKENS.alice);
    await shows(page.locator("h1"), "Runs");
    await shows(waiting.locator("h1"), "Models");
    await shows(waiting.locator(".tenant"), "alice");

    const asked = watch.addresses.length;
    const refused = watch.problems.length;
    const next = await context.newPage();
    await go(next, "#/runs");
    await shows(next.locator("h1"), "Runs");
    await shows(next.locator(".tenant"), "alice");
    assert.deepEqual(watch.problems.slice(refused), [], "a new tab asks for nothing without the token");
    assert.ok(watch.addresses.slice(asked).some((address) => address.includes("/v1/")));
    assert.ok(!(await stored(next)).includes(TOKENS.alice), "no storage that outlives the tabs has it");

    await next.getByRole("button", { name: "Sign out" }).click();
    for (const tab of [page, waiting, next]) await shows(tab.locator("h1"), "Sign in");
    await page.reload();
    await shows(page.locator("h1"), "Sign in");

    await signIn(page, TOKENS.bob);
    for (const tab of [page, waiting, next]) await shows(tab.locator(".tenant"), "bob");
    for (const tab of [page, waiting, next]) await tab.close();
    const later = await context.newPage();
    await go(later, "#/runs");
    await shows(later.locator("h1"), "Sign in");
  });

  scenario("a token that the server refuses signs no other tab out", { server }, async ({ page, context, watch }) => {
    watch.allow(/status 401/, /Failed to load resource: .* 401/);
    await go(page, "#/runs");
    await signIn(page, TOKENS.alice);
    await shows(page.locator("h1"), "Runs");
    const other = await context.newPage();
    // Nobody answers it: as in a tab that was open before.
    await other.addInitScript(() => delete window.BroadcastChannel);
    await go(other, "#/runs");
    await signIn(other, "wrong");
    await shows(other.locator(".field-error"), "does not accept this token");
    await page.reload();
    await shows(page.locator(".tenant"), "alice");
  });
}

function stored(page) {
  return page.evaluate(() => JSON.stringify({ ...localStorage }) + document.cookie + location.href);
}


export async function signIn(page, token) {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}
