/** The fields of a form, of the JSON Schema that an MCP server gives: an object of texts, numbers, switches and choices. Pure. */

export interface SchemaField {
  name: string;
  kind: "text" | "number" | "switch" | "choice" | "choices";
  label: string;
  help: string | null;
  isRequired: boolean;
  /** Of a choice: the value, and what is shown of it. */
  options: readonly { value: string; label: string }[];
  /** What it begins with. */
  initial: FieldValue;
  /** The `type` of an input of text: `email`, `url`, `date`. */
  input: InputType;
}

type InputType = "email" | "url" | "date" | "text";

export type FieldValue = string | boolean | readonly string[];
type Json = Record<string, unknown>;

/** Fields that a form has at most. */
const FIELDS_MAX = 64;
const INPUTS: Record<string, InputType> = { email: "email", uri: "url", date: "date", "date-time": "text" };

/** The fields; null where the schema wants something that no form here can show. */
export function fieldsOf(schema: unknown): SchemaField[] | null {
  if (!isObject(schema) || (schema.type !== undefined && schema.type !== "object")) return null;
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  if (properties.length > FIELDS_MAX) return null;
  const fields = properties.map(([name, property]) => fieldOf(name, property, required.includes(name)));
  return fields.every((field) => field !== null) ? fields : null;
}

/** What the fields say, as the answer; a complaint for each that is at fault. */
export function answerOf(
  fields: readonly SchemaField[],
  values: Readonly<Record<string, FieldValue>>,
): { input: Json } | { faults: Record<string, string> } {
  const input: [string, unknown][] = [];
  const faults: Record<string, string> = {};
  for (const { name, kind, isRequired, initial } of fields) {
    const value = values[name] ?? initial;
    if (value === "") {
      if (isRequired) faults[name] = "Say something.";
    } else if (kind === "number") {
      const number = Number(value);
      if (Number.isFinite(number)) input.push([name, number]);
      else faults[name] = "This is no number.";
    } else {
      input.push([name, value]);
    }
  }
  return Object.keys(faults).length > 0 ? { faults } : { input: Object.fromEntries(input) };
}

function fieldOf(name: string, property: unknown, isRequired: boolean): SchemaField | null {
  if (!isObject(property)) return null;
  const { type, title, description, format, default: given } = property;
  const base = {
    name,
    label: text(title) ?? name,
    help: text(description),
    isRequired,
    options: [],
    initial: "",
    input: INPUTS[text(format) ?? ""] ?? "text",
  };
  const options = optionsOf(property);
  if (options !== null && (type === "string" || type === undefined)) {
    const initial = options.some(({ value }) => value === given) ? String(given) : "";
    return { ...base, kind: "choice", options, initial };
  }
  if (type === "string") return { ...base, kind: "text", initial: text(given) ?? "" };
  if (type === "number" || type === "integer") {
    return { ...base, kind: "number", initial: typeof given === "number" ? String(given) : "" };
  }
  if (type === "boolean") return { ...base, kind: "switch", initial: given === true };
  const items = type === "array" && isObject(property.items) ? optionsOf(property.items) : null;
  if (items === null) return null;
  const chosen = Array.isArray(given) ? given.filter((value) => items.some((item) => item.value === value)) : [];
  return { ...base, kind: "choices", options: items, initial: chosen.map(String) };
}

/** `enum`, with `enumNames` beside it or not, or `oneOf` or `anyOf` with a title for each. */
function optionsOf(schema: Json): SchemaField["options"] | null {
  if (Array.isArray(schema.enum)) {
    const names = Array.isArray(schema.enumNames) ? schema.enumNames : [];
    if (!schema.enum.every((value) => typeof value === "string")) return null;
    return schema.enum.map((value: string, place) => ({ value, label: text(names[place]) ?? value }));
  }
  const list = schema.oneOf ?? schema.anyOf;
  if (!Array.isArray(list)) return null;
  const options = list.map((one) =>
    isObject(one) && typeof one.const === "string" ? { value: one.const, label: text(one.title) ?? one.const } : null,
  );
  return options.every((option) => option !== null) ? options : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
