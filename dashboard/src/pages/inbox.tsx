import { Icon } from "../components/icon";
import { When } from "../components/figures";
import { Page } from "../components/page";
import { Banner, Empty, explained, Failure, Skeleton } from "../components/states";
import { Unindexed } from "../components/unindexed";
import { deploymentStore } from "../deployment";
import { duration, exactTime, oneLine, words } from "../format";
import { useNow } from "../hooks";
import { inboxStore } from "../inbox";
import { escaped } from "../json";
import type { ApprovalSummary } from "../openapi";
import { href } from "../router";
import { useStore } from "../store";

/** The calls that wait for a person, across sessions, the oldest first. Each is decided about at its run. */
export function InboxPage() {
  const inbox = useStore(inboxStore);
  const hasIndex = useStore(deploymentStore)?.index;
  const now = useNow(5_000);
  if (hasIndex === false) {
    return (
      <Page title="Inbox">
        <Unindexed />
      </Page>
    );
  }
  const approvals = inbox?.page?.approvals ?? [];
  const error = inbox?.error ?? null;
  return (
    <Page title="Inbox">
      {error !== null && inbox?.page && (
        <Banner tone="warning">{explained(error).title}. This is what was there before; it is tried again.</Banner>
      )}
      {error !== null && !inbox?.page && <Failure error={error} onRetry={() => inbox?.reload()} />}
      {error === null && !inbox?.page && (
        <div class="panel">
          <Skeleton lines={6} label="Loading the inbox" />
        </div>
      )}
      {inbox?.page && approvals.length === 0 && (
        <Empty title="Nothing waits for a person" icon="check">
          <p>A tool call that needs an approval is listed here as long as nobody has decided.</p>
        </Empty>
      )}
      {approvals.length > 0 && (
        <ol class="inbox">
          {approvals.map((approval) => (
            <li key={`${approval.tenant}/${approval.session}/${approval.request}`}>
              <Waiting approval={approval} now={now} />
            </li>
          ))}
        </ol>
      )}
      {inbox?.page?.next && <p class="muted">There are more: the oldest ones are shown.</p>}
    </Page>
  );
}

function Waiting({ approval, now }: { approval: ApprovalSummary; now: number }) {
  const { tool, agent, kind, summary, rule, expires_at: expiresAt } = approval;
  const ofTenant = useStore(deploymentStore)?.operator ? { tenant: approval.tenant } : undefined;
  const what = summary ?? (approval.arguments === null ? null : escaped(approval.arguments));
  return (
    <a class="panel inbox-link" href={href(["runs", approval.session, String(approval.run)], ofTenant)}>
      <span class="inbox-tool">
        <Icon name="clock" />
        <bdi class="mono">{oneLine(tool, 64)}</bdi>
        {kind !== "call" && <span class="chip status-interrupted">{words(kind)}</span>}
      </span>
      <bdi class="inbox-what">{what === null ? <em>content is not captured</em> : oneLine(what, 200)}</bdi>
      <span class="inbox-facts muted">
        {ofTenant && (
          <span>
            of <bdi>{oneLine(approval.tenant, 64)}</bdi>
          </span>
        )}
        <span>
          agent <bdi>{oneLine(agent, 60)}</bdi>
        </span>
        {rule !== null && (
          <span>
            asked by <bdi>{oneLine(rule, 60)}</bdi>
          </span>
        )}
        <span>
          <When at={approval.requested_at} now={now} />
        </span>
        {expiresAt !== null && (
          <span title={exactTime(expiresAt)}>
            {expiresAt <= now ? "expired" : `expires in ${duration(expiresAt - now)}`}
          </span>
        )}
      </span>
    </a>
  );
}
