//! Tools of each kind: the code of `docs/tools.md`.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use std::time::Duration;

use longhaul::{Agent, Agents, Tool, ToolContext, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use worker::{Context, Delay, Env, Request, Response, Result, event};

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

async fn tide(args: Tide, _: ToolContext) -> std::result::Result<High, ToolError> {
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

async fn count(args: Count, cx: ToolContext) -> std::result::Result<u32, ToolError> {
    for step in 1..=args.steps {
        Delay::from(Duration::from_millis(args.step_ms)).await;
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

async fn letter(args: Letter, _: ToolContext) -> std::result::Result<char, ToolError> {
    // A place beyond the word is a panic: it harms no other call.
    Ok(char::from(args.word.as_bytes()[args.place]))
}

/// Signs a text with the harbour master's key.
#[derive(Deserialize, JsonSchema)]
struct Sign {
    text: String,
}

async fn sign(args: Sign, cx: ToolContext) -> std::result::Result<String, ToolError> {
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

async fn clear(args: Clear, cx: ToolContext) -> std::result::Result<String, ToolError> {
    Ok(format!("{} may leave, by order {}", args.ship, cx.key()))
}

fn agents() -> Agents {
    let harbour = Agent::new("harbour")
        .description("Knows the tides, and lets ships leave.")
        .instructions("You run a harbour.")
        .max_iterations(20)
        .tool(Tool::new("tide", tide).read())
        .tool(Tool::new("count", count).read())
        .tool(Tool::new("letter", letter).read())
        .tool(Tool::new("sign", sign).idempotent().secrets(["HARBOUR_KEY"]))
        .tool(Tool::new("clear", clear).once().always_ask().expires_in(Duration::from_secs(3_600)));
    Agents::new([harbour, Agent::new("talker")])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
