//! A full queue.

use longhaul_tests::{Api, Gate, Launch, ModelServer, Reply, Server};
use serde_json::json;
use tokio::time::Instant;

use crate::say;

/// Runs that wait after the running one at most.
const QUEUED_MAX: u64 = 100;

#[tokio::test]
async fn a_hundred_queued_runs_end_in_order_through_a_kill() {
    let (mut server, model, gate) = held().await;
    let api = Api::new(server.base_url());
    let session = filled(&api).await;
    gate.open();
    model.wait_for_calls(30).await;
    let killed_at = Instant::now();
    server.crash().await;
    let last = format!("/v1/sessions/{session}/runs/{}?wait=60", QUEUED_MAX + 1);
    assert_eq!(api.get(&last).await.ok(200)["status"], "succeeded");
    let events = api.events(&session).await;
    let of = |kind: &str| -> Vec<u64> {
        events
            .iter()
            .filter(|event| event["type"] == kind)
            .filter_map(|event| event["run"].as_u64())
            .collect()
    };
    assert!(of("run.ended").into_iter().eq(1..=QUEUED_MAX + 1), "each once, in order");
    assert!(of("model.answered").into_iter().eq(1..=QUEUED_MAX + 1));
    assert!(model.calls().len() as u64 <= QUEUED_MAX + 2, "at most one call is repeated");
    say(&format!("measured: 101 runs, killed in the 30th: the rest took {:.0?}", killed_at.elapsed()));
}

#[tokio::test]
async fn a_hundred_queued_runs_are_cancelled_at_once() {
    let (server, model, gate) = held().await;
    let api = Api::new(server.base_url());
    let session = filled(&api).await;
    model.wait_for_calls(1).await;
    let shown = api.cancel(&session).await;
    let runs = shown["runs"].as_array().expect("a session has runs");
    assert!(runs.iter().all(|run| run["status"] == "cancelled"), "{shown}");
    assert_eq!(runs.len() as u64, QUEUED_MAX + 1);
    gate.open();
    let next = api.start_run(&session, &json!({"task": "more"})).await;
    assert_eq!(api.ended(&next).await["status"], "succeeded");
    assert_eq!(model.calls().len(), 2, "no call for what was cancelled");
    drop(server);
}

/// A session with one run under way and as many after it as may be; one more is refused.
async fn filled(api: &Api) -> String {
    let session = api.start_task("the first").await.session;
    for _ in 0..QUEUED_MAX {
        api.start_run(&session, &json!({"task": "another"})).await;
    }
    let refused = api.post(&format!("/v1/sessions/{session}/runs"), &json!({"task": "too many"})).await;
    refused.problem(429, "queue_full");
    assert_eq!(refused.header("retry-after"), "5");
    session
}

async fn held() -> (Server, ModelServer, Gate) {
    let gate = Gate::shut();
    let reply = Reply::says("Yes.\nDONE").held_by(&gate);
    let model = ModelServer::start(move |_| reply.clone()).await;
    let launch = Launch::new().var("AUTH", "off").var("MODEL", "openai:tiny");
    let server = launch.var("OPENAI_BASE_URL", model.base_url()).start().await;
    (server, model, gate)
}
