// What the pages are made of, by the names that a person and a screen reader know.

import { eventually } from "./expect.mjs";

/** Goes to a route of the page, such as `#/runs`. */
export async function go(page, route) {
  await page.goto(`/${route}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
}

/** Starts a run by the form; returns where it is. */
export async function startByForm(page, { task, model, instructions, metadata = {} }) {
  await page.getByRole("button", { name: "New run" }).first().click();
  const dialog = page.getByRole("dialog", { name: "New run" });
  await dialog.getByLabel("Task").fill(task);
  if (model) await dialog.getByLabel("Model").fill(model);
  const labels = Object.entries(metadata);
  if (instructions || labels.length > 0) await dialog.getByText("Instructions, metadata, budget").click();
  if (instructions) await dialog.getByLabel("Instructions").fill(instructions);
  for (const [index, [key, value]] of labels.entries()) {
    await dialog.getByRole("button", { name: "Add a label" }).click();
    await dialog.getByLabel(`Key ${index + 1}`).fill(key);
    await dialog.getByLabel(`Value ${index + 1}`).fill(value);
  }
  await dialog.getByRole("button", { name: "Start run" }).click();
  await page.waitForURL(/#\/runs\/[^/]+\/1/);
  return placeOf(page);
}

/** The run that the address names. */
export function placeOf(page) {
  const [, , session, run] = new URL(page.url()).hash.split("?")[0].split("/");
  return { session: decodeURIComponent(session), run: Number(run ?? 1) };
}

export function runStatus(page) {
  return page.locator("h1 .chip");
}

export function spans(page) {
  return page.getByRole("treegrid").locator("[data-row]");
}

export function details(page) {
  return page.locator("section.details");
}

export function answers(page) {
  return page.getByRole("group", { name: "Messages" }).locator("article.from-assistant");
}

/** Awaits that an element has the focus. */
export async function focusIsIn(locator) {
  await eventually(
    () => locator.evaluate((element) => element === document.activeElement),
    (isIt) => isIt,
    `the focus is in ${locator}`,
  );
}

/** The row of a run in the table. */
export function tableRow(page, { session, run = 1 }) {
  return page.locator("table.runs tbody tr").filter({ has: page.locator(`a[href="#/runs/${session}/${run}"]`) });
}

/** Awaits the trace of the run that is shown: until then its rows know only what the stream told. */
export async function isWhole(page) {
  await page.locator("button:enabled", { hasText: "Download JSON" }).waitFor();
}
