// The front of the contestants that run on Node: who watches which run, and HTTP.
import http from "node:http";

/** The turns of this process's runs. Nothing is kept for a watcher: a late one learns the end alone. */
export class Watchers {
  runs = new Map();

  turn(id, turn) {
    for (const response of this.runs.get(id) ?? []) send(response, "turn", { turn });
  }

  /** Streams a run's turns until `ended` settles. */
  async watch(id, response, ended) {
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" }).flushHeaders();
    const all = this.runs.get(id) ?? new Set();
    this.runs.set(id, all.add(response));
    response.on("close", () => {
      all.delete(response);
      if (all.size === 0 && this.runs.get(id) === all) this.runs.delete(id);
    });
    const end = await ended.then(() => ({ status: "completed" }), (error) => ({ status: "failed", error: String(error) }));
    send(response, "ended", end);
    response.end();
  }
}

function send(response, event, data) {
  response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Serves `POST /runs/{id}` by `post`, where there is one, and `GET /runs/{id}/events` by `watch`. */
export function listen({ post, watch }) {
  const server = http.createServer(async (request, response) => {
    const [, runs, id, events] = request.url.split("/");
    try {
      if (runs === "runs" && request.method === "POST" && post !== undefined) {
        await post(id, await json(request));
        response.writeHead(202).end();
      } else if (runs === "runs" && request.method === "GET" && events === "events") {
        await watch(id, response);
      } else {
        response.writeHead(404).end("no such path");
      }
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    }
  });
  // A thousand watchers may come at once.
  return new Promise((resolve) => server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 2048 }, resolve));
}

async function json(request) {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}
