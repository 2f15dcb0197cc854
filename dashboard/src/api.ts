/**
 * The typed client of the HTTP API. Every call takes an `AbortSignal`; what goes wrong is an `ApiError` (the server
 * said so, as problem+json) or `Unreachable` (nobody answered).
 */
import { gate, token } from "./auth";
import { chosenTenant } from "./router";
import type {
  Accepted,
  ApprovalPage,
  Conversation,
  Deployment,
  EventPage,
  FieldError,
  McpAuthorization,
  McpLink,
  Models,
  NewComparison,
  NewRun,
  Run,
  Session,
  Stats,
  Suspension,
  Tenants,
  Trace,
  TracePage,
} from "./openapi";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** A word for programs: `not_found`, `index_not_configured`. */
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly fields: readonly FieldError[],
    readonly retryAfterMs: number | null,
  ) {
    super(detail === "" ? title : `${title}: ${detail}`);
  }
}

export class Unreachable extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

export function deployment(signal?: AbortSignal): Promise<Deployment> {
  return json("/v1/agents", { signal });
}

/** What is known of the models that the deployment names, or that runs of the tenant called. */
export function models(signal?: AbortSignal): Promise<Models> {
  return json("/v1/models", { signal });
}

/** A page of the index; `query` has the parameters of `GET /v1/traces`. */
export function traces(query: URLSearchParams, signal?: AbortSignal): Promise<TracePage> {
  return json(`/v1/traces?${query}`, { signal });
}

/** Per model and hour, and by a label where `group` names one; the server's default is the last seven days. */
export function stats(
  range: { since?: number; until?: number; group?: string },
  signal?: AbortSignal,
): Promise<Stats> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(range)) if (value !== undefined) query.set(name, String(value));
  return json(`/v1/stats?${query}`, { signal });
}

/** The calls that wait for a person, the oldest first. */
export function approvals(limit: number, signal?: AbortSignal): Promise<ApprovalPage> {
  return json(`/v1/approvals?status=open&limit=${limit}`, { signal });
}

export function session(id: string, signal?: AbortSignal): Promise<Session> {
  return json(`/v1/sessions/${encodeURIComponent(id)}`, { signal });
}

/** Every message of a session, the oldest first. */
export function messages(id: string, signal?: AbortSignal): Promise<Conversation> {
  return json(`/v1/sessions/${encodeURIComponent(id)}/messages`, { signal });
}

/** A page of the journal's events: of one run, or of the whole session where `run` is null. */
export function events(
  id: string,
  { after, limit, run: number }: { after: number; limit: number; run: number | null },
  signal?: AbortSignal,
): Promise<EventPage> {
  const query = new URLSearchParams({ after: String(after), limit: String(limit) });
  if (number !== null) query.set("run", String(number));
  return json(`/v1/sessions/${encodeURIComponent(id)}/events?${query}`, { signal });
}

/** Cancels what runs, then erases the session with all that is known of it. */
export async function erase(id: string, signal?: AbortSignal): Promise<void> {
  await send(`/v1/sessions/${encodeURIComponent(id)}`, { method: "DELETE", signal });
}

export function run(id: string, number: number, signal?: AbortSignal): Promise<Run> {
  return json(runPath(id, number), { signal });
}

export function trace(id: string, number: number, signal?: AbortSignal): Promise<Trace> {
  return json(`${runPath(id, number)}/trace`, { signal });
}

/** The trace as OTLP/JSON text, ready to be copied. */
export async function traceOtlp(id: string, number: number, signal?: AbortSignal): Promise<string> {
  return (await send(`${runPath(id, number)}/trace?format=otlp`, { signal })).text();
}

/** Starts a session. The same key and body start only one. */
export function start(body: NewRun, idempotencyKey: string, signal?: AbortSignal): Promise<Accepted> {
  return json("/v1/sessions", { method: "POST", body, idempotencyKey, signal });
}

/** The next task of a session. */
export function startNext(id: string, body: NewRun, idempotencyKey: string, signal?: AbortSignal): Promise<Accepted> {
  return json(`/v1/sessions/${encodeURIComponent(id)}/runs`, { method: "POST", body, idempotencyKey, signal });
}

/** Says something to the run under way. The answer is that run. */
export function steer(id: string, task: string, idempotencyKey: string, signal?: AbortSignal): Promise<Accepted> {
  const body = { task, steer: true };
  return json(`/v1/sessions/${encodeURIComponent(id)}/runs`, { method: "POST", body, idempotencyKey, signal });
}

export function compare(body: NewComparison, idempotencyKey: string, signal?: AbortSignal): Promise<Accepted> {
  return json("/v1/compare", { method: "POST", body, idempotencyKey, signal });
}

