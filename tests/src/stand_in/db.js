// Stands between workerd's own D1 client and workerd's own D1 server, does what a test asks to the calls, and lets the
// test in by a door of its own.

import { WorkerEntrypoint } from "cloudflare:workers";

// What D1 says when its database is out of reach.
const UNREACHABLE = "Network connection lost.";

let fault;
const executed = [];

// The fault of the next call.
function next(env) {
  fault ??= { ...env.FAULT };
  const now = { ...fault };
  if (fault.calls > 0 && --fault.calls === 0) fault = { kind: "none" };
  return now;
}

async function call(env, queries, perform) {
  const { kind, delay_ms } = next(env);
  if (kind === "down") throw new Error(UNREACHABLE);
  if (kind === "slow") await new Promise((resolve) => setTimeout(resolve, delay_ms));
  const [answer, metas] = await perform();
  metas.forEach(({ rows_read, rows_written }, i) => executed.push({ sql: queries[i].sql, rows_read, rows_written }));
  if (kind === "lost_answer") throw new Error(UNREACHABLE);
  return answer;
}

// The binding `DB`.
export class Database extends WorkerEntrypoint {
  d1() {
    return this.env.D1;
  }

  async query(request) {
    return call(this.env, request.queries, async () => {
      const answer = await this.d1().query(request);
      return [answer, answer.results.map((result) => result.meta)];
    });
  }

  async fetch(request) {
    const body = await request.text();
    try {
      return await call(this.env, [JSON.parse(body)].flat(), async () => {
        const { headers, method, url } = request;
        const response = await this.d1().fetch(url, { method, headers, body });
        const results = [await response.clone().json()].flat();
        return [response, results.filter((result) => result.success).map((result) => result.meta)];
      });
    } catch (error) {
      return Response.json({ success: false, error: error.message });
    }
  }
}

// The binding `DB_2`.
export class Second extends Database {
  d1() {
    return this.env.D1_2;
  }
}

// The test's door.
export default {
  async fetch(request, env) {
    const asked = await request.json();
    switch (new URL(request.url).pathname) {
      case "/fault":
        fault = asked;
        return Response.json({});
      case "/executed":
        return Response.json(executed);
      case "/rows":
      case "/second/rows":
        try {
          const d1 = request.url.includes("/second/") ? env.D1_2 : env.D1;
          const { results } = await d1.query({ queries: [asked] });
          const { columns, rows } = results[0].data;
          return Response.json(rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i], cell]))));
        } catch (error) {
          return new Response(error.message, { status: 400 });
        }
      default:
        return new Response("not here", { status: 404 });
    }
  },
};
