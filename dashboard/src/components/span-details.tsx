/** Everything about the selected row: error, output, input, figures, attributes, events. */
import type { ComponentChildren, Ref } from "preact";
import type { ApprovalRequest } from "../acts";
import type { Delivery } from "../fold";
import { count, duration, exactTime, UNKNOWN, visible, words } from "../format";
import { escaped, shownJson } from "../json";
import { resultText } from "../results";
import type { Row } from "../waterfall";
import { Cost, Duration, ModelName, Tokens } from "./figures";
import { MessageView } from "./message";
import { StatusChip } from "./status";
import { TextBlock } from "./text";
import { decisionText } from "./tool-view";

interface SpanDetailsProps {
  row: Row;
  runStartedAt: number;
  deliveries: readonly Delivery[];
  /** Takes the focus when a row is opened by key. */
  heading: Ref<HTMLHeadingElement>;
}

export function SpanDetails({ row, runStartedAt, deliveries, heading }: SpanDetailsProps) {
  const { span, attempt } = row;
  const output = span?.output ?? attempt?.message ?? null;
  const isCall = row.kind === "call" || row.kind === "tool";
  const isWait = row.kind === "queue" || row.kind === "backoff";
  return (
    <section class="panel details" aria-labelledby="details-title">
      <header class="panel-head">
        <h2 id="details-title" ref={heading} tabIndex={-1}>
          <bdi>{visible(row.name)}</bdi> {isCall && <span class="muted num">{row.place}</span>}
        </h2>
        {!isWait && row.kind !== "wait" && (
          <StatusChip status={row.kind === "run" && row.outcome === "answered" ? "succeeded" : row.outcome} />
        )}
      </header>
      <Explanation row={row} />
      <Fault row={row} />
      <Figures row={row} runStartedAt={runStartedAt} />
      <Deed row={row} />
      {!isWait && (
        <>
          {output && (
            <Part title={row.kind === "run" ? "Result" : "Output"}>
              <MessageView message={output} />
            </Part>
          )}
          {span && span.input.length > 0 && <Input row={row} />}
          {span && <Attributes title="Attributes" values={span.attributes} />}
          {span?.events.map((event) => (
            <Attributes
              key={`${event.name}-${event.at}`}
              title={`Event: ${visible(event.name)} at ${duration(event.at - runStartedAt)}`}
              values={event.attributes}
            />
          ))}
          {row.kind === "run" && deliveries.length > 0 && <Deliveries deliveries={deliveries} />}
        </>
      )}
    </section>
  );
}

function Explanation({ row }: { row: Row }) {
  const text = explanation(row);
  return text === "" ? null : <p class="muted">{text}</p>;
}

function explanation({ kind, outcome, attempt, tool, request, span, endedAt }: Row): string {
  if (kind === "wait" && request !== null) {
    return request.resolvedAt === null ? "The call is made, or not, when a person decides." : decided(request);
  }
  if (kind === "wait" && span?.wait?.decision) {
    const { decision, by, reason } = span.wait;
    return visible(`${words(decision)} by ${by ?? "nobody"}${reason ? `: ${reason}` : ""}.`);
  }
  if (kind === "tool" && (tool?.attempt ?? span?.attempt) === 0) return "This call was not made.";
  if (kind === "tool" && (tool?.errorType ?? span?.error_type) === "in_doubt") {
    const why = "It may happen once at most, so it was not made again.";
    return `The call was cut off, and nobody knows whether it did anything. ${why}`;
  }
  if (kind === "backoff" && tool) {
    const due = tool.retryAt === null ? UNKNOWN : exactTime(tool.retryAt);
    const failed = `Attempt ${tool.attempt} of call ${tool.call} failed (${words(tool.errorType ?? "")}).`;
    return `${failed} The next ${endedAt === null ? "is" : "was"} due at ${due}.`;
  }
  if (kind === "queue") return "The run waited until the session's earlier run had ended.";
  if (kind === "backoff" && attempt) {
    const due = attempt.retryAt === null ? UNKNOWN : exactTime(attempt.retryAt);
    const failed = `Attempt ${attempt.attempt} of call ${attempt.call} failed (${words(attempt.errorType ?? "")}).`;
    return `${failed} The next ${endedAt === null ? "is" : "was"} due at ${due}.`;
  }
  if (outcome === "interrupted" && kind === "tool") {
    return [
      "The session's object went away while this call was under way.",
      "When it came back, the call was made again, under the same key.",
    ].join(" ");
  }
  if (outcome === "interrupted") {
    return [
      "The session's object went away while this call was in flight.",
      "When it came back, the call was made again, with the same idempotency key.",
    ].join(" ");
  }
  if (outcome === "aborted") return "The run failed while this call was in flight, so it was given up.";
  return "";
}

