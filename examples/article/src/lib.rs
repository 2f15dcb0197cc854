//! A Workers AI agent with a loop of six turns at most: "Continue.", DONE, and one trace of it all.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::{Agent, Agents};
use worker::{Context, Env, Request, Response, Result, event};

fn agents() -> Agents {
    let agent = Agent::new("workers-ai-agent").model("@cf/meta/llama-3-8b-instruct").max_iterations(6);
    Agents::new([agent])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant);
