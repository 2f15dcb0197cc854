//! A shop whose agent refunds orders at a payment service, in several ways.

use longhaul::{
    Agent, Agents, FetchRequest, Reconciled, Tool, ToolContext, ToolError, ToolResult,
    testing::{Answer, World, calls, says},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Where payments are made.
pub(crate) const PAY: &str = "https://pay.example.com";

/// Refunds an order.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Refund {
    order: String,
    #[serde(default)]
    cents: u64,
}

/// Sends its key along, as an idempotent tool must.
pub(crate) async fn with_key(args: Refund, cx: ToolContext) -> ToolResult<Value> {
    let request = FetchRequest::post(format!("{PAY}/refunds/{}", args.order));
    answer(&cx, request.header("idempotency-key", cx.key()).json(&json!({"cents": args.cents}))?).await
}

/// Forgets its key.
pub(crate) async fn without_key(args: Refund, cx: ToolContext) -> ToolResult<Value> {
    answer(&cx, FetchRequest::post(format!("{PAY}/refunds/{}", args.order))).await
}

/// Asks whether the payment service knows of a refund.
pub(crate) async fn found(_: Refund, cx: ToolContext) -> ToolResult<Reconciled<Value>> {
    let mut answer = cx.fetch(format!("{PAY}/keys/{}", cx.key())).await?;
    Ok(if answer.status_code() == 404 { Reconciled::NotDone } else { Reconciled::Done(answer.json().await?) })
}

async fn answer(cx: &ToolContext, request: FetchRequest) -> ToolResult<Value> {
    let mut answer = cx.fetch(request).await?;
    match answer.status_code() {
        200 => Ok(answer.json().await?),
        429 | 503 => Err(ToolError::retry("the payment service is busy")),
        status => Err(ToolError::failed(format!("the payment service answers with status {status}"))),
    }
}

/// The agents of a shop with this tool.
pub(crate) fn agents(refund: Tool<Refund>) -> Agents {
    Agents::new([Agent::new("shop").egress(["pay.example.com"]).tool(refund)])
}

/// A world in which the model refunds order 7.
pub(crate) fn shop(refund: Tool<Refund>) -> World {
    World::new(agents(refund))
        .model([calls("refund", json!({"order": "7", "cents": 900})), says("Refunded.\nDONE")])
        .http(PAY, |_| Answer::json(json!({"ok": true})))
}
