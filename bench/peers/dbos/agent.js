// A workflow per run, as DBOS's docs say for agents: each call of the model and of the tool is a step of it, recorded in
// Postgres.
import { DBOS } from "@dbos-inc/dbos-sdk";
import { listen, Watchers } from "../front.js";
import { call, history, isDone, lookup, message } from "../model.js";

const ITERATIONS_MAX = 6;
const watchers = new Watchers();
const handles = new Map();

async function run(messages, tools) {
  const id = DBOS.workflowID;
  let result = "";
  for (let turn = 1; turn <= ITERATIONS_MAX; turn += 1) {
    const ask = () => call(process.env, `${id}/${turn}`, messages, tools);
    const answer = await DBOS.runStep(ask, { name: `model ${turn}` });
    messages.push(message(answer));
    for (const { id: tool_call_id, function: f } of answer.tool_calls) {
      const look = async () => lookup(JSON.parse(f.arguments));
      const content = await DBOS.runStep(look, { name: `${f.name} ${tool_call_id}` });
      messages.push({ role: "tool", tool_call_id, content });
    }
    watchers.turn(id, turn);
    result = answer.content;
    if (answer.tool_calls.length === 0) {
      if (isDone(answer)) break;
      messages.push({ role: "user", content: "Continue." });
    }
  }
  return { result };
}

const workflow = DBOS.registerWorkflow(run, { name: "run" });
DBOS.setConfig({ name: "bench", systemDatabaseUrl: process.env.DATABASE_URL, logLevel: "warn" });
// This also recovers the workflows that a death interrupted.
await DBOS.launch();

await listen({
  // The start returns when the workflow and its input are recorded.
  async post(id, { task, tools, messages: before }) {
    const messages = [...history(before), { role: "user", content: task }];
    const handle = await DBOS.startWorkflow(workflow, { workflowID: id })(messages, tools);
    handles.set(id, handle);
    handle.getResult().catch(() => {}).finally(() => handles.delete(id));
  },
  // A handle of this process answers as soon as the end is recorded; any other asks the database again and again.
  async watch(id, response) {
    const handle = handles.get(id) ?? DBOS.retrieveWorkflow(id);
    await watchers.watch(id, response, handle.getResult({ pollingIntervalMs: 50 }));
  },
});
