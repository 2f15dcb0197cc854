// Runs the dashboard's unit tests: `node dashboard/test.mjs`. They are bundled first, so that Node 20 runs them.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "longhaul-dashboard-"));
try {
  const tests = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts"));
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: tests.map((name) => join("test", name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    jsx: "automatic",
    jsxImportSource: "preact",
    sourcemap: "inline",
    logLevel: "warning",
  });
  const bundles = tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
  const env = { ...process.env, LONGHAUL_DASHBOARD: root };
  const node = ["--enable-source-maps", "--test", ...bundles];
  const { status } = spawnSync(process.execPath, node, { stdio: "inherit", env });
  process.exitCode = status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
