// A browser, pages that are watched while a test uses them, and the tests themselves.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { chromium } from "playwright-core";
import { ROOT } from "./server.mjs";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
export const ARTIFACTS = process.env.LONGHAUL_ARTIFACTS ?? join(ROOT, "target/xtask/browser");
const FLAGS =
  "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/** How long anything that a test awaits may take. The machine may be busy; a passing test waits for nothing long. */
const PATIENCE_MS = 20_000;
const TEST_MS_MAX = 120_000;

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let launched = null;

function browser() {
  launched ??= chromium.launch({ executablePath: CHROMIUM, args: FLAGS.split(" ") });
  return launched;
}

export async function closeBrowser() {
  await (await launched)?.close();
}

/** A page in a profile of its own; what goes wrong in it is noted in `watch`. */
export async function openPage(server, { colorScheme = "light", ...options } = DESKTOP) {
  const context = await (
    await browser()
  ).newContext({
    ...(options.viewport ? options : { ...DESKTOP, ...options }),
    baseURL: server.url,
    colorScheme,
    locale: "en-US",
    timezoneId: "UTC",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const watch = new Watch(server.url);
  await watch.context(context);
  const page = await context.newPage();
  return { page, context, watch };
}

/**
 * A test of one page in a profile of its own. It fails, too, when the page wrote an error to the console, threw, asked
 * another host for something, or had a request fail, unless the test said `watch.allow(…)`.
 */
export function scenario(name, options, body) {
  test(name, { timeout: TEST_MS_MAX }, async (t) => {
    const server = options.server();
    const { page, context, watch } = await openPage(server, options.device ?? DESKTOP);
    try {
      await body({ page, context, watch, server, t });
      watch.verify();
    } catch (error) {
      mkdirSync(ARTIFACTS, { recursive: true });
      const path = join(ARTIFACTS, `failed-${name.replace(/\W+/g, "-")}.png`);
      await page.screenshot({ path, timeout: 5_000 }).catch(() => undefined);
      error.message += `\nat ${page.url()}, see ${path}; the page: ${JSON.stringify(watch.problems, null, 1)}`;
      error.message += `\nthe server's last words: ${server.log.slice(-1_500)}`;
      throw error;
    } finally {
      await context.close();
    }
  });
}

/** Notes everything that a page must not do. */
export class Watch {
  #allowed = [];

  constructor(origin) {
    this.origin = origin;
    this.problems = [];
    /** Each request's address and each WebSocket's. */
    this.addresses = [];
  }

  async context(context) {
    // The browser writes each violation of the policy to the console as well; this has its details.
    await context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
        console.error(`policy violated: ${violatedDirective} ${blockedURI} ${sourceFile}`),
      );
    });
    context.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.#note(`console ${message.type()}: ${message.text()}`);
    });
    context.on("weberror", (error) => this.#note(`thrown: ${error.error().stack}`));
    context.on("dialog", (dialog) => {
      this.#note(`dialog: ${dialog.type()} ${dialog.message()}`);
      void dialog.dismiss();
    });
    context.on("request", (request) => this.#address(request.url()));
    context.on("response", (response) => {
      if (response.status() >= 400) this.#note(`status ${response.status()}: ${response.url()}`);
    });
    context.on("requestfailed", (request) => {
      const reason = request.failure()?.errorText ?? "";
      // The page gives up what it no longer needs.
      if (reason !== "net::ERR_ABORTED") this.#note(`request failed: ${request.url()} ${reason}`);
    });
    context.on("page", (page) => page.on("websocket", (socket) => this.#address(socket.url())));
  }

  /** What matches is expected in this test from now on. */
  allow(...patterns) {
    this.#allowed.push(...patterns);
  }

  verify() {
    const left = this.problems.filter((problem) => !this.#allowed.some((pattern) => pattern.test(problem)));
    if (left.length > 0) throw new Error(`the page did what no test allows:\n${left.join("\n")}`);
  }

  #address(address) {
    this.addresses.push(address);
    const { protocol, host } = new URL(address);
    const isOurs = host === new URL(this.origin).host || protocol === "blob:" || protocol === "data:";
    if (!isOurs) this.#note(`request to another host: ${address}`);
  }

  #note(problem) {
    this.problems.push(problem);
  }
}
