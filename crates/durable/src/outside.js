// Timers and requests for `outside.rs`. Every callback is one call into the wasm: a promise, a reader and a closure for each
// chunk cost more than the chunk itself.

// What `tell` says of a request: the answer goes on, is whole, broke off, or the request cannot be made at all.
const GOES_ON = 0;
const IS_WHOLE = 1;
const BROKE_OFF = 2;
const UNSENDABLE = 3;

/** How long a head and pieces that nobody watches wait for what comes after them, in milliseconds. */
const GATHER_MS = 50;
/** How many bytes of such pieces there are at most. */
const GATHER_BYTES_MAX = 262144;
/** The headers of a model's answer that somebody asks for. Of a refusal all are told, and at once. */
const HEADERS = ["content-type", "retry-after", "content-encoding", "cf-aig-log-id"];

/** Sends a request, and gives what hangs up. `headers` has a name or a value on each line. */
export function send(tell, slot, url, method, headers, body, wantsAll, isWatched) {
  const hangUp = new AbortController();
  const lines = headers.split("\n");
  const pairs = [];
  for (let at = 1; at < lines.length; at += 2) pairs.push([lines[at - 1], lines[at]]);
  const init = { method, headers: pairs, redirect: "manual", signal: hangUp.signal };
  if (body !== undefined) init.body = body;
  exchange(tell, slot, url, init, wantsAll, isWatched);
  return hangUp;
}

async function exchange(tell, slot, url, init, wantsAll, isWatched) {
  let status = 0;
  let isAnswered = false;
  let head, timer;
  let pieces = [];
  let cuts = [];
  let size = 0;
  const hand = (state, error) => {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    isWatched = tell(slot, status, head, size === 0 ? undefined : joined(pieces, size), cuts, state, error);
    status = 0;
    head = undefined;
    pieces = [];
    cuts = [];
    size = 0;
  };
  try {
    const response = await fetch(url, init);
    isAnswered = true;
    status = response.status;
    const isWhole = wantsAll || status >= 400;
    head = headOf(response.headers, isWhole);
    if (response.body !== null) {
      if (isWhole) hand(GOES_ON);
      else timer = setTimeout(hand, GATHER_MS, GOES_ON);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        pieces.push(value);
        cuts.push(value.length, Date.now());
        size += value.length;
        if (isWatched || size >= GATHER_BYTES_MAX) hand(GOES_ON);
        else timer ??= setTimeout(hand, GATHER_MS, GOES_ON);
      }
    }
    hand(IS_WHOLE);
  } catch (error) {
    hand(!isAnswered && !canBeMade(url, init) ? UNSENDABLE : BROKE_OFF, error?.message ?? String(error));
  }
}

function headOf(headers, isWhole) {
  const pairs = isWhole ? [...headers] : HEADERS.map((name) => [name, headers.get(name)]).filter(([, value]) => value !== null);
  return pairs.map(([name, value]) => `${name}\n${value}`).join("\n");
}

function joined(pieces, size) {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Whether what failed is not the request itself. */
function canBeMade(url, { method, headers, body }) {
  try {
    return new Request(url, { method, headers, body }) !== null;
  } catch {
    return false;
  }
}
