import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, eventually, shows } from "./support/expect.mjs";
import { focusIsIn, go } from "./support/pages.mjs";

const CHARTS = 5;

export function tests(server) {
  scenario("models are charted and sorted", { server }, async ({ page, watch }) => {
    await go(page, "#/models");
    await counts(page.locator(".chart canvas"), CHARTS);
    const drawn = await eventually(
      () => inks(page),
      (all) => all.slice(0, 4).every(isDrawn),
      "charts with lines",
    );
    assert.equal(drawn.length, CHARTS);
    await shows(page.getByRole("img", { name: /^Latency/ }).locator("xpath=ancestor::figure"), "Latency");

    const table = page.getByRole("region", { name: "Models in figures" });
    for (const [column, place] of [
      ["Latency p95", 6],
      ["Error rate", 2],
    ]) {
      await table.getByRole("button", { name: column }).click();
      await shows(table.locator("th[aria-sort] .visually-hidden"), column);
      const direction = await table.locator("th[aria-sort]").getAttribute("aria-sort");
      const cells = await table.locator(`tbody tr td:nth-of-type(${place})`).allInnerTexts();
      const values = cells.map(inUnits).filter((value) => !Number.isNaN(value));
      const sorted = values.toSorted((a, b) => (direction === "ascending" ? a - b : b - a));
      assert.ok(values.length > 3);
      assert.deepEqual(values, sorted, `${column} ${direction}`);
    }
    assert.match(page.url(), /sort=/);

    const week = await page.locator(".model-summary").innerText();
    await page.getByRole("group", { name: "Time" }).getByRole("button", { name: "30 days" }).click();
    await eventually(
      () => page.locator(".model-summary").innerText(),
      (text) => text !== week,
      "the figures of another time",
    );
    assert.match(page.url(), /since=30d/);
    assert.ok(watch.addresses.filter((address) => address.includes("/v1/stats?since=")).length >= 2);

    await counts(page.locator(".chart canvas"), CHARTS);
    const light = await eventually(
      () => inks(page),
      (all) => all.slice(0, 4).every(isDrawn),
      "charts with lines",
    );
    const button = page.getByRole("button", { name: /Colours:/ });
    await button.click();
    await button.click();
    assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
    const isRedrawn = (all) => all.length === CHARTS && all.every((ink, index) => ink.digest !== light[index].digest);
    await eventually(() => inks(page), isRedrawn, "charts in other colours");

    const latency = page.getByRole("slider", { name: "Values of Latency" });
    await latency.focus();
    await page.keyboard.press("Home");
    const first = await latency.getAttribute("aria-valuetext");
    await page.keyboard.press("End");
    await eventually(
      () => latency.getAttribute("aria-valuetext"),
      (text) => text !== first,
      "another value",
    );
    await shows(page.locator(".plot-readout"), "model-");
  });

  scenario("a model keeps its colour, whatever other models are shown", { server }, async ({ page }) => {
    const rows = page.getByRole("region", { name: "Models in figures" }).locator("tbody tr");
    const colors = async () => {
      await rows.first().waitFor();
      const found = await rows.evaluateAll((all) =>
        all.map((row) => [row.querySelector("bdi").textContent, row.querySelector("svg.swatch").classList[1]]),
      );
      return new Map(found);
    };
    await go(page, "#/models?since=30d");
    const all = await colors();
    assert.ok(new Set(all.values()).size > 3, "there are several");
    await page.route("**/v1/stats?*", async (route) => {
      const response = await route.fetch();
      const stats = await response.json();
      await route.fulfill({ response, json: { ...stats, models: stats.models.filter((_, index) => index % 2 > 0) } });
    });
    await page.reload();
    const some = await colors();
    assert.ok(some.size > 2 && some.size < all.size);
    for (const [model, color] of some) assert.equal(color, all.get(model), model);
  });

  scenario("runs are added up by a label, as a table and as CSV", { server }, async ({ page, server }) => {
    const api = new Api(server);
    await go(page, "#/models?since=30d");
    const field = page.getByRole("combobox", { name: "Label" });
    await field.focus();
    await page.keyboard.type("environment");
    await page.keyboard.press("Enter");
    const rows = page.getByRole("region", { name: "Labels in figures" }).locator("tbody tr");
    await rows.first().waitFor();
    assert.match(page.url(), /label=environment/);
    await focusIsIn(field);
    const { grouped } = await api.request(`/v1/stats?group=metadata.environment&since=${since()}`);
    const { groups } = grouped;
    assert.ok(groups.length > 1);
    const shown = await rows.evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText.trim())));
    assert.deepEqual(
      shown.map(([value, runs]) => [value, Number(runs.replaceAll(",", ""))]),
      groups.map(({ value, runs }) => [value ?? "without the label", runs]),
    );
    await accessible(page);

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "CSV" }).click(),
    ]);
    assert.equal(download.suggestedFilename(), "runs-by-environment.csv");
    const [head, ...lines] = readFileSync(await download.path(), "utf8").trimEnd().split("\r\n");
    assert.match(head, /^metadata\.environment,runs,.*,cost_usd$/);
    const sums = lines.map((line) => line.split(","));
    assert.deepEqual(
      sums.map((cells) => [cells[0], Number(cells[1]), Number(cells.at(-1))]),
      groups.map(({ value, runs, usage }) => [value ?? "", runs, usage.cost_usd ?? 0]),
    );

    const { value } = groups.find((group) => group.value !== null);
    await rows.getByRole("link", { name: value, exact: true }).click();
    await shows(page.locator("h1"), "Runs");
    assert.match(page.url(), new RegExp(`metadata\\.environment=${value}`));
    await page.locator("table.runs tbody tr").first().waitFor();
    await page.goBack();
    await rows.first().waitFor();
  });
}

/** The beginning of the last thirty days, as the page asks for them. */
function since() {
  return new Date(Date.now() - 30 * 86_400_000).setUTCHours(0, 0, 0, 0);
}

/** What is on each canvas: a digest, and how many colours there are. */
function inks(page) {
  return page.locator(".chart canvas").evaluateAll((all) =>
    all.map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const colors = new Set();
      let digest = 0;
      for (let at = 0; at < data.length; at += 4) {
        const color = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
        if (data[at + 3] > 200) colors.add(color);
        digest = (Math.imul(digest, 31) + color + data[at + 3]) | 0;
      }
      return { digest, colors: colors.size };
    }),
  );
}

/** Lines of several colours, not only an axis. */
function isDrawn({ colors }) {
  return colors > 5;
}

/** `1.20 s` and `12.5%` as numbers. */
function inUnits(text) {
  const number = Number.parseFloat(text);
  if (text.includes("min")) return number * 60_000 + Number.parseFloat(text.split("min")[1]) * 1_000;
  return / s$/.test(text) ? number * 1_000 : number;
}
