/** Erases a session, after a question. */
import { useState } from "preact/hooks";
import * as api from "../api";
import { visible } from "../format";
import { href, navigate } from "../router";
import { forgetSession } from "../started";
import { announce } from "./announcer";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { explained } from "./states";

export function Erase({ session }: { session: string }) {
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setIsAsking(false);
    setError(null);
  };
  const erase = async () => {
    setIsBusy(true);
    setError(null);
    try {
      await api.erase(session);
      forgetSession(session);
      announce("Erased");
      navigate(href(["runs"]));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
    }
  };
  return (
    <>
      <button type="button" class="button danger" onClick={() => setIsAsking(true)}>
        <Icon name="cross" /> Erase
      </button>
      <Dialog title="Erase this session?" isOpen={isAsking} onClose={close} isNarrow>
        <div class="dialog-body form">
          <p>
            All its runs, its conversation, its events and its traces are erased. What still runs is cancelled first.
            This cannot be undone.
          </p>
          <p class="muted">What was sent to a trace backend or a webhook before stays there.</p>
          {error !== null && (
            <p class="field-error" role="alert">
              {explained(error).title}. {visible(explained(error).detail)}
            </p>
          )}
          <div class="actions end">
            <button type="button" class="button" onClick={close}>
              Keep it
            </button>
            <button type="button" class="button danger" disabled={isBusy} onClick={() => void erase()}>
              {isBusy ? "Erasing…" : "Erase the session"}
            </button>
          </div>
        </div>
      </Dialog>
    </>
  );
}
