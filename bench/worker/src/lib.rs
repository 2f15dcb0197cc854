//! What the bench serves in its runs with tools: the default agent, with one tool.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::{Agent, Agents, Tool, ToolContext, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use worker::{Context, Env, Request, Response, Result, event};

/// Looks a key up.
#[derive(Deserialize, JsonSchema)]
struct Lookup {
    key: String,
}

async fn lookup(args: Lookup, _: ToolContext) -> ToolResult<String> {
    Ok(format!("the value of {} is 42", args.key))
}

fn agents() -> Agents {
    Agents::new([Agent::new("default").tool(Tool::new("lookup", lookup).read())])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
