/** The form that puts one task to several models. */
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { deploymentStore, knownModels, loadDeployment, rememberModels } from "../deployment";
import { atRows, draftOf, EMPTY_DRAFT, MODELS_MAX, MODELS_MIN, requestOf, type Draft } from "../diff/draft";
import type { Asked } from "../diff/lanes";
import { visible } from "../format";
import { href, navigate } from "../router";
import { rememberRun } from "../started";
import { useStore } from "../store";
import { Field, faultAt, faultsElsewhere } from "./field";
import { Icon } from "./icon";
import { MetadataRows } from "./metadata-rows";
import { explained } from "./states";

/** A task that is longer is not put into an address. */
const TASK_IN_ADDRESS_CHARS_MAX = 1_000;

let handedOver: Draft | null = null;

/** Goes to the form, filled with what was asked before. */
export function askAgain({ task, models, agent, instructions, metadata }: Asked): void {
  const labels = Object.entries(metadata).map(([key, value]) => ({ key, value: String(value) }));
  handedOver = { ...EMPTY_DRAFT, task, models, agent, instructions, metadata: labels };
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
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const sent = useRef({ body: "", key: "" });
  const form = useRef<HTMLFormElement>(null);
  const change = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  useEffect(() => {
    if (deploymentStore.get() === null) loadDeployment().catch(() => undefined);
  }, []);

  const fail = (failure: unknown) => {
    setError(failure);
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus());
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    const request = requestOf(draft);
    if ("faults" in request) {
      return fail(new api.ApiError(0, "form", "The comparison was not started", "", request.faults, null));
    }
    const body = JSON.stringify(request.body);
    // A second try of the same comparison after a lost answer must not start another.
    if (sent.current.body !== body) sent.current = { body, key: api.newIdempotencyKey() };
    setIsBusy(true);
    setError(null);
    try {
      const accepted = await api.compare(request.body, sent.current.key);
      rememberRun(accepted);
      rememberModels(request.body.models);
      navigate(href(["compare", accepted.session]));
    } catch (failure) {
      setIsBusy(false);
      fail(failure instanceof api.ApiError ? withRows(failure, request.rows) : failure);
    }
  };

  const isMoreOpen = draft.instructions !== "" || draft.deadlineSeconds !== "" || draft.metadata.length > 0;
  const isMoreAtFault = ["/instructions", "/budget", "/metadata"].some((pointer) => faultAt(error, pointer) !== null);
  return (
    <form class="panel form compare-form" ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <Field label="Task" error={faultAt(error, "/task")} help="Every model gets the same text at the same time.">
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
      <ModelRows
        models={draft.models}
        suggestions={knownModels(deployment)}
        error={error}
        onChange={(models) => change({ models })}
      />
      <Field label="Agent" error={faultAt(error, "/agent")} class="agent-field">
        {(ids) => (
          <select {...ids} value={draft.agent} onChange={(event) => change({ agent: event.currentTarget.value })}>
            {deployment === null && (
              <option value={draft.agent}>{draft.agent === "" ? "default" : visible(draft.agent)}</option>
            )}
            {deployment?.agents.map(({ name }, index) => (
              <option key={name} value={index === 0 && draft.agent !== name ? "" : name}>
                {visible(name)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <details class="compare-more" open={isMoreOpen || isMoreAtFault || undefined}>
        <summary>Instructions, deadline, metadata</summary>
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
          <Field
            label="Seconds at most"
            class="deadline-field"
            error={faultAt(error, "/budget/deadline_ms") ?? faultAt(error, "/budget")}
            help="Models without an answer by then have failed."
          >
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
          <MetadataRows
            rows={draft.metadata}
            onChange={(metadata) => change({ metadata })}
            error={faultAt(error, "/metadata")}
          />
        </div>
      </details>
      <Rest error={error} />
      <div class="actions">
        <button type="submit" class="button primary" disabled={isBusy}>
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

/** What is wrong with no field of this form: the connection, the deployment, a field that it does not have. */
function Rest({ error }: { error: unknown }) {
  if (error === null) return null;
  const elsewhere = faultsElsewhere(error, SHOWN);
  const hasFields = error instanceof api.ApiError && error.fields.length > 0;
  if (hasFields && elsewhere.length === 0) {
    return (
      <p class="field-error" role="alert">
        The comparison was not started: see the marked fields.
      </p>
    );
  }
  const { title, detail } = explained(error);
  return (
    <p class="field-error" role="alert">
      {visible(title)}. {visible(detail)}
      {error instanceof api.Unreachable && " Send it again when it does: the same comparison is not started twice. "}
      {elsewhere.map((fault) => `${visible(fault.pointer)}: ${visible(fault.detail)}`).join("; ")}
    </p>
  );
}

function withRows(error: api.ApiError, rows: readonly number[]): api.ApiError {
  const { status, code, title, detail, fields, retryAfterMs } = error;
  return new api.ApiError(status, code, title, detail, atRows(fields, rows), retryAfterMs);
}
