/** Form fields: a label, help, and the server's complaint at the field that it is about. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { ApiError } from "../api";
import { visible } from "../format";
import type { FieldError } from "../openapi";

/** What an input needs to be tied to its label, help and error. */
export interface FieldIds {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": "true" | undefined;
}

interface FieldProps {
  label: string;
  help?: ComponentChildren;
  error?: string | null | undefined;
  class?: string;
  children: (ids: FieldIds) => ComponentChildren;
}

export function Field({ label, help, error, class: extra = "", children }: FieldProps) {
  const id = useId();
  const described = [help ? `${id}-help` : "", error ? `${id}-error` : ""].filter((part) => part !== "").join(" ");
  const ids: FieldIds = {
    id,
    "aria-describedby": described === "" ? undefined : described,
    "aria-invalid": error ? "true" : undefined,
  };
  return (
    <div class={`field ${error ? "field-bad" : ""} ${extra}`}>
      <label for={id}>{label}</label>
      {children(ids)}
      {help && (
        <div class="field-help" id={`${id}-help`}>
          {help}
        </div>
      )}
      {error && (
        <div class="field-error" id={`${id}-error`}>
          {visible(error)}
        </div>
      )}
    </div>
  );
}

/** The complaint about one field, by its JSON pointer; those of fields inside it too. */
export function faultAt(error: unknown, pointer: string): string | null {
  const found = faults(error).filter((fault) => fault.pointer === pointer || fault.pointer.startsWith(`${pointer}/`));
  return found.length === 0 ? null : found.map((fault) => sentence(fault, pointer)).join("; ");
}

/** Complaints about anything but the given fields. */
export function faultsElsewhere(error: unknown, pointers: readonly string[]): FieldError[] {
  const isShown = (fault: FieldError) => pointers.some((p) => fault.pointer === p || fault.pointer.startsWith(`${p}/`));
  return faults(error).filter((fault) => !isShown(fault));
}

function faults(error: unknown): readonly FieldError[] {
  return error instanceof ApiError ? error.fields : [];
}

function sentence(fault: FieldError, pointer: string): string {
  const inside = fault.pointer
    .slice(pointer.length + 1)
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
  return inside === "" ? fault.detail : `${inside} ${fault.detail}`;
}
