/** Everything that was said in a session, run by run, the oldest first. */
import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import { visible } from "../format";
import { useLoaded } from "../hooks";
import type { Conversation, ConversationMessage, Run, Session } from "../openapi";
import { href } from "../router";
import { isOpen } from "../status";
import { MessageView } from "./message";
import { Failure, Skeleton } from "./states";
import { StatusChip } from "./status";
import { MarkdownToggle } from "./text";

/** Runs that are shown before anybody asks for the earlier ones. */
const RUNS_SHOWN = 20;

export function SessionConversation({ session }: { session: Session }) {
  const { data, error, reload } = useLoaded(`${session.session}/${session.seq}`, (signal) =>
    api.messages(session.session, signal),
  );
  // A new event drops the data; what was said must not vanish for that.
  const last = useRef<Conversation | null>(null);
  last.current = data ?? last.current;
  const [isWhole, setIsWhole] = useState(false);
  const runs = [...session.runs].sort((a, b) => a.run - b.run);
  const shown = isWhole ? runs : runs.slice(-RUNS_SHOWN);
  const hidden = runs.length - shown.length;
  const messages = last.current?.messages ?? null;
  return (
    <section class="panel session-conversation" aria-labelledby="conversation-title">
      <header class="panel-head">
        <h2 id="conversation-title">Conversation</h2>
        <MarkdownToggle />
      </header>
      {messages === null && error !== null && <Failure error={error} onRetry={reload} />}
      {messages === null && error === null && <Skeleton lines={9} label="Loading the conversation" />}
      {messages !== null && hidden > 0 && (
        <button type="button" class="button small" onClick={() => setIsWhole(true)}>
          Show {hidden === 1 ? "the run before" : `the ${hidden} runs before`}
        </button>
      )}
      {messages !== null &&
        shown.map((run) => (
          <RunPart key={run.run} run={run} messages={messages.filter((message) => message.run === run.run)} />
        ))}
    </section>
  );
}

function RunPart({ run, messages }: { run: Run; messages: readonly ConversationMessage[] }) {
  const title = `run-${run.run}-title`;
  return (
    <section class="session-run" aria-labelledby={title}>
      <header class="session-run-head">
        <h3 id={title}>
          <a href={href(["runs", run.session, String(run.run)])}>Run {run.run}</a>
        </h3>
        <StatusChip status={run.status} detail={run.stop_reason} />
      </header>
      {messages.map((message, index) => (
        <MessageView key={index} message={message} aside={<Aside run={run} message={message} index={index} />} />
      ))}
      {run.status === "failed" && run.error !== null && <p class="field-error">{visible(run.error.message)}</p>}
      {isOpen(run.status) && (
        <p class="muted">
          It is not over: <a href={href(["runs", run.session, String(run.run)])}>watch run {run.run}</a>.
        </p>
      )}
    </section>
  );
}

/** Which message is the task, and which model of a comparison speaks. */
function Aside({ run, message, index }: { run: Run; message: ConversationMessage; index: number }) {
  if (message.role === "user" && index === 0) return <span class="muted">task</span>;
  const model = run.comparison?.find(({ text }) => text === message.content)?.model;
  if (message.role !== "assistant" || model === undefined) return null;
  return (
    <span class="muted">
      <bdi>{visible(model)}</bdi>
    </span>
  );
}
