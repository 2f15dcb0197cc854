/** A run as it happens: the stream folded, for components. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import { subprotocols, token } from "./auth";
import { fold, newFold, type RunFold } from "./fold";
import type { Trace } from "./openapi";
import { useStore } from "./store";
import { startStream, type Connection, type Stream, type StreamPorts } from "./stream";

export interface RunStream {
  fold: RunFold;
  connection: Connection;
  /** Why the run cannot be shown at all: there is no such session, or it was erased. */
  fault: api.ApiError | null;
  retryNow(): void;
}

export function useRunStream(session: string, run: number): RunStream {
  const [state, setState] = useState<RunFold>(() => newFold(run));
  const [connection, setConnection] = useState<Connection>({ state: "connecting" });
  const [fault, setFault] = useState<api.ApiError | null>(null);
  const stream = useRef<Stream | null>(null);
  const user = useStore(token);

  useEffect(() => {
    let current = newFold(run);
    let frame = 0;
    const abort = new AbortController();
    // Text arrives faster than the screen shows it.
    const show = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setState(current);
      });
    };
    // A hidden page draws no frames, and must not be behind when it is seen again.
    const flush = () => setState(current);
    setState(current);
    setFault(null);
    const started = startStream(browserPorts(session, run, user), {
      onFrame(next) {
        current = fold(current, next);
        show();
      },
      onConnection(next) {
        setConnection(next);
        if (next.state === "lost" && next.failures === 1) void explain();
      },
      isWanted: () => current.ended === null,
    });
    // A browser does not say why a socket was refused; a request does.
    const explain = async () => {
      try {
        await api.run(session, run, abort.signal);
      } catch (error) {
        if (!(error instanceof api.ApiError) || error.status !== 404) return;
        setFault(error);
        started.stop();
      }
    };
    const retry = () => started.retryNow();
    stream.current = started;
    addEventListener("online", retry);
    document.addEventListener("visibilitychange", flush);
    return () => {
      abort.abort();
      started.stop();
      stream.current = null;
      cancelAnimationFrame(frame);
      removeEventListener("online", retry);
      document.removeEventListener("visibilitychange", flush);
    };
  }, [session, run, user]);

  const retryNow = useCallback(() => stream.current?.retryNow(), []);
  return { fold: state, connection, fault, retryNow };
}

/** How long changes are collected before the trace is fetched again, in milliseconds. */
const TRACE_QUIET_MS = 250;

/** The run's trace, fetched again after each change that `version` stands for. */
export function useTrace(session: string, run: number, version: string): { trace: Trace | null; error: unknown } {
  const [state, setState] = useState<{ trace: Trace | null; error: unknown }>({ trace: null, error: null });
  const isFirst = useRef(true);
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(
      () => {
        api.trace(session, run, abort.signal).then(
          (trace) => setState({ trace, error: null }),
          (error: unknown) => {
            if (!abort.signal.aborted) setState((old) => ({ trace: old.trace, error }));
          },
        );
      },
      isFirst.current ? 0 : TRACE_QUIET_MS,
    );
    isFirst.current = false;
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [session, run, version]);
  return state;
}

function browserPorts(session: string, run: number, user: string | null): StreamPorts {
  return {
    open(after, events) {
      const query = new URLSearchParams({ run: String(run), after: String(after) });
      const url = new URL(api.ofTenant("GET", `/v1/sessions/${encodeURIComponent(session)}/events?${query}`), location.href);
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url, subprotocols(user));
      socket.onmessage = ({ data }) => {
        if (typeof data === "string") events.onMessage(data);
      };
      socket.onclose = () => events.onClose();
      return {
        send: (text) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(text);
        },
        close: () => socket.close(),
      };
    },
    now: Date.now,
    random: Math.random,
    timer(callback, waitMs) {
      const id = setTimeout(callback, waitMs);
      return () => clearTimeout(id);
    },
  };
}
