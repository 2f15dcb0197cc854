/** What a run did beside asking models: calls of tools, requests to people. Pure, like the fold that they are in. */
import type { RunEvent } from "./events";

export type ActOutcome = "running" | "answered" | "failed" | "interrupted" | "cancelled" | "aborted";

/** One attempt of a tool's call; attempt 0 is a call that was not made. */
export interface ToolAttempt {
  call: number;
  attempt: number;
  tool: string;
  /** Undefined where nobody knows them. */
  arguments: unknown;
  /** What a crash may do to it: `read`, `idempotent`, `once`. */
  effect: string | null;
  /** Why it was made: `allow` or `approved`, and by which rule. */
  verdict: string | null;
  rule: string | null;
  calledAt: number;
  /** Null while it goes on. */
  endedAt: number | null;
  outcome: ActOutcome;
  /** Undefined where there is none. */
  result: unknown;
  resultBytes: number | null;
  errorType: string | null;
  errorMessage: string | null;
  /** Who says so, where it is not the tool. */
  by: string | null;
  /** When the next attempt is due. */
  retryAt: number | null;
  latencyMs: number | null;
  /** What it said while it went on: the newest lines. */
  progress: readonly string[];
}

/** A request to a person. */
export interface ApprovalRequest {
  /** The position of its event, which names it. */
  seq: number;
  call: number;
  /** `call`: whether it is made. `in_doubt`: what became of it. `input`: what its server asks. `authorize`: its server wants a token. */
  kind: string;
  tool: string;
  arguments: unknown;
  effect: string | null;
  digest: string | null;
  summary: string | null;
  rule: string | null;
  isForAnother: boolean;
  /** The JSON Schema of what is asked for; undefined where nothing is. */
  schema: unknown;
  /** The page that a person is to visit. */
  url: string | null;
  at: number;
  expiresAt: number | null;
  /** Null while it is open. */
  resolvedAt: number | null;
  decision: string | null;
  /** The arguments that were chosen instead; undefined where nothing was changed. */
  edited: unknown;
  reason: string | null;
  by: string | null;
}

export interface Acts {
  tools: readonly ToolAttempt[];
  requests: readonly ApprovalRequest[];
}

/** What a tool says while it goes on. */
export interface ToolProgress {
  type: "tool.progress";
  run: number;
  call: number;
  attempt: number;
  text: string;
}

/** The events of tools and people, with what older journals leave out. */
interface ToolCalled {
  type: "tool.called";
  call: number;
  attempt?: number;
  tool: string;
  arguments: unknown;
  effect?: string | null;
  verdict?: string | null;
  rule?: string | null;
}
interface ToolAnswered {
  type: "tool.answered";
  call: number;
  attempt?: number;
  tool: string;
  result?: unknown;
  error?: ToolError | null;
  by?: string | null;
  result_bytes?: number | null;
  latency_ms: number;
}
interface ToolFailed {
  type: "tool.failed";
  call: number;
  attempt: number;
  tool: string;
  error: ToolError;
  retry_at: number | null;
  latency_ms?: number;
}
interface ToolsListed {
  type: "tools.listed";
  call: number;
  attempt: number;
  count: number;
  dropped?: readonly { name: string; why: string }[];
  changed?: readonly string[];
  error?: ToolError | null;
  latency_ms: number;
}
interface ToolPending {
  type: "tool.pending";
  call: number;
  attempt: number;
  retry_at?: number | null;
  latency_ms: number;
}
interface ApprovalRequested {
  type: "approval.requested";
  call: number;
  kind?: string | null;
  tool: string;
  arguments: unknown;
  effect?: string | null;
  digest?: string | null;
  summary?: string | null;
  rule?: string | null;
  by_another?: boolean;
  schema?: unknown;
  url?: string | null;
  expires_at?: number | null;
}
interface ApprovalResolved {
  type: "approval.resolved";
  call: number;
  decision: string;
  arguments?: unknown;
  reason?: string | null;
  by: string;
}
type ToolError = string | { code: string; message: string };
type Act = (ToolCalled | ToolAnswered | ToolFailed | ToolsListed | ToolPending | ApprovalRequested | ApprovalResolved) & {
  seq: number;
  at: number;
};

