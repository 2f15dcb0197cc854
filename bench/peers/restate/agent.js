// A virtual object per session, as Restate's docs say for sessions of agents: its messages are the object's state, a run
// is one invocation of its handler, and each call of the model and of the tool is a durable step of it.
import * as restate from "@restatedev/restate-sdk";
import { listen, Watchers } from "../front.js";
import { call, history, isDone, lookup, message } from "../model.js";

const ITERATIONS_MAX = 6;
const watchers = new Watchers();

const agent = restate.object({
  name: "agent",
  handlers: {
    run: async (ctx, { task, tools, messages: before }) => {
      const messages = (await ctx.get("messages")) ?? history(before);
      messages.push({ role: "user", content: task });
      let result = "";
      for (let turn = 1; turn <= ITERATIONS_MAX; turn += 1) {
        const answer = await ctx.run(`model ${turn}`, () => call(process.env, `${ctx.key}/${turn}`, messages, tools));
        messages.push(message(answer));
        for (const { id: tool_call_id, function: f } of answer.tool_calls) {
          const content = await ctx.run(`${f.name} ${tool_call_id}`, () => lookup(JSON.parse(f.arguments)));
          messages.push({ role: "tool", tool_call_id, content });
        }
        watchers.turn(ctx.key, turn);
        result = answer.content;
        if (answer.tool_calls.length === 0) {
          if (isDone(answer)) break;
          messages.push({ role: "user", content: "Continue." });
        }
      }
      ctx.set("messages", messages);
      return { result };
    },
  },
});

await restate.serve({ services: [agent], port: Number(process.env.SERVICE_PORT) });
await listen({ watch: (id, response) => watchers.watch(id, response, ended(id)) });

// Attaches to the invocation: the server answers when its end is durable. After a restart it may listen later than we do.
async function ended(id) {
  const url = `${process.env.INGRESS_URL}/restate/invocation/agent/${id}/run/${id}/attach`;
  for (;;) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return response.json();
    if (response !== undefined && response.status !== 503) throw new Error(`${response.status}: ${await response.text()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
