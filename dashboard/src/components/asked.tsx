/** What the server of a tool asks a person: to fill in a form, to visit a page, or to authorize the deployment. */
import { useState } from "preact/hooks";
import type { ApprovalRequest } from "../acts";
import * as api from "../api";
import { exactTime, visible } from "../format";
import { inboxStore } from "../inbox";
import { readJson } from "../json";
import { answerOf, fieldsOf, type FieldValue, type SchemaField } from "../schema-fields";
import { announce } from "./announcer";
import { ApprovalHead, Complaint } from "./approval-parts";
import { AuthorizeServer } from "./authorize";
import { Field, faultAt } from "./field";
import { useSending } from "./sending";

interface AskedProps {
  session: string;
  request: ApprovalRequest;
  onDecided: () => void;
}

export function Asked({ session, request, onDecided }: AskedProps) {
  const { form, error, isBusy, fail, send } = useSending();
  const [isDenying, setIsDenying] = useState(false);
  const [reason, setReason] = useState("");
  const [values, setValues] = useState<Record<string, FieldValue>>({});
  const [faults, setFaults] = useState<Record<string, string>>({});
  const isInput = request.kind === "input";
  const fields = isInput && request.schema != null ? fieldsOf(request.schema) : [];

  const decide = (decision: api.Decision) =>
    send(decision, async () => {
      // The socket may tell of the decision before it is answered.
      onDecided();
      await api.decide(session, request.call, decision);
      inboxStore.get()?.reload();
      announce(`${decision.decision === "deny" ? "Denied" : "Answered"}: ${request.tool}`);
    });

  const submit = (event: Event) => {
    event.preventDefault();
    const named = { request: request.seq };
    if (isDenying) {
      return decide({ decision: "deny", ...named, ...(reason.trim() !== "" && { reason }) });
    }
    const answer = fields === null ? whole(values[WHOLE]) : answerOf(fields, values);
    if ("faults" in answer) {
      setFaults(answer.faults);
      return fail(null);
    }
    setFaults({});
    return decide({ decision: "answer", ...named, input: answer.input });
  };
  const set = (name: string, value: FieldValue) => setValues((before) => ({ ...before, [name]: value }));
  const faultOf = (name: string) => faults[name] ?? faultAt(error, `/input/${name}`);

  return (
    <form class="form approval" ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <ApprovalHead request={request} />
      <p class="approval-facts muted">
        {isInput ? "The tool's server asks this: it is its words, and not ours." : "The tool's server wants a token."}
        {request.expiresAt !== null && ` Expires at ${exactTime(request.expiresAt)}.`}
      </p>
      {!isDenying && isInput && request.url !== null && <Visit url={request.url} />}
      {!isDenying && !isInput && <AuthorizeServer server={serverOf(request)} />}
      {!isDenying &&
        fields?.map((field) => (
          <Input key={field.name} field={field} value={values[field.name]} error={faultOf(field.name)} onChange={set} />
        ))}
      {!isDenying && fields === null && (
        <Field label="Answer" help="JSON, an object." error={faults[WHOLE] ?? faultAt(error, "/input")}>
          {(ids) => (
            <textarea
              {...ids}
              class="mono"
              rows={6}
              value={String(values[WHOLE] ?? "{}")}
              spellcheck={false}
              onInput={(event) => set(WHOLE, event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      {isDenying && (
        <Field label="Reason" help="For the model: it gets no answer, and this is final." error={faultAt(error, "/reason")}>
          {(ids) => (
            <textarea {...ids} rows={3} dir="auto" value={reason} onInput={(event) => setReason(event.currentTarget.value)} />
          )}
        </Field>
      )}
      <Complaint error={error} pointer={isDenying ? "/reason" : "/input"} />
      <div class="actions">
        {isInput && !isDenying && (
          <button type="submit" class="button primary" disabled={isBusy}>
            {isBusy ? "Sending…" : fields?.length === 0 ? "It is done" : "Answer"}
          </button>
        )}
        {isDenying && (
          <button type="submit" class="button danger" disabled={isBusy}>
            {isBusy ? "Sending…" : "Deny"}
          </button>
        )}
        <button type="button" class={`button ${isDenying ? "" : "danger"}`} onClick={() => setIsDenying(!isDenying)}>
          {isDenying ? "Back" : "Deny…"}
        </button>
      </div>
    </form>
  );
}

/** The name of the one text that stands for all fields. */
const WHOLE = "";

function whole(text: FieldValue | undefined): ReturnType<typeof answerOf> {
  const read = readJson(String(text ?? "{}"));
  if ("fault" in read) return { faults: { [WHOLE]: read.fault } };
  const isObject = typeof read.value === "object" && read.value !== null && !Array.isArray(read.value);
  return isObject ? { input: read.value as Record<string, unknown> } : { faults: { [WHOLE]: "An object is asked for." } };
}

/** The server's name: the link has it, else it is what stands before the tool's own. */
function serverOf({ url, tool }: ApprovalRequest): string {
  const named = /[?&]server=([\w-]+)/.exec(url ?? "")?.[1];
  return named ?? tool.split("__")[0] ?? tool;
}

/** A page of somebody else's: where it is stands there before anybody goes. */
function Visit({ url }: { url: string }) {
  const host = /^https:\/\//i.test(url) && URL.canParse(url) ? new URL(url).host : null;
  return (
    <p>
      It wants you to visit a page at <bdi class="mono">{visible(host ?? url)}</bdi>.{" "}
      {host === null ? (
        "Its address is none of https: it is not opened here."
      ) : (
        <a href={url} target="_blank" rel="noreferrer noopener">
          Open {visible(host)}
        </a>
      )}
    </p>
  );
}

interface InputProps {
  field: SchemaField;
  value: FieldValue | undefined;
  error: string | null;
  onChange: (name: string, value: FieldValue) => void;
}

function Input({ field, value = field.initial, error, onChange }: InputProps) {
  const { name, kind, options, isRequired } = field;
  const label = `${visible(field.label)}${isRequired ? "" : " (optional)"}`;
  const help = field.help === null ? null : visible(field.help);
  const set = (next: FieldValue) => onChange(name, next);
  const chosen = Array.isArray(value) ? (value as readonly string[]) : [];
  return (
    <Field label={label} help={help} error={error}>
      {(ids) => {
        if (kind === "switch") {
          return (
            <input {...ids} type="checkbox" checked={value === true} onInput={(event) => set(event.currentTarget.checked)} />
          );
        }
        if (kind === "choice" || kind === "choices") {
          const isMany = kind === "choices";
          return (
            <select
              {...ids}
              multiple={isMany}
              onChange={({ currentTarget }) =>
                set(isMany ? Array.from(currentTarget.selectedOptions, (option) => option.value) : currentTarget.value)
              }
            >
              {!isMany && <option value="" />}
              {options.map((option) => (
                <option
                  key={option.value}
                  value={option.value}
                  selected={isMany ? chosen.includes(option.value) : option.value === value}
                >
                  {visible(option.label)}
                </option>
              ))}
            </select>
          );
        }
        return (
          <input
            {...ids}
            // The types of Preact have an element for each kind of input.
            type={(kind === "number" ? "text" : field.input) as "text"}
            inputMode={kind === "number" ? "decimal" : undefined}
            required={isRequired}
            dir="auto"
            value={String(value)}
            onInput={(event) => set(event.currentTarget.value)}
          />
        );
      }}
    </Field>
  );
}