/** Lines of progress that are kept of an attempt. */
const PROGRESS_LINES = 20;

/** After an event; the same object where it is none of these. */
export function takeAct<T extends Acts>(state: T, event: RunEvent): T {
  const act = event as unknown as Act;
  const { at } = act;
  switch (act.type) {
    case "tool.called": {
      const tools = closeTools(state.tools, at, "interrupted", act.call);
      return { ...state, tools: [...tools, called(act)] };
    }
    case "tool.answered":
      return answered(state, act);
    case "tool.failed": {
      const { code, message } = read(act.error);
      const change = { errorType: code, errorMessage: message, retryAt: act.retry_at };
      return settle(state, act, { outcome: "failed", endedAt: at, latencyMs: act.latency_ms ?? null, ...change });
    }
    case "tools.listed": {
      const { count, dropped = [], changed = [], latency_ms: latencyMs } = act;
      if (act.error) {
        const { code, message } = read(act.error);
        return settle(state, act, { outcome: "failed", endedAt: at, latencyMs, errorType: code, errorMessage: message });
      }
      return settle(state, act, { outcome: "answered", endedAt: at, latencyMs, result: { count, dropped, changed } });
    }
    case "tool.pending": {
      const { retry_at: retryAt = null, latency_ms: latencyMs } = act;
      return settle(state, act, { outcome: "answered", endedAt: at, latencyMs, retryAt, result: "It goes on at its server." });
    }
    case "approval.requested": {
      const tools =
        act.kind === "in_doubt"
          ? doubted(state.tools, act.call, at)
          : act.kind === "authorize"
            ? barred(state.tools, act.call, at)
            : state.tools;
      return { ...state, tools, requests: [...state.requests, requested(act)] };
    }
    case "approval.resolved": {
      const open = state.requests.findLast(({ call, resolvedAt }) => call === act.call && resolvedAt === null);
      const { decision, arguments: edited, reason = null, by } = act;
      const requests = state.requests.map((request) =>
        request === open ? { ...request, resolvedAt: at, decision, edited, reason, by } : request,
      );
      return { ...state, requests };
    }
    default:
      return state;
  }
}

/** After a word of a tool under way. */
export function takeProgress<T extends Acts>(state: T, { call, attempt, text }: ToolProgress): T {
  const change = (tool: ToolAttempt): ToolAttempt =>
    tool.call === call && tool.attempt === attempt && tool.outcome === "running"
      ? { ...tool, progress: [...tool.progress, text].slice(-PROGRESS_LINES) }
      : tool;
  return { ...state, tools: state.tools.map(change) };
}

/** How many calls of tools the run made: a server that is asked for its tools is none of them. */
export function toolCallCount({ tools }: Acts): number {
  return new Set(tools.filter((tool) => !isListing(tool)).map(({ call }) => call)).size;
}

/** No model can ask for a tool of this name. */
export function isListing({ tool, attempt }: ToolAttempt): boolean {
  return tool === "tools/list" && attempt > 0;
}

/** Ends attempts without an outcome: of one call, or of all. */
export function closeTools(
  tools: readonly ToolAttempt[],
  at: number,
  outcome: ActOutcome,
  only?: number,
): readonly ToolAttempt[] {
  return tools.map((tool) =>
    tool.outcome === "running" && (only === undefined || tool.call === only)
      ? { ...tool, outcome, endedAt: at }
      : tool,
  );
}

/** The requests that nobody has answered, the oldest first. */
export function openRequests({ requests }: Acts): readonly ApprovalRequest[] {
  return requests.filter(({ resolvedAt }) => resolvedAt === null);
}

function called(act: ToolCalled & { at: number }): ToolAttempt {
  return {
    ...blank(act.call, act.attempt ?? 0, act.tool),
    arguments: act.arguments,
    effect: act.effect ?? null,
    verdict: act.verdict ?? null,
    rule: act.rule ?? null,
    calledAt: act.at,
  };
}

