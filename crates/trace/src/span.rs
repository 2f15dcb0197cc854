use std::{borrow::Cow, ops::Range};

use longhaul_core::{CallId, Effect, LIST_TOOLS, RequestKind, Seq, TimeMs, Usage};
use serde::Serialize;
use serde_json::Value as Json;

use crate::ids::SpanId;

/// The `error.type` of an attempt that a crash cut off.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// The `error.type` of a call of a tool of which nobody knows what it did.
pub(crate) const IN_DOUBT: &str = "in_doubt";
/// The `error.type` of what has no class of its own: the conventions' word.
pub(crate) const OTHER: &str = "_OTHER";

/// One piece of work of a run: the run itself (the root), an attempt of a call of a model or a tool, a wait for a person,
/// or what the agent's own code did during an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its id, the same in every replay.
    pub span_id: SpanId,
    /// The root's id, or that of the attempt in which the agent's own code opened it; `None` in the root.
    pub parent_span_id: Option<SpanId>,
    /// `invoke_agent {agent}`, `chat {model}`, `inference:{model}` in a comparison, `execute_tool {tool}`,
    /// `await_approval {tool}`, or what the agent's code chose.
    pub name: String,
    /// What kind of work it is.
    pub kind: SpanKind,
    /// When it began.
    pub started_at: TimeMs,
    /// When it ended; `None` while it runs. Never before `started_at`.
    pub ended_at: Option<TimeMs>,
    /// How it ended.
    pub status: SpanStatus,
    /// Of a failure: a word of low cardinality.
    pub error_type: Option<&'static str>,
    /// Of a failure: the sentence of the journal. For the owner's eyes: no exporter sends it.
    pub error_message: Option<String>,
    /// What the journal knows of it, without content.
    pub attributes: Vec<Attribute>,
    /// What happened during it.
    pub events: Vec<SpanEvent>,
    /// What it used: the root all, a call its own; `None` while a call has no answer.
    pub usage: Option<Usage>,
    /// Which call of a model it is.
    pub model: Option<ModelSpan>,
    /// Which call of a tool it is.
    pub tool: Option<Box<ToolSpan>>,
    /// Which wait for a person it is.
    pub wait: Option<Box<WaitSpan>>,
}

/// What only the attempt of a model call has.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSpan {
    /// The model's full name, with its provider's prefix.
    pub model: String,
    /// The call.
    pub call: CallId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Which answer of the run it was to be, from 1.
    pub iteration: u32,
    /// Messages in the request, instructions included.
    pub message_count: u32,
    /// Messages of the conversation that it left out, from the beginning.
    pub dropped_messages: u32,
    /// From the request to the whole answer, in milliseconds.
    pub latency_ms: Option<u64>,
    /// From the request to the first chunk of text, in milliseconds.
    pub time_to_first_chunk_ms: Option<u64>,
    /// Which of the trace's system messages it sent.
    pub(crate) system: Option<usize>,
    /// Which messages of the trace's conversation it sent.
    pub(crate) sent: Range<usize>,
    /// Which message of the conversation is its answer.
    pub(crate) answer: Option<usize>,
    /// Why the answer ended.
    pub(crate) finish_reason: Option<&'static str>,
    /// Places in the conversation of results that it was sent as a line.
    pub(crate) left_out: Vec<usize>,
}

/// What only the attempt of a tool's call has; of a call that was never made, the one moment at which the model was told.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpan {
    /// The tool's name.
    pub tool: String,
    /// The call.
    pub call: CallId,
    /// The attempt, from 1; 0 where none was made.
    pub attempt: u32,
    /// Which answer of the run asked for it, from 1.
    pub iteration: u32,
    /// What a crash may do to it.
    pub effect: Option<Effect>,
    /// The model's own id of the call.
    pub tool_call_id: Option<String>,
    /// From the call to its result, in milliseconds.
    pub latency_ms: Option<u64>,
    /// What it was given, where it was known.
    pub(crate) arguments: Option<Json>,
    /// What it gave.
    pub(crate) result: Option<Json>,
}

impl ToolSpan {
    /// A server is asked for its tools: no model asked for that.
    pub fn is_listing(&self) -> bool {
        self.tool == LIST_TOOLS && self.tool_call_id.is_none()
    }
}

