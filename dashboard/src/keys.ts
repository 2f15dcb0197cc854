/** Keys that work beside those of the browser: Ctrl+Enter in a form, `/` for the search. */
import { useEffect } from "preact/hooks";
import { href, navigate } from "./router";

/** Sends the form at Ctrl+Enter (or Cmd+Enter): for `onKeyDown` of a form with a text of several lines. */
export function sendAtCtrlEnter(event: KeyboardEvent): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const form = event.currentTarget;
  const button = form instanceof HTMLFormElement ? form.querySelector<HTMLButtonElement>("[type=submit]") : null;
  if (button === null || button.disabled) return;
  event.preventDefault();
  button.form?.requestSubmit(button);
}

/** Marks the field that `/` goes to. */
export const SEARCH_FIELD = "data-search";

let isSearchAsked = false;

/** Goes to the search at `/`, from whatever page. */
export function useSearchKey(): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (isWriting(event.target) || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      const field = document.querySelector<HTMLInputElement>(`[${SEARCH_FIELD}]`);
      if (field !== null) return field.select();
      isSearchAsked = true;
      navigate(href(["runs"]));
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

/** Whether the page was opened by `/`; asked once. */
export function wasSearchAsked(): boolean {
  const was = isSearchAsked;
  isSearchAsked = false;
  return was;
}

function isWriting(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}
