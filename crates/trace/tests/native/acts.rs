//! The spans of tools' calls, and of waits for a person.

use std::collections::BTreeMap;

use longhaul_core::{
    Decision, Effect, Entry, Found, Listed, Observed, Record, Remote, RunId, ToolError, ToolOffer,
    ToolOutcome, UserSpan,
};
use longhaul_trace::{
    Capture, Resource, Span, SpanKind, SpanStatus, Trace, Value as SpanValue, encode_json,
    index::{StatsQuery, record},
    nexus::{Certainty, NexusDelivery},
};
use serde_json::{Value, json};

use crate::{
    index_database::Database,
    nexus_fake::{NOW, config},
    stage::{ORIGIN, START, Stage, new_run, with_tools},
};

fn times(span: &Span) -> (u64, Option<u64>) {
    (span.started_at - START, span.ended_at.map(|at| at - START))
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    match span.attribute(key) {
        Some(SpanValue::Text(text)) => Some(text),
        _ => None,
    }
}

fn names(trace: &Trace) -> Vec<&str> {
    trace.spans.iter().map(|span| span.name.as_str()).collect()
}

/// Two tools side by side, one that a person approves and one that they deny.
pub(crate) fn acting() -> Stage {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("Refund order 7."));
    stage.ask_for(&[("search", r#"{"q":"order 7"}"#), ("pay", r#"{"cents":5}"#)]);
    stage.tool_returns(ToolOutcome::Done(json!({"hits": 3})), 40);
    stage.tool_returns(ToolOutcome::Failed(longhaul_core::ToolError::failed("no money")), 20);
    stage.ask_for(&[("refund", r#"{"order":"7"}"#), ("refund", r#"{"order":"8"}"#), ("nothing", "{}")]);
    stage.clock += 1_000;
    stage.decide(6, Decision::Deny { reason: Some("not this one".to_owned()) });
    stage.clock += 500;
    stage.decide(5, Decision::Approve { arguments: None });
    stage.tool_returns(ToolOutcome::Done(json!("sent back")), 30);
    stage.answer("Done.\nDONE", 10);
    stage
}

#[test]
fn each_call_of_a_tool_is_a_span_with_what_is_known_of_it() {
    let trace = acting().trace(1);
    assert_eq!(
        names(&trace),
        [
            "invoke_agent poet",
            "chat tiny",
            "execute_tool search",
            "execute_tool pay",
            "chat tiny",
            "await_approval refund",
            "await_approval refund",
            "execute_tool nothing",
            "execute_tool refund",
            "execute_tool refund",
            "chat tiny",
        ]
    );
    let root = &trace.spans[0];
    assert!(trace.spans[1..].iter().all(|span| span.parent_span_id == Some(root.span_id)));
    assert_eq!(trace.attempts, 3, "of models");

    let search = &trace.spans[2];
    assert_eq!(
        (search.kind, search.status, times(search)),
        (SpanKind::Internal, SpanStatus::Ok, (10, Some(50)))
    );
    for (key, value) in [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "search"),
        ("gen_ai.tool.call.id", "t_0"),
        ("gen_ai.tool.type", "function"),
        ("gen_ai.tool.description", "Finds pages."),
        ("longhaul.tool.effect", "read"),
    ] {
        assert_eq!(text(search, key), Some(value), "{key}");
    }
    assert_eq!(search.attribute("longhaul.iteration"), Some(&SpanValue::Int(1)));
    assert_eq!(search.attribute("longhaul.attempt"), Some(&SpanValue::Int(1)));
    assert_eq!(search.attribute("error.type"), None);

    let pay = &trace.spans[3];
    assert_eq!((pay.status, pay.error_type, times(pay)), (SpanStatus::Error, Some("failed"), (50, Some(70))));
    assert_eq!((text(pay, "error.type"), pay.error_message.as_deref()), (Some("failed"), Some("no money")));
}

#[test]
fn a_call_that_is_not_made_says_so_at_one_moment() {
    let trace = acting().trace(1);
    let nothing = &trace.spans[7];
    assert_eq!((nothing.error_type, times(nothing)), (Some("unknown_tool"), (80, Some(80))));
    assert_eq!(nothing.attribute("longhaul.attempt"), Some(&SpanValue::Int(0)));
    let denied = &trace.spans[8];
    assert_eq!((denied.error_type, times(denied)), (Some("denied"), (1_080, Some(1_080))));
}

#[test]
fn the_rule_that_refused_a_call_is_in_its_span() {
    let mut records = acting().records();
    for record in &mut records {
        if let Entry::ToolAnswered { attempt: 0, tool, rule, .. } = &mut record.entry {
            *rule = (tool == "nothing").then(|| "TOOL_POLICY/rules/3".to_owned());
        }
    }
    let trace = Trace::of_run(ORIGIN, RunId(1), &records).unwrap();
    let (refused, denied) = (&trace.spans[7], &trace.spans[8]);
    assert_eq!(text(refused, "longhaul.tool.verdict"), Some("deny"));
    assert_eq!(text(refused, "longhaul.tool.rule"), Some("TOOL_POLICY/rules/3"));
    assert_eq!((text(denied, "longhaul.tool.verdict"), text(denied, "longhaul.tool.rule")), (None, None));
}

#[test]
fn a_wait_for_a_person_is_a_span_until_the_decision() {
    let trace = acting().trace(1);
    let (approved, denied) = (&trace.spans[5], &trace.spans[6]);
    assert_eq!((approved.status, times(approved)), (SpanStatus::Ok, (80, Some(1_580))));
    assert_eq!(text(approved, "longhaul.approval.decision"), Some("approved"));
    assert_eq!(text(approved, "longhaul.approval.by"), Some("acme/ann"));
    assert_eq!((denied.status, denied.error_type), (SpanStatus::Ok, None), "a denial is an answer");
    assert_eq!(text(denied, "longhaul.approval.decision"), Some("denied"));
    assert_ne!(approved.span_id, denied.span_id);
    let until = SpanValue::Int(i64::try_from(START + 80 + 600_000).unwrap());
    assert_eq!(approved.attribute("longhaul.approval.expires_at"), Some(&until));
}

#[test]
fn no_crash_cuts_off_a_wait() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("refund", "{}"), ("search", "{}"), ("pay", "{}")]);
    stage.crash(40);
    let trace = stage.trace(1);
    let outcome = |name: &str| {
        let spans = trace.spans.iter().filter(|span| span.name == name);
        spans.map(|span| (span.error_type, times(span))).collect::<Vec<_>>()
    };
    assert_eq!(outcome("await_approval refund"), [(None, (10, None))]);
    assert_eq!(outcome("execute_tool search"), [(Some("interrupted"), (10, Some(50))), (None, (50, None))]);
    assert_eq!(outcome("execute_tool pay"), [(Some("in_doubt"), (10, Some(50)))], "nobody knows what it did");
    let pay = trace.spans.iter().find(|span| span.name == "execute_tool pay").unwrap();
    let errors = pay.attributes.iter().filter(|attribute| attribute.key == "error.type");
    assert_eq!(errors.map(|attribute| &attribute.value).collect::<Vec<_>>(), [&SpanValue::from("in_doubt")]);
}

#[test]
fn what_a_cancel_leaves_open_is_no_error() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("refund", "{}"), ("search", "{}"), ("pay", "{}")]);
    stage.clock += 30;
    stage.cancel();
    let trace = stage.trace(1);
    assert!(trace.spans.iter().all(|span| span.ended_at.is_some()));
    let outcomes: Vec<_> = trace.spans.iter().map(|span| (span.name.as_str(), span.error_type)).collect();
    assert_eq!(
        outcomes[2..],
        [
            ("await_approval refund", None),
            ("execute_tool search", None),
            ("execute_tool pay", Some("in_doubt")),
            ("execute_tool refund", None),
        ]
    );
    assert_eq!(text(&trace.spans[2], "longhaul.approval.decision"), Some("withdrawn"));
    assert_eq!(trace.spans[3].attribute("longhaul.cancelled"), Some(&SpanValue::Bool(true)));
}

