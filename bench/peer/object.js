// What longhaul is measured against: the same run, written by hand for one purpose.
//
// It makes the same calls and the same writes: six streamed chat completions, a row of JSON per turn, the alarm set to
// now when a run is accepted (so that the platform covers the loop) and to the end of the retention when it is over.
// Absent: recovery, retries, budgets, traces, watchers, idempotency, access, checks of what is posted.
import { DurableObject } from "cloudflare:workers";

const ITERATIONS_MAX = 6;
const TIMEOUT_MS = 120_000;
const RETENTION_MS = 30 * 24 * 3_600_000;
const RULE =
  "Work in as many turns as you need, at most 6. When the task is complete, end your answer with a line that says only DONE.";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, , , session, , run] = url.pathname.split("/");
    if (request.method === "POST") {
      const { task } = await request.json();
      if (typeof task !== "string" || task === "") return new Response("a task, please", { status: 422 });
      const id = session ?? crypto.randomUUID().replaceAll("-", "");
      return env.SESSIONS.getByName(`peer/${id}`).fetch(url, { method: "POST", body: JSON.stringify({ id, task }) });
    }
    return run === undefined
      ? new Response("no such path", { status: 404 })
      : env.SESSIONS.getByName(`peer/${session}`).fetch(url);
  },
};

export class Session extends DurableObject {
  seq = 1;
  calls = 0;
  messages = [];
  runs = [];
  hasTable = false;
  driving = null;

  async fetch(request) {
    if (request.method === "POST") return this.accept(await request.json());
    const run = this.runs[Number(new URL(request.url).pathname.split("/")[5]) - 1];
    if (run === undefined) return new Response("no such run", { status: 404 });
    await run.ended;
    return Response.json({ session: this.id, run: run.number, status: run.status, result: run.result });
  }

  async alarm() {
    await this.driving;
  }

  accept({ id, task }) {
    this.id = id;
    const run = { number: this.runs.length + 1, task, status: "queued", result: null, iterations: 0 };
    run.ended = new Promise((resolve) => (run.end = resolve));
    this.runs.push(run);
    const accepted = { type: "run.accepted", task, agent: "default", model: this.env.MODEL, max_iterations: ITERATIONS_MAX };
    this.append(run, this.driving === null ? [accepted, this.begin(run, task)] : [accepted]);
    if (this.driving === null) {
      this.ctx.storage.setAlarm(Date.now());
      this.driving = this.drive(run);
      this.ctx.waitUntil(this.driving);
    }
    return Response.json({ session: id, run: run.number, status: "queued" }, { status: 202 });
  }

  async drive(run) {
    while (run !== undefined) {
      const answer = await this.call(run);
      this.messages.push({ role: "assistant", content: answer.content });
      run.iterations += 1;
      const lines = answer.content.trimEnd().split("\n");
      const isDone = answer.finish_reason === "stop" && lines.at(-1).trim() === "DONE";
      const answered = { type: "model.answered", call: this.calls, iteration: run.iterations, ...answer };
      if (!isDone && run.iterations < ITERATIONS_MAX) {
        this.append(run, [answered, this.begin(run, "Continue.")]);
        continue;
      }
      run.status = "succeeded";
      run.result = isDone ? lines.slice(0, -1).join("\n") : answer.content;
      const ended = { type: "run.ended", status: run.status, result: run.result, iterations: run.iterations };
      const next = this.runs[run.number];
      this.append(run, next === undefined ? [answered, ended] : [answered, ended, this.begin(next, next.task)]);
      run.end();
      run = next;
    }
    this.driving = null;
    await this.ctx.storage.setAlarm(Date.now() + RETENTION_MS);
  }

  begin(run, content) {
    run.status = "running";
    this.calls += 1;
    this.messages.push({ role: "user", content });
    return { type: "model.called", call: this.calls, model: this.env.MODEL, message_count: this.messages.length + 1 };
  }

  append(run, entries) {
    const { sql } = this.ctx.storage;
    if (!this.hasTable) {
      sql.exec("CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, entries TEXT NOT NULL) STRICT");
      this.hasTable = true;
    }
    const at = Date.now();
    const text = JSON.stringify(entries.map((entry) => ({ run: run.number, at, ...entry })));
    sql.exec("INSERT INTO journal (seq, entries) VALUES (?, ?)", this.seq, text);
    this.seq += entries.length;
  }

  async call(run) {
    const started = Date.now();
    const response = await fetch(`${this.env.OPENAI_BASE_URL}/chat/completions`, {
      method: "POST",
      headers: {
        "Idempotency-Key": `${this.id}/${run.number}/${this.calls}`,
        "Content-Type": "application/json",
        Accept: "text/event-stream, application/json",
      },
      body: JSON.stringify({
        model: this.env.MODEL,
        messages: [{ role: "system", content: RULE }, ...this.messages],
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the model answered ${response.status}`);
    const answer = { content: "", finish_reason: null, usage: null };
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of response.body) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) take(answer, line);
    }
    return { ...answer, latency_ms: Date.now() - started };
  }
}

function take(answer, line) {
  if (!line.startsWith("data: ") || line === "data: [DONE]") return;
  const chunk = JSON.parse(line.slice(6));
  const choice = chunk.choices[0];
  answer.content += choice?.delta.content ?? "";
  answer.finish_reason = choice?.finish_reason ?? answer.finish_reason;
  answer.usage = chunk.usage ?? answer.usage;
}
