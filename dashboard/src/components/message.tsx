/** One message of a conversation or of a call's input. */
import type { ComponentChildren } from "preact";
import { oneLine, visible } from "../format";
import { escaped } from "../json";
import type { Message } from "../openapi";
import { CopyButton } from "./copy";
import { TextBlock } from "./text";

const SPEAKERS: Record<string, string> = { system: "System", user: "User", assistant: "Model", tool: "Tool" };

interface MessageProps {
  message: Message;
  /** Beside the speaker: figures, a link to the span. */
  aside?: ComponentChildren;
  isLive?: boolean;
  /** Whether what is asked of tools is shown in full elsewhere. */
  hasActs?: boolean;
}

export function MessageView({ message, aside, isLive = false, hasActs = false }: MessageProps) {
  return (
    <article class={`message from-${message.role} ${isLive ? "is-live" : ""}`}>
      <header class="message-head">
        <h3>{SPEAKERS[message.role] ?? visible(message.role)}</h3>
        {aside}
        {!isLive && message.content !== "" && (
          <span class="message-copy">
            <CopyButton text={message.content} label="Copy this message" />
          </span>
        )}
      </header>
      {message.thoughts && <Thoughts text={message.thoughts} isLive={isLive && message.content === ""} />}
      {message.content === "" && !message.tool_calls?.length && !isLive ? (
        <p class="muted">(empty)</p>
      ) : (
        message.content !== "" && <TextBlock text={message.content} isProse={message.role !== "tool"} isLive={isLive} />
      )}
      {hasActs && message.tool_calls && message.tool_calls.length > 0 && (
        <p class="muted">
          Asks for <bdi>{oneLine(message.tool_calls.map((call) => call.name).join(", "))}</bdi>
        </p>
      )}
      {(hasActs ? [] : message.tool_calls)?.map((call) => (
        <div key={call.id} class="tool-call">
          <span class="label">Tool call: {visible(call.name)}</span>
          <TextBlock text={escaped(call.arguments)} mono />
        </div>
      ))}
    </article>
  );
}

/** What a model thought before it answered: folded, also while it grows. */
export function Thoughts({ text, isLive = false }: { text: string; isLive?: boolean }) {
  return (
    <details class={`thoughts ${isLive ? "is-live" : ""}`}>
      <summary>{isLive ? "Thinking…" : "Thoughts"}</summary>
      <TextBlock text={text} isProse isLive={isLive} />
    </details>
  );
}
