// Around the Worker: GET /gauge says what the isolate has used since the last question.
import { count, memories, rows } from "hook.js";
import Worker, { Session as Built, Tenant as BuiltTenant } from "built.js";

export * from "built.js";

export class Session extends Built {
  constructor(state, env) {
    super(state, env);
    count(state.storage.sql);
  }
}

export class Tenant extends BuiltTenant {
  constructor(state, env) {
    super(state, env);
    count(state.storage.sql);
  }
}

export default class extends Worker {
  fetch(request) {
    if (new URL(request.url).pathname !== "/gauge") return super.fetch(request);
    const wasm_bytes = memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
    return Response.json({ wasm_bytes, ...rows() });
  }
}
