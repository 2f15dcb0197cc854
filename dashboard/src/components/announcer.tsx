/** One polite live region: status changes are said once, text in flight never. */
import { store, useStore } from "../store";

const said = store("");

/** Has a screen reader say a short sentence. */
export function announce(sentence: string): void {
  // The same sentence twice is two announcements.
  said.set(said.get() === sentence ? `${sentence}\u00a0` : sentence);
}

export function Announcer() {
  return (
    <div class="visually-hidden" aria-live="polite" role="status">
      {useStore(said)}
    </div>
  );
}
