/** The form that starts a run. What is wrong with a field is said at the field, as the server put it. */
import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, knownModels, loadDeployment, rememberModels } from "../deployment";
import { sendAtCtrlEnter } from "../keys";
import { LIMITS } from "../openapi";
import { href, navigate } from "../router";
import { bodyOf, EMPTY_DRAFT, type Draft } from "../run-draft";
import { rememberRun } from "../started";
import { useStore } from "../store";
import { Dialog } from "./dialog";
import { Field, faultAt } from "./field";
import { MetadataRows } from "./metadata-rows";
import { AgentField, FormFault, NumberField, TextField } from "./run-fields";
import { useSending } from "./sending";

const SHOWN = ["/task", "/agent", "/model", "/max_iterations", "/instructions", "/metadata", "/budget"];

interface DialogProps {
  title?: string;
  /** What the form has at first, of a run that is made again. */
  first?: Draft;
  isOpen: boolean;
  onClose: () => void;
}

export function NewRunDialog({ title = "New run", first = EMPTY_DRAFT, isOpen, onClose }: DialogProps) {
  // What was typed stays when the dialog is closed by mistake.
  const [draft, setDraft] = useState(first);
  const clear = () => setDraft(first);
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <NewRunForm draft={draft} setDraft={setDraft} isAgain={first !== EMPTY_DRAFT} onStart={clear} onClose={onClose} />
    </Dialog>
  );
}

interface FormProps {
  draft: Draft;
  setDraft: (draft: Draft) => void;
  isAgain: boolean;
  onStart: () => void;
  onClose: () => void;
}

function NewRunForm({ draft, setDraft, isAgain, onStart, onClose }: FormProps) {
  const deployment = useStore(deploymentStore);
  const { form, error, isBusy, send } = useSending();
  useEffect(() => {
    if (deploymentStore.get() === null) loadDeployment().catch(() => undefined);
  }, []);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });

  const submit = (event: Event) => {
    event.preventDefault();
    const body = bodyOf(draft);
    return send(body, async (key) => {
      const accepted = await api.start(body, key);
      rememberRun(accepted);
      if (body.model) rememberModels([body.model]);
      onStart();
      onClose();
      navigate(href(["runs", accepted.session, String(accepted.run)]));
    });
  };

  const agent = deployment?.agents.find(({ name }) => name === draft.agent) ?? deployment?.agents[0];
  const model = agent?.model ?? deployment?.default_model;
  const compare = () => {
    onClose();
    navigate(href(["compare"], { task: draft.task }));
  };
  return (
    <form
      class="form"
      ref={form}
      onSubmit={(event) => void submit(event)}
      onKeyDown={sendAtCtrlEnter}
      noValidate
    >
      {isAgain ? (
        <p class="muted">It starts a session of its own. A budget and fallbacks are not taken over.</p>
      ) : (
        <div class="switch" role="group" aria-label="What to start">
          <button type="button" aria-pressed="true">
            One model
          </button>
          <button type="button" aria-pressed="false" onClick={compare}>
            Compare models…
          </button>
        </div>
      )}
      <TextField
        label="Task"
        rows={5}
        isRequired
        isFirst
        error={faultAt(error, "/task")}
        value={draft.task}
        onChange={(task) => change({ task })}
      />
      <div class="field-row">
        <AgentField error={faultAt(error, "/agent")} value={draft.agent} onChange={(agent) => change({ agent })} />
        <Field class="wide" label="Model" error={faultAt(error, "/model")}>
          {(ids) => (
            <>
              <input
                {...ids}
                list={`${ids.id}-models`}
                placeholder={model ?? ""}
                value={draft.model}
                spellcheck={false}
                autocomplete="off"
                onInput={(event) => change({ model: event.currentTarget.value })}
              />
              <datalist id={`${ids.id}-models`}>
                {knownModels(deployment).map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <NumberField
          label="Answers at most"
          max={agent?.max_iterations ?? LIMITS.iterations}
          placeholder={agent ? String(agent.max_iterations) : ""}
          error={faultAt(error, "/max_iterations")}
          value={draft.iterations}
          onChange={(iterations) => change({ iterations })}
        />
      </div>
      <More draft={draft} change={change} error={error} />
      <FormFault error={error} shown={SHOWN} what="run" />
      <div class="actions end dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" class="button primary" disabled={isBusy} title="Ctrl+Enter">
          {isBusy ? "Starting…" : "Start run"}
        </button>
      </div>
    </form>
  );
}

function More({ draft, change, error }: { draft: Draft; change: (part: Partial<Draft>) => void; error: unknown }) {
  const isAtFault = ["/instructions", "/metadata", "/budget"].some((pointer) => faultAt(error, pointer) !== null);
  const isFilled = draft.instructions !== "" || draft.metadata.length > 0;
  return (
    <details class="part" open={isFilled || isAtFault || undefined}>
      <summary>Instructions, metadata, budget</summary>
      <div class="form">
        <TextField
          label="Instructions"
          rows={3}
          help="In place of the agent's own."
          error={faultAt(error, "/instructions")}
          value={draft.instructions}
          onChange={(instructions) => change({ instructions })}
        />
        <MetadataRows
          rows={draft.metadata}
          onChange={(metadata) => change({ metadata })}
          error={faultAt(error, "/metadata")}
        />
        <div class="field-row">
          <NumberField
            label="Tokens at most"
            error={faultAt(error, "/budget/total_tokens")}
            value={draft.totalTokens}
            onChange={(totalTokens) => change({ totalTokens })}
          />
          <NumberField
            label="US dollars at most"
            min={0}
            step="any"
            error={faultAt(error, "/budget/cost_usd")}
            value={draft.costUsd}
            onChange={(costUsd) => change({ costUsd })}
          />
          <NumberField
            label="Seconds at most"
            step="any"
            error={faultAt(error, "/budget/deadline_ms")}
            value={draft.deadlineSeconds}
            onChange={(deadlineSeconds) => change({ deadlineSeconds })}
          />
        </div>
      </div>
    </details>
  );
}
