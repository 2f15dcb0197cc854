/** How the models of ended comparisons fared, for the list: the index has one row for all of them. */
import * as api from "./api";
import type { Run } from "./openapi";
import { store, type Store } from "./store";

export interface Fared {
  answered: number;
  failed: number;
}

/** Comparisons that are asked for at the same time: a page of them is no burst. */
const AT_ONCE = 4;
/** Comparisons that are remembered: several pages of them. */
const KEPT = 500;
/** How long nobody asks again for one that could not be told, in milliseconds. */
const AGAIN_MS = 60_000;

/** By session. What has ended does not change, so each is asked for once. */
const known = new Map<string, Store<Fared | null>>();
const waiting: (() => Promise<void>)[] = [];
let running = 0;

/** Null until it is known. */
export function fared(session: string): Store<Fared | null> {
  const found = known.get(session);
  if (found) return found;
  const made = store<Fared | null>(null);
  known.set(session, made);
  const oldest = known.size > KEPT ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  waiting.push(async () => {
    try {
      made.set(faredOf(await api.run(session, 1)));
    } catch {
      // A later look asks again: not the next one, which comes in seconds.
      setTimeout(() => known.delete(session), AGAIN_MS);
    }
  });
  work();
  return made;
}

export function faredOf({ comparison, iterations }: Pick<Run, "comparison" | "iterations">): Fared {
  // A name may have a comma, and is no comparison for that.
  if (comparison === undefined) return { answered: iterations, failed: 0 };
  const having = (status: string) => comparison.filter((model) => model.status === status).length;
  return { answered: having("succeeded"), failed: having("failed") };
}

function work(): void {
  while (running < AT_ONCE) {
    const next = waiting.shift();
    if (next === undefined) return;
    running += 1;
    void next().finally(() => {
      running -= 1;
      work();
    });
  }
}
