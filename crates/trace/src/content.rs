use std::{borrow::Cow, str::FromStr};

use longhaul_core::{Role, ToolCall};
use serde::Serialize;
use serde_json::Value as Json;
use thiserror::Error;

use crate::{fold::Trace, span::Span};

/// One attribute with content at most, in bytes of UTF-8.
pub const CONTENT_BYTES_MAX: usize = 28 * 1024;
/// Characters of each message that a preview keeps.
pub const PREVIEW_CHARS: usize = 200;
/// The name or the id of a tool call, in characters: a model chooses both.
const TOOL_NAME_CHARS_MAX: usize = 128;
/// The attributes of what a tool was given and gave.
pub(crate) const ARGUMENTS_KEY: &str = "gen_ai.tool.call.arguments";
pub(crate) const RESULT_KEY: &str = "gen_ai.tool.call.result";
/// Those of what a person chose and said.
pub(crate) const EDITED_KEY: &str = "longhaul.approval.arguments";
pub(crate) const SUMMARY_KEY: &str = "longhaul.approval.summary";
pub(crate) const REASON_KEY: &str = "longhaul.approval.reason";
/// What the note of left out messages takes in an attribute, in bytes.
const LEFT_OUT_BYTES_MAX: usize = 128;

/// How much content a trace carries that leaves the object: the variable `CAPTURE`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Capture {
    /// Everything, up to [`CONTENT_BYTES_MAX`] per attribute.
    Full,
    /// The first [`PREVIEW_CHARS`] characters of each message.
    #[default]
    Preview,
    /// Nothing.
    Off,
}

/// A word that is no [`Capture`]. The operator must correct the variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be full, preview or off")]
pub struct UnknownCapture;

impl Capture {
    /// Characters of each text that are let out; `None` where nothing is.
    fn chars_max(self) -> Option<usize> {
        match self {
            Self::Full => Some(usize::MAX),
            Self::Preview => Some(PREVIEW_CHARS),
            Self::Off => None,
        }
    }
}

impl FromStr for Capture {
    type Err = UnknownCapture;

    fn from_str(text: &str) -> Result<Self, UnknownCapture> {
        match text {
            "full" => Ok(Self::Full),
            "preview" => Ok(Self::Preview),
            "off" => Ok(Self::Off),
            _ => Err(UnknownCapture),
        }
    }
}

/// What was said in a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Content<'a> {
    /// The system message of a call.
    pub system: Option<&'a str>,
    /// Of a call: the conversation that it sent, oldest first. Of the root: the task. Else empty.
    pub input: Vec<Turn<'a>>,
    /// Of a call: the answer. Of the root: the run's result.
    pub output: Option<Turn<'a>>,
    /// Why the answer ended; of the root, the run's last answer.
    pub finish_reason: Option<&'static str>,
}

/// A message, borrowed from the trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// The text.
    pub content: &'a str,
    /// What the model thought before it spoke; of an answer alone, for no request has it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub thoughts: &'a str,
    /// The tools that it asks for.
    #[serde(skip_serializing_if = "<[ToolCall]>::is_empty")]
    pub tool_calls: &'a [ToolCall],
    /// Of a tool's result, the model's own id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
}

impl<'a> Turn<'a> {
    /// A text, and nothing else.
    pub(crate) fn text(role: Role, content: &'a str) -> Self {
        Self { role, content, thoughts: "", tool_calls: &[], tool_call_id: None }
    }
}

impl Trace {
    /// What was said in one of this trace's spans.
    pub fn content(&self, span: &Span) -> Content<'_> {
        let Some(call) = &span.model else {
            if span.parent_span_id.is_some() {
                // What a tool was given and gave is no message: see `deed_texts`.
                return Content { system: None, input: Vec::new(), output: None, finish_reason: None };
            }
            return Content {
                system: None,
                input: vec![Turn::text(Role::User, &self.task)],
                output: self.result.as_deref().map(|result| Turn::text(Role::Assistant, result)),
                // The conventions' output message must have one: it is that of the answer that became the result.
                finish_reason: self.spans.iter().rev().find_map(|span| span.model.as_ref()?.finish_reason),
            };
        };
        let messages = self.transcript.messages();
        let sent = messages.get(call.sent.clone()).unwrap_or_default();
        let line_at = |place: usize| self.lines.get(&place).filter(|_| call.left_out.contains(&place));
        Content {
            system: call.system.and_then(|index| self.systems.get(index)).map(String::as_str),
            input: sent
                .iter()
                .zip(call.sent.start..)
                .map(|(message, place)| said(message, line_at(place)))
                .collect(),
            output: call.answer.and_then(|index| messages.get(index)).map(turn),
            finish_reason: call.finish_reason,
        }
    }
}

