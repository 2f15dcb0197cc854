//! The shop's second agent: a tool of each kind that a crash can meet.

use longhaul::{Agent, FetchRequest, Reconciled, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Acts on an item of the stock.
#[derive(Deserialize, JsonSchema)]
struct Item {
    item: u32,
}

async fn ledger(method: &str, act: &str, item: Item, cx: ToolContext) -> ToolResult<Value> {
    let url = format!("{}/{act}/{}?item={}", cx.var("LEDGER_URL")?, cx.key(), item.item);
    let mut answer = cx.fetch(FetchRequest::new(method, url)).await?;
    match answer.status_code() {
        200 => Ok(answer.json().await?),
        404 => Ok(Value::Null),
        status => Err(ToolError::failed(format!("the ledger answers with status {status}"))),
    }
}

async fn find_packed(item: Item, cx: ToolContext) -> ToolResult<Reconciled<Value>> {
    let found = ledger("GET", "pack", item, cx).await?;
    Ok(if found.is_null() { Reconciled::NotDone } else { Reconciled::Done(found) })
}

pub(crate) fn agent() -> Agent {
    let tool = |act: &'static str| Tool::new(act, move |item, cx| ledger("POST", act, item, cx));
    Agent::new("warehouse")
        .egress(["$LEDGER_URL"])
        .tool(tool("count").read())
        .tool(tool("reserve").idempotent())
        .tool(tool("ship").once())
        .tool(tool("pack").once().reconcile(find_packed))
        .tool(tool("recall").once().always_ask().summary(|it: &Item| format!("Recall item {}", it.item)))
}
