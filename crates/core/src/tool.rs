use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ids::{RunId, Seq},
    limits,
    message::ToolCall,
};

/// What a crash may do to a call of a tool: the tool declares it, and nothing else is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Effect {
    /// It changes nothing: a call that was cut off is made again.
    Read,
    /// Made again with the same key it does nothing twice: a call that was cut off is made again.
    Idempotent,
    /// A call that was cut off is never made again, unless the tool finds out that nothing happened.
    Once,
}

impl Effect {
    /// Whether a call that was cut off is made again.
    pub fn may_repeat(self) -> bool {
        match self {
            Self::Read | Self::Idempotent => true,
            Self::Once => false,
        }
    }
}

/// What becomes of a call that may happen once, was cut off, and of which nobody knows whether it happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InDoubt {
    /// The model is told.
    #[default]
    Tell,
    /// A person is asked: they settle it with a result, or have it made again.
    Ask,
    /// The run fails.
    Fail,
}

/// What becomes of a call about which nobody decided in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// It is not made, and the model is told.
    #[default]
    Deny,
    /// It is made.
    Approve,
    /// The run fails.
    Fail,
}

/// The name under which a server is asked for its tools. No tool of a model's can have it.
pub const LIST_TOOLS: &str = "tools/list";

/// Where a tool is that a server performs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// The server's name in the deployment.
    pub server: String,
    /// The server's own name of the tool.
    pub tool: String,
    /// What its client needs to call it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub extra: Value,
    /// The digest of its definition: SHA-256 over the RFC 8785 form, in lower-case hex.
    pub digest: String,
}

/// A tool that a run is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOffer {
    /// Its name.
    pub name: String,
    /// What a crash may do to its calls.
    pub effect: Effect,
    /// How long a person has to approve each of its calls, in milliseconds; without it the deployment's rules alone say
    /// whether somebody is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_ms: Option<u64>,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema of its arguments, an object; any arguments where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// One attempt of a call, in milliseconds; [`limits::TOOL_TIMEOUT_MS`] when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether no other call is under way beside its own: a barrier in the order of the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// Whether the same call over and over is no loop.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_repeat: bool,
    /// Whether it can be asked what became of a call that was cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reconciles: bool,
    /// What becomes of a call in doubt.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_doubt: InDoubt,
    /// What becomes of a call about which nobody decides.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_expiry: OnExpiry,
    /// The server that performs it; the deployment's own code where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Box<Remote>>,
}

impl ToolOffer {
    /// A tool that asks nobody and takes any arguments.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            approval_ms: None,
            description: None,
            parameters: None,
            timeout_ms: None,
            alone: false,
            may_repeat: false,
            reconciles: false,
            in_doubt: InDoubt::default(),
            on_expiry: OnExpiry::default(),
            remote: None,
        }
    }

    /// How long a person has who is asked, in milliseconds.
    pub(crate) fn expires_ms(&self) -> u64 {
        self.approval_ms.unwrap_or(limits::APPROVAL_MS_DEFAULT)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a tool is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAsk {
    /// The model's own id of the call.
    pub tool_call_id: String,
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// What a crash may do to the call.
    pub effect: Effect,
    /// Why it may be made; `None` as long as nobody said that it may.
    pub leave: Option<Leave>,
    /// The rule that allowed it, or asked a person.
    pub rule: Option<String>,
    /// Whether a person changed its arguments.
    pub is_edited: bool,
    /// What the tool says that an attempt costs, in US dollars.
    pub cost_usd: Option<f64>,
    /// The server that is asked; the deployment's own code where there is none.
    pub server: Option<String>,
}

impl ToolAsk {
    /// A call about which nothing is decided.
    pub(crate) fn new(tool_call_id: String, tool: String, arguments: Value, effect: Effect) -> Self {
        Self {
            tool_call_id,
            tool,
            arguments,
            effect,
            leave: None,
            rule: None,
            is_edited: false,
            cost_usd: None,
            server: None,
        }
    }

    /// A server is asked for its tools.
    pub(crate) fn listing(server: &str) -> Self {
        let arguments = Value::Object(serde_json::Map::new());
        let ask = Self::new(String::new(), LIST_TOOLS.to_owned(), arguments, Effect::Read);
        Self { leave: Some(Leave::Allow), server: Some(server.to_owned()), ..ask }
    }

    /// Whether a server is asked for its tools: no model asked for that, and none is told.
    pub fn is_listing(&self) -> bool {
        self.tool == LIST_TOOLS && self.server.is_some()
    }
}

/// Why a tool call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Leave {
    /// No rule speaks against it.
    Allow,
    /// A person approved it.
    Approved,
}

