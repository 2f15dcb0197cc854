/**
 * Who is signed in. The token lives in this tab only (sessionStorage) and goes out in a header or a WebSocket
 * subprotocol, never in an address.
 */
import { readSession, writeSession } from "./storage";
import { store } from "./store";

const TOKEN_KEY = "longhaul.token";

export type Gate =
  | { state: "open" }
  /** The server wants a token; `rejected` when one was sent. */
  | { state: "token_required"; rejected: boolean }
  /** The deployment has no tokens at all: nobody can sign in. */
  | { state: "not_configured"; detail: string };

/** What stands between the user and the pages. */
export const gate = store<Gate>({ state: "open" });
export const token = store<string | null>(readSession(TOKEN_KEY));

export function signIn(value: string): void {
  writeSession(TOKEN_KEY, value);
  token.set(value);
}

export function signOut(): void {
  writeSession(TOKEN_KEY, null);
  token.set(null);
  gate.set({ state: "token_required", rejected: false });
}

/** The WebSocket subprotocols that carry the token. */
export function subprotocols(value: string | null): string[] {
  return value === null ? ["longhaul"] : ["longhaul", `longhaul.bearer.${base64url(value)}`];
}

function base64url(text: string): string {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
