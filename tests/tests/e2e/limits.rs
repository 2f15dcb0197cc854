//! What a run may spend, and what a session may hold.

use longhaul_tests::wait::eventually;
use longhaul_tests::{Reply, Stage};
use serde_json::{Value, json};

#[tokio::test]
async fn the_token_budget_is_checked_before_each_call() {
    let stage = Stage::of_turns(6).await;
    // Each call uses 15 tokens: after the second one the budget is used up.
    let run = run_with_budget(&stage, json!({"total_tokens": 20})).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("budget_tokens")));
    assert_eq!((&run["iterations"], &run["usage"]["total_tokens"]), (&json!(2), &json!(30)));
    assert_eq!(stage.model.calls().len(), 2);
}

#[tokio::test]
async fn the_cost_budget_is_counted_with_the_configured_prices() {
    let stage = Stage::builder(|call| Reply::turn(call.turn(), 6).using(1_000_000, 500_000))
        .var("PRICES", r#"{"openai:tiny":{"input":1.0,"output":2.0}}"#)
        .start()
        .await;
    // 1 USD for the input and 1 USD for the output of each call.
    let run = run_with_budget(&stage, json!({"cost_usd": 5.5})).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("budget_cost")));
    assert_eq!((&run["iterations"], &run["usage"]["cost_usd"]), (&json!(3), &json!(6.0)));
    assert_eq!(stage.model.calls().len(), 3);
}

#[tokio::test]
async fn the_deadline_aborts_the_call_in_flight() {
    let stage =
        Stage::new(|call| if call.turn() == 2 { Reply::hang() } else { Reply::turn(call.turn(), 3) }).await;
    let run = run_with_budget(&stage, json!({"deadline_ms": 2000})).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("deadline")));
    assert_eq!(run["iterations"], 1);
    let time = |field: &str| run[field].as_u64().expect("a time");
    assert!(time("ended_at") - time("accepted_at") >= 2_000, "{run}");
    eventually("the model server to see the disconnect", || async {
        stage.model.calls()[1].disconnected.then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_deadline_ends_a_back_off() {
    let stage = Stage::new(|_| Reply::status(503)).await;
    let run = run_with_budget(&stage, json!({"deadline_ms": 2000})).await;
    assert_eq!(run["stop_reason"], "deadline");
    assert!(!stage.model.calls().is_empty());
}

#[tokio::test]
async fn a_server_that_asks_for_more_time_than_the_deadline_leaves_ends_the_run_at_once() {
    let stage = Stage::new(|_| Reply::too_many("200")).await;
    let run = run_with_budget(&stage, json!({"deadline_ms": 100_000})).await;
    assert_eq!(
        (&run["stop_reason"], &run["error"]["code"]),
        (&json!("model_unavailable"), &json!("rate_limited"))
    );
    assert_eq!(stage.model.calls().len(), 1);
}

#[tokio::test]
async fn the_queue_of_a_session_has_a_limit() {
    let stage = Stage::new(|_| Reply::hang()).await;
    let first = stage.api.start_task("Hold the line.").await;
    let path = format!("/v1/sessions/{}/runs", first.session);
    let mut accepted = 0;
    let refused = loop {
        let answer = stage.api.post(&path, &json!({"task": "Queue."})).await;
        if answer.status != 202 {
            break answer;
        }
        accepted += 1;
        assert!(accepted <= 1_000, "the queue has no limit");
    };
    assert!(accepted >= 10, "only {accepted} runs may wait");
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(refused.body["status"], 429);
}

async fn run_with_budget(stage: &Stage, budget: Value) -> Value {
    let post = stage.api.start(&json!({"task": "Spend.", "budget": budget})).await;
    stage.api.ended(&post).await
}
