// Runs the browser tests, after a build: `node tests/browser/run.mjs [suite …]`. Chromium is `CHROMIUM_BIN`, or
// Debian's; screenshots go to `LONGHAUL_ARTIFACTS`.

import { after, before } from "node:test";
import { tests as asked } from "./asked.test.mjs";
import { Issuer, tests as authorize, variables } from "./authorize.test.mjs";
import { tests as compare } from "./compare.test.mjs";
import { tests as crash } from "./crash.test.mjs";
import { HOSTILE, tests as hostile } from "./hostile.test.mjs";
import { tests as index } from "./index.test.mjs";
import { tests as keys } from "./keys.test.mjs";
import { tests as live, THINKER } from "./live.test.mjs";
import { tests as looks } from "./looks.test.mjs";
import { tests as misconfigured, WRONG } from "./misconfigured.test.mjs";
import { tests as models } from "./models.test.mjs";
import { tests as noIndex } from "./no-index.test.mjs";
import { TALKER, tests as reading, WRITER } from "./reading.test.mjs";
import { tests as session } from "./session.test.mjs";
import { harbour, tests as tools } from "./tools.test.mjs";
import { OPERATORS, tests as operators } from "./operators.test.mjs";
import { TOKENS, tests as tokens } from "./tokens.test.mjs";
import { closeBrowser } from "./support/browser.mjs";
import { fillIndex } from "./support/index.mjs";
import { ModelServer } from "./support/model-server.mjs";
import { configWithoutIndex, DevServer, freePort } from "./support/server.mjs";

const OTHERS = { authorize, asked, tokens, operators, misconfigured, "no-index": noIndex, tools, crash };
const SUITES = { live, session, reading, keys, compare, index, models, hostile, looks, ...OTHERS };
const TRACES = 1_000;

const named = process.argv.slice(2);
const chosen = Object.keys(SUITES).filter((name) => named.length === 0 || named.includes(name));
const wants = (...names) => names.some((name) => chosen.includes(name));

const servers = {};
let provider = null;
let issuer = null;

before(async () => {
  provider = await new ModelServer((asked) => {
    const { model } = asked;
    if (model === "harbour") return harbour(asked);
    if (model === THINKER.model) return THINKER.reply();
    for (const one of [WRITER, TALKER]) if (model === one.model) return { text: `${one.text}\nDONE` };
    if (model === "silent") return { text: "The ebb.\nDONE", counts: false };
    if (model === "gone") return { status: 404, error: "there is no such model" };
    if (model === "refuses") return { status: 400, error: "not today" };
    if (model.startsWith("hostile")) return { status: 400, error: HOSTILE.slice(0, 2_000) };
    return { text: `${HOSTILE}\nDONE` };
  }).start();
  const start = async (name, ...args) => {
    servers[name] = await new DevServer({ args }).start();
  };
  const startAuthorize = async () => {
    issuer = await new Issuer().start();
    const port = await freePort();
    const vars = Object.entries(variables(issuer, `http://127.0.0.1:${port}`));
    const args = vars.flatMap(([name, value]) => ["--var", `${name}:${value}`]);
    servers.authorize = await new DevServer({ args, port }).start();
  };
  const startTools = async () => {
    const args = ["--var", `OPENAI_BASE_URL:${provider.baseUrl}`];
    servers.tools = await new DevServer({ build: ["--example", "tools"], args }).start();
  };
  const tokens = Object.entries(TOKENS)
    .map((pair) => pair.join(":"))
    .join(",");
  // All are waited for: one that starts after another has failed would be left running.
  const started = await Promise.allSettled([
    chosen.some((name) => !["tools", "asked", "misconfigured", "operators", "authorize"].includes(name)) &&
      start("main", "--var", `OPENAI_BASE_URL:${provider.baseUrl}`),
    wants("tools", "asked") && startTools(),
    wants("authorize") && startAuthorize(),
    wants("tokens") && start("closed", "--var", "AUTH:tokens", "--var", `API_TOKENS:${tokens}`),
    wants("operators") && start("operated", "--var", "AUTH:tokens", "--var", `API_TOKENS:${OPERATORS}`),
    wants("misconfigured") &&
      start("wrong", ...Object.entries(WRONG).flatMap(([name, value]) => ["--var", `${name}:${value}`])),
    wants("no-index") && start("unindexed", "--config", configWithoutIndex()),
  ]);
  const failed = started.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  if (wants("index", "models", "looks", "no-index", "hostile")) await fillIndex(servers.main, TRACES);
});

after(async () => {
  await closeBrowser();
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  provider?.stop();
  issuer?.stop();
});

for (const name of chosen) {
  if (name === "tokens") SUITES[name](() => servers.closed);
  else if (name === "operators") SUITES[name](() => servers.operated);
  else if (name === "misconfigured") SUITES[name](() => servers.wrong);
  else if (name === "tools" || name === "asked") SUITES[name](() => servers.tools);
  else if (name === "authorize")
    SUITES[name](
      () => servers.authorize,
      () => issuer,
    );
  else
    SUITES[name](
      () => servers.main,
      () => servers.unindexed,
    );
}