/// A call that a model proposes, before anything is done about it.
#[derive(Debug, Clone, Copy)]
pub struct Proposed<'a> {
    /// The run.
    pub run: RunId,
    /// The run's agent.
    pub agent: &'a str,
    /// The tool, as the run was offered it.
    pub offer: &'a ToolOffer,
    /// Its arguments, which are judged, shown, stored and handed to the tool as this one value.
    pub arguments: &'a Value,
}

/// What the rules say of a proposed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Allow {
        /// The rule that says so, where one does.
        rule: Option<String>,
    },
    /// It is not made, whoever might approve it.
    Deny {
        /// Why, for the model.
        reason: String,
        /// The rule that says so.
        rule: Option<String>,
    },
    /// A person is asked.
    Ask(Question),
    /// The arguments do not fit: what is wrong, for the model.
    Invalid(String),
}

/// What a person is asked about a proposed call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The rule that asks.
    pub rule: Option<String>,
    /// What the call does, by the tool's own code.
    pub summary: Option<String>,
    /// SHA-256 over the arguments' RFC 8785 form, in lower-case hex.
    pub digest: Option<String>,
    /// How long there is to decide, in milliseconds; the tool's own time when absent.
    pub expires_ms: Option<u64>,
    /// Whether somebody else must decide than who started or steered the run.
    pub by_another: bool,
    /// Whether a person must decide, whatever the tool says about a request that expires.
    pub needs_person: bool,
    /// The schema of what they are asked for; an object's.
    pub schema: Option<Value>,
    /// The page that they are to visit.
    pub url: Option<String>,
}

/// The deployment's rules for tool calls: a function of what is proposed, and of nothing that changes meanwhile.
pub trait Judge {
    /// The verdict, which is journaled with the call.
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict;

    /// What the tool says that the call costs, in US dollars; nothing where it says nothing.
    ///
    /// # Errors
    /// When the tool cannot say it: the call is not made.
    fn cost_usd(&self, proposed: &Proposed<'_>) -> Result<Option<f64>, String> {
        let _ = proposed;
        Ok(None)
    }
}

/// The rules of a deployment that has none: a tool that declares how long a person has is asked about, any other is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfferJudge;

impl Judge for OfferJudge {
    fn judge(&self, proposed: &Proposed<'_>) -> Verdict {
        match proposed.offer.approval_ms {
            Some(_) => Verdict::Ask(Question::default()),
            None => Verdict::Allow { rule: None },
        }
    }
}

/// What a person is asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum RequestKind {
    /// Whether a call is made.
    #[default]
    Call,
    /// What became of a call that was cut off.
    InDoubt,
    /// What the server of the tool asks for, before the call goes on.
    Input,
    /// To let the deployment use the server of the tool, before the call is made once more.
    Authorize,
}

/// A request to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its entry's position, which names it.
    pub seq: Seq,
    /// What is asked.
    pub kind: RequestKind,
    /// The digest of the arguments.
    pub digest: Option<String>,
    /// What the call does.
    pub summary: Option<String>,
    /// The rule that asks.
    pub rule: Option<String>,
    /// Whether somebody else must decide than who started or steered the run.
    pub by_another: bool,
    /// The schema of what is asked for.
    pub schema: Option<Value>,
    /// The page that is to be visited.
    pub url: Option<String>,
}

/// A tool of a server that a run is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Dropped {
    /// The server's own name of it.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What a person made of a server's request for input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// This is it.
    Accept(Value),
    /// They would rather not.
    Decline,
    /// Nobody answered in time.
    Cancel,
}

