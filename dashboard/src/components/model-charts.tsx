/** The charts of the Models page. */
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { Chart } from "../charts/chart";
import {
  COST,
  EMPTY_ANSWERS,
  ERROR_RATE,
  latency,
  PERCENTILES,
  tokens,
  TOKEN_KINDS,
  type Metric,
  type Percentile,
  type TokenKind,
} from "../charts/metrics";
import { DAY_MS, HOUR_MS } from "../charts/range";
import { chartData, type Line } from "../charts/series";
import type { Stats } from "../openapi";
import { Choice } from "./choice";

/** One percentile, or the three of them. */
export type Percentiles = Percentile | "all";

interface ModelChartsProps {
  stats: Stats;
  shown: readonly string[];
  highlighted: string | null;
  percentiles: Percentiles;
  tokenKind: TokenKind;
  onPercentiles: (value: Percentiles) => void;
  onTokenKind: (value: TokenKind) => void;
  onZoom: (since: number, until: number) => void;
}

const PERCENTILE_OPTIONS = ([...PERCENTILES, "all"] as const).map((value) => ({ value, name: value }));
const TOKEN_OPTIONS = TOKEN_KINDS.map((value) => ({ value, name: value }));

/** Of the percentiles of one model: full, dashed, dotted. */
const PERCENTILE_DASHES = [[], [7, 4], [2, 3]];

export function ModelCharts(props: ModelChartsProps) {
  const { percentiles, tokenKind, onPercentiles, onTokenKind } = props;
  return (
    <div class="charts">
      <MetricChart
        {...props}
        lines={LATENCY_LINES[percentiles]}
        title="Latency"
        blank="No call was answered in this time."
        class="wide"
      >
        {percentiles === "all" && <span class="muted chart-key">(full p50, dashed p95, dotted p99)</span>}
        <Choice label="Percentile" value={percentiles} options={PERCENTILE_OPTIONS} onChange={onPercentiles} />
      </MetricChart>
      <MetricChart {...props} lines={LINES.errorRate} title="Error rate" blank="There was no call in this time." />
      <MetricChart {...props} lines={LINES.empty} title="Empty responses" blank="There was no call in this time." />
      <MetricChart {...props} lines={TOKEN_LINES[tokenKind]} title="Tokens" blank="No tokens are known in this time.">
        <Choice label="Tokens" value={tokenKind} options={TOKEN_OPTIONS} onChange={onTokenKind} />
      </MetricChart>
      <MetricChart {...props} lines={LINES.cost} title="Cost" blank="No cost is known: these models have no price." />
    </div>
  );
}

const one = (metric: Metric): readonly Line[] => [{ metric }];

// Made once: a chart is drawn anew only when its lines change.
const LINES = { errorRate: one(ERROR_RATE), empty: one(EMPTY_ANSWERS), cost: one(COST) };
const TOKEN_LINES = { total: one(tokens("total")), in: one(tokens("in")), out: one(tokens("out")) };
const LATENCY_LINES: Record<Percentiles, readonly Line[]> = {
  p50: one(latency("p50")),
  p95: one(latency("p95")),
  p99: one(latency("p99")),
  all: PERCENTILES.map((percentile, index) => ({ metric: latency(percentile), dash: PERCENTILE_DASHES[index] ?? [] })),
};

interface MetricChartProps extends Pick<ModelChartsProps, "stats" | "shown" | "highlighted" | "onZoom"> {
  lines: readonly Line[];
  title: string;
  blank: string;
  class?: string;
  children?: ComponentChildren;
}

function MetricChart(props: MetricChartProps) {
  const { stats, shown, lines, highlighted, onZoom, title, blank, class: extra = "", children } = props;
  const data = useMemo(() => chartData(stats, shown, lines), [stats, shown.join("\n"), lines]);
  const metric = lines[0]?.metric;
  if (metric === undefined) return null;
  return (
    <Chart
      title={title}
      detail={bucketWords(data.bucketMs, metric)}
      data={data}
      format={metric.format}
      topMin={metric.topMin}
      highlighted={highlighted}
      onZoom={onZoom}
      blank={blank}
      class={extra}
    >
      {children}
    </Chart>
  );
}

function bucketWords(bucketMs: number, { kind }: Metric): string {
  if (bucketMs <= HOUR_MS) return "per hour";
  const bucket = bucketMs >= DAY_MS ? "per day" : `per ${bucketMs / HOUR_MS} hours`;
  return kind === "sum" ? bucket : `${bucket}, mean of the hours' values`;
}
