/** How a form sends its request: once, however often it is tried. */
import { useRef, useState } from "preact/hooks";
import { newIdempotencyKey } from "../api";

/** The state of a form that sends something, and the two ways in which it ends. */
export function useSending() {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setIsBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const sent = useRef({ body: "", key: "" });

  /** Shows what is wrong, and goes to the first field at fault. */
  const fail = (failure: unknown) => {
    setIsBusy(false);
    setError(failure);
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus());
  };
  /** `perform` gets an idempotency key: a second try of the same body after a lost answer starts nothing twice. */
  const send = async (body: object, perform: (key: string) => Promise<void>) => {
    const text = JSON.stringify(body);
    if (sent.current.body !== text) sent.current = { body: text, key: newIdempotencyKey() };
    setIsBusy(true);
    setError(null);
    try {
      await perform(sent.current.key);
    } catch (failure) {
      fail(failure);
    }
  };
  return { form, error, isBusy, fail, send };
}
