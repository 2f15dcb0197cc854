// Builds the dashboard into dist/ or elsewhere: `node dashboard/build.mjs [--out DIR] [--watch]`. The packages are those
// of a node_modules above, or of NODE_PATH: the sources may be where nothing is installed.
//
// The same sources give the same bytes. Scripts and styles are named by their content, so that they may be cached for
// ever; only index.html is asked for again.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { problemsPage } from "./problems.mjs";

const esbuild = createRequire(import.meta.url)("esbuild");

/** All files of the page together, compressed. */
const PAGE_GZIP_BYTES_MAX = 150 * 1024;

/** Files that are served as they stand, and files that say how. */
const COPIED = ["_headers", "_redirects", "favicon.svg", "openapi.json"];

/** The page itself, and the addresses by which people come from outside: its router has them in the fragment. */
const PAGES = ["index.html", "oauth/callback.html", "oauth/start.html"];

const root = dirname(fileURLToPath(import.meta.url));
const out = process.argv.indexOf("--out");
const dist = out < 0 ? join(root, "dist") : resolve(process.argv[out + 1]);
const statics = join(root, "static");

const options = {
  absWorkingDir: root,
  entryPoints: { app: "src/main.tsx" },
  entryNames: "assets/[name]-[hash]",
  outdir: dist,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "utf8",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  plugins: [{ name: "page", setup: (build) => build.onEnd(writePage) }],
};

if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  const { errors } = await esbuild.build(options).catch((failure) => failure);
  if (errors?.length > 0 || !report()) process.exitCode = 1;
}

/** Writes what refers to the bundles, and removes the bundles of earlier builds. */
function writePage({ errors, metafile }) {
  if (errors.length > 0) return;
  const written = Object.keys(metafile.outputs).map((path) => relative(dist, join(root, path)).replaceAll("\\", "/"));
  const bundle = (extension) => `/${written.find((path) => path.endsWith(extension))}`;
  mkdirSync(dist, { recursive: true });
  for (const path of files(dist)) if (!written.includes(path)) rmSync(join(dist, path));
  for (const name of COPIED) copyFileSync(join(statics, name), join(dist, name));
  const html = readFileSync(join(statics, "index.html"), "utf8");
  const page = html.replace("{{js}}", () => bundle(".js")).replace("{{css}}", () => bundle(".css"));
  mkdirSync(join(dist, "oauth"), { recursive: true });
  for (const name of PAGES) writeFileSync(join(dist, name), page);
  const problems = readFileSync(join(root, "problems.md"), "utf8");
  writeFileSync(join(dist, "problems.html"), problemsPage(problems, bundle(".css")));
}

/** Prints the compressed sizes; false when the page is over its budget. */
function report() {
  let total = 0;
  for (const path of files(dist).filter((path) => !path.startsWith("_"))) {
    const bytes = gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
    total += bytes;
    console.log(`${kib(bytes)}  ${path}`);
  }
  console.log(`${kib(total)}  in all, gzip; the limit is ${PAGE_GZIP_BYTES_MAX / 1024} KiB`);
  if (total > PAGE_GZIP_BYTES_MAX) console.error("error: the dashboard is over its limit");
  return total <= PAGE_GZIP_BYTES_MAX;
}

function files(folder, prefix = "") {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? files(path, `${prefix}${name}/`) : [`${prefix}${name}`];
    });
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
}