/// What a tool was given and gave, and what a person was shown and said, by the names of the attributes that carry it.
pub(crate) fn deed_texts(span: &Span) -> Vec<(&'static str, Cow<'_, str>)> {
    let text = |value: &'_ Json| match value {
        Json::String(text) => Cow::Owned(text.clone()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Cow::Owned(value.to_string())
        }
    };
    let mut texts = Vec::new();
    if let Some(tool) = span.tool.as_ref().filter(|tool| !tool.is_listing()) {
        texts.extend(tool.arguments.as_ref().map(|value| (ARGUMENTS_KEY, Cow::Owned(value.to_string()))));
        texts.extend(tool.result.as_ref().map(|value| (RESULT_KEY, text(value))));
    }
    if let Some(wait) = &span.wait {
        texts.push((ARGUMENTS_KEY, Cow::Owned(wait.arguments.to_string())));
        texts.extend(wait.summary.as_deref().map(|summary| (SUMMARY_KEY, Cow::Borrowed(summary))));
        texts.extend(wait.edited.as_ref().map(|value| (EDITED_KEY, Cow::Owned(value.to_string()))));
        texts.extend(wait.reason.as_deref().map(|reason| (REASON_KEY, Cow::Borrowed(reason))));
        texts.extend(wait.result.as_ref().map(|value| (RESULT_KEY, text(value))));
    }
    texts
}

fn turn(message: &longhaul_core::Message) -> Turn<'_> {
    let longhaul_core::Message { role, content, thoughts, tool_calls, tool_call_id, opaque: _ } = message;
    Turn { role: *role, content, thoughts, tool_calls, tool_call_id: tool_call_id.as_deref() }
}

/// A message as a call sent it, with a line in place of its text where that was left out.
fn said<'a>(message: &'a longhaul_core::Message, line: Option<&'a String>) -> Turn<'a> {
    let sent = turn(message);
    Turn { thoughts: "", content: line.map_or(sent.content, String::as_str), ..sent }
}

/// Content as the texts of the `gen_ai.…` attributes, each at most `bytes_max` bytes.
pub(crate) struct Rendered {
    pub(crate) system: Option<String>,
    pub(crate) input: String,
    pub(crate) output: Option<String>,
}

/// Renders content for a sink; `None` when nothing is captured.
///
/// Of an input that is too long the newest messages are kept; the oldest of them is cut, and a first message in
/// brackets says how many are left out.
pub(crate) fn render(content: &Content<'_>, capture: Capture, bytes_max: usize) -> Option<Rendered> {
    let chars_max = capture.chars_max()?;
    // A span of the agent's own code says nothing.
    if content.input.is_empty() && content.output.is_none() {
        return None;
    }
    let system = content.system.and_then(|text| {
        let part = |left| json(&[Part::text(text, chars_max, &mut { left })]);
        fit(bytes_max, part).into_text()
    });
    let output = content.output.and_then(|turn| {
        let message = |left| json(&[Message::of(&turn, content.finish_reason, chars_max, left)]);
        fit(bytes_max, message).into_text()
    });
    Some(Rendered { system, input: input_json(&content.input, chars_max, bytes_max), output })
}

/// What `capture` lets out of a text, in at most `bytes_max` bytes of JSON and a marker.
pub(crate) fn captured(text: &str, capture: Capture, bytes_max: usize) -> Option<String> {
    let mut left = bytes_max;
    Some(cut(text, capture.chars_max()?, &mut left).into_owned())
}

