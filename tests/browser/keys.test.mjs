import assert from "node:assert/strict";
import { scenario } from "./support/browser.mjs";
import { counts, shows } from "./support/expect.mjs";
import { focusIsIn, go, placeOf, runStatus } from "./support/pages.mjs";

export function tests(server) {
  scenario("a run is started without a mouse: focus in Task, then Ctrl+Enter", { server }, async ({ page }) => {
    await go(page, "#/runs");
    await page.getByRole("button", { name: "New run" }).first().focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "New run" });
    await focusIsIn(dialog.getByLabel("Task"));
    await page.keyboard.type("Describe a/b.");
    assert.equal(await dialog.getByLabel("Task").inputValue(), "Describe a/b.", "a slash is a slash");
    await page.keyboard.press("Control+Enter");
    await page.waitForURL(/#\/runs\/[^/]+\/1/);
    await shows(runStatus(page), "succeeded");
    const { session } = placeOf(page);

    await page.getByRole("textbox", { name: "Next task in this session" }).focus();
    await page.keyboard.type("And c.");
    await page.keyboard.press("Control+Enter");
    await page.waitForURL(/#\/runs\/[^/]+\/2/);
    assert.equal(placeOf(page).session, session);
    await shows(runStatus(page), "succeeded");
  });

  scenario("Ctrl+Enter on an empty task says what is missing, and goes there", { server }, async ({ page, watch }) => {
    watch.allow(/status 422: .*\/v1\/sessions/, /Failed to load resource: .* 422/);
    await go(page, "#/runs");
    await page.getByRole("button", { name: "New run" }).first().click();
    await page.keyboard.press("Control+Enter");
    const dialog = page.getByRole("dialog", { name: "New run" });
    await dialog.locator(".field-error").first().waitFor();
    await focusIsIn(dialog.getByLabel("Task"));
  });

  scenario("a comparison is started without a mouse", { server }, async ({ page }) => {
    await go(page, "#/compare?models=scripted:haiku,scripted:echo");
    await focusIsIn(page.getByLabel("Task"));
    await page.keyboard.type("Say it.");
    await page.keyboard.press("Control+Enter");
    await page.waitForURL(/#\/compare\/[^/]+/);
    await shows(runStatus(page), "succeeded");
  });

  scenario("a slash goes to the search, from every page", { server }, async ({ page }) => {
    await go(page, "#/runs?status=succeeded");
    await page.locator("table.runs tbody tr, .state").first().waitFor();
    const search = page.getByRole("searchbox");
    await page.keyboard.press("/");
    await focusIsIn(search);
    await page.keyboard.type("a/b");
    assert.equal(await search.inputValue(), "a/b");
    assert.match(page.url(), /status=succeeded/, "the filters stay");

    for (const route of ["#/models", "#/inbox", "#/runs"]) {
      await go(page, route);
      await page.locator("h1").focus();
      await page.keyboard.press("/");
      await focusIsIn(search);
      assert.equal(await search.inputValue(), "");
    }

    await go(page, "#/runs");
    await page.getByRole("button", { name: "New run" }).first().click();
    await page.getByRole("button", { name: "Close", exact: true }).first().focus();
    await page.keyboard.press("/");
    await counts(page.locator("dialog[open]"), 1);
    assert.equal(await search.evaluate((field) => field === document.activeElement), false, "a dialog keeps the focus");
  });
}
