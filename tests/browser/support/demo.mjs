// A week of a made-up deployment, for pictures: rows of the index, and models that say sensible things.

import { randomBytes } from "node:crypto";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS = 7;

export const MODELS = ["openai:qwen2.5-32b-instruct", "openai:llama-3.3-70b-instruct", "openai:mistral-small-24b"];

/** USD per million tokens, for the variable PRICES. */
export const PRICES = {
  [MODELS[0]]: { input: 0.2, output: 0.4 },
  [MODELS[1]]: { input: 0.6, output: 0.8 },
  [MODELS[2]]: { input: 0.1, output: 0.3 },
};

/** How each model does: its share of the calls, its usual latency in milliseconds, and how often it fails how. */
const MANNERS = {
  [MODELS[0]]: { share: 0.45, latencyMs: 2_100, faults: { rate_limited: 0.02, timeout: 0.01, empty_response: 0.005 } },
  [MODELS[1]]: { share: 0.35, latencyMs: 3_900, faults: { server_error: 0.03, timeout: 0.02, empty_response: 0 } },
  [MODELS[2]]: { share: 0.2, latencyMs: 1_150, faults: { rate_limited: 0.01, timeout: 0, empty_response: 0.06 } },
};

const TASKS = [
  ["support-triage", "Sort this ticket and draft a reply: the export of invoices stops at 1,000 rows."],
  ["support-triage", "Sort this ticket and draft a reply: password reset mails arrive an hour late."],
  ["release-notes", "Write release notes for 2.14 from these 38 commits."],
  ["release-notes", "Write release notes for the hotfix of Tuesday."],
  ["invoice-check", "Compare invoice 2026-1187 with the purchase order and name every difference."],
  ["invoice-check", "Compare invoice 2026-1203 with the purchase order and name every difference."],
  ["research", "Summarise what changed in EU rules on data transfers since June, with sources."],
  ["research", "Which of our suppliers publish a carbon report? Give a table."],
  ["on-call", "Explain last night's alert storm from these logs, in ten lines."],
  ["on-call", "Find the deploy after which the error rate of checkout rose."],
];

/** Writes the week into the database (of `node:sqlite`): runs that ended, and the statistics of their calls. */
export function writeWeek(database, now, runs) {
  // One bad afternoon of one model.
  const trouble = now - (now % DAY_MS) - 2 * DAY_MS + 13 * HOUR_MS;
  const week = { random: randomOf(11), days: new Map(), isBad: (at) => at > trouble && at < trouble + 4 * HOUR_MS };
  const { random, days } = week;
  const insert = database.prepare(
    "INSERT INTO traces (tenant, accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, " +
      "iterations, attempts, resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, " +
      `metadata, task, result) VALUES (${Array(22).fill("?").join(", ")})`,
  );
  database.exec("BEGIN");
  for (let place = 0; place < runs; place += 1) {
    // More by day than by night.
    const at = now - Math.floor(((runs - place) / runs) * DAYS * DAY_MS) - 15 * 60_000;
    const hour = new Date(at).getUTCHours();
    if (random() > 0.35 + 0.65 * Math.sin((Math.PI * hour) / 24) ** 2) continue;
    insert.run(...row(at, week));
  }
  const upsert = database.prepare(
    "INSERT INTO model_days (tenant, day, model, counters, hours) VALUES ('local', ?, ?, ?, ?)",
  );
  for (const [key, hours] of days) {
    const [day, model] = JSON.parse(key);
    const sum = {};
    for (const counters of Object.values(hours)) for (const [name, n] of Object.entries(counters)) add(sum, name, n);
    upsert.run(day, model, JSON.stringify(sum), JSON.stringify(hours));
  }
  database.exec("COMMIT");
}

function row(at, week) {
  const { random } = week;
  const [agent, task] = TASKS[Math.floor(random() * TASKS.length)];
  const model = modelOf(random());
  const asked = 1 + Math.floor(random() * 4);
  const sum = { input: 0, output: 0, attempts: 0, failures: 0, tookMs: 0 };
  for (let call = 1; call <= asked && sum.failures < 2; call += 1) {
    sum.failures = 0;
    while (sum.failures < 2 && !attempt(at + sum.tookMs, model, week, sum)) sum.failures += 1;
  }
  const [status, reason, error] = endOf(sum.failures, random());
  const tier = random() < 0.3 ? "gold" : "standard";
  const metadata = `{\n"customer":"${100 + Math.floor(random() * 40)}"\n,\n"tier":"${tier}"\n}`;
  const cost = (sum.input * PRICES[model].input + sum.output * PRICES[model].output) / 1e6;
  const id = randomBytes(16).toString("hex");
  const resumed = random() < 0.04 ? 1 : 0;
  const place = ["local", at, id, id, 1, status, reason, error, agent, model, asked, sum.attempts + resumed, resumed];
  const usage = [sum.input, sum.output, sum.input + sum.output, cost];
  return [...place, ...usage, at + 4, at + sum.tookMs, metadata, task, error === null ? "Done." : null];
}

