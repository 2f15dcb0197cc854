// Stands before a worker while rows are counted, never while time is measured: counts what the platform bills of its
// objects' storage, and changes nothing of it. `GET /bench/counts` gives the counts.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import worker from "./index.js";

export * from "./index.js";

const counts = { rowsWritten: 0, rowsRead: 0, alarms: 0 };
let cursors = [];
let isPatched = false;

async function answer(request, env, ask) {
  if (!isPatched) await env.PROBE.getByName("probe").fetch("http://probe/");
  if (new URL(request.url).pathname !== "/bench/counts") return ask();
  add();
  return Response.json(counts);
}

// A worker is an object with handlers, or a class.
export default typeof worker === "function"
  ? class extends WorkerEntrypoint {
      fetch(request) {
        return answer(request, this.env, () => new worker(this.ctx, this.env).fetch(request));
      }
    }
  : { fetch: (request, env, ctx) => answer(request, env, () => worker.fetch(request, env, ctx)) };

// An object of our own, for the prototypes that all objects of this isolate share.
export class Probe extends DurableObject {
  fetch() {
    if (!isPatched) {
      const { storage } = this.ctx;
      const { sql, kv } = storage;
      wrap(sql, "exec", (cursor) => {
        cursors.push(cursor);
        if (cursors.length > 1_000) add();
      });
      const row = (count) => () => (counts.rowsWritten += count);
      for (const name of ["setAlarm", "deleteAlarm"])
        wrap(storage, name, () => {
          counts.alarms += 1;
          counts.rowsWritten += 1;
        });
      for (const name of ["put", "delete"]) {
        wrap(storage, name, row(1));
        if (kv) wrap(kv, name, row(1));
      }
      if (kv) wrap(kv, "get", () => (counts.rowsRead += 1));
      wrap(storage, "get", () => (counts.rowsRead += 1));
      isPatched = true;
    }
    return new Response("counting");
  }
}

function wrap(object, name, note) {
  const prototype = Object.getPrototypeOf(object);
  const original = prototype[name];
  prototype[name] = function (...args) {
    const result = original.apply(this, args);
    note(result);
    return result;
  };
}

// A cursor knows what it has read and written when it is at its end.
function add() {
  for (const cursor of cursors) {
    counts.rowsWritten += cursor.rowsWritten;
    counts.rowsRead += cursor.rowsRead;
  }
  cursors = [];
}
