/** The calls that wait for a person, as the index has them: one question for the bar and the page. */
import { useEffect } from "preact/hooks";
import * as api from "./api";
import { deploymentStore } from "./deployment";
import { useLoaded } from "./hooks";
import type { ApprovalPage } from "./openapi";
import { store, useStore } from "./store";

/** How often it is asked, in milliseconds. */
const POLL_MS = 5_000;
/** Calls that the bar counts; of more it says so. */
const COUNTED_MAX = 99;

interface Inbox {
  page: ApprovalPage | null;
  error: unknown;
  reload: () => void;
}

/** Null in a deployment without an index, and before it is known. */
export const inboxStore = store<Inbox | null>(null);

/** Keeps the store: for what is on every page, and only for that. */
export function useInbox(): Inbox | null {
  const hasIndex = useStore(deploymentStore)?.index ?? false;
  const { data, error, reload } = useLoaded(
    `inbox/${hasIndex}`,
    async (signal) => (hasIndex ? api.approvals(COUNTED_MAX, signal) : null),
    () => (hasIndex ? POLL_MS : null),
  );
  useEffect(() => {
    inboxStore.set(hasIndex ? { page: data, error, reload } : null);
  }, [hasIndex, data, error, reload]);
  return useStore(inboxStore);
}

/** `3`, or `99+`; empty where nothing waits. */
export function inboxCount(inbox: Inbox | null): string {
  const count = inbox?.page?.approvals.length ?? 0;
  return count === 0 ? "" : `${count}${inbox?.page?.next ? "+" : ""}`;
}
