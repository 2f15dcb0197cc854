/** Hooks that pages share: loading, polling, the time, what the browser says of itself. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, isAbort } from "./api";
import { chosenTenant } from "./router";

export interface Loaded<T> {
  /** The newest answer; it stays while a newer one is loaded or fails. */
  data: T | null;
  /** Why the newest attempt failed; null after a success. */
  error: unknown;
  /** Whether nothing has been answered yet. */
  loading: boolean;
  reload(): void;
}

/** How long after an error the next attempt waits at most, in milliseconds. */
const POLL_BACKOFF_MS_MAX = 60_000;

/**
 * Loads when `name` or the chosen tenant changes, and again `pollMs(data)` after each answer (null: not again). It rests while the page is
 * hidden, and slows down while there are errors. A new `name` drops the data of the old one.
 */
export function useLoaded<T>(
  name: string,
  load: (signal: AbortSignal) => Promise<T>,
  pollMs: (data: T) => number | null = () => null,
): Loaded<T> {
  const key = `${chosenTenant() ?? ""} ${name}`;
  const [state, setState] = useState<{ key: string; data: T | null; error: unknown }>({ key, data: null, error: null });
  const [round, setRound] = useState(0);
  const latest = useRef({ load, pollMs });
  latest.current = { load, pollMs };
  const reload = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let isDue = true;
    let isLoading = false;
    const tick = async () => {
      isDue = false;
      isLoading = true;
      let waitMs: number | null;
      try {
        const data = await latest.current.load(abort.signal);
        failures = 0;
        setState({ key, data, error: null });
        waitMs = latest.current.pollMs(data);
      } catch (error) {
        if (abort.signal.aborted || isAbort(error)) return;
        failures += 1;
        setState((old) => ({ key, data: old.key === key ? old.data : null, error }));
        waitMs = failureWaitMs(error, failures);
      } finally {
        isLoading = false;
      }
      if (abort.signal.aborted || waitMs === null) return;
      timer = setTimeout(() => {
        isDue = true;
        if (!document.hidden) void tick();
      }, waitMs);
    };
    const wake = () => {
      if (!document.hidden && isDue && !isLoading) void tick();
    };
    document.addEventListener("visibilitychange", wake);
    void tick();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
    };
  }, [key, round]);

  const current = state.key === key ? state : { data: null, error: null };
  return { data: current.data, error: current.error, loading: current.data === null && current.error === null, reload };
}

/** The time, refreshed every `periodMs` while the page is visible. */
export function useNow(periodMs: number | null): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (periodMs === null) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, periodMs);
    return () => clearInterval(timer);
  }, [periodMs]);
  return now;
}

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const update = () => setMatches(list.matches);
    update();
    list.addEventListener("change", update);
    return () => list.removeEventListener("change", update);
  }, [query]);
  return matches;
}

/** Calls `apply` when `value` has not changed for `waitMs`. */
export function useDebounced<T>(value: T, waitMs: number, apply: (value: T) => void): void {
  const latest = useRef(apply);
  latest.current = apply;
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return undefined;
    }
    const timer = setTimeout(() => latest.current(value), waitMs);
    return () => clearTimeout(timer);
  }, [value, waitMs]);
}

/** What the caller must change is not tried again by itself; all else is, more and more slowly. */
function failureWaitMs(error: unknown, failures: number): number | null {
  if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) return null;
  if (error instanceof ApiError && error.code === "index_not_configured") return null;
  const backoffMs = Math.min(POLL_BACKOFF_MS_MAX, 2_000 * 2 ** (failures - 1));
  return Math.max(backoffMs, (error instanceof ApiError && error.retryAfterMs) || 0);
}
