import type { RunStatus } from "./openapi";

const IS_OPEN: Readonly<Record<RunStatus, boolean>> = {
  queued: true,
  running: true,
  waiting: true,
  succeeded: false,
  failed: false,
  cancelled: false,
};

export const STATUSES = Object.keys(IS_OPEN) as readonly RunStatus[];
export const OPEN_STATUSES: readonly RunStatus[] = STATUSES.filter(isOpen);

export function isOpen(status: RunStatus): boolean {
  return IS_OPEN[status];
}

/** What is said of a run that has this status by now: `has succeeded`, `is waiting`. */
export function became(status: RunStatus): string {
  return status === "succeeded" || status === "failed" ? `has ${status}` : `is ${status}`;
}
