use std::{borrow::Cow, collections::BTreeMap};

use longhaul_core::{CallId, Role, RunId, RunStatus, StopReason, TimeMs, ToolCall, Usage};
use serde::Serialize;
use serde_json::Value as Json;

use crate::{
    attributes::{effect_word, kind_word},
    content::{ARGUMENTS_KEY, Content, EDITED_KEY, RESULT_KEY, Turn, cut, deed_texts},
    fold::Trace,
    ids::{SpanId, TraceId},
    span::{Attribute, ModelSpan, Span, SpanEvent, SpanKind, SpanStatus, Value},
};

/// One message in a view, and all messages of one input, in bytes. The session's messages have the rest.
pub const VIEW_CONTENT_BYTES_MAX: usize = 256 * 1024;

/// The trace of a run; one under way has no end. It stays with the session's owner, so it has the content.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Trace"))]
pub struct TraceView<'a> {
    trace_id: TraceId,
    session: &'a str,
    run: RunId,
    name: &'a str,
    agent: &'a str,
    model: &'a str,
    /// The latest model that took the run over; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<&'a str>,
    status: RunStatus,
    stop_reason: Option<StopReason>,
    started_at: TimeMs,
    ended_at: Option<TimeMs>,
    /// How long the run did something, in milliseconds, waits for retries among it; null while it is open.
    working_ms: Option<u64>,
    /// How long it was queued, or people were asked and nothing else went on; null while it is open.
    waiting_ms: Option<u64>,
    usage: &'a Usage,
    iterations: u32,
    attempts: u32,
    /// Crashes and evictions that the run survived.
    resumed: u32,
    metadata: &'a BTreeMap<String, Json>,
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    spans: Vec<SpanView<'a>>,
}

/// The run, an attempt of a call of a model or a tool, a wait for a person, or what the agent's own code did.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Span"))]
pub struct SpanView<'a> {
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    name: &'a str,
    kind: SpanKind,
    started_at: TimeMs,
    ended_at: Option<TimeMs>,
    duration_ms: Option<u64>,
    status: SpanStatus,
    error_type: Option<&'static str>,
    error_message: Option<&'a str>,
    /// The model's full name; null where the span is no call of one.
    model: Option<&'a str>,
    call: Option<CallId>,
    attempt: Option<u32>,
    iteration: Option<u32>,
    usage: Option<&'a Usage>,
    latency_ms: Option<u64>,
    time_to_first_chunk_ms: Option<u64>,
    attributes: BTreeMap<&'a str, &'a Value>,
    /// The system message first, then the newest messages that fit.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<longhaul_core::Message>"))]
    input: Vec<TurnView<'a>>,
    /// Messages between the system message and the oldest one shown, which are too many to show.
    input_left_out: usize,
    #[cfg_attr(feature = "schema", schemars(with = "Option<longhaul_core::Message>"))]
    output: Option<TurnView<'a>>,
    events: Vec<EventView<'a>>,
    /// What only a call of a tool has; null where a server is asked for its tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<ToolView<'a>>,
    /// What only a wait for a person has.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<WaitView<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ToolOfSpan"))]
struct ToolView<'a> {
    /// The tool's name.
    name: &'a str,
    /// What a crash may do to it: `read`, `idempotent` or `once`.
    effect: Option<&'static str>,
    /// JSON as it was given to the tool; null where the model's own could not be read.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    arguments: Option<Cow<'a, str>>,
    /// A text, or JSON; null where there is none.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    result: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "WaitOfSpan"))]
struct WaitView<'a> {
    /// The tool's name.
    tool: &'a str,
    /// The call that waits.
    call: CallId,
    /// What is asked: `call`, or `in_doubt`.
    kind: &'static str,
    /// What the call does, by the tool's own code.
    summary: Option<&'a str>,
    expires_at: Option<TimeMs>,
    decision: Option<&'a str>,
    /// Who decided: `tenant/actor`, a tenant, or `system:…`.
    by: Option<&'a str>,
    reason: Option<&'a str>,
    /// JSON as the person was shown it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    arguments: Option<Cow<'a, str>>,
    /// JSON that they chose instead; null where they changed nothing.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    edited: Option<Cow<'a, str>>,
    /// The result that they gave the call.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    result: Option<Cow<'a, str>>,
}

#[derive(Debug, Serialize)]
struct TurnView<'a> {
    role: Role,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thoughts: Cow<'a, str>,
    #[serde(skip_serializing_if = "<[ToolCall]>::is_empty")]
    tool_calls: &'a [ToolCall],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "SpanEvent"))]
struct EventView<'a> {
    name: &'a str,
    at: TimeMs,
    attributes: BTreeMap<&'a str, &'a Value>,
}

