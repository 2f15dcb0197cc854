//! An agent of one's own: it writes a haiku and improves it.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::{Agent, Agents};
use worker::{Context, Env, Request, Response, Result, event};

fn agents() -> Agents {
    let haiku = Agent::new("haiku")
        .instructions("You write one haiku on the task: 5, 7 and 5 syllables. Improve it in each turn. In your last turn give the final haiku alone.")
        .model("scripted:haiku")
        .max_iterations(4)
        .sentinel("DONE");
    Agents::new([haiku])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant);
