//! A researcher: it reads pages of one library side by side, and gives a report whose shape is fixed.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::{Agent, Agents, FetchRequest, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use worker::{Context, Env, Request, Response, Result, event};

/// Finds pages about a subject. It gives their addresses.
#[derive(Deserialize, JsonSchema)]
struct Search {
    words: String,
}

async fn search(args: Search, cx: ToolContext) -> ToolResult<Value> {
    let url = format!("{}/search", cx.var("LIBRARY_URL")?);
    ask(&cx, FetchRequest::post(url).json(&args.words)?).await
}

/// Reads a page.
#[derive(Deserialize, JsonSchema)]
struct Read {
    /// Its address, as `search` gives it.
    url: String,
}

async fn read(args: Read, cx: ToolContext) -> ToolResult<Value> {
    // The model chose the address: the list of hosts says whether it is asked.
    ask(&cx, FetchRequest::get(args.url)).await
}

async fn ask(cx: &ToolContext, request: FetchRequest) -> ToolResult<Value> {
    let mut answer = cx.fetch(request).await?;
    match answer.status_code() {
        200 => Ok(answer.json().await?),
        429 | 503 => Err(ToolError::retry("the library is busy")),
        status => Err(ToolError::failed(format!("the library answers with status {status}"))),
    }
}

/// What came of it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the run's `output` is this as JSON")]
struct Report {
    /// One sentence.
    summary: String,
    /// What was read, and says so.
    #[schemars(length(min = 1))]
    sources: Vec<Source>,
    confidence: Confidence,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "as above")]
struct Source {
    url: String,
    quote: String,
}

#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "as above")]
enum Confidence {
    /// Two sources agree.
    High,
    Low,
}

/// The agents of the deployment.
pub fn agents() -> Agents {
    let researcher = Agent::new("researcher")
        .instructions("Search first, read what you find side by side, then report. Cite only what you read.")
        .egress(["$LIBRARY_URL"])
        .tool(Tool::new("search", search).read())
        .tool(Tool::new("read", read).read())
        .output::<Report>();
    Agents::new([researcher])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
