//! A test of the ledger: of each thing that could be lost or doubled, one is, and the ledger says so.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use longhaul_tests::Api;
use longhaul_tests::nexus::NEXUS_KEY;
use serde_json::{Value, json};

use crate::ledger::balance;
use crate::plan::Round;
use crate::round::{Seen, play};

#[tokio::test]
async fn the_ledger_finds_what_is_lost_and_what_is_doubled() {
    let mut round = Round::new(0, 0);
    round.first.truncate(3);
    let seen = play(&round).await;
    balance(&seen).await;
    // The ledger reads on until something is wrong, so what it reads last is falsified first.
    let index = seen.scene.stage.server.index();
    index.rows("DELETE FROM model_days").await;
    assert_found(&seen, "calls and answers in the statistics").await;
    call(&seen, "somebody/1/1").await;
    assert_found(&seen, "a call of no run").await;
    export(&seen).await;
    assert_found(&seen, "the OTLP receiver has other traces").await;
    index.rows("UPDATE traces SET attempts = attempts + 1").await;
    assert_found(&seen, "attempts").await;
    index.rows("UPDATE traces SET attempts = attempts - 1").await;
    let first = &seen.told[0].posts[0];
    index.rows("CREATE TABLE kept AS SELECT * FROM traces").await;
    index.rows_of("DELETE FROM traces WHERE trace_id = ?", &[json!(first.trace_id)]).await;
    assert_found(&seen, "left: []").await;
    index.rows("INSERT OR IGNORE INTO traces SELECT * FROM kept").await;
    post_last_span_again(&seen).await;
    assert_found(&seen, "NexusTrace").await;
    let post = &seen.told[0].posts[0];
    let run = format!("{}/{}", post.session, post.run);
    let calls = seen.scene.stage.model.calls();
    let key = &calls.iter().find(|call| call.run() == run).expect("the run has called").key;
    call(&seen, key).await;
    assert_found(&seen, "repeated calls").await;
    index.rows("INSERT INTO traces SELECT tenant, accepted_at, 'other', 'other', run, status, stop_reason, error_type,
        agent, model, iterations, attempts, resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at,
        ended_at, waiting_ms, failed_models, metadata, models, tools, task, result FROM traces LIMIT 1").await;
    assert_found(&seen, "a session that nobody has asked for").await;
    let mut seen = seen;
    seen.told[0].events.pop();
    assert_found(&seen, "a reader saw something else").await;
}

async fn assert_found(seen: &Seen, what: &str) {
    let fault = AssertUnwindSafe(balance(seen)).catch_unwind().await.err().expect("the ledger finds it");
    let text = fault.downcast_ref::<String>().map_or("", String::as_str);
    assert!(text.contains(what), "it found another thing than {what:?}: {text}");
}

/// A call to the model that the server has not made.
async fn call(seen: &Seen, key: &str) {
    let body = json!({"model": "tiny", "messages": [{"role": "user", "content": seen.told[0].story.body(1)["task"]}]});
    let request = Api::new(seen.scene.stage.model.base_url());
    request.post_with_key("/chat/completions", key, &body).await.ok(200);
}

async fn export(seen: &Seen) {
    let span = json!({"traceId": "0123456789abcdef0123456789abcdef", "spanId": "0123456789abcdef", "name": "other",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2"});
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    Api::new(seen.scene.stage.sink.endpoint()).post("/v1/traces", &body).await.ok(200);
}

async fn post_last_span_again(seen: &Seen) {
    let requests = seen.scene.nexus.requests();
    let last = requests.iter().rfind(|request| request.line.ends_with("/spans")).expect("a run has a span");
    let path = last.line.strip_prefix("POST ").expect("a span is posted");
    let body: Value = serde_json::from_str(&last.text).expect("a span is JSON");
    Api::new(seen.scene.nexus.url()).with_token(NEXUS_KEY).post(path, &body).await.ok(201);
}
