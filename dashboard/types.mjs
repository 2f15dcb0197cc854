// Writes `src/openapi.ts` from `static/openapi.json`: the API's types and limits. With `--check` it compares instead.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const root = dirname(fileURLToPath(import.meta.url));
const source = join(root, "static/openapi.json");
const target = join(root, "src/openapi.ts");

const document = JSON.parse(readFileSync(source, "utf8"));
const types = await openapiTS(pathToFileURL(source), { rootTypes: true, rootTypesNoSchemaPrefix: true });
const made = `// Generated from static/openapi.json: do not edit, run \`cargo xtask openapi\`.

${astToString(types)}
/** Limits of the API: sizes in bytes, the rest as counts. */
export const LIMITS = ${JSON.stringify(document["x-limits"], null, 2)} as const;
`;

if (!process.argv.includes("--check")) {
  writeFileSync(target, made);
} else if (readFileSync(target, "utf8") !== made) {
  console.error("dashboard/src/openapi.ts is not what static/openapi.json says: run `cargo xtask openapi`");
  process.exitCode = 1;
}
