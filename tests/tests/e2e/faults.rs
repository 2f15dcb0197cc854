//! A model that misbehaves.

use longhaul_tests::oracle::{Injury, assert_run_sound, of_type};
use longhaul_tests::wait::now_ms;
use longhaul_tests::{Gate, Post, Reply, Stage};
use serde_json::{Value, json};

#[tokio::test]
async fn a_429_is_retried_after_the_seconds_that_it_names() {
    let stage = first_then(|| Reply::too_many("2")).await;
    let post = recovered(&stage, "rate_limited").await;
    let calls = stage.model.calls();
    let waited_ms = calls[1].at_ms - calls[0].at_ms;
    assert!(waited_ms >= 2_000, "retried after {waited_ms} ms");
    let failed = &of_type(&stage.api.events(&post.session).await, "model.failed")[0];
    let retry_at_ms = failed["retry_at"].as_u64().expect("a retry is planned");
    assert!(calls[1].at_ms >= retry_at_ms && retry_at_ms >= calls[0].at_ms + 2_000, "{failed}");
}

#[tokio::test]
async fn a_429_is_retried_after_the_date_that_it_names() {
    let stage = first_then(|| {
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now_ms() + 3_000);
        Reply::too_many(httpdate::fmt_http_date(date))
    })
    .await;
    recovered(&stage, "rate_limited").await;
    let calls = stage.model.calls();
    // A date has whole seconds only.
    assert!(calls[1].at_ms - calls[0].at_ms >= 1_900, "retried after {} ms", calls[1].at_ms - calls[0].at_ms);
}

#[tokio::test]
async fn a_500_is_retried() {
    let stage = first_then(|| Reply::status(500)).await;
    recovered(&stage, "server_error").await;
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_retried() {
    let stage = first_then(Reply::no_response).await;
    recovered(&stage, "connection").await;
}

#[tokio::test]
async fn half_a_stream_is_retried_and_its_text_is_no_answer() {
    let stage = first_then(|| Reply::breaks_off_after("Half an answ")).await;
    let post = recovered(&stage, "").await;
    let answers = of_type(&stage.api.events(&post.session).await, "model.answered");
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["message"]["content"], "Answer 1.\nDONE");
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_the_timeout_is_given_up_and_retried() {
    let stage = Stage::builder(|call| if call.index == 0 { Reply::hang() } else { Reply::turn(1, 1) })
        .var("MODEL_TIMEOUT_MS", "1000")
        .start()
        .await;
    recovered(&stage, "timeout").await;
    assert!(stage.model.calls()[0].disconnected, "the call was left open");
}

#[tokio::test]
async fn an_empty_answer_is_retried() {
    let stage = first_then(|| Reply::says(" \n")).await;
    recovered(&stage, "empty_response").await;
}

#[tokio::test]
async fn empty_answers_use_up_the_retries_and_the_run_fails_with_that_reason() {
    let stage = Stage::new(|_| Reply::says("")).await;
    let (post, run) = stage.run("Say something.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("empty_response")));
    assert_eq!((&run["iterations"], &run["attempts"], &run["result"]), (&json!(0), &json!(4), &Value::Null));
    assert!(run["error"]["code"].is_string() && run["error"]["message"].is_string(), "{run}");
    let calls = stage.model.calls();
    assert_eq!(calls.len(), 4);
    assert!(calls.iter().all(|call| call.key == calls[0].key), "the attempts of a call share its key");
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let empty =
        spans.iter().filter(|span| span.status == 2 && span.attribute("error.type") == "empty_response");
    assert!(empty.count() >= 4, "{spans:#?}");
    assert_run_sound(&stage.api, &post, &calls, &spans, Injury { kills: 0, faults: 3 }).await;
    let last =
        of_type(&stage.api.events(&post.session).await, "model.failed").pop().expect("attempts failed");
    assert_eq!(last["retry_at"], Value::Null);
}

#[tokio::test]
async fn a_model_that_stays_down_ends_the_run_as_unavailable() {
    let stage = Stage::new(|_| Reply::status(503)).await;
    let post = stage.api.start(&json!({"task": "Say something.", "retry_patience_ms": 300})).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_unavailable")));
    assert!(run["attempts"].as_u64() >= Some(2), "{run}");
    let failed = of_type(&stage.api.events(&post.session).await, "model.failed");
    let at = |event: &serde_json::Value| event["at"].as_u64().expect("an event has a time");
    let (first, last) = (at(&failed[0]), at(failed.last().expect("it failed")));
    assert!(last >= first + 300, "the last attempt comes when the patience ends: {failed:#?}");
}

/// The next model takes the call over, the rest of the run stays with it, and a further run begins with the first one.
#[tokio::test]
async fn another_model_takes_over_from_one_that_is_gone() {
    let stage = Stage::new(|call| match call.body["model"].as_str() {
        Some("tiny") => Reply::error(404, "The model `tiny` does not exist"),
        Some("small") => Reply::too_many("7200"),
        _ => Reply::turn(call.turn(), 2),
    })
    .await;
    let fallbacks = json!(["openai:small", "openai:large"]);
    let post = stage.api.start(&json!({"task": "Go on.", "fallbacks": fallbacks})).await;
    let run = stage.api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["model"], &run["attempts"]),
        (&json!("succeeded"), &json!("openai:tiny"), &json!(4)),
        "{run}"
    );
    assert_eq!(run["answered_by"], "openai:large", "{run}");
    let session = stage.api.get(&format!("/v1/sessions/{}", post.session)).await.ok(200);
    assert_eq!(session["runs"][0]["answered_by"], "openai:large", "{session}");
    let called = of_type(&stage.api.events(&post.session).await, "model.called");
    let told: Vec<_> = called.iter().map(|event| (&event["model"], &event["fallback_from"])).collect();
    let (tiny, small, large) = (json!("openai:tiny"), json!("openai:small"), json!("openai:large"));
    let null = serde_json::Value::Null;
    assert_eq!(told, [(&tiny, &null), (&small, &tiny), (&large, &small), (&large, &null)]);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let from = spans.iter().filter(|span| !span.attribute("longhaul.fallback_from").is_null());
    assert_eq!(from.count(), 2, "{spans:#?}");
    let refused = json!({"task": "x", "fallbacks": ["openai:a", "acme:b", "openai:tiny"]});
    let answer = stage.api.post("/v1/sessions", &refused).await;
    assert_eq!(answer.problem(422, "invalid_request"), ["/fallbacks/1", "/fallbacks/2"]);
}

