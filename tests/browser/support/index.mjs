// Traces in a server's index, more than a test could run.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./server.mjs";

/** Where wrangler keeps the databases, below its state. */
const DATABASES = "v3/d1/miniflare-D1DatabaseObject";

/** Writes traces of the tenant `local` into the index of a server that has started. */
export async function fillIndex(server, traces) {
  const args = ["run", "--quiet", "--package", "longhaul-bench", "--", "index", "generate"];
  const content = ["--file", databaseOf(server), "--traces", String(traces), "--tenant", "local"];
  const child = spawn(process.env.CARGO ?? "cargo", [...args, ...content], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (text) => (log += text));
  const code = await new Promise((resolve) => child.on("exit", resolve));
  if (code !== 0) throw new Error(`the index was not filled:\n${log}`);
}

/** The SQLite file of the server's D1. */
export function databaseOf(server) {
  const directory = join(server.storage, DATABASES);
  const file = readdirSync(directory).find((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
  if (file === undefined) throw new Error(`there is no database in ${directory}`);
  return join(directory, file);
}
