/** The form that puts one task to several models. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, knownModels, loadDeployment, rememberModels } from "../deployment";
import { atRows, draftOf, EMPTY_DRAFT, MODELS_MAX, MODELS_MIN, requestOf, type Draft } from "../diff/draft";
import type { Asked } from "../diff/lanes";
import { visible } from "../format";
import { sendAtCtrlEnter } from "../keys";
import { labelsOf } from "../labels";
import { href, navigate } from "../router";
import { rememberRun } from "../started";
import { useStore } from "../store";
import { Field, faultAt } from "./field";
import { Icon } from "./icon";
import { MetadataRows } from "./metadata-rows";
import { AgentField, FormFault, NumberField, TextField } from "./run-fields";
import { useSending } from "./sending";

/** A task that is longer is not put into an address. */
const TASK_IN_ADDRESS_CHARS_MAX = 1_000;

let handedOver: Draft | null = null;

/** Goes to the form, filled with what was asked before. */
export function askAgain({ task, models, agent, instructions, metadata }: Asked): void {
  handedOver = { ...EMPTY_DRAFT, task, models, agent, instructions, metadata: labelsOf(metadata) };
  const short = task.length <= TASK_IN_ADDRESS_CHARS_MAX ? task : "";
  navigate(href(["compare"], { task: short, models: models.join(","), agent }));
}

/** The draft to begin with: one handed over is used once. */
function firstDraft(query: URLSearchParams): Draft {
  const given = handedOver ?? draftOf(query);
  handedOver = null;
  return given;
}

