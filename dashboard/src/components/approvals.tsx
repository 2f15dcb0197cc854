/** What the run waits for: each call that a person must decide about, as a form. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import type { ApprovalRequest } from "../acts";
import { exactTime, shortId } from "../format";
import { deploymentStore, isAnothers } from "../deployment";
import { inboxStore } from "../inbox";
import { readJson, shownJson } from "../json";
import { useStore } from "../store";
import { announce } from "./announcer";
import { ApprovalHead, Complaint } from "./approval-parts";
import { Asked } from "./asked";
import { CopyButton } from "./copy";
import { Field, faultAt } from "./field";
import { Icon } from "./icon";
import { useSending } from "./sending";
import { TextBlock } from "./text";

interface ApprovalsProps {
  session: string;
  requests: readonly ApprovalRequest[];
}

export function Approvals({ session, requests }: ApprovalsProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const known = useRef(requests.length);
  const hasDecided = useRef(false);
  useEffect(() => {
    if (requests.length > known.current) announce("A call waits for a person");
    // The form that had the focus is gone: the keyboard goes on at the next one, or at the page.
    if (requests.length < known.current && hasDecided.current) {
      (heading.current ?? document.getElementById("main"))?.focus();
      hasDecided.current = false;
    }
    known.current = requests.length;
  }, [requests.length]);
  const isOfAnother = isAnothers(useStore(deploymentStore));
  if (requests.length === 0) return null;
  const note = () => (hasDecided.current = true);
  return (
    <section class="panel approvals" aria-labelledby="approvals-title">
      <h2 id="approvals-title" ref={heading} tabIndex={-1}>
        <Icon name="clock" /> {requests.length === 1 ? "A call waits" : `${requests.length} calls wait`} for a person
      </h2>
      {isOfAnother && <p class="muted">It is of another tenant, and decided there.</p>}
      {!isOfAnother && requests.map((request) => {
        const Form = request.kind === "input" || request.kind === "authorize" ? Asked : Approval;
        return <Form key={request.seq} session={session} request={request} onDecided={note} />;
      })}
    </section>
  );
}

type Mode = "view" | "edit" | "deny" | "settle";

interface ApprovalProps {
  session: string;
  request: ApprovalRequest;
  onDecided: () => void;
}

function Approval({ session, request, onDecided }: ApprovalProps) {
  const { form, error, isBusy, fail, send } = useSending();
  const [mode, setMode] = useState<Mode>("view");
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const isInDoubt = request.kind === "in_doubt";
  const shown = shownJson(request.arguments);

  const open = (next: Mode) => {
    fail(null);
    setFault(null);
    setText(next === "edit" ? shown : "");
    setMode(next);
  };
  // Before the next key is pressed.
  useLayoutEffect(() => {
    if (mode !== "view") form.current?.querySelector("textarea")?.focus();
  }, [mode]);

  const decide = (decision: api.Decision) =>
    send(decision, async () => {
      // The socket may tell of the decision before it is answered.
      onDecided();
      await api.decide(session, request.call, decision);
      inboxStore.get()?.reload();
      announce(`${SAID[decision.decision]}: ${request.tool}`);
    });
  const named = { request: request.seq, ...(request.digest !== null && { digest: request.digest }) };

  const submit = (event: Event) => {
    event.preventDefault();
    setFault(null);
    if (mode === "deny") {
      return decide({ decision: "deny", ...named, ...(text.trim() !== "" && { reason: text }) });
    }
    if (mode === "edit" || mode === "settle") {
      const read = readJson(text);
      if ("fault" in read) {
        setFault(read.fault);
        return fail(null);
      }
      if (mode === "edit") return decide({ decision: "approve", ...named, arguments: read.value });
      return decide({ decision: "settle", request: request.seq, result: read.value });
    }
    return decide(isInDoubt ? { decision: "retry", request: request.seq } : { decision: "approve", ...named });
  };

  const pointer = { view: "", edit: "/arguments", deny: "/reason", settle: "/result" }[mode];
  const about = mode === "view" ? null : (fault ?? faultAt(error, pointer));
  return (
    <form class="form approval" ref={form} onSubmit={(event) => void submit(event)} noValidate>
      <ApprovalHead request={request} />
      {isInDoubt && (
        <p class="approval-summary">
          This call was cut off, and nobody knows whether it did anything. Find out; then say what came of it, or have
          it made again.
        </p>
      )}
      <p class="approval-facts muted">
        {request.expiresAt !== null && <span>Expires at {exactTime(request.expiresAt)}</span>}
        {request.digest !== null && (
          <span class="id">
            Digest <code title={request.digest}>{shortId(request.digest)}</code>
            <CopyButton text={request.digest} label="Copy the digest of the arguments" />
          </span>
        )}
      </p>
      {mode !== "edit" && (
        <div>
          <span class="label">{isInDoubt ? "It was made with" : "It will be made with"}</span>
          <TextBlock text={shown} mono isUnfolded />
        </div>
      )}
      {mode !== "view" && (
        <Field label={FIELDS[mode].label} help={FIELDS[mode].help} error={about}>
          {(ids) => (
            <textarea
              {...ids}
              class={mode === "deny" ? "" : "mono"}
              rows={mode === "edit" ? Math.min(16, text.split("\n").length + 1) : 3}
              value={text}
              dir={mode === "deny" ? "auto" : "ltr"}
              spellcheck={mode === "deny"}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      <Complaint error={error} pointer={mode === "view" ? null : pointer} />
      <div class="actions">
        {mode === "view" ? (
          <>
            {isInDoubt ? (
              <>
                <button type="button" class="button primary" onClick={() => open("settle")}>
                  Say what came of it…
                </button>
                <button type="submit" class="button" disabled={isBusy}>
                  {isBusy ? "Sending…" : "Make it again"}
                </button>
              </>
            ) : (
              <>
                <button type="submit" class="button primary" disabled={isBusy}>
                  <Icon name="check" /> {isBusy ? "Sending…" : "Approve"}
                </button>
                <button type="button" class="button" onClick={() => open("edit")}>
                  Edit…
                </button>
                <button type="button" class="button danger" onClick={() => open("deny")}>
                  Deny…
                </button>
              </>
            )}
          </>
        ) : (
          <>
            <button type="submit" class={mode === "deny" ? "button danger" : "button primary"} disabled={isBusy}>
              {isBusy ? "Sending…" : FIELDS[mode].submit}
            </button>
            <button type="button" class="button" onClick={() => open("view")}>
              Back
            </button>
          </>
        )}
      </div>
    </form>
  );
}

const FIELDS = {
  edit: {
    label: "Arguments",
    help: "JSON. The call is made with exactly this, and the model is told so.",
    submit: "Approve these arguments",
  },
  deny: { label: "Reason", help: "For the model: the call is not made, and this is final.", submit: "Deny" },
  settle: {
    label: "Result",
    help: "JSON, a text in quotes. The model is told that a person says so.",
    submit: "Settle it",
  },
} as const;

const SAID: Record<api.Decision["decision"], string> = {
  approve: "Approved",
  deny: "Denied",
  settle: "Settled",
  retry: "Made again",
  answer: "Answered",
};
