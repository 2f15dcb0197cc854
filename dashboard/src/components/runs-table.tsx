/** The table of runs; on a narrow screen each row is a card. A row is one link. */
import { compact, count, oneLine, UNKNOWN, words } from "../format";
import { useNow } from "../hooks";
import type { TraceSummary } from "../openapi";
import { href } from "../router";
import { isOpen } from "../status";
import { Cost, Duration, Elapsed, ModelNames, Tokens, When } from "./figures";
import { Icon } from "./icon";
import { StatusChip } from "./status";

export function RunsTable({ rows }: { rows: readonly TraceSummary[] }) {
  const now = useNow(5_000);
  return (
    <table class="runs">
      <thead>
        <tr>
          <th scope="col">Status</th>
          <th scope="col">Task</th>
          <th scope="col">Agent</th>
          <th scope="col">Model</th>
          <th scope="col" class="right" title="Answers, and attempts where there were more">
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
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <Row key={`${row.session}/${row.run}`} row={row} now={now} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ row, now }: { row: TraceSummary; now: number }) {
  const models = row.model.split(",");
  return (
    <tr>
      <td class="c-status">
        <StatusChip status={row.status} />
      </td>
      <td class="c-task">
        {row.status === "failed" && row.stop_reason !== null && <span class="reason">{words(row.stop_reason)}</span>}
        <a href={href(["runs", row.session, String(row.run)])} dir="auto">
          {row.task === null ? <em>content is not captured</em> : oneLine(row.task, 160)}
        </a>
        {row.resumed !== null && row.resumed > 0 && (
          <span class="resumed-mark" title={`survived ${row.resumed} crash or eviction`}>
            <Icon name="bolt" />
            <span class="visually-hidden">survived a crash</span>
          </span>
        )}
      </td>
      <td class="c-agent">
        <bdi>{oneLine(row.agent, 60)}</bdi>
      </td>
      <td class="c-model">
        {models.length > 1 ? (
          <span title={oneLine(row.model, 400)}>
            <Icon name="compare" /> {models.length} models
          </span>
        ) : (
          <ModelNames model={row.model} then={row.answered_by} isShort />
        )}
      </td>
      <td class="c-answers right" data-label={row.iterations === 1 ? "answer" : "answers"}>
        <Answers row={row} />
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
    </tr>
  );
}

function Answers({ row: { iterations, attempts } }: { row: TraceSummary }) {
  if (iterations === null) return <span class="num">{UNKNOWN}</span>;
  const retried = attempts !== null && attempts > iterations;
  const title = `${count(iterations)} answers in ${count(attempts)} attempts`;
  return (
    <span class="num" title={title}>
      {compact(iterations)}
      {retried && <span class="muted">/{compact(attempts)}</span>}
    </span>
  );
}
