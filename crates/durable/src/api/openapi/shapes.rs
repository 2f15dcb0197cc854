//! What is accepted and what is written piece by piece, as types with a schema. The code reads bodies field by field, so
//! that one answer names every fault, and writes long lists without ever holding them whole. End to end tests hold these
//! types against what it takes and sends.

#![expect(dead_code, reason = "only their schemas are read")]

use longhaul_core::{RunId, Seq, TimeMs, limits};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::references::reference;
use crate::api::{mcp, views};

/// What is to be done; null counts as absent.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewRun {
    /// What to do, at most 256 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::TASK_BYTES_MAX), regex(pattern = r"\S"))]
    task: String,
    /// An agent of the deployment; by default that of the session's latest run, or the deployment's first one.
    #[schemars(length(min = 1, max = limits::NAME_BYTES_MAX), regex(pattern = r"\S"))]
    agent: Option<String>,
    /// The model; by default that of the session's latest run, the agent's or the deployment's.
    model: Option<ModelName>,
    /// Models that take the run over, one after the other, when the one before cannot answer; by default the agent's.
    #[schemars(length(max = limits::FALLBACKS_MAX), extend("uniqueItems" = true))]
    fallbacks: Option<Vec<ModelName>>,
    /// How long faults of a model's server that may pass are borne, in milliseconds from the first one of a call on; a
    /// minute at most while another model follows.
    #[schemars(range(max = limits::RETRY_PATIENCE_MS_MAX))]
    retry_patience_ms: Option<u64>,
    /// The system message in place of the agent's, at most 64 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::INSTRUCTIONS_BYTES_MAX), regex(pattern = r"\S"))]
    instructions: Option<String>,
    /// Answers at most: as many as the agent allows by default, which is the most.
    #[schemars(range(min = 1, max = limits::AGENT_ITERATIONS_MAX))]
    max_iterations: Option<u32>,
    /// The tools of the agent that the run is offered, by their names; all of them by default.
    #[schemars(length(max = limits::TOOLS_MAX), extend("uniqueItems" = true))]
    tools: Option<Vec<String>>,
    /// What the result is as JSON, which is then `output` too: a JSON Schema (draft 2020-12) of `type` `object`, of at most 32 KiB
    /// and 16 schemas inside each other. Of the keywords that check a value it may have `type`, `enum`, `const`, `properties`,
    /// `required`, `additionalProperties`, `items`, `allOf`, `anyOf`, `oneOf`, the bounds of numbers and lengths, and `$ref` to a
    /// schema of the same document. By default that of the agent.
    output_schema: Option<Map<String, Value>>,
    budget: Option<Budget>,
    /// Whether the last answer that iterations, tokens or dollars leave room for is asked for without tools; by default what
    /// the agent says.
    final_answer: Option<bool>,
    metadata: Option<Value>,
    /// Whether the task joins the run under way: what is here starts one.
    #[schemars(extend("enum" = [false, null]))]
    steer: Option<bool>,
}

/// An MCP server of the deployment.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct McpServerName {
    /// Its name.
    #[schemars(length(min = 1, max = mcp::NAME_BYTES_MAX), regex(pattern = r"\S"))]
    server: String,
}

/// What a person brings back from an issuer: `code` or `error` (which goes first), as the address that they came back to has it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["code"], "properties": {"code": {"type": "string"}}},
    {"required": ["error"], "properties": {"error": {"type": "string"}}}]))]
pub(super) struct McpReturn {
    /// The code, which is redeemed.
    #[schemars(length(min = 1, max = mcp::RETURNED_BYTES_MAX), regex(pattern = r"\S"))]
    code: Option<String>,
    /// Which link it is the answer to.
    #[schemars(length(min = 1, max = mcp::NAME_BYTES_MAX), regex(pattern = r"\S"))]
    state: String,
    /// Who sent them.
    #[schemars(length(min = 1, max = mcp::RETURNED_BYTES_MAX), regex(pattern = r"\S"))]
    iss: Option<String>,
    /// Why there is no code, a word.
    #[schemars(length(min = 1, max = mcp::NAME_BYTES_MAX), regex(pattern = r"\S"))]
    error: Option<String>,
    /// The same in words.
    #[schemars(length(min = 1, max = mcp::RETURNED_BYTES_MAX), regex(pattern = r"\S"))]
    error_description: Option<String>,
}

/// The next run of a session, or a message to the one under way.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub(super) enum NextRun {
    Run(Box<NewRun>),
    Steer(Steer),
}

/// A message to the run under way.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Steer {
    /// What its model is told, at most 256 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::TASK_BYTES_MAX), regex(pattern = r"\S"))]
    task: String,
    #[schemars(extend("const" = true))]
    steer: bool,
}

/// What starts a session says beside it: see [`NewRun`].
#[derive(JsonSchema)]
pub(super) struct OfSession {
    session_budget: Option<SessionBudget>,
}

/// What all runs of a session may spend together; it is checked before each call.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SessionBudget {
    /// Tokens of all calls.
    #[schemars(range(min = 1, max = 1_u64 << 53))]
    total_tokens: Option<u64>,
    /// US dollars of all calls.
    #[schemars(extend("exclusiveMinimum" = 0))]
    cost_usd: Option<f64>,
    /// Tool calls that are made.
    #[schemars(range(min = 1, max = u32::MAX))]
    tool_calls: Option<u32>,
}

