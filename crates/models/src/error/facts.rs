//! What the members of an error say, however it is wrapped.

use serde_json::Value;

use super::{
    wait,
    words::{self, Says},
};
use crate::{lenient, workers_ai};

/// Members of an error that hold a number or a word for what it is.
const NAMES: [&str; 12] = [
    "code",
    "status",
    "status_code",
    "http_status",
    "error_code",
    "statusCode",
    "Code",
    "type",
    "name",
    "reason",
    "error_type",
    "__type",
];
/// Members that hold an error in an error, or a text that is one.
const WRAPPERS: [&str; 13] = [
    "error",
    "errors",
    "response",
    "Response",
    "Error",
    "fault",
    "detail",
    "details",
    "metadata",
    "raw",
    "message",
    "violations",
    "exception",
];
/// How far errors in errors are followed, and how many items of a list.
const DEPTH_MAX: u8 = 8;
const ITEMS_MAX: usize = 16;
/// What a text that is JSON may have, in bytes.
const INNER_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Facts {
    /// What it is called, in small letters and without signs, each name after a space.
    pub(super) names: String,
    /// Its numbers that are statuses, the outermost first.
    pub(super) statuses: Vec<u16>,
    /// What a provider's own number says.
    pub(super) own: Option<Says>,
    /// Its quota begins anew at midnight, or is none.
    pub(super) is_marked_used_up: bool,
    /// How long to wait, in milliseconds.
    pub(super) wait_ms: Option<u64>,
    /// What it is that the model wrote: Groq's codes.
    pub(super) is_written_wrong: bool,
}

impl Facts {
    pub(super) fn of(error: &Value, message: &str) -> Self {
        let mut facts = Self::default();
        facts.take(error, DEPTH_MAX);
        // A library's name for an error that it caught: `ThrottlingException`, `litellm.BadRequestError`.
        let words = message.split(|c: char| !c.is_ascii_alphanumeric());
        let is_class = |word: &&str| {
            let begins = word.starts_with(|c: char| c.is_ascii_uppercase());
            begins && ["Error", "Exception"].iter().any(|end| word.len() > end.len() && word.ends_with(end))
        };
        words.filter(is_class).take(ITEMS_MAX).for_each(|word| facts.name(word));
        facts.wait_ms = facts.wait_ms.or_else(|| wait::in_words_ms(message));
        facts
    }

    fn take(&mut self, value: &Value, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::String(text) => {
                let text = text.trim();
                if text.starts_with(['{', '['])
                    && text.len() <= INNER_BYTES_MAX
                    && let Ok(parsed) = lenient::parse(text)
                {
                    self.take(&parsed.value, depth);
                }
            }
            Value::Array(items) => items.iter().take(ITEMS_MAX).for_each(|item| self.take(item, depth)),
            Value::Object(members) => {
                for value in NAMES.iter().filter_map(|name| members.get(*name)) {
                    match (number(value), value.as_str()) {
                        (Some(code), _) => self.code(code),
                        (None, Some(text)) => self.name(text),
                        (None, None) => {}
                    }
                }
                let of_minimax = number(&value["base_resp"]["status_code"]).and_then(words::of_minimax_code);
                let is_blocked = value["promptFeedback"]["blockReason"].is_string();
                self.own = self.own.or(of_minimax).or(is_blocked.then_some(Says::Content));
                let quota = words::plain(value["quotaId"].as_str().unwrap_or_default());
                self.is_marked_used_up |= words::is_of_the_day(&quota) || value["quotaValue"] == "0";
                self.wait_ms = self.wait_ms.or_else(|| wait::in_members_ms(value));
                for inner in WRAPPERS.iter().filter_map(|name| members.get(*name)) {
                    self.take(inner, depth);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn code(&mut self, code: u64) {
        self.own = self.own.or_else(|| words::of_code(code));
        let Ok(code) = u16::try_from(code) else { return };
        let status = if (400..600).contains(&code) { Some(code) } else { workers_ai::status_of_code(code) };
        self.statuses.extend(status);
    }

    fn name(&mut self, name: &str) {
        self.is_written_wrong |= matches!(name, "tool_use_failed" | "json_validate_failed");
        self.names.push(' ');
        self.names.push_str(&words::plain(name));
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
