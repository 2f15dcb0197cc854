import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, fitsTheWindow, shows } from "./support/expect.mjs";
import { focusIsIn, go, runStatus } from "./support/pages.mjs";
import { signIn } from "./tokens.test.mjs";

const TOKEN = { alice: "alices-token-4711", bob: "bobs-token-0815", ian: "ians-token-of-an-operator" };
export const OPERATORS = `alice:${TOKEN.alice},bob:${TOKEN.bob},ops/ian:${TOKEN.ian}[operator]`;
const SLOW = "#scripted turns=6 words=20 chunk_ms=200 latency_ms=500";

export function tests(server) {
  scenario("an operator sees every tenant, and suspends one by keyboard", { server }, async (test) => {
    const { page, watch, server } = test;
    watch.allow(/status 401/, /Failed to load resource: .* 401/);
    const [alice, bob] = [new Api(server, TOKEN.alice), new Api(server, TOKEN.bob)];
    const started = await alice.start({ task: "Alices harbour." });
    const other = await bob.start({ task: "Bobs harbour." });
    for (const [api, run] of [
      [alice, started],
      [bob, other],
    ]) {
      await api.ended(run);
      await api.listed(run);
    }
    await go(page, "#/runs");
    await signIn(page, TOKEN.ian);
    await shows(page.locator("h1"), "Runs");
    const rows = page.locator("table.runs tbody tr");
    await counts(rows, 2);
    await eventually(
      () => page.locator("td.c-tenant").allInnerTexts(),
      (found) => String(found.map((text) => text.trim()).sort()) === "alice,bob",
      "each row says whose it is",
    );
    await accessible(page);

    // A row leads to its tenant's run, and from there every link stays with that tenant.
    await rows.filter({ hasText: "Alices harbour." }).getByRole("link").first().click();
    await shows(runStatus(page), "succeeded");
    assert.match(page.url(), /tenant=alice/);
    await counts(page.getByRole("button", { name: "Run again" }), 0);
    await counts(page.getByLabel("Next task"), 0);
    await page.getByRole("link", { name: "Events" }).click();
    await shows(page.locator("h1"), "Session");
    assert.match(page.url(), /tenant=alice/);
    await page.reload();
    await shows(page.locator("h1"), "Session");
    await page.getByRole("link", { name: "Models", exact: true }).click();
    await shows(page.locator("h1"), "Models");
    assert.match(page.url(), /tenant=alice/);

    // Alone by keyboard: choose a tenant, suspend it after a question, let it in again.
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await shows(page.locator("h1"), "Runs");
    await counts(rows, 1);
    const picker = page.getByRole("combobox", { name: "Tenant", exact: true });
    assert.equal(await picker.inputValue(), "alice");
    await picker.focus();
    await page.keyboard.press("b");
    await eventually(() => page.url(), (url) => url.includes("tenant=bob"), "bob's address");
    await shows(rows.first(), "Bobs harbour.");
    await picker.focus();
    await page.keyboard.press("ArrowUp");
    await eventually(() => page.url(), (url) => url.includes("tenant=alice"), "alice's address");
    const running = await alice.start({ task: `Alices ferry.\n${SLOW}` });
    const suspend = page.getByRole("button", { name: "Suspend alice" });
    await suspend.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Suspend alice?" });
    await accessible(page);
    await page.keyboard.press("Escape");
    await focusIsIn(suspend);
    assert.equal((await alice.run(running)).status, "running", "nothing was done yet");
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Suspend it" }).focus();
    await page.keyboard.press("Enter");
    const banner = page.locator(".banner", { hasText: "alice is suspended" });
    await shows(banner, "by ops/ian");
    await accessible(page);
    assert.equal((await alice.ended(running)).status, "cancelled");
    await assert.rejects(alice.start({ task: "Alices other ferry." }), /403/);
    await banner.getByRole("button", { name: "Let it in again" }).focus();
    await page.keyboard.press("Enter");
    await suspend.waitFor();
    await alice.ended(await alice.start({ task: "Alices last ferry." }));

    // What each tenant's runs came to, and its runs from there.
    await go(page, "#/models");
    const figures = page.getByRole("region", { name: "Tenants in figures" });
    await eventually(
      () => figures.locator("tbody th").allInnerTexts(),
      (found) => String(found.map((text) => text.trim()).sort()) === "alice,bob",
      "a row for each tenant",
    );
    await accessible(page);
    await figures.getByRole("link", { name: "bob" }).click();
    await shows(page.locator("h1"), "Runs");
    await counts(rows, 1);
    assert.match(page.url(), /tenant=bob/);

    // All again, also where the page is narrow.
    await page.setViewportSize({ width: 390, height: 800 });
    await picker.selectOption("");
    await eventually(() => rows.count(), (count) => count >= 2, "the runs of all tenants");
    assert.doesNotMatch(page.url(), /tenant/);
    await fitsTheWindow(page);
    await accessible(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await picker.selectOption("alice");
    await suspend.waitFor();
    await fitsTheWindow(page);
    await accessible(page);
  });

  scenario("a tenant's token knows no other tenant on the page", { server }, async ({ page, watch, server }) => {
    watch.allow(/status 40[13]/, /Failed to load resource: .* 40[13]/, /WebSocket connection .* failed/);
    const started = await new Api(server, TOKEN.bob).start({ task: "Bobs secret." });
    await go(page, "#/runs");
    await signIn(page, TOKEN.alice);
    await shows(page.locator(".tenant"), "alice");
    await counts(page.getByRole("combobox", { name: "Tenant", exact: true }), 0);
    await counts(page.locator("td.c-tenant"), 0);
    await go(page, "#/runs?tenant=bob");
    await shows(page.locator("main"), "does not have the scope");
    await go(page, `#/runs/${started.session}/1?tenant=bob`);
    await shows(page.locator("main"), "does not have the scope");
    assert.ok(!(await page.content()).includes("Bobs secret."));
  });
}
