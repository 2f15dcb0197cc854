/** What an operator does with tenants: choose one, suspend it, let it in again. */
import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import { exactTime, visible } from "../format";
import { useLoaded } from "../hooks";
import type { Suspension } from "../openapi";
import { href, navigate, type Route } from "../router";
import { filtered } from "../runs-query";
import { announce } from "./announcer";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { Banner, explained } from "./states";

/** How often it is asked, in milliseconds: while runs are being cancelled, and else. */
const POLL_BUSY_MS = 1_000;
const POLL_QUIET_MS = 10_000;
/** Pages that show what is of one tenant, or of all. */
const LISTS = ["runs", "inbox", "models"];

/** Whose things the pages show, above each of them: all tenants', or one's, which can be suspended here. */
export function TenantBar({ route }: { route: Route }) {
  const tenant = route.query.get("tenant");
  return (
    <section class="tenant-bar" aria-label="Tenant">
      <TenantPicker route={route} />
      {tenant && <SuspensionPanel key={tenant} tenant={tenant} />}
    </section>
  );
}

/** The choice is in the address, and every link keeps it. */
function TenantPicker({ route: { path, query } }: { route: Route }) {
  const { data } = useLoaded("tenants", api.tenants);
  // Another choice asks again, and the list must not vanish for that.
  const last = useRef<readonly string[]>([]);
  last.current = data?.tenants ?? last.current;
  const chosen = query.get("tenant") ?? "";
  // A tenant whose tokens were taken away is chosen by its address.
  const names = [...new Set([...last.current, ...(chosen === "" ? [] : [chosen])])].sort();
  const choose = (tenant: string) => {
    const [page = "runs", session] = path;
    const isList = LISTS.includes(page) && session === undefined;
    // What one tenant has is not there for another.
    if (!isList) return navigate(href(["runs"], { tenant }));
    navigate(href([page], { ...Object.fromEntries(filtered(query, {})), tenant }));
  };
  return (
    <div class="tenant-picker">
      <label class="label" for="tenant">
        Tenant
      </label>
      <select id="tenant" value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">All tenants</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {visible(name)}
          </option>
        ))}
      </select>
    </div>
  );
}

/** Whether the chosen tenant is suspended, and the button that changes it. */
function SuspensionPanel({ tenant }: { tenant: string }) {
  const { data, error, reload } = useLoaded(
    "suspension",
    (signal) => api.suspension(tenant, signal),
    ({ cancelling }) => (cancelling > 0 ? POLL_BUSY_MS : POLL_QUIET_MS),
  );
  const [isAsking, setIsAsking] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const change = async (perform: typeof api.suspend, said: string) => {
    setIsBusy(true);
    setFailure(null);
    try {
      await perform(tenant);
      announce(said);
      setIsAsking(false);
      reload();
    } catch (refusal) {
      setFailure(refusal);
    } finally {
      setIsBusy(false);
    }
  };
  const close = () => {
    setIsAsking(false);
    setFailure(null);
  };
  const complaint = failure !== null && (
    <p class="field-error" role="alert">
      {explained(failure).title}. {visible(explained(failure).detail)}
    </p>
  );
  if (data === null) {
    return error === null ? null : <Banner tone="warning">{explained(error).title}. {visible(explained(error).detail)}</Banner>;
  }
  if (data.suspended) {
    return (
      <Banner
        tone="warning"
        actions={
          <button
            type="button"
            class="button small"
            disabled={isBusy}
            onClick={() => void change(api.letIn, `${tenant} may start runs`)}
          >
            Let it in again
          </button>
        }
      >
        <Suspended suspension={data} />
        {complaint}
      </Banner>
    );
  }
  return (
    <>
      <button type="button" class="button danger small" onClick={() => setIsAsking(true)}>
        <Icon name="slash" /> Suspend {visible(tenant)}
      </button>
      <Dialog title={`Suspend ${visible(tenant)}?`} isOpen={isAsking} onClose={close} isNarrow>
        <div class="dialog-body form">
          <p>
            Its open runs are cancelled, which cannot be undone. It starts nothing and decides nothing until somebody
            lets it in again. It can still read, cancel and delete.
          </p>
          {complaint}
          <div class="actions end">
            <button type="button" class="button" onClick={close}>
              Leave it
            </button>
            <button
              type="button"
              class="button danger"
              disabled={isBusy}
              onClick={() => void change(api.suspend, `${tenant} is suspended`)}
            >
              {isBusy ? "Suspending…" : "Suspend it"}
            </button>
          </div>
        </div>
      </Dialog>
    </>
  );
}

function Suspended({ suspension: { tenant, since, by, cancelling } }: { suspension: Suspension }) {
  return (
    <>
      <strong>
        <bdi>{visible(tenant)}</bdi> is suspended
      </strong>{" "}
      and starts nothing{since !== null && `, since ${exactTime(since)}`}
      {by !== null && (
        <>
          {" "}
          by <bdi>{visible(by)}</bdi>
        </>
      )}
      .{cancelling > 0 && ` ${cancelling} of its sessions are still to cancel their runs.`}
    </>
  );
}
