// Stands in front of a build and tears an object down after every event: as soon as nothing is in flight its memory is
// dropped, and the next event finds the storage, the alarm and the hibernating sockets alone. An eviction does no more.

import * as build from "./index.js";

export * from "./index.js";
export { default } from "./index.js";
export const Session = evicted(build.Session);
export const Tenant = evicted(build.Tenant);

// A wasm that aborted is made anew; then its objects are gone already.
const wasm = () => globalThis.__worker_init_state.instanceId;

function evicted(exported) {
  // What is exported is a proxy, which hides the object that has to be freed.
  const Built = exported.prototype.constructor;

  return class {
    #ctx;
    #env;
    #object = null;
    #wasm;
    #inFlight = 0;

    constructor(ctx, env) {
      const waitUntil = (promise) => ctx.waitUntil(this.#hold(promise));
      const get = (_, key) => {
        if (key === "waitUntil") return waitUntil;
        const value = ctx[key];
        return typeof value === "function" ? value.bind(ctx) : value;
      };
      this.#ctx = new Proxy({}, { get });
      this.#env = env;
    }

    fetch(request) {
      return this.#hold(this.#living().fetch(request).then((response) => this.#streaming(response)));
    }

    alarm(info) {
      return this.#hold(this.#living().alarm(info));
    }

    webSocketMessage(...event) {
      return this.#hold(this.#living().webSocketMessage(...event));
    }

    webSocketClose(...event) {
      return this.#hold(this.#living().webSocketClose(...event));
    }

    webSocketError(...event) {
      return this.#hold(this.#living().webSocketError(...event));
    }

    #living() {
      if (this.#wasm !== wasm()) this.#object = null;
      if (this.#object === null) {
        console.log("an object was made");
        this.#object = new Built(this.#ctx, this.#env);
        this.#wasm = wasm();
      }
      return this.#object;
    }

    #hold(promise) {
      this.#inFlight += 1;
      const letGo = () => this.#letGo();
      Promise.resolve(promise).then(letGo, letGo);
      return promise;
    }

    #letGo() {
      this.#inFlight -= 1;
      if (this.#inFlight > 0 || this.#object === null) return;
      if (this.#wasm === wasm()) this.#object.free();
      this.#object = null;
    }

    // A stream is in flight until its end; other bodies are whole.
    #streaming(response) {
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
      const { readable, writable } = new TransformStream();
      this.#hold(response.body.pipeTo(writable));
      return new Response(readable, response);
    }
  };
}
