//! A disk that takes nothing more, or little.

use std::time::Duration;

use longhaul_tests::wait::eventually;
use longhaul_tests::{Api, Gate, Launch, ModelServer, Post, Reply, Server};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::say;

/// How long the disk stays full.
const FULL: Duration = Duration::from_secs(5);
/// What a file may have then: SQLite's index of its log, and rows that are short.
const SHORT_ROWS_BYTES: u64 = 96 * 1024;
/// An answer that does not fit.
const ANSWER_BYTES: usize = 300_000;

#[tokio::test]
async fn a_run_outlives_a_full_disk_and_its_call_is_not_paid_for_again_and_again() {
    let (server, model, gate, post) = answering(ANSWER_BYTES).await;
    let api = Api::new(server.base_url());
    let before = api.events(&post.session).await;
    server.limit_files(Some(SHORT_ROWS_BYTES));
    gate.open();
    let since = Instant::now();
    while since.elapsed() < FULL {
        let read = api.get(&format!("/v1/sessions/{}", post.session)).await;
        assert!([200, 503].contains(&read.status), "{}", read.text);
        sleep(Duration::from_millis(250)).await;
    }
    let paid = model.calls().len();
    server.limit_files(None);
    let since = Instant::now();
    let run = ended(&api, &post).await;
    say(&format!(
        "measured: a full disk: {paid} calls in {FULL:?}, the run ended {:.1} s after there was room, {} calls in all",
        since.elapsed().as_secs_f64(),
        model.calls().len()
    ));
    assert_eq!(run["status"], "succeeded", "{run}");
    let after = api.events(&post.session).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.iter().filter(|event| event["type"] == "model.answered").count(), 1);
    // The first, one more after the first crash, one when there was room.
    assert!(model.calls().len() <= 4, "{} calls", model.calls().len());
}

#[tokio::test]
async fn a_session_on_a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let (server, _model, gate, post) = answering(10).await;
    let api = Api::new(server.base_url());
    let session = format!("/v1/sessions/{}", post.session);
    server.limit_files(Some(0));
    let refused = api.post(&format!("{session}/runs"), &json!({"task": "more"})).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    gate.open();
    server.limit_files(None);
    assert_eq!(ended(&api, &post).await["status"], "succeeded");
    assert_eq!(api.call(Method::DELETE, &session, &[], None).await.status, 204);
    assert_eq!(api.get(&session).await.status, 404);
}

/// A session whose one call is answered, at that length, when the gate opens.
async fn answering(bytes: usize) -> (Server, ModelServer, Gate, Post) {
    let gate = Gate::shut();
    let held = gate.clone();
    let model =
        ModelServer::start(move |_| Reply::says(format!("{}\nDONE", "x".repeat(bytes))).held_by(&held)).await;
    let launch = Launch::new().var("AUTH", "off").var("MODEL", "openai:tiny");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    let post = Api::new(server.base_url()).start_task("one").await;
    model.wait_for_calls(1).await;
    (server, model, gate, post)
}

/// The run after its end; the object may not answer until then.
async fn ended(api: &Api, post: &Post) -> Value {
    eventually("the end of the run", || async {
        let answer = api.get(&format!("/v1/sessions/{}/runs/1", post.session)).await;
        (answer.status == 200 && !answer.body["ended_at"].is_null()).then_some(answer.body)
    })
    .await
}