/// What only a wait for a person has.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitSpan {
    /// The tool's name.
    pub tool: String,
    /// The call that waits.
    pub call: CallId,
    /// The position of its request in the journal, which names it.
    pub seq: Seq,
    /// What the person is asked.
    pub kind: RequestKind,
    /// What a crash may do to the call.
    pub effect: Option<Effect>,
    /// The digest of the arguments.
    pub digest: Option<String>,
    /// The rule that asks.
    pub rule: Option<String>,
    /// Whether somebody else must decide than who started or steered the run.
    pub by_another: bool,
    /// The model's own id of the call.
    pub tool_call_id: Option<String>,
    /// When the request expires.
    pub expires_at: Option<TimeMs>,
    /// What was decided; `None` while nobody has.
    pub decision: Option<String>,
    /// Who decided.
    pub by: Option<String>,
    /// What the call does, by the tool's own code.
    pub(crate) summary: Option<String>,
    /// The arguments that the person was shown.
    pub(crate) arguments: Json,
    /// Those that they chose instead.
    pub(crate) edited: Option<Json>,
    /// Why they decided so.
    pub(crate) reason: Option<String>,
    /// The result that they gave the call.
    pub(crate) result: Option<Json>,
}

/// Something at a moment of a span.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanEvent {
    /// Its name, that of the journal's entry.
    pub name: &'static str,
    /// When.
    pub at: TimeMs,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
}

/// The kinds of spans that a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum SpanKind {
    /// Work inside the agent.
    Internal,
    /// A request to another server.
    Client,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum SpanStatus {
    /// It runs, or somebody cancelled it: that is no error.
    Unset,
    /// It did what it was to do.
    Ok,
    /// It failed.
    Error,
}

/// A named value of a span, an event or a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// The name, `gen_ai.…` where the conventions have one, else `longhaul.…`.
    pub key: Cow<'static, str>,
    /// The value.
    pub value: Value,
}

/// The types that an attribute's value can have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Several texts.
    Texts(Vec<String>),
}

impl Attribute {
    /// A named value.
    pub fn new(key: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Span {
    /// A span that begins at `at`, inside of the deployment's own code.
    pub(crate) fn begun(
        (span_id, parent_span_id): (SpanId, Option<SpanId>),
        name: String,
        at: TimeMs,
        attributes: Vec<Attribute>,
    ) -> Self {
        Self {
            span_id,
            parent_span_id,
            name,
            kind: SpanKind::Internal,
            started_at: at,
            ended_at: None,
            status: SpanStatus::Unset,
            error_type: None,
            error_message: None,
            attributes,
            events: Vec::new(),
            usage: None,
            model: None,
            tool: None,
            wait: None,
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.key == key).map(|attribute| &attribute.value)
    }

    /// The call of which it is an attempt.
    pub fn call(&self) -> Option<CallId> {
        let of_tool = || self.tool.as_ref().map(|tool| tool.call);
        self.model.as_ref().map(|model| model.call).or_else(of_tool)
    }

    /// Ends the span, not before its start: a clock may go back between two machines.
    pub(crate) fn end(&mut self, at: TimeMs, status: SpanStatus) {
        self.ended_at = Some(at.max(self.started_at));
        self.status = status;
    }

    /// Ends the span as failed.
    pub(crate) fn fail(&mut self, at: TimeMs, error_type: &'static str) {
        self.end(at, SpanStatus::Error);
        self.error_type = Some(error_type);
        self.attributes.push(Attribute::new("error.type", error_type));
    }

    /// Ends the span as failed, and forgets how it had failed before.
    pub(crate) fn refail(&mut self, at: TimeMs, error_type: &'static str) {
        self.forget_failure();
        self.fail(at, error_type);
    }

    /// Ends the span as one that did what it was to do, and forgets how it had failed before.
    pub(crate) fn succeed(&mut self, at: TimeMs) {
        self.forget_failure();
        self.end(at, SpanStatus::Ok);
    }

    /// Ends the span because nobody needs its outcome: that is no error.
    pub(crate) fn cancel(&mut self, at: TimeMs) {
        self.end(at, SpanStatus::Unset);
        self.attributes.push(Attribute::new("longhaul.cancelled", true));
    }

    fn forget_failure(&mut self) {
        self.error_type = None;
        self.attributes.retain(|attribute| attribute.key != "error.type");
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}
