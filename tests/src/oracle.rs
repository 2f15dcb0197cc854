//! What must hold for every run, whatever happened to it: the invariants that the outside can see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::{Api, Post};
use crate::model::Call;
use crate::otlp::Span;

/// What a test did to the server while the run was under way.
#[derive(Clone, Copy)]
pub struct Injury {
    /// How often the process was killed.
    pub kills: usize,
    /// How many model calls were answered with a fault.
    pub faults: usize,
}

impl Injury {
    /// Nothing happened.
    pub const NONE: Injury = Injury { kills: 0, faults: 0 };

    /// Killed this often, by SIGKILL.
    pub fn kills(kills: usize) -> Injury {
        Injury { kills, faults: 0 }
    }
}

/// The events of a session: dense from 1, and each with exactly the fields of its type.
#[track_caller]
pub fn assert_events_sound(events: &[Value]) {
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index + 1, "not dense: {event}");
        assert_shape(event);
    }
}

/// The oracle of every run with a model server and a sink: read it after the trace has arrived.
pub async fn assert_run_sound(api: &Api, post: &Post, calls: &[Call], spans: &[Span], injury: Injury) {
    let events = api.events(&post.session).await;
    assert_events_sound(&events);
    let events: Vec<Value> = events.into_iter().filter(|event| event["run"] == post.run).collect();
    assert_eq!(of_type(&events, "run.ended").len(), 1, "one terminal event: {events:#?}");
    assert!(of_type(&events, "model.answered").len() <= 6, "at most six answers: {events:#?}");
    if events[0]["model"].as_str().is_some_and(|model| !model.starts_with("scripted:")) {
        assert_calls_sound(post, calls, &events, injury);
    }
    assert_trace_sound(post, &events, spans);
    let resumed = of_type(&events, "run.resumed").len();
    assert!(resumed <= injury.kills, "{resumed} resumptions after {} kills", injury.kills);
    assert_eq!(api.run(post).await["trace_id"], post.trace_id.as_str());
}

/// The events of one type.
pub fn of_type(events: &[Value], kind: &str) -> Vec<Value> {
    events.iter().filter(|event| event["type"] == kind).cloned().collect()
}

fn assert_calls_sound(post: &Post, calls: &[Call], events: &[Value], injury: Injury) {
    let run = format!("{}/{}", post.session, post.run);
    let mut arrivals: BTreeMap<&str, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.run() == run) {
        *arrivals.entry(&call.key).or_default() += 1;
    }
    let answered = of_type(events, "model.answered").len();
    assert!(arrivals.len() >= answered, "{answered} answers but the calls {arrivals:?}");
    let repeats: usize = arrivals.values().map(|arrivals| arrivals - 1).sum();
    let allowed = injury.kills + injury.faults;
    assert!(repeats <= allowed, "{repeats} repeated calls where {allowed} are explained: {arrivals:?}");
}

/// One trace with one root; a child for each call attempt of the journal, each once, within its parent.
fn assert_trace_sound(post: &Post, events: &[Value], spans: &[Span]) {
    let (roots, children): (Vec<&Span>, Vec<&Span>) =
        spans.iter().partition(|span| span.parent_id.is_empty());
    assert_eq!(roots.len(), 1, "{spans:#?}");
    let root = roots[0];
    let accepted_at = of_type(events, "run.accepted")[0]["at"].as_u64().expect("an event has a time");
    assert_eq!(root.start_ns / 1_000_000, accepted_at, "the root begins when the run was accepted");
    for span in &children {
        assert_eq!(span.trace_id, post.trace_id);
        assert_eq!(span.parent_id, root.span_id, "{span:#?}");
        assert!(span.start_ns <= span.end_ns, "{span:#?}");
        assert!(
            root.start_ns <= span.start_ns && span.end_ns <= root.end_ns,
            "outside of the root: {span:#?}"
        );
    }
    let attempts = |key: &Value, attempt: &Value| (key.as_u64(), attempt.as_u64());
    let called: BTreeSet<_> = of_type(events, "model.called")
        .iter()
        .map(|event| attempts(&event["call"], &event["attempt"]))
        .collect();
    let traced: BTreeSet<_> = children
        .iter()
        .map(|span| attempts(&span.attribute("longhaul.call"), &span.attribute("longhaul.attempt")))
        .collect();
    assert_eq!(traced, called, "the spans are not the attempts of the journal");
    assert_eq!(children.len(), called.len(), "{children:#?}");
}

