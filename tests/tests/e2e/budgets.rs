//! The budgets that do not depend on the machine.

use longhaul_tests::Stage;
use longhaul_tests::storage::rows;
use serde_json::json;

/// The alarm is written when the run is accepted and when its trace is delivered.
const ALARM_WRITES: i64 = 2;

#[tokio::test]
async fn a_run_of_six_turns_writes_at_most_twelve_rows() {
    let mut stage = Stage::of_turns(6).await;
    let (post, run) = stage.run("Count to six.").await;
    assert_eq!(run["iterations"], 6);
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    stage.server.kill9().await;
    let rows = rows(&stage.server.storage());
    let written: i64 = rows.iter().map(|(_, count)| count).sum::<i64>() + ALARM_WRITES;
    assert!(written <= 12, "{written} rows: {rows:?} and {ALARM_WRITES} writes of the alarm");
}

#[tokio::test]
async fn a_session_at_rest_does_not_grow() {
    let mut stage = Stage::of_turns(2).await;
    let (post, _) = stage.run("Rest.").await;
    stage.api.event(&post.session, "trace.flushed", |event| event["type"] == "trace.flushed").await;
    let events = stage.api.events(&post.session).await;
    for _ in 0..2 {
        stage.server.crash().await;
        // Asking must not write either.
        let session = stage.api.get(&format!("/v1/sessions/{}", post.session)).await.ok(200);
        assert_eq!(session["runs"][0]["status"], json!("succeeded"));
    }
    assert_eq!(stage.api.events(&post.session).await, events);
    assert_eq!(stage.sink.deliveries().len(), 1);
    assert_eq!(stage.model.calls().len(), 2);
}
