// The far side of the `AI` binding: it asks the model server's `/ai` for every answer. The near side is workerd's own
// client, as it is deployed.

import { WorkerEntrypoint } from "cloudflare:workers";

// What the client adds by itself; every other header is one that the caller gave.
const OWN_HEADERS = /^(content-|cf-consn-|host$)/;

export class Ai extends WorkerEntrypoint {
  async fetch(request) {
    // What wrangler puts in the binding's place on a machine without an account.
    if (this.env.FAR_SIDE === "") throw new Error("Binding AI needs to be run remotely");
    const { inputs, options } = await request.json();
    const extraHeaders = Object.fromEntries([...request.headers].filter(([name]) => !OWN_HEADERS.test(name)));
    const body = JSON.stringify({
      model: request.headers.get("cf-consn-model-id"),
      url: request.url,
      input: { ...inputs, stream: this.env.STREAMS && inputs.stream === true },
      asked_to_stream: inputs.stream === true,
      options: { ...options, extraHeaders },
    });
    const answer = await fetch(`${this.env.FAR_SIDE}/ai`, { method: "POST", body, headers: extraHeaders });
    const headers = new Headers(answer.headers);
    if (!new URL(request.url).pathname.startsWith("/ai-gateway/")) headers.delete("cf-aig-log-id");
    if (answer.ok) return new Response(answer.body, { headers });
    const fault = { internalCode: answer.status, description: await answer.text(), name: "InferenceUpstreamError" };
    headers.delete("content-length");
    return new Response(JSON.stringify(fault), { status: answer.status, headers });
  }
}

export default {
  fetch() {
    return new Response("not here", { status: 404 });
  },
};