fn assert_shape(event: &Value) {
    let kind = event["type"].as_str().unwrap_or_default();
    let (fields, optional): (&[&str], &[&str]) = match kind {
        "run.accepted" => (&["task", "agent", "model", "max_iterations", "metadata"], &["models", "by"]),
        "model.called" => (
            &["call", "attempt", "iteration", "model", "message_count"],
            &["dropped_messages", "fallback_from", "last", "reserved"],
        ),
        "model.answered" => (
            &["call", "attempt", "iteration", "message", "finish_reason", "usage", "latency_ms", "final"],
            &["cost_usd", "output_error"],
        ),
        "model.failed" => (&["call", "attempt", "error_type", "message", "retry_at"], &["usage"]),
        "tool.called" => (
            &["call", "attempt", "tool", "arguments", "effect", "verdict"],
            &["iteration", "rule", "cost_usd", "server"],
        ),
        "tools.listed" => (
            &["call", "attempt", "server", "count", "latency_ms"],
            &["dropped", "changed", "digest", "error"],
        ),
        "tool.pending" => (&["call", "attempt", "tool", "latency_ms"], &["retry_at"]),
        "tool.answered" => (
            &["call", "tool", "latency_ms"],
            &["attempt", "result", "error", "rule", "by", "result_bytes", "result_digest"],
        ),
        "tool.failed" => (&["call", "attempt", "tool", "error", "retry_at", "latency_ms"], &[]),
        "approval.requested" => (
            &["call", "tool", "arguments", "effect", "expires_at"],
            &["attempt", "kind", "digest", "summary", "rule", "by_another", "schema", "url"],
        ),
        "approval.resolved" => (&["call", "decision", "reason", "by"], &["arguments", "input"]),
        "run.resumed" => (&["cause", "outstanding"], &[]),
        "run.ended" => (&["status", "stop_reason", "result", "error", "usage", "iterations"], &["output"]),
        "run.steered" => (&["message", "by"], &[]),
        "cancel.requested" => (&["by"], &[]),
        "trace.sent" => (&["sink", "part", "remote_id"], &[]),
        "trace.flushed" => (&["sink", "spans", "attempt"], &["rejected", "message", "event"]),
        "trace.failed" => (&["sink", "status", "attempt", "retry_at"], &["event"]),
        other => panic!("an event of unknown type {other:?}: {event}"),
    };
    let envelope = ["seq", "run", "at", "type"];
    let present: BTreeSet<&str> =
        event.as_object().expect("an event is an object").keys().map(String::as_str).collect();
    let wanted: BTreeSet<&str> = envelope.iter().chain(fields).copied().collect();
    let missing: Vec<_> = wanted.difference(&present).collect();
    assert!(missing.is_empty(), "{kind} lacks {missing:?}: {event}");
    let extra: Vec<_> = present.difference(&wanted).filter(|field| !optional.contains(field)).collect();
    assert!(extra.is_empty(), "{kind} has the unknown {extra:?}: {event}");
    // A server is asked for its tools before any answer.
    let is_before = kind == "tool.called" && event["tool"] == "tools/list";
    assert!(kind != "tool.called" || is_before == event["iteration"].is_null(), "{event}");
    assert!(
        event["at"].as_u64().is_some_and(|at| at > 1_600_000_000_000),
        "no time in milliseconds: {event}"
    );
}
