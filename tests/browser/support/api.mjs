// The API of a server, for what a test needs beside the page.

import { setTimeout as sleep } from "node:timers/promises";

const ENDED_WITHIN_MS = 30_000;
const POLL_MS = 100;
const OPEN = ["queued", "running", "waiting"];

export class Api {
  constructor(server, token = null) {
    this.server = server;
    this.token = token;
  }

  async request(path, body) {
    const headers = {
      "Content-Type": "application/json",
      ...(this.token && { Authorization: `Bearer ${this.token}` }),
    };
    const init = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
    const response = await fetch(`${this.server.url}${path}`, init);
    const answer = await response.json();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Starts a session with a run. */
  start(body) {
    return this.request("/v1/sessions", body);
  }

  compare(body) {
    return this.request("/v1/compare", body);
  }

  run({ session, run = 1 }) {
    return this.request(`/v1/sessions/${session}/runs/${run}`);
  }

  trace({ session, run = 1 }) {
    return this.request(`/v1/sessions/${session}/runs/${run}/trace`);
  }

  /** The run, when it is over. */
  async ended(started) {
    return this.until(
      () => this.run(started),
      (run) => !OPEN.includes(run.status),
      "the run has ended",
    );
  }

  /** The row of the index, when it is over. */
  async listed({ session }) {
    const ask = () => this.request(`/v1/traces?session=${session}`);
    const page = await this.until(ask, ({ traces }) => traces[0]?.ended_at != null, "the run is listed with its end");
    return page.traces[0];
  }

  /** What `ask` gives as soon as `isSo` holds of it. */
  async until(ask, isSo, what) {
    const deadline = Date.now() + ENDED_WITHIN_MS;
    for (;;) {
      const answer = await ask();
      if (isSo(answer)) return answer;
      if (Date.now() > deadline)
        throw new Error(`not within ${ENDED_WITHIN_MS} ms: ${what}: ${JSON.stringify(answer)}`);
      await sleep(POLL_MS);
    }
  }
}
