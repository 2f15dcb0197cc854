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
      made.set(count(await api.run(session, 1)));
    } catch {
      // The next look asks again.
      known.delete(session);
    }
  });
  work();
  return made;
}

export function count({ comparison = [] }: Pick<Run, "comparison">): Fared {
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