/// What a call goes on with that waits at its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// As the server's client gave it: nobody else reads it.
    pub handle: Value,
    /// Whether going on twice does no more than once.
    pub is_repeatable: bool,
    /// What a person made of the request that came with the handle.
    pub reaction: Option<Reaction>,
}

/// Why a call of a tool has no result: the model is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum ToolError {
    /// As the first version had it: read for ever, written no more.
    Text(String),
    /// The word for programs, and a sentence.
    Coded {
        /// `invalid_arguments`, `unknown_tool`, `denied`, `refused`, `budget`, `repeated`, `cancelled`, `failed`,
        /// `timeout`, `in_doubt` or `too_large`.
        code: String,
        /// For the model and for people.
        message: String,
    },
}

impl ToolError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self::Coded { code: code.to_owned(), message: message.into() }
    }

    /// The tool says that it failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new("failed", message)
    }

    /// The tool cannot read its arguments, and did nothing.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new("invalid_arguments", message)
    }

    /// The deployment has no such tool any more, and nothing was done.
    pub fn unknown_tool(message: impl Into<String>) -> Self {
        Self::new("unknown_tool", message)
    }

    /// The tool's result is larger than it may be. What the tool does is done.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new("too_large", message)
    }

    /// The word for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Text(_) => "failed",
            Self::Coded { code, .. } => code,
        }
    }

    /// Whether the attempt that it answers may have done its work all the same.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(self.code(), "in_doubt" | "timeout" | "cancelled")
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Text(message) | Self::Coded { message, .. } => message,
        }
    }

    /// The sentence, to be cleared of secrets.
    pub fn message_mut(&mut self) -> &mut String {
        match self {
            Self::Text(message) | Self::Coded { message, .. } => message,
        }
    }

    /// What the model is told.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Coded { code, message } => format!("{code}: {message}"),
        }
    }

    /// Reads either form; `None` for any other value.
    pub(crate) fn read(value: Value) -> Option<Self> {
        if let Value::String(text) = value {
            return Some(Self::Text(text));
        }
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Self::Coded { code: text("code")?, message: text("message")? })
    }
}

/// What a tool gave or why it gave nothing, as the model reads it. `edited` has the arguments that a person gave the call,
/// `by` who says what came of it, where that is not the tool.
pub(crate) fn told(
    result: Option<&Value>,
    error: Option<&ToolError>,
    by: Option<&str>,
    edited: Option<&Value>,
) -> String {
    let text = match (result, error) {
        (_, Some(error)) => error.told(),
        (Some(Value::String(text)), None) => text.clone(),
        (Some(value), None) => value.to_string(),
        (None, None) => String::new(),
    };
    let text = match by {
        // What a person says is no word of the tool.
        Some(by) if !by.starts_with("system:") => format!("A person settled this call, not the tool: {text}"),
        Some(_) | None => text,
    };
    match edited {
        Some(arguments) => {
            format!("A person changed the arguments; the call was made with {arguments}. {text}")
        }
        None => text,
    }
}

/// The call that a run's models asked for last, and how often in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeats {
    asked: Rc<str>,
    times: u32,
}

impl Repeats {
    /// How often in a row `call` was asked for, this time included.
    pub(crate) fn with(known: Option<&Self>, call: &ToolCall) -> u32 {
        known.filter(|known| *known.asked == *asked(call)).map_or(0, |known| known.times) + 1
    }

    /// After `call` was asked for once more.
    pub(crate) fn after(known: Option<&Self>, call: &ToolCall) -> Self {
        Self { times: Self::with(known, call), asked: asked(call).into() }
    }
}

/// A tool and its arguments in one text: the same for the same call, however its JSON is written.
fn asked(call: &ToolCall) -> String {
    let arguments = serde_json::from_slice::<Value>(call.arguments.as_bytes());
    let arguments = arguments.map_or_else(|_| call.arguments.clone(), |value| value.to_string());
    format!("{} {arguments}", call.name)
}
