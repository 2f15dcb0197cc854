//! The trace on its way to Nexus.

use std::collections::BTreeSet;
use std::time::Duration;

use longhaul_tests::api::started;
use longhaul_tests::nexus::{NEXUS_KEY, NexusServer, NexusTrace, NexusVerdict, iso8601};
use longhaul_tests::oracle::{assert_events_sound, of_type};
use longhaul_tests::{Gate, Post, Reply, Stage, StageBuilder};
use serde_json::{Value, json};

#[tokio::test]
async fn a_run_is_one_trace_and_each_call_a_span() {
    let (nexus, stage) = of_turns(3, |_| NexusVerdict::Serve).await;
    let (post, run) = stage.run("Be traced.").await;
    let flushed = flushed(&stage, &post).await;
    assert_eq!((&flushed["spans"], &flushed["attempt"]), (&json!(4), &json!(1)));
    let spans = format!("POST /api/v1/traces/{}/spans", nexus.traces()[0].id);
    assert_eq!(nexus.lines(), ["POST /api/v1/traces", spans.as_str(), spans.as_str(), spans.as_str()]);

    let trace = the_trace(&nexus, &post, 3);
    assert_eq!((trace.agent.as_str(), trace.name.as_str()), ("longhaul", "agent: Be traced."));
    assert_eq!((trace.status.as_str(), iso(&run["accepted_at"])), ("success", trace.started_at.clone()));
    assert_eq!(trace.ended_at, Some(iso(&run["ended_at"])));
    let expected = json!({
        "model": "openai:tiny",
        "longhaul_trace_id": post.trace_id,
        "session": post.session,
        "run": 1,
        "stop_reason": "done",
        "iterations": 3,
        "resumed": 0,
        "metadata": {},
    });
    assert_eq!(trace.metadata, expected);
    let mut before = trace.started_at.clone();
    for (index, span) in trace.spans.iter().enumerate() {
        let turn = index + 1;
        assert_eq!((span.name.clone(), span.status.as_str()), (format!("llm-call-{turn}"), "ok"));
        assert_eq!((&span.parent_span_id, &span.error), (&None, &Value::Null));
        assert_eq!(span.input, json!({"iteration": turn, "message_count": 2 * turn}));
        assert_eq!((&span.output["input_tokens"], &span.output["output_tokens"]), (&json!(10), &json!(5)));
        let answer = span.output["response_preview"].as_str().expect("a preview");
        assert!(answer.starts_with(&format!("Answer {turn}.")), "{answer}");
        assert!(span.output["latency_ms"].is_u64() && span.started_at >= before, "{span:#?}");
        before = span.ended_at.clone().expect("a finished span");
    }
    assert!(trace.ended_at.is_some_and(|end| end >= before), "the run ends after its last call");
}

#[tokio::test]
async fn each_part_is_in_the_journal_once() {
    let (nexus, stage) = of_turns(2, |_| NexusVerdict::Serve).await;
    let (post, _) = stage.run("Be traced.").await;
    flushed(&stage, &post).await;
    let events = stage.api.events(&post.session).await;
    assert_events_sound(&events);
    let sent = of_type(&events, "trace.sent");
    let parts: Vec<&str> = sent.iter().map(|event| event["part"].as_str().expect("a part")).collect();
    assert_eq!((parts.len(), parts[0]), (3, "trace"));
    assert!(parts[1..].iter().all(|part| part.len() == 16), "{parts:?}");
    assert!(sent.iter().all(|event| event["sink"] == "nexus"), "{sent:#?}");
    let remote: Vec<&str> = sent.iter().map(|event| event["remote_id"].as_str().expect("an id")).collect();
    let trace = the_trace(&nexus, &post, 2);
    assert_eq!(remote, [trace.id.as_str(), trace.spans[0].id.as_str(), trace.spans[1].id.as_str()]);
}

#[tokio::test]
async fn otlp_mode_is_one_request() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let builder = to(&nexus, Stage::builder(|call| Reply::turn(call.turn(), 2)));
    let stage = builder.var("NEXUS_MODE", "otlp").var("NEXUS_AGENT_ID", "poet").start().await;
    let (post, run) = stage.run("Be traced.").await;
    flushed(&stage, &post).await;
    assert_eq!(nexus.lines(), ["POST /v1/traces"]);
    let [trace] = <[NexusTrace; 1]>::try_from(nexus.traces()).expect("one trace");
    assert_eq!((trace.agent.as_str(), trace.name.as_str()), ("poet", "invoke_agent default"));
    assert_eq!((trace.status.as_str(), trace.started_at.clone()), ("success", iso(&run["accepted_at"])));
    assert_eq!(trace.metadata["gen_ai.conversation.id"], post.session.as_str());
    assert_eq!(trace.spans.len(), 3);
    let root = trace.spans.iter().find(|span| span.parent_span_id.is_none()).expect("a root");
    let calls = trace.spans.iter().filter(|span| span.parent_span_id.as_ref() == Some(&root.id));
    assert_eq!(calls.count(), 2);
}

