// What tests await and compare.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 20_000;
const POLL_MS = 50;

/** Awaits that `read` gives what `isSo` asks for; fails with the last thing it gave. */
export async function eventually(read, isSo, what) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > deadline) assert.fail(`not in time: ${what}; the last was ${JSON.stringify(value)}`);
    await sleep(POLL_MS);
  }
}

/** Awaits that an element is there and has a text like this. */
export async function shows(locator, pattern) {
  const read = async () => ((await locator.count()) > 0 ? locator.first().innerText() : null);
  return eventually(read, (text) => text !== null && matches(text, pattern), `${locator} shows ${pattern}`);
}

/** Awaits that a locator finds so many elements. */
export async function counts(locator, expected) {
  return eventually(
    () => locator.count(),
    (found) => found === expected,
    `${expected} of ${locator}`,
  );
}

/** The page may not be wider than the window, whatever is in it. */
export async function fitsTheWindow(page) {
  // Not `innerWidth`, which grows with the page on a phone.
  const { width } = page.viewportSize();
  const found = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(found <= width, `the page is ${found} px wide in a window of ${width} px`);
}

function matches(text, pattern) {
  return typeof pattern === "string" ? text.includes(pattern) : pattern.test(text);
}