export function CompareForm({ query }: { query: URLSearchParams }) {
  const deployment = useStore(deploymentStore);
  const [draft, setDraft] = useState(() => firstDraft(query));
  const { form, error, isBusy, fail, send } = useSending();
  const change = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  useEffect(() => {
    if (deploymentStore.get() === null) loadDeployment().catch(() => undefined);
    // After the page, which takes the focus to its heading. Where there is no keyboard, one would open.
    const isTyped = matchMedia("(pointer: fine)").matches;
    if (isTyped) requestAnimationFrame(() => form.current?.querySelector("textarea")?.focus({ preventScroll: true }));
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    const request = requestOf(draft);
    if ("faults" in request) {
      return fail(new api.ApiError(0, "form", "The comparison was not started", "", request.faults, null));
    }
    const { body, rows } = request;
    return send(body, async (key) => {
      const accepted = await api.compare(body, key).catch((failure: unknown) => {
        throw failure instanceof api.ApiError ? withRows(failure, rows) : failure;
      });
      rememberRun(accepted);
      rememberModels(body.models);
      navigate(href(["compare", accepted.session]));
    });
  };

  const isMoreOpen = draft.instructions !== "" || draft.deadlineSeconds !== "" || draft.metadata.length > 0;
  const isMoreAtFault = ["/instructions", "/budget", "/metadata"].some((pointer) => faultAt(error, pointer) !== null);
  return (
    <form
      class="panel form compare-form"
      ref={form}
      onSubmit={(event) => void submit(event)}
      onKeyDown={sendAtCtrlEnter}
      noValidate
    >
      <TextField
        label="Task"
        rows={5}
        isRequired
        help="Every model gets the same text at the same time."
        error={faultAt(error, "/task")}
        value={draft.task}
        onChange={(task) => change({ task })}
      />
      <ModelRows
        models={draft.models}
        suggestions={knownModels(deployment)}
        error={error}
        onChange={(models) => change({ models })}
      />
      <AgentField
        class="agent-field"
        error={faultAt(error, "/agent")}
        value={draft.agent}
        onChange={(agent) => change({ agent })}
      />
      <details class="compare-more" open={isMoreOpen || isMoreAtFault || undefined}>
        <summary>Instructions, deadline, metadata</summary>
        <div class="form">
          <TextField
            label="Instructions"
            rows={3}
            help="In place of the agent's own."
            error={faultAt(error, "/instructions")}
            value={draft.instructions}
            onChange={(instructions) => change({ instructions })}
          />
          <NumberField
            label="Seconds at most"
            class="deadline-field"
            step="any"
            help="Models without an answer by then have failed."
            error={faultAt(error, "/budget/deadline_ms") ?? faultAt(error, "/budget")}
            value={draft.deadlineSeconds}
            onChange={(deadlineSeconds) => change({ deadlineSeconds })}
          />
          <MetadataRows
            rows={draft.metadata}
            onChange={(metadata) => change({ metadata })}
            error={faultAt(error, "/metadata")}
          />
        </div>
      </details>
      <FormFault error={error} shown={SHOWN} what="comparison" />
      <div class="actions">
        <button type="submit" class="button primary" disabled={isBusy} title="Ctrl+Enter">
          <Icon name="compare" /> {isBusy ? "Starting…" : "Compare"}
        </button>
      </div>
    </form>
  );
}

interface ModelRowsProps {
  models: readonly string[];
  suggestions: readonly string[];
  error: unknown;
  onChange: (models: string[]) => void;
}

function ModelRows({ models, suggestions, error, onChange }: ModelRowsProps) {
  const rows = useRef<HTMLFieldSetElement>(null);
  const isFull = models.length >= MODELS_MAX;
  // Of the list as a whole: what is about one model is at its row.
  const faults = error instanceof api.ApiError ? error.fields : [];
  const fault = faults.find(({ pointer }) => pointer === "/models")?.detail;
  // The row that takes the focus is there only after the next render.
  const focusSoon = (index: number) =>
    requestAnimationFrame(() => {
      const inputs = rows.current?.querySelectorAll("input");
      inputs?.[Math.min(index, inputs.length - 1)]?.focus();
    });
  const set = (index: number, value: string) => onChange(models.map((model, at) => (at === index ? value : model)));
  const add = () => {
    onChange([...models, ""]);
    focusSoon(models.length);
  };
  const remove = (index: number) => {
    onChange(models.filter((_, at) => at !== index));
    focusSoon(index);
  };
  return (
    <fieldset ref={rows} class="model-rows">
      <legend class="label">
        Models <span class="muted">{MODELS_MIN} to {MODELS_MAX}</span>
      </legend>
      {models.map((model, index) => (
        <div class="model-row" key={index}>
          <Field label={`Model ${index + 1}`} error={faultAt(error, `/models/${index}`)}>
            {(ids) => (
              <input
                {...ids}
                list="compare-models"
                value={model}
                spellcheck={false}
                autocomplete="off"
                autocapitalize="off"
                placeholder={index === 0 ? (suggestions[0] ?? "") : ""}
                onInput={(event) => set(index, event.currentTarget.value)}
              />
            )}
          </Field>
          <button
            type="button"
            class="button ghost icon-only"
            aria-label={`Remove model ${index + 1}`}
            title={models.length <= MODELS_MIN ? `At least ${MODELS_MIN} models` : undefined}
            disabled={models.length <= MODELS_MIN}
            onClick={() => remove(index)}
          >
            <Icon name="cross" />
          </button>
        </div>
      ))}
      {fault && (
        <p class="field-error" role="alert">
          {visible(fault)}
        </p>
      )}
      <button type="button" class="button small" disabled={isFull} onClick={add}>
        <Icon name="plus" /> {isFull ? `${MODELS_MAX} models at most` : "Add a model"}
      </button>
      <datalist id="compare-models">
        {suggestions
          .filter((name) => !models.includes(name))
          .map((name) => (
            <option key={name} value={name} />
          ))}
      </datalist>
    </fieldset>
  );
}

const SHOWN = ["/task", "/models", "/agent", "/instructions", "/metadata", "/budget"];

function withRows(error: api.ApiError, rows: readonly number[]): api.ApiError {
  const { status, code, title, detail, fields, retryAfterMs } = error;
  return new api.ApiError(status, code, title, detail, atRows(fields, rows), retryAfterMs);
}
