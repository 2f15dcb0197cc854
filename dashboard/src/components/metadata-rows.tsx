/** Keys and values of a form. */
import { useRef } from "preact/hooks";
import { visible } from "../format";
import type { Label } from "../labels";
import { Icon } from "./icon";

interface MetadataRowsProps {
  rows: readonly Label[];
  onChange: (rows: Label[]) => void;
  error: string | null;
}

export function MetadataRows({ rows, onChange, error }: MetadataRowsProps) {
  const fieldset = useRef<HTMLFieldSetElement>(null);
  const set = (index: number, part: Partial<Label>) =>
    onChange(rows.map((row, at) => (at === index ? { ...row, ...part } : row)));
  // The row that takes the focus is there only after the next render.
  const focusSoon = (index: number) =>
    requestAnimationFrame(() => {
      const keys = fieldset.current?.querySelectorAll<HTMLElement>("[data-key]");
      const add = fieldset.current?.querySelector<HTMLElement>("[data-add]");
      (keys?.[Math.min(index, keys.length - 1)] ?? add)?.focus();
    });
  return (
    <fieldset ref={fieldset} class={error ? "metadata-rows field-bad" : "metadata-rows"}>
      <legend class="label">Metadata</legend>
      {rows.map((row, index) => (
        <div class="metadata-row" key={index}>
          <input
            data-key
            aria-label={`Key ${index + 1}`}
            placeholder="key"
            value={row.key}
            spellcheck={false}
            aria-invalid={error ? "true" : undefined}
            onInput={(event) => set(index, { key: event.currentTarget.value })}
          />
          <input
            aria-label={`Value ${index + 1}`}
            placeholder="value"
            value={row.value}
            onInput={(event) => set(index, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            class="button ghost icon-only"
            aria-label={`Remove row ${index + 1}`}
            onClick={() => {
              onChange(rows.filter((_, at) => at !== index));
              focusSoon(index);
            }}
          >
            <Icon name="cross" />
          </button>
        </div>
      ))}
      {error && <div class="field-error">{visible(error)}</div>}
      <button
        data-add
        type="button"
        class="button small"
        onClick={() => {
          onChange([...rows, { key: "", value: "" }]);
          focusSoon(rows.length);
        }}
      >
        <Icon name="plus" /> Add a label
      </button>
    </fieldset>
  );
}
