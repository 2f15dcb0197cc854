import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { shows } from "./support/expect.mjs";
import { go } from "./support/pages.mjs";

/** Each is refused by the deployment. */
export const WRONG = {
  AUTH: "maybe",
  CAPTURE: "some",
  PRICES: "none",
  OPENAI_BASE_URL: "nowhere",
  RETENTION_DAYS: "0",
  TOOL_POLICY: "deny",
  MODEL: "gpt",
};

export function tests(server) {
  scenario("a deployment that cannot serve names each variable at fault", { server }, async ({ page, watch }) => {
    watch.allow(/status 503/, /Failed to load resource: .* 503/);
    await go(page, "#/runs");
    await shows(page.locator("main"), "The deployment is misconfigured");
    for (const name of Object.keys(WRONG)) {
      await shows(page.locator(".faults > div").filter({ has: page.getByText(name, { exact: true }) }), /\n.{8,}/);
    }
    await accessible(page);
    await page.getByRole("button", { name: "Try again" }).click();
    await shows(page.locator("main"), "The deployment is misconfigured");
  });
}
