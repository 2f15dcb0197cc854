/** What was said in a run, and what happened between: the text arrives here while it is written. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { type ApprovalRequest, type ToolAttempt, toolCallCount } from "../acts";
import { answersOf, type Attempt, type Note, type RunFold } from "../fold";
import { duration, visible, words } from "../format";
import type { Message, Trace } from "../openapi";
import { Tokens } from "./figures";
import { Icon, type IconName } from "./icon";
import { MessageView } from "./message";
import { StatusChip } from "./status";
import { decisionText, ToolView } from "./tool-view";

interface ConversationProps {
  session: string;
  fold: RunFold;
  trace: Trace | null;
  onSelect: (row: string) => void;
}

/** How far from its end a reader may be who still follows it, in pixels. */
const FOLLOW_PX = 48;

export function Conversation({ session, fold, trace, onSelect }: ConversationProps) {
  const box = useFollowed(fold.isCaughtUp && fold.ended === null);
  const task = fold.accepted?.task ?? trace?.spans[0]?.input[0]?.content;
  const before = earlierMessages(trace);
  const instructions = before.filter((message) => message.role === "system");
  const earlier = before.filter((message) => message.role !== "system");
  return (
    <div class="conversation" ref={box} tabIndex={0} role="group" aria-label="Messages">
      {instructions.length > 0 && <Folded title="Instructions" messages={instructions} />}
      {earlier.length > 0 && <Folded title={`Before this run: ${earlier.length} messages`} messages={earlier} />}
      {task !== undefined && (
        <MessageView message={{ role: "user", content: task }} aside={<span class="muted">task</span>} />
      )}
      {timeline(fold).map((item) =>
        item.kind === "line" ? (
          <Line key={item.key} item={item} onSelect={onSelect} />
        ) : item.kind === "tool" ? (
          <ToolView
            key={item.key}
            session={session}
            tool={item.tool}
            link={<SpanLink row={item.key} onSelect={onSelect} label={`the call of ${visible(item.tool.tool)}`} />}
          />
        ) : item.kind === "note" ? (
          <MessageView
            key={item.key}
            message={{ role: "user", content: item.note.message }}
            aside={<span class="muted">{noteAside(item.note, fold.ended !== null)}</span>}
          />
        ) : (
          <Answer key={item.key} attempt={item.attempt} fold={fold} onSelect={onSelect} />
        ),
      )}
      {fold.ended && <Ending fold={fold} />}
    </div>
  );
}

function Folded({ title, messages }: { title: string; messages: readonly Message[] }) {
  return (
    <details class="earlier">
      <summary>{title}</summary>
      {messages.map((message, index) => (
        <MessageView key={index} message={message} />
      ))}
    </details>
  );
}

type Item =
  | { kind: "answer"; key: string; at: number; attempt: Attempt }
  | { kind: "tool"; key: string; at: number; tool: ToolAttempt }
  | { kind: "note"; key: string; at: number; note: Note }
  | { kind: "line"; key: string; at: number; icon: IconName; tone: string; text: string; row: string | null };

/** Answers, those under way, and what went wrong, as it happened. */
function timeline(fold: RunFold): Item[] {
  const items: Item[] = fold.attempts.flatMap((attempt) => [...leftOut(fold, attempt), ...outcomeOf(fold, attempt)]);
  for (const { at, cause, outstanding } of fold.resumptions) {
    const cut = fold.attempts.find((attempt) => attempt.outcome === "interrupted" && attempt.endedAt === at);
    const again = outstanding.length > 0 ? ` Call ${outstanding.join(", ")} was cut off and is made again.` : "";
    const text = `The session's object went away (${words(cause)}) and came back.${again}`;
    const row = cut ? `call-${cut.call}-${cut.attempt}` : "run";
    items.push({ kind: "line", key: `resumed-${at}`, at: at + 0.5, icon: "bolt", tone: "crash", text, row });
  }
  items.push(...fold.notes.map((note): Item => ({ kind: "note", key: `note-${note.seq}`, at: note.at, note })));
  items.push(...fold.tools.map(toolItem), ...fold.requests.flatMap(requestItems));
  return items.sort((a, b) => a.at - b.at);
}

/** After the answer that asked for it, which came at the same moment. */
function toolItem(tool: ToolAttempt): Item {
  return { kind: "tool", key: `tool-${tool.call}-${tool.attempt}`, at: tool.calledAt + 0.2, tool };
}

/** When a person was asked, and what they said. */
function requestItems(request: ApprovalRequest, index: number): Item[] {
  const row = `wait-${index + 1}`;
  const line = (key: string, at: number, icon: IconName, tone: string, text: string): Item => ({
    ...{ kind: "line", key: `${row}-${key}`, at, icon, tone, text, row },
  });
  const { at, tool, decision, resolvedAt } = request;
  const asked = line("asked", at + 0.1, "clock", "wait", `The call of ${visible(tool)} waits for a person.`);
  if (resolvedAt === null) return [asked];
  const isRefused = decision === "denied" || decision === "deny" || decision === "expired";
  const isOff = isRefused || decision === "withdrawn";
  const said = decisionText(request);
  const text = `${said.charAt(0).toUpperCase()}${said.slice(1)}`;
  return [asked, line("decided", resolvedAt + 0.15, isOff ? "slash" : "check", isOff ? "off" : "ok", text)];
}

/** Who steered, and whether the model has read it. */
function noteAside({ by, isRead }: Note, isOver: boolean): string {
  const who = `steered by ${visible(by)}`;
  return isRead ? who : `${who} · ${isOver ? "never read" : "not read yet"}`;
}

