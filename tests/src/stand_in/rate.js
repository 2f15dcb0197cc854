// The far side of the `RATE_LIMIT` binding. It counts for as long as the process lives, says in the log what it counts,
// and fails where it has no limit.

import { WorkerEntrypoint } from "cloudflare:workers";

const counts = new Map();

export class RateLimit extends WorkerEntrypoint {
  limit({ key }) {
    console.log(`counted for ${JSON.stringify(key)}`);
    if (this.env.LIMIT === null) throw new Error("the rate limiter is down");
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return { success: count <= this.env.LIMIT };
  }
}

export default {
  fetch() {
    return new Response("not here", { status: 404 });
  },
};