#[tokio::test]
async fn a_further_run_goes_on_with_the_sessions_model() {
    let stage = Stage::new(|_| Reply::says("Answer.\nDONE")).await;
    let post = stage.api.start(&json!({"task": "First.", "model": "openai:other"})).await;
    stage.api.ended(&post).await;
    let second = stage.api.start_run(&post.session, &json!({"task": "Second."})).await;
    assert_eq!(stage.api.ended(&second).await["model"], "openai:other");
    let third = stage.api.start_run(&post.session, &json!({"task": "Third.", "model": "openai:tiny"})).await;
    assert_eq!(stage.api.ended(&third).await["model"], "openai:tiny");
}

#[tokio::test]
async fn a_400_is_refused_at_once() {
    let stage = Stage::new(|_| Reply::status(400)).await;
    let (_, run) = stage.run("Say something.").await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["attempts"]),
        (&json!("failed"), &json!("model_refused"), &json!(1))
    );
    assert_eq!(stage.model.calls().len(), 1);
}

#[tokio::test]
async fn a_page_of_html_is_refused_at_once() {
    let stage = Stage::new(|_| Reply::html()).await;
    let (post, run) = stage.run("Say something.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")));
    assert_eq!(stage.model.calls().len(), 1);
    let failed = of_type(&stage.api.events(&post.session).await, "model.failed");
    assert_eq!(failed[0]["error_type"], "malformed");
}

