// Follows a run to its end: node follow.mjs http://localhost:8787 SESSION [RUN]. LONGHAUL_TOKEN has the token, if one is needed.
// Events go to stdout, what the model writes goes to stderr as it comes. Node 20 or later; `fetch` in a browser does the same.
import { setTimeout as sleep } from "node:timers/promises";

const [[base, session, run = "1"], { LONGHAUL_TOKEN: token }] = [process.argv.slice(2), process.env];
if (!session) process.exit(console.error("usage: follow.mjs BASE SESSION [RUN]") ?? 2);
const headers = { Accept: "text/event-stream", ...(token && { Authorization: `Bearer ${token}` }) };
let [seen, failures] = [0, 0]; // the cursor, which is the `seq` of the last event; and attempts since then
let [shown, isMidLine] = [{}, false]; // how much of which text is on the screen; whether it stands in an open line
for (let wait = 0; ; wait = 0) {
  try {
    const answer = await fetch(`${base}/v1/sessions/${session}/events?run=${run}&after=${seen}&deltas=true`, { headers });
    if (answer.status === 204) process.exit(0); // the run had ended at our cursor
    if (!answer.ok) console.error(await answer.text());
    if (answer.status < 500 && answer.status !== 429 && !answer.ok) process.exit(1); // it would be answered the same again
    wait = 1000 * Number(answer.headers.get("Retry-After"));
    let rest = ""; // an event that broke off has no end: it comes again
    if (answer.ok) for await (const text of answer.body.pipeThrough(new TextDecoderStream())) rest = take(rest + text);
  } catch {} // the connection broke
  await sleep(Math.max(wait, (0.5 + Math.random() / 2) * Math.min(30_000, 250 * 2 ** ++failures)));
}

function take(text) {
  const blocks = text.split("\n\n");
  for (const data of blocks.slice(0, -1).flatMap((block) => block.match(/(?<=^data: ).*/m) ?? [])) {
    const event = JSON.parse(data);
    if (event.type === "model.delta") show(event);
    if (event.seq && isMidLine) console.error(); // the event gets a line of its own
    if (event.seq) [seen, failures, isMidLine] = [event.seq, 0, false];
    if (event.seq) console.log(event.seq, event.type);
    if (event.type === "run.ended") process.exit(0);
  }
  return blocks.at(-1);
}
function show({ call, attempt, offset, text }) {
  if (call !== shown.call || attempt !== shown.attempt) shown = { call, attempt, length: 0 }; // its text begins anew
  if (shown.length >= offset + text.length) return; // whoever comes back gets it from offset 0
  process.stderr.write(text.slice(shown.length - offset));
  [shown.length, isMidLine] = [offset + text.length, !text.endsWith("\n")];
}
