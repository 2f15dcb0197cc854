// Evaluated before the build: counts every call between its wasm and JavaScript, by name. What JavaScript reads or writes in
// the wasm's memory and tables is no call.

class Counts {
  #of = {};

  one(name) {
    this.#of[name] = (this.#of[name] ?? 0) + 1;
  }

  take() {
    const taken = this.#of;
    this.#of = {};
    return taken;
  }
}

const imports = new Counts();
const exports = new Counts();
const sources = {};

const Instance = WebAssembly.Instance;
WebAssembly.Instance = function (module, given) {
  const counted = {};
  for (const [from, functions] of Object.entries(given)) {
    counted[from] = wrapped(functions, imports);
    for (const [name, value] of Object.entries(functions)) sources[name] = String(value);
  }
  return { exports: wrapped(new Instance(module, counted).exports, exports) };
};

function wrapped(functions, counts) {
  const all = { __proto__: null };
  for (const [name, value] of Object.entries(functions)) {
    all[name] = typeof value === "function" ? counted(name, value, counts) : value;
  }
  return all;
}

function counted(name, call, counts) {
  return function (...args) {
    counts.one(name);
    return call.apply(this, args);
  };
}

export const crossings = () => ({ imports: imports.take(), exports: exports.take() });
export const source = () => sources;
