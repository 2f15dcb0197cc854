//! The deployable Worker: the fetch event and the classes of Durable Objects.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use longhaul::Agents;
use worker::{Context, Env, Request, Response, Result, event};

/// The default agent alone.
fn agents() -> Agents {
    Agents::default()
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant);