#[test]
fn why_a_call_was_made_and_who_says_what_came_of_it() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("post", "{}"), ("refund", r#"{"cents":9}"#)]);
    stage.crash(40);
    stage.reconciled(Found::Done(json!("posted")), 5);
    stage.decide(3, Decision::Approve { arguments: Some(json!({"cents": 1})) });
    stage.tool_returns(ToolOutcome::Done(json!("refunded")), 10);
    stage.answer("DONE", 1);
    let trace = stage.trace(1);
    let [post, wait, refund] = &trace.spans[2..5] else { panic!("{:?}", names(&trace)) };
    assert_eq!((post.status, post.error_type, times(post)), (SpanStatus::Ok, None, (10, Some(50))));
    assert_eq!(text(post, "longhaul.tool.verdict"), Some("allow"));
    assert_eq!(text(post, "longhaul.tool.answered_by"), Some("system:reconcile"));
    assert_eq!(text(wait, "longhaul.approval.decision"), Some("edited"));
    assert_eq!(text(wait, "longhaul.approval.kind"), Some("call"));
    assert_eq!(text(refund, "longhaul.tool.verdict"), Some("approved"));
    assert_eq!(refund.attribute("longhaul.tool.result_bytes"), Some(&SpanValue::Int(10)));
    let spans = sent(&trace, Capture::Full);
    assert_eq!(sent_text(&spans[2], "gen_ai.tool.call.result"), Some("posted"));
    assert_eq!(sent_text(&spans[3], "gen_ai.tool.call.arguments"), Some(r#"{"cents":9}"#));
    assert_eq!(sent_text(&spans[3], "longhaul.approval.arguments"), Some(r#"{"cents":1}"#));
    assert_eq!(sent_text(&spans[4], "gen_ai.tool.call.arguments"), Some(r#"{"cents":1}"#));
}

#[test]
fn what_a_person_says_of_a_call_in_doubt_is_no_success_of_its_tool() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("ship", "{}")]);
    stage.crash(40);
    stage.clock += 900;
    stage.decide(2, Decision::Settle { result: json!("it left") });
    stage.answer("DONE", 1);
    let trace = stage.trace(1);
    let [ship, wait] = &trace.spans[2..4] else { panic!("{:?}", names(&trace)) };
    assert_eq!(
        (ship.status, ship.error_type, times(ship)),
        (SpanStatus::Error, Some("in_doubt"), (10, Some(50)))
    );
    assert_eq!((wait.status, times(wait)), (SpanStatus::Ok, (50, Some(950))));
    assert_eq!(text(wait, "longhaul.approval.kind"), Some("in_doubt"));
    assert_eq!(text(wait, "longhaul.approval.decision"), Some("settled"));
    let spans = sent(&trace, Capture::Full);
    assert_eq!(sent_text(&spans[2], "gen_ai.tool.call.result"), None);
    assert_eq!(sent_text(&spans[3], "gen_ai.tool.call.result"), Some("it left"));
    let database = Database::new();
    database.record("acme", &trace);
    let stats = &database.stats("acme", &[], START)["tools"][0];
    assert_eq!((&stats["answered"], &stats["in_doubt"]), (&json!(0), &json!(1)));
}

#[test]
fn an_attempt_that_is_made_again_is_a_span_of_its_own() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("search", "{}")]);
    stage.tool_returns(ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None }, 20);
    stage.wait(60_000);
    stage.tool_returns(ToolOutcome::Done(json!(1)), 30);
    stage.answer("DONE", 1);
    let trace = stage.trace(1);
    let [first, second] = &trace.spans[2..4] else { panic!("{:?}", names(&trace)) };
    assert_eq!((first.error_type, first.error_message.as_deref()), (Some("failed"), Some("busy")));
    assert_eq!((times(first), times(second)), ((10, Some(30)), (60_030, Some(60_060))));
    assert_eq!(second.attribute("longhaul.attempt"), Some(&SpanValue::Int(2)));
}

