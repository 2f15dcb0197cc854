/** The form of a comparison: its values, what is wrong with them, and the request that they are. Pure. */
import { labelValue, type Label } from "../labels";
import { LIMITS, type FieldError, type Metadata, type NewComparison } from "../openapi";

export const MODELS_MIN = LIMITS.compared_models_min;
export const MODELS_MAX = LIMITS.compared_models;
export const DEADLINE_SECONDS_MAX = LIMITS.deadline_ms / 1000;

export interface Draft {
  task: string;
  /** Rows of the form: some may be empty. */
  models: readonly string[];
  agent: string;
  instructions: string;
  deadlineSeconds: string;
  metadata: readonly Label[];
}

/** What is sent, and which row each model of it is. */
export interface Request {
  body: NewComparison;
  rows: readonly number[];
}

export const EMPTY_DRAFT: Draft = {
  task: "",
  models: ["", ""],
  agent: "",
  instructions: "",
  deadlineSeconds: "",
  metadata: [],
};

/** A draft of an address: `task`, `models` (joined by commas) and `agent`. */
export function draftOf(query: URLSearchParams): Draft {
  const named = (query.get("models") ?? "").split(",").map((model) => model.trim());
  const models = [...new Set(named)].filter((model) => model !== "").slice(0, MODELS_MAX);
  while (models.length < MODELS_MIN) models.push("");
  return { ...EMPTY_DRAFT, task: query.get("task") ?? "", agent: query.get("agent") ?? "", models };
}

/** The request, or what the form itself knows to be wrong with it; pointers name the form's rows. */
export function requestOf(draft: Draft): Request | { faults: FieldError[] } {
  const faults = [...taskFaults(draft), ...modelFaults(draft), ...deadlineFaults(draft), ...metadataFaults(draft)];
  if (faults.length > 0) return { faults };
  const rows = draft.models.flatMap((model, row) => (model.trim() === "" ? [] : [row]));
  const body: NewComparison = { task: draft.task, models: rows.map((row) => draft.models[row]?.trim() ?? "") };
  if (draft.agent !== "") body.agent = draft.agent;
  if (draft.instructions.trim() !== "") body.instructions = draft.instructions;
  const seconds = draft.deadlineSeconds.trim();
  if (seconds !== "") body.budget = { deadline_ms: Math.round(Number(seconds) * 1_000) };
  const metadata = metadataOf(draft);
  if (Object.keys(metadata).length > 0) body.metadata = metadata;
  return { body, rows };
}

/** The server's complaints, with the models' pointers changed from the request's places to the form's rows. */
export function atRows(faults: readonly FieldError[], rows: readonly number[]): FieldError[] {
  return faults.map((fault) => {
    const place = /^\/models\/(\d+)$/.exec(fault.pointer)?.[1];
    const row = place === undefined ? undefined : rows[Number(place)];
    return row === undefined ? fault : { ...fault, pointer: `/models/${row}` };
  });
}

function taskFaults({ task }: Draft): FieldError[] {
  return task.trim() === "" ? [{ pointer: "/task", detail: "Say what the models are to do." }] : [];
}

function modelFaults({ models }: Draft): FieldError[] {
  const names = models.map((model) => model.trim());
  const twice = names.flatMap((name, row) =>
    name !== "" && names.indexOf(name) < row ? [{ pointer: `/models/${row}`, detail: "is in the list twice" }] : [],
  );
  if (twice.length > 0) return twice;
  const missing = MODELS_MIN - names.filter((name) => name !== "").length;
  if (missing <= 0) return [];
  const empty = names.flatMap((name, row) => (name === "" ? [row] : [])).slice(0, missing);
  return empty.map((row) => ({ pointer: `/models/${row}`, detail: "Name a model." }));
}

function deadlineFaults({ deadlineSeconds }: Draft): FieldError[] {
  if (deadlineSeconds.trim() === "") return [];
  const seconds = Number(deadlineSeconds);
  if (Number.isFinite(seconds) && seconds > 0 && seconds <= DEADLINE_SECONDS_MAX) return [];
  const detail = `must be more than 0 and at most ${DEADLINE_SECONDS_MAX} seconds`;
  return [{ pointer: "/budget/deadline_ms", detail }];
}

function metadataFaults({ metadata }: Draft): FieldError[] {
  const keys = metadata.map(({ key }) => key.trim());
  return metadata.flatMap(({ value }, row) => {
    const key = keys[row] ?? "";
    if (key === "") return value === "" ? [] : [{ pointer: "/metadata", detail: "A value has no key." }];
    return keys.indexOf(key) < row ? [{ pointer: "/metadata", detail: `The key ${key} is there twice.` }] : [];
  });
}

function metadataOf({ metadata }: Draft): Metadata {
  return Object.fromEntries(metadata.flatMap((label) => (label.key.trim() === "" ? [] : [[label.key.trim(), labelValue(label)]])));
}
