// The loop of the Nexus article on agents of Workers AI, with the published client: one trace, one span per model call.
// Three things differ. The model is asked over HTTP, like everybody else's, in place of `env.AI.run`. A span is added after its
// call, as the client's own README does: the published client has no `span.end`. And an answer may call the tool.
import { NexusClient } from "@keylightdigital/nexus";
import { call, history, isDone, lookup, message } from "../model.js";

export default {
  async fetch(request, env) {
    const [, runs, id] = new URL(request.url).pathname.split("/");
    if (runs !== "runs" || !id || request.method !== "POST") return new Response("no such path", { status: 404 });
    const { task, tools, messages: before } = await request.json();
    const nexus = new NexusClient({ apiKey: env.NEXUS_API_KEY, agentId: "workers-ai-agent", baseUrl: env.MODEL_URL });
    const model = "@cf/meta/llama-3-8b-instruct";
    const trace = await nexus.startTrace({ name: `agent: ${task.slice(0, 60)}`, metadata: { model } });
    const messages = [...history(before), { role: "user", content: task }];
    let iteration = 0;
    try {
      while (iteration < 6) {
        iteration += 1;
        const input = { iteration, message_count: messages.length };
        const start = Date.now();
        const answer = await call(env, `${id}/${iteration}`, messages, tools);
        await trace.addSpan({
          name: `llm-call-${iteration}`,
          input,
          output: {
            latency_ms: Date.now() - start,
            output_tokens: answer.usage?.completion_tokens ?? null,
            input_tokens: answer.usage?.prompt_tokens ?? null,
          },
        });
        messages.push(message(answer));
        for (const { id: tool_call_id, function: f } of answer.tool_calls) {
          messages.push({ role: "tool", tool_call_id, content: lookup(JSON.parse(f.arguments)) });
        }
        if (isDone(answer) || iteration >= 6) break;
        if (answer.tool_calls.length === 0) messages.push({ role: "user", content: "Continue." });
      }
      await trace.end({ status: "success" });
      return Response.json({ result: messages.at(-1).content });
    } catch (error) {
      await trace.end({ status: "error" });
      throw error;
    }
  },
};
