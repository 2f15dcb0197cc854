/** The journal of a session as its events, page by page, and what has come since. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import * as api from "./api";
import type { RunEvent } from "./events";
import { oneLine, words } from "./format";

/** Events of a page, and how often an open session is asked for more, in milliseconds. */
const PAGE = 200;
const POLL_MS = 2_000;
/** The server's own limit: for a download. */
const PAGE_MAX = 1_000;

export interface EventLog {
  events: readonly RunEvent[];
  /** Whether there are more of them already. */
  hasMore: boolean;
  /** Whether the first page has not come yet. */
  isLoading: boolean;
  error: unknown;
  loadMore(): void;
}

/** The events of a run, or of the whole session. While `isOpen`, new ones are appended. */
export function useEventLog(session: string, run: number | null, isOpen: boolean): EventLog {
  const [state, setState] = useState<Omit<EventLog, "loadMore">>(NOTHING);
  const busy = useRef<AbortController | null>(null);
  const after = useRef(0);

  const load = useCallback(async () => {
    if (busy.current !== null) return;
    const abort = new AbortController();
    busy.current = abort;
    try {
      const page = await api.events(session, { after: after.current, limit: PAGE, run }, abort.signal);
      after.current = page.next ?? page.events.at(-1)?.seq ?? after.current;
      setState(({ events }) => ({
        events: page.events.length === 0 ? events : [...events, ...page.events],
        hasMore: page.next !== null,
        isLoading: false,
        error: null,
      }));
    } catch (error) {
      if (!abort.signal.aborted) setState((old) => ({ ...old, isLoading: false, error }));
    } finally {
      if (busy.current === abort) busy.current = null;
    }
  }, [session, run]);

  useEffect(() => {
    setState(NOTHING);
    after.current = 0;
    void load();
    return () => {
      busy.current?.abort();
      busy.current = null;
    };
  }, [load]);

  const { hasMore, error } = state;
  useEffect(() => {
    // Once more after the end: the last events came with it.
    if (hasMore || error !== null) return undefined;
    if (!isOpen) {
      if (after.current > 0) void load();
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [load, isOpen, hasMore, error !== null]);

  return { ...state, loadMore: () => void load() };
}

const NOTHING = { events: [], hasMore: false, isLoading: true, error: null };

/** All events as text, one JSON a line: the raw journal. */
export async function allEvents(session: string, run: number | null): Promise<string> {
  const lines: string[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const page: Awaited<ReturnType<typeof api.events>> = await api.events(session, { after, limit: PAGE_MAX, run });
    lines.push(...page.events.map((event) => `${JSON.stringify(event)}\n`));
    after = page.next;
  }
  return lines.join("");
}

/** What an event is about, in a line: whatever type it has. */
export function gist(event: RunEvent): string {
  const all = event as unknown as Record<string, unknown>;
  const text = (name: string) => (typeof all[name] === "string" ? oneLine(all[name], 120) : "");
  const call = typeof all.call === "number" ? `call ${all.call}` : "";
  const attempt = call !== "" && typeof all.attempt === "number" ? `.${all.attempt}` : "";
  const message = all.message as { content?: unknown } | undefined;
  const said = typeof message?.content === "string" ? oneLine(message.content, 120) : text("message");
  const codes = ["status", "stop_reason", "error_type", "decision", "cause"].map((name) => words(text(name)));
  const parts = [`${call}${attempt}`, text("model"), text("tool"), text("sink"), ...codes, text("task"), said];
  return parts.filter((part) => part !== "").join(" · ");
}