/** Cancels the session's running and queued runs. */
export function cancel(id: string, signal?: AbortSignal): Promise<Session> {
  return json(`/v1/sessions/${encodeURIComponent(id)}/cancel`, { method: "POST", signal });
}

/** What a person decides about a call. `request` is the position of the event that asked. */
export type Decision =
  | { decision: "approve"; request: number; digest?: string; arguments?: unknown }
  | { decision: "deny"; request: number; digest?: string; reason?: string }
  | { decision: "settle"; request: number; result: unknown }
  | { decision: "retry"; request: number }
  | { decision: "answer"; request: number; input: Record<string, unknown> };

/** Decides about a call that waits for a person. The first answer to a request holds. */
export async function decide(id: string, call: number, body: Decision, signal?: AbortSignal): Promise<void> {
  await send(`/v1/sessions/${encodeURIComponent(id)}/approvals/${call}`, { method: "POST", body, signal });
}

/** Makes a link by which whoever is signed in authorizes an MCP server. */
export function openLink(server: string, signal?: AbortSignal): Promise<McpLink> {
  return json("/v1/mcp/links", { method: "POST", body: { server }, signal });
}

/** Hands over what a person brought back from the issuer of an MCP server. */
export function authorize(brought: Record<string, string>, signal?: AbortSignal): Promise<McpAuthorization> {
  return json("/v1/mcp/authorizations", { method: "POST", body: brought, signal });
}

/** The whole of a result of which events have head and tail. */
export function wholeResult(id: string, call: number, signal?: AbortSignal): Promise<unknown> {
  return json(`/v1/sessions/${encodeURIComponent(id)}/calls/${call}/result`, { signal });
}

/** The tenants that a token names: for an operator. */
export function tenants(signal?: AbortSignal): Promise<Tenants> {
  return json("/v1/tenants", { signal });
}

/** Whether a tenant is suspended: for an operator. */
export function suspension(tenant: string, signal?: AbortSignal): Promise<Suspension> {
  return json(suspensionPath(tenant), { signal });
}

/** Cancels what runs of a tenant, and lets it start nothing. */
export async function suspend(tenant: string, signal?: AbortSignal): Promise<void> {
  await send(suspensionPath(tenant), { method: "PUT", signal });
}

/** Lets a tenant in again. */
export async function letIn(tenant: string, signal?: AbortSignal): Promise<void> {
  await send(suspensionPath(tenant), { method: "DELETE", signal });
}

/** A fresh `Idempotency-Key`. Keep it while the same body is tried again. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether an error is only that the request was given up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

interface Request {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
}

function suspensionPath(tenant: string): string {
  return `/v1/tenants/${encodeURIComponent(tenant)}/suspension`;
}

/** The path with the tenant that an operator has chosen. What starts or decides something is always the own tenant's. */
export function ofTenant(method: string, path: string): string {
  const tenant = chosenTenant();
  const isOwn = (method === "POST" && !path.endsWith("/cancel")) || /^\/v1\/(agents|tenants)/.test(path);
  return tenant === null || isOwn ? path : `${path}${path.includes("?") ? "&" : "?"}tenant=${encodeURIComponent(tenant)}`;
}

function runPath(id: string, number: number): string {
  return `/v1/sessions/${encodeURIComponent(id)}/runs/${number}`;
}

async function json<T>(path: string, request: Request): Promise<T> {
  const response = await send(path, request);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(response.status, "not_json", "The answer is not JSON", path, [], null);
  }
}

async function send(path: string, { method = "GET", body, idempotencyKey, signal }: Request): Promise<Response> {
  const sent = token.get();
  const headers = new Headers({ Accept: "application/json" });
  if (sent !== null) headers.set("Authorization", `Bearer ${sent}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  if (idempotencyKey !== undefined) headers.set("Idempotency-Key", idempotencyKey);
  const init = { method, headers, cache: "no-store", credentials: "omit", redirect: "error" } as const;
  const response = await fetch(ofTenant(method, path), {
    ...init,
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  }).catch((error: unknown) => {
    throw isAbort(error) ? error : new Unreachable();
  });
  if (response.ok) return response;
  const error = await problem(response);
  if (error.status === 401) gate.set({ state: "token_required", rejected: sent !== null });
  if (error.code === "auth_not_configured") gate.set({ state: "not_configured" });
  if (error.code === "misconfigured") gate.set({ state: "misconfigured", faults: error.fields });
  throw error;
}

async function problem(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : null;
  const text = await response.text().catch(() => "");
  const read = parsed(text);
  const word = (name: string) => (typeof read[name] === "string" ? (read[name] as string) : null);
  return new ApiError(
    response.status,
    word("code") ?? `http_${response.status}`,
    word("title") ?? `The server answered ${response.status}`,
    word("detail") ?? "",
    Array.isArray(read.errors) ? (read.errors as FieldError[]) : [],
    retryAfterMs,
  );
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