/// A word that is not one of the codes would have any number of values in a backend.
#[test]
fn spans_that_a_tool_opened_are_below_its_attempt() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("Look it up."));
    stage.ask_for(&[("search", "{}")]);
    let opened = |name: &str, parent| UserSpan {
        name: name.to_owned(),
        parent,
        started_at: START + 5,
        ended_at: START + 9,
        is_error: parent.is_some(),
        fields: BTreeMap::from([("rows".to_owned(), json!(3))]),
    };
    let observed = Observed { gateway: None, spans: vec![opened("query", None), opened("parse", Some(0))] };
    let busy = ToolOutcome::Retry { message: "busy".to_owned(), after_ms: None };
    stage.tool_returns_with(busy, 20, observed.clone());
    stage.wait(60_000);
    stage.tool_returns_with(ToolOutcome::Done(json!(1)), 30, observed);
    stage.answer("DONE", 1);
    let trace = stage.trace(1);
    let tools: Vec<&Span> = trace.spans.iter().filter(|span| span.tool.is_some()).collect();
    for tool in &tools {
        let query = trace.spans.iter().find(|span| span.parent_span_id == Some(tool.span_id)).unwrap();
        assert_eq!((query.name.as_str(), query.attribute("rows")), ("query", Some(&SpanValue::Int(3))));
        assert_eq!(tool.started_at, START + 5, "it begins with the first of its spans at the latest");
        let parse = trace.spans.iter().find(|span| span.parent_span_id == Some(query.span_id)).unwrap();
        assert_eq!((parse.name.as_str(), parse.status), ("parse", SpanStatus::Error));
    }
    assert_eq!(tools.len(), 2, "each attempt has its own");
    // All sinks get them: OTLP by their parents, Nexus as spans of its own.
    let sent = sent(&trace, Capture::Full);
    assert_eq!(sent.iter().filter(|span| span["name"] == "parse").count(), 2);
    let posted = posted(&trace, Capture::Full);
    assert_eq!(posted.iter().filter(|span| span["name"] == "parse").count(), 2);
}

