//! One server, asked for its tools and to perform one.

use std::cell::RefCell;

use serde_json::Value;

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
pub struct Known {}

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

impl<W: Wire> Client<'_, W> {
    /// The server's tools.
    ///
    /// # Errors
    /// When there is no list.
    pub async fn list(&self) -> Result<Listing, Failure> {
        todo!("written next")
    }

    /// Performs a call, or goes on with one.
    pub async fn call(&self, _ask: &Ask<'_>) -> Outcome {
        todo!("written next")
    }
}
