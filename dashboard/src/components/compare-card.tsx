/** One model's answer in a comparison. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Figure } from "../diff/best";
import type { Lane } from "../diff/lanes";
import type { Marks } from "../diff/marks";
import { count, duration, oneLine, UNKNOWN, words } from "../format";
import { useNow } from "../hooks";
import { CopyButton } from "./copy";
import { Cost, Duration, Elapsed, ModelName } from "./figures";
import { Icon } from "./icon";
import { MarkedText, MarksSummary, useMarks } from "./marked-text";
import { Thoughts } from "./message";
import { StatusChip } from "./status";
import { TextBlock } from "./text";

interface CompareCardProps {
  lane: Lane;
  best: ReadonlyMap<Figure, ReadonlySet<string>>;
  /** What the text is held against; null when differences are not marked, or for the baseline itself. */
  baseline: string | null;
  isBaseline: boolean;
}

export function CompareCard({ lane, best, baseline, isBaseline }: CompareCardProps) {
  const { model, status, text, usage } = lane;
  const marks = useMarks(baseline, lane.isWhole && text ? text : null);
  const mark = (figure: Figure, word: string) => best.get(figure)?.has(model) && <Best word={word} />;
  const name = oneLine(model, 80);
  return (
    <article class="compare-card panel" aria-label={name}>
      <header class="compare-card-head">
        <h3>
          <ModelName model={model} />
        </h3>
        <StatusChip status={status} />
      </header>
      <dl class="compare-figures">
        <Row name="Latency" mark={mark("latency", "fastest")}>
          {lane.runningSince !== null ? <Elapsed since={lane.runningSince} /> : <Duration ms={lane.latencyMs} />}
        </Row>
        <Row name="First chunk" mark={mark("first_chunk", "first")}>
          <Duration ms={lane.firstChunkMs} />
        </Row>
        <Row name="Tokens in" mark={mark("tokens_in", "fewest")}>
          {count(usage?.input_tokens)}
        </Row>
        <Row name="Tokens out" mark={mark("tokens_out", "fewest")}>
          {count(usage?.output_tokens)}
        </Row>
        <Row name="Cost" mark={mark("cost", "cheapest")}>
          <Cost usd={usage?.cost_usd} isEstimated={usage?.estimated} />
        </Row>
        <Row name="Finish reason">{lane.finishReason === null ? UNKNOWN : oneLine(words(lane.finishReason), 40)}</Row>
        <Row name="Attempts">{lane.attempts === 0 ? UNKNOWN : count(lane.attempts)}</Row>
      </dl>
      <div class="compare-answer-head">
        <span class="muted">
          <AnswerNote lane={lane} marks={marks} isBaseline={isBaseline} isMarked={baseline !== null} />
        </span>
        {lane.isWhole && text && <CopyButton text={text} label={`Copy the answer of ${name}`} />}
      </div>
      <Answer lane={lane} marks={marks} isMarked={isBaseline || baseline !== null} name={name} />
    </article>
  );
}

function Row({ name, mark, children }: { name: string; mark?: ComponentChildren; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {mark}
        <span class="num">{children}</span>
      </dd>
    </div>
  );
}

/** Says it in a word and with a glyph, as the colour alone would not do. */
function Best({ word }: { word: string }) {
  return (
    <span class="best">
      <Icon name="check" />
      {word}
    </span>
  );
}

interface AnswerNoteProps {
  lane: Lane;
  marks: Marks | null;
  isBaseline: boolean;
  isMarked: boolean;
}

function AnswerNote({ lane: { status, text, isWhole }, marks, isBaseline, isMarked }: AnswerNoteProps) {
  if (isBaseline) return <strong class="baseline">Baseline</strong>;
  if (marks !== null) return <MarksSummary marks={marks} />;
  if (!isWhole && text !== null && text !== "" && status !== "running") return <>Cut off: what had come so far</>;
  return isMarked && isWhole && text ? <>Comparing…</> : <>Answer</>;
}

interface AnswerProps {
  lane: Lane;
  marks: Marks | null;
  /** Whether differences are marked: then every answer stands as it was written. */
  isMarked: boolean;
  name: string;
}

function Answer({ lane, marks, isMarked, name }: AnswerProps) {
  const { status, text, thoughts, isWhole } = lane;
  const isLive = status === "running";
  const region = useFollowed(isLive, thoughts.length + (text?.length ?? 0));
  const parts = marks !== null && (marks.unit === "words" || marks.unit === "lines") ? marks.parts : null;
  return (
    <div
      ref={region}
      class={`compare-answer ${isLive && text ? "is-live" : ""}`}
      role="region"
      aria-label={`Answer of ${name}`}
      tabIndex={0}
    >
      <Fault lane={lane} />
      {thoughts !== "" && <Thoughts text={thoughts} isLive={isLive && !text} />}
      {parts !== null && <MarkedText parts={parts} />}
      {parts === null && text !== null && text !== "" && (
        <TextBlock text={text} isProse={!isMarked} isLive={isLive} />
      )}
      {(text === null || text === "") && <p class="muted">{isWhole ? "(empty)" : nothingYet(status)}</p>}
    </div>
  );
}

function nothingYet(status: Lane["status"]): string {
  switch (status) {
    case "running":
      return "Waiting for the first text…";
    case "waiting":
    case "queued":
      return "No text yet.";
    default:
      return "There is no answer.";
  }
}

function Fault({ lane: { error, status, retryAt, attempts } }: { lane: Lane }) {
  const now = useNow(retryAt === null ? null : 500);
  if (status === "waiting") {
    const seconds = retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1_000));
    const when = seconds === 0 ? "soon" : seconds < 60 ? `in ${seconds} s` : `in ${duration(seconds * 1_000)}`;
    return (
      <p class="compare-wait">
        <Icon name="clock" /> Attempt {count(attempts)} did not succeed. The next comes {when}.
      </p>
    );
  }
  if (error === null) return null;
  return (
    <div class="compare-fault">
      <strong>{oneLine(words(error.code), 80)}</strong>
      {error.message !== "" && <TextBlock text={error.message} />}
    </div>
  );
}

/** Keeps the end of a growing text in view, unless the reader scrolled away from it. */
function useFollowed(isLive: boolean, chars: number) {
  const region = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    const element = region.current;
    if (element === null || !isLive) return undefined;
    const note = () => {
      isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    };
    element.addEventListener("scroll", note, { passive: true });
    return () => element.removeEventListener("scroll", note);
  }, [isLive]);
  useLayoutEffect(() => {
    if (isLive && isAtEnd.current && region.current) region.current.scrollTop = region.current.scrollHeight;
  }, [isLive, chars]);
  return region;
}
