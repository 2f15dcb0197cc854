// A Durable Object by hand, for this one purpose: what a runtime costs beside nothing.
//
// It makes the calls and the writes that a run cannot do without: six streamed chat completions, a row of JSON per turn
// and per result of a tool, the alarm set to now when a run is accepted (so that the platform covers the loop) and to the end of the
// retention when it is over. Absent: recovery, retries, budgets, traces, a stream to replay, idempotency, access, checks of what is posted.
import { DurableObject } from "cloudflare:workers";
import { call, history, isDone, lookup, message, Watchers } from "../model.js";

const ITERATIONS_MAX = 6;
const RETENTION_MS = 30 * 24 * 3_600_000;

export default {
  async fetch(request, env) {
    const [, runs, id] = new URL(request.url).pathname.split("/");
    if (runs !== "runs" || !id) return new Response("no such path", { status: 404 });
    return env.SESSIONS.getByName(id).fetch(request);
  },
};

export class Session extends DurableObject {
  seq = 1;
  calls = 0;
  messages = [];
  run = null;
  hasTable = false;
  driving = null;
  watchers = new Watchers();

  async fetch(request) {
    const id = new URL(request.url).pathname.split("/")[2];
    if (request.method === "POST") return this.accept(id, await request.json());
    if (this.run === null) return new Response("no such run", { status: 404 });
    return this.watchers.watch(id, this.run.status === "completed" ? { status: "completed" } : undefined);
  }

  async alarm() {
    await this.driving;
  }

  accept(id, { task, tools, messages }) {
    this.run = { id, task, tools, status: "running", result: null, iterations: 0 };
    if (messages > 0) {
      this.messages = history(messages);
      this.append([{ type: "history", messages: this.messages }]);
    }
    this.append([{ type: "run.accepted", task, tools, max_iterations: ITERATIONS_MAX }, this.begin({ role: "user", content: task })]);
    this.ctx.storage.setAlarm(Date.now());
    this.driving = this.drive();
    this.ctx.waitUntil(this.driving);
    return Response.json({ id, status: "queued" }, { status: 202 });
  }

  async drive() {
    const { run } = this;
    for (;;) {
      const started = Date.now();
      const answer = await call(this.env, `${run.id}/${this.calls}`, this.messages, run.tools);
      this.messages.push(message(answer));
      run.iterations += 1;
      const answered = { type: "model.answered", call: this.calls, iteration: run.iterations, ...answer, latency_ms: Date.now() - started };
      this.watchers.tell(run.id, "turn", answered);
      if (answer.tool_calls.length > 0) {
        this.append([answered, ...answer.tool_calls.map(({ id, function: f }) => ({ type: "tool.called", id, ...f }))]);
        const results = answer.tool_calls.map(({ id, function: f }) => ({
          role: "tool",
          tool_call_id: id,
          content: lookup(JSON.parse(f.arguments)),
        }));
        this.append([...results.map((result) => ({ type: "tool.answered", ...result })), this.begin(...results)]);
        continue;
      }
      if (!isDone(answer) && run.iterations < ITERATIONS_MAX) {
        this.append([answered, this.begin({ role: "user", content: "Continue." })]);
        continue;
      }
      run.status = "completed";
      run.result = answer.content;
      this.append([answered, { type: "run.ended", status: run.status, result: run.result, iterations: run.iterations }]);
      this.watchers.tell(run.id, "ended", { status: run.status });
      break;
    }
    await this.ctx.storage.setAlarm(Date.now() + RETENTION_MS);
  }

  begin(...messages) {
    this.calls += 1;
    this.messages.push(...messages);
    return { type: "model.called", call: this.calls, model: "tiny", message_count: this.messages.length + 1 };
  }

  append(entries) {
    const { sql } = this.ctx.storage;
    if (!this.hasTable) {
      sql.exec("CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, entries TEXT NOT NULL) STRICT");
      this.hasTable = true;
    }
    const at = Date.now();
    sql.exec("INSERT INTO journal (seq, entries) VALUES (?, ?)", this.seq, JSON.stringify(entries.map((entry) => ({ at, ...entry }))));
    this.seq += entries.length;
  }
}
