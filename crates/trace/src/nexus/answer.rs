use longhaul_core::limits::REMOTE_ID_BYTES_MAX;
use serde_json::{Map, Value as Json};

use crate::{
    attributes::LIFE_KEY,
    fold::Trace,
    nexus::body::{TRACE_ID_KEY, span_name, span_status},
    span::{Span, Value},
    time::iso8601,
};

/// `2027-01-15T08:00:00`: what two writings of one time have in common.
const SECONDS_CHARS: usize = 19;

/// The id in an answer to a POST or in an item of a list, under `key` or `id`; `None` where there is none that can be
/// kept.
pub(super) fn id_of<'a>(answer: &'a Json, key: &str) -> Option<&'a str> {
    let id = [key, "id"].into_iter().find_map(|key| answer.get(key)?.as_str())?;
    (!id.is_empty() && id.len() <= REMOTE_ID_BYTES_MAX).then_some(id)
}

/// The items of an answer to a GET: the answer itself, or the first list in it. `None` when there is no list.
pub(super) fn items(answer: &Json) -> Option<&Vec<Json>> {
    match answer {
        Json::Array(items) => Some(items),
        Json::Object(members) => members.values().find_map(Json::as_array),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}

/// Whether an item of the list of traces is this one, in whichever mode it was sent. The OTLP route keeps the root's
/// attributes as texts, and no id of ours.
pub(super) fn is_trace(item: &Json, trace: &Trace) -> bool {
    let parsed;
    let metadata = match item.get("metadata") {
        Some(Json::Object(members)) => members,
        Some(Json::String(text)) => {
            parsed = serde_json::from_slice::<Map<String, Json>>(text.as_bytes()).unwrap_or_default();
            &parsed
        }
        _ => return false,
    };
    let is = |key: &str, expected: &str| match metadata.get(key) {
        Some(Json::String(text)) => text == expected,
        Some(Json::Number(number)) => number.to_string() == expected,
        _ => false,
    };
    let is_of_life = match trace.spans.first().and_then(|root| root.attribute(LIFE_KEY)) {
        Some(Value::Text(life)) => is(LIFE_KEY, life),
        // A journal from before there were lives.
        _ => !metadata.contains_key(LIFE_KEY),
    };
    let is_of_run =
        is("gen_ai.conversation.id", &trace.session) && is("longhaul.run", &trace.run.0.to_string());
    is(TRACE_ID_KEY, &trace.trace_id.to_string()) || is_of_run && is_of_life
}

/// Whether an item of a trace's spans looks like this one.
pub(super) fn is_span(item: &Json, span: &Span) -> bool {
    let text = |key: &str| item.get(key).and_then(Json::as_str);
    let seconds = |text: &str| text.get(..SECONDS_CHARS).map(|text| text.replace(' ', "T"));
    let started_at = iso8601(span.started_at);
    text("name") == Some(span_name(span).as_str())
        && text("status").is_none_or(|status| status == span_status(span))
        && text("started_at").is_none_or(|at| seconds(at) == seconds(&started_at))
}
