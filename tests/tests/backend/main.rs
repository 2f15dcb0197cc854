//! A real OTLP backend: what Arize Phoenix shows of our runs, asked through its own API.
//!
//! `cargo xtask test` installs Phoenix and runs this; `cargo test` leaves it out.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod phoenix;
mod relay;

use longhaul_tests::api::started;
use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::now_ms;
use longhaul_tests::{Call, Gate, Post, Reply, Stage, StageBuilder};
use serde_json::{Value, json};

use crate::phoenix::{Phoenix, Seen};
use crate::relay::Relay;

/// One test, because Phoenix takes long to start.
#[tokio::test]
#[ignore = "needs Phoenix: `cargo xtask test --only backend`"]
async fn phoenix_shows_every_run_as_one_trace() {
    let started_ms = now_ms();
    let phoenix = Phoenix::start().await;
    println!("measured: Phoenix answers {} ms after its start", now_ms() - started_ms);
    a_run_that_was_killed_is_one_trace_though_it_is_delivered_twice(&phoenix).await;
    a_comparison_is_one_trace(&phoenix).await;
    what_is_not_captured_is_not_there(&phoenix).await;
    json_is_refused_and_parked(&phoenix).await;
    phoenix.stop().await;
}

async fn a_run_that_was_killed_is_one_trace_though_it_is_delivered_twice(phoenix: &Phoenix) {
    let relay = Relay::that_loses_the_first_answer(phoenix.address()).await;
    let never = Gate::shut();
    let script = move |call: &Call| match (call.index, call.turn()) {
        (0, _) => Reply::status(500),
        (2, turn) => Reply::turn(turn, 3).held_by(&never),
        (_, turn) => Reply::turn(turn, 3).using(100 * turn as u64, turn as u64),
    };
    let mut stage = to("killed", &relay.base_url(), Stage::builder(script)).start().await;
    let post = stage.api.start_task("Survive a kill.").await;
    stage.model.wait_for_calls(3).await;
    stage.server.crash().await;
    let run = stage.api.ended(&post).await;
    assert_eq!(run["usage"]["input_tokens"], 600, "{run}");

    // The first delivery arrives, but its answer is lost; the second brings the same spans.
    let spans = phoenix.wait_for_trace("killed", &post.trace_id, 6).await;
    let flushed = journal(&stage, &post, "trace.flushed").await;
    assert_eq!((&flushed["attempt"], &flushed["spans"]), (&json!(2), &json!(6)));
    let failed = journal(&stage, &post, "trace.failed").await;
    assert_eq!((&failed["status"], failed["retry_at"].is_u64()), (&Value::Null, true), "{failed}");
    assert_killed_run(&spans, &run, &post);

    // Phoenix keeps what it gets in the order of arrival: after the next run nothing of this one is left to come.
    let (later, _) = stage.run("Come last.").await;
    phoenix.wait_for_trace("killed", &later.trace_id, 4).await;
    assert_eq!(phoenix.spans("killed", &post.trace_id).await.len(), 6, "the second delivery added spans");
    let mut expected = [post.trace_id, later.trace_id];
    let mut ids = phoenix.trace_ids("killed").await;
    expected.sort();
    ids.sort();
    assert_eq!(ids, expected, "two runs are two traces");
    let tokens = phoenix.session_tokens("killed", &post.session).await;
    assert_eq!(tokens, 606, "the root's sum is not counted beside its calls");
}

fn assert_killed_run(spans: &[Seen], run: &Value, post: &Post) {
    let (root, calls) = spans.split_first().expect("there are spans");
    assert_root(root, run);
    let expected = [
        ("ERROR", json!("server_error"), Value::Null),
        ("OK", Value::Null, json!(100)),
        ("ERROR", json!("interrupted"), Value::Null),
        ("OK", Value::Null, json!(200)),
        ("OK", Value::Null, json!(300)),
    ];
    assert_eq!(calls.len(), expected.len(), "{calls:#?}");
    for (call, (status, error_type, input_tokens)) in calls.iter().zip(expected) {
        assert_call(call, root, post);
        assert_eq!(call.text("/name"), "chat tiny");
        assert_eq!(call.text("/status_code"), status, "{call:#?}");
        assert_eq!(call.attribute("error.type"), &error_type, "{call:#?}");
        assert_eq!(call.attribute("llm.token_count.prompt"), &input_tokens, "{call:#?}");
    }
    let sum = |name| calls.iter().filter_map(|call| call.attribute(name).as_u64()).sum::<u64>();
    assert_eq!(run["usage"]["input_tokens"], sum("llm.token_count.prompt"));
    assert_eq!(run["usage"]["output_tokens"], sum("llm.token_count.completion"));
    assert_eq!(root.text("/events/0/name"), "run.resumed");

    let last = calls.last().expect("there are calls");
    let said = last.messages("llm.input_messages");
    assert_eq!(said.len(), 6, "{said:#?}");
    assert!(said[0].0 == "system" && said[0].1.ends_with("a line that says only DONE."), "{said:#?}");
    assert_eq!(
        said[1..],
        [
            ("user", "Survive a kill."),
            ("assistant", "Answer 1."),
            ("user", "Continue."),
            ("assistant", "Answer 2."),
            ("user", "Continue."),
        ]
    );
    assert_eq!(last.messages("llm.output_messages"), [("assistant", "Answer 3.\nDONE")]);
    assert_eq!(root.messages("llm.input_messages"), [("user", "Survive a kill.")]);
    assert_eq!(root.messages("llm.output_messages"), [("assistant", "Answer 3.")]);
    assert_eq!(root.attribute("input.value"), "Survive a kill.");
    assert_eq!(root.attribute("output.value"), "Answer 3.");
}

