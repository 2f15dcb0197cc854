/** The rows of a waterfall, from what the stream told so far and what the trace knows better. Pure. */
import { type ApprovalRequest, isListing, type ToolAttempt } from "./acts";
import type { Attempt, Outcome, RunFold } from "./fold";
import { modelTail } from "./format";
import type { Span, Trace } from "./openapi";

export type RowKind = "run" | "queue" | "call" | "tool" | "wait" | "backoff" | "span";

export interface Row {
  /** Stable while the run goes on, and usable in an address. */
  id: string;
  kind: RowKind;
  depth: number;
  name: string;
  /** `2.1`: call 2, attempt 1; empty where there is none. */
  place: string;
  outcome: Outcome;
  startedAt: number;
  /** Null while it goes on. */
  endedAt: number | null;
  /** Of an answer that streamed. */
  firstChunkAt: number | null;
  /** Why it is not well, or what it waits for; empty when there is nothing to say. */
  note: string;
  span: Span | null;
  attempt: Attempt | null;
  tool: ToolAttempt | null;
  request: ApprovalRequest | null;
}

export interface Marker {
  at: number;
  label: string;
}

export interface Waterfall {
  rows: readonly Row[];
  markers: readonly Marker[];
  startedAt: number;
  /** Null while the run is open. */
  endedAt: number | null;
}

/** Waits shorter than this are the machine's own, and no row, in milliseconds. */
const WAIT_SHOWN_MS_MIN = 5;

export function waterfall(fold: RunFold, trace: Trace | null): Waterfall | null {
  const startedAt = fold.accepted?.at ?? trace?.started_at;
  if (startedAt === undefined) return null;
  const endedAt = fold.ended?.at ?? trace?.ended_at ?? null;
  const calls = [...callRows(fold, trace), ...toolRows(fold, trace), ...waitRows(fold, trace)].sort(byStart);
  const rows: Row[] = [runRow(fold, trace, startedAt, endedAt)];
  const queue = queueRow(calls.filter((row) => row.kind !== "wait"), startedAt, endedAt);
  if (queue) rows.push(queue);
  for (const call of calls) {
    rows.push(call, ...childRows(call.span?.span_id, trace, 2));
    const wait = backoffRow(call, calls, endedAt);
    if (wait) rows.push(wait);
  }
  const root = trace?.spans[0];
  if (root) rows.push(...childRows(root.span_id, trace, 1));
  return { rows, markers: markers(fold, trace), startedAt, endedAt };
}

/** The row that an address names: by row id or by span id. */
export function findRow(rows: readonly Row[], id: string | null): Row | null {
  return rows.find((row) => row.id === id || (id !== null && row.span?.span_id === id)) ?? null;
}

/** What is shown before anybody chose: what went wrong, or what goes on, or the whole. */
export function defaultRow(rows: readonly Row[]): Row | null {
  const calls = rows.filter(({ kind }) => kind === "call" || kind === "tool" || kind === "wait");
  const root = rows[0] ?? null;
  const open = calls.findLast(({ kind, outcome }) => kind === "wait" && outcome === "running");
  if (root?.outcome === "running") return open ?? calls.at(-1) ?? root;
  if (root?.outcome === "failed") return calls.findLast((row) => row.outcome === "failed") ?? root;
  return root;
}

/** Round steps for an axis of `spanMs`, at most `most` of them. */
export function ticks(spanMs: number, most = 6): number[] {
  const rough = Math.max(1, spanMs) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const units = spanMs < 60_000 ? [1, 2, 5, 10].map((n) => n * power) : SECONDS_STEPS.map((s) => s * 1_000);
  const step = Math.max(1, units.find((unit) => unit >= rough) ?? rough);
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, index) => index * step);
}

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;
const SECONDS_STEPS = [
  ...[5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY],
];

function runRow(fold: RunFold, trace: Trace | null, startedAt: number, endedAt: number | null): Row {
  const span = trace?.spans[0] ?? null;
  const status = fold.ended?.status ?? trace?.status ?? "running";
  const outcome =
    status === "succeeded" ? "answered" : status === "failed" || status === "cancelled" ? status : "running";
  return {
    ...BLANK,
    id: "run",
    kind: "run",
    name: span?.name ?? `invoke_agent ${fold.accepted?.agent ?? ""}`.trim(),
    outcome,
    startedAt,
    endedAt,
    span,
  };
}