#[tokio::test]
async fn a_failure_is_retried_and_what_is_there_is_not_sent_again() {
    let fails = |request| match request {
        0 | 3 => NexusVerdict::Refuse(500),
        _ => NexusVerdict::Serve,
    };
    let (nexus, stage) = of_turns(2, fails).await;
    let (post, run) = stage.run("Be traced.").await;
    assert_eq!(run["status"], "succeeded");
    assert_eq!(flushed(&stage, &post).await["attempt"], 3);
    let lines = nexus.lines();
    let kinds: Vec<&str> = lines.iter().map(|line| kind(line)).collect();
    assert_eq!(kinds, ["trace", "list", "trace", "span", "look", "span", "span"]);
    the_trace(&nexus, &post, 2);
    let failed = of_nexus(&stage, &post, "trace.failed").await;
    assert_eq!(failed.len(), 2, "{failed:#?}");
    assert!(failed.iter().all(|event| event["status"] == 500 && event["retry_at"].is_u64()), "{failed:#?}");
}

#[tokio::test]
async fn a_refusal_is_parked_and_visible() {
    for status in [400, 401, 403, 404, 413] {
        let (nexus, stage) = of_turns(1, move |_| NexusVerdict::Refuse(status)).await;
        let (post, run) = stage.run("Be traced.").await;
        assert_eq!(run["status"], "succeeded", "a run never fails for its trace");
        let failed = stage.api.event(&post.session, "trace.failed", |event| is(event, "trace.failed")).await;
        assert_eq!((&failed["status"], &failed["retry_at"]), (&json!(status), &Value::Null));
        assert_eq!(nexus.requests().len(), 1);
        assert_events_sound(&stage.api.events(&post.session).await);
    }
}