/// `text`, or its first characters and a marker. It may have `chars_max` characters, and `left` bytes once it is
/// written as JSON; what it takes of these is subtracted. The marker comes on top.
pub(crate) fn cut<'a>(text: &'a str, chars_max: usize, left: &mut usize) -> Cow<'a, str> {
    for (count, (at, c)) in text.char_indices().enumerate() {
        let bytes = json_bytes(c);
        if count == chars_max || bytes > *left {
            return Cow::Owned(format!("{}…[{} more bytes]", &text[..at], text.len() - at));
        }
        *left -= bytes;
    }
    Cow::Borrowed(text)
}

/// A message in the form of the conventions.
#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    parts: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Reasoning { content: Cow<'a, str> },
    Text { content: Cow<'a, str> },
    ToolCall { id: Cow<'a, str>, name: Cow<'a, str>, arguments: Cow<'a, str> },
    ToolCallResponse { id: Cow<'a, str>, response: Cow<'a, str> },
}

impl<'a> Message<'a> {
    fn of(turn: &Turn<'a>, finish_reason: Option<&'static str>, chars_max: usize, mut left: usize) -> Self {
        let mut parts = Vec::with_capacity(2 + turn.tool_calls.len());
        if !turn.thoughts.is_empty() {
            // What was said comes first where not all of it fits.
            let mut half = left / 2;
            let before = half;
            parts.push(Part::Reasoning { content: cut(turn.thoughts, chars_max, &mut half) });
            left -= before - half;
        }
        if let Some(id) = turn.tool_call_id {
            let id = cut(id, TOOL_NAME_CHARS_MAX, &mut left);
            parts.push(Part::ToolCallResponse { id, response: cut(turn.content, chars_max, &mut left) });
        } else if !turn.content.is_empty() || turn.tool_calls.is_empty() {
            parts.push(Part::text(turn.content, chars_max, &mut left));
        }
        for call in turn.tool_calls {
            parts.push(Part::ToolCall {
                id: cut(&call.id, TOOL_NAME_CHARS_MAX, &mut left),
                name: cut(&call.name, TOOL_NAME_CHARS_MAX, &mut left),
                arguments: cut(&call.arguments, chars_max, &mut left),
            });
        }
        Self { role: turn.role, parts, finish_reason }
    }
}

impl<'a> Part<'a> {
    fn text(text: &'a str, chars_max: usize, left: &mut usize) -> Self {
        Self::Text { content: cut(text, chars_max, left) }
    }
}

fn input_json(turns: &[Turn<'_>], chars_max: usize, bytes_max: usize) -> String {
    let mut room = bytes_max.saturating_sub(LEFT_OUT_BYTES_MAX);
    let mut newest_first = Vec::new();
    for turn in turns.iter().rev() {
        let fitted = fit(room.saturating_sub(1), |left| json(&Message::of(turn, None, chars_max, left)));
        let is_last = !matches!(fitted, Fitted::Whole(_));
        if let Some(message) = fitted.into_text() {
            room -= message.len() + 1;
            newest_first.push(message);
        }
        if is_last {
            break;
        }
    }
    let left_out = turns.len() - newest_first.len();
    if left_out > 0 {
        let note = format!("[earlier messages left out: {left_out}]");
        let turn = Turn::text(Role::System, &note);
        newest_first.push(json(&Message::of(&turn, None, usize::MAX, usize::MAX)));
    }
    newest_first.reverse();
    format!("[{}]", newest_first.join(","))
}

/// A piece of JSON within its limit.
enum Fitted {
    Whole(String),
    Cut(String),
    /// Even without its texts it is too long.
    No,
}

impl Fitted {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Whole(text) | Self::Cut(text) => Some(text),
            Self::No => None,
        }
    }
}

/// What `render` gives in at most `bytes_max` bytes, when its argument says how many its texts may have. The work
/// is bounded by the limit, however long the texts are.
fn fit(bytes_max: usize, render: impl Fn(usize) -> String) -> Fitted {
    // A text that is cut here fills the limit alone, so with its frame the whole is over it.
    let whole = render(bytes_max);
    if whole.len() <= bytes_max {
        return Fitted::Whole(whole);
    }
    // With no room for texts all markers are there, and their numbers are the longest.
    let frame = render(0).len();
    match bytes_max.checked_sub(frame) {
        Some(left) => Fitted::Cut(render(left)),
        None => Fitted::No,
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("messages have string keys only")
}

/// What `serde_json` writes for a character of a string.
fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}
