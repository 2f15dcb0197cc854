//! One server, asked for its tools and to perform one.

mod challenge;
mod content;
mod era;
mod headers;
mod input;
mod listing;
mod rpc;
mod tasks;

use std::cell::RefCell;

use serde_json::{Map, Value, json};

use self::{
    era::{Era, Rpc},
    rpc::{Said, shown},
};

use crate::wire::Wire;

/// A way to one server.
pub struct Client<'a, W> {
    /// The way out.
    pub wire: &'a W,
    /// The server's address.
    pub url: &'a str,
    /// Headers of each request: the deployment's own, and `authorization` where there is a token.
    pub headers: &'a [(String, String)],
    /// What is known of the server, from earlier requests. It is kept in memory, as long as its keeper likes: all of it can be
    /// found out again.
    pub known: &'a RefCell<Known>,
}

/// What a client learned of a server: its era, its session. Nothing of it must be kept.
#[derive(Debug, Clone, Default)]
pub struct Known {
    era: Option<Era>,
    /// The version that was agreed on, in the era of sessions.
    version: Option<String>,
    /// `Mcp-Session-Id`, where the server gives one.
    session: Option<String>,
    /// The id of the last request.
    last_id: u64,
    /// Whether it says nothing beside its answers, in the era of sessions.
    is_silent: bool,
}

/// The tools of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// In the server's order.
    pub tools: Vec<Definition>,
    /// What it lists besides, and why it is not among them: the tool's name, a sentence.
    pub dropped: Vec<(String, String)>,
    /// How long the list is good for, in milliseconds, where the server says so.
    pub ttl_ms: Option<u64>,
}

/// A tool, as its server defines it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Definition {
    /// The server's own name of it.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// The schema of its arguments.
    pub input_schema: Value,
    /// `readOnlyHint`: it changes nothing.
    pub is_read_only: bool,
    /// `idempotentHint`: twice is as good as once.
    pub is_idempotent: bool,
    /// What the client needs to call it, besides its name; kept with the run: `Null` where that is nothing.
    pub extra: Value,
    /// SHA-256 over the whole definition in its RFC 8785 form, in lower-case hex.
    pub digest: String,
}

/// A call of a tool.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The server's own name of the tool.
    pub tool: &'a str,
    /// The arguments, which were checked.
    pub arguments: &'a Value,
    /// The definition's `extra`.
    pub extra: &'a Value,
    /// What is gone on with; `None` where the call begins.
    pub resume: Option<Resume<'a>>,
    /// The trace context of the attempt (W3C `traceparent`).
    pub traceparent: Option<&'a str>,
}

/// What a call goes on with.
#[derive(Debug, Clone)]
pub struct Resume<'a> {
    /// As [`Outcome::Poll`] or [`Outcome::Input`] gave it.
    pub handle: &'a Value,
    /// What a person answered to the [`Outcome::Input`] that gave the handle.
    pub input: Option<&'a Reaction>,
}

/// What a person made of a request for input.
#[derive(Debug, Clone, PartialEq)]
pub enum Reaction {
    /// The answer: an object that fits the schema.
    Accept(Value),
    /// They would rather not.
    Decline,
    /// Nobody answered.
    Cancel,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The tool gave this.
    Done(Value),
    /// The tool, or its server, says that it failed: for the model.
    Failed(String),
    /// A task, which goes on at the server: look again.
    Poll {
        /// What to go on with. At most [`crate::limits::HANDLE_BYTES_MAX`] as JSON.
        handle: Value,
        /// After this many milliseconds.
        after_ms: u64,
    },
    /// The server asks a person.
    Input {
        /// What to go on with.
        handle: Value,
        /// Whether going on twice does no more than once: where it is a task that is answered.
        is_repeatable: bool,
        /// What they are asked: data.
        message: String,
        /// The JSON Schema of the answer, an object's; `Null` where only a yes is asked for (a URL).
        schema: Value,
        /// A page that they are to visit.
        url: Option<String>,
    },
    /// The server wants a token, another one, or one with more rights. Nothing was done.
    Unauthorized(Challenge),
    /// The server does not take it now. Nothing was done.
    Busy {
        /// In words.
        message: String,
        /// `Retry-After`, in milliseconds.
        after_ms: Option<u64>,
    },
    /// The answer is lost: the call may have been performed. In words.
    Lost(String),
}

/// Why there is no list.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// The server wants a token, another one, or one with more rights.
    Unauthorized(Challenge),
    /// It may pass: the server is down, slow or busy. In words; `Retry-After` in milliseconds.
    Transient(String, Option<u64>),
    /// It will not pass by itself: in words.
    Permanent(String),
}