#[tokio::test]
async fn a_wrong_key_is_parked_and_never_shown() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let builder = to(&nexus, Stage::builder(|_| Reply::turn(1, 1)));
    let stage = builder.var("NEXUS_API_KEY", "nxs_wrong-s3cret").start().await;
    let (post, _) = stage.run("Be traced.").await;
    let failed = stage.api.event(&post.session, "trace.failed", |event| is(event, "trace.failed")).await;
    assert_eq!((&failed["status"], &failed["retry_at"]), (&json!(401), &Value::Null));
    let shown = format!("{:?} {}", stage.api.events(&post.session).await, stage.server.log());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn the_monthly_quota_parks_the_trace_until_the_next_month() {
    let (nexus, stage) = of_turns(1, |_| NexusVerdict::Refuse(429)).await;
    let (post, run) = stage.run("Be traced.").await;
    let failed = stage.api.event(&post.session, "trace.failed", |event| is(event, "trace.failed")).await;
    assert_eq!(failed["status"], 429);
    let retry_at = iso(&failed["retry_at"]);
    assert_eq!(retry_at[8..13], *"01T00", "within the first hour of a month: {retry_at}");
    let wait_ms = failed["retry_at"].as_u64().expect("a time") - run["ended_at"].as_u64().expect("a time");
    assert!(wait_ms < 32 * 86_400_000, "it is the next month: {retry_at}");
    assert_eq!(nexus.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_nothing_twice() {
    for (mode, places) in [("native", 0..3), ("otlp", 0..1)] {
        for lost in places {
            let nexus = NexusServer::start(move |request| match request {
                place if place == lost => NexusVerdict::LoseAnswer,
                _ => NexusVerdict::Serve,
            });
            let nexus = nexus.await;
            let builder = to(&nexus, Stage::builder(|call| Reply::turn(call.turn(), 2)));
            let stage = builder.var("NEXUS_MODE", mode).start().await;
            let (post, _) = stage.run("Be traced.").await;
            assert_eq!(flushed(&stage, &post).await["attempt"], 2);
            let failed = of_nexus(&stage, &post, "trace.failed").await;
            assert_eq!((failed.len(), &failed[0]["status"]), (1, &Value::Null));
            match mode {
                "native" => drop(the_trace(&nexus, &post, 2)),
                _ => assert_eq!(nexus.traces().len(), 1, "{:#?}", nexus.lines()),
            }
        }
    }
}

/// Of the request in flight nobody knows whether it was carried out; all before it are in the journal.
#[tokio::test]
async fn a_kill_in_the_middle_of_a_delivery_makes_nothing_twice() {
    for verdict in [NexusVerdict::HangWhenDone, NexusVerdict::Hang] {
        for killed_at in 0..3 {
            let hanging = verdict.clone();
            let (nexus, mut stage) =
                of_turns(
                    2,
                    move |request| {
                        if request == killed_at { hanging.clone() } else { NexusVerdict::Serve }
                    },
                )
                .await;
            let (post, _) = stage.run("Be traced.").await;
            nexus.wait_for_requests(killed_at + 1).await;
            stage.server.crash().await;
            flushed(&stage, &post).await;
            the_trace(&nexus, &post, 2);
            let lines = nexus.lines();
            let looked = lines.iter().filter(|line| line.starts_with("GET")).count();
            assert_eq!(looked, 1, "only the request in flight is looked for: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn a_slow_sink_does_not_slow_a_run_down() {
    let (nexus, stage) = of_turns(2, |_| NexusVerdict::Slowly(Duration::from_secs(2))).await;
    let (first, _) = stage.run("Be quick.").await;
    nexus.wait_for_requests(1).await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Be quick again."})).await;
    let run = stage.api.ended(&second).await;
    let took_ms = run["ended_at"].as_u64().expect("a time") - run["accepted_at"].as_u64().expect("a time");
    assert!(took_ms < 5_000, "the second run waited {took_ms} ms for the sink");
    flushed(&stage, &second).await;
    assert_eq!(nexus.traces().len(), 2);
}

#[tokio::test]
async fn without_capture_no_text_leaves() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let builder = to(&nexus, Stage::builder(|_| Reply::says("The moon lets go.\nDONE")));
    let stage = builder.var("CAPTURE", "off").start().await;
    let (post, _) = stage.run("A haiku about tides.").await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 1);
    assert_eq!(
        (trace.name.as_str(), &trace.spans[0].output["response_preview"]),
        ("agent: default", &Value::Null)
    );
    for request in nexus.requests() {
        for said in ["moon", "haiku", NEXUS_KEY] {
            assert!(!request.text.contains(said), "{said}: {}", request.text);
        }
    }
}

#[tokio::test]
async fn a_preview_has_two_hundred_characters() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let stage =
        to(&nexus, Stage::builder(|_| Reply::says(format!("{}\nDONE", "ü".repeat(300))))).start().await;
    let (post, _) = stage.run(&"t".repeat(300)).await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 1);
    assert_eq!(trace.name, format!("agent: {}", "t".repeat(60)));
    assert_eq!(trace.spans[0].output["response_preview"], "ü".repeat(200));
}

#[tokio::test]
async fn a_run_that_failed_says_why_without_the_models_words() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let stage = to(&nexus, Stage::builder(|_| Reply::status(422))).start().await;
    let (post, _) = stage.run("Be traced.").await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 1);
    assert_eq!(
        (trace.status.as_str(), &trace.metadata["error"]),
        ("error", &json!("model_refused: bad_request"))
    );
    assert_eq!((trace.spans[0].status.as_str(), &trace.spans[0].error), ("error", &json!("bad_request")));
    assert!(nexus.requests().iter().all(|request| !request.text.contains("of the test")));
}

#[tokio::test]
async fn an_attempt_that_failed_is_a_span_of_its_own() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let builder =
        Stage::builder(|call| if call.index == 0 { Reply::too_many("0") } else { Reply::turn(1, 1) });
    let stage = to(&nexus, builder).start().await;
    let (post, _) = stage.run("Be traced.").await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 2);
    assert_eq!(trace.status, "success");
    let [failed, answered] = trace.spans.as_slice() else { panic!("two spans: {trace:#?}") };
    assert_eq!((failed.status.as_str(), &failed.error), ("error", &json!("rate_limited")));
    assert_eq!((answered.status.as_str(), &answered.input["attempt"]), ("ok", &json!(2)));
}

