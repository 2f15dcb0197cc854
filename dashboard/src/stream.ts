/**
 * A session's live stream over a WebSocket that comes back by itself: it goes on from the last event it saw, so nothing
 * is missed and nothing comes twice. It knows no page; sockets, time and chance are its ports.
 */
import { isEvent, type Frame } from "./events";

/** How often a ping is sent, and how long the server may take to say anything, in milliseconds. */
export const PING_MS = 30_000;
export const PONG_MS = 10_000;
/** How long a new connection may take to have replayed the past, in milliseconds. */
export const CONNECT_MS = 20_000;
/** The wait before the first and before any further attempt, at most, in milliseconds. */
export const RETRY_MS_MIN = 500;
export const RETRY_MS_MAX = 30_000;

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "lost"; retryAt: number; failures: number }
  /** It went, and there is nothing more to come. */
  | { state: "over" };

export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  onMessage(text: string): void;
  onClose(): void;
}

export interface StreamPorts {
  /** Opens a socket that replays everything after `after`. */
  open(after: number, events: SocketEvents): Socket;
  now(): number;
  /** From 0 up to 1. */
  random(): number;
  /** Calls back once; gives what cancels it. */
  timer(callback: () => void, waitMs: number): () => void;
}

export interface StreamHandlers {
  onFrame(frame: Frame): void;
  onConnection(connection: Connection): void;
  /** Whether a lost connection is worth another. */
  isWanted(): boolean;
}

export interface Stream {
  /** Does not wait for the next attempt. */
  retryNow(): void;
  stop(): void;
}

export function startStream(ports: StreamPorts, handlers: StreamHandlers): Stream {
  let after = 0;
  let failures = 0;
  let socket: Socket | null = null;
  let isStopped = false;
  let cancelTimers: (() => void)[] = [];
  let cancelSilence: (() => void) | null = null;

  function connect() {
    clear();
    handlers.onConnection({ state: "connecting" });
    // Callbacks of a socket that was given up must not touch its successor.
    let isCurrent = true;
    const lose = () => {
      if (!isCurrent || isStopped) return;
      isCurrent = false;
      lost();
    };
    const opened = ports.open(after, {
      onMessage: (text) => {
        if (isCurrent && !isStopped) take(text);
      },
      onClose: lose,
    });
    socket = opened;
    cancelSilence = ports.timer(lose, CONNECT_MS);
    const ping = () => {
      if (!isCurrent || isStopped) return;
      opened.send("ping");
      cancelSilence?.();
      cancelSilence = ports.timer(lose, PONG_MS);
      cancelTimers = [ports.timer(ping, PING_MS)];
    };
    cancelTimers = [ports.timer(ping, PING_MS)];
  }

  function take(text: string) {
    const frame = text === "pong" ? null : parsed(text);
    if (frame?.type === "caught_up") {
      after = Math.max(after, frame.seq);
      failures = 0;
      hush();
      handlers.onConnection({ state: "live" });
    } else if (text === "pong") {
      hush();
    }
    if (frame === null) return;
    if (isEvent(frame)) {
      if (frame.seq <= after) return;
      after = frame.seq;
    }
    handlers.onFrame(frame);
  }

  function lost() {
    const gone = socket;
    clear();
    gone?.close();
    if (!handlers.isWanted()) return handlers.onConnection({ state: "over" });
    failures += 1;
    const most = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (failures - 1));
    const waitMs = Math.round(most / 2 + (most / 2) * ports.random());
    handlers.onConnection({ state: "lost", retryAt: ports.now() + waitMs, failures });
    cancelTimers = [ports.timer(connect, waitMs)];
  }

  function hush() {
    cancelSilence?.();
    cancelSilence = null;
  }

  function clear() {
    for (const cancel of cancelTimers) cancel();
    cancelTimers = [];
    hush();
    socket = null;
  }

  connect();
  return {
    retryNow() {
      if (!isStopped && socket === null) connect();
    },
    stop() {
      isStopped = true;
      const gone = socket;
      clear();
      gone?.close();
    },
  };
}

function parsed(text: string): Frame | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "type" in value ? (value as Frame) : null;
  } catch {
    return null;
  }
}
