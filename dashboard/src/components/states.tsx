/** What a page shows when it has nothing, not yet, or no longer: empty, loading, failed, disconnected. */
import type { ComponentChildren } from "preact";
import { ApiError, Unreachable } from "../api";
import { visible } from "../format";
import { Icon, type IconName } from "./icon";

interface EmptyProps {
  title: string;
  icon?: IconName;
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

export function Empty({ title, icon = "info", children, actions }: EmptyProps) {
  return (
    <div class="state">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <div class="state-body">{children}</div>}
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}

/** A whole page or panel that could not be loaded. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { title, detail } = explained(error);
  return (
    <div class="state state-error" role="alert">
      <Icon name="warning" />
      <h2>{title}</h2>
      {detail !== "" && <p class="state-body">{visible(detail)}</p>}
      {onRetry && (
        <div class="actions">
          <button type="button" class="button" onClick={onRetry}>
            <Icon name="retry" /> Try again
          </button>
        </div>
      )}
    </div>
  );
}

type Tone = "info" | "warning" | "error";

/** A line above content that is still there: a lost connection, an answer that is old. */
export function Banner({
  tone,
  children,
  actions,
}: {
  tone: Tone;
  children: ComponentChildren;
  actions?: ComponentChildren;
}) {
  return (
    <div class={`banner banner-${tone}`}>
      <Icon name={tone === "info" ? "info" : "warning"} />
      <div class="banner-text">{children}</div>
      {actions && <div class="actions">{actions}</div>}
    </div>
  );
}

/** Grey bars of the size of what is being loaded. */
export function Skeleton({ lines, label = "Loading" }: { lines: number; label?: string }) {
  return (
    <div class="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} class={`skeleton-line w${index % 4}`} />
      ))}
    </div>
  );
}

/** An error in words: what happened, and what to do. */
export function explained(error: unknown): { title: string; detail: string } {
  if (error instanceof Unreachable) {
    return { title: "The server does not answer", detail: "It may be restarting, or the network is down." };
  }
  if (error instanceof ApiError) return { title: error.title, detail: error.detail };
  return { title: "Something went wrong in this page", detail: error instanceof Error ? error.message : String(error) };
}