impl Trace {
    /// The trace as people and the dashboard read it. A running one has `ended_at: null`.
    pub fn view(&self) -> TraceView<'_> {
        TraceView {
            trace_id: self.trace_id,
            session: &self.session,
            run: self.run,
            name: &self.name,
            agent: &self.agent,
            model: &self.model,
            answered_by: self.answered_by.as_deref(),
            status: self.status,
            stop_reason: self.stop_reason,
            started_at: self.started_at,
            ended_at: self.ended_at,
            working_ms: self.working_ms(),
            waiting_ms: self.waiting_ms(),
            usage: &self.usage,
            iterations: self.iterations,
            attempts: self.attempts,
            resumed: self.resumed,
            metadata: &self.metadata,
            spans: self.spans.iter().map(|span| span_view(self, span)).collect(),
        }
    }
}

fn span_view<'a>(trace: &'a Trace, span: &'a Span) -> SpanView<'a> {
    let content = trace.content(span);
    let (model, tool) = (span.model.as_ref(), span.tool.as_ref());
    let texts = deed_texts(span);
    let deed = |sought| {
        let (_, text) = texts.iter().find(|(key, _)| *key == sought)?;
        Some(Cow::Owned(cut(text, usize::MAX, &mut { VIEW_CONTENT_BYTES_MAX }).into_owned()))
    };
    let shown = newest_that_fit(&content.input);
    let system = content.system.map(|text| Turn::text(Role::System, text));
    SpanView {
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        name: &span.name,
        kind: span.kind,
        started_at: span.started_at,
        ended_at: span.ended_at,
        duration_ms: span.ended_at.map(|at| at.saturating_sub(span.started_at)),
        status: span.status,
        error_type: span.error_type,
        error_message: span.error_message.as_deref(),
        model: model.map(|model| model.model.as_str()),
        call: span.call(),
        attempt: model.map(|model| model.attempt).or(tool.map(|tool| tool.attempt)),
        iteration: model.map(|model| model.iteration).or(tool.map(|tool| tool.iteration)),
        usage: span.usage.as_ref(),
        latency_ms: model.map_or(tool.and_then(|tool| tool.latency_ms), |model| model.latency_ms),
        time_to_first_chunk_ms: model.and_then(|model| model.time_to_first_chunk_ms),
        attributes: attribute_map(&span.attributes),
        input: system.iter().chain(shown).map(turn_view).collect(),
        input_left_out: sent(model, &content).saturating_sub(shown.len()),
        output: content.output.as_ref().map(turn_view),
        events: span.events.iter().map(event_view).collect(),
        tool: tool.filter(|tool| !tool.is_listing()).map(|tool| ToolView {
            name: &tool.tool,
            effect: tool.effect.map(effect_word),
            arguments: deed(ARGUMENTS_KEY),
            result: deed(RESULT_KEY),
        }),
        wait: span.wait.as_ref().map(|wait| WaitView {
            tool: &wait.tool,
            call: wait.call,
            kind: kind_word(wait.kind),
            summary: wait.summary.as_deref(),
            expires_at: wait.expires_at,
            decision: wait.decision.as_deref(),
            by: wait.by.as_deref(),
            reason: wait.reason.as_deref(),
            arguments: deed(ARGUMENTS_KEY),
            edited: deed(EDITED_KEY),
            result: deed(RESULT_KEY),
        }),
    }
}

/// Messages after the system message. A trace that was folded from the newest records alone has not all of them.
fn sent(model: Option<&ModelSpan>, content: &Content<'_>) -> usize {
    model.map_or(content.input.len(), |model| {
        (model.message_count as usize).saturating_sub(content.system.is_some().into())
    })
}

/// The newest of `turns`; the last one always, because it is what the call was about.
fn newest_that_fit<'t, 'a>(turns: &'t [Turn<'a>]) -> &'t [Turn<'a>] {
    let mut left = VIEW_CONTENT_BYTES_MAX;
    let fits = |turn: &&Turn<'_>| match left.checked_sub(turn.content.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let count = turns.iter().rev().take_while(fits).count().max(1);
    &turns[turns.len().saturating_sub(count)..]
}

fn turn_view<'a>(turn: &Turn<'a>) -> TurnView<'a> {
    let text = |text| cut(text, usize::MAX, &mut { VIEW_CONTENT_BYTES_MAX });
    TurnView {
        role: turn.role,
        content: text(turn.content),
        thoughts: text(turn.thoughts),
        tool_calls: turn.tool_calls,
        tool_call_id: turn.tool_call_id,
    }
}

fn event_view(event: &SpanEvent) -> EventView<'_> {
    EventView { name: event.name, at: event.at, attributes: attribute_map(&event.attributes) }
}

fn attribute_map(attributes: &[Attribute]) -> BTreeMap<&str, &Value> {
    attributes.iter().map(|attribute| (attribute.key.as_ref(), &attribute.value)).collect()
}
