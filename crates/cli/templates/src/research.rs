//! A researcher: it reads pages side by side, and gives a report whose shape is fixed.

use longhaul::{Agent, Agents, FetchRequest, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use worker::{Context, Env, Request, Response, Result, event};

/// Reads a page.
#[derive(Deserialize, JsonSchema)]
struct Read {
    /// Its address.
    url: String,
}

async fn read(args: Read, cx: ToolContext) -> ToolResult<String> {
    // The model chose the address: the agent's list of hosts says whether it is asked.
    let mut answer = cx.fetch(FetchRequest::get(args.url)).await?;
    match answer.status_code() {
        200 => Ok(answer.text().await?),
        429 | 503 => Err(ToolError::retry("the server is busy")),
        status => Err(ToolError::failed(format!("the server answers with status {status}"))),
    }
}

/// What came of it: the run's `output`, as JSON.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema alone is used")]
struct Report {
    /// One sentence.
    summary: String,
    /// The addresses that were read.
    sources: Vec<String>,
}

/// The agents of the deployment.
pub fn agents() -> Agents {
    let researcher = Agent::new("researcher")
        .instructions("You answer a question from pages that you have read, and name them.")
        .egress(["en.wikipedia.org"])
        .tool(Tool::new("read", read).read())
        .output::<Report>()
        .max_iterations(12);
    Agents::new([researcher])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
