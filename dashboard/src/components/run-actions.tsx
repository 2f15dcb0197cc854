/** What can be done with a run: cancel it, take its trace along. */
import { useState } from "preact/hooks";
import * as api from "../api";
import type { RunStatus, Trace } from "../openapi";
import { isOpen } from "../status";
import { announce } from "./announcer";
import { CopyButton } from "./copy";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { explained } from "./states";

interface RunActionsProps {
  session: string;
  run: number;
  status: RunStatus;
  trace: Trace | null;
}

export function RunActions({ session, run, status, trace }: RunActionsProps) {
  return (
    <>
      <CopyButton text={() => api.traceOtlp(session, run)} label="Copy the trace as OTLP/JSON">
        Copy as OTLP
      </CopyButton>
      <button type="button" class="button" disabled={trace === null} onClick={() => trace && download(trace)}>
        <Icon name="download" /> Download JSON
      </button>
      {isOpen(status) && <Cancel session={session} />}
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

function download(trace: Trace) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(trace, null, 2)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `trace-${trace.trace_id}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
