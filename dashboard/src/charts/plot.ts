/** Options of the chart library for one chart: axes, lines, cursor. */
import type uPlot from "uplot";
import { lonePlaces, type ChartData } from "./series";
import { DAY_MS } from "./range";

/** Colours and type as the page has them now: a canvas takes no style sheet. */
export interface Ink {
  text: string;
  line: string;
  surface: string;
  /** The palette, by `Series.color`. */
  colors: readonly string[];
  font: string;
}

interface PlotSource {
  /** The data that is drawn at the moment. */
  data: () => ChartData;
  ink: Ink;
  format: (value: number) => string;
  topMin: number;
  onCursor: (cursor: PlotCursor | null) => void;
  onZoom: (since: number, until: number) => void;
}

export interface PlotCursor {
  /** Which of the data's times. */
  place: number;
  /** Where that is, in pixels from the chart's left. */
  left: number;
  /** The width of the chart, in pixels. */
  width: number;
}

const LABEL_FONT_PX = 11;
const TICK_PX = 5;
/** Lines through more points are drawn thinner. */
const DENSE_POINTS = 100;
/** A drag that is shorter is a click, in pixels. */
const ZOOM_PX_MIN = 12;

export function plotOptions(source: PlotSource): Omit<uPlot.Options, "width" | "height"> {
  const { data, ink, format, topMin, onCursor, onZoom } = source;
  const font = `${LABEL_FONT_PX}px ${ink.font}`;
  const grid = { stroke: ink.line, width: 1 };
  return {
    ms: 1,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [data().since, data().until] },
      y: { range: (_, __, most) => [0, Math.max(topMin, (most ?? 0) * 1.08)] },
    },
    axes: [
      {
        stroke: ink.text,
        font,
        grid,
        ticks: { ...grid, size: TICK_PX },
        space: 56,
        size: 26,
        gap: 4,
        values: timeLabels,
      },
      {
        stroke: ink.text,
        font,
        grid,
        ticks: { show: false },
        space: 36,
        gap: 6,
        values: (_, splits) => trimmed(splits.map(format)),
        size: (plot, labels) => labelWidth(plot, labels, font),
      },
    ],
    series: [
      {},
      ...data().series.map(({ color, dash }, index): uPlot.Series => {
        const stroke = ink.colors[color] ?? ink.text;
        return {
          stroke,
          width: data().at.length > DENSE_POINTS ? 1.25 : 1.75,
          dash: [...dash],
          spanGaps: false,
          points: {
            size: 5,
            fill: stroke,
            width: 0,
            space: 14,
            filter: (_, __, areAllShown) => (areAllShown ? null : lonePlaces(data().series[index]?.values ?? [])),
          },
        };
      }),
    ],
    cursor: {
      y: false,
      points: { size: 8, width: 2, stroke: ink.surface, fill: (_, index) => lineColor(data(), ink, index - 1) },
      drag: { x: true, y: false, setScale: false, dist: ZOOM_PX_MIN },
      sync: { key: SYNC, scales: ["x", null], setSeries: false, filters: { pub: isMove, sub: isMove } },
    },
    hooks: {
      setCursor: [
        (plot) => {
          const place = plot.cursor.idx ?? null;
          const isOut = place === null || (plot.cursor.left ?? -1) < 0;
          if (isOut) return onCursor(null);
          const left = plot.valToPos(data().at[place] ?? 0, "x") + plot.over.offsetLeft;
          onCursor({ place, left, width: plot.width });
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < ZOOM_PX_MIN) return;
          const [since, until] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          onZoom(since, until);
        },
      ],
    },
  };
}

export function plotData({ at, series }: ChartData): uPlot.AlignedData {
  return [[...at], ...series.map(({ values }) => [...values])];
}

/** `Sun 22 Nov, 14:00–15:00`, or only the day of a bucket that is one; the one that goes on says so. */
export function bucketLabel({ at, until, bucketMs }: ChartData, place: number, now: number): string {
  const start = at[place];
  if (start === undefined) return "";
  const end = at[place + 1] ?? until;
  const day = new Date(start).toLocaleDateString("en-GB", { weekday: "short", day: "numeric", month: "short" });
  const hours = bucketMs >= DAY_MS ? "" : `, ${clock(start)}–${clock(end)}`;
  return `${day}${hours}${end > now ? " so far" : ""}`;
}

/** Charts of a page share the moment that is looked at. */
const SYNC = "longhaul-models";

/** Only where the cursor is goes to the other charts, not what is dragged. */
function isMove(type: string): boolean {
  return type === "mousemove" || type === "mouseleave";
}

function timeLabels(_: uPlot, splits: number[], __: number, ___: number, stepMs: number): string[] {
  return splits.map((at) => {
    const isDay = stepMs >= DAY_MS || clock(at) === "00:00";
    return isDay ? new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : clock(at);
  });
}

function clock(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** Labels without the zeros that all of them end with: `0.5 s` and `1 s` in place of `0.50 s` and `1.00 s`. */
export function trimmed(labels: readonly string[]): string[] {
  const parts = labels.map((label) => /^(.*\d)\.(\d+)(\D*)$/.exec(label));
  const needed = (digits: string) => digits.replace(/0+$/, "").length;
  const kept = Math.max(0, ...parts.map((part) => needed(part?.[2] ?? "")));
  return labels.map((label, index) => {
    const [, whole = "", digits = "", unit = ""] = parts[index] ?? [];
    if (digits === "") return label;
    return kept === 0 ? `${whole}${unit}` : `${whole}.${digits.slice(0, kept)}${unit}`;
  });
}

function labelWidth(plot: uPlot, labels: string[] | null, font: string): number {
  plot.ctx.save();
  plot.ctx.font = font;
  const width = Math.max(0, ...(labels ?? []).map((label) => plot.ctx.measureText(label).width));
  plot.ctx.restore();
  return Math.max(32, Math.ceil(width) + 10);
}

function lineColor({ series }: ChartData, ink: Ink, index: number): string {
  return ink.colors[series[index]?.color ?? 0] ?? ink.text;
}
