// What the contestants written in JavaScript by hand have in common: one streamed model call, the tool, the watchers.
export const RULE =
  "Work in as many turns as you need, at most 6. When the task is complete, end your answer with a line that says only DONE.";

export const TOOLS = [
  {
    type: "function",
    function: {
      name: "lookup",
      description: "Looks a key up.",
      parameters: { type: "object", properties: { key: { type: "string" } }, required: ["key"] },
    },
  },
];

export function lookup({ key }) {
  return `the value of ${key} is 42`;
}

// The conversation before the task.
export function history(count) {
  return Array.from({ length: count }, (_, index) =>
    index % 2 === 0
      ? { role: "user", content: `Continue with part ${index}.` }
      : { role: "assistant", content: "The tide comes in, the tide goes out, and neither asks who watches from the shore." },
  );
}

export function isDone(answer) {
  return answer.finish_reason === "stop" && answer.content.trimEnd().split("\n").at(-1).trim() === "DONE";
}

// One model call, its answer read as it is streamed.
export async function call(env, key, messages, tools, signal) {
  const response = await fetch(`${env.MODEL_URL}/v1/chat/completions`, {
    method: "POST",
    headers: { "Idempotency-Key": key, "Content-Type": "application/json", Accept: "text/event-stream, application/json" },
    body: JSON.stringify({
      model: "tiny",
      messages: [{ role: "system", content: RULE }, ...messages],
      ...(tools ? { tools: TOOLS } : {}),
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal: signal ?? AbortSignal.timeout(120_000),
  });
  if (!response.ok) throw new Error(`the model answered ${response.status}`);
  const answer = { content: "", tool_calls: [], finish_reason: null, usage: null };
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) take(answer, line);
  }
  return answer;
}

function take(answer, line) {
  if (!line.startsWith("data: ") || line === "data: [DONE]") return;
  const chunk = JSON.parse(line.slice(6));
  const choice = chunk.choices[0];
  answer.content += choice?.delta.content ?? "";
  for (const { index, id, function: part } of choice?.delta.tool_calls ?? []) {
    const call = (answer.tool_calls[index] ??= { id: "", type: "function", function: { name: "", arguments: "" } });
    call.id ||= id;
    call.function.name += part.name ?? "";
    call.function.arguments += part.arguments ?? "";
  }
  answer.finish_reason = choice?.finish_reason ?? answer.finish_reason;
  answer.usage = chunk.usage ?? answer.usage;
}

// The message of an answer, as the next request has it.
export function message(answer) {
  const { content, tool_calls } = answer;
  return tool_calls.length === 0 ? { role: "assistant", content } : { role: "assistant", content, tool_calls };
}

// Whoever watches runs of this object. Nothing is kept for a watcher: a late one learns the end alone.
export class Watchers {
  writers = new Map();
  encoder = new TextEncoder();

  // A stream of events of a run that is open or, if `ended`, over.
  watch(run, ended) {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    if (ended !== undefined) {
      this.send(writer, "ended", ended);
      writer.close().catch(() => {});
    } else {
      if (!this.writers.has(run)) this.writers.set(run, new Set());
      this.writers.get(run).add(writer);
      writer.closed.catch(() => this.writers.get(run)?.delete(writer));
    }
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  }

  tell(run, event, data) {
    for (const writer of this.writers.get(run) ?? []) {
      this.send(writer, event, data);
      if (event === "ended") writer.close().catch(() => {});
    }
    if (event === "ended") this.writers.delete(run);
  }

  send(writer, event, data) {
    writer.write(this.encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)).catch(() => {});
  }
}
