use prost::Message;

use crate::{
    content::{CONTENT_BYTES_MAX, Capture, captured, deed_texts, render},
    fold::Trace,
    otlp::wire,
    resource::Resource,
    span::{Attribute, Span, SpanKind, SpanStatus, Value},
};

/// The body of a request at most, in bytes.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Below this, content is left out rather than cut once more, in bytes per attribute.
const CONTENT_BYTES_MIN: usize = 512;
const NANOS_PER_MS: u64 = 1_000_000;

/// The trace's finished spans as an `ExportTraceServiceRequest` in protobuf (`application/x-protobuf`).
///
/// A body over [`REQUEST_BYTES_MAX`] is made again with half the content in each attribute until it fits, down to
/// no content at all; a span is never left out.
pub fn encode_protobuf(trace: &Trace, resource: &Resource, capture: Capture) -> Vec<u8> {
    encode_within_limit(trace, resource, capture, Message::encode_to_vec)
}

/// As [`encode_protobuf`], in JSON (`application/json`).
pub fn encode_json(trace: &Trace, resource: &Resource, capture: Capture) -> Vec<u8> {
    encode_within_limit(trace, resource, capture, |request| {
        serde_json::to_vec(request).expect("a request has string keys only")
    })
}

fn encode_within_limit(
    trace: &Trace,
    resource: &Resource,
    mut capture: Capture,
    encode: impl Fn(&wire::ExportTraceServiceRequest) -> Vec<u8>,
) -> Vec<u8> {
    let mut content_bytes_max = CONTENT_BYTES_MAX;
    loop {
        let body = encode(&request(trace, resource, capture, content_bytes_max));
        if body.len() <= REQUEST_BYTES_MAX || capture == Capture::Off {
            return body;
        }
        content_bytes_max /= 2;
        if content_bytes_max < CONTENT_BYTES_MIN {
            capture = Capture::Off;
        }
    }
}

fn request(
    trace: &Trace,
    resource: &Resource,
    capture: Capture,
    content_bytes_max: usize,
) -> wire::ExportTraceServiceRequest {
    let spans = trace.finished_spans();
    let spans = spans.map(|span| wire_span(trace, span, capture, content_bytes_max)).collect();
    let service = [Attribute::new("service.name", resource.service_name.as_str())];
    let attributes = service.iter().chain(&resource.attributes).map(key_value).collect();
    wire::ExportTraceServiceRequest {
        resource_spans: vec![wire::ResourceSpans {
            resource: Some(wire::Resource { attributes }),
            scope_spans: vec![wire::ScopeSpans {
                scope: Some(wire::InstrumentationScope {
                    name: "longhaul".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }),
                spans,
            }],
        }],
    }
}

fn wire_span(trace: &Trace, span: &Span, capture: Capture, content_bytes_max: usize) -> wire::Span {
    let mut attributes: Vec<_> = span.attributes.iter().map(key_value).collect();
    if let Some(content) = render(&trace.content(span), capture, content_bytes_max) {
        let texts = [
            ("gen_ai.system_instructions", content.system),
            ("gen_ai.input.messages", Some(content.input)),
            ("gen_ai.output.messages", content.output),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some(Attribute::new(key, text?)));
        attributes.extend(texts.map(|attribute| key_value(&attribute)));
    }
    let deeds = deed_texts(span).into_iter();
    let deeds = deeds
        .filter_map(|(key, text)| Some(Attribute::new(key, captured(&text, capture, content_bytes_max)?)));
    attributes.extend(deeds.map(|attribute| key_value(&attribute)));
    if span.parent_span_id.is_none() {
        attributes.extend(plain_texts(trace, span, capture, content_bytes_max));
    }
    let events = span.events.iter().map(|event| wire::Event {
        time_unix_nano: nanos(event.at),
        name: event.name.to_owned(),
        attributes: event.attributes.iter().map(key_value).collect(),
    });
    let code = match span.status {
        SpanStatus::Unset => None,
        SpanStatus::Ok => Some(wire::STATUS_OK),
        SpanStatus::Error => Some(wire::STATUS_ERROR),
    };
    wire::Span {
        trace_id: trace.trace_id.0.to_vec(),
        span_id: span.span_id.0.to_vec(),
        parent_span_id: span.parent_span_id.map(|id| id.0.to_vec()).unwrap_or_default(),
        name: span.name.clone(),
        kind: match span.kind {
            SpanKind::Internal => wire::KIND_INTERNAL,
            SpanKind::Client => wire::KIND_CLIENT,
        },
        start_time_unix_nano: nanos(span.started_at),
        end_time_unix_nano: nanos(span.ended_at.unwrap_or(span.started_at)),
        attributes,
        events: events.collect(),
        status: code.map(|code| wire::Status { code }),
    }
}

/// The task and the result as OpenInference has them: what backends of that convention show in a list of traces.
fn plain_texts(trace: &Trace, span: &Span, capture: Capture, bytes_max: usize) -> Vec<wire::KeyValue> {
    let content = trace.content(span);
    let texts = [("input.value", content.input.first().copied()), ("output.value", content.output)];
    let texts = texts
        .into_iter()
        .filter_map(|(key, turn)| Some(Attribute::new(key, captured(turn?.content, capture, bytes_max)?)));
    texts.map(|attribute| key_value(&attribute)).collect()
}

fn key_value(attribute: &Attribute) -> wire::KeyValue {
    let text = |text: &String| wire::Any::StringValue(text.clone());
    let value = match &attribute.value {
        Value::Text(value) => text(value),
        Value::Int(number) => wire::Any::IntValue(*number),
        Value::Float(number) => wire::Any::DoubleValue(*number),
        Value::Bool(yes) => wire::Any::BoolValue(*yes),
        Value::Texts(list) => {
            let values = list.iter().map(|item| wire::AnyValue { value: Some(text(item)) }).collect();
            wire::Any::ArrayValue(wire::ArrayValue { values })
        }
    };
    wire::KeyValue {
        key: attribute.key.clone().into_owned(),
        value: Some(wire::AnyValue { value: Some(value) }),
    }
}

fn nanos(ms: u64) -> u64 {
    ms.saturating_mul(NANOS_PER_MS)
}
