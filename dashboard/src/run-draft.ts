/** The form of a run: its values, the request that they are, and those of a run that is made again. Pure. */
import type { RunFold } from "./fold";
import { labelsOf, labelValue, type Label } from "./labels";
import type { Metadata, NewRun, Trace } from "./openapi";

export interface Draft {
  task: string;
  agent: string;
  model: string;
  iterations: string;
  instructions: string;
  metadata: readonly Label[];
  totalTokens: string;
  costUsd: string;
  deadlineSeconds: string;
}

export const EMPTY_DRAFT: Draft = {
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

/** The values of a run, to be made again; null before they are known. Its budget and its fallbacks nobody tells. */
export function draftAgain({ accepted }: RunFold, trace: Trace | null): Draft | null {
  if (accepted === null || accepted.models !== null || trace === null) return null;
  const { task, agent, model, maxIterations, metadata } = accepted;
  return {
    ...EMPTY_DRAFT,
    task,
    agent,
    model,
    iterations: String(maxIterations),
    instructions: instructionsOf(trace),
    metadata: labelsOf(metadata),
  };
}

/** What the runtime adds to the instructions of a run: how it ends. */
const RULE = "Work in as many turns as you need, at most ";

/** The instructions of a run: they are in its calls' input, before the rule. */
export function instructionsOf(trace: Trace): string {
  const input = trace.spans.find((span) => span.call !== null && span.input.length > 0)?.input ?? [];
  const system = input.find(({ role }) => role === "system")?.content ?? "";
  const at = system.lastIndexOf(RULE);
  return at < 0 ? system : system.slice(0, at).replace(/\n\n$/, "");
}

export function bodyOf(draft: Draft): NewRun {
  const metadata: Metadata = {};
  for (const label of draft.metadata) if (label.key !== "" || label.value !== "") metadata[label.key] = labelValue(label);
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
