/** What can be done with a run: make it again, take its trace along, cancel it, erase it. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, isAnothers } from "../deployment";
import type { RunFold } from "../fold";
import type { RunStatus, Trace } from "../openapi";
import { href } from "../router";
import { draftAgain, type Draft } from "../run-draft";
import { isOpen } from "../status";
import { useStore } from "../store";
import { announce } from "./announcer";
import { asked } from "../diff/lanes";
import { askAgain } from "./compare-form";
import { CopyButton } from "./copy";
import { Dialog } from "./dialog";
import { download } from "./download";
import { Erase } from "./erase";
import { Icon } from "./icon";
import { NewRunDialog } from "./new-run";
import { explained } from "./states";

interface RunActionsProps {
  session: string;
  run: number;
  status: RunStatus;
  fold: RunFold;
  trace: Trace | null;
}

export function RunActions({ session, run, status, fold, trace }: RunActionsProps) {
  return (
    <>
      {!isAnothers(useStore(deploymentStore)) && <RunAgain fold={fold} trace={trace} />}
      <a class="button" href={href(["sessions", session], { view: "events", run })}>
        <Icon name="queue" /> Events
      </a>
      <CopyButton text={() => api.traceOtlp(session, run)} label="Copy the trace as OTLP/JSON">
        Copy as OTLP
      </CopyButton>
      <button type="button" class="button" disabled={trace === null} onClick={() => trace && save(trace)}>
        <Icon name="download" /> Download JSON
      </button>
      {isOpen(status) && <Cancel session={session} />}
      <Erase session={session} />
    </>
  );
}

/** Opens the form of a run, or of a comparison, with what this one was asked. */
function RunAgain({ fold, trace }: { fold: RunFold; trace: Trace | null }) {
  const [draft, setDraft] = useState<Draft | null>(null);
  const [isOpen, setIsOpen] = useState(false);
  const compared = trace === null ? null : asked(fold, trace);
  const again = draftAgain(fold, trace);
  const open = () => {
    if (compared !== null) return askAgain(compared);
    setDraft(draft ?? again);
    setIsOpen(true);
  };
  return (
    <>
      <button type="button" class="button" disabled={compared === null && again === null} onClick={open}>
        <Icon name="retry" /> Run again
      </button>
      {draft !== null && (
        <NewRunDialog title="Run again" first={draft} isOpen={isOpen} onClose={() => setIsOpen(false)} />
      )}
    </>
  );
}

function Cancel({ session }: { session: string }) {
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setIsAsking(false);
    setError(null);
  };
  const cancel = async () => {
    setIsBusy(true);
    try {
      await api.cancel(session);
      announce("Cancelled");
      close();
    } catch (failure) {
      setError(failure);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="button danger" onClick={() => setIsAsking(true)}>
        <Icon name="slash" /> Cancel
      </button>
      <Dialog title="Cancel this run?" isOpen={isAsking} onClose={close} isNarrow>
        <div class="dialog-body form">
          <p>No further call is made. Runs that wait in this session are cancelled too. This cannot be undone.</p>
          {error !== null && (
            <p class="field-error" role="alert">
              {explained(error).title}. {explained(error).detail}
            </p>
          )}
          <div class="actions end">
            <button type="button" class="button" onClick={close}>
              Let it run
            </button>
            <button type="button" class="button danger" disabled={isBusy} onClick={() => void cancel()}>
              {isBusy ? "Cancelling…" : "Cancel the run"}
            </button>
          </div>
        </div>
      </Dialog>
    </>
  );
}

function save(trace: Trace) {
  download(`trace-${trace.trace_id}.json`, JSON.stringify(trace, null, 2), "application/json");
}
