/** Frames of a session's WebSocket: numbered events, and what comes between them. */
import type { Message, Metadata, RunFault, RunStatus, Usage } from "./types";

interface Envelope {
  seq: number;
  run: number;
  at: number;
}

export type RunEvent = Envelope &
  (
    | {
        type: "run.accepted";
        task: string;
        agent: string;
        model: string;
        max_iterations: number;
        metadata: Metadata;
        /** Only of a comparison. */
        models?: string[];
      }
    | {
        type: "model.called";
        call: number;
        attempt: number;
        iteration: number;
        model: string;
        message_count: number;
        /** Absent where the whole conversation was sent. */
        dropped_messages?: number;
      }
    | {
        type: "model.answered";
        call: number;
        attempt: number;
        iteration: number;
        message: Message;
        finish_reason: string;
        usage: Usage;
        latency_ms: number;
        final: string | null;
      }
    | {
        type: "model.failed";
        call: number;
        attempt: number;
        error_type: string;
        message: string;
        retry_at: number | null;
      }
    | { type: "run.resumed"; cause: string; outstanding: number[] }
    | { type: "cancel.requested"; by: string }
    | {
        type: "run.ended";
        status: RunStatus;
        stop_reason: string;
        result: string | null;
        error: RunFault | null;
        usage: Usage;
        iterations: number;
      }
    | { type: "trace.flushed"; sink: string; spans: number; attempt: number }
    | { type: "trace.failed"; sink: string; status: number | null; attempt: number; retry_at: number | null }
    | { type: "trace.sent"; sink: string; part: string; remote_id: string | null }
    | { type: "tool.called"; call: number; tool: string; arguments: unknown }
    | { type: "tool.answered"; call: number; tool: string; result?: unknown; error?: string; latency_ms: number }
    | { type: "approval.requested"; call: number; tool: string; arguments: unknown }
    | { type: "approval.resolved"; call: number; decision: string; reason: string | null; by: string }
  );

/** New text of a call in flight, placed by its offset in UTF-16 units. A new attempt starts again at 0. */
export interface Delta {
  type: "model.delta";
  run: number;
  call: number;
  attempt: number;
  offset: number;
  text: string;
}

export interface CaughtUp {
  type: "caught_up";
  seq: number;
}

export type Frame = RunEvent | Delta | CaughtUp;

/** Whether a frame is a numbered event, of a known type or not. */
export function isEvent(frame: Frame): frame is RunEvent {
  return "seq" in frame && frame.type !== "caught_up";
}
