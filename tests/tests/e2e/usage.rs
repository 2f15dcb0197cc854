//! What models use, and budgets of runs whose models do not say it.

use longhaul_tests::oracle::of_type;
use longhaul_tests::{Reply, Stage, Tables};
use serde_json::{Value, json};

use crate::index::listed;

const PRICES: &str = r#"{"openai:tiny": {"input": 1000, "output": 1000}}"#;

#[tokio::test]
async fn a_budget_acts_on_an_estimate_that_is_marked() {
    let stage = Stage::builder(|call| Reply::says(format!("Answer {}.", call.turn())).without_usage())
        .index(Tables::Migrated)
        .start()
        .await;
    let body = json!({"task": "Never stop.", "budget": {"total_tokens": 150}});
    let post = stage.api.start(&body).await;
    let run = stage.api.ended(&post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("budget_tokens")));
    assert_eq!(run["usage"]["estimated"], true);
    let answered = of_type(&stage.api.events(&post.session).await, "model.answered");
    assert!((1..6).contains(&answered.len()), "{} answers", answered.len());
    let tokens = |usage: &Value| usage["total_tokens"].as_u64().expect("it is estimated");
    for event in &answered {
        let usage = &event["usage"];
        assert_eq!(usage["estimated"], true, "{event}");
        let parts =
            [&usage["input_tokens"], &usage["output_tokens"]].map(|part| part.as_u64().expect("known"));
        assert!(parts[1] > 0 && parts.iter().sum::<u64>() == tokens(usage), "{event}");
    }
    let spent: u64 = answered.iter().map(|event| tokens(&event["usage"])).sum();
    let before = spent - tokens(&answered.last().expect("an answer")["usage"]);
    assert!(before < 150 && spent >= 150, "one answer at most passes the limit: {before}, {spent}");
    assert_eq!(tokens(&run["usage"]), spent);
    // Whoever adds up what servers counted gets no estimate.
    for span in stage.sink.wait_for_trace(&post.trace_id).await {
        assert_eq!(span.attribute("longhaul.usage.estimated"), true, "{span:#?}");
        assert_eq!(span.attribute("gen_ai.usage.input_tokens"), Value::Null, "{span:#?}");
    }
    let row = listed(&stage.api, &post, "failed").await;
    assert_eq!(row["usage"]["total_tokens"], Value::Null, "{row}");
}

#[tokio::test]
async fn what_is_counted_is_not_estimated() {
    let stage = Stage::builder(|_| Reply::turn(1, 1)).var("PRICES", PRICES).start().await;
    let body = json!({"task": "Stop.", "budget": {"total_tokens": 1_000, "cost_usd": 1}});
    let post = stage.api.start(&body).await;
    let run = stage.api.ended(&post).await;
    let usage = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cost_usd": 0.015});
    assert_eq!(run["usage"], usage);
    let answered = of_type(&stage.api.events(&post.session).await, "model.answered").remove(0);
    assert_eq!((&answered["usage"], &answered["cost_usd"]), (&usage, &json!(0.015)));
}

#[tokio::test]
async fn an_estimate_has_a_price_and_what_was_cut_off_counts() {
    let stage = Stage::builder(|call| match call.arrival {
        1 => Reply::breaks_off_after("Half an answer that is long enough to be told."),
        _ => Reply::says("Whole.").without_usage(),
    })
    .var("PRICES", PRICES)
    .start()
    .await;
    let body = json!({"task": "Be paid for.", "budget": {"cost_usd": 0.4}});
    let post = stage.api.start(&body).await;
    let run = stage.api.ended(&post).await;
    assert_eq!(run["stop_reason"], "budget_cost");
    let events = stage.api.events(&post.session).await;
    let (failed, answered) = (of_type(&events, "model.failed"), of_type(&events, "model.answered"));
    assert!(!failed.is_empty());
    for event in &failed {
        assert_eq!(
            (&event["error_type"], &event["usage"]["estimated"]),
            (&json!("connection"), &json!(true))
        );
        assert!(event["usage"]["output_tokens"].as_u64() > Some(10), "what came of it counts: {event}");
    }
    let cost = |usage: &Value| usage["cost_usd"].as_f64().expect("it has a price");
    let spent: f64 = answered.iter().chain(&failed).map(|event| cost(&event["usage"])).sum();
    assert!((cost(&run["usage"]) - spent).abs() < 1e-9 && spent >= 0.4, "{spent}");
    assert!(answered.iter().all(|event| event["cost_usd"] == event["usage"]["cost_usd"]));
    assert!(answered.len() < 6, "{} answers", answered.len());
}