/// What several models are to do; null counts as absent.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewComparison {
    /// What to do, at most 256 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::TASK_BYTES_MAX), regex(pattern = r"\S"))]
    task: String,
    /// An agent of the deployment; its first one by default.
    #[schemars(length(min = 1, max = limits::NAME_BYTES_MAX), regex(pattern = r"\S"))]
    agent: Option<String>,
    /// The models, no two the same.
    #[schemars(
        length(min = limits::COMPARED_MODELS_MIN, max = limits::COMPARED_MODELS_MAX),
        extend("uniqueItems" = true),
        extend("items" = {"allOf": [reference("ModelName")], "pattern": "^[^,]+$"})
    )]
    models: Vec<ModelName>,
    /// The system message in place of the agent's, at most 64 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::INSTRUCTIONS_BYTES_MAX), regex(pattern = r"\S"))]
    instructions: Option<String>,
    budget: Option<ComparisonBudget>,
    /// How long faults of a model's server that may pass are borne, in milliseconds from the first one of a call on.
    #[schemars(range(max = limits::RETRY_PATIENCE_MS_MAX))]
    retry_patience_ms: Option<u64>,
    metadata: Option<Value>,
}

/// `@cf/…` (Workers AI), `openai:…` or `responses:…` (an OpenAI-compatible server), `anthropic:…`, `<provider>:…` (a name of
/// `PROVIDERS`) or `scripted:…` (no model).
#[derive(JsonSchema)]
struct ModelName(
    #[schemars(length(max = limits::NAME_BYTES_MAX), regex(pattern = r"^(@cf/|[a-z0-9_-]{1,32}:)[!-~]+$"))]
    String,
);

/// What a run may spend; it is checked before each call.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Budget {
    /// Tokens of all calls.
    #[schemars(range(min = 1, max = 1_u64 << 53))]
    total_tokens: Option<u64>,
    /// US dollars of all calls.
    #[schemars(extend("exclusiveMinimum" = 0))]
    cost_usd: Option<f64>,
    /// Milliseconds from the acceptance to the end, at most 30 days.
    #[schemars(range(min = 1, max = limits::DEADLINE_MS_MAX))]
    deadline_ms: Option<u64>,
    /// Tool calls that are made.
    #[schemars(range(min = 1, max = u32::MAX))]
    tool_calls: Option<u32>,
}

/// What a comparison may spend: its calls are made at once, so only time bounds them.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ComparisonBudget {
    /// Milliseconds from the acceptance to the end, at most 30 days.
    #[schemars(range(min = 1, max = limits::DEADLINE_MS_MAX))]
    deadline_ms: Option<u64>,
}

/// What a person decides about a tool call; null counts as absent, but for `result`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Decision {
    /// `approve` or `deny` a call that is to be made; `settle` one of which nobody knows whether it was made, with what it
    /// gave, or `retry` it; `answer` what the server of a tool asks for, or `deny` it; `retry` one whose server can be used now.
    #[schemars(extend("enum" = ["approve", "deny", "settle", "retry", "answer"]))]
    decision: String,
    /// With `approve`: the arguments with which the call is made instead of the model's.
    arguments: Option<Map<String, Value>>,
    /// With `answer`: what the server of the tool is answered, which fits the request's `schema`.
    input: Option<Map<String, Value>>,
    /// With `deny`: why, for the model, at most 4 KiB of UTF-8.
    #[schemars(length(min = 1, max = limits::REASON_BYTES_MAX), regex(pattern = r"\S"))]
    reason: Option<String>,
    /// With `settle`: what the call gave, for the model.
    result: Option<Value>,
    /// The digest of the arguments that were seen: another one refuses the decision.
    #[schemars(regex(pattern = r"^[0-9a-f]{64}$"))]
    digest: Option<String>,
    /// The `seq` of the `approval.requested` that is answered; by default the last one of the call.
    #[schemars(range(min = 1, max = 1_u64 << 53))]
    request: Option<u64>,
}

/// What a WebSocket's reader may send, at most 4 KiB, and at most 60 of them in a minute; beside it the text `ping`.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct ClientFrame {
    #[schemars(extend("const" = "cancel"))]
    r#type: String,
}

/// What every event has.
#[derive(JsonSchema)]
pub(super) struct Envelope {
    /// The place of the event in its session: dense, from 1.
    #[schemars(range(min = 1))]
    seq: u64,
    /// The run that the event belongs to.
    run: RunId,
    /// When it was decided.
    at: TimeMs,
    /// What happened.
    r#type: String,
}

/// A page of events.
#[derive(JsonSchema)]
pub(super) struct EventPage {
    /// The events after the cursor, in the order of `seq`.
    #[schemars(length(max = limits::PAGE_EVENTS_MAX))]
    events: Vec<Event>,
    /// The `after` of the next page; null in the last one.
    next: Option<Seq>,
}

/// The place that the union of all events takes.
#[derive(JsonSchema)]
struct Event {}

/// The messages of a session, the oldest first.
#[derive(JsonSchema)]
pub(super) struct Conversation {
    /// The session.
    session: String,
    /// The messages of all its runs.
    messages: Vec<views::MessageView<'static>>,
}

/// An `ExportTraceServiceRequest` of OTLP 1.x as JSON.
#[derive(JsonSchema)]
pub(super) struct OtlpTrace {
    /// One resource: the deployment.
    #[schemars(rename = "resourceSpans", length(min = 1))]
    resource_spans: Vec<Map<String, Value>>,
}
