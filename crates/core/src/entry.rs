use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    done::FinalRule,
    fault::FaultKind,
    ids::{CallId, Life, RunId, Seq, TimeMs},
    message::{FinishReason, Message, Usage},
    settings::{Gateway, Reserved, RunSettings},
    tool::{Dropped, Effect, Leave, RequestKind, ToolError, ToolOffer},
};

/// An entry of the journal in its place. Its public form is an event of the API.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The entry's position. Not stored: the row's position and the place in the row give it.
    pub seq: Seq,
    /// The run that it belongs to.
    pub run: RunId,
    /// When it was decided.
    pub at: TimeMs,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What can happen to a run. Each variant's JSON is pinned by a literal in `tests/suite/pinned.rs` and may only grow
/// by optional fields: old journals must always replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Entry {
    /// The run is stored. Nothing was called yet.
    #[serde(rename = "run.accepted")]
    RunAccepted {
        /// What to do.
        task: String,
        /// The agent's name.
        agent: String,
        /// The model's full name, with its provider's prefix; those of a comparison, joined by commas.
        model: String,
        /// The models of a comparison, which are called side by side; absent in any other run.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        models: Vec<String>,
        /// Answers at most.
        #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
        max_iterations: u32,
        /// The caller's own labels: scalars.
        metadata: BTreeMap<String, Value>,
        /// All else that the run needs, as it was configured then.
        #[cfg_attr(feature = "schema", schemars(skip))]
        settings: RunSettings,
        /// Whether head sampling spares the sinks this run's trace, unless something goes wrong in it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        sampled_out: bool,
        /// The key that the caller sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        idempotency: Option<Idempotency>,
        /// Who posted it: `tenant/actor`, a tenant, or `local`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The session's life, in the acceptance of its first run alone; absent in journals from before there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        life: Option<Life>,
    },
    /// A model call is promised. It is made after this entry is stored, and again if it has no outcome.
    #[serde(rename = "model.called")]
    ModelCalled {
        /// The call; its attempts share it.
        call: CallId,
        /// The attempt, from 1.
        attempt: u32,
        /// The answer that it is to be, from 1.
        iteration: u32,
        /// The model's full name.
        model: String,
        /// The model that the call was given up with, in the attempt with which another one takes it over.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback_from: Option<String>,
        /// Messages in the request, instructions included.
        message_count: u32,
        /// Messages of the session that the request leaves out, from its beginning, so that the rest fits the model's
        /// context window. Absent where there are none.
        #[serde(skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
        dropped_messages: u32,
        /// What is set aside for the attempt, where a budget of tokens or dollars asks for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reserved: Option<Reserved>,
        /// Whether it is the last answer, in which the model may call no tools.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// A whole answer arrived.
    #[serde(rename = "model.answered")]
    ModelAnswered {
        /// The call.
        call: CallId,
        /// The attempt that answered.
        attempt: u32,
        /// Which answer of the run it is, from 1.
        iteration: u32,
        /// The assistant's message.
        message: Message,
        /// Why it ended.
        finish_reason: FinishReason,
        /// What the call used.
        usage: Usage,
        /// What it cost, in US dollars: that of the usage once more, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
        cost_usd: Option<f64>,
        /// From the request to the whole answer, in milliseconds.
        latency_ms: u64,
        /// The rule by which the answer is final; `None` where it is not.
        r#final: Option<FinalRule>,
        /// Why an answer that ends with the sentinel is no result of a run with `output_schema`: the model is told. Absent where
        /// it is one, or does not end so.
        #[serde(skip_serializing_if = "Option::is_none")]
        output_error: Option<String>,
        /// Times for the span.
        #[cfg_attr(feature = "schema", schemars(skip))]
        timing: Timing,
        /// The provider's id of the response.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        response_id: Option<String>,
        /// The model that the provider says answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        response_model: Option<String>,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// An attempt failed.
    #[serde(rename = "model.failed")]
    ModelFailed {
        /// The call.
        call: CallId,
        /// The attempt that failed.
        attempt: u32,
        /// The fault.
        error_type: FaultKind,
        /// For a person.
        message: String,
        /// When the same model is asked again; `None` where it is not.
        retry_at: Option<TimeMs>,
        /// What the attempt used, where its server said so all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Whether an answer had begun to come.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        begun: bool,
        /// Times for the span.
        #[cfg_attr(feature = "schema", schemars(skip))]
        timing: Timing,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// A tool call is promised. It is made after this entry is stored.
    #[serde(rename = "tool.called")]
    ToolCalled {
        /// The call; its attempts share it.
        call: CallId,
        /// The attempt, from 1.
        #[serde(skip_serializing_if = "is_zero")]
        attempt: u32,
        /// The answer of the run that asked for it, from 1.
        #[serde(skip_serializing_if = "is_zero")]
        iteration: u32,
        /// The tool's name; `tools/list` where a server is asked for its tools.
        tool: String,
        /// The server that performs it, by its name in the deployment; absent where that is the deployment's own code.
        #[serde(skip_serializing_if = "Option::is_none")]
        server: Option<String>,
        /// Its arguments.
        arguments: Value,
        /// What a crash may do to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        effect: Option<Effect>,
        /// Why it may be made.
        #[serde(skip_serializing_if = "Option::is_none")]
        verdict: Option<Leave>,
        /// The rule that allowed it, or asked a person.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// What the tool says that the attempt costs, in US dollars.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
        cost_usd: Option<f64>,
        /// The model's own id of the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        tool_call_id: Option<String>,
    },
    /// A tool answered, or nothing more comes of its call and `error` says why.
    #[serde(rename = "tool.answered")]
    ToolAnswered {
        /// The call.
        call: CallId,
        /// The attempt that answered, from 1; absent where none was made.
        #[serde(skip_serializing_if = "is_zero")]
        attempt: u32,
        /// The tool's name.
        tool: String,
        /// What it gave.
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// Why it gave nothing.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<ToolError>,
        /// The rule that refused the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Who says so, where it is not the tool itself: a person who settled a call in doubt, or `system:reconcile`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// What the result takes as JSON, in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        result_bytes: Option<u64>,
        /// Where `result` has only head and tail of it: the digest of the whole as JSON, SHA-256 in lower-case hex.
        #[serde(skip_serializing_if = "Option::is_none")]
        result_digest: Option<String>,
        /// From the call to the answer, in milliseconds.
        latency_ms: u64,
        /// The model's own id of the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        tool_call_id: Option<String>,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// An attempt of a tool call failed, and another one is made.
    #[serde(rename = "tool.failed")]
    ToolFailed {
        /// The call.
        call: CallId,
        /// The attempt that failed.
        attempt: u32,
        /// The tool's name.
        tool: String,
        /// Why.
        error: ToolError,
        /// When it is made again.
        retry_at: Option<TimeMs>,
        /// From the call to the failure, in milliseconds.
        latency_ms: u64,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// A server said which tools it has, or nothing more comes of asking it and `error` says why.
    #[serde(rename = "tools.listed")]
    ToolsListed {
        /// The call.
        call: CallId,
        /// The attempt that answered, from 1.
        attempt: u32,
        /// The server's name.
        server: String,
        /// How many tools the run is offered.
        count: u32,
        /// What the server has besides, and why the run is not offered it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        dropped: Vec<Dropped>,
        /// Names of tools that are not what they were when the tenant saw them last.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        changed: Vec<String>,
        /// The digest of all definitions: SHA-256 in lower-case hex.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Why there is no list.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<ToolError>,
        /// The tools, as the run is offered them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        offers: Vec<ToolOffer>,
        /// From the request to the list, in milliseconds.
        latency_ms: u64,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// A call goes on at its server: it is gone on with later, or when a person has answered.
    #[serde(rename = "tool.pending")]
    ToolPending {
        /// The call.
        call: CallId,
        /// The attempt that said so.
        attempt: u32,
        /// The tool's name.
        tool: String,
        /// When its server is asked again; absent where a person is asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<TimeMs>,
        /// What it is gone on with.
        #[cfg_attr(feature = "schema", schemars(skip))]
        handle: Value,
        /// Whether going on twice does no more than once.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        repeatable: bool,
        /// From the request to the answer, in milliseconds.
        latency_ms: u64,
        /// What was seen around the attempt.
        #[serde(skip_serializing_if = "Observed::is_empty")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        observed: Observed,
    },
    /// A tool call waits for a person.
    #[serde(rename = "approval.requested")]
    ApprovalRequested {
        /// The call.
        call: CallId,
        /// The attempt that is in doubt; absent where none was made.
        #[serde(skip_serializing_if = "is_zero")]
        attempt: u32,
        /// What is asked: whether the call is made, where this is absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<RequestKind>,
        /// The tool's name.
        tool: String,
        /// Its arguments.
        arguments: Value,
        /// The arguments' digest: SHA-256 over their RFC 8785 form, in lower-case hex.
        #[serde(skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// What the call does, in a sentence of the tool's own code; what a server asks for, in its words.
        #[serde(skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// The JSON Schema of the answer that the tool's server asks for, an object's.
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<Value>,
        /// The page that a person is to visit.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The rule that asks.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        /// Whether somebody else must decide than who started or steered the run.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        by_another: bool,
        /// What a crash may do to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        effect: Option<Effect>,
        /// When the request expires.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<TimeMs>,
        /// The model's own id of the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        tool_call_id: Option<String>,
    },
    /// A request to a person is closed.
    #[serde(rename = "approval.resolved")]
    ApprovalResolved {
        /// The call.
        call: CallId,
        /// How: `approve` and `deny` are of journals from before there were tools.
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["approved", "edited", "denied", "expired", "settled", "retried", "answered", "authorized", "withdrawn", "approve", "deny"])))]
        decision: String,
        /// The arguments with which the call is made instead.
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<Value>,
        /// What the tool's server is answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// Why.
        reason: Option<String>,
        /// Who decided: `tenant/actor`, a tenant, or `system:…`.
        by: String,
    },
    /// The run goes on after its object went away in the middle of something.
    #[serde(rename = "run.resumed")]
    RunResumed {
        /// What it survived.
        cause: Cause,
        /// The calls that are made again.
        outstanding: Vec<CallId>,
    },
    /// Somebody said something to the run while it was under way. Its model hears it with the next call.
    #[serde(rename = "run.steered")]
    RunSteered {
        /// What they said.
        message: String,
        /// Who: `tenant/actor`, a tenant, or `local`.
        by: String,
        /// The key that they sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(skip))]
        idempotency: Option<Idempotency>,
    },
    /// Somebody asked to stop.
    #[serde(rename = "cancel.requested")]
    CancelRequested {
        /// The tenant who asked.
        by: String,
    },
    /// The run is over; nothing changes this.
    #[serde(rename = "run.ended")]
    RunEnded {
        /// How it ended.
        #[cfg_attr(feature = "schema", schemars(with = "String", extend("enum" = ["succeeded", "failed", "cancelled"])))]
        status: RunStatus,
        /// The rule that ended it.
        stop_reason: StopReason,
        /// The last answer without its sentinel.
        result: Option<String>,
        /// The same as JSON that fits the run's `output_schema`; absent where there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// What went wrong.
        error: Option<RunError>,
        /// The sum over the run's calls.
        usage: Usage,
        /// Answers committed.
        iterations: u32,
    },
    /// A sink that takes a trace in several requests has one part of it.
    #[serde(rename = "trace.sent")]
    TraceSent {
        /// The sink's name.
        sink: String,
        /// Which part: `trace`, or the id of a span in hex.
        part: String,
        /// What the sink calls it.
        #[cfg_attr(feature = "schema", schemars(length(max = crate::limits::REMOTE_ID_BYTES_MAX)))]
        remote_id: String,
    },
    /// A sink has the run's trace.
    #[serde(rename = "trace.flushed")]
    TraceFlushed {
        /// The sink's name.
        sink: String,
        /// Spans that it took.
        spans: u32,
        /// The delivery's attempt, from 1.
        attempt: u32,
        /// Spans that it rejected for good. Absent where there are none.
        #[serde(skip_serializing_if = "is_zero")]
        #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
        rejected: u32,
        /// What it says about the spans that it rejected, or warns of.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// The event that it has, where it gets events in place of traces.
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<Seq>,
    },
    /// A sink did not take the run's trace.
    #[serde(rename = "trace.failed")]
    TraceFailed {
        /// The sink's name.
        sink: String,
        /// The HTTP status; `None` where there was no answer.
        status: Option<u16>,
        /// The delivery's attempt, from 1.
        attempt: u32,
        /// When it is sent again; `None` when the delivery is given up.
        retry_at: Option<TimeMs>,
        /// The event that it did not take, where it gets events in place of traces.
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<Seq>,
    },
}

/// Fields of an entry that its public event does not show. Its schema skips them too.
pub const PRIVATE_FIELDS: [&str; 13] = [
    "settings",
    "idempotency",
    "life",
    "timing",
    "response_id",
    "response_model",
    "sampled_out",
    "observed",
    "tool_call_id",
    "begun",
    "offers",
    "handle",
    "repeatable",
];

/// Fields that every event has, in the order in which it shows them.
const ENVELOPE: [&str; 4] = ["seq", "run", "at", "type"];

impl Record {
    /// The event of the API. Serialize it, or display it as JSON text.
    pub fn public_event(&self) -> PublicEvent {
        // By way of the text that is stored: what makes a value of each entry would be in the wasm beside what makes its text.
        let fields = serde_json::to_vec(self).and_then(|json| serde_json::from_slice(&json));
        match fields {
            Ok(Value::Object(mut fields)) => {
                fields.retain(|key, _| !PRIVATE_FIELDS.contains(&key.as_str()));
                if let Some(Value::Object(message)) = fields.get_mut("message") {
                    message.remove("opaque");
                }
                PublicEvent(fields)
            }
            _ => unreachable!("a record is an object with string keys and finite numbers only"),
        }
    }
}

/// The public form of a record: the envelope first, then the fields of its type.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicEvent(Map<String, Value>);

impl Serialize for PublicEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let envelope = ENVELOPE.iter().filter_map(|name| self.0.get_key_value(*name));
        let others = self.0.iter().filter(|(name, _)| !ENVELOPE.contains(&name.as_str()));
        serializer.collect_map(envelope.chain(others))
    }
}

