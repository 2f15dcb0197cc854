/** A button that copies, and says whether it did. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { announce } from "./announcer";
import { Icon } from "./icon";

const SAID_MS = 2_000;

interface CopyProps {
  /** What is copied, or how to get it. */
  text: string | (() => Promise<string>);
  label: string;
  children?: ComponentChildren;
}

export function CopyButton({ text, label, children }: CopyProps) {
  const [outcome, setOutcome] = useState<"copied" | "failed" | null>(null);
  const copy = async () => {
    let said: "copied" | "failed" = "copied";
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : await text());
    } catch {
      said = "failed";
    }
    setOutcome(said);
    announce(said === "copied" ? "Copied" : "Could not copy");
    setTimeout(() => setOutcome(null), SAID_MS);
  };
  return (
    <button
      type="button"
      class={children ? "button" : "button ghost small icon-only"}
      aria-label={children ? undefined : label}
      title={label}
      onClick={() => void copy()}
    >
      <Icon name={outcome === "copied" ? "check" : outcome === "failed" ? "warning" : "copy"} />
      {children && <span>{outcome === "copied" ? "Copied" : outcome === "failed" ? "Not copied" : children}</span>}
    </button>
  );
}
