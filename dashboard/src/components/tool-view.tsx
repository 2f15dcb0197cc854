/** A tool's call and a request to a person, as they stand in the conversation. */
import { useState } from "preact/hooks";
import type { ApprovalRequest, ToolAttempt } from "../acts";
import * as api from "../api";
import { count, duration, visible, words } from "../format";
import { shownJson } from "../json";
import { resultText } from "../results";
import { announce } from "./announcer";
import { CopyButton } from "./copy";
import { explained } from "./states";
import { StatusChip } from "./status";
import { TextBlock } from "./text";

/** A longer result is kept apart: events have its head and its tail. */
const KEPT_BYTES_MAX = 32 * 1024;

interface ToolViewProps {
  session: string;
  tool: ToolAttempt;
  /** The button that shows the span. */
  link: preact.ComponentChildren;
}

/** One attempt: what it was given, what it says, what it gave. */
export function ToolView({ session, tool, link }: ToolViewProps) {
  const { attempt, outcome, latencyMs } = tool;
  const isLive = outcome === "running";
  return (
    <article class={`message from-tool ${isLive ? "is-live" : ""}`}>
      <header class="message-head">
        <h3>
          Tool <bdi class="mono">{visible(tool.tool)}</bdi>
        </h3>
        <StatusChip status={outcome} detail={tool.errorType} />
        <span class="muted">
          {attempt > 1 && `attempt ${attempt} · `}
          {attempt === 0 ? "not made" : outcome === "answered" ? duration(latencyMs) : ""}
        </span>
        {link}
      </header>
      {tool.arguments !== undefined && <Labelled name="Arguments" text={shownJson(tool.arguments)} />}
      {tool.progress.length > 0 && (
        <div class="tool-progress">
          <span class="label">Progress</span>
          <ol>
            {tool.progress.map((line, index) => (
              <li key={index}>
                <TextBlock text={line} />
              </li>
            ))}
          </ol>
        </div>
      )}
      <Outcome session={session} tool={tool} />
    </article>
  );
}

/** What came of an attempt. */
function Outcome({ session, tool }: Omit<ToolViewProps, "link">) {
  const { call, result, resultBytes, errorMessage, by } = tool;
  return (
    <>
      {by !== null && <p class="muted">Said by {visible(by)}, not by the tool.</p>}
      {result !== undefined &&
        (resultBytes === null ? (
          <Labelled name="Result" text={resultText(result)} />
        ) : (
          <LongResult session={session} call={call} bytes={resultBytes} shortened={resultText(result)} />
        ))}
      {errorMessage !== null && (
        <div class="fault">
          <h4>{words(tool.errorType ?? "error")}</h4>
          <TextBlock text={errorMessage} mono />
        </div>
      )}
    </>
  );
}

interface LongResultProps {
  session: string;
  call: number;
  bytes: number;
  /** What the event has of it. */
  shortened: string;
}

/** A result with its length: the whole of one that is shown shortened comes when somebody asks for it. */
function LongResult({ session, call, bytes, shortened }: LongResultProps) {
  const [whole, setWhole] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const load = async () => {
    setIsBusy(true);
    setError(null);
    try {
      setWhole(resultText(await api.wholeResult(session, call)));
      announce("The whole result is shown");
    } catch (failure) {
      setError(failure);
    } finally {
      setIsBusy(false);
    }
  };
  return (
    <>
      <Labelled name={`Result, ${count(bytes)} bytes`} text={whole ?? shortened} />
      {bytes > KEPT_BYTES_MAX && whole === null && (
        <button type="button" class="button small" disabled={isBusy} onClick={() => void load()}>
          {isBusy ? "Loading…" : "Load the whole result"}
        </button>
      )}
      {error !== null && <p class="fault">{`${explained(error).title}. ${explained(error).detail}`}</p>}
    </>
  );
}

/** What was decided about a call, and by whom. */
export function decisionText({ tool, decision, by, reason, kind, edited }: ApprovalRequest): string {
  const who = by ?? "nobody";
  const what = DECISIONS[decision ?? ""] ?? words(decision ?? "open");
  const changed = edited === undefined ? "" : ", with other arguments";
  const about = kind === "in_doubt" ? `the call of ${tool} that is in doubt` : `the call of ${tool}`;
  return visible(`${about} was ${what}${changed} by ${who}${reason ? `: ${reason.replace(/\.$/, "")}` : ""}.`);
}

const DECISIONS: Record<string, string> = {
  approve: "approved",
  approved: "approved",
  edited: "approved",
  deny: "denied",
  denied: "denied",
  expired: "let expire",
  settled: "settled",
  retried: "made again",
  withdrawn: "withdrawn",
};

/** Foreign JSON or text under its name. */
export function Labelled({ name, text }: { name: string; text: string }) {
  return (
    <div class="tool-call">
      <div class="labelled-head">
        <span class="label">{name}</span>
        <CopyButton text={text} label={`Copy ${name.charAt(0).toLowerCase()}${name.slice(1)}`} />
      </div>
      <TextBlock text={text} mono />
    </div>
  );
}
