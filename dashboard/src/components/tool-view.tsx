/** A tool's call and a request to a person, as they stand in the conversation. */
import type { ApprovalRequest, ToolAttempt } from "../acts";
import { count, duration, visible, words } from "../format";
import { shownJson } from "../json";
import { StatusChip } from "./status";
import { TextBlock } from "./text";

interface ToolViewProps {
  tool: ToolAttempt;
  /** The button that shows the span. */
  link: preact.ComponentChildren;
}

/** One attempt: what it was given, what it says, what it gave. */
export function ToolView({ tool, link }: ToolViewProps) {
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
      <Outcome tool={tool} />
    </article>
  );
}

/** What came of an attempt. */
export function Outcome({ tool }: { tool: ToolAttempt }) {
  const { result, resultBytes, errorMessage, by } = tool;
  return (
    <>
      {by !== null && <p class="muted">Said by {visible(by)}, not by the tool.</p>}
      {result !== undefined && (
        <Labelled
          name={resultBytes === null ? "Result" : `Result, ${count(resultBytes)} bytes`}
          text={resultText(result)}
        />
      )}
      {errorMessage !== null && (
        <div class="fault">
          <h4>{words(tool.errorType ?? "error")}</h4>
          <TextBlock text={errorMessage} mono />
        </div>
      )}
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
      <span class="label">{name}</span>
      <TextBlock text={text} mono />
    </div>
  );
}

function resultText(result: unknown): string {
  return typeof result === "string" ? result : shownJson(result);
}
