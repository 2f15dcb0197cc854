//! An agent: it writes a haiku and improves it.

use longhaul::{Agent, Agents};
use worker::{Context, Env, Request, Response, Result, event};

/// The agents of the deployment.
pub fn agents() -> Agents {
    let haiku = Agent::new("haiku")
        .instructions(
            "You write one haiku on the task: 5, 7 and 5 syllables. Improve it in each turn. In your last turn give the \
             final haiku alone.",
        )
        .max_iterations(4)
        .sentinel("DONE");
    Agents::new([haiku])
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, agents = agents);