#[test]
fn a_code_that_nobody_knows_is_other() {
    let mut records = acting().records();
    for record in &mut records {
        if let Entry::ToolAnswered { error: Some(ToolError::Coded { code, .. }), .. } = &mut record.entry {
            *code = format!("strange {code}");
        }
    }
    let trace = Trace::of_run(ORIGIN, RunId(1), &records).unwrap();
    let types: Vec<_> = trace.spans.iter().filter_map(|span| span.error_type).collect();
    assert_eq!(types, ["_OTHER", "_OTHER", "_OTHER"]);
}

/// As the first version had it: an error is a text, and nothing has an attempt.
#[test]
fn the_oldest_journals_have_spans_too() {
    let mut records = acting().records();
    for record in &mut records {
        match &mut record.entry {
            Entry::ToolCalled { attempt, effect, .. } => (*attempt, *effect) = (0, None),
            Entry::ToolAnswered { attempt, error, .. } => {
                *attempt = 0;
                *error = error.take().map(|_| ToolError::Text("no".to_owned()));
            }
            _ => {}
        }
    }
    let trace = Trace::of_run(ORIGIN, RunId(1), &records).unwrap();
    assert_eq!(names(&trace), names(&acting().trace(1)));
    assert_eq!(
        (trace.spans[3].error_type, trace.spans[3].error_message.as_deref()),
        (Some("failed"), Some("no"))
    );
}

