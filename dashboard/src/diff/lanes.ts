/** One model's part in a comparison, from what the stream, the trace and the run say of it. Pure. */
import type { Attempt, RunFold } from "../fold";
import type { ComparedModel, Run, RunError, Span, Trace, Usage } from "../openapi";

export type LaneStatus = "queued" | "running" | "waiting" | "succeeded" | "failed" | "cancelled";

export interface Lane {
  model: string;
  call: number | null;
  status: LaneStatus;
  /** What there is of the answer; null before its first character. */
  text: string | null;
  /** What the model thought before; empty where it did not tell. */
  thoughts: string;
  /** Whether the text is the whole answer. */
  isWhole: boolean;
  attempts: number;
  error: RunError | null;
  finishReason: string | null;
  usage: Usage | null;
  latencyMs: number | null;
  firstChunkMs: number | null;
  /** When the attempt that goes on was begun. */
  runningSince: number | null;
  /** When the next attempt is due. */
  retryAt: number | null;
}

/** Whether the model's part is over. */
export function isSettled({ status }: { status: LaneStatus }): boolean {
  return status === "succeeded" || status === "failed" || status === "cancelled";
}

/** A lane per model, in the order in which they were asked for; null when it is no comparison, or not known yet. */
export function lanes(fold: RunFold, run: Run | null, trace: Trace | null): Lane[] | null {
  const models = fold.accepted?.models ?? run?.comparison?.map(({ model }) => model) ?? null;
  if (models === null) return null;
  return models.map((model) => {
    const told = run?.comparison?.find((compared) => compared.model === model) ?? null;
    const attempts = fold.attempts.filter((attempt) => attempt.model === model);
    const last = attempts.at(-1);
    if (last === undefined) return toldLane(model, told, fold);
    const lane = streamedLane(fold, told, attempts, last, trace);
    // Without a connection the stream is behind what was asked for.
    return !isSettled(lane) && told !== null && isSettled(told) ? toldLane(model, told, fold) : lane;
  });
}

/** What was started, so that it can be started again: the task, its models and how. */
export interface Asked {
  task: string;
  models: readonly string[];
  agent: string;
  instructions: string;
  metadata: Record<string, string | number | boolean>;
}

/** Null before the stream told it. The instructions are in the calls' input. */
export function asked(fold: RunFold, trace: Trace | null): Asked | null {
  if (fold.accepted === null || fold.accepted.models === null) return null;
  const { task, models, agent, metadata } = fold.accepted;
  const input = trace?.spans.find((span) => span.call !== null && span.input.length > 0)?.input ?? [];
  const instructions = input.find(({ role }) => role === "system")?.content ?? "";
  return { task, models, agent, metadata, instructions };
}

function streamedLane(
  fold: RunFold,
  told: ComparedModel | null,
  attempts: readonly Attempt[],
  last: Attempt,
  trace: Trace | null,
): Lane {
  const span = trace?.spans.find((one) => one.call === last.call && one.attempt === last.attempt) ?? null;
  const status = statusOf(last, fold.ended !== null);
  const live = fold.live.get(last.call) ?? null;
  return {
    model: last.model,
    call: last.call,
    status,
    text: last.message?.content ?? (live?.text || partOf(span)),
    thoughts: (last.message ?? live)?.thoughts ?? "",
    isWhole: last.message !== null,
    attempts: attempts.length,
    error: status === "failed" ? faultOf(last, told) : null,
    finishReason: last.finishReason,
    usage: last.usage ?? told?.usage ?? null,
    latencyMs: last.latencyMs ?? told?.latency_ms ?? null,
    firstChunkMs: span?.time_to_first_chunk_ms ?? told?.time_to_first_chunk_ms ?? null,
    runningSince: status === "running" ? last.calledAt : null,
    retryAt: status === "waiting" ? last.retryAt : null,
  };
}

/** Before the stream said anything of the model, or without a stream. */
function toldLane(model: string, told: ComparedModel | null, fold: RunFold): Lane {
  const unknown = fold.ended === null ? "queued" : fold.ended.status === "cancelled" ? "cancelled" : "failed";
  return {
    model,
    call: told?.call ?? null,
    status: told?.status ?? unknown,
    text: told?.text ?? null,
    thoughts: "",
    isWhole: told?.status === "succeeded",
    attempts: told?.attempts ?? 0,
    error: told?.error ?? null,
    finishReason: told?.finish_reason ?? null,
    usage: told?.usage ?? null,
    latencyMs: told?.latency_ms ?? null,
    firstChunkMs: told?.time_to_first_chunk_ms ?? null,
    runningSince: null,
    retryAt: null,
  };
}

function statusOf({ outcome, retryAt }: Attempt, isOver: boolean): LaneStatus {
  switch (outcome) {
    case "running":
      return "running";
    case "answered":
      return "succeeded";
    case "cancelled":
      return "cancelled";
    case "aborted":
      return "failed";
    case "interrupted":
      return isOver ? "failed" : "waiting";
    case "failed":
      return retryAt === null || isOver ? "failed" : "waiting";
  }
}

/** The run's own word for it, else that of the last attempt. */
function faultOf({ errorType, errorMessage, outcome }: Attempt, told: ComparedModel | null): RunError {
  if (told?.error) return told.error;
  if (errorType !== null) return { code: errorType, message: errorMessage ?? "" };
  if (outcome === "interrupted") return { code: "interrupted", message: "The call was cut off." };
  return { code: "run_failed", message: "The run failed while this call was in flight." };
}

/** Text that a call had when it was cut short. */
function partOf(span: Span | null): string | null {
  return span?.output?.content || null;
}
