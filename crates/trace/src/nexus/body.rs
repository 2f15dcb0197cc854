use longhaul_core::{RunStatus, StopReason, TimeMs, Usage};
use serde_json::{Map, Value as Json};

use crate::{
    content::{
        ARGUMENTS_KEY, CONTENT_BYTES_MAX, Capture, EDITED_KEY, PREVIEW_CHARS, REASON_KEY, RESULT_KEY,
        SUMMARY_KEY, captured, cut, deed_texts,
    },
    fold::Trace,
    span::{ModelSpan, Span, SpanStatus, Value},
    time::iso8601,
};

/// The member of a trace's metadata by which it is found again.
pub(super) const TRACE_ID_KEY: &str = "longhaul_trace_id";
/// How the names of a comparison's spans begin.
const COMPARED: &str = "inference:";
/// What a call through an AI Gateway has among its attributes.
const GATEWAY_KEYS: [&str; 2] = ["via_ai_gateway", "gateway_id"];

/// What the input of a tool's call or of a wait has of its span's attributes, and under which name.
const DEED_INPUT: [(&str, &str); 12] = [
    ("mcp.method.name", "method"),
    ("gen_ai.tool.name", "tool"),
    ("gen_ai.tool.call.id", "tool_call_id"),
    ("longhaul.iteration", "iteration"),
    ("longhaul.attempt", "attempt"),
    ("longhaul.tool.effect", "effect"),
    ("longhaul.tool.verdict", "verdict"),
    ("longhaul.tool.rule", "rule"),
    ("longhaul.approval.kind", "kind"),
    ("longhaul.approval.rule", "rule"),
    ("longhaul.approval.digest", "digest"),
    ("longhaul.approval.expires_at", "expires_at"),
];
/// The same of their output.
const DEED_OUTPUT: [(&str, &str); 5] = [
    ("longhaul.approval.decision", "decision"),
    ("longhaul.approval.by", "by"),
    ("longhaul.tool.result_bytes", "result_bytes"),
    ("longhaul.tool.answered_by", "answered_by"),
    ("longhaul.cancelled", "cancelled"),
];

/// A JSON object in the making.
#[derive(Default)]
struct Object(Map<String, Json>);

/// The body that makes the trace, in the state in which the run ended.
pub(super) fn of_trace(trace: &Trace, agent_id: &str, capture: Capture) -> Vec<u8> {
    let status = trace_status(trace);
    let mut metadata = Object::default();
    metadata.put_text("model", &trace.model);
    metadata.put_text(TRACE_ID_KEY, &trace.trace_id.to_string());
    metadata.put_text("session", &trace.session);
    metadata.put_number("run", Some(trace.run.0.into()));
    metadata.put("stop_reason", trace.stop_reason.map(StopReason::as_str).into());
    metadata.put_number("iterations", Some(trace.iterations.into()));
    metadata.put_number("resumed", Some(trace.resumed.into()));
    let mut labels = Object::default();
    for (key, value) in &trace.metadata {
        labels.put(key, value.clone());
    }
    metadata.put("metadata", Json::Object(labels.0));
    if trace.status == RunStatus::Cancelled {
        metadata.put_text("status", "cancelled");
    }
    if matches!(status, "error" | "timeout") {
        metadata.put_text("error", &alert(trace));
    }
    let mut body = Object::default();
    body.put_text("agent_id", agent_id);
    match capture {
        // The name must not be empty, and without content an agent's name says most.
        Capture::Off => body.put_text("name", &["agent: ", &trace.agent].concat()),
        Capture::Full | Capture::Preview => body.put_text("name", &trace.name),
    }
    body.put_text("status", status);
    body.put_times(trace.started_at, trace.ended_at);
    body.put("metadata", Json::Object(metadata.0));
    body.into_bytes()
}

/// The body that makes a span. `parent` is what the sink calls the span above it, unless that is the root.
pub(super) fn of_span(trace: &Trace, span: &Span, parent: Option<&String>, capture: Capture) -> Vec<u8> {
    let mut body = Object::default();
    body.put_text("name", &span_name(span));
    body.put_text("status", span_status(span));
    body.put_times(span.started_at, span.ended_at);
    if let Some(parent) = parent {
        body.put_text("parent_span_id", parent);
    }
    let mut error = "error";
    let mut input = Object::default();
    if let Some(call) = &span.model {
        input.put_call(trace, span, call, capture);
        let mut output = Object::default();
        output.put_outcome(trace, span, call, capture);
        body.put("output", Json::Object(output.0));
        error = span.error_type.unwrap_or(error);
    } else if span.tool.is_some() || span.wait.is_some() {
        let mut output = Object::default();
        input.put_deed(span);
        output.put_came_of_it(span);
        for (key, text) in deed_texts(span) {
            // A result is previewed like an answer.
            let capture =
                if key == RESULT_KEY && capture == Capture::Full { Capture::Preview } else { capture };
            if let Some(text) = captured(&text, capture, CONTENT_BYTES_MAX) {
                let (side, key) = match key {
                    ARGUMENTS_KEY => (&mut input, "arguments"),
                    SUMMARY_KEY => (&mut input, "summary"),
                    EDITED_KEY => (&mut output, "arguments"),
                    REASON_KEY => (&mut output, "reason"),
                    _ => (&mut output, "result_preview"),
                };
                side.put_text(key, &text);
            }
        }
        body.put("output", Json::Object(output.0));
        error = span.error_type.unwrap_or(error);
    } else {
        input.put_fields(span);
    }
    body.put("input", Json::Object(input.0));
    if span.status == SpanStatus::Error {
        body.put_text("error", error);
    }
    body.into_bytes()
}

