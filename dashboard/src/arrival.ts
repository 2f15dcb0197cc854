/**
 * Addresses by which somebody arrives from outside: `/oauth/start`, which a link names, and `/oauth/callback`, to which the
 * issuer of an MCP server sends people back. They become routes at once: what came back is in no address bar and no history.
 */

/** What a person brings back: `code` and `state`, or `error`. */
export type Brought = Record<string, string>;

const NAMES = ["code", "state", "iss", "error", "error_description"];

let brought: Brought | null = null;
if (globalThis.location !== undefined) arrive(location.pathname, new URLSearchParams(location.search));

/** What was brought back, until it is done with: somebody may have to sign in first. */
export function broughtBack(): Brought | null {
  return brought;
}

/** It was taken, or refused: it is good for nothing more. */
export function doneWithIt(): void {
  brought = null;
}

function arrive(path: string, query: URLSearchParams): void {
  if (path === "/oauth/callback") {
    const named = NAMES.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : []));
    if (query.get("state")) brought = Object.fromEntries(named);
    history.replaceState(null, "", "/#/authorized");
  }
  if (path === "/oauth/start") {
    history.replaceState(null, "", `/#/authorize?server=${encodeURIComponent(query.get("server") ?? "")}`);
  }
}
