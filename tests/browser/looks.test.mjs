import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Api } from "./support/api.mjs";
import { accessible } from "./support/axe.mjs";
import { ARTIFACTS, DESKTOP, PHONE, scenario } from "./support/browser.mjs";
import { fitsTheWindow, shows } from "./support/expect.mjs";
import { go, isWhole, runStatus } from "./support/pages.mjs";

const DEVICES = { desktop: DESKTOP, phone: PHONE };
const SCHEMES = ["light", "dark"];

/** Runs for the pages to show; made once. */
let shown = null;

export function tests(server) {
  for (const [deviceName, device] of Object.entries(DEVICES)) {
    for (const colorScheme of SCHEMES) {
      const look = `${deviceName}-${colorScheme}`;
      scenario(
        `every page is accessible and fits, ${look}`,
        { server, device: { ...device, colorScheme } },
        async (test) => {
          const { page, server, watch } = test;
          shown ??= await prepare(new Api(server));
          for (const [name, open] of Object.entries(PAGES)) {
            await open(page, shown, watch);
            await accessible(page);
            await fitsTheWindow(page);
            mkdirSync(ARTIFACTS, { recursive: true });
            await page.screenshot({
              path: join(ARTIFACTS, `${name}-${look}.png`),
              fullPage: !/^dialog|^runs$/.test(name),
            });
          }
        },
      );
    }
  }
}

const PAGES = {
  async runs(page) {
    await go(page, "#/runs");
    await page.locator("table.runs tbody tr").first().waitFor();
  },
  async "runs-none"(page) {
    await go(page, "#/runs?status=failed&model=openai%3Anobody&metadata.customer=42");
    await shows(page.locator(".state"), "No run matches");
  },
  async "dialog-new-run"(page) {
    await go(page, "#/runs");
    await page.getByRole("button", { name: "New run" }).click();
    const dialog = page.getByRole("dialog", { name: "New run" });
    await dialog.getByLabel("Task").fill("Summarise the incident of last night.");
    await dialog.getByText("Instructions, metadata, budget").click();
    await dialog.getByRole("button", { name: "Add a label" }).click();
    await dialog.getByLabel("Key 1").fill("customer");
  },
  async "dialog-new-run-refused"(page, _shown, watch) {
    watch.allow(/status 422: .*\/v1\/sessions/, /Failed to load resource: .* 422/);
    const dialog = page.getByRole("dialog", { name: "New run" });
    await dialog.getByLabel("Model").fill("nobody:knows");
    await dialog.getByLabel("Task").fill("");
    await dialog.getByRole("button", { name: "Start run" }).click();
    await dialog.locator(".field-error").first().waitFor();
  },
  async run(page, { retried }) {
    await go(page, `#/runs/${retried.session}/1`);
    await shows(runStatus(page), "succeeded");
    await shows(page.locator("section.details"), "Result");
    await isWhole(page);
  },
  async "run-failed"(page, { failed }) {
    await go(page, `#/runs/${failed.session}/1`);
    await shows(runStatus(page), "failed");
    await shows(page.locator("section.details"), "scripted refusal");
    await isWhole(page);
  },
  async "run-open"(page, { open }) {
    await go(page, `#/runs/${open.session}/1`);
    await shows(runStatus(page), /running|waiting/);
    await page.locator('[data-row="call-1-1"]').waitFor();
  },
  async "dialog-cancel"(page) {
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog", { name: "Cancel this run?" }).waitFor();
  },
  async "run-markdown"(page, { retried }) {
    await go(page, `#/sessions/${retried.session}`);
    await page.getByRole("checkbox", { name: "Markdown" }).check();
    await go(page, `#/runs/${retried.session}/1`);
    await isWhole(page);
    await page.locator(".markdown").first().waitFor();
  },
  async "dialog-run-again"(page) {
    await page.getByRole("button", { name: "Run again" }).click();
    await page.getByRole("dialog", { name: "Run again" }).waitFor();
  },
  async "dialog-erase"(page, { failed }) {
    await go(page, `#/sessions/${failed.session}`);
    await page.getByRole("button", { name: "Erase" }).click();
    await page.getByRole("dialog", { name: "Erase this session?" }).waitFor();
  },
  async session(page, { retried }) {
    await go(page, `#/sessions/${retried.session}`);
    await page.locator(".session-run .message").nth(3).waitFor();
  },
  async "session-compared"(page, { compared }) {
    await go(page, `#/sessions/${compared.session}`);
    await page.locator(".session-run .message").nth(3).waitFor();
  },
  async "session-events"(page, { retried }) {
    await go(page, `#/sessions/${retried.session}?view=events`);
    await page.locator(".event summary").nth(4).click();
    await page.locator(".event-json").waitFor();
  },
  async "run-none"(page, _shown, watch) {
    watch.allow(/status 404: /, /Failed to load resource: .* 404/, /WebSocket connection .* failed/);
    await go(page, "#/runs/nobody/1");
    await shows(page.locator(".state"), "There is no such run");
  },
  async "compare-form"(page) {
    await go(page, "#/compare?task=Describe%20the%20tide.&models=scripted:haiku,scripted:echo,scripted:slow");
    await page.getByText("Instructions, deadline, metadata").click();
  },
  async compare(page, { compared }) {
    await go(page, `#/compare/${compared.session}`);
    await shows(runStatus(page), "succeeded");
    await page.locator("ins").first().waitFor();
    await isWhole(page);
  },
  async models(page) {
    await go(page, "#/models");
    await page.locator(".chart canvas").first().waitFor();
  },
  async "models-by-label"(page) {
    await go(page, "#/models?label=environment");
    await page.getByRole("region", { name: "Labels in figures" }).waitFor();
    await page.locator(".chart canvas").first().waitFor();
  },
  async "not-found"(page) {
    await go(page, "#/nowhere");
    await shows(page.locator(".state"), "There is no such page");
  },
};

async function prepare(api) {
  const metadata = { customer: "42", tier: "gold" };
  const retried = await api.start({
    task: "Describe the tide at the harbour.\n#scripted turns=3 words=40 latency_ms=150 chunk_ms=10 fault=500@2",
    instructions: "Write plainly.",
    metadata,
  });
  const failed = await api.start({ task: "Say hello.\n#scripted turns=2 fault=400@1", metadata });
  const open = await api.start({ task: "Wait for the flood.\n#scripted turns=2 latency_ms=600000", metadata });
  const models = ["scripted:haiku", "scripted:echo", "scripted:slow"];
  const compared = await api.compare({ task: "Write about the morning tide.", models, metadata });
  for (const started of [retried, failed, compared]) await api.listed(started);
  return { retried, failed, open, compared };
}
