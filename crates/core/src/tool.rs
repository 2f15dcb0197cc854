use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a crash may do to a call of a tool: the tool declares it, and nothing else is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It changes nothing: a call that was cut off is made again.
    Read,
    /// Made again with the same key it does nothing twice: a call that was cut off is made again.
    Idempotent,
    /// A call that was cut off is never made again: the model is told that its outcome is unknown.
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

/// A tool that a run is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOffer {
    /// Its name.
    pub name: String,
    /// What a crash may do to its calls.
    pub effect: Effect,
    /// How long a person has to approve each of its calls, in milliseconds; without it nobody is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_ms: Option<u64>,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema of its arguments, an object; any arguments where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
}

impl ToolOffer {
    /// A tool that asks nobody and takes any arguments.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self { name: name.into(), effect, approval_ms: None, description: None, parameters: None }
    }
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
}

/// Why a call of a tool has no result: the model is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ToolError {
    /// As the first version had it: read for ever, written no more.
    Text(String),
    /// The word for programs, and a sentence.
    Coded {
        /// `invalid_arguments`, `unknown_tool`, `denied`, `refused`, `cancelled`, `failed`, `timeout` or `in_doubt`.
        code: String,
        /// For the model and for people.
        message: String,
    },
}

impl ToolError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self::Coded { code: code.to_owned(), message: message.into() }
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

/// What a tool gave or why it gave nothing, as the model reads it.
pub(crate) fn told(result: Option<&Value>, error: Option<&ToolError>) -> String {
    match (result, error) {
        (_, Some(error)) => error.told(),
        (Some(Value::String(text)), None) => text.clone(),
        (Some(value), None) => value.to_string(),
        (None, None) => String::new(),
    }
}
