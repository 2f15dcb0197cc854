// `ThinkHarness` of the vendor's agents SDK, as its docs/harnesses/think.md says: the harness runs the loop of model and tool.
import { DurableObject } from "cloudflare:workers";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tool } from "ai";
import { z } from "zod";
import { ThinkHarness } from "agents/harness/think";
import { Lifecycle } from "agents/lifecycle";
import { history, lookup, RULE, Watchers } from "../model.js";

export default {
  async fetch(request, env) {
    const [, runs, id] = new URL(request.url).pathname.split("/");
    if (runs !== "runs" || !id) return new Response("no such path", { status: 404 });
    return env.SESSIONS.getByName(id).fetch(request);
  },
};

const text = (role, content) => ({ id: crypto.randomUUID(), role, parts: [{ type: "text", text: content }] });

export class Session extends DurableObject {
  watchers = new Watchers();
  harness = new ThinkHarness({
    model: createOpenAICompatible({ name: "bench", baseURL: `${this.env.MODEL_URL}/v1`, includeUsage: true })("tiny"),
    system: RULE,
    tools: {
      lookup: {
        ...tool({ description: "Looks a key up.", inputSchema: z.object({ key: z.string() }), execute: async (args) => lookup(args) }),
        // It may be repeated.
        recovery: "rerun",
      },
    },
    hooks: {
      onStepFinish: () => this.watchers.tell(this.id, "turn", {}),
      onTurnEnd: () => this.end(),
    },
  });
  lifecycle = Lifecycle.install(this).use(this.harness);

  get id() {
    return this.lifecycle.name;
  }

  async onRequest(request) {
    if (request.method === "POST") {
      const { task, messages } = await request.json();
      const before = history(messages).map(({ role, content }) => text(role, content));
      await this.harness.session().submit([...before, text("user", task)], { operationId: this.id });
      return Response.json({ id: this.id }, { status: 202 });
    }
    const status = await this.harness.session().inspect(this.id);
    if (status === undefined) return new Response("no such run", { status: 404 });
    return this.watchers.watch(this.id, this.outcome(status));
  }

  async end() {
    const outcome = this.outcome(await this.harness.session().inspect(this.id));
    this.watchers.tell(this.id, "ended", outcome ?? { status: "completed" });
  }

  outcome(status) {
    if (status.status === "queued" || status.status === "running") return undefined;
    return status.status === "done" ? { status: "completed" } : { status: status.status, reason: status.reason };
  }
}
