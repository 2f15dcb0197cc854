// `Tasks` of the vendor's agents SDK, as its docs/tasks.md says: a run is a task, each model call and each call of the tool a step of it.
// The watchers are in memory: Tasks has no stream of its own.
import { DurableObject } from "cloudflare:workers";
import { Lifecycle } from "agents/lifecycle";
import { Tasks } from "agents/tasks";
import { call, history, isDone, lookup, message, Watchers } from "../model.js";

const ITERATIONS_MAX = 6;

export default {
  async fetch(request, env) {
    const [, runs, id] = new URL(request.url).pathname.split("/");
    if (runs !== "runs" || !id) return new Response("no such path", { status: 404 });
    return env.SESSIONS.getByName(id).fetch(request);
  },
};

export class Session extends DurableObject {
  watchers = new Watchers();
  tasks = new Tasks({ definitions: { "run@v1": (input, step) => this.drive(input, step) } });
  lifecycle = Lifecycle.install(this).use(this.tasks);

  async onRequest(request) {
    const id = new URL(request.url).pathname.split("/")[2];
    if (request.method === "POST") {
      await this.tasks.run("run@v1", { id, ...(await request.json()) }, { runId: id });
      return Response.json({ id }, { status: 202 });
    }
    const run = await this.tasks.get(id);
    if (run === null) return new Response("no such run", { status: 404 });
    return this.watchers.watch(id, ["completed", "failed", "cancelled"].includes(run.state) ? { status: run.state } : undefined);
  }

  async drive({ id, task, tools, messages: before }, step) {
    const messages = [...history(before), { role: "user", content: task }];
    let result = "";
    for (let turn = 1; turn <= ITERATIONS_MAX; turn += 1) {
      const answer = await step.do(`model:${turn}`, ({ idempotencyKey, signal }) => call(this.env, idempotencyKey, messages, tools, signal));
      messages.push(message(answer));
      this.watchers.tell(id, "turn", { turn, ...answer });
      for (const { id: tool_call_id, function: f } of answer.tool_calls) {
        const content = await step.do(`tool:${tool_call_id}`, () => lookup(JSON.parse(f.arguments)));
        messages.push({ role: "tool", tool_call_id, content });
      }
      result = answer.content;
      if (answer.tool_calls.length === 0) {
        if (isDone(answer)) break;
        messages.push({ role: "user", content: "Continue." });
      }
    }
    // The record is settled in the same turn of the event loop, or soon after; who asks again is told by it.
    queueMicrotask(() => this.watchers.tell(id, "ended", { status: "completed" }));
    return { result };
  }
}
