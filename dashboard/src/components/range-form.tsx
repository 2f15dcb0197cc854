/** Which time the page covers: the last days, or from one moment to another. */
import { useState } from "preact/hooks";
import { localInput, PRESETS, rangeFault, type Preset, type Range } from "../charts/range";
import { Choice } from "./choice";
import { Field } from "./field";

interface RangeFormProps {
  range: Range;
  /** What is shown at the moment: where a custom range starts from. */
  times: { since: number; until: number };
  onChange: (range: Range) => void;
}

const OPTIONS: readonly { value: Preset | "custom"; name: string }[] = [
  ...PRESETS.map(({ preset, name }) => ({ value: preset, name })),
  { value: "custom", name: "Custom" },
];

export function RangeForm({ range, times, onChange }: RangeFormProps) {
  const [isCustom, setIsCustom] = useState(false);
  const isShown = isCustom || range.preset === null;
  const choose = (value: Preset | "custom") => {
    setIsCustom(value === "custom");
    if (value !== "custom") onChange({ preset: value });
  };
  return (
    <div class="range">
      <Choice label="Time" value={isShown ? "custom" : range.preset} options={OPTIONS} onChange={choose} />
      {isShown && <CustomRange key={JSON.stringify(range)} times={times} onChange={onChange} />}
    </div>
  );
}

function CustomRange({ times, onChange }: Pick<RangeFormProps, "times" | "onChange">) {
  const [since, setSince] = useState(() => localInput(times.since));
  const [until, setUntil] = useState(() => localInput(times.until));
  const [fault, setFault] = useState<{ since?: string; until?: string }>({});
  const submit = (event: Event) => {
    event.preventDefault();
    const [from, to] = [Date.parse(since), Date.parse(until)];
    if (Number.isNaN(from)) return setFault({ since: "is no date and time" });
    if (Number.isNaN(to)) return setFault({ until: "is no date and time" });
    const wrong = rangeFault(from, to);
    if (wrong !== null) return setFault({ until: wrong });
    setFault({});
    onChange({ preset: null, since: from, until: to });
  };
  return (
    <form class="range-custom" onSubmit={submit} noValidate>
      <Field label="From" error={fault.since}>
        {(ids) => (
          <input
            {...ids}
            type="datetime-local"
            value={since}
            onInput={(event) => setSince(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label="To" error={fault.until}>
        {(ids) => (
          <input
            {...ids}
            type="datetime-local"
            value={until}
            onInput={(event) => setUntil(event.currentTarget.value)}
          />
        )}
      </Field>
      <button type="submit" class="button">
        Show
      </button>
    </form>
  );
}
