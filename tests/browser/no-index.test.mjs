import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, shows } from "./support/expect.mjs";
import { go, runStatus, startByForm } from "./support/pages.mjs";

const UNAVAILABLE = {
  status: 503,
  contentType: "application/problem+json",
  headers: { "Retry-After": "1" },
  body: JSON.stringify({
    title: "The index does not answer",
    status: 503,
    detail: "Ask again.",
    code: "index_unavailable",
  }),
};

export function tests(server, unindexed) {
  scenario(
    "without an index runs are started and watched all the same",
    { server: unindexed },
    async ({ page, watch }) => {
      watch.allow(/status 503: .*\/v1\/(traces|stats)/, /Failed to load resource: .* 503/);
      await go(page, "#/runs");
      await shows(page.locator(".state"), "There is no index of runs");
      await shows(page.locator(".state"), "d1_databases");
      await startByForm(page, { task: "Run without an index.\n#scripted turns=1 words=5" });
      await shows(runStatus(page), "succeeded");
      await page.getByRole("link", { name: "Runs", exact: true }).click();
      await shows(page.locator(".started"), "succeeded");
      await accessible(page);

      await page.route(/\/v1\/sessions\/[^/]+\/runs\/1$/, async (route) => {
        const response = await route.fetch();
        const run = await response.json();
        if (run.comparison) run.comparison[1].status = "failed";
        await route.fulfill({ response, json: run });
      });
      await go(page, "#/compare?task=Compare.&models=scripted:haiku,scripted:echo");
      await page.getByRole("button", { name: "Compare", exact: true }).click();
      await shows(runStatus(page), "succeeded");
      await page.getByRole("link", { name: "Runs", exact: true }).click();
      await shows(page.locator(".started"), "2 models, 1 failed");
      await accessible(page);
      await page.unroute(/\/v1\/sessions\/[^/]+\/runs\/1$/);

      // What was erased is not asked for again.
      await counts(page.locator(".started li"), 2);
      await page.locator(".started a", { hasText: "2 models" }).click();
      await page.getByRole("button", { name: "Erase" }).click();
      watch.allow(/status 404: /, /Failed to load resource: .* 404/);
      await page.getByRole("button", { name: "Erase the session" }).click();
      await counts(page.locator(".started li"), 1);
      await page.getByRole("link", { name: "Models", exact: true }).click();
      await shows(page.locator(".state"), "no index");
      await accessible(page);
    },
  );

  scenario("an index that is down says so, and old rows stay", { server }, async ({ page, watch }) => {
    watch.allow(/status 503: .*\/v1\/traces/, /Failed to load resource: .* 503/);
    await go(page, "#/runs");
    await page.locator("table.runs tbody tr").first().waitFor();
    await page.route("**/v1/traces?*", (route) => route.fulfill(UNAVAILABLE));
    await shows(page.locator(".banner"), "The index does not answer");
    await page.locator("table.runs tbody tr").first().waitFor();
    await page.reload();
    await shows(page.locator(".state-error"), "The index does not answer");
    await accessible(page);
    await startByForm(page, { task: "Run while the index is down.\n#scripted turns=1 words=5" });
    await shows(runStatus(page), "succeeded");
    await page.getByRole("link", { name: "Runs", exact: true }).click();
    await shows(page.locator(".state-error"), "The index does not answer");
    await page.unroute("**/v1/traces?*");
    await page.getByRole("button", { name: "Try again" }).click();
    await counts(page.locator(".state-error"), 0);
    await shows(page.locator("table.runs"), "Run while the index is down");
  });
}
