//! The agents of `examples/`, as they are deployed.

use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound};
use longhaul_tests::{Api, Call, Launch, Reply, Stage};
use serde_json::{Value, json};

#[tokio::test]
async fn the_article_agent_stops_after_six_turns() {
    let stage =
        Stage::builder(|call| Reply::turn(call.turn(), 99)).example("article").workers_ai().start().await;
    let (post, run) = stage.run("Write an article about tides.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("max_iterations")));
    assert_eq!((&run["iterations"], &run["result"]), (&json!(6), &json!("Answer 6.")));
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 6);
    assert!(
        calls.iter().all(|call| call.body["model"].as_str().is_some_and(|model| model.starts_with("@cf/")))
    );
    let said = said(&calls[1]);
    assert_eq!(said[0], json!({"role": "user", "content": "Write an article about tides."}));
    assert_eq!(said[1], json!({"role": "assistant", "content": "Answer 1."}));
    assert_eq!(said[2], json!({"role": "user", "content": "Continue."}));
    one_trace(&stage, &post, &calls, 7).await;
}

#[tokio::test]
async fn the_article_agent_stops_at_done() {
    let stage =
        Stage::builder(|call| Reply::turn(call.turn(), 3)).example("article").workers_ai().start().await;
    let (post, run) = stage.run("Write an article about tides.").await;
    assert_eq!(
        (&run["stop_reason"], &run["iterations"], &run["result"]),
        (&json!("done"), &json!(3), &json!("Answer 3."))
    );
    assert_eq!(run["usage"]["input_tokens"], 30);
    one_trace(&stage, &post, &stage.model.calls(), 4).await;
}

#[tokio::test]
async fn the_article_agent_takes_whole_answers_too() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 2))
        .example("article")
        .plain_workers_ai()
        .start()
        .await;
    let (post, run) = stage.run("Write an article about tides.").await;
    assert_eq!((&run["stop_reason"], &run["iterations"]), (&json!("done"), &json!(2)));
    assert_eq!(run["usage"]["output_tokens"], 10);
    one_trace(&stage, &post, &stage.model.calls(), 3).await;
}

#[tokio::test]
async fn a_fault_of_workers_ai_is_retried() {
    let stage = Stage::builder(|call| match call.index {
        0 => Reply::status(500),
        _ => Reply::turn(call.turn(), 1),
    })
    .workers_ai()
    .start()
    .await;
    let post = stage.api.start(&json!({"task": "Stumble.", "model": "@cf/meta/llama-3.1-8b-instruct"})).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["attempts"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(run["model"], "@cf/meta/llama-3.1-8b-instruct");
}

#[tokio::test]
async fn an_answer_of_workers_ai_streams_as_deltas() {
    let text = "A text in several chunks.\nDONE";
    let stage = Stage::builder(move |_| Reply::says(text).in_chunks(4)).workers_ai().start().await;
    let post = stage.api.start(&json!({"task": "Stream.", "model": "@cf/meta/llama-3.1-8b-instruct"})).await;
    let frames = stage.api.watch(&post.session, 0).await.until_ended(1).await;
    let answered =
        longhaul_tests::watch::events(&frames).into_iter().find(|event| event["type"] == "model.answered");
    assert_eq!(answered.expect("an answer")["message"]["content"], text);
    assert_eq!(stage.model.calls()[0].body["asked_to_stream"], true);
}

#[tokio::test]
async fn a_call_through_a_gateway_names_it() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 1))
        .workers_ai()
        .var("AI_GATEWAY_ID", "my-gateway")
        .start()
        .await;
    let post = stage.api.start(&json!({"task": "Pass.", "model": "@cf/meta/llama-3.1-8b-instruct"})).await;
    stage.api.ended(&post).await;
    assert_eq!(stage.model.calls()[0].body["options"]["gateway"]["id"], "my-gateway");
}

#[tokio::test]
async fn the_haiku_agent_runs_offline() {
    let server = Launch::new().example("haiku").var("AUTH", "off").start().await;
    let api = Api::new(server.base_url());
    let post = api.start_task("Write a haiku about tides.").await;
    let run = api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("done")), "{run}");
    assert_eq!(run["model"], "scripted:haiku");
    assert!(run["result"].as_str().is_some_and(|text| !text.is_empty()), "{run}");
    assert_events_sound(&api.events(&post.session).await);
}

/// The messages of a call without the system's.
fn said(call: &Call) -> Vec<Value> {
    call.messages().into_iter().filter(|message| message["role"] != "system").collect()
}

async fn one_trace(stage: &Stage, post: &longhaul_tests::Post, calls: &[Call], count: usize) {
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(spans.len(), count, "{spans:#?}");
    assert_eq!(stage.sink.deliveries().len(), 1);
    let chat = spans.iter().find(|span| !span.parent_id.is_empty()).expect("a call's span");
    assert_eq!(chat.attribute("gen_ai.provider.name"), "cloudflare.workers_ai");
    assert_run_sound(&stage.api, post, calls, &spans, Injury::NONE).await;
}
