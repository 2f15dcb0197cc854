//! Workers AI through an AI Gateway.

use std::collections::BTreeSet;

use longhaul_tests::oracle::{Injury, assert_run_sound, of_type};
use longhaul_tests::{Call, Gate, Reply, Span, Stage, api};
use serde_json::{Value, json};

const LLAMA: &str = "@cf/meta/llama-3.1-8b-instruct";
const MODELS: [&str; 3] = [LLAMA, "@cf/openai/gpt-oss-20b", "@cf/qwen/qwen3-30b-a3b-fp8"];

#[tokio::test]
async fn the_gateway_is_told_which_call_of_which_trace_it_carries() {
    let stage =
        through_gateway(|call| Reply::turn(call.turn(), 2).logged_as(format!("log-{}", call.index))).await;
    let post = stage.api.start(&json!({"task": "Pass.", "model": LLAMA})).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 2);
    for (index, call) in calls.iter().enumerate() {
        let options = &call.body["options"];
        let number = (index + 1).to_string();
        let metadata = json!({"session": post.session, "run": "1", "call": number, "attempt": "1"});
        assert_eq!(options["gateway"], json!({"id": "my-gateway", "metadata": metadata}));
        let span = of_call(&spans, index as u64 + 1, 1);
        let headers = &options["extraHeaders"];
        assert_eq!(headers["cf-aig-otel-trace-id"], post.trace_id);
        assert_eq!(headers["cf-aig-otel-parent-span-id"], span.span_id);
        assert_eq!(headers["idempotency-key"], call.key);
        assert_carried(span, json!(format!("log-{index}")));
    }
    assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    assert_run_sound(&stage.api, &post, &calls, &spans, Injury::NONE).await;
    let root = spans.iter().find(|span| span.parent_id.is_empty()).expect("a root");
    assert!(root.attributes.keys().all(|key| !key.contains("gateway")), "{root:#?}");
}

#[tokio::test]
async fn an_attempt_that_failed_has_its_log_too_and_is_made_again() {
    for (fault, error_type, waits_ms) in
        [(Reply::status(500), "server_error", 0), (Reply::too_many("2"), "rate_limited", 2_000)]
    {
        let stage = through_gateway(move |call| {
            let reply = if call.index == 0 { fault.clone() } else { Reply::turn(1, 1) };
            reply.logged_as(format!("log-{}", call.index))
        })
        .await;
        let post = stage.api.start(&json!({"task": "Stumble.", "model": LLAMA})).await;
        let run = stage.api.ended(&post).await;
        assert_eq!(
            (&run["status"], &run["attempts"]),
            (&json!("succeeded"), &json!(2)),
            "{error_type}: {run}"
        );
        let calls = stage.model.calls();
        assert!(calls[1].at_ms - calls[0].at_ms >= waits_ms, "{error_type}: retried too early");
        assert_eq!(calls[1].body["options"]["gateway"]["metadata"]["attempt"], "2");
        let spans = stage.sink.wait_for_trace(&post.trace_id).await;
        let failed = of_call(&spans, 1, 1);
        assert_eq!((failed.status, failed.attribute("error.type")), (2, json!(error_type)));
        assert_carried(failed, json!("log-0"));
        assert_carried(of_call(&spans, 1, 2), json!("log-1"));
        assert_run_sound(&stage.api, &post, &calls, &spans, Injury { kills: 0, faults: 1 }).await;
    }
}

#[tokio::test]
async fn a_refusal_is_not_made_again() {
    let stage = through_gateway(|_| Reply::status(400).logged_as("log-0")).await;
    let post = stage.api.start(&json!({"task": "Fail.", "model": LLAMA})).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["stop_reason"], &run["attempts"]), (&json!("model_refused"), &json!(1)), "{run}");
    let failed = of_type(&stage.api.events(&post.session).await, "model.failed");
    assert!(
        failed[0]["message"].as_str().is_some_and(|message| message.contains("of the test")),
        "{failed:#?}"
    );
    assert_carried(of_call(&stage.sink.wait_for_trace(&post.trace_id).await, 1, 1), json!("log-0"));
}

#[tokio::test]
async fn a_call_that_never_came_back_still_names_its_gateway() {
    let stage = Stage::builder(|call| if call.index == 0 { Reply::hang() } else { Reply::turn(1, 1) })
        .workers_ai()
        .var("AI_GATEWAY_ID", "my-gateway")
        .var("MODEL_TIMEOUT_MS", "1000")
        .start()
        .await;
    let post = stage.api.start(&json!({"task": "Wait.", "model": LLAMA})).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let failed = of_call(&spans, 1, 1);
    assert_eq!(failed.attribute("error.type"), "timeout");
    assert_carried(failed, Value::Null);
}

