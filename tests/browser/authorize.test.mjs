import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { accessible } from "./support/axe.mjs";
import { scenario } from "./support/browser.mjs";
import { shows } from "./support/expect.mjs";

/** An MCP server that wants a token, and the issuer of its tokens: it asks nobody, and sends people back at once. */
export class Issuer {
  #server = null;
  /** What people are sent back with, beside the state. */
  brings = { code: "code-1" };
  /** What it was asked, by path. */
  asked = [];

  async start() {
    this.#server = createServer((request, response) => this.#answer(new URL(request.url, this.origin), response));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(url, response) {
    this.asked.push(url.pathname);
    if (url.pathname === "/authorize") {
      const back = new URL(url.searchParams.get("redirect_uri"));
      const query = { state: url.searchParams.get("state"), iss: this.origin, ...this.brings };
      for (const [name, value] of Object.entries(query)) back.searchParams.set(name, value);
      response.writeHead(302, { Location: back.href }).end();
      return;
    }
    const { origin } = this;
    const found = {
      "/.well-known/oauth-protected-resource/mcp": { resource: `${origin}/mcp`, authorization_servers: [origin], scopes_supported: ["read"] },
      "/.well-known/oauth-authorization-server": {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        code_challenge_methods_supported: ["S256"],
      },
      "/register": { client_id: "c1" },
      "/token": { access_token: "token-4711", token_type: "Bearer", expires_in: 3600 },
    }[url.pathname];
    response.writeHead(found ? 200 : 404, { "Content-Type": "application/json" }).end(JSON.stringify(found ?? null));
  }
}

/** The variables of a deployment with that server, which is at `url` itself. */
export function variables(issuer, url) {
  const servers = { crm: { url: `${issuer.origin}/mcp` }, gone: { url: `${issuer.origin}/gone` } };
  return {
    MCP_SERVERS: JSON.stringify(servers),
    PUBLIC_URL: url,
    CREDENTIALS_KEY: "a-key-of-more-than-thirty-two-bytes",
  };
}

export function tests(server, issuer) {
  const options = { server };
  const leave = async (page) => {
    await page.goto("/oauth/start?server=crm");
    await page.getByRole("button", { name: "Authorize crm", exact: true }).click();
    const link = page.getByRole("link", { name: /^Go to 127\.0\.0\.1:\d+$/ });
    await shows(page.locator("main"), new URL(issuer().origin).host);
    await accessible(page);
    await link.click();
    await page.waitForURL(/#\/authorized$/);
  };

  scenario("a person authorizes a server, and the code stays in no address", options, async ({ page, watch }) => {
    watch.allow(/request to another host: http:\/\/127\.0\.0\.1:\d+\/authorize/);
    issuer().brings = { code: "code-1" };
    await leave(page);
    await shows(page.locator("main"), /crm can be used[^]*Its rights: read/);
    assert.doesNotMatch(page.url(), /code|state=/);
    await accessible(page);
    // What was handed over is good for nothing more.
    await page.reload();
    await shows(page.locator("main"), "There is nothing to hand over");
    assert.equal(issuer().asked.filter((path) => path === "/token").length, 1);
  });

  scenario("a refusal is told in plain words", options, async ({ page, watch }) => {
    watch.allow(/request to another host: http:\/\/127\.0\.0\.1:\d+\/authorize/);
    issuer().brings = { error: "access_denied", error_description: "<img src=x> They said no." };
    await leave(page);
    await shows(page.locator("main"), /crm was not allowed[^]*access_denied[^]*<img src=x> They said no\./);
    await accessible(page);
    await page.getByRole("link", { name: "Try again" }).click();
    await shows(page.getByRole("heading", { level: 1 }), "Authorize crm");
  });

  scenario("what came back wrongly is not used", options, async ({ page, watch }) => {
    watch.allow(/status (409|422|503)/, /Failed to load resource/);
    await page.goto("/oauth/callback?code=x&state=nobody");
    await shows(page.locator("main"), /Nobody waits for this answer[^]*open a new link/);
    await accessible(page);
    await page.goto("/oauth/start?server=gone");
    await page.getByRole("button", { name: "Authorize gone", exact: true }).click();
    await shows(page.getByRole("alert"), /cannot be authorized[^]*whoever runs the server/);
    await accessible(page);
    await page.goto("/oauth/callback");
    await shows(page.locator("main"), "There is nothing to hand over");
  });
}
