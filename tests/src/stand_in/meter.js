// Around the Worker: POST /meter says what its isolate has done since the last question, GET /meter whether it is busy.
import { crossings, source } from "crossings.js";
import Worker, { Session as Built, Tenant as BuiltTenant } from "built.js";

export * from "built.js";

const busy = { requests: 0, alarms: 0, in_flight: 0 };
let cursors = [];
let used = nothing();

function nothing() {
  return { rows_read: 0, rows_written: 0, alarms_written: 0, statements: {} };
}

function one(counts, name) {
  counts[name] = (counts[name] ?? 0) + 1;
}

// In flight until it has settled.
function held(promise) {
  busy.in_flight += 1;
  const letGo = () => {
    busy.in_flight -= 1;
  };
  Promise.resolve(promise).then(letGo, letGo);
  return promise;
}

// The methods of an object of the platform are counted for all objects of its kind.
function counted(prototype, method, count) {
  const inner = prototype[method];
  if (inner.counts) return;
  prototype[method] = function (...args) {
    const result = inner.apply(this, args);
    count(args, result);
    return result;
  };
  prototype[method].counts = true;
}

function measured(Built) {
  return class extends Built {
    constructor(state, env) {
      const waitUntil = state.waitUntil;
      state.waitUntil = (promise) => waitUntil.call(state, held(promise));
      super(state, env);
      const storage = Object.getPrototypeOf(state.storage);
      counted(Object.getPrototypeOf(state.storage.sql), "exec", ([statement], cursor) => {
        one(used.statements, statement);
        cursors.push(cursor);
      });
      counted(storage, "transactionSync", () => one(used.statements, "(transaction)"));
      counted(storage, "setAlarm", () => {
        used.alarms_written += 1;
      });
      counted(storage, "deleteAlarm", () => {
        used.alarms_written += 1;
      });
    }

    fetch(request) {
      busy.requests += 1;
      return held(super.fetch(request));
    }

    alarm(info) {
      busy.alarms += 1;
      return held(super.alarm(info));
    }
  };
}

export const Session = measured(Built);
export const Tenant = measured(BuiltTenant);

export default class extends Worker {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/meter/source") return Response.json(source());
    if (pathname !== "/meter") return held(super.fetch(request));
    return Response.json(request.method === "POST" ? take() : busy);
  }
}

function take() {
  for (const cursor of cursors) {
    used.rows_read += cursor.rowsRead;
    used.rows_written += cursor.rowsWritten;
  }
  cursors = [];
  busy.requests = busy.alarms = 0;
  const taken = { ...used, ...crossings() };
  used = nothing();
  return taken;
}
