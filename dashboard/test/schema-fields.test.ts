import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, fieldsOf } from "../src/schema-fields";

const schema = {
  type: "object",
  properties: {
    name: { type: "string", title: "Your name", description: "As it is written.", default: "Ann" },
    mail: { type: "string", format: "email" },
    age: { type: "integer", default: 30 },
    subscribed: { type: "boolean", default: true },
    tide: { type: "string", enum: ["ebb", "flood"], enumNames: ["Ebb tide"], default: "flood" },
    port: { type: "string", oneOf: [{ const: "a", title: "Whitby" }, { const: "b" }] },
    days: { type: "array", items: { type: "string", enum: ["mon", "tue"] }, default: ["tue", "never"] },
  },
  required: ["name", "mail"],
};

test("a schema becomes fields, with what each begins with", () => {
  const fields = fieldsOf(schema) ?? [];
  const shown = fields.map(({ name, kind, initial }) => [name, kind, initial]);
  assert.deepEqual(shown, [
    ["name", "text", "Ann"],
    ["mail", "text", ""],
    ["age", "number", "30"],
    ["subscribed", "switch", true],
    ["tide", "choice", "flood"],
    ["port", "choice", ""],
    ["days", "choices", ["tue"]],
  ]);
  const [name, mail, , , tide, port] = fields;
  assert.deepEqual([name?.label, name?.help, name?.isRequired, mail?.input], ["Your name", "As it is written.", true, "email"]);
  assert.deepEqual(tide?.options, [
    { value: "ebb", label: "Ebb tide" },
    { value: "flood", label: "flood" },
  ]);
  assert.deepEqual(port?.options[0], { value: "a", label: "Whitby" });
});

test("what the fields say is the answer, and each at fault is named", () => {
  const fields = fieldsOf(schema) ?? [];
  assert.deepEqual(answerOf(fields, { age: "x" }), { faults: { mail: "Say something.", age: "This is no number." } });
  const answer = answerOf(fields, { mail: "a@b.example", age: "", subscribed: false, days: ["mon"] });
  assert.deepEqual(answer, {
    input: { name: "Ann", mail: "a@b.example", subscribed: false, tide: "flood", days: ["mon"] },
  });
  assert.deepEqual(answerOf(fields, { mail: "a@b.example", age: "4.5" }), {
    input: { name: "Ann", mail: "a@b.example", age: 4.5, subscribed: true, tide: "flood", days: ["tue"] },
  });
});

test("a schema that no form can show is answered as JSON", () => {
  for (const odd of [
    null,
    7,
    { type: "array" },
    { properties: { a: { type: "object" } } },
    { properties: { a: 1 } },
    { properties: { a: { type: "array", items: { type: "object" } } } },
    { properties: { a: { enum: [1, 2] } } },
    { properties: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`f${n}`, { type: "string" }])) },
  ]) {
    assert.equal(fieldsOf(odd), null, JSON.stringify(odd));
  }
  assert.deepEqual(fieldsOf({ type: "object", properties: {} }), []);
});