#[tokio::test]
async fn ten_megabytes_of_answer_end_the_run_and_not_the_server() {
    let stage = Stage::new(|call| match call.messages().last() {
        Some(message) if message["content"] == "Flood." => Reply::says("x".repeat(10 << 20)).in_chunks(640),
        _ => Reply::turn(1, 1),
    })
    .await;
    let (post, run) = stage.run("Flood.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("model_refused")));
    let failed = of_type(&stage.api.events(&post.session).await, "model.failed");
    assert_eq!(failed[0]["error_type"], "too_large");
    let (_, run) = stage.run("Say hello.").await;
    assert_eq!(run["status"], "succeeded");
}

#[tokio::test]
async fn an_answer_of_three_megabytes_is_kept_whole() {
    let text = format!("{}\nDONE", "a long line \u{e9}\n".repeat(200_000));
    let answer = text.clone();
    let stage = Stage::new(move |_| Reply::says(answer.clone()).in_chunks(50)).await;
    let (post, run) = stage.run("Write a book.").await;
    assert_eq!(run["status"], "succeeded", "{}", run["error"]);
    let messages = stage.api.messages(&post.session).await;
    assert!(messages.last().is_some_and(|message| message["content"] == text), "the answer was changed");
}

#[tokio::test]
async fn an_answer_cut_by_length_is_not_final_even_if_it_says_done() {
    let stage = Stage::new(|call| match call.turn() {
        1 => Reply::says("Cut.\nDONE").finished_by("length"),
        turn => Reply::turn(turn, 2),
    })
    .await;
    let (_, run) = stage.run("Write.").await;
    assert_eq!((&run["iterations"], &run["result"]), (&json!(2), &json!("Answer 2.")));
}

#[tokio::test]
async fn faults_of_the_scripted_model_are_retried_as_real_ones() {
    let (_server, api) = Stage::offline().await;
    let post = api.start_task("Stumble.\n#scripted turns=2 fault=500@1,empty@2").await;
    let run = api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["iterations"], &run["attempts"]),
        (&json!("succeeded"), &json!(2), &json!(4))
    );
    let failed = of_type(&api.events(&post.session).await, "model.failed");
    let kinds: Vec<_> = failed.iter().map(|event| event["error_type"].clone()).collect();
    assert_eq!(json!(kinds), json!(["server_error", "empty_response"]));
}

#[tokio::test]
async fn a_slow_model_does_not_stop_another_session() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |call| match call.messages().last() {
        Some(message) if message["content"] == "Slow." => Reply::turn(1, 1).held_by(&held),
        _ => Reply::turn(1, 1),
    })
    .await;
    let slow = stage.api.start_task("Slow.").await;
    stage.model.wait_for_calls(1).await;
    let (_, quick) = stage.run("Quick.").await;
    assert_eq!(quick["status"], "succeeded");
    assert_eq!(stage.api.run(&slow).await["status"], "running");
    gate.open();
    assert_eq!(stage.api.ended(&slow).await["status"], "succeeded");
}

/// The first call gets this fault, the next one an answer with DONE.
async fn first_then(fault: impl Fn() -> Reply + Send + Sync + 'static) -> Stage {
    Stage::new(move |call| if call.index == 0 { fault() } else { Reply::turn(1, 1) }).await
}

/// Runs a task that meets one fault; checks that it was counted, traced and survived. `error_type` may be empty.
async fn recovered(stage: &Stage, error_type: &str) -> Post {
    let (post, run) = stage.run("Say hello.").await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("done")), "{run}");
    assert_eq!((&run["iterations"], &run["attempts"]), (&json!(1), &json!(2)));
    let events = stage.api.events(&post.session).await;
    let failed = of_type(&events, "model.failed");
    assert_eq!(failed.len(), 1, "{events:#?}");
    assert!(error_type.is_empty() || failed[0]["error_type"] == error_type, "{}", failed[0]);
    assert_eq!((&failed[0]["call"], &failed[0]["attempt"]), (&json!(1), &json!(1)));
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury { kills: 0, faults: 1 }).await;
    let broken: Vec<_> = spans.iter().filter(|span| span.status == 2).collect();
    assert_eq!(broken.len(), 1, "{spans:#?}");
    assert_eq!(broken[0].attribute("error.type"), failed[0]["error_type"]);
    post
}
