/** Runs that were started from this browser: ids only. They are listed where the deployment has no index. */
import { readLocalList, writeLocalList } from "./storage";

const KEY = "longhaul.started";
const KEPT = 50;

export interface StartedRun {
  session: string;
  run: number;
}

export function rememberRun({ session, run }: StartedRun): void {
  const id = `${session}/${run}`;
  writeLocalList(KEY, [id, ...readLocalList(KEY).filter((other) => other !== id)].slice(0, KEPT));
}

/** Leaves out the runs of a session that was erased. */
export function forgetSession(session: string): void {
  writeLocalList(KEY, readLocalList(KEY).filter((id) => !id.startsWith(`${session}/`)));
}

/** Newest first. */
export function startedRuns(): StartedRun[] {
  return readLocalList(KEY).flatMap((id) => {
    const [session = "", run = ""] = id.split("/");
    return session !== "" && /^\d+$/.test(run) ? [{ session, run: Number(run) }] : [];
  });
}