impl fmt::Display for PublicEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Entry {
    /// The `type` of the entry and of its event.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::RunAccepted { .. } => "run.accepted",
            Self::ModelCalled { .. } => "model.called",
            Self::ModelAnswered { .. } => "model.answered",
            Self::ModelFailed { .. } => "model.failed",
            Self::ToolCalled { .. } => "tool.called",
            Self::ToolAnswered { .. } => "tool.answered",
            Self::ToolFailed { .. } => "tool.failed",
            Self::ToolsListed { .. } => "tools.listed",
            Self::ToolPending { .. } => "tool.pending",
            Self::ApprovalRequested { .. } => "approval.requested",
            Self::ApprovalResolved { .. } => "approval.resolved",
            Self::RunResumed { .. } => "run.resumed",
            Self::RunSteered { .. } => "run.steered",
            Self::CancelRequested { .. } => "cancel.requested",
            Self::RunEnded { .. } => "run.ended",
            Self::TraceSent { .. } => "trace.sent",
            Self::TraceFlushed { .. } => "trace.flushed",
            Self::TraceFailed { .. } => "trace.failed",
        }
    }
}

/// The sink that is the deployment's own list of runs: no run is missing from it, whatever the sampling.
pub const INDEX_SINK: &str = "index";
/// The sink that gets events, one by one, in place of traces.
pub const WEBHOOK_SINK: &str = "webhook";
/// What [`WEBHOOK_SINK`] is told of where it wants to hear of failed runs alone.
pub const RUN_FAILED: &str = "run.failed";
/// What it is told of where a sink will not get the trace of a run.
pub const TRACE_PARKED: &str = "trace.parked";

