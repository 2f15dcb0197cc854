/** What this deployment offers: its agents, its default model, whether it has an index. */
import * as api from "./api";
import type { Deployment, Models } from "./openapi";
import { chosenTenant } from "./router";
import { readLocalList, writeLocalList } from "./storage";
import { store } from "./store";

/** Null until the server has told. */
export const deploymentStore = store<Deployment | null>(null);

/** Null where the server has not told; it only suggests names. */
let models: Models | null = null;

const MODELS_KEY = "longhaul.models";
const MODELS_KEPT = 20;

export async function loadDeployment(signal?: AbortSignal): Promise<Deployment> {
  const found = await api.deployment(signal);
  deploymentStore.set(found);
  // The index may be slow, and no form waits for it.
  api.models(signal).then(
    (told) => {
      models = told;
      deploymentStore.set({ ...found });
    },
    () => undefined,
  );
  return found;
}

/** Whether the page shows what is of another tenant: an operator looks, and starts and decides nothing there. */
export function isAnothers(deployment: Deployment | null): boolean {
  const tenant = chosenTenant();
  return tenant !== null && deployment !== null && tenant !== deployment.tenant;
}

/** Models to offer in a form: those that the deployment names or has called, then those that this browser used. */
export function knownModels(deployment: Deployment | null, others: readonly string[] = []): string[] {
  const configured = [deployment?.default_model, ...(deployment?.agents.map((agent) => agent.model) ?? [])];
  const callable = models?.models.filter(({ missing }) => missing === null).map(({ model }) => model) ?? [];
  const named = [...configured, ...callable].filter((model) => model !== null && model !== undefined);
  return [...new Set([...named, ...readLocalList(MODELS_KEY), ...others, "scripted:haiku", "scripted:echo"])];
}

/** Notes models that were used, for `knownModels`. */
export function rememberModels(models: readonly string[]): void {
  const kept = [...new Set([...models, ...readLocalList(MODELS_KEY)])];
  writeLocalList(MODELS_KEY, kept.slice(0, MODELS_KEPT));
}
