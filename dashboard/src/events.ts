/** Frames of a session's WebSocket: numbered events, and what comes between them. */
import type { Event, ServerFrame } from "./openapi";

/** An event of a run; the page's own name, because the browser has an `Event` too. */
export type RunEvent = Event;
export type Frame = ServerFrame;

/** Whether a frame is a numbered event, of a known type or not. */
export function isEvent(frame: Frame): frame is RunEvent {
  return "seq" in frame && frame.type !== "caught_up";
}