/// The sink that gets what a session's runs have cost, in place of a trace: their tenant's spending limit.
pub const TENANT_SINK: &str = "tenant";

/// An `Idempotency-Key` and the body that came with it, as SHA-256 in hex: neither is kept as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The digest of the key.
    pub key: String,
    /// The digest of the request's body.
    pub body: String,
}

/// When an attempt really ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Read right before the request was made.
    pub started_at: TimeMs,
    /// Read right after the outcome was there.
    pub ended_at: TimeMs,
    /// When the first chunk of text arrived, of a streaming model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_chunk_at: Option<TimeMs>,
}

/// What was seen around an attempt, beside its answer: for its span.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The AI Gateway that the request went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Spans that the agent's own code opened during the attempt, parents before children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<UserSpan>,
}

/// A span that the agent's own code opened with `tracing` during an attempt of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserSpan {
    /// Its name.
    pub name: String,
    /// The place of its parent in the same list; `None` right below the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// When it was opened.
    pub started_at: TimeMs,
    /// When it was closed, or the attempt ended.
    pub ended_at: TimeMs,
    /// Whether an event of level `ERROR` came inside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// Its fields: scalars.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
}

impl Observed {
    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.gateway.is_none() && self.spans.is_empty()
    }
}

/// What a run survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Cause {
    /// The object went away with a call in flight: a killed process, a redeploy, a reset.
    Crash,
    /// The object went away while the run waited: written by journals that noted it, though nothing was cut off.
    Eviction,
    /// Code in the object panicked.
    Panic,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RunStatus {
    /// Accepted; another run of the session is before it.
    Queued,
    /// A call is in flight.
    Running,
    /// It waits for a retry, or for a person.
    Waiting,
    /// Ended with a result.
    Succeeded,
    /// Ended without reaching its goal.
    Failed,
    /// Ended by a caller.
    Cancelled,
}

