/** A run as its frames tell it: a pure fold, so that a replay and the live stream come to the same. */
import { closeTools, takeAct, takeProgress, type Acts, type ToolProgress } from "./acts";
import { isEvent, type Frame, type RunEvent } from "./events";
import type { Message, Metadata, ModelDelta, ModelThought, RunError, RunStatus, Usage } from "./openapi";

export type Outcome = "running" | "answered" | "failed" | "interrupted" | "cancelled" | "aborted";

/** One attempt of a model call. */
export interface Attempt {
  call: number;
  attempt: number;
  iteration: number;
  model: string;
  /** Messages of the session that the call left out, from the beginning. */
  droppedMessages: number;
  calledAt: number;
  /** Null while it is in flight. */
  endedAt: number | null;
  outcome: Outcome;
  errorType: string | null;
  errorMessage: string | null;
  /** When the next attempt is due, of a failed one; null where there is none. */
  retryAt: number | null;
  message: Message | null;
  finishReason: string | null;
  usage: Usage | null;
  latencyMs: number | null;
}

/** What has come of a call in flight. */
export interface LiveText {
  attempt: number;
  text: string;
  /** What the model thought before; no part of its text. */
  thoughts: string;
}

/** A crash or an eviction that the run survived. */
export interface Resumption {
  at: number;
  cause: string;
  outstanding: readonly number[];
}

/** What somebody said to the run while it was under way. */
export interface Note {
  seq: number;
  at: number;
  message: string;
  by: string;
  /** Whether a call was made after it. */
  isRead: boolean;
}

/** What a sink said of the run's trace. */
export interface Delivery {
  at: number;
  sink: string;
  outcome: "delivered" | "failed" | "parked";
  status: number | null;
  retryAt: number | null;
}

export interface Accepted {
  at: number;
  task: string;
  agent: string;
  model: string;
  /** Only of a comparison. */
  models: readonly string[] | null;
  maxIterations: number;
  metadata: Metadata;
}

export interface Ended {
  at: number;
  status: RunStatus;
  stopReason: string;
  result: string | null;
  /** The result as JSON, of a run whose result has a schema. */
  output: unknown;
  error: RunError | null;
  usage: Usage;
}

export interface RunFold extends Acts {
  run: number;
  /** The last event seen: the cursor to go on from. */
  seq: number;
  /** Whether the past was replayed to its end at least once. */
  isCaughtUp: boolean;
  accepted: Accepted | null;
  ended: Ended | null;
  cancelRequestedAt: number | null;
  /** In the order in which they were promised. */
  attempts: readonly Attempt[];
  resumptions: readonly Resumption[];
  notes: readonly Note[];
  deliveries: readonly Delivery[];
  /** By call: text of attempts in flight. */
  live: ReadonlyMap<number, LiveText>;
}

export function newFold(run: number): RunFold {
  return {
    run,
    seq: 0,
    isCaughtUp: false,
    accepted: null,
    ended: null,
    cancelRequestedAt: null,
    attempts: [],
    tools: [],
    requests: [],
    resumptions: [],
    notes: [],
    deliveries: [],
    live: new Map(),
  };
}

/** The run after a frame. Events that were seen, and those of other runs, change nothing. */
export function fold(state: RunFold, frame: Frame): RunFold {
  if (isEvent(frame)) {
    if (frame.seq <= state.seq) return state;
    const seen = { ...state, seq: frame.seq };
    return frame.run === state.run ? take(seen, frame) : seen;
  }
  if (frame.type === "caught_up") return { ...state, isCaughtUp: true, seq: Math.max(state.seq, frame.seq) };
  if (frame.type === "model.delta" || frame.type === "model.thought")
    return frame.run === state.run ? takeDelta(state, frame) : state;
  // What a tool says is no part of the published frames' types yet.
  const other = frame as unknown as ToolProgress;
  return other.type === "tool.progress" && other.run === state.run ? takeProgress(state, other) : state;
}

/** Where the run stands; null before it is known. */
export function statusOf(state: RunFold): RunStatus | null {
  if (state.ended) return state.ended.status;
  if (!state.accepted) return null;
  if (state.attempts.length === 0) return "queued";
  const isInFlight = [...state.attempts, ...state.tools].some(({ outcome }) => outcome === "running");
  return isInFlight ? "running" : "waiting";
}

/** Whole answers so far; of a comparison those of all its models. */
export function answersOf(state: RunFold): number {
  return state.attempts.filter((attempt) => attempt.outcome === "answered").length;
}