fn sent(trace: &Trace, capture: Capture) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&encode_json(trace, &Resource::default(), capture)).unwrap();
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

fn sent_text<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let list = span["attributes"].as_array().unwrap();
    list.iter().find(|attribute| attribute["key"] == key)?["value"]["stringValue"].as_str()
}

#[test]
fn arguments_and_results_leave_as_far_as_they_are_captured() {
    let trace = acting().trace(1);
    let spans = sent(&trace, Capture::Full);
    assert_eq!(sent_text(&spans[2], "gen_ai.tool.call.arguments"), Some(r#"{"q":"order 7"}"#));
    assert_eq!(sent_text(&spans[2], "gen_ai.tool.call.result"), Some(r#"{"hits":3}"#));
    assert_eq!(sent_text(&spans[3], "gen_ai.tool.call.result"), None);
    assert_eq!(sent_text(&spans[6], "gen_ai.tool.call.arguments"), Some(r#"{"order":"8"}"#));
    assert_eq!(sent_text(&spans[6], "longhaul.approval.reason"), Some("not this one"));
    assert_eq!(sent_text(&spans[8], "gen_ai.tool.call.arguments"), Some(r#"{"order":"8"}"#));
    assert_eq!(sent_text(&spans[9], "gen_ai.tool.call.result"), Some("sent back"));
    let next = sent_text(&spans[4], "gen_ai.input.messages").unwrap();
    assert!(next.contains(r#"{"type":"tool_call_response","id":"t_0","response":"{\"hits\":3}"}"#), "{next}");
    for span in &sent(&trace, Capture::Off) {
        let text = span.to_string();
        for said in ["order", "hits", "not this one", "no money", "sent back"] {
            assert!(!text.contains(said), "{said}: {text}");
        }
    }
}

#[test]
fn a_long_argument_is_cut_and_a_preview_is_short() {
    let mut stage = Stage::default();
    stage.accept_run(with_tools("x"));
    let long = json!({"q": "ü".repeat(60_000)}).to_string();
    stage.ask_for(&[("search", &long)]);
    stage.tool_returns(ToolOutcome::Done(json!("r".repeat(60_000))), 1);
    stage.answer("DONE", 1);
    let trace = stage.trace(1);
    for (capture, bytes_max) in [(Capture::Full, 29_000), (Capture::Preview, 500)] {
        let span = &sent(&trace, capture)[2];
        for key in ["gen_ai.tool.call.arguments", "gen_ai.tool.call.result"] {
            let text = sent_text(span, key).unwrap();
            assert!(text.len() < bytes_max && text.ends_with(" more bytes]"), "{key}: {}", text.len());
        }
    }
}

fn posted(trace: &Trace, capture: Capture) -> Vec<Value> {
    let (config, sent) = (config("native"), Default::default());
    let mut delivery = NexusDelivery::new(trace, &config, capture, &sent, Certainty::Certain);
    let mut bodies = Vec::new();
    while let Some(request) = delivery.next_request() {
        bodies.push(serde_json::from_slice(&request.body).unwrap());
        delivery.take(Some((201, json!({ "id": format!("r{}", bodies.len()) }).to_string().as_bytes())), NOW);
    }
    bodies
}

#[test]
fn nexus_gets_tools_and_waits_as_spans() {
    let bodies = posted(&acting().trace(1), Capture::Preview);
    let expected = json!({
        "name": "execute_tool search",
        "status": "ok",
        "started_at": "2027-01-15T08:00:00.010Z",
        "ended_at": "2027-01-15T08:00:00.050Z",
        "input": {
            "tool": "search",
            "tool_call_id": "t_0",
            "iteration": 1,
            "attempt": 1,
            "effect": "read",
            "verdict": "allow",
            "arguments": r#"{"q":"order 7"}"#,
        },
        "output": {"latency_ms": 40, "result_bytes": 10, "result_preview": r#"{"hits":3}"#},
    });
    assert_eq!(bodies[2], expected);
    assert_eq!((&bodies[3]["status"], &bodies[3]["error"]), (&json!("error"), &json!("failed")));
    let wait = &bodies[6];
    assert_eq!(wait["name"], "await_approval refund");
    assert_eq!(
        wait["output"],
        json!({"latency_ms": 1_000, "decision": "denied", "by": "acme/ann", "reason": "not this one"})
    );
    let silent = posted(&acting().trace(1), Capture::Off);
    assert_eq!(silent[2]["output"], json!({"latency_ms": 40, "result_bytes": 10}));
    assert_eq!(silent[6]["output"], json!({"latency_ms": 1_000, "decision": "denied", "by": "acme/ann"}));
}

#[test]
fn the_owner_sees_what_a_tool_was_given_and_gave() {
    let trace = acting().trace(1);
    let view = serde_json::to_value(trace.view()).unwrap();
    let expected = json!({
        "name": "search",
        "effect": "read",
        "arguments": r#"{"q":"order 7"}"#,
        "result": r#"{"hits":3}"#,
    });
    let search = &view["spans"][2];
    assert_eq!(search["tool"], expected);
    assert_eq!(
        (&search["call"], &search["attempt"], &search["latency_ms"]),
        (&json!(2), &json!(1), &json!(40))
    );
    assert_eq!(view["spans"][3]["error_message"], "no money");
    let wait = &view["spans"][6];
    assert_eq!((&wait["wait"]["reason"], &wait["call"]), (&json!("not this one"), &Value::Null));
    assert!(view["spans"][1].get("tool").is_none() && view["spans"][1].get("wait").is_none());
}

#[test]
fn the_index_takes_a_run_with_tools() {
    let database = Database::new();
    let statements = record("acme", &acting().trace(1), Capture::Preview);
    assert_eq!(database.run(&statements), 3, "the model's day, the tools' hour, the run");
    assert_eq!(database.run(&statements), 0, "a repeat changes nothing");
    let mut stage = acting();
    stage.clock += 3_600_000;
    stage.accept_run(with_tools("x"));
    stage.ask_for(&[("search", "{}"), ("pay", "{}"), ("search", "{}")]);
    stage.tool_returns(ToolOutcome::Done(json!(1)), 1_000);
    stage.crash(5);
    stage.tool_returns(ToolOutcome::Failed(longhaul_core::ToolError::failed("no hits")), 60_000);
    stage.answer("DONE", 10);
    database.record("acme", &stage.trace(2));
    let stats = database.stats("acme", &[], START + 2 * 3_600_000);
    let unknown = json!({"p50": null, "p95": null, "p99": null});
    let at = |p50: u64, p95: u64| json!({"p50": p50, "p95": p95, "p99": p95});
    assert_eq!(
        stats["tools"],
        json!([
            {"tool": "search", "calls": 4, "answered": 2, "errors": {"interrupted": 1, "failed": 1},
             "error_count": 2, "in_doubt": 0, "cost_usd": null, "latency_ms": at(40, 981)},
            {"tool": "pay", "calls": 2, "answered": 0, "errors": {"failed": 1, "in_doubt": 1}, "error_count": 2,
             "in_doubt": 1, "cost_usd": null, "latency_ms": unknown},
            {"tool": "refund", "calls": 2, "answered": 1, "errors": {"denied": 1}, "error_count": 1,
             "in_doubt": 0, "cost_usd": null, "latency_ms": at(31, 31)},
            {"tool": "(not offered)", "calls": 1, "answered": 0, "errors": {"unknown_tool": 1}, "error_count": 1,
             "in_doubt": 0, "cost_usd": null, "latency_ms": unknown},
        ])
    );
    let later = [("since", (START + 3_600_000).to_string())];
    let later = [(later[0].0, later[0].1.as_str())];
    assert_eq!(database.stats("acme", &later, START + 2 * 3_600_000)["tools"][0]["calls"], 3);
    assert_eq!(database.stats("other", &[], START + 2 * 3_600_000)["tools"], json!([]));
}

#[test]
fn counters_of_tools_that_no_version_wrote_are_passed_over() {
    let query = StatsQuery::parse([].into_iter(), START).unwrap();
    let row = |name: &str, key: &str, total: Value| vec![json!({"name": name, "key": key, "total": total})];
    assert_eq!(query.tools(row("search", "new.thing", json!(3))).unwrap(), []);
    assert_eq!(query.tools(row("", "nothing", json!(3))).unwrap(), []);
    assert_eq!(query.tools(row("a b", "answered", json!(3.0))).unwrap()[0].tool, "a b");
    assert_eq!(query.tools(row("a", "answered", json!("x"))).unwrap_err().0, "total");
}

/// A trace is told once, at the end: only what was cut off may still learn what it came to.
#[test]
fn a_replay_at_every_prefix_keeps_ids() {
    let records: Vec<Record> = acting().records();
    let mut before: Option<Trace> = None;
    for end in 1..=records.len() {
        let trace = Trace::of_run(ORIGIN, RunId(1), &records[..end]).unwrap();
        for span in before.iter().flat_map(Trace::finished_spans) {
            assert!(trace.spans.contains(span), "{}", span.name);
        }
        before = Some(trace);
    }
    let mut ids: Vec<_> = before.unwrap().spans.iter().map(|span| span.span_id).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

/// A run asks a server for its tools, which takes a second, and calls one of them.
#[test]
fn a_server_that_is_asked_for_its_tools_is_a_request_and_no_call_of_a_tool() {
    let mut stage = Stage::default();
    let mut run = new_run("Refund order 7.");
    run.settings.servers = vec!["crm".to_owned()];
    stage.accept_run(run);
    let remote = Remote {
        server: "crm".to_owned(),
        tool: "pay".to_owned(),
        extra: Value::Null,
        digest: "d".to_owned(),
    };
    let tools =
        vec![ToolOffer { remote: Some(Box::new(remote)), ..ToolOffer::new("crm__pay", Effect::Once) }];
    stage.tool_returns(ToolOutcome::Listed(Box::new(Listed { tools, ..Listed::default() })), 1_000);
    stage.ask_for(&[("crm__pay", "{}")]);
    stage.tool_returns(ToolOutcome::Done(json!("paid")), 20);
    stage.answer("Done.\nDONE", 10);
    let trace = stage.trace(1);
    assert_eq!(
        names(&trace),
        ["invoke_agent poet", "tools/list", "chat tiny", "execute_tool crm__pay", "chat tiny"]
    );
    let listing = &trace.spans[1];
    assert_eq!((listing.kind, times(listing)), (SpanKind::Client, (0, Some(1_000))));
    for (key, value) in [
        ("mcp.method.name", Some("tools/list")),
        ("longhaul.tool.server", Some("crm")),
        ("gen_ai.operation.name", None),
        ("gen_ai.tool.name", None),
    ] {
        assert_eq!(text(listing, key), value, "{key}");
    }
    assert_eq!(trace.called_at, Some(trace.started_at), "it did not wait in a queue");
    assert_eq!(trace.waiting_ms(), Some(0));
    let view = serde_json::to_value(trace.view()).unwrap();
    assert_eq!((&view["spans"][1]["tool"], &view["spans"][1]["call"]), (&Value::Null, &json!(1)));
    let rows: Vec<String> = record("acme", &trace, Capture::Full)
        .into_iter()
        .flat_map(|it| it.params)
        .map(|it| format!("{it:?}"))
        .collect();
    assert!(rows.iter().any(|cell| cell.contains("crm__pay")), "{rows:?}");
    assert!(!rows.iter().any(|cell| cell.contains("tools/list")), "{rows:?}");
}