function decided(request: ApprovalRequest): string {
  const text = decisionText(request);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** What a tool was given and gave, or what a person was shown. */
function Deed({ row: { tool, request, span } }: { row: Row }) {
  const given = tool ?? request;
  const texts = [
    ["Arguments", given ? json(given.arguments) : escaped(span?.tool?.arguments ?? span?.wait?.arguments ?? "")],
    ["Arguments that were approved", request ? json(request.edited) : escaped(span?.wait?.edited ?? "")],
    ["Result", tool ? resultOf(tool.result) : resultText(span?.tool?.result ?? span?.wait?.result ?? "")],
  ] as const;
  return (
    <>
      {texts
        .filter(([, shown]) => shown !== "")
        .map(([title, shown]) => (
          <Part key={title} title={title}>
            <TextBlock text={shown} mono />
          </Part>
        ))}
    </>
  );
}

function json(value: unknown): string {
  return value === undefined ? "" : shownJson(value);
}

function resultOf(result: unknown): string {
  return result === undefined ? "" : resultText(result);
}

function Fault({ row: { span, attempt: ofModel, tool, outcome } }: { row: Row }) {
  const attempt = ofModel ?? tool;
  const message = attempt?.errorMessage ?? span?.error_message ?? null;
  const type = attempt?.errorType ?? span?.error_type ?? null;
  if (outcome !== "failed" || (message === null && type === null)) return null;
  return (
    <div class="fault">
      <h3>{words(type ?? "error")}</h3>
      {message !== null && <TextBlock text={message} mono />}
    </div>
  );
}

function Figures({ row, runStartedAt }: { row: Row; runStartedAt: number }) {
  const { span, attempt, startedAt, endedAt } = row;
  const usage = span?.usage ?? attempt?.usage ?? null;
  const model = span?.model ?? attempt?.model ?? null;
  const firstMs = span?.time_to_first_chunk_ms ?? null;
  return (
    <dl class="figures">
      <Figure name="Started">
        <span class="num" title={exactTime(startedAt)}>
          +{duration(startedAt - runStartedAt)}
        </span>
      </Figure>
      <Figure name="Took">{endedAt === null ? "goes on" : <Duration ms={endedAt - startedAt} />}</Figure>
      {row.kind === "call" && firstMs !== null && (
        <Figure name="First text">
          <Duration ms={firstMs} />
        </Figure>
      )}
      {usage && (row.kind === "call" || row.kind === "run") && (
        <>
          <Figure name="Tokens">
            <Tokens usage={usage} />{" "}
            {usage.total_tokens !== null && (
              <span class="muted num">
                {count(usage.input_tokens)} in, {count(usage.output_tokens)} out
              </span>
            )}
          </Figure>
          <Figure name="Cost">
            <Cost usd={usage.cost_usd} isEstimated={usage.estimated} />
          </Figure>
        </>
      )}
      {attempt?.finishReason && row.kind === "call" && (
        <Figure name="Finish reason">{words(attempt.finishReason)}</Figure>
      )}
      {model && row.kind === "call" && (
        <Figure name="Model">
          <ModelName model={model} />
        </Figure>
      )}
    </dl>
  );
}

function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <details class="part" open>
      <summary>{title}</summary>
      {children}
    </details>
  );
}

function Input({ row: { span, kind } }: { row: Row }) {
  if (span === null) return null;
  const title = kind === "run" ? "Task" : `Input: ${span.input.length + span.input_left_out} messages`;
  const hasSystem = span.input[0]?.role === "system";
  return (
    <Part title={title}>
      {span.input.map((message, index) => (
        <>
          {index === (hasSystem ? 1 : 0) && span.input_left_out > 0 && (
            <p class="muted">{count(span.input_left_out)} older messages are not shown here.</p>
          )}
          <MessageView key={index} message={message} />
        </>
      ))}
    </Part>
  );
}

function Attributes({ title, values }: { title: string; values: Record<string, unknown> }) {
  const entries = Object.entries(values);
  if (entries.length === 0) return null;
  return (
    <details class="part">
      <summary>
        {title} <span class="muted num">{entries.length}</span>
      </summary>
      <table class="attributes">
        <tbody>
          {entries.map(([key, value]) => (
            <tr key={key}>
              <th scope="row">
                <bdi>{visible(key)}</bdi>
              </th>
              <td>
                <TextBlock text={typeof value === "string" ? value : JSON.stringify(value)} mono />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function Deliveries({ deliveries }: { deliveries: readonly Delivery[] }) {
  return (
    <Part title="Sinks">
      <ul class="deliveries">
        {deliveries.map(({ sink, outcome, status, retryAt, at }) => (
          <li key={sink}>
            <bdi class="mono">{visible(sink)}</bdi> {outcome === "delivered" && `has the trace since ${exactTime(at)}`}
            {outcome === "failed" &&
              `did not take it (${status ?? "no answer"}); the next attempt is due at ${exactTime(retryAt ?? at)}`}
            {outcome === "parked" && `did not take it (${status ?? "no answer"}); it is not tried again`}
          </li>
        ))}
      </ul>
    </Part>
  );
}
