//! OpenTelemetry's own messages read what was encoded, and find what the fold says.

use longhaul_core::FaultKind;
use longhaul_trace::{
    Attribute, Capture, Resource, Span, SpanKind, SpanStatus, Trace, Value, encode_json, encode_protobuf,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::{Span as ProtoSpan, span::SpanKind as ProtoKind, status::StatusCode},
};
use prost::Message;

use crate::{
    acts::acting,
    stage::{Stage, eventful, new_run},
};

const CONTENT_KEYS: [&str; 8] = [
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "longhaul.approval.reason",
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "input.value",
    "output.value",
];

fn resource() -> Resource {
    Resource {
        service_name: "harbour".to_owned(),
        attributes: vec![Attribute::new("deployment.environment.name", "test")],
    }
}

fn traces() -> Vec<Trace> {
    let mut failed = Stage::default();
    failed.accept("x");
    failed.fail(FaultKind::Refused, 10);
    let mut cancelled = Stage::default();
    cancelled.accept("x");
    cancelled.cancel();
    let mut running = Stage::default();
    running.accept("x");
    running.answer("more", 10);
    let mut odd = Stage::default();
    let mut run = new_run("\u{0}\u{1f} \"quoted\" \\ 日本 🌊");
    let labels = serde_json::json!({"n": -1, "f": 0.5, "b": false, "s": "é", "null": null});
    run.metadata = serde_json::from_value(labels).unwrap();
    odd.accept_run(run);
    odd.answer("\u{7f}\u{2028}\nDONE", 0);
    [eventful(), failed, cancelled, running, odd, acting()].iter().map(|stage| stage.trace(1)).collect()
}

#[test]
fn both_encodings_say_what_the_fold_says() {
    for trace in traces() {
        for capture in [Capture::Full, Capture::Preview, Capture::Off] {
            let protobuf = encode_protobuf(&trace, &resource(), capture);
            let from_protobuf = ExportTraceServiceRequest::decode(protobuf.as_slice()).unwrap();
            let json = encode_json(&trace, &resource(), capture);
            let from_json: ExportTraceServiceRequest = serde_json::from_slice(&json).unwrap();
            assert_eq!(from_protobuf, from_json);
            check(&from_protobuf, &trace, capture);
        }
    }
}

fn check(request: &ExportTraceServiceRequest, trace: &Trace, capture: Capture) {
    let [resource_spans] = request.resource_spans.as_slice() else { panic!("one resource") };
    let resource = &resource_spans.resource.as_ref().unwrap().attributes;
    let expected = [("service.name", "harbour"), ("deployment.environment.name", "test")];
    assert_eq!(values(resource), expected.map(|(key, value)| (key.to_owned(), Value::from(value))));
    let [scope_spans] = resource_spans.scope_spans.as_slice() else { panic!("one scope") };
    let scope = scope_spans.scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("longhaul", env!("CARGO_PKG_VERSION")));

    let finished: Vec<&Span> = trace.finished_spans().collect();
    assert_eq!(scope_spans.spans.len(), finished.len());
    for (proto, span) in scope_spans.spans.iter().zip(finished) {
        check_span(proto, span, trace, capture);
    }
}

fn check_span(proto: &ProtoSpan, span: &Span, trace: &Trace, capture: Capture) {
    assert_eq!(proto.trace_id, trace.trace_id.0);
    assert_eq!(proto.span_id, span.span_id.0);
    assert_eq!(proto.parent_span_id, span.parent_span_id.map(|id| id.0.to_vec()).unwrap_or_default());
    assert_eq!(proto.name, span.name);
    let kind = match span.kind {
        SpanKind::Internal => ProtoKind::Internal,
        SpanKind::Client => ProtoKind::Client,
    };
    assert_eq!(proto.kind(), kind);
    assert_eq!(proto.start_time_unix_nano, span.started_at * 1_000_000);
    assert_eq!(proto.end_time_unix_nano, span.ended_at.unwrap() * 1_000_000);
    let code = match span.status {
        SpanStatus::Unset => None,
        SpanStatus::Ok => Some(StatusCode::Ok),
        SpanStatus::Error => Some(StatusCode::Error),
    };
    assert_eq!(proto.status.as_ref().map(|status| status.code()), code);
    assert!(proto.status.as_ref().is_none_or(|status| status.message.is_empty()));

    let mut attributes = values(&proto.attributes);
    let content: Vec<_> =
        attributes.extract_if(.., |(key, _)| CONTENT_KEYS.contains(&key.as_str())).collect();
    // Nothing was said of a call that was not made.
    let is_silent = span.tool.as_ref().is_some_and(|tool| tool.tool == "nothing");
    assert_eq!(content.is_empty(), capture == Capture::Off || is_silent);
    assert_eq!(attributes, plain(&span.attributes));
    assert_eq!(proto.events.len(), span.events.len());
    for (proto, event) in proto.events.iter().zip(&span.events) {
        assert_eq!((proto.name.as_str(), proto.time_unix_nano), (event.name, event.at * 1_000_000));
        assert_eq!(values(&proto.attributes), plain(&event.attributes));
    }
}

fn plain(attributes: &[Attribute]) -> Vec<(String, Value)> {
    attributes.iter().map(|attribute| (attribute.key.to_string(), attribute.value.clone())).collect()
}

fn values(attributes: &[KeyValue]) -> Vec<(String, Value)> {
    let value = |any: &Any| match any {
        Any::StringValue(text) => Value::Text(text.clone()),
        Any::BoolValue(yes) => Value::Bool(*yes),
        Any::IntValue(number) => Value::Int(*number),
        Any::DoubleValue(number) => Value::Float(*number),
        Any::ArrayValue(list) => {
            let texts = list.values.iter().map(|item| match &item.value {
                Some(Any::StringValue(text)) => text.clone(),
                other => panic!("{other:?}"),
            });
            Value::Texts(texts.collect())
        }
        other => panic!("{other:?}"),
    };
    let any = |attribute: &KeyValue| attribute.value.clone().unwrap().value.unwrap();
    attributes.iter().map(|attribute| (attribute.key.clone(), value(&any(attribute)))).collect()
}

/// Sinks that read only JSON depend on each detail: hex ids, decimal strings, integers for enumerations.
#[test]
fn the_json_of_a_run_that_was_cut_off_once() {
    let mut stage = Stage::default();
    stage.accept("Write a haiku about tides.");
    stage.crash(40);
    stage.answer("The moon lets go of the sea.\nDONE", 300);
    let body = String::from_utf8(encode_json(&stage.trace(1), &resource(), Capture::Preview)).unwrap();
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    let body = body.replace(&version, "\"VERSION\"");
    // A line for each span and each attribute; nothing else is added.
    insta::assert_snapshot!(
        body.replace("{\"key\"", "\n{\"key\"").replace("{\"traceId\"", "\n\n{\"traceId\"")
    );
}
