/**
 * Who is signed in. The token lives in the open tabs of this origin (sessionStorage), which hand it to each other, and
 * goes out in a header or a WebSocket subprotocol: never in an address, and never into storage that outlives the tabs.
 */
import type { FieldError } from "./openapi";
import { readLocal, readSession, writeLocal, writeSession } from "./storage";
import { store } from "./store";

const TOKEN_KEY = "longhaul.token";
/** Says that somebody signed in, and not who: worth a question to the other tabs. */
const HINT_KEY = "longhaul.signed-in";
const CHANNEL = "longhaul.sign-in";
/** How long a new tab waits for another one to hand over the token, in milliseconds. */
const ANSWER_MS = 300;

export type Gate =
  | { state: "open" }
  /** The server wants a token; `rejected` when one was sent. */
  | { state: "token_required"; rejected: boolean }
  /** The deployment has no tokens at all: nobody can sign in. */
  | { state: "not_configured" }
  /** Variables of the deployment are at fault: nothing but this answer comes from it. */
  | { state: "misconfigured"; faults: readonly FieldError[] };

/** What stands between the user and the pages. */
export const gate = store<Gate>({ state: "open" });
export const token = store<string | null>(readSession(TOKEN_KEY));

/** What tabs say to each other. */
type Word = { kind: "ask" } | { kind: "token"; token: string } | { kind: "signed_in"; token: string } | { kind: "out" };

let tabs: BroadcastChannel | null = null;

/** Uses a token that was not tried yet. */
export function tryToken(value: string): void {
  writeSession(TOKEN_KEY, value);
  token.set(value);
}

/** Forgets a token that the server does not accept. */
export function dropToken(): void {
  writeSession(TOKEN_KEY, null);
  token.set(null);
  gate.set({ state: "token_required", rejected: false });
}

/** The token was accepted: every open tab uses it. */
export function signedIn(value: string): void {
  enter(value);
  say({ kind: "signed_in", token: value });
}

/** Signs out every open tab. */
export function signOut(): void {
  leave();
  say({ kind: "out" });
}

/**
 * Listens to the other tabs. A new tab asks them for the token; where somebody has signed in, it waits a moment for the
 * answer. Call once before the first render.
 */
export async function startTabs(): Promise<void> {
  // Browsers without it have a sign-in for each tab.
  if (typeof BroadcastChannel === "undefined") return;
  tabs = new BroadcastChannel(CHANNEL);
  const isAnswered = new Promise<void>((resolve) => {
    tabs?.addEventListener("message", ({ data }: MessageEvent<Word>) => {
      hear(data);
      if (token.get() !== null) resolve();
    });
  });
  if (token.get() !== null) return;
  say({ kind: "ask" });
  if (readLocal(HINT_KEY) === null) return;
  await Promise.race([isAnswered, new Promise((resolve) => setTimeout(resolve, ANSWER_MS))]);
}

function hear(word: Word): void {
  const isInside = token.get() !== null && gate.get().state === "open";
  if (word.kind === "ask" && isInside) say({ kind: "token", token: token.get() ?? "" });
  if (word.kind === "token" && !isInside) enter(word.token);
  if (word.kind === "signed_in") enter(word.token);
  if (word.kind === "out") leave();
}

function say(word: Word): void {
  tabs?.postMessage(word);
}

function enter(value: string): void {
  tryToken(value);
  writeLocal(HINT_KEY, "yes");
  gate.set({ state: "open" });
}

function leave(): void {
  writeLocal(HINT_KEY, null);
  dropToken();
}

/** The WebSocket subprotocols that carry the token. */
export function subprotocols(value: string | null): string[] {
  return value === null ? ["longhaul"] : ["longhaul", `longhaul.bearer.${base64url(value)}`];
}

function base64url(text: string): string {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
