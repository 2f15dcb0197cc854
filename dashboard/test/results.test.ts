import assert from "node:assert/strict";
import { test } from "node:test";
import { resultText } from "../src/results";

test("an image of a result is a note with its type and size", () => {
  const data = btoa("x".repeat(3_001));
  const image = { type: "image", mime_type: "image/png", base64_bytes: data.length, data };
  const shown = JSON.parse(resultText({ content: [{ type: "text", text: "a" }, image] })) as {
    content: { text?: string; data?: string }[];
  };
  assert.equal(shown.content[0]?.text, "a");
  assert.equal(shown.content[1]?.data, "image/png, 3,001 bytes, not shown here");
  assert.equal(resultText(null), "null");
});

test("what looks like it and is none is shown", () => {
  assert.deepEqual(JSON.parse(resultText({ data: "abc", mime_type: "text/plain" })), {
    data: "abc",
    mime_type: "text/plain",
  });
});

test("a result that was cut shows no letters of a file", () => {
  const cut = `{"content":[{"data":"${"iVBOR".repeat(200)} … ${"AAAA".repeat(200)}","type":"image"}]}`;
  assert.equal(
    resultText(cut),
    '{"content":[{"data":"(1,000 characters without a space, not shown here) … (800 characters without a space, not shown here)","type":"image"}]}',
  );
  assert.equal(resultText("plain words"), "plain words");
});
