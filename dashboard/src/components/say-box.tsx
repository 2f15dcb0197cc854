/** One box for what is said to a session: to the run under way, or as its next task. */
import { useRef, useState } from "preact/hooks";
import * as api from "../api";
import type { Accepted } from "../openapi";
import { sendAtCtrlEnter } from "../keys";
import { href, navigate } from "../router";
import { rememberRun } from "../started";
import { announce } from "./announcer";
import { Field, faultAt } from "./field";
import { explained } from "./states";

type Way = "steer" | "next";

interface SayBoxProps {
  session: string;
  /** The run that the page shows. */
  run: number;
  /** Whether a run is under way that may be steered. */
  isUnderWay: boolean;
}

export function SayBox({ session, run, isUnderWay }: SayBoxProps) {
  const [task, setTask] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const sent = useRef({ of: "", key: "" });

  const perform = (way: Way): Promise<Accepted> => {
    // The same text that is sent again after a lost answer is taken once.
    if (sent.current.of !== `${way} ${task}`) sent.current = { of: `${way} ${task}`, key: api.newIdempotencyKey() };
    const { key } = sent.current;
    return way === "steer" ? api.steer(session, task, key) : api.startNext(session, { task }, key);
  };
  const send = async (way: Way) => {
    setIsBusy(true);
    setError(null);
    try {
      const accepted = await perform(way);
      sent.current = { of: "", key: "" };
      setTask("");
      rememberRun(accepted);
      if (way === "steer") announce("The run was told");
      if (accepted.run === run) box.current?.focus();
      else navigate(href(["runs", accepted.session, String(accepted.run)]));
    } catch (failure) {
      setError(failure);
    } finally {
      setIsBusy(false);
    }
  };
  const fault =
    error === null ? null : (faultAt(error, "/task") ?? `${explained(error).title}. ${explained(error).detail}`);
  const submit = (event: Event) => {
    event.preventDefault();
    void send(isUnderWay ? "steer" : "next");
  };
  return (
    <form class="form next-task" onSubmit={submit} onKeyDown={sendAtCtrlEnter} noValidate>
      <Field
        label={isUnderWay ? "Say something to the run" : "Next task in this session"}
        error={fault}
        help={
          isUnderWay
            ? "The model reads it before its next answer. Or let it be the task of a run after this one."
            : "It continues the conversation, with the session's agent and model."
        }
      >
        {(ids) => (
          <textarea
            {...ids}
            ref={box}
            rows={2}
            value={task}
            dir="auto"
            onInput={(event) => setTask(event.currentTarget.value)}
          />
        )}
      </Field>
      <div class="actions end">
        {isUnderWay && (
          <button type="button" class="button ghost" disabled={isBusy} onClick={() => void send("next")}>
            Start after it
          </button>
        )}
        <button type="submit" class="button" disabled={isBusy} title="Ctrl+Enter">
          {isBusy ? "Sending…" : isUnderWay ? "Steer" : "Start"}
        </button>
      </div>
    </form>
  );
}