function endOf(failures, chance) {
  if (failures >= 2) return ["failed", "model_unavailable", "model_unavailable"];
  if (chance < 0.04) return ["failed", "empty_response", "empty_response"];
  if (chance < 0.07) return ["failed", "budget_cost", "budget_cost"];
  if (chance < 0.1) return ["cancelled", "cancelled", "cancelled"];
  return ["succeeded", "done", null];
}

/** Counts one attempt; whether it was answered. */
function attempt(at, model, { random, days, isBad: isBadAt }, sum) {
  const { latencyMs, faults } = MANNERS[model];
  const key = JSON.stringify([at - (at % DAY_MS), model]);
  if (!days.has(key)) days.set(key, {});
  const hours = days.get(key);
  const counters = (hours[`h${new Date(at).getUTCHours()}`] ??= {});
  sum.attempts += 1;
  let chance = random();
  const isBad = model === MODELS[1] && isBadAt(at);
  for (const [fault, share] of Object.entries(faults)) {
    chance -= isBad ? share * 4 : share;
    if (chance >= 0) continue;
    add(counters, `error.${fault}`, 1);
    sum.tookMs += fault === "timeout" ? 30_000 : 400;
    return false;
  }
  const spread = Math.exp((random() + random() + random() - 1.5) * 0.9) * (isBad ? 2.2 : 1);
  const took = Math.round(latencyMs * spread);
  const [input, output] = [600 + Math.floor(random() * 900), 120 + Math.floor(random() * 300)];
  add(counters, "answered", 1);
  add(counters, "input_tokens", input);
  add(counters, "output_tokens", output);
  add(counters, "total_tokens", input + output);
  add(counters, "cost_usd", (input * PRICES[model].input + output * PRICES[model].output) / 1e6);
  add(counters, `l${bucket(took)}`, 1);
  add(counters, `f${bucket(took * 0.22)}`, 1);
  sum.input += input;
  sum.output += output;
  sum.tookMs += took;
  return true;
}

/** The index counts times in logarithmic buckets, eight to a doubling. */
function bucket(ms) {
  return ms < 1 ? 0 : 1 + Math.floor(8 * Math.log2(ms));
}

function modelOf(chance) {
  let left = chance;
  return MODELS.find((model) => (left -= MANNERS[model].share) < 0) ?? MODELS[0];
}

function add(counters, name, n) {
  counters[name] = (counters[name] ?? 0) + n;
}

/** The same numbers each time. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export const OUTAGE =
  "Write the status page's report on the checkout outage of 18 November, from the timeline in the wiki.";
export const EXPLAIN = "Explain to a new customer, in three sentences, why an order may show as pending.";

const REPORT = [
  `Draft 1.

On 18 November between 09:12 and 09:47 UTC, one in five checkouts failed. A deploy at 09:10 doubled the number of connections that each worker keeps to the orders database, which then refused new ones. We rolled back at 09:41; the last failed checkout was at 09:47.`,
  `Draft 2, with the effect on customers first.

On 18 November between 09:12 and 09:47 UTC, about one in five customers could not pay. No order was charged twice and no order was lost. The cause was a deploy that used too many database connections; we rolled it back at 09:41.`,
  `Final report.

On 18 November, from 09:12 to 09:47 UTC, about one in five customers could not pay at checkout. Nobody was charged twice, and no order was lost. A deploy at 09:10 used more database connections than allowed; we rolled it back at 09:41. Deploys now stop by themselves when connections rise.

DONE`,
];

const EXPLANATIONS = {
  "qwen2.5-32b-instruct":
    "An order shows as pending while your bank confirms the payment, which usually takes a few minutes. Your card is not charged before that confirmation. If the order is still pending after one hour, please write to us and we will look into it.",
  "llama-3.3-70b-instruct":
    "An order shows as pending while your bank confirms the payment, which usually takes less than five minutes. Your card is not charged before the bank agrees. If the order is still pending after one hour, cancel it or write to us, and we will look into it at once.",
  "mistral-small-24b":
    "A pending order is one that your bank has not confirmed yet. This usually takes a few minutes, and your card is not charged before that. If it takes longer than one hour, please write to us.",
};

const PACES = { "qwen2.5-32b-instruct": 45, "llama-3.3-70b-instruct": 60, "mistral-small-24b": 25 };

/** The reply function of a model server: fails once where the pictures want a retry. */
export function demoReply() {
  const failed = new Set();
  return ({ model, task, turn }) => {
    if (task === EXPLAIN) return { text: EXPLANATIONS[model], firstMs: 20 * PACES[model] - 300, chunkMs: PACES[model] };
    if (task === OUTAGE && turn === 2 && !failed.has(task)) {
      failed.add(task);
      return { status: 503, firstMs: 600, error: "the model is overloaded, try again later" };
    }
    return { text: REPORT[Math.min(turn, REPORT.length) - 1], firstMs: 500, chunkMs: 40 };
  };
}
