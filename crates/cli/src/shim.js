// The entry of a Worker in Rust whose panics unwind, after that of `worker-build` 0.8.7 (Cloudflare, Apache-2.0). After the
// wasm had to be started anew, an object is constructed again before its next call. Where that one has a proxy around each
// object and each request, this one has plain methods: a proxy's traps ran for every property that the platform looked at.

import { WorkerEntrypoint } from "cloudflare:workers";
import * as exports from "./index.js";

Error.stackTraceLimit = 100;
const initState = exports.__worker_init_state();

/** The object itself, constructed again where the wasm was started anew since. */
function current(shell) {
  if (shell.instanceId !== initState.instanceId) {
    shell.instance = new shell.ctor(...shell.args);
    shell.instanceId = initState.instanceId;
  }
  return shell.instance;
}

/** A class that stands for one of the wasm, with all of its methods and properties. */
function shellOf(ctor) {
  const Shell = class {
    constructor(...args) {
      this.ctor = ctor;
      this.args = args;
      this.instance = new ctor(...args);
      this.instanceId = initState.instanceId;
    }
  };
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(ctor.prototype))) {
    if (name === "constructor") continue;
    const { value } = property;
    Object.defineProperty(
      Shell.prototype,
      name,
      typeof value === "function"
        ? { ...property, value(...args) { return current(this)[name](...args); } }
        : {
            configurable: true,
            get() { return current(this)[name]; },
            set(next) { current(this)[name] = next; },
          },
    );
  }
  return Shell;
}

class Entrypoint extends WorkerEntrypoint {}

// HANDLERS

export default Entrypoint;
// CLASSES