/// The name under which a span is posted.
pub(super) fn span_name(span: &Span) -> String {
    match &span.model {
        Some(call) if !is_compared(span) => format!("llm-call-{}", call.iteration),
        // Nexus takes no empty name.
        _ if span.name.is_empty() => "span".to_owned(),
        _ => span.name.clone(),
    }
}

/// The status with which a span is posted. What somebody cancelled is no error.
pub(super) fn span_status(span: &Span) -> &'static str {
    match span.status {
        SpanStatus::Error => "error",
        SpanStatus::Ok | SpanStatus::Unset => "ok",
    }
}

fn is_compared(span: &Span) -> bool {
    span.name.starts_with(COMPARED)
}

fn trace_status(trace: &Trace) -> &'static str {
    match trace.status {
        RunStatus::Succeeded | RunStatus::Cancelled => "success",
        RunStatus::Failed if trace.stop_reason == Some(StopReason::Deadline) => "timeout",
        RunStatus::Failed => "error",
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => "running",
    }
}

/// The text of the alert that Nexus sends: our words only, none of a provider.
fn alert(trace: &Trace) -> String {
    let reason = trace.stop_reason.map_or("failed", StopReason::as_str);
    let root = trace.spans.first();
    match root.and_then(|root| root.attribute("longhaul.error_code")) {
        Some(Value::Text(code)) if code != reason => format!("{reason}: {code}"),
        _ => reason.to_owned(),
    }
}

impl Object {
    /// The input of a call.
    fn put_call(&mut self, trace: &Trace, span: &Span, call: &ModelSpan, capture: Capture) {
        if is_compared(span) {
            let chars_max = match capture {
                Capture::Full => Some(usize::MAX),
                Capture::Preview => Some(PREVIEW_CHARS),
                Capture::Off => None,
            };
            if let Some(chars_max) = chars_max {
                self.put_text("prompt", &cut(&trace.task, chars_max, &mut { CONTENT_BYTES_MAX }));
            }
            self.put_text("model", &call.model);
        } else {
            self.put_number("iteration", Some(call.iteration.into()));
            self.put_number("message_count", Some(call.message_count.into()));
        }
        if call.attempt > 1 {
            self.put_number("attempt", Some(call.attempt.into()));
        }
        for key in GATEWAY_KEYS {
            if let Some(value) = span.attribute(key) {
                self.put(key, plain(value));
            }
        }
    }

    /// The output of a call.
    fn put_outcome(&mut self, trace: &Trace, span: &Span, call: &ModelSpan, capture: Capture) {
        let took_ms = span.ended_at.map(|at| at.saturating_sub(span.started_at));
        self.put_number("latency_ms", call.latency_ms.or(took_ms));
        let usage = span.usage.as_ref().and_then(Usage::counted);
        self.put_number("input_tokens", usage.and_then(|usage| usage.input_tokens));
        self.put_number("output_tokens", usage.and_then(|usage| usage.output_tokens));
        let reasoning_tokens = usage.and_then(|usage| usage.reasoning_tokens);
        if reasoning_tokens.is_some() {
            self.put_number("reasoning_tokens", reasoning_tokens);
        }
        let answer = match capture {
            Capture::Off => None,
            Capture::Full | Capture::Preview => trace.content(span).output,
        };
        let preview = |text: &str| text.chars().take(PREVIEW_CHARS).collect::<String>();
        if let Some(turn) = answer.filter(|turn| !turn.thoughts.is_empty()) {
            self.put_text("reasoning_preview", &preview(turn.thoughts));
        }
        let said = answer.map(|turn| preview(turn.content));
        self.put("response_preview", said.map_or(Json::Null, Json::String));
        if span.status == SpanStatus::Unset {
            self.put("cancelled", Json::Bool(true));
        }
    }

    /// Which call of a tool it is, or which wait for a person.
    fn put_deed(&mut self, span: &Span) {
        for attribute in &span.attributes {
            if let Some((_, name)) = DEED_INPUT.into_iter().find(|(key, _)| attribute.key == *key) {
                self.put(name, plain(&attribute.value));
            }
        }
    }

    /// How a call of a tool or a wait ended.
    fn put_came_of_it(&mut self, span: &Span) {
        let took_ms = span.ended_at.map(|at| at.saturating_sub(span.started_at));
        self.put_number("latency_ms", span.tool.as_ref().and_then(|tool| tool.latency_ms).or(took_ms));
        for attribute in &span.attributes {
            if let Some((_, name)) = DEED_OUTPUT.into_iter().find(|(key, _)| attribute.key == *key) {
                self.put(name, plain(&attribute.value));
            }
        }
    }

    /// What the agent's own code gave its span.
    fn put_fields(&mut self, span: &Span) {
        for attribute in span.attributes.iter().filter(|attribute| attribute.key != "error.type") {
            self.put(&attribute.key, plain(&attribute.value));
        }
    }

    fn put_times(&mut self, started_at: TimeMs, ended_at: Option<TimeMs>) {
        self.put_text("started_at", &iso8601(started_at));
        if let Some(at) = ended_at {
            self.put_text("ended_at", &iso8601(at));
        }
    }

    fn put_number(&mut self, key: &str, number: Option<u64>) {
        self.put(key, number.map_or(Json::Null, Json::from));
    }

    fn put_text(&mut self, key: &str, text: &str) {
        self.put(key, Json::String(text.to_owned()));
    }

    fn put(&mut self, key: &str, value: Json) {
        self.0.insert(key.to_owned(), value);
    }

    fn into_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&Json::Object(self.0)).expect("an object has string keys only")
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Bool(yes) => (*yes).into(),
        Value::Texts(texts) => texts.as_slice().into(),
    }
}
