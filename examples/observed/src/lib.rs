//! An agent whose own code is seen in its traces: spans around each call, a redaction rule, and sampling.
#![expect(missing_docs, reason = "the platform's macro generates methods without documentation")]

use std::time::Duration;

use futures::future::LocalBoxFuture;
use longhaul::{Agent, Agents, CallInfo, Fault, Hooks, ModelAnswer};
use tracing::Instrument;
use worker::{Context, Delay, Env, Request, Response, Result, event};

/// Words that an answer should not exceed.
const WORDS_MAX: usize = 200;

fn agents() -> Agents {
    let support = Agent::new("support").instructions("You answer customers of a shop.");
    // Of ten thousand such runs a thousand traces tell enough; those in which something went wrong are all kept.
    let bulk = Agent::new("bulk").instructions("You sort messages into topics.").sample(0.1);
    Agents::new([support, bulk])
}

/// What happens around each model call.
struct Around;

impl Hooks for Around {
    /// Spans that are opened here become children of the call's span; events go to the log with session and call.
    fn before_call<'a>(&'a self, call: &'a CallInfo) -> LocalBoxFuture<'a, ()> {
        let span = tracing::info_span!("look up stock", model = call.model.as_str(), articles = 3);
        let look_up = async {
            // Stands for a query to the shop's own system.
            Delay::from(Duration::from_millis(5)).await;
            tracing::info!(found = 3, "the stock was looked up");
        };
        Box::pin(look_up.instrument(span))
    }

    fn after_call<'a>(
        &'a self,
        _: &'a CallInfo,
        outcome: std::result::Result<&'a ModelAnswer, &'a Fault>,
    ) -> LocalBoxFuture<'a, ()> {
        let words = outcome.map_or(0, |answer| answer.message.content.split_whitespace().count());
        let span = tracing::info_span!("check answer", words);
        let check = async move {
            // An error inside of a span marks the span.
            if words > WORDS_MAX {
                tracing::error!(words, "the answer is too long");
            }
        };
        Box::pin(check.instrument(span))
    }

    /// Customer numbers (`C-` and digits) stay in the object.
    fn redact(&self, text: &str) -> Option<String> {
        if !text.contains("C-") {
            return None;
        }
        let is_number = |word: &str| {
            let digits = word.strip_prefix("C-");
            digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        };
        let replace = |part: &str| {
            let word = part.trim_end();
            if is_number(word) { part.replace(word, "[customer]") } else { part.to_owned() }
        };
        Some(text.split_inclusive(char::is_whitespace).map(replace).collect())
    }
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    longhaul::serve(request, env, context, &agents()).await
}

longhaul::objects!(Session, Tenant, hooks = Around);