function queueRow(calls: readonly Row[], startedAt: number, endedAt: number | null): Row | null {
  const first = calls[0];
  const until = first?.attempt?.calledAt ?? first?.tool?.calledAt ?? first?.startedAt ?? endedAt;
  if (until !== null && until - startedAt < WAIT_SHOWN_MS_MIN) return null;
  const outcome = until === null ? "running" : "answered";
  const note = until === null ? "after another run of the session" : "";
  return {
    ...BLANK,
    id: "queue",
    kind: "queue",
    depth: 1,
    name: "queue wait",
    outcome,
    startedAt,
    endedAt: until,
    note,
  };
}

/** Attempts by the stream, then those that only the trace has: a page without a stream shows them too. */
function callRows(fold: RunFold, trace: Trace | null): Row[] {
  const ofModels = (trace?.spans ?? []).filter((span) => span.call !== null && !isOfTool(span));
  const spans = new Map(ofModels.map((span) => [spanKey(span), span]));
  const rows = fold.attempts.map((attempt) => {
    const key = `${attempt.call}.${attempt.attempt}`;
    const span = spans.get(key) ?? null;
    spans.delete(key);
    return callRow(attempt, span, fold.accepted?.models ?? null);
  });
  return [...rows, ...[...spans.values()].map(spanCallRow)];
}

/** Attempts of tools by the stream, then those that only the trace has. */
function toolRows(fold: RunFold, trace: Trace | null): Row[] {
  const spans = new Map((trace?.spans ?? []).filter(isOfTool).map((span) => [spanKey(span), span]));
  const rows = fold.tools.map((tool): Row => {
    const place = `${tool.call}.${tool.attempt}`;
    const span = spans.get(place) ?? null;
    spans.delete(place);
    const isSettled = tool.endedAt !== null && span !== null && span.ended_at !== null;
    return {
      ...BLANK,
      id: `tool-${tool.call}-${tool.attempt}`,
      kind: "tool",
      depth: 1,
      name: isListing(tool) ? tool.tool : `execute_tool ${tool.tool}`,
      place: tool.attempt === 0 ? String(tool.call) : place,
      outcome: tool.outcome,
      startedAt: isSettled ? span.started_at : tool.calledAt,
      endedAt: isSettled ? span.ended_at : tool.endedAt,
      note: noteOf(tool.outcome, tool.errorType),
      span,
      tool,
    };
  });
  const others = [...spans.values()].map(
    (span): Row => ({ ...spanCallRow(span), id: `tool-${span.call}-${span.attempt}`, kind: "tool" }),
  );
  return [...rows, ...others];
}

/** A server that is asked for its tools has a span like a call of them. */
function isOfTool({ tool, attributes }: Span): boolean {
  return Boolean(tool) || attributes["mcp.method.name"] !== undefined;
}

/** Waits for a person by the stream, then those that only the trace has: the same ones in the same order. */
function waitRows(fold: RunFold, trace: Trace | null): Row[] {
  const spans = (trace?.spans ?? []).filter((span) => span.wait);
  const count = Math.max(spans.length, fold.requests.length);
  return Array.from({ length: count }, (_, index): Row => {
    const [span, request] = [spans[index] ?? null, fold.requests[index] ?? null];
    const endedAt = request?.resolvedAt ?? span?.ended_at ?? fold.ended?.at ?? null;
    const decision = request?.decision ?? span?.wait?.decision ?? null;
    return {
      ...BLANK,
      id: `wait-${index + 1}`,
      kind: "wait",
      depth: 1,
      name: `await_approval ${request?.tool ?? span?.wait?.tool ?? ""}`.trim(),
      place: String(request?.call ?? span?.wait?.call ?? ""),
      outcome: endedAt === null ? "running" : "answered",
      startedAt: request?.at ?? span?.started_at ?? 0,
      endedAt,
      note: endedAt === null ? "waits for a person" : (decision ?? ""),
      span,
      request,
    };
  });
}

function callRow(attempt: Attempt, span: Span | null, compared: readonly string[] | null): Row {
  const isSettled = attempt.endedAt !== null && span?.ended_at !== null && span !== null;
  const startedAt = isSettled ? span.started_at : attempt.calledAt;
  return {
    ...BLANK,
    id: `call-${attempt.call}-${attempt.attempt}`,
    kind: "call",
    depth: 1,
    name: span?.name ?? callName(attempt.model, compared !== null),
    place: `${attempt.call}.${attempt.attempt}`,
    outcome: attempt.outcome,
    startedAt,
    endedAt: isSettled ? span.ended_at : attempt.endedAt,
    firstChunkAt: firstChunkAt(span, startedAt),
    note: noteOf(attempt.outcome, attempt.errorType),
    span,
    attempt,
  };
}