/// What a server says that wants a token: its `WWW-Authenticate` (RFC 6750, RFC 9728), as far as it is understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The HTTP status: 401 or 403.
    pub status: u16,
    /// `resource_metadata`.
    pub resource_metadata: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `error`: `invalid_token`, `insufficient_scope`.
    pub error: Option<String>,
}

/// How often one attempt goes on at once with a server that only wants its state back.
const AT_ONCE_MAX: u32 = 8;

impl<W: Wire> Client<'_, W> {
    /// The server's tools.
    ///
    /// # Errors
    /// When there is no list.
    pub async fn list(&self) -> Result<Listing, Failure> {
        listing::list(self).await
    }

    /// Performs a call, or goes on with one.
    pub async fn call(&self, ask: &Ask<'_>) -> Outcome {
        self.remember(ask.extra);
        let Some(resume) = &ask.resume else { return self.perform(ask, Map::new()).await };
        let handle = resume.handle;
        if handle.get("task").is_some() {
            tasks::go_on(self, ask, resume).await
        } else if handle.get("session").is_some() {
            input::go_on_in_session(self, ask, resume).await
        } else {
            match input::answered(handle, resume.input) {
                input::Next::Ask(outcome) => outcome,
                input::Next::Send(more) => self.perform(ask, more).await,
            }
        }
    }

    /// Calls the tool, `more` being what goes beside its arguments.
    async fn perform(&self, ask: &Ask<'_>, more: Map<String, Value>) -> Outcome {
        let (mut more, mut extra, mut has_relisted) = (more, ask.extra.clone(), false);
        for _ in 0..AT_ONCE_MAX {
            let mut params = Map::new();
            params.insert("name".to_owned(), ask.tool.into());
            params.insert("arguments".to_owned(), ask.arguments.clone());
            params.extend(more.clone());
            let headers = headers::of_arguments(&extra, ask.arguments);
            let traceparent = ask.traceparent;
            let rpc = Rpc { method: "tools/call", params, name: Some(ask.tool), headers, traceparent };
            match self.request(&rpc).await {
                Said::Result(result) => match self.outcome_of(&result, ask) {
                    Step::Out(outcome) => return outcome,
                    // It wants its state back, and nothing else.
                    Step::AtOnce(again) => more = again,
                },
                Said::Error { code: era::HEADER_MISMATCH, .. } if !has_relisted => {
                    has_relisted = true;
                    match self.list().await {
                        Ok(listing) => {
                            let known = listing.tools.into_iter().find(|tool| tool.name == ask.tool);
                            extra = known.map_or(Value::Null, |tool| tool.extra);
                        }
                        Err(Failure::Unauthorized(challenge)) => return Outcome::Unauthorized(challenge),
                        Err(Failure::Transient(message, after_ms)) => {
                            return Outcome::Busy { message, after_ms };
                        }
                        Err(Failure::Permanent(why)) => return Outcome::Failed(why),
                    }
                }
                Said::Asked(asked) => return input::in_session(self, asked),
                said => return refused(said),
            }
        }
        Outcome::Failed("the server asks to be called again and again".to_owned())
    }

    /// What a result comes to.
    fn outcome_of(&self, result: &Value, ask: &Ask<'_>) -> Step {
        match result["resultType"].as_str() {
            None | Some("complete") => Step::Out(content::outcome(result, ask.extra)),
            Some("task") => Step::Out(tasks::begun(result)),
            Some("input_required") => input::required(result),
            Some(other) => {
                let text = format!("the server answered with a result of an unknown type, {}", shown(other));
                Step::Out(Outcome::Failed(text))
            }
        }
    }
}

/// What follows from a result.
enum Step {
    /// This is what came of the call.
    Out(Outcome),
    /// The call is made again at once, with this beside its arguments.
    AtOnce(Map<String, Value>),
}

/// What comes of a call that brought no result.
fn refused(said: Said) -> Outcome {
    match said {
        Said::Unauthorized(challenge) => Outcome::Unauthorized(challenge),
        Said::Busy { message, after_ms } => Outcome::Busy { message, after_ms },
        Said::Lost(why) => Outcome::Lost(why),
        // It may have been performed: what it gave cannot be read.
        Said::Nonsense(why) => Outcome::Lost(why),
        Said::Refused { message, .. } => Outcome::Failed(format!("the server refuses the call: {message}")),
        Said::Error { code, message, .. } => {
            Outcome::Failed(format!("the server refuses the call ({code}): {message}"))
        }
        Said::Result(_) | Said::Asked(_) | Said::Taken => {
            Outcome::Failed("the server answered what was not asked".to_owned())
        }
    }
}

/// What the client says of itself.
fn client_info() -> Value {
    json!({"name": "longhaul", "version": env!("CARGO_PKG_VERSION")})
}

#[cfg(test)]
mod tests;