function outcomeOf(fold: RunFold, attempt: Attempt): Item[] {
  const key = `${attempt.call}.${attempt.attempt}`;
  if (attempt.outcome === "answered" || attempt.outcome === "running") {
    return [{ kind: "answer", key, at: attempt.endedAt ?? Number.MAX_SAFE_INTEGER, attempt }];
  }
  // The line of the crash says it for all calls that it cut off.
  if (fold.resumptions.some(({ at }) => at === attempt.endedAt)) return [];
  const line = lineOf(attempt);
  const row = `call-${attempt.call}-${attempt.attempt}`;
  return [{ kind: "line", key, at: attempt.endedAt ?? attempt.calledAt, row, ...line }];
}

/** Said at the first call that leaves out more of the session than the one before it. */
function leftOut(fold: RunFold, attempt: Attempt): Item[] {
  const { call, droppedMessages: count } = attempt;
  const before = fold.attempts[fold.attempts.indexOf(attempt) - 1]?.droppedMessages ?? 0;
  if (count <= before) return [];
  const messages = count === 1 ? "oldest message" : `${count} oldest messages`;
  const text = `Call ${call} leaves out the ${messages} of the session, which do not fit the model's context window.`;
  const [key, row] = [`left-out-${call}`, `call-${call}-${attempt.attempt}`];
  return [{ kind: "line", key, at: attempt.calledAt, icon: "info", tone: "off", text, row }];
}

function lineOf(attempt: Attempt): { icon: IconName; tone: string; text: string } {
  const which = `Call ${attempt.call}, attempt ${attempt.attempt}`;
  if (attempt.outcome === "failed") {
    const then = attempt.retryAt === null ? "" : " It is tried again.";
    return { icon: "cross", tone: "bad", text: `${which} failed: ${words(attempt.errorType ?? "unknown")}.${then}` };
  }
  if (attempt.outcome === "interrupted")
    return { icon: "bolt", tone: "crash", text: `${which} was cut off by a crash.` };
  if (attempt.outcome === "cancelled") return { icon: "slash", tone: "off", text: `${which} was cancelled.` };
  return { icon: "cross", tone: "bad", text: `${which} was given up, because the run failed.` };
}

function Line({ item, onSelect }: { item: Item & { kind: "line" }; onSelect: (row: string) => void }) {
  const { icon, tone, text, row } = item;
  return (
    <p class={`line tone-${tone}`}>
      <Icon name={icon} />
      <span>{text}</span>
      {row !== null && <SpanLink row={row} onSelect={onSelect} label={text} />}
    </p>
  );
}

function Answer({ attempt, fold, onSelect }: { attempt: Attempt; fold: RunFold; onSelect: (row: string) => void }) {
  const row = `call-${attempt.call}-${attempt.attempt}`;
  const models = fold.accepted?.models ?? null;
  if (attempt.message !== null) {
    const aside = (
      <>
        <span class="muted">
          {models ? <bdi>{visible(attempt.model)}</bdi> : `answer ${attempt.iteration}`}
          {` · ${duration(attempt.latencyMs)} · `}
          <Tokens usage={attempt.usage} /> tokens
        </span>
        <SpanLink row={row} onSelect={onSelect} label={`answer ${attempt.iteration}`} />
      </>
    );
    const hasActs = fold.tools.length + fold.requests.length > 0;
    return <MessageView message={attempt.message} aside={aside} hasActs={hasActs} />;
  }
  const { text, thoughts } = fold.live.get(attempt.call) ?? { text: "", thoughts: "" };
  const aside = (
    <>
      <span class="muted">{text !== "" ? "writing" : thoughts ? "thinking" : "waiting for the first words"}</span>
      <SpanLink row={row} onSelect={onSelect} label={`answer ${attempt.iteration}`} />
    </>
  );
  return <MessageView message={{ role: "assistant", content: text, thoughts }} aside={aside} isLive />;
}

function Ending({ fold }: { fold: RunFold }) {
  const { ended } = fold;
  if (ended === null) return null;
  const answers = answersOf(fold);
  return (
    <p class="line">
      <StatusChip status={ended.status} detail={ended.stopReason} />
      <span class="muted">
        after {answers} {answers === 1 ? "answer" : "answers"}
        {toolCallCount(fold) > 0 && ` and ${toolCalls(fold)}`}
      </span>
    </p>
  );
}

function toolCalls(fold: RunFold): string {
  const calls = toolCallCount(fold);
  return calls === 1 ? "1 tool call" : `${calls} tool calls`;
}

function SpanLink({ row, label, onSelect }: { row: string; label: string; onSelect: (row: string) => void }) {
  return (
    <button type="button" class="link" aria-label={`Show the span of ${label}`} onClick={() => onSelect(row)}>
      span
    </button>
  );
}

/** The conversation of the session before this run, as its first call sent it. */
function earlierMessages(trace: Trace | null): Message[] {
  const first = trace?.spans.find((span) => span.call !== null)?.input ?? [];
  return first.slice(0, -1);
}

/** Keeps the end of a growing box in view, as long as its reader is there. */
function useFollowed(isGrowing: boolean) {
  const box = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  // What had ended before is read from its beginning.
  const hasGrown = useRef(isGrowing);
  hasGrown.current ||= isGrowing;
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const note = () => {
      isFollowing.current = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOW_PX;
    };
    element.addEventListener("scroll", note, { passive: true });
    return () => element.removeEventListener("scroll", note);
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && hasGrown.current && isFollowing.current) element.scrollTop = element.scrollHeight;
  });
  return box;
}
