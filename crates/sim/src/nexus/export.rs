use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::nexus::{NexusSpan, NexusTrace, calendar::iso8601};

const NANOS_PER_MS: u64 = 1_000_000;

/// The traces that the real server makes of an OTLP/JSON body: the root becomes the trace, and is a span as well; of
/// attributes only scalars are kept, as texts.
pub(super) fn traces(
    body: &Map<String, Value>,
    mut new_id: impl FnMut() -> String,
) -> Result<Vec<NexusTrace>, &'static str> {
    let resources = list(body.get("resourceSpans").unwrap_or(&Value::Null)).iter();
    resources.map(|resource| trace(resource, &mut new_id)).collect()
}

fn trace(resource: &Value, new_id: &mut impl FnMut() -> String) -> Result<NexusTrace, &'static str> {
    let scopes = list(&resource["scopeSpans"]).iter();
    let spans: Vec<&Value> = scopes.flat_map(|scope| list(&scope["spans"])).collect();
    let root = spans.iter().find(|span| text(&span["parentSpanId"]).is_empty()).ok_or("no root")?;
    let ids: BTreeMap<&str, String> = spans.iter().map(|span| (text(&span["spanId"]), new_id())).collect();
    let whole = exported(root, &ids);
    Ok(NexusTrace {
        id: new_id(),
        agent: text(&scalars(&resource["resource"])["service.name"]).to_owned(),
        name: whole.name,
        status: if whole.status == "error" { "error" } else { "success" }.to_owned(),
        started_at: whole.started_at,
        ended_at: whole.ended_at,
        metadata: scalars(root),
        spans: spans.iter().map(|span| exported(span, &ids)).collect(),
    })
}

fn exported(span: &Value, ids: &BTreeMap<&str, String>) -> NexusSpan {
    let is_error = span["status"]["code"] == 2;
    NexusSpan {
        id: ids[text(&span["spanId"])].clone(),
        parent_span_id: ids.get(text(&span["parentSpanId"])).cloned(),
        name: text(&span["name"]).to_owned(),
        status: if is_error { "error" } else { "ok" }.to_owned(),
        started_at: time_of(&span["startTimeUnixNano"]),
        ended_at: Some(time_of(&span["endTimeUnixNano"])),
    }
}

/// OTLP/JSON has 64-bit numbers as texts.
fn time_of(ns: &Value) -> String {
    iso8601(text(ns).parse::<u64>().unwrap_or(0) / NANOS_PER_MS)
}

/// The attributes of a span or a resource that are no lists.
fn scalars(of: &Value) -> Value {
    let pairs = list(&of["attributes"]).iter().filter_map(|pair| {
        let value = pair["value"].as_object()?.values().next()?;
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((text(&pair["key"]).to_owned(), Value::from(value)))
    });
    Value::Object(pairs.collect())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
