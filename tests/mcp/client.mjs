// The client under test, as the conformance suite starts it: `node client.mjs URL`. It tells the test program what it was
// given, which has a served worker use the server, and says how that went.

const { MCP_BROKER, MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_CONTEXT } = process.env;
const body = JSON.stringify({
  url: process.argv.at(-1),
  scenario: MCP_CONFORMANCE_SCENARIO,
  revision: MCP_CONFORMANCE_PROTOCOL_VERSION,
  context: JSON.parse(MCP_CONFORMANCE_CONTEXT ?? "null"),
});
const answer = await fetch(MCP_BROKER, { method: "POST", headers: { "content-type": "application/json" }, body });
console.log(await answer.text());
process.exitCode = answer.ok ? 0 : 1;
