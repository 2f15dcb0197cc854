// Evaluated before the build: keeps the memory of the wasm that it makes, and counts the rows of every statement.
export const memories = [];
const Instance = WebAssembly.Instance;
WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  memories.push(instance.exports.memory);
  return instance;
};

let cursors = [];
const settled = { rows_read: 0, rows_written: 0 };

export function count(sql) {
  const prototype = Object.getPrototypeOf(sql);
  if (prototype.counts) return;
  const exec = prototype.exec;
  prototype.counts = true;
  prototype.exec = function (...statement) {
    const cursor = exec.apply(this, statement);
    cursors.push(cursor);
    // A cursor counts on while it is read; nobody reads one that is this old.
    if (cursors.length > 64) settle(cursors.shift());
    return cursor;
  };
}

export function rows() {
  cursors.forEach(settle);
  cursors = [];
  const counted = { ...settled };
  settled.rows_read = settled.rows_written = 0;
  return counted;
}

function settle(cursor) {
  try {
    settled.rows_read += cursor.rowsRead;
    settled.rows_written += cursor.rowsWritten;
  } catch {
    // A read that was left before its end tells nobody but its own request.
  }
}
