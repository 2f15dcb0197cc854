/** The table of runs; on a narrow screen each row is a card. A row is one link. */
import { compact, count, counted, oneLine, UNKNOWN, visible, words } from "../format";
import { useNow } from "../hooks";
import type { TraceSummary } from "../openapi";
import { href } from "../router";
import { isOpen } from "../status";
import { Cost, Duration, Elapsed, ModelCount, ModelNames, Tokens, When } from "./figures";
import { Icon } from "./icon";
import { StatusChip } from "./status";

interface RunsTableProps {
  rows: readonly TraceSummary[];
  /** Whether each row says whose it is. */
  tenants: "each" | "one";
}

export function RunsTable({ rows, tenants }: RunsTableProps) {
  const now = useNow(5_000);
  return (
    <table class="runs">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Task</th>
          <th scope="col">Agent</th>
          <th scope="col">Model</th>
          <th scope="col" class="right" title="Whole answers of its models">
            Answers
          </th>
          <th scope="col" class="right">
            Duration
          </th>
          <th scope="col" class="right">
            Tokens
          </th>
          <th scope="col" class="right">
            Cost
          </th>
          <th scope="col" class="right">
            When
          </th>
          {tenants === "each" && <th scope="col">Tenant</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Row key={`${row.tenant}/${row.session}/${row.run}`} row={row} now={now} tenants={tenants} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ row, now, tenants }: { row: TraceSummary; now: number } & Pick<RunsTableProps, "tenants">) {
  const ofTenant = tenants === "each" ? { tenant: row.tenant } : undefined;
  const models = row.model.split(",");
  const answers = models.length > 1 ? comparedAnswers(row, models.length) : row.iterations;
  return (
    <tr>
      <td class="c-status">
        <StatusChip status={row.status} />
      </td>
      <td class="c-task">
        {row.resumed !== null && row.resumed > 0 && <Survived times={row.resumed} />}
        {row.status === "failed" && row.stop_reason !== null && <span class="reason">{words(row.stop_reason)}</span>}
        <a href={href(["runs", row.session, String(row.run)], ofTenant)} dir="auto">
          {row.task === null ? <em>content is not captured</em> : oneLine(row.task, 160)}
        </a>
      </td>
      <td class="c-agent">
        <bdi>{oneLine(row.agent, 60)}</bdi>
      </td>
      <td class="c-model">
        {models.length > 1 ? (
          <ModelCount models={row.model} failed={row.failed_models.length} />
        ) : (
          <ModelNames model={row.model} then={row.answered_by} isShort />
        )}
      </td>
      <td class="c-answers right" data-label={answers === 1 ? "answer" : "answers"}>
        <Answers row={row} answers={answers} />
      </td>
      <td class="c-duration right" data-label="">
        {row.ended_at === null && isOpen(row.status) ? (
          <Elapsed since={row.accepted_at} />
        ) : (
          <Duration ms={row.duration_ms} />
        )}
      </td>
      <td class="c-tokens right" data-label="tokens">
        <Tokens usage={row.usage} />
      </td>
      <td class="c-cost right" data-label="">
        <Cost usd={row.usage.cost_usd} isEstimated={row.usage.estimated} />
      </td>
      <td class="c-when right">
        <When at={row.accepted_at} now={now} />
      </td>
      {ofTenant !== undefined && (
        <td class="c-tenant">
          <a href={href(["runs"], ofTenant)} title="The runs of this tenant">
            {visible(row.tenant)}
          </a>
        </td>
      )}
    </tr>
  );
}

/** It stands before the task, whose end is cut off where it is long. */
function Survived({ times }: { times: number }) {
  const what = times === 1 ? "a crash or an eviction" : `${count(times)} crashes or evictions`;
  return (
    <span class="resumed-mark" title={`survived ${what}`}>
      <Icon name="bolt" />
      <span class="visually-hidden">survived {what}, </span>
    </span>
  );
}

/** Of a comparison the index counts none: each of its models answers once, or fails. Null where neither is known. */
function comparedAnswers({ status, failed_models: failed }: TraceSummary, models: number): number | null {
  return isOpen(status) || status === "cancelled" ? null : models - failed.length;
}

function Answers({ row: { model, attempts, status }, answers }: { row: TraceSummary; answers: number | null }) {
  if (answers === null) return <span class="num">{UNKNOWN}</span>;
  // One is under way while the run is open.
  const retries = attempts > 1 ? attempts - answers - (isOpen(status) ? 1 : 0) : 0;
  return (
    <span class="num" title={`${counted(answers, "answer")} in ${counted(attempts, "attempt")}`}>
      {retries > 0 && !model.includes(",") && (
        <span class="muted">
          <Icon name="retry" />
          <span class="visually-hidden">{attempts} attempts, </span>
        </span>
      )}{" "}
      {compact(answers)}
    </span>
  );
}
