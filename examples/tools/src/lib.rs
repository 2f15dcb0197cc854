//! Tools of each kind, as `docs/tools.md` explains them.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use std::time::Duration;

use longhaul::{Agent, Agents, FetchRequest, Tool, ToolContext, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, info_span};
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

/// Counts up to a number, a step at a time.
#[derive(Deserialize, JsonSchema)]
struct Count {
    steps: u32,
    /// How long a step takes, in milliseconds.
    step_ms: u64,
}

async fn count(args: Count, cx: ToolContext) -> ToolResult<u32> {
    for step in 1..=args.steps {
        // A span of the tool's own, below its call in the run's trace.
        cx.sleep(Duration::from_millis(args.step_ms)).instrument(info_span!("step", step)).await;
        cx.progress(&format!("{step} of {}", args.steps));
    }
    Ok(args.steps)
}

/// Gives the letter at a place in a word.
#[derive(Deserialize, JsonSchema)]
struct Letter {
    word: String,
    place: usize,
}

async fn letter(args: Letter, _: ToolContext) -> ToolResult<char> {
    // A place beyond the word is a panic: it harms no other call.
    Ok(char::from(args.word.as_bytes()[args.place]))
}

/// Signs a text with the harbour master's key.
#[derive(Deserialize, JsonSchema)]
struct Sign {
    text: String,
}

async fn sign(args: Sign, cx: ToolContext) -> ToolResult<String> {
    let key = cx.secret("HARBOUR_KEY")?;
    // A mistake: the key is a part of what the model gets. The runtime takes it out.
    cx.progress(&format!("signing with {key}"));
    Ok(format!("{}\nsigned for {} with {key}, call {}", args.text, cx.tenant(), cx.key()))
}

/// Lets a ship leave.
#[derive(Deserialize, JsonSchema)]
struct Clear {
    ship: String,
}

async fn clear(args: Clear, cx: ToolContext) -> ToolResult<String> {
    Ok(format!("{} may leave, by order {}", args.ship, cx.key()))
}

/// Reads a notice.
#[derive(Deserialize, JsonSchema)]
struct Notice {
    /// The address of the notice.
    url: String,
}

async fn notice(args: Notice, cx: ToolContext) -> ToolResult<String> {
    // The address is the model's: only the hosts of the agent's list are reached.
    let request = FetchRequest::get(args.url).header("authorization", "Bearer of-the-harbour");
    Ok(cx.fetch(request).await?.text().await?)
}

pub fn agents() -> Agents {
    let clear = Tool::new("clear", clear).once().always_ask().expires_in(Duration::from_secs(3_600));
    let clear = clear.summary(|args| format!("Let the {} leave", args.ship));
    let harbour = Agent::new("harbour")
        .description("Knows the tides, and lets ships leave.")
        .instructions("You run a harbour.")
        .max_iterations(20)
        .tool(Tool::new("tide", tide).read())
        .tool(Tool::new("count", count).read())
        .tool(Tool::new("letter", letter).read().costs(|_| 0.02))
        .egress(["$NOTICES_URL", "$TIDES_URL"])
        .tool(Tool::new("notice", notice).read())
        .tool(Tool::new("sign", sign).idempotent().secrets(["HARBOUR_KEY"]))
        .tool(clear);
    Agents::new([harbour, Agent::new("talker")])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
