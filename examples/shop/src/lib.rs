//! A shop's agent: it finds orders and refunds them. A person approves a refund above 50.00.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

mod warehouse;
use longhaul::{Agent, Agents, FetchRequest, Reconciled, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use worker::{Context, Env, Request, Response, Result, event};

/// Finds an order.
#[derive(Deserialize, JsonSchema)]
struct Find {
    order: u32,
}

async fn find(args: Find, cx: ToolContext) -> ToolResult<Value> {
    ledger(&cx, "GET", format!("orders/{}", args.order)).await
}

/// Refunds an order.
#[derive(Deserialize, JsonSchema)]
struct Refund {
    order: u32,
    cents: u32,
}

async fn refund(args: Refund, cx: ToolContext) -> ToolResult<Value> {
    ledger(&cx, "POST", format!("refunds/{}?order={}&cents={}", cx.key(), args.order, args.cents)).await
}

async fn find_refund(_: Refund, cx: ToolContext) -> ToolResult<Reconciled<Value>> {
    let found = ledger(&cx, "GET", format!("refunds/{}", cx.key())).await?;
    Ok(if found.is_null() { Reconciled::NotDone } else { Reconciled::Done(found) })
}

async fn ledger(cx: &ToolContext, method: &str, path: String) -> ToolResult<Value> {
    let url = format!("{}/{path}", cx.var("LEDGER_URL")?);
    let request = FetchRequest::new(method, url).header("authorization", cx.secret("LEDGER_KEY")?);
    let mut answer = cx.fetch(request).await?;
    match answer.status_code() {
        200 => Ok(answer.json().await?),
        404 => Ok(Value::Null),
        status => Err(ToolError::failed(format!("the ledger answers with status {status}"))),
    }
}

pub fn agents() -> Agents {
    let find = Tool::new("find", find).read().secrets(["LEDGER_KEY"]);
    let refund = Tool::new("refund", refund).once().reconcile(find_refund).secrets(["LEDGER_KEY"]);
    let refund = refund.ask_when(|args| args.cents > 5_000);
    Agents::new([Agent::new("shop").egress(["$LEDGER_URL"]).tool(find).tool(refund), warehouse::agent()])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
