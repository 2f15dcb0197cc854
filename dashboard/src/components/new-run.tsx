/** The form that starts a run. What is wrong with a field is said at the field, as the server put it. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, knownModels, loadDeployment, rememberModels } from "../deployment";
import { visible } from "../format";
import { href, navigate } from "../router";
import { rememberRun } from "../started";
import { useStore } from "../store";
import type { Metadata, NewRun } from "../types";
import { Dialog } from "./dialog";
import { Field, faultAt, faultsElsewhere } from "./field";
import { MetadataRows, type MetadataRow } from "./metadata-rows";
import { explained } from "./states";

const SHOWN = ["/task", "/agent", "/model", "/max_iterations", "/instructions", "/metadata", "/budget"];
const ANSWERS_MAX = 6;

interface Draft {
  task: string;
  agent: string;
  model: string;
  iterations: string;
  instructions: string;
  metadata: MetadataRow[];
  totalTokens: string;
  costUsd: string;
  deadlineSeconds: string;
}

const EMPTY: Draft = {
  task: "",
  agent: "",
  model: "",
  iterations: "",
  instructions: "",
  metadata: [],
  totalTokens: "",
  costUsd: "",
  deadlineSeconds: "",
};

export function NewRunDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  // What was typed stays when the dialog is closed by mistake.
  const [draft, setDraft] = useState(EMPTY);
  return (
    <Dialog title="New run" isOpen={isOpen} onClose={onClose}>
      <NewRunForm draft={draft} setDraft={setDraft} onClose={onClose} />
    </Dialog>
  );
}

interface FormProps {
  draft: Draft;
  setDraft: (draft: Draft) => void;
  onClose: () => void;
}

function NewRunForm({ draft, setDraft, onClose }: FormProps) {
  const deployment = useStore(deploymentStore);
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const sent = useRef({ body: "", key: "" });
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    form.current?.querySelector("textarea")?.focus();
    if (deploymentStore.get() === null) loadDeployment().catch(() => undefined);
  }, []);
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });

  const submit = async (event: Event) => {
    event.preventDefault();
    const body = bodyOf(draft);
    const text = JSON.stringify(body);
    // A second try of the same run after a lost answer must not start a second run.
    if (sent.current.body !== text) sent.current = { body: text, key: api.newIdempotencyKey() };
    setIsBusy(true);
    setError(null);
    try {
      const accepted = await api.start(body, sent.current.key);
      rememberRun(accepted);
      if (body.model) rememberModels([body.model]);
      setDraft(EMPTY);
      onClose();
      navigate(href(["runs", accepted.session, String(accepted.run)]));
    } catch (failure) {
      setError(failure);
      setIsBusy(false);
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus());
    }
  };

  const agent = deployment?.agents.find(({ name }) => name === draft.agent) ?? deployment?.agents[0];
  const model = agent?.model ?? deployment?.default_model;
  const compare = () => {
    onClose();
    navigate(href(["compare"], { task: draft.task }));
  };
  return (
    <form class="form" ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <div class="switch" role="group" aria-label="What to start">
        <button type="button" aria-pressed="true">
          One model
        </button>
        <button type="button" aria-pressed="false" onClick={compare}>
          Compare models…
        </button>
      </div>
      <Field label="Task" error={faultAt(error, "/task")}>
        {(ids) => (
          <textarea
            {...ids}
            rows={5}
            required
            dir="auto"
            value={draft.task}
            onInput={(event) => change({ task: event.currentTarget.value })}
          />
        )}
      </Field>
      <div class="field-row">
        <Field label="Agent" error={faultAt(error, "/agent")}>
          {(ids) => (
            <select {...ids} value={draft.agent} onChange={(event) => change({ agent: event.currentTarget.value })}>
              {deployment === null && <option value="">default</option>}
              {deployment?.agents.map(({ name }, index) => (
                <option key={name} value={index === 0 ? "" : name}>
                  {visible(name)}
                </option>
              ))}
            </select>
          )}
        </Field>
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
        <Field label="Answers at most" error={faultAt(error, "/max_iterations")}>
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={1}
              max={ANSWERS_MAX}
              placeholder={String(agent?.max_iterations ?? ANSWERS_MAX)}
              value={draft.iterations}
              onInput={(event) => change({ iterations: event.currentTarget.value })}
            />
          )}
        </Field>
      </div>
      <More draft={draft} change={change} error={error} />
      <Rest error={error} />
      <div class="actions end dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" class="button primary" disabled={isBusy}>
          {isBusy ? "Starting…" : "Start run"}
        </button>
      </div>
    </form>
  );
}

function More({ draft, change, error }: { draft: Draft; change: (part: Partial<Draft>) => void; error: unknown }) {
  const isAtFault = ["/instructions", "/metadata", "/budget"].some((pointer) => faultAt(error, pointer) !== null);
  return (
    <details class="part" open={isAtFault || undefined}>
      <summary>Instructions, metadata, budget</summary>
      <div class="form">
        <Field label="Instructions" error={faultAt(error, "/instructions")} help="In place of the agent's own.">
          {(ids) => (
            <textarea
              {...ids}
              rows={3}
              dir="auto"
              value={draft.instructions}
              onInput={(event) => change({ instructions: event.currentTarget.value })}
            />
          )}
        </Field>
        <MetadataRows
          rows={draft.metadata}
          onChange={(metadata) => change({ metadata })}
          error={faultAt(error, "/metadata")}
        />
        <div class="field-row">
          <Field label="Tokens at most" error={faultAt(error, "/budget/total_tokens")}>
            {(ids) => (
              <input
                {...ids}
                type="number"
                min={1}
                value={draft.totalTokens}
                onInput={(event) => change({ totalTokens: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label="US dollars at most" error={faultAt(error, "/budget/cost_usd")}>
            {(ids) => (
              <input
                {...ids}
                type="number"
                min={0}
                step="any"
                value={draft.costUsd}
                onInput={(event) => change({ costUsd: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label="Seconds at most" error={faultAt(error, "/budget/deadline_ms")}>
            {(ids) => (
              <input
                {...ids}
                type="number"
                min={1}
                step="any"
                value={draft.deadlineSeconds}
                onInput={(event) => change({ deadlineSeconds: event.currentTarget.value })}
              />
            )}
          </Field>
        </div>
      </div>
    </details>
  );
}

/** What is wrong with no field of this form: the connection, the deployment, a field that it does not have. */
function Rest({ error }: { error: unknown }) {
  if (error === null) return null;
  const elsewhere = faultsElsewhere(error, SHOWN);
  const hasFields = error instanceof api.ApiError && error.fields.length > 0;
  if (hasFields && elsewhere.length === 0) {
    return (
      <p class="field-error" role="alert">
        The run was not started: see the marked fields.
      </p>
    );
  }
  const { title, detail } = explained(error);
  const again =
    error instanceof api.Unreachable ? " Send it again when it does: the same run is not started twice." : "";
  return (
    <p class="field-error" role="alert">
      {title}. {visible(detail)}
      {again} {elsewhere.map((fault) => `${visible(fault.pointer)}: ${visible(fault.detail)}`).join("; ")}
    </p>
  );
}

function bodyOf(draft: Draft): NewRun {
  const metadata: Metadata = {};
  for (const { key, value } of draft.metadata) if (key !== "" || value !== "") metadata[key] = value;
  const budget = {
    ...number("total_tokens", draft.totalTokens),
    ...number("cost_usd", draft.costUsd),
    ...number("deadline_ms", draft.deadlineSeconds, 1_000),
  };
  return {
    task: draft.task,
    ...(draft.agent !== "" && { agent: draft.agent }),
    ...(draft.model.trim() !== "" && { model: draft.model.trim() }),
    ...number("max_iterations", draft.iterations),
    ...(draft.instructions.trim() !== "" && { instructions: draft.instructions }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(Object.keys(budget).length > 0 && { budget }),
  };
}

function number(name: string, text: string, factor = 1): Record<string, number> {
  return text.trim() === "" ? {} : { [name]: Number(text) * factor };
}
