import assert from "node:assert/strict";
import { test } from "node:test";
import { groupsCsv, openRuns } from "../src/csv";
import type { StatsGroup } from "../src/openapi";

const HEAD = "runs,open,succeeded,failed,cancelled,resumed,input_tokens,output_tokens,total_tokens,cost_usd";

test("a table of labels has a line a value, with exact figures and nothing for the unknown", () => {
  const known = group("117", { cost_usd: 0.000123456789 });
  const unknown = group(null, { input_tokens: null, output_tokens: null, total_tokens: null });
  const csv = groupsCsv({ by: "metadata.customer", groups: [known, unknown], rest: group(null) });
  const lines = [
    `metadata.customer,${HEAD}`,
    "117,7,2,3,1,1,1,10,20,30,0.000123456789",
    ",7,2,3,1,1,1,,,,",
    "(all others),7,2,3,1,1,1,10,20,30,",
    "",
  ];
  assert.equal(csv, lines.join("\r\n"));
});

test("no value is a formula, a cell or a line of its own", () => {
  const values = ["=1+1", "+1", "-1", "@x", '=HYPERLINK("x","y")', 'a,"b"\r\nc', "plain = text"];
  const csv = groupsCsv({ by: "metadata.x", groups: values.map((value) => group(value)), rest: null });
  const shown = csv.split(",7,2,3").map((part) => part.slice(part.lastIndexOf(",1,10,20,30,") + 1));
  for (const value of ["'=1+1", "'+1", "'-1", "'@x", `"'=HYPERLINK(""x"",""y"")"`, '"a,""b""\r\nc"', "plain = text"]) {
    assert(shown.some((part) => part.endsWith(value)), `${value} in ${csv}`);
  }
});

test("what is queued, runs or waits is open", () => {
  assert.equal(openRuns(group("a", {}, { queued: 1, running: 2, waiting: 4, failed: 8 })), 7);
});

function group(value: string | null, usage: object = {}, statuses: Record<string, number> = STATUSES): StatsGroup {
  const used = { input_tokens: 10, output_tokens: 20, total_tokens: 30, cost_usd: null, ...usage };
  return { value, runs: 7, statuses, resumed: 1, usage: used, models: [] };
}

const STATUSES = { queued: 1, running: 1, succeeded: 3, failed: 1, cancelled: 1 };
