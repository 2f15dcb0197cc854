import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, shows } from "./support/expect.mjs";
import { go } from "./support/pages.mjs";

const PER_PAGE = 50;

export function tests(server) {
  scenario(
    "a thousand runs are filtered, and the filters live in the address",
    { server },
    async ({ page, server }) => {
      const rows = page.locator("table.runs tbody tr");
      const showsWhat = comparing(page, new Api(server));
      await go(page, "#/runs");
      await counts(rows, PER_PAGE);

      const filters = page.getByRole("search", { name: "Filters" });
      await filters.getByRole("button", { name: "Failed" }).click();
      await showsWhat("status=failed", ({ status }) => status === "failed");
      await filters.getByLabel("Model", { exact: true }).fill("openai:model-0");
      await filters.getByLabel("Model", { exact: true }).press("Enter");
      await showsWhat("status=failed&model=openai:model-0", ({ model }) => model === "openai:model-0");
      await filters.getByRole("button", { name: "All", exact: true }).click();
      await filters.getByLabel("Metadata").fill("environment=staging");
      await filters.getByLabel("Metadata").press("Enter");
      await showsWhat(
        "model=openai:model-0&metadata.environment=staging",
        ({ metadata }) => metadata.environment === "staging",
      );
      await filters.getByRole("searchbox").fill("HARBOUR");
      const all = "model=openai:model-0&metadata.environment=staging&q=HARBOUR";
      await showsWhat(all, ({ task, result }) => /harbour/i.test(task + result));
      const address = page.url();
      for (const part of all.split("&"))
        assert.ok(decodeURIComponent(address).includes(part), `${address} has ${part}`);

      await page.reload();
      await showsWhat(all, () => true);
      assert.equal(await filters.getByRole("searchbox").inputValue(), "HARBOUR");
      assert.equal(await filters.getByLabel("Model", { exact: true }).inputValue(), "openai:model-0");
      await filters.getByRole("button", { name: /environment\s*=\s*staging/ }).click();
      await showsWhat("model=openai:model-0&q=HARBOUR", () => true);
      await page.goBack();
      await showsWhat(all, () => true);
      await page.goForward();
      await showsWhat("model=openai:model-0&q=HARBOUR", () => true);

      await go(page, "#/runs?agent=agent-7");
      await showsWhat("agent=agent-7", ({ agent }) => agent === "agent-7");
      assert.equal(await filters.getByLabel("Agent").inputValue(), "agent-7");
      await filters.getByRole("searchbox").fill("xylograph");
      await shows(page.locator(".state"), "No run matches");
      await page.getByRole("link", { name: "Clear the filters" }).click();
      await counts(rows, PER_PAGE);
      assert.equal(await filters.getByRole("searchbox").inputValue(), "");
    },
  );

  scenario("runs are found by what went wrong and what they took, and sorted", { server }, async ({ page, server }) => {
    const api = new Api(server);
    const filters = page.getByRole("search", { name: "Filters" });
    const rows = page.locator("table.runs tbody tr");
    const showsWhat = comparing(page, api);
    await go(page, "#/runs");
    await counts(rows, PER_PAGE);
    await filters.getByText("More filters").click();
    await accessible(page);
    await filters.getByLabel("Survived a crash").check();
    await showsWhat("resumed=true", ({ resumed }) => resumed > 0);
    await shows(filters.locator("summary"), "More filters (1)");
    await filters.getByLabel("Survived a crash").uncheck();
    const failed = await api.request("/v1/traces?status=failed&limit=200");
    const word = failed.traces.map(({ error_type: type }) => type).find((type) => type !== null);
    // What is half typed stays while the list is loaded again.
    await filters.getByLabel("Error").fill(word);
    await page.waitForResponse((response) => response.url().includes("/v1/traces"));
    await page.waitForResponse((response) => response.url().includes("/v1/traces"));
    assert.equal(await filters.getByLabel("Error").inputValue(), word);
    await filters.getByLabel("Error").press("Enter");
    await showsWhat(`error_type=${word}`, ({ error_type: type }) => type === word);
    await filters.getByLabel("Error").fill("");
    await filters.getByLabel("Error").press("Enter");
    await filters.getByLabel("Took at least").fill("2.5");
    await filters.getByLabel("Took at least").press("Enter");
    await showsWhat("min_duration_ms=2500", ({ duration_ms: ms }) => ms >= 2_500);
    await filters.getByLabel("Cost at least").fill("0.001");
    await filters.getByLabel("Cost at least").press("Enter");
    const both = "min_duration_ms=2500&min_cost_usd=0.001";
    await showsWhat(both, ({ duration_ms: ms, usage }) => ms >= 2_500 && usage.cost_usd >= 0.001);
    await filters.getByLabel("Order").selectOption({ label: "dearest first" });
    const sorted = await showsWhat(`${both}&sort=cost`, () => true);
    const costs = sorted.map(({ usage }) => usage.cost_usd);
    assert.deepEqual(costs, [...costs].sort((a, b) => b - a));
    await page.reload();
    await showsWhat(`${both}&sort=cost`, () => true);
    assert.equal(await filters.getByLabel("Took at least").inputValue(), "2.5");
    await page.getByRole("link", { name: "Next" }).click();
    await shows(page.locator(".pager"), "Page 2");
    await page.getByRole("link", { name: "Previous" }).click();
    await showsWhat(`${both}&sort=cost`, () => true);

    const { session, run, trace_id: trace } = sorted[0];
    for (const sought of [session, trace, `${server.url}/#/runs/${session}/${run}`]) {
      await go(page, "#/runs");
      await filters.getByRole("searchbox").fill(sought);
      await eventually(
        () => links(page),
        (found) => String(found) === `#/runs/${session}/${run}`,
        `the run of ${sought}`,
      );
    }
  });

  scenario("a thousand runs are paged to the end and back", { server }, async ({ page }) => {
    await go(page, "#/runs?model=openai:model-1");
    await eventually(
      () => links(page),
      (found) => found.length === PER_PAGE,
      "a page of one model",
    );
    const filtered = await links(page);
    await go(page, "#/runs");
    await eventually(
      () => links(page),
      (found) => found.length === PER_PAGE && found[0] !== filtered[0],
      "all runs",
    );
    const seen = new Set();
    const pages = [];
    const from = Date.now();
    const pager = page.getByRole("navigation", { name: "Pages of runs" });
    for (;;) {
      const found = await links(page);
      for (const link of found) {
        assert.ok(!seen.has(link), `${link} comes twice`);
        seen.add(link);
      }
      pages.push(found);
      if ((await pager.getByRole("link", { name: "Older" }).count()) === 0) break;
      await pager.getByRole("link", { name: "Older" }).click();
      await shows(pager, `Page ${pages.length + 1}`);
      await eventually(
        () => links(page),
        (now) => now.length > 0 && now[0] !== found[0],
        "the next page",
      );
    }
    assert.ok(seen.size >= 1_000, `${seen.size} runs`);
    console.log(
      `measured: ${seen.size} runs in ${pages.length} pages, ${Math.round((Date.now() - from) / pages.length)} ms each`,
    );

    for (const expected of pages.slice(0, -1).reverse()) {
      await pager.getByRole("link", { name: "Newer" }).click();
      await eventually(
        () => links(page),
        (now) => String(now) === String(expected),
        "the page before",
      );
    }
    await page.goBack();
    await eventually(
      () => links(page),
      (now) => String(now) === String(pages[1]),
      "the second page again",
    );
  });
}

function links(page) {
  return page.locator("table.runs:not(.is-stale *) .c-task a").evaluateAll((all) => all.map((link) => link.hash));
}

/** Awaits that the page shows just what the index answers to the same question, and gives that. */
function comparing(page, api) {
  return async (query, holds) => {
    const { traces } = await api.request(`/v1/traces?limit=${PER_PAGE}&${query}`);
    assert.ok(traces.length > 0 && traces.every(holds), `${query} finds what it says`);
    const expected = traces.map(({ session, run }) => `#/runs/${session}/${run}`);
    await eventually(
      () => links(page),
      (found) => String(found) === String(expected),
      `the rows of ${query}`,
    );
    return traces;
  };
}