async fn a_comparison_is_one_trace(phoenix: &Phoenix) {
    let script = |call: &Call| match call.body["model"].as_str() {
        Some("acme/large") => Reply::says("Large.").using(11, 7),
        _ => Reply::says("Tiny.").using(10, 5),
    };
    let stage = to("compared", phoenix.base_url(), Stage::builder(script)).start().await;
    let body = json!({"task": "Compare.", "models": ["openai:tiny", "openai:acme/large"]});
    let post = started(stage.api.post("/v1/compare", &body).await.ok(202));
    let run = stage.api.ended(&post).await;
    let spans = phoenix.wait_for_trace("compared", &post.trace_id, 3).await;
    let ended_ms = run["ended_at"].as_u64().expect("the run has ended");
    println!("measured: a trace is in Phoenix {} ms after the end of its run", now_ms() - ended_ms);
    let (root, calls) = spans.split_first().expect("there are spans");
    assert_root(root, &run);
    let seen: Vec<_> =
        calls.iter().map(|call| (call.text("/name"), call.messages("llm.output_messages"))).collect();
    assert_eq!(
        seen,
        [
            ("inference:tiny", vec![("assistant", "Tiny.")]),
            ("inference:large", vec![("assistant", "Large.")])
        ]
    );
    for call in calls {
        assert_call(call, root, &post);
    }
    assert_eq!(phoenix.trace_ids("compared").await, [post.trace_id]);
}

async fn what_is_not_captured_is_not_there(phoenix: &Phoenix) {
    let stage = to("closed", phoenix.base_url(), Stage::builder(|_| Reply::turn(1, 1).using(10, 5)));
    let stage = stage.var("CAPTURE", "off").start().await;
    let (post, run) = stage.run("Keep it to yourself.").await;
    let spans = phoenix.wait_for_trace("closed", &post.trace_id, 2).await;
    assert_root(&spans[0], &run);
    assert_eq!(spans[1].attribute("llm.token_count.prompt"), 10);
    let shown = format!("{spans:?}");
    assert!(!shown.contains("yourself") && !shown.contains("Answer"), "{shown}");
}

/// Phoenix takes protobuf only. Another attempt would change nothing, so there is none, and the journal says why.
async fn json_is_refused_and_parked(phoenix: &Phoenix) {
    let stage = to("refused", phoenix.base_url(), Stage::builder(|_| Reply::turn(1, 1)));
    let stage = stage.var("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json").start().await;
    let (post, run) = stage.run("Be refused.").await;
    assert_eq!(run["status"], "succeeded", "a run does not fail for its trace");
    let failed = journal(&stage, &post, "trace.failed").await;
    assert_eq!((&failed["status"], &failed["retry_at"]), (&json!(415), &Value::Null), "{failed}");
    assert!(phoenix.trace_ids("refused").await.is_empty());
}

/// Sends all content to a project of this name.
fn to(project: &str, endpoint: &str, stage: StageBuilder) -> StageBuilder {
    stage
        .var("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .var("OTEL_RESOURCE_ATTRIBUTES", format!("openinference.project.name={project}"))
        .var("CAPTURE", "full")
}

async fn journal(stage: &Stage, post: &Post, kind: &str) -> Value {
    stage.api.event(&post.session, kind, |event| event["type"] == kind).await;
    let found = of_type(&stage.api.events(&post.session).await, kind);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().expect("there is one")
}

fn assert_root(root: &Seen, run: &Value) {
    assert_eq!(root.text("/name"), "invoke_agent default");
    assert_eq!((root.text("/span_kind"), root.text("/parent_id")), ("AGENT", ""), "{root:#?}");
    assert_eq!(root.text("/status_code"), "OK");
    assert_eq!(root.attribute("llm.token_count.prompt"), &run["usage"]["input_tokens"]);
    assert_eq!(root.attribute("llm.token_count.completion"), &run["usage"]["output_tokens"]);
    let times = (json!(root.time_ms("/start_time")), json!(root.time_ms("/end_time")));
    assert_eq!(times, (run["accepted_at"].clone(), run["ended_at"].clone()), "{root:#?}");
}

fn assert_call(call: &Seen, root: &Seen, post: &Post) {
    assert_eq!(call.text("/span_kind"), "LLM", "{call:#?}");
    assert_eq!(call.text("/context/trace_id"), post.trace_id);
    assert_eq!(call.text("/parent_id"), root.text("/context/span_id"));
    assert_eq!(call.attribute("session.id"), post.session.as_str());
    assert_eq!(call.attribute("llm.provider"), "openai");
    let (start_ms, end_ms) = (call.time_ms("/start_time"), call.time_ms("/end_time"));
    assert!(start_ms <= end_ms, "{call:#?}");
    assert!(root.time_ms("/start_time") <= start_ms && end_ms <= root.time_ms("/end_time"), "{call:#?}");
}
