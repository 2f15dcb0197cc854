/** What this deployment offers: its agents, its default model, whether it has an index. */
import * as api from "./api";
import type { Deployment } from "./openapi";
import { readLocalList, writeLocalList } from "./storage";
import { store } from "./store";

/** Null until the server has told. */
export const deploymentStore = store<Deployment | null>(null);

const MODELS_KEY = "longhaul.models";
const MODELS_KEPT = 20;

export async function loadDeployment(signal?: AbortSignal): Promise<Deployment> {
  const found = await api.deployment(signal);
  deploymentStore.set(found);
  return found;
}

/** Models to offer in a form: those of the deployment, then those that this browser used. */
export function knownModels(deployment: Deployment | null, others: readonly string[] = []): string[] {
  const configured = [deployment?.default_model, ...(deployment?.agents.map((agent) => agent.model) ?? [])];
  const named = configured.filter((model) => model !== null && model !== undefined);
  return [...new Set([...named, ...readLocalList(MODELS_KEY), ...others, "scripted:haiku", "scripted:echo"])];
}

/** Notes models that were used, for `knownModels`. */
export function rememberModels(models: readonly string[]): void {
  const kept = [...new Set([...models, ...readLocalList(MODELS_KEY)])];
  writeLocalList(MODELS_KEY, kept.slice(0, MODELS_KEPT));
}