/// The rule that ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StopReason {
    /// The answer ended with the sentinel.
    Done,
    /// The model called `finish`.
    FinishTool,
    /// The last answer allowed was committed.
    MaxIterations,
    /// `budget.total_tokens` is used up.
    BudgetTokens,
    /// `budget.cost_usd` is used up.
    BudgetCost,
    /// `budget.tool_calls` is used up.
    BudgetToolCalls,
    /// `budget.deadline_ms` has passed.
    Deadline,
    /// A caller cancelled it.
    Cancelled,
    /// The model answered nothing until the retries were used up.
    EmptyResponse,
    /// The model's server refused the request, or its answer could not be read.
    ModelRefused,
    /// The model could not be reached until the retries were used up.
    ModelUnavailable,
    /// A tool says that the run cannot go on, or the tools of several answers in a row failed.
    ToolFailed,
    /// Whether a call that may happen once did happen is unknown.
    ToolInDoubt,
    /// The model asks for the same call over and over.
    LoopDetected,
    /// Nobody decided in time about a call that the run cannot go on without.
    ApprovalExpired,
    /// A limit was reached, and no result fits `output_schema`.
    OutputInvalid,
    /// A person denied a tool call. Nothing writes this.
    Denied,
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunError {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl StopReason {
    /// The word that the journal and the trace use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::FinishTool => "finish_tool",
            Self::MaxIterations => "max_iterations",
            Self::BudgetTokens => "budget_tokens",
            Self::BudgetCost => "budget_cost",
            Self::BudgetToolCalls => "budget_tool_calls",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::EmptyResponse => "empty_response",
            Self::ModelRefused => "model_refused",
            Self::ModelUnavailable => "model_unavailable",
            Self::ToolFailed => "tool_failed",
            Self::ToolInDoubt => "tool_in_doubt",
            Self::LoopDetected => "loop_detected",
            Self::ApprovalExpired => "approval_expired",
            Self::OutputInvalid => "output_invalid",
            Self::Denied => "denied",
        }
    }

    /// The status that a run ends with for this reason.
    pub fn status(self) -> RunStatus {
        match self {
            Self::Done | Self::FinishTool | Self::MaxIterations => RunStatus::Succeeded,
            Self::Cancelled => RunStatus::Cancelled,
            Self::BudgetTokens
            | Self::BudgetCost
            | Self::BudgetToolCalls
            | Self::Deadline
            | Self::EmptyResponse
            | Self::ModelRefused
            | Self::ModelUnavailable
            | Self::ToolFailed
            | Self::ToolInDoubt
            | Self::LoopDetected
            | Self::ApprovalExpired
            | Self::OutputInvalid
            | Self::Denied => RunStatus::Failed,
        }
    }
}
