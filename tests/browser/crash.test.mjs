import assert from "node:assert/strict";
import { Api } from "./support/api.mjs";
import { scenario } from "./support/browser.mjs";
import { counts, shows } from "./support/expect.mjs";
import { answers, details, go, runStatus, spans } from "./support/pages.mjs";

export function tests(server) {
  scenario("a page outlives a kill -9 of the server", { server }, async ({ page, watch, server }) => {
    const api = new Api(server);
    const task = "Outlive the server.\n#scripted turns=3 words=60 latency_ms=100 chunk_ms=40";
    const started = await api.start({ task });
    await go(page, `#/runs/${started.session}/1`);
    await shows(page.locator('[data-row="call-2-1"]'), "2.1");
    await shows(page.locator(".message.is-live .text"), /\w+ \w+/);
    const before = watch.addresses.length;

    watch.allow(/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED/);
    watch.allow(/WebSocket connection to .* failed/);
    await server.kill9();
    await shows(page.locator(".banner"), "Connection lost");
    await shows(page.locator(".stream"), "lost");
    await server.start();
    const back = Date.now();
    // The page tries by itself as well, but the longer the server was away, the less often.
    const retried = page.getByRole("button", { name: "Try now" }).click();
    await Promise.any([retried, page.locator(".banner").waitFor({ state: "detached" })]);
    await counts(page.locator(".banner"), 0);
    console.log(`measured: a page was live again ${Date.now() - back} ms after the killed server`);

    await shows(runStatus(page), "succeeded");
    await shows(page.locator(".wf-flag"), "crash");
    await shows(page.locator("[data-row].wf-call.out-interrupted"), "interrupted by a crash");
    await shows(page.locator(".run-header .resumed"), "1×");
    await page.locator('[data-row="call-2-1"]').click();
    await shows(details(page), "the call was made again, with the same idempotency key");
    await counts(answers(page), 3);

    const cursors = watch.addresses
      .slice(before)
      .map((address) => new URL(address))
      .filter(({ protocol }) => protocol === "ws:");
    assert.ok(cursors.length > 0 && cursors.every((url) => Number(url.searchParams.get("after")) > 0), `${cursors}`);
    const shown = await look(page);
    assert.equal(new Set(shown.rows).size, shown.rows.length, "no row comes twice");
    assert.equal((await api.trace(started)).attempts, 4);
    await page.reload();
    await shows(runStatus(page), "succeeded");
    await counts(answers(page), 3);
    assert.deepEqual(await look(page), shown, "what was caught up is what is read from the beginning");
  });
}

async function look(page) {
  return {
    rows: await spans(page).evaluateAll((rows) => rows.map((row) => row.dataset.row)),
    texts: await answers(page).locator(".text").allInnerTexts(),
  };
}
