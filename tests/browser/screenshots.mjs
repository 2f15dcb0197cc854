// Takes the README's pictures of the dashboard, in docs/: `node_modules/.bin/node tests/browser/screenshots.mjs`, after
// `cargo xtask build`. It needs Node 22.13 or later for `node:sqlite`.

import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Api } from "./support/api.mjs";
import { closeBrowser, DESKTOP, openPage, PHONE } from "./support/browser.mjs";
import { demoReply, EXPLAIN, MODELS, OUTAGE, PRICES, writeWeek } from "./support/demo.mjs";
import { shows } from "./support/expect.mjs";
import { databaseOf } from "./support/index.mjs";
import { ModelServer } from "./support/model-server.mjs";
import { go, isWhole, runStatus } from "./support/pages.mjs";
import { DevServer, ROOT } from "./support/server.mjs";

const BYTES_MAX = 250 * 1024;
const RUNS = 900;

const provider = await new ModelServer(demoReply()).start();
const vars = [`MODEL:${MODELS[0]}`, `OPENAI_BASE_URL:${provider.baseUrl}`, `PRICES:${JSON.stringify(PRICES)}`];
const server = await new DevServer({ args: vars.flatMap((value) => ["--var", value]) }).start();
try {
  const api = new Api(server);
  const database = new DatabaseSync(databaseOf(server));
  writeWeek(database, Date.now(), RUNS);
  database.close();
  const { page, context } = await openPage(server, { ...DESKTOP, viewport: { width: 1280, height: 1180 } });
  await go(page, "#/models?since=7d&label=tier");
  await page.getByRole("region", { name: "Labels in figures" }).waitFor();
  await page.locator(".chart canvas").nth(4).waitFor();
  await picture(page, "dashboard-models");

  await page.setViewportSize({ width: 1280, height: 860 });
  const outage = await api.start({ task: OUTAGE, metadata: { customer: "117", tier: "gold" } });
  await go(page, `#/runs/${outage.session}/1`);
  await page.locator('[data-row="call-3-1"]').waitFor();
  await shows(page.locator(".message.is-live .text"), /\w+ \w+ \w+/);
  await server.kill9();
  await server.start();
  await shows(runStatus(page), "succeeded");
  await isWhole(page);
  await page.locator('[data-row="call-3-1"]').click();
  await picture(page, "dashboard-run");

  const compared = await api.compare({ task: EXPLAIN, models: MODELS });
  await api.listed(compared);
  await page.setViewportSize({ width: 1280, height: 980 });
  await go(page, `#/compare/${compared.session}`);
  await page.locator("ins").first().waitFor();
  await isWhole(page);
  await picture(page, "dashboard-compare");

  const open = await api.start({
    task: "Draft the notes of the incident review, and list who does what until when.",
    metadata: { tier: "gold" },
  });
  await page.setViewportSize({ width: 1280, height: 800 });
  await go(page, "#/runs");
  await shows(page.locator("table.runs"), "running");
  await picture(page, "dashboard-runs");
  await api.ended(open);
  await context.close();

  const phone = await openPage(server, { ...PHONE, viewport: { width: 390, height: 1120 }, colorScheme: "dark" });
  await go(phone.page, `#/runs/${outage.session}/1`);
  await shows(runStatus(phone.page), "succeeded");
  await phone.page.locator(".wf-flag").waitFor();
  await isWhole(phone.page);
  await picture(phone.page, "dashboard-phone");
} finally {
  await closeBrowser();
  await server.stop();
  provider.stop();
}

async function picture(page, name) {
  const path = join(ROOT, "docs", `${name}.png`);
  // The pointer lights up what is below it.
  await page.mouse.move(0, 0);
  await page.screenshot({ path });
  const { size } = statSync(path);
  console.log(`${name}.png ${(size / 1024).toFixed(0)} KiB`);
  if (size > BYTES_MAX) throw new Error(`${path} is larger than ${BYTES_MAX / 1024} KiB`);
}