#[tokio::test]
async fn a_call_that_was_cut_off_or_cancelled_names_its_gateway_too() {
    let mut stage = through_gateway(|_| Reply::hang()).await;
    let post = stage.api.start(&json!({"task": "Be cut off.", "model": LLAMA})).await;
    stage.model.wait_for_calls(1).await;
    stage.server.crash().await;
    stage.model.wait_for_calls(2).await;
    stage.api.cancel(&post.session).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(of_call(&spans, 1, 1).attribute("error.type"), "interrupted");
    for attempt in [1, 2] {
        assert_carried(of_call(&spans, 1, attempt), Value::Null);
    }
}

#[tokio::test]
async fn each_call_of_a_comparison_has_its_own_log() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = through_gateway(move |call| {
        let log = format!("log-of-{}", model_of(call));
        Reply::says("Hello.").held_by(&held).logged_as(log)
    })
    .await;
    let post =
        api::started(stage.api.post("/v1/compare", &json!({"task": "Who?", "models": MODELS})).await.ok(202));
    // All are in flight together: the latest log that the binding knows is that of one of them.
    let calls = stage.model.wait_for_calls(3).await;
    gate.open();
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let parents: BTreeSet<&str> = calls
        .iter()
        .filter_map(|call| call.body["options"]["extraHeaders"]["cf-aig-otel-parent-span-id"].as_str())
        .collect();
    assert_eq!(parents.len(), 3, "{parents:?}");
    for (call, model) in (1..).zip(MODELS) {
        let span = of_call(&spans, call, 1);
        assert_eq!(span.name, format!("inference:{}", model.rsplit('/').next().expect("a part")));
        assert_carried(span, json!(format!("log-of-{model}")));
        assert!(parents.contains(span.span_id.as_str()), "{span:#?}");
    }
}

#[tokio::test]
async fn an_answer_through_a_gateway_streams() {
    for plain in [false, true] {
        let builder = Stage::builder(|_| {
            Reply::says("A text in several chunks.\nDONE").in_chunks(4).logged_as("log-0")
        });
        let builder = if plain { builder.plain_workers_ai() } else { builder.workers_ai() };
        let stage = builder.var("AI_GATEWAY_ID", "my-gateway").start().await;
        let post = stage.api.start(&json!({"task": "Stream.", "model": LLAMA})).await;
        let run = stage.api.ended(&post).await;
        assert_eq!(
            (&run["result"], &run["usage"]["total_tokens"]),
            (&json!("A text in several chunks."), &json!(15))
        );
        assert_eq!(stage.model.calls()[0].body["asked_to_stream"], true);
        let spans = stage.sink.wait_for_trace(&post.trace_id).await;
        assert_carried(of_call(&spans, 1, 1), json!("log-0"));
    }
}

#[tokio::test]
async fn without_a_gateway_no_call_speaks_of_one() {
    let stage = Stage::builder(|_| Reply::turn(1, 1).logged_as("log-0")).workers_ai().start().await;
    let post = stage.api.start(&json!({"task": "Pass.", "model": LLAMA})).await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let options = stage.model.calls()[0].body["options"].to_string();
    assert!(!options.contains("gateway") && !options.contains("cf-aig"), "{options}");
    for span in &spans {
        assert!(span.attributes.keys().all(|key| !key.contains("gateway")), "{span:#?}");
    }
}

async fn through_gateway(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Stage {
    Stage::builder(script).workers_ai().var("AI_GATEWAY_ID", "my-gateway").start().await
}

fn model_of(call: &Call) -> &str {
    call.body["model"].as_str().unwrap_or_default()
}

#[track_caller]
fn of_call(spans: &[Span], call: u64, attempt: u64) -> &Span {
    let number = |span: &Span, key: &str| span.attribute(key).as_u64();
    let found = spans.iter().find(|span| {
        (number(span, "longhaul.call"), number(span, "longhaul.attempt")) == (Some(call), Some(attempt))
    });
    assert!(found.is_some(), "no span of call {call}, attempt {attempt}: {spans:#?}");
    found.expect("it was just found")
}

#[track_caller]
fn assert_carried(span: &Span, log_id: Value) {
    assert_eq!(
        (
            span.attribute("via_ai_gateway"),
            span.attribute("gateway_id"),
            span.attribute("cloudflare.ai_gateway.log.id")
        ),
        (json!(true), json!("my-gateway"), log_id),
        "{span:#?}"
    );
}
