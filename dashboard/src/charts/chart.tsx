/** One chart over time. It is drawn on a canvas; its name says what it shows, and arrow keys read its values. */
import "uplot/dist/uPlot.min.css";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { UNKNOWN } from "../format";
import { useMedia } from "../hooks";
import { useStore } from "../store";
import { resolvedColor, theme } from "../theme";
import { bucketLabel, plotData, plotOptions, type Ink, type PlotCursor } from "./plot";
import { COLORS, described, isBlank, readings, type ChartData } from "./series";
import { Swatch } from "./swatch";

interface ChartProps {
  title: string;
  /** Beside the title: what a point stands for. */
  detail: string;
  data: ChartData;
  format: (value: number) => string;
  topMin: number;
  /** The model whose lines stand out. */
  highlighted: string | null;
  onZoom: (since: number, until: number) => void;
  /** What is said in place of lines, when there are none. */
  blank: string;
  class?: string;
  /** Choices of this chart. */
  children?: ComponentChildren;
}

export function Chart(props: ChartProps) {
  const { title, detail, data, format, blank, class: extra = "", children } = props;
  const titleId = useId();
  const { mount, cursor, moveTo, leave } = usePlot(props);
  const [isPointed, setIsPointed] = useState(false);
  const [isFocused, setIsFocused] = useState(false);
  const isRead = (isPointed || isFocused) && cursor !== null;
  const isNothing = isBlank(data);
  const name = `${title}, ${detail}. ${described(data, format)}`;

  const onKeyDown = (event: KeyboardEvent) => {
    const last = data.at.length - 1;
    const now = cursor?.place ?? last;
    const page = Math.max(2, Math.round(data.at.length / 10));
    const to = {
      ArrowLeft: cursor === null ? last : now - 1,
      ArrowRight: cursor === null ? last : now + 1,
      PageUp: now - page,
      PageDown: now + page,
      Home: 0,
      End: last,
    }[event.key];
    if (event.key === "Escape") return leave();
    if (to === undefined) return;
    event.preventDefault();
    moveTo(Math.min(last, Math.max(0, to)));
  };

  return (
    <figure class={`panel chart ${extra}`} aria-labelledby={titleId}>
      <figcaption class="chart-head">
        <h3 id={titleId}>{title}</h3>
        <span class="muted chart-detail">{detail}</span>
        {children}
      </figcaption>
      <div class="plot" onMouseEnter={() => setIsPointed(true)} onMouseLeave={() => setIsPointed(false)}>
        <div ref={mount} class="plot-canvas" role="img" aria-label={name} />
        {!isNothing && (
          <div
            class="plot-keys"
            role="slider"
            tabIndex={0}
            aria-label={`Values of ${title}`}
            aria-valuemin={0}
            aria-valuemax={data.at.length - 1}
            aria-valuenow={cursor?.place ?? data.at.length - 1}
            aria-valuetext={spoken(data, cursor?.place ?? data.at.length - 1, format)}
            onKeyDown={onKeyDown}
            onFocus={() => setIsFocused(true)}
            onBlur={() => {
              setIsFocused(false);
              leave();
            }}
          />
        )}
        {isNothing && <p class="plot-blank muted">{blank}</p>}
        {isRead && !isNothing && <Readout data={data} cursor={cursor} format={format} />}
      </div>
    </figure>
  );
}

interface ReadoutProps {
  data: ChartData;
  cursor: PlotCursor;
  format: (value: number) => string;
}

/** What the lines say where the cursor is. */
function Readout({ data, cursor: { place, left, width }, format }: ReadoutProps) {
  const isRight = left > width / 2;
  return (
    <div
      class="plot-readout"
      aria-hidden="true"
      style={isRight ? { right: `${width - left + 10}px` } : { left: `${left + 10}px` }}
    >
      <div class="muted">{bucketLabel(data, place, Date.now())}</div>
      <ul>
        {readings(data, place).map(({ series, value }) => (
          <li key={series.id}>
            <Swatch look={series} />
            <bdi class="plot-line-name">{series.label}</bdi>
            <span class="num">{value === null ? UNKNOWN : format(value)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function spoken(data: ChartData, place: number, format: (value: number) => string): string {
  const values = readings(data, place).map(
    ({ series, value }) => `${series.label} ${value === null ? "no value" : format(value)}`,
  );
  return `${bucketLabel(data, place, Date.now())}: ${values.join(", ")}`;
}

/** How much is left of lines beside the one that stands out. */
const FADED = 0.18;

/** The library's chart for an element's life: made anew for other lines or colours, fed for other values. */
function usePlot({ data, format, topMin, highlighted, onZoom }: ChartProps) {
  const mount = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<PlotCursor | null>(null);
  const latest = useRef({ data, format, onZoom });
  latest.current = { data, format, onZoom };
  const ink = useInk();
  const lines = data.series.map(({ id, color, dash }) => `${id} ${color} ${dash.join()}`).join("\n");

  useLayoutEffect(() => {
    const element = mount.current;
    if (element === null) return undefined;
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const options = plotOptions({
      data: () => latest.current.data,
      ink,
      format: (value) => latest.current.format(value),
      topMin,
      onCursor: (next) => setCursor((old) => (isSame(old, next) ? old : next)),
      onZoom: (since, until) => latest.current.onZoom(since, until),
    });
    const made = new uPlot({ ...options, ...size() }, plotData(latest.current.data), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const { width, height } = size();
      if (width > 0 && (width !== made.width || height !== made.height)) made.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
      setCursor(null);
    };
  }, [lines, ink, topMin]);

  const drawn = useRef(data);
  useEffect(() => {
    if (drawn.current === data) return;
    drawn.current = data;
    plot.current?.setData(plotData(data));
  }, [data]);

  useEffect(() => {
    const made = plot.current;
    if (made === null) return;
    const { series } = latest.current.data;
    const isThere = series.some(({ model }) => model === highlighted);
    series.forEach(({ model }, index) => {
      const line = made.series[index + 1];
      if (line) line.alpha = isThere && model !== highlighted ? FADED : 1;
    });
    made.redraw(false);
  }, [highlighted, lines, ink]);

  const moveTo = (place: number) => {
    const made = plot.current;
    const at = latest.current.data.at[place];
    if (made === null || at === undefined) return;
    made.setCursor({ left: made.valToPos(at, "x"), top: made.over.clientHeight / 2 }, true);
  };
  const leave = () => plot.current?.setCursor({ left: -10, top: -10 }, true);
  return { mount, cursor, moveTo, leave };
}

/** The page's colours; another object when they change. */
function useInk(): Ink {
  const chosen = useStore(theme);
  const isDark = useMedia("(prefers-color-scheme: dark)");
  return useMemo(
    () => ({
      text: resolvedColor("--muted"),
      line: resolvedColor("--line"),
      surface: resolvedColor("--surface"),
      colors: Array.from({ length: COLORS }, (_, index) => resolvedColor(`--series-${index + 1}`)),
      font: getComputedStyle(document.body).fontFamily,
    }),
    [chosen, isDark],
  );
}

function isSame(a: PlotCursor | null, b: PlotCursor | null): boolean {
  return a === b || (a !== null && b !== null && a.place === b.place && a.left === b.left && a.width === b.width);
}