function take(state: RunFold, event: RunEvent): RunFold {
  switch (event.type) {
    case "run.accepted": {
      const { at, task, agent, model, metadata } = event;
      const models = event.models ?? null;
      return { ...state, accepted: { at, task, agent, model, models, metadata, maxIterations: event.max_iterations } };
    }
    case "model.called": {
      // A call that is made again although it has no outcome was cut off.
      const before = closeOpen(state.attempts, event.at, "interrupted", event.call);
      // A further attempt of a call says what the first one said.
      const notes = event.attempt > 1 ? state.notes : state.notes.map((note) => ({ ...note, isRead: true }));
      return { ...state, attempts: [...before, called(event)], notes, live: without(state.live, event.call) };
    }
    case "model.answered":
      return settle(state, event, {
        endedAt: event.at,
        outcome: "answered",
        message: event.message,
        finishReason: event.finish_reason,
        usage: event.usage,
        latencyMs: event.latency_ms,
      });
    case "model.failed":
      return settle(state, event, {
        endedAt: event.at,
        outcome: "failed",
        errorType: event.error_type,
        errorMessage: event.message,
        retryAt: event.retry_at,
        usage: event.usage ?? null,
      });
    case "run.resumed": {
      const { at, cause, outstanding } = event;
      const attempts = closeOpen(state.attempts, at, "interrupted");
      const tools = closeTools(state.tools, at, "interrupted");
      const resumptions = [...state.resumptions, { at, cause, outstanding }];
      return { ...state, attempts, tools, live: new Map(), resumptions };
    }
    case "run.steered": {
      const { seq, at, message, by } = event;
      return { ...state, notes: [...state.notes, { seq, at, message, by, isRead: false }] };
    }
    case "cancel.requested":
      return { ...state, cancelRequestedAt: event.at };
    case "run.ended": {
      const { at, status, result, output, error, usage } = event;
      const outcome = status === "cancelled" ? "cancelled" : "aborted";
      const attempts = closeOpen(state.attempts, at, outcome);
      const tools = closeTools(state.tools, at, outcome);
      const ended = { at, status, stopReason: event.stop_reason, result, output, error, usage };
      return { ...state, attempts, tools, ended, live: new Map() };
    }
    case "trace.flushed":
      return delivered(state, { at: event.at, sink: event.sink, outcome: "delivered", status: null, retryAt: null });
    case "trace.failed": {
      const { at, sink, status, retry_at: retryAt } = event;
      return delivered(state, { at, sink, outcome: retryAt === null ? "parked" : "failed", status, retryAt });
    }
    default:
      return takeAct(state, event);
  }
}

/** A delta is placed by its offset: what overlaps is said again, what starts at 0 is all there is. */
function takeDelta(state: RunFold, delta: ModelDelta | ModelThought): RunFold {
  const isOver = state.attempts.some(
    ({ call, attempt, outcome }) => call === delta.call && attempt === delta.attempt && outcome !== "running",
  );
  const known = state.live.get(delta.call);
  if (state.ended || isOver || (known && delta.attempt < known.attempt)) return state;
  const { attempt, call, offset } = delta;
  const before = known?.attempt === attempt ? known : { attempt, text: "", thoughts: "" };
  const kind = delta.type === "model.thought" ? "thoughts" : "text";
  // A hole cannot be filled from here; the whole text comes with the answer.
  if (offset > before[kind].length) return state;
  const live = new Map(state.live);
  live.set(call, { ...before, [kind]: before[kind].slice(0, offset) + delta.text });
  return { ...state, live };
}

function called(event: RunEvent & { type: "model.called" }): Attempt {
  return {
    call: event.call,
    attempt: event.attempt,
    iteration: event.iteration,
    model: event.model,
    droppedMessages: event.dropped_messages ?? 0,
    calledAt: event.at,
    endedAt: null,
    outcome: "running",
    errorType: null,
    errorMessage: null,
    retryAt: null,
    message: null,
    finishReason: null,
    usage: null,
    latencyMs: null,
  };
}

function settle(
  state: RunFold,
  { call, attempt }: { call: number; attempt: number },
  change: Partial<Attempt>,
): RunFold {
  const attempts = state.attempts.map((known) =>
    known.call === call && known.attempt === attempt && known.outcome === "running" ? { ...known, ...change } : known,
  );
  return { ...state, attempts, live: without(state.live, call) };
}

function closeOpen(attempts: readonly Attempt[], at: number, outcome: Outcome, only?: number): readonly Attempt[] {
  return attempts.map((attempt) =>
    attempt.outcome === "running" && (only === undefined || attempt.call === only)
      ? { ...attempt, outcome, endedAt: at }
      : attempt,
  );
}

/** The newest word of a sink is the one that counts. */
function delivered(state: RunFold, delivery: Delivery): RunFold {
  return { ...state, deliveries: [...state.deliveries.filter(({ sink }) => sink !== delivery.sink), delivery] };
}

function without(live: ReadonlyMap<number, LiveText>, call: number): ReadonlyMap<number, LiveText> {
  if (!live.has(call)) return live;
  const rest = new Map(live);
  rest.delete(call);
  return rest;
}
