/**
 * Routes in the fragment: `#/runs?status=failed`. The server needs no route for them, and what a page shows is its
 * address: filters and selections are the query.
 */
import { store, useStore } from "./store";

export interface Route {
  /** Decoded segments: `#/runs/abc/1` is `["runs", "abc", "1"]`. */
  path: readonly string[];
  query: URLSearchParams;
}

export type Query = Record<string, string | number | null | undefined> | URLSearchParams;

const current = store(parseHash(globalThis.location?.hash ?? ""));
globalThis.addEventListener?.("hashchange", () => current.set(parseHash(location.hash)));

/** The route; the component renders again when it changes. */
export function useRoute(): Route {
  return useStore(current);
}

/** The tenant that an operator has chosen: it is in the address, and links keep it. Null where the page is of all, or of the own. */
export function chosenTenant(): string | null {
  return current.get().query.get("tenant") || null;
}

/** The address of a route, for `href`. Entries that are empty or null are left out; an empty `tenant` is of all tenants. */
export function href(path: readonly string[], query?: Query): string {
  const search = new URLSearchParams();
  const kept = chosenTenant();
  const isNamed = query instanceof URLSearchParams ? query.has("tenant") : query !== undefined && "tenant" in query;
  if (kept !== null && !isNamed) search.set("tenant", kept);
  const entries = query instanceof URLSearchParams ? query.entries() : Object.entries(query ?? {});
  for (const [name, value] of entries) {
    if (value !== null && value !== undefined && value !== "") search.append(name, String(value));
  }
  const text = search.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text === "" ? "" : `?${text}`}`;
}

/** Goes to an address made by `href`. `replace` leaves no entry in the history. */
export function navigate(to: string, mode: "push" | "replace" = "push"): void {
  if (to === location.hash) return;
  history[mode === "push" ? "pushState" : "replaceState"](null, "", to);
  current.set(parseHash(to));
}

/** Changes entries of the current query; null removes one. */
export function setQuery(changes: Record<string, string | null>, mode: "push" | "replace" = "push"): void {
  const { path, query } = current.get();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  navigate(href(path, next), mode);
}

export function parseHash(hash: string): Route {
  const [path = "", search = ""] = split(hash.replace(/^#\/?/, ""), "?");
  return {
    path: path
      .split("/")
      .filter((segment) => segment !== "")
      .map(decode),
    query: new URLSearchParams(search),
  };
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