#[tokio::test]
async fn a_comparison_is_one_trace_with_a_span_per_model() {
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let builder = Stage::builder(|call| match call.body["model"].as_str() {
        Some("lab/good") => Reply::says("Tides."),
        _ => Reply::status(422),
    });
    let stage = to(&nexus, builder).start().await;
    let body = json!({"task": "Which is best?", "models": ["openai:lab/good", "openai:lab/bad"]});
    let post = started(stage.api.post("/v1/compare", &body).await.ok(202));
    stage.api.ended(&post).await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 2);
    assert_eq!(
        (trace.status.as_str(), &trace.metadata["model"]),
        ("success", &json!("openai:lab/good,openai:lab/bad"))
    );
    let span = |name: &str| trace.spans.iter().find(|span| span.name == name).expect("a span of that name");
    let (good, bad) = (span("inference:good"), span("inference:bad"));
    assert_eq!(good.input, json!({"prompt": "Which is best?", "model": "openai:lab/good"}));
    assert_eq!((good.status.as_str(), &good.output["response_preview"]), ("ok", &json!("Tides.")));
    assert_eq!((bad.status.as_str(), &bad.error), ("error", &json!("bad_request")));
}

#[tokio::test]
async fn a_cancelled_run_is_no_error() {
    let gate = Gate::shut();
    let held = gate.clone();
    let nexus = NexusServer::start(|_| NexusVerdict::Serve).await;
    let stage = to(&nexus, Stage::builder(move |_| Reply::turn(1, 1).held_by(&held))).start().await;
    let post = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&post.session).await;
    stage.api.ended(&post).await;
    flushed(&stage, &post).await;
    let trace = the_trace(&nexus, &post, 1);
    assert_eq!((trace.status.as_str(), &trace.metadata["status"]), ("success", &json!("cancelled")));
    assert_eq!((trace.spans[0].status.as_str(), &trace.spans[0].output["cancelled"]), ("ok", &json!(true)));
}

/// A stage whose traces go to this Nexus.
fn to(nexus: &NexusServer, builder: StageBuilder) -> StageBuilder {
    builder.var("NEXUS_API_KEY", NEXUS_KEY).var("NEXUS_URL", nexus.url())
}

async fn of_turns(
    turns: usize,
    verdict: impl Fn(usize) -> NexusVerdict + Send + Sync + 'static,
) -> (NexusServer, Stage) {
    let nexus = NexusServer::start(verdict).await;
    let stage = to(&nexus, Stage::builder(move |call| Reply::turn(call.turn(), turns))).start().await;
    (nexus, stage)
}

fn is(event: &Value, kind: &str) -> bool {
    event["type"] == kind && event["sink"] == "nexus"
}

async fn flushed(stage: &Stage, post: &Post) -> Value {
    let wanted = |event: &Value| is(event, "trace.flushed") && event["run"] == post.run;
    stage.api.event(&post.session, "trace.flushed", wanted).await
}

async fn of_nexus(stage: &Stage, post: &Post, kind: &str) -> Vec<Value> {
    let events = stage.api.events(&post.session).await;
    events.into_iter().filter(|event| is(event, kind)).collect()
}

/// The run's one trace, after a check that each of its spans is there once and nothing was malformed.
#[track_caller]
fn the_trace(nexus: &NexusServer, post: &Post, spans: usize) -> NexusTrace {
    let own = |trace: &NexusTrace| trace.metadata["longhaul_trace_id"] == post.trace_id.as_str();
    let mut traces: Vec<NexusTrace> = nexus.traces().into_iter().filter(own).collect();
    assert_eq!(traces.len(), 1, "{traces:#?}");
    let trace = traces.remove(0);
    let distinct: BTreeSet<_> =
        trace.spans.iter().map(|span| (&span.name, &span.started_at, &span.status)).collect();
    assert_eq!((trace.spans.len(), distinct.len()), (spans, spans), "{trace:#?}");
    let malformed: Vec<_> =
        nexus.requests().into_iter().filter(|request| matches!(request.status, 400 | 404 | 415)).collect();
    assert!(malformed.is_empty(), "{malformed:#?}");
    trace
}

/// What a request was for, by its first line.
fn kind(line: &str) -> &'static str {
    match line.split_once(' ') {
        Some(("POST", "/api/v1/traces")) => "trace",
        Some(("POST", path)) if path.ends_with("/spans") => "span",
        Some(("GET", "/api/v1/traces")) => "list",
        Some(("GET", _)) => "look",
        _ => "other",
    }
}

/// A time of the API as the text that Nexus gets.
fn iso(ms: &Value) -> String {
    iso8601(ms.as_u64().expect("a time in milliseconds"))
}
