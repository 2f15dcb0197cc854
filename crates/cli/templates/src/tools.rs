//! An agent with two tools: it reads the tide of a port, and books a berth, which a person approves when it is dear.

use longhaul::{Agent, Agents, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use worker::{Context, Env, Request, Response, Result, event};

/// Says when the tide is high in a port.
#[derive(Deserialize, JsonSchema)]
struct Tide {
    /// The port's name.
    port: String,
}

#[derive(Serialize)]
struct High {
    port: String,
    at: &'static str,
}

async fn tide(args: Tide, _: ToolContext) -> ToolResult<High> {
    match args.port.as_str() {
        "Whitby" => Ok(High { port: args.port, at: "09:12" }),
        "Penzance" => Ok(High { port: args.port, at: "11:40" }),
        other => Err(ToolError::failed(format!("{other} is unknown; there are Whitby and Penzance"))),
    }
}

/// Books a berth in a port.
#[derive(Deserialize, JsonSchema)]
struct Berth {
    port: String,
    nights: u32,
}

async fn berth(args: Berth, cx: ToolContext) -> ToolResult<String> {
    // A service of your own is called here, with this key: it is the same however often the call is made.
    Ok(format!("booked in {} for {} nights, reference {}", args.port, args.nights, cx.key()))
}

/// The agents of the deployment.
pub fn agents() -> Agents {
    // Made again after a crash: it only reads.
    let tide = Tool::new("tide", tide).read();
    // Never made twice, whatever dies; a person approves more than three nights.
    let berth = Tool::new("berth", berth).once().ask_when(|args| args.nights > 3);
    let harbour = Agent::new("harbour").instructions("You plan landfalls.").tool(tide).tool(berth);
    Agents::new([harbour])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
