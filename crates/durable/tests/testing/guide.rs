//! The code of `docs/testing.md`, word for word: see [`the_guide_is_this_code`].

use longhaul::{
    Agent, Agents, FetchRequest, Tool, ToolContext, ToolError, ToolResult,
    testing::{Answer, Moment, Reply, RunStatus, World, calls, deaths, says},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Refunds an order.
#[derive(Deserialize, JsonSchema)]
struct Refund {
    /// The order's number.
    order: String,
    cents: u32,
}

async fn refund(args: Refund, cx: ToolContext) -> ToolResult<Value> {
    let request = FetchRequest::post(format!("https://pay.example.com/refunds/{}", args.order))
        .header("idempotency-key", cx.key())
        .json(&json!({"cents": args.cents}))?;
    let mut answer = cx.fetch(request).await?;
    match answer.status_code() {
        200 => Ok(answer.json().await?),
        503 => Err(ToolError::retry("the payment service is busy")),
        status => Err(ToolError::failed(format!("the payment service answers with status {status}"))),
    }
}

fn agents() -> Agents {
    let refund = Tool::new("refund", refund).idempotent().ask_when(|args| args.cents > 5_000);
    Agents::new([Agent::new("shop").egress(["pay.example.com"]).tool(refund)])
}

fn shop() -> World {
    World::new(agents())
        .model([calls("refund", json!({"order": "7", "cents": 900})), says("Refunded.\nDONE")])
        .http("https://pay.example.com", |_| Answer::json(json!({"ok": true})))
}

#[test]
fn an_order_is_refunded() {
    let mut world = shop();
    let run = world.run("Refund order 7");
    assert_eq!(run.result.as_deref(), Some("Refunded."), "{world}");
    assert_eq!(world.calls("refund")[0].result, Some(json!({"ok": true})));
    assert_eq!(world.requests("https://pay.example.com")[0].json(), json!({"cents": 900}));
}

#[test]
fn a_refund_is_made_once_whatever_dies() {
    for world in deaths(shop, |world| world.run("Refund order 7")) {
        assert_eq!(world.effects("https://pay.example.com"), 1, "{world}");
    }
}

#[test]
fn a_death_right_after_the_payment() {
    let mut world = shop().dies(Moment::requested("https://pay.example.com"));
    let run = world.run("Refund order 7");
    assert_eq!((run.status, world.deaths()), (RunStatus::Succeeded, 1), "{world}");
    assert_eq!(world.calls("refund")[0].attempts, 2);
}

#[test]
fn a_large_refund_waits_for_a_person() {
    let mut world =
        shop().model([calls("refund", json!({"order": "7", "cents": 9_000})), says("Done.\nDONE")]);
    assert_eq!(world.run("Refund order 7").status, RunStatus::Waiting, "{world}");
    world.advance(Duration::from_secs(3 * 24 * 3_600));
    world.kill();
    world.approve("refund");
    assert_eq!(world.last_run().status, RunStatus::Succeeded, "{world}");
}

#[test]
fn faults_are_borne() {
    let mut busy = true;
    let mut world = shop()
        .model([
            Reply::status(429).retry_after(30),
            calls("refund", json!({"order": "7", "cents": 900})),
            says("Refunded.\nDONE"),
        ])
        .http("https://pay.example.com", move |_| match std::mem::take(&mut busy) {
            true => Answer::status(503),
            false => Answer::json(json!({"ok": true})),
        });
    let run = world.run("Refund order 7");
    assert_eq!(run.status, RunStatus::Succeeded, "{world}");
    assert_eq!(world.calls("refund")[0].attempts, 2);
}

#[test]
fn a_tool_and_a_model_that_the_test_plays() {
    let mut world = World::new(agents())
        .tool("refund", |call| Ok(json!({"refunded": call.arguments["order"]})))
        .model_with(|request| match request.mentions("refunded") {
            false => calls("refund", json!({"order": "7", "cents": 900})),
            true => says("Refunded.\nDONE"),
        });
    world.run("Refund order 7");
    assert_eq!(world.performed("refund").len(), 1, "{world}");
}

#[test]
fn the_deployments_rules_hold() {
    let rules = json!({"rules": [{"tool": "refund", "when": {"/cents": {"gt": 500}}, "verdict": "deny"}]});
    let mut world = shop().var("TOOL_POLICY", rules.to_string());
    world.run("Refund order 7");
    assert_eq!(world.calls("refund")[0].error.as_deref(), Some("refused"), "{world}");
    assert!(world.requests("https://pay.example.com").is_empty());
}

/// Each block of Rust in the guide stands here, word for word.
#[test]
fn the_guide_is_this_code() {
    let guide = include_str!("../../../../docs/testing.md");
    let blocks: Vec<&str> =
        guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 5, "{blocks:?}");
    for block in blocks {
        assert!(
            include_str!("guide.rs").contains(block.trim_end()),
            "the guide has code that no test runs:\n{block}"
        );
    }
}
