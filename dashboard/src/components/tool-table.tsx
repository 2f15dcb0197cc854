/** What the tools of the agents did, as a table: the one with the most calls first. */
import { errorRate } from "../charts/metrics";
import { count, percent } from "../format";
import type { ToolStats } from "../openapi";
import { Duration } from "./figures";
import { Errors, Figure } from "./model-table";

export function ToolTable({ tools }: { tools: readonly ToolStats[] }) {
  return (
    <div class="model-table-scroll" role="region" aria-label="Tools in figures" tabIndex={0}>
      <table class="model-table">
        <thead>
          <tr>
            <th scope="col">Tool</th>
            <th scope="col" class="end group-start">
              Calls
            </th>
            <th scope="col" class="end">
              Error rate
            </th>
            <th scope="col">Errors</th>
            <th scope="col" class="end">
              In doubt
            </th>
            <th scope="col" class="end group-start">
              Latency p50
            </th>
            <th scope="col" class="end">
              Latency p95
            </th>
          </tr>
        </thead>
        <tbody>
          {tools.map((stat) => (
            <ToolRow key={stat.tool} stat={stat} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ToolRow({ stat }: { stat: ToolStats }) {
  return (
    <tr>
      <th scope="row">
        <bdi class="mono">{stat.tool}</bdi>
      </th>
      <Figure isStart>
        <span title={`${count(stat.answered)} answered`}>{count(stat.calls)}</span>
      </Figure>
      <Figure>
        <span title={`${count(stat.error_count)} of ${count(stat.calls)}`}>{percent(errorRate(stat))}</span>
      </Figure>
      <td>
        <Errors errors={stat.errors} />
      </td>
      <Figure>{count(stat.in_doubt)}</Figure>
      <Figure isStart>
        <Duration ms={stat.latency_ms.p50} />
      </Figure>
      <Figure>
        <Duration ms={stat.latency_ms.p95} />
      </Figure>
    </tr>
  );
}
