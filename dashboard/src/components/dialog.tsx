/** A modal dialog on the platform's own element: focus stays inside, Escape closes, focus returns. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { Icon } from "./icon";

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  isNarrow?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, isOpen, onClose, isNarrow = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current;
    if (dialog === null) return;
    if (isOpen && !dialog.open) dialog.showModal();
    if (!isOpen && dialog.open) dialog.close();
  }, [isOpen]);
  return (
    <dialog ref={element} class={isNarrow ? "dialog narrow" : "dialog"} aria-labelledby={titleId} onClose={onClose}>
      {isOpen && (
        <>
          <header class="dialog-head">
            <h2 id={titleId}>{title}</h2>
            <button type="button" class="button ghost icon-only" aria-label="Close" onClick={onClose}>
              <Icon name="cross" />
            </button>
          </header>
          {children}
        </>
      )}
    </dialog>
  );
}
