/** The fields that the forms of a run and of a comparison share. */
import * as api from "../api";
import { deploymentStore } from "../deployment";
import { visible } from "../format";
import { useStore } from "../store";
import { Field, faultsElsewhere } from "./field";
import { explained } from "./states";

interface FieldProps {
  label: string;
  error: string | null;
  help?: string;
  class?: string;
  value: string;
  onChange: (value: string) => void;
}

interface TextProps extends FieldProps {
  rows: number;
  isRequired?: boolean;
  /** Whether a dialog opens with the focus here. */
  isFirst?: boolean;
}

export function TextField({ rows, isRequired, isFirst, value, onChange, ...field }: TextProps) {
  return (
    <Field {...field}>
      {(ids) => (
        <textarea
          {...ids}
          rows={rows}
          autofocus={isFirst}
          required={isRequired}
          dir="auto"
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface NumberProps extends FieldProps {
  min?: number;
  max?: number;
  step?: "any";
  placeholder?: string;
}

export function NumberField({ min = 1, max, step, placeholder, value, onChange, ...field }: NumberProps) {
  return (
    <Field {...field}>
      {(ids) => (
        <input
          {...ids}
          type="number"
          min={min}
          max={max}
          step={step}
          placeholder={placeholder}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** The deployment's agents; the first is what an empty value means. */
export function AgentField({ value, onChange, ...field }: Omit<FieldProps, "label">) {
  const deployment = useStore(deploymentStore);
  return (
    <Field label="Agent" {...field}>
      {(ids) => (
        <select {...ids} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          {deployment === null && <option value={value}>{value === "" ? "default" : visible(value)}</option>}
          {deployment?.agents.map(({ name }, index) => (
            <option key={name} value={index === 0 && value !== name ? "" : name}>
              {visible(name)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface FormFaultProps {
  error: unknown;
  /** The fields that show what is wrong with them. */
  shown: readonly string[];
  what: "run" | "comparison";
}

/** What is wrong with no field of the form: the connection, the deployment, a field that it does not have. */
export function FormFault({ error, shown, what }: FormFaultProps) {
  if (error === null) return null;
  const elsewhere = faultsElsewhere(error, shown);
  const hasFields = error instanceof api.ApiError && error.fields.length > 0;
  if (hasFields && elsewhere.length === 0) {
    return (
      <p class="field-error" role="alert">
        The {what} was not started: see the marked fields.
      </p>
    );
  }
  const { title, detail } = explained(error);
  const again = error instanceof api.Unreachable && ` Send it again when it does: the same ${what} is not started twice.`;
  return (
    <p class="field-error" role="alert">
      {visible(title)}. {visible(detail)}
      {again} {elsewhere.map((fault) => `${visible(fault.pointer)}: ${visible(fault.detail)}`).join("; ")}
    </p>
  );
}
