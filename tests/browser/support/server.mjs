// The worker that the tests look at: `cargo xtask dev`, with storage in a directory of its own.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = process.env.LONGHAUL_ROOT ?? join(dirname(fileURLToPath(import.meta.url)), "../../..");

const CARGO = process.env.CARGO ?? "cargo";
/** Setting up and building from nothing takes minutes; only a failure takes longer than this. */
const READY_WITHIN_MS = 600_000;
const POLL_MS = 50;
const STOP_WITHIN_MS = 5_000;
/** Another program may take a free port before the server does. */
const STARTS_MAX = 5;
const PORT_TAKEN = "Address already in use";

/** Everything that runs, to be ended whatever happens. */
const running = new Set();

/** A directory that is gone when this program ends. */
export function temporaryDirectory(name) {
  const path = mkdtempSync(join(tmpdir(), `longhaul-${name}-`));
  process.on("exit", () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  return path;
}

export class DevServer {
  #child = null;
  #log = "";

  /** `args` are wrangler's, `build` are those of the build. It does not run before `start`. */
  constructor({ storage = temporaryDirectory("storage"), args = [], build = [], port = null } = {}) {
    this.storage = storage;
    this.args = args;
    this.build = build;
    this.port = port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What it wrote, to be shown when a test fails. */
  get log() {
    return this.#log;
  }

  /** Starts it, on the port it had before; returns when it answers. */
  async start() {
    const hadPort = this.port !== null;
    for (let left = STARTS_MAX - 1; ; left -= 1) {
      this.port ??= await freePort();
      this.#log = "";
      try {
        return await this.#serve();
      } catch (error) {
        running.delete(this);
        this.#child = null;
        if (left === 0 || !this.#log.includes(PORT_TAKEN)) throw error;
        if (!hadPort) this.port = null;
      }
    }
  }

  async #serve() {
    const args = ["xtask", "dev", ...this.build, "--", "--port", String(this.port), "--persist-to", this.storage, ...this.args];
    const child = spawn(CARGO, args, { cwd: ROOT, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    running.add(this);
    let end = null;
    child.on("error", (error) => (end = String(error)));
    child.on("exit", (code, signal) => (end = `ended with ${signal ?? code}`));
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (this.#log += text));
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await this.#answers())) {
      if (end !== null || Date.now() > deadline) {
        throw new Error(`cargo xtask dev does not serve: ${end ?? "it is silent"}\n${this.#log}`);
      }
      await sleep(POLL_MS);
    }
    return this;
  }

  /** SIGKILL to every process of it at once: what a power cut leaves behind. */
  async kill9() {
    const child = this.#child;
    this.#child = null;
    running.delete(this);
    if (child === null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    signal([child.pid, ...descendants(child.pid)], "SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await ended;
  }

  /** Ends it as Ctrl-C does. */
  async stop() {
    const child = this.#child;
    if (child === null) return;
    const all = [child.pid, ...descendants(child.pid)];
    signal([-child.pid], "SIGTERM");
    const deadline = Date.now() + STOP_WITHIN_MS;
    while (all.some(isRunning) && Date.now() < deadline) await sleep(POLL_MS);
    await this.kill9();
  }

  async #answers() {
    try {
      return (await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(10_000) })).ok;
    } catch {
      return false;
    }
  }

  /** For the end of this program, which waits for nothing. */
  abandon() {
    if (this.#child) signal([this.#child.pid, ...descendants(this.#child.pid)], "SIGKILL");
  }
}

process.on("exit", () => {
  for (const server of running) server.abandon();
});
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => process.exit(1));

/**
 * The configuration of the worker as it is built, in a directory of its own, without its index and without a build:
 * for `--config`. Returns its path.
 */
export function configWithoutIndex() {
  const lines = readFileSync(join(ROOT, "wrangler.toml"), "utf8").split("\n");
  let isLeftOut = false;
  const kept = lines.filter((line) => {
    if (/^\s*\[/.test(line)) isLeftOut = /^\s*\[\[?(d1_databases|build)\]/.test(line);
    return !isLeftOut;
  });
  const absolute = kept.map((line) =>
    line.replace(/^(main|directory) = "(.*)"/, (_, name, path) => `${name} = "${join(ROOT, path)}"`),
  );
  const path = join(temporaryDirectory("config"), "wrangler.toml");
  writeFileSync(path, absolute.join("\n"));
  return path;
}

/**
 * A port below the ephemeral range: there, a poll of a port that nobody listens on yet could connect to itself, and
 * hold the port against the server.
 */
export async function freePort() {
  const first = 20_000 + (process.pid % 9_000);
  for (let port = first; port < first + 1_000; port += 1) {
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`loopback has no free port from ${first} on`);
}

const given = new Set();

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** The processes below one, which `cargo xtask dev` puts into groups of their own. */
function descendants(pid) {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const rows = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) found.push(...rows.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  return found.slice(1);
}

function signal(pids, name) {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself, which is as good.
    }
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
