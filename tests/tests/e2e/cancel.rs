//! Cancel before, during and after a run.

use longhaul_tests::oracle::{Injury, assert_run_sound, of_type};
use longhaul_tests::wait::eventually;
use longhaul_tests::{Frame, Gate, Reply, Stage};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_cancel_during_a_call_aborts_the_call() {
    let stage = Stage::new(|_| Reply::hang()).await;
    let post = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&post.session).await;
    let run = stage.api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["result"]),
        (&json!("cancelled"), &json!("cancelled"), &Value::Null)
    );
    eventually("the model server to see the disconnect", || async {
        stage.model.calls()[0].disconnected.then_some(())
    })
    .await;
    assert_eq!(stage.model.calls().len(), 1, "no new call starts after a cancel");
    let events = stage.api.events(&post.session).await;
    assert_eq!(of_type(&events, "cancel.requested").len(), 1);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_run_sound(&stage.api, &post, &stage.model.calls(), &spans, Injury::NONE).await;
    let root = spans.iter().find(|span| span.parent_id.is_empty()).expect("a root");
    assert_ne!(root.status, 2, "a cancellation is not an error");
}

#[tokio::test]
async fn a_cancel_in_the_middle_of_a_stream_aborts_the_call() {
    let never = Gate::shut();
    let stage = Stage::new(move |_| Reply::says("A long answer.").in_chunks(4).paused_by(&never)).await;
    let post = stage.api.start_task("Be cancelled.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    watcher.until(|frame| matches!(frame, Frame::Delta(_))).await;
    watcher.send(r#"{"type":"cancel"}"#).await;
    watcher.until_ended(1).await;
    assert_eq!(stage.api.run(&post).await["status"], "cancelled");
    eventually("the model server to see the disconnect", || async {
        stage.model.calls()[0].disconnected.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_cancel_takes_the_queued_runs_along() {
    let stage = Stage::new(|_| Reply::hang()).await;
    let first = stage.api.start_task("Be cancelled.").await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Never begin."})).await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&first.session).await;
    for post in [&first, &second] {
        assert_eq!(stage.api.ended(post).await["status"], "cancelled");
    }
    let queued = stage.api.run(&second).await;
    assert_eq!((&queued["started_at"], &queued["attempts"]), (&Value::Null, &json!(0)));
    assert_eq!(stage.model.calls().len(), 1);
    let spans = stage.sink.wait_for_trace(&second.trace_id).await;
    assert_eq!(spans.len(), 1, "a run that never began has a root and nothing else");
}

#[tokio::test]
async fn a_cancel_during_a_back_off_ends_the_wait() {
    let stage = Stage::new(|_| Reply::too_many("200")).await;
    let post = stage.api.start_task("Wait long.").await;
    stage.api.event(&post.session, "model.failed", |event| event["type"] == "model.failed").await;
    stage.api.cancel(&post.session).await;
    assert_eq!(stage.api.ended(&post).await["status"], "cancelled");
    assert_eq!(stage.model.calls().len(), 1);
}

#[tokio::test]
async fn a_cancel_after_the_end_changes_nothing_and_a_second_one_neither() {
    let stage = Stage::of_turns(1).await;
    let (post, run) = stage.run("Finish first.").await;
    stage.sink.wait_for_trace(&post.trace_id).await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let events = stage.api.events(&post.session).await;
    stage.api.cancel(&post.session).await;
    stage.api.cancel(&post.session).await;
    assert_eq!(stage.api.run(&post).await, run);
    assert_eq!(stage.api.events(&post.session).await, events);
}

#[tokio::test]
async fn two_cancels_of_a_running_run_are_one() {
    let stage = Stage::new(|_| Reply::hang()).await;
    let post = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    let (one, two) = tokio::join!(stage.api.cancel(&post.session), stage.api.cancel(&post.session));
    assert_eq!(one, two);
    stage.api.ended(&post).await;
    let events = stage.api.events(&post.session).await;
    assert_eq!(of_type(&events, "cancel.requested").len(), 1, "{events:#?}");
}

#[tokio::test]
async fn a_cancel_survives_a_kill() {
    let mut stage = Stage::new(|_| Reply::hang()).await;
    let post = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&post.session).await;
    stage.server.crash().await;
    assert_eq!(stage.api.ended(&post).await["status"], "cancelled");
    assert_eq!(stage.model.calls().len(), 1, "no new call starts after a cancel");
    assert_eq!(stage.sink.wait_for_trace(&post.trace_id).await.len(), 2);
}

#[tokio::test]
async fn a_session_goes_on_after_a_cancel() {
    let stage = Stage::new(|call| if call.index == 0 { Reply::hang() } else { Reply::turn(1, 1) }).await;
    let first = stage.api.start_task("Be cancelled.").await;
    stage.model.wait_for_calls(1).await;
    stage.api.cancel(&first.session).await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Go on."})).await;
    assert_eq!(stage.api.ended(&second).await["status"], "succeeded");
    assert_eq!(stage.api.ended(&first).await["status"], "cancelled");
}

#[tokio::test]
async fn a_delete_during_a_call_aborts_the_call() {
    let stage = Stage::new(|_| Reply::hang()).await;
    let post = stage.api.start_task("Be deleted.").await;
    stage.model.wait_for_calls(1).await;
    let path = format!("/v1/sessions/{}", post.session);
    assert_eq!(stage.api.call(Method::DELETE, &path, &[], None).await.status, 204);
    eventually("the model server to see the disconnect", || async {
        stage.model.calls()[0].disconnected.then_some(())
    })
    .await;
    stage.api.get(&path).await.problem(404, "not_found");
}