/** As the trace will name it, so that no row is renamed under its reader. */
function callName(model: string, isCompared: boolean): string {
  const name = model.replace(/^(openai|scripted):/, "");
  return isCompared ? `inference:${modelTail(name)}` : `chat ${name}`;
}

function spanCallRow(span: Span): Row {
  const outcome = spanOutcome(span);
  return {
    ...BLANK,
    id: `call-${span.call}-${span.attempt}`,
    kind: "call",
    depth: 1,
    name: span.name,
    place: spanKey(span),
    outcome,
    startedAt: span.started_at,
    endedAt: span.ended_at,
    firstChunkAt: firstChunkAt(span, span.started_at),
    note: noteOf(outcome, span.error_type),
    span,
  };
}

/** Spans that agent code opened, below their parent. */
function childRows(parent: string | undefined, trace: Trace | null, depth: number): Row[] {
  if (parent === undefined || trace === null || depth > SPAN_DEPTH_MAX) return [];
  const children = trace.spans.filter(
    (span) => span.call === null && !span.wait && span.parent_span_id === parent,
  );
  return children.flatMap((span) => {
    const outcome = spanOutcome(span);
    const note = noteOf(outcome, span.error_type);
    const { span_id: id, name, started_at: startedAt, ended_at: endedAt } = span;
    const row: Row = { ...BLANK, id, kind: "span", depth, name, outcome, startedAt, endedAt, note, span };
    return [row, ...childRows(id, trace, depth + 1)];
  });
}

/** No page nests deeper; a trace that says so is not followed. */
const SPAN_DEPTH_MAX = 12;

function backoffRow(failed: Row, calls: readonly Row[], runEndedAt: number | null): Row | null {
  const { endedAt } = failed;
  const attempt = failed.attempt ?? failed.tool;
  if (attempt === null || attempt.outcome !== "failed" || attempt.retryAt === null || endedAt === null) return null;
  const made = calls.map((row) => row.attempt ?? row.tool);
  const next = made.find((other) => other?.call === attempt.call && other.attempt === attempt.attempt + 1);
  const until = next?.calledAt ?? runEndedAt;
  return {
    ...BLANK,
    id: `backoff-${attempt.call}-${attempt.attempt}`,
    kind: "backoff",
    depth: 1,
    name: "back-off",
    place: `${attempt.call}.${attempt.attempt}`,
    outcome: until === null ? "running" : "answered",
    startedAt: endedAt,
    endedAt: until,
    note: until === null ? `until attempt ${attempt.attempt + 1}` : "",
    attempt: failed.attempt,
    tool: failed.tool,
  };
}

function markers(fold: RunFold, trace: Trace | null): Marker[] {
  const seen = fold.resumptions.map(({ at, cause }) => ({ at, label: cause }));
  const told = (trace?.spans[0]?.events ?? [])
    .filter((event) => event.name === "run.resumed" && !seen.some(({ at }) => at === event.at))
    .map((event) => ({ at: event.at, label: String(event.attributes["longhaul.cause"] ?? "crash") }));
  return [...seen, ...told].sort((a, b) => a.at - b.at);
}

function spanOutcome(span: Span): Outcome {
  if (span.ended_at === null) return "running";
  if (span.status === "error") {
    const { error_type: type } = span;
    return type === "interrupted" || type === "aborted" ? type : "failed";
  }
  return span.status === "ok" || span.call === null ? "answered" : "cancelled";
}

function noteOf(outcome: Outcome, errorType: string | null): string {
  switch (outcome) {
    case "failed":
      return errorType ?? "failed";
    case "interrupted":
      return "cut off by a crash";
    case "aborted":
      return "given up: the run failed";
    case "cancelled":
      return "cancelled";
    default:
      return "";
  }
}

function firstChunkAt(span: Span | null, startedAt: number): number | null {
  const waitMs = span?.time_to_first_chunk_ms;
  return waitMs === null || waitMs === undefined ? null : startedAt + waitMs;
}

function spanKey(span: Span): string {
  return `${span.call}.${span.attempt}`;
}

function byStart(a: Row, b: Row): number {
  return a.startedAt - b.startedAt;
}

const BLANK = {
  ...{ depth: 0, place: "", firstChunkAt: null, note: "" },
  ...{ span: null, attempt: null, tool: null, request: null },
} as const;