function answered<T extends Acts>(state: T, act: ToolAnswered & { at: number }): T {
  const attempt = act.attempt ?? 0;
  const isKnown = state.tools.some((tool) => tool.call === act.call && tool.attempt === attempt);
  const shown = state.requests.findLast(({ call }) => call === act.call);
  const unmade = {
    ...blank(act.call, attempt, act.tool),
    arguments: shown?.arguments,
    effect: shown?.effect ?? null,
    calledAt: act.at,
  };
  const known = isKnown ? state : { ...state, tools: [...state.tools, unmade] };
  const said = { by: act.by ?? null, latencyMs: act.latency_ms, resultBytes: act.result_bytes ?? null };
  if (isKnown && act.by && !act.by.startsWith("system:")) {
    // What a person says of a call in doubt does not make it one that went well.
    const { by, result = null } = act;
    const isMeant = (tool: ToolAttempt) => tool.call === act.call && tool.attempt === attempt;
    return { ...state, tools: state.tools.map((tool) => (isMeant(tool) ? { ...tool, by, result } : tool)) };
  }
  if (act.error === undefined || act.error === null) {
    return settle(known, act, { outcome: "answered", endedAt: act.at, result: act.result ?? null, ...said });
  }
  const { code, message } = read(act.error);
  if (code === "cancelled") return settle(known, act, { outcome: "cancelled", endedAt: act.at, ...said });
  const fault = { errorType: code, errorMessage: message };
  return settle(known, act, { outcome: "failed", endedAt: act.at, ...fault, ...said });
}

/** The attempt that was cut off: nobody knows what it did. */
function doubted(tools: readonly ToolAttempt[], call: number, at: number): readonly ToolAttempt[] {
  return tools.map((tool) =>
    tool.call === call && (tool.outcome === "running" || tool.outcome === "interrupted")
      ? { ...tool, outcome: "failed", errorType: "in_doubt", endedAt: tool.endedAt ?? at }
      : tool,
  );
}

/** The attempt that a server refused for want of somebody's leave. */
function barred(tools: readonly ToolAttempt[], call: number, at: number): readonly ToolAttempt[] {
  return tools.map((tool) =>
    tool.call === call && tool.outcome === "running"
      ? { ...tool, outcome: "failed", errorType: "unauthorized", endedAt: at }
      : tool,
  );
}

/** An attempt that a crash cut off has ended, and learns what it came to. */
function settle<T extends Acts>(
  state: T,
  { call, attempt = 0 }: { call: number; attempt?: number },
  change: Partial<ToolAttempt>,
): T {
  const tools = state.tools.map((tool) => {
    if (tool.call !== call || tool.attempt !== attempt) return tool;
    if (tool.outcome === "running") return { ...tool, ...change };
    if (tool.outcome !== "interrupted" || change.outcome === "cancelled") return tool;
    return { ...tool, ...change, endedAt: tool.endedAt };
  });
  return { ...state, tools };
}

function requested(act: ApprovalRequested & { seq: number; at: number }): ApprovalRequest {
  return {
    seq: act.seq,
    call: act.call,
    kind: act.kind ?? "call",
    tool: act.tool,
    arguments: act.arguments,
    effect: act.effect ?? null,
    digest: act.digest ?? null,
    summary: act.summary ?? null,
    rule: act.rule ?? null,
    isForAnother: act.by_another ?? false,
    schema: act.schema,
    url: act.url ?? null,
    at: act.at,
    expiresAt: act.expires_at ?? null,
    resolvedAt: null,
    decision: null,
    edited: undefined,
    reason: null,
    by: null,
  };
}

function blank(call: number, attempt: number, tool: string): ToolAttempt {
  return {
    call,
    attempt,
    tool,
    arguments: undefined,
    effect: null,
    verdict: null,
    rule: null,
    calledAt: 0,
    endedAt: null,
    outcome: "running",
    result: undefined,
    resultBytes: null,
    errorType: null,
    errorMessage: null,
    by: null,
    retryAt: null,
    latencyMs: null,
    progress: [],
  };
}

/** An error is a word and a sentence; in the oldest journals it is a sentence. */
function read(error: ToolError): { code: string; message: string } {
  return typeof error === "string" ? { code: "failed", message: error } : error;
}
