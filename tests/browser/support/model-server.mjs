// A server of the Chat Completions API, for models that the embedded ones cannot play: what it says is up to the test.

import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./server.mjs";

/**
 * `reply({ model, messages, task, turn })` gives
 * `{ thoughts, text, tools, until, counts, firstMs, chunkMs, status, error }`: a text that is streamed word by word, after
 * thoughts and what `until` promises, the tools that it asks for, each with `name` and `arguments`, and its tokens if it
 * `counts`; or an error.
 */
export class ModelServer {
  constructor(reply) {
    this.reply = reply;
  }

  async start() {
    this.port = await freePort();
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    await new Promise((resolve) => this.server.listen(this.port, "127.0.0.1", resolve));
    return this;
  }

  get baseUrl() {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  async #answer(request, response) {
    let body = "";
    for await (const part of request) body += part;
    const { model, messages } = JSON.parse(body);
    const users = messages.filter(({ role }) => role === "user");
    const turn = 1 + messages.filter(({ role }) => role === "assistant").length;
    const asked = { model, messages, task: users[0]?.content ?? "", turn };
    const reply = await this.reply(asked);
    const { thoughts = "", text = "", tools = [], until, counts = true } = reply;
    const { firstMs = 0, chunkMs = 0, status = 200, error = "" } = reply;
    await sleep(firstMs);
    if (status !== 200) {
      response.writeHead(status, { "Content-Type": "application/json" });
      return response.end(JSON.stringify({ error: { message: error } }));
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const piece of thoughts.split(/(?<=\s)/).filter((part) => part !== "")) {
      const delta = { reasoning_content: piece };
      response.write(event({ model, choices: [{ index: 0, delta, finish_reason: null }] }));
    }
    await until;
    for (const piece of text.split(/(?<=\s)/)) {
      response.write(event({ model, choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] }));
      if (chunkMs > 0) await sleep(chunkMs);
    }
    for (const [index, { name, arguments: given }] of tools.entries()) {
      const called = { name, arguments: JSON.stringify(given) };
      const delta = { tool_calls: [{ index, id: `call_${turn}_${index}`, type: "function", function: called }] };
      response.write(event({ model, choices: [{ index: 0, delta, finish_reason: null }] }));
    }
    const finish_reason = tools.length > 0 ? "tool_calls" : "stop";
    response.write(event({ model, choices: [{ index: 0, delta: {}, finish_reason }] }));
    if (counts) response.write(event({ model, choices: [], usage: usageOf(messages, text) }));
    return response.end("data: [DONE]\n\n");
  }
}

function event(chunk) {
  return `data: ${JSON.stringify({ id: "test", object: "chat.completion.chunk", ...chunk })}\n\n`;
}

/** Four characters are about a token. */
function usageOf(messages, text) {
  const input = Math.ceil(messages.reduce((sum, { content }) => sum + (content?.length ?? 0), 0) / 4);
  const output = Math.ceil(text.length / 4);
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
