use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the built-in tool that ends a run.
pub const FINISH_TOOL: &str = "finish";
/// Tokens that a message takes beside its text: its role and its frame.
pub(crate) const MESSAGE_TOKENS: u64 = 4;

/// Who speaks in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub enum Role {
    /// The agent's instructions.
    System,
    /// The task, and the loop's own `Continue.`
    User,
    /// The model.
    Assistant,
    /// A tool's result, or why there is none.
    Tool,
}

/// One message of the conversation, in the shape that models take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text, UTF-8.
    pub content: String,
    /// What the model thought before it spoke, where its server tells: no part of the answer, and sent back only where its format demands it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thoughts: String,
    /// The tools that an assistant's message asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which of an assistant's tool calls a tool's message answers: the model's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub tool_call_id: Option<String>,
    /// What the model's provider wants back with the message, unchanged. Nobody else sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub opaque: Option<Box<Opaque>>,
}

/// What a provider keeps in an answer that nobody else can read: reasoning that is signed or encrypted. It goes back
/// unchanged, and to no other model than the one that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// The full name of the model that made the items.
    pub model: String,
    /// In the order in which they came.
    pub items: Vec<OpaqueItem>,
}

/// One item, and its place in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpaqueItem {
    /// How much of the text stands before it, in bytes.
    pub text: usize,
    /// How many of the tool calls stand before it.
    pub calls: usize,
    /// As the provider sent it.
    pub item: Value,
}

impl Opaque {
    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.item.to_string().len()).sum()
    }
}

impl Message {
    /// A message without tool calls.
    pub fn text(role: Role, content: impl Into<String>) -> Self {
        let (content, thoughts) = (content.into(), String::new());
        Self { role, content, thoughts, tool_calls: Vec::new(), tool_call_id: None, opaque: None }
    }

    /// The text of a committed answer as later requests quote it: what `finish` was given, where it says nothing else, or where
    /// that is the run's structured result.
    pub(crate) fn quoted_text(&self, is_structured: bool) -> Cow<'_, str> {
        self.given(is_structured).map_or(Cow::Borrowed(&self.content), Cow::Owned)
    }

    /// What `finish` was given, where that is the answer's text.
    fn given(&self, is_structured: bool) -> Option<String> {
        let call = self.tool_calls.first().filter(|call| call.is_finish())?;
        if is_structured {
            return Some(call.arguments.clone());
        }
        self.content.trim().is_empty().then(|| finished_with(&call.arguments))
    }
}

/// A tool that the model asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// The model's own id of the call.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: JSON text, not yet checked.
    pub arguments: String,
}

impl ToolCall {
    /// Whether it is of the built-in tool that ends a run.
    pub(crate) fn is_finish(&self) -> bool {
        self.name == FINISH_TOOL
    }
}

/// Why the model stopped, in the field's common words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FinishReason {
    /// The natural end of the message.
    Stop,
    /// Cut at the output limit.
    Length,
    /// The model waits for tools.
    ToolCalls,
    /// Cut by a content filter.
    ContentFilter,
    /// A word that this version does not know.
    Other,
}

/// What a call used, or all calls of a run together. What is unknown is `None`, never 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Tokens of the request.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: Option<u64>,
    /// Both, as the provider counts them.
    pub total_tokens: Option<u64>,
    /// US dollars, by the price table at the time of the call.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub cost_usd: Option<f64>,
    /// Input tokens that came from the provider's cache; absent where the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Input tokens that went into the provider's cache; absent where the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Output tokens that were spent on reasoning; absent where the provider does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Whether a part of the numbers is estimated, because a server did not count and the run has a budget; absent where
    /// none is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// The sum: an unknown part leaves the known one as it is; two unknowns stay unknown.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input_tokens: sum(self.input_tokens, other.input_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
            total_tokens: sum(self.total_tokens, other.total_tokens),
            cost_usd: match (self.cost_usd, other.cost_usd) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
            cached_input_tokens: sum(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_tokens: sum(self.cache_write_tokens, other.cache_write_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            estimated: self.estimated || other.estimated,
        }
    }

    /// Puts estimates in the place of what the server did not count. What follows from the rest is none.
    pub fn estimate(&mut self, input: u64, output: u64) {
        let missing =
            |part: Option<u64>| self.total_tokens.zip(part).map(|(all, part)| all.saturating_sub(part));
        let known = (self.input_tokens, self.output_tokens);
        let input_known = known.0.or_else(|| missing(known.1));
        let output_known = known.1.or_else(|| missing(known.0));
        self.estimated |= input_known.is_none() || output_known.is_none();
        let all = self.total_tokens.unwrap_or(u64::MAX);
        let input = input_known.unwrap_or(input.min(all));
        let output = output_known.unwrap_or_else(|| self.total_tokens.map_or(output, |all| all - input));
        self.input_tokens = Some(input);
        self.output_tokens = Some(output);
        self.total_tokens.get_or_insert(input.saturating_add(output));
    }

    /// The same, and no less than an estimate.
    pub(crate) fn at_least(&self, estimate: &Self) -> Self {
        let most = |known: Option<u64>, estimated: Option<u64>| known.max(estimated);
        let input = most(self.input_tokens, estimate.input_tokens);
        let output = most(self.output_tokens, estimate.output_tokens);
        Self {
            input_tokens: input,
            output_tokens: output,
            total_tokens: most(self.total_tokens, sum(input, output)),
            cost_usd: match (self.cost_usd, estimate.cost_usd) {
                (Some(known), Some(estimated)) => Some(known.max(estimated)),
                (known, estimated) => known.or(estimated),
            },
            estimated: true,
            ..self.clone()
        }
    }

    /// The same where servers counted all of it: an estimate is told to nobody who adds it to counts.
    pub fn counted(&self) -> Option<&Self> {
        (!self.estimated).then_some(self)
    }
}

impl Message {
    /// The tokens that it counts as where its server does not count.
    pub fn estimated_tokens(&self) -> u64 {
        let arguments = self.tool_calls.iter().map(|call| estimated_tokens(&call.arguments));
        let thoughts = if self.thoughts.is_empty() { 0 } else { estimated_tokens(&self.thoughts) };
        arguments.sum::<u64>() + thoughts + estimated_tokens(&self.content)
    }
}

/// A whole answer, as a codec of `longhaul-models` reads it from the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAnswer {
    /// The assistant's message.
    pub message: Message,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it used.
    pub usage: Usage,
    /// The provider's id of the response.
    pub response_id: Option<String>,
    /// The model that answered, where the provider names it.
    pub response_model: Option<String>,
}

impl ModelAnswer {
    /// Says which model made it, by its full name: to no other one goes back what its provider keeps in it.
    pub fn made_by(&mut self, model: &str) {
        if let Some(opaque) = &mut self.message.opaque {
            model.clone_into(&mut opaque.model);
        }
    }
}

/// A committed answer as later requests quote it: a call of `finish` has no tool message after it, and servers refuse
/// a conversation with a tool call that was never answered.
pub(crate) fn as_quoted(message: Message, is_structured: bool) -> Message {
    let given = message.given(is_structured);
    // What a provider signed belongs to the whole answer.
    let opaque = if message.tool_calls.is_empty() { message.opaque } else { None };
    let mut quoted = Message { tool_calls: Vec::new(), opaque, ..message };
    if let Some(text) = given {
        quoted.content = text;
    }
    quoted
}

/// What a model handed to `finish`: the `result` of its arguments, or all of them.
fn finished_with(arguments: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(arguments.as_bytes()) else {
        return arguments.to_owned();
    };
    match fields.get("result") {
        Some(Value::String(result)) => result.clone(),
        None if fields.is_empty() => String::new(),
        _ => arguments.to_owned(),
    }
}

/// The tokens that a message of this text counts as: a third of its ASCII bytes and half of all others, rounded up, and
/// four for its frame. Real tokenizers make fewer of most texts.
pub fn estimated_tokens(text: &str) -> u64 {
    let others = text.bytes().filter(|byte| !byte.is_ascii()).count();
    (2 * text.len() as u64 + others as u64).div_ceil(6) + MESSAGE_TOKENS
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_usage_stays_unknown_and_known_usage_adds_up() {
        let known = Usage { input_tokens: Some(3), cost_usd: Some(0.5), ..Usage::default() };
        let sum = known.plus(&Usage::default()).plus(&known);
        assert_eq!(sum.input_tokens, Some(6));
        assert_eq!(sum.cost_usd, Some(1.0));
        assert_eq!(sum.output_tokens, None);
        assert!(!sum.estimated);
    }

    #[test]
    fn what_was_not_counted_is_estimated_and_marked() {
        let of = |input, output, total| {
            let (input_tokens, output_tokens, total_tokens) = (input, output, total);
            Usage { input_tokens, output_tokens, total_tokens, ..Usage::default() }
        };
        let all = (Some(7), Some(3), Some(10));
        for (told, filled, estimated) in [
            (all, all, false),
            // What follows from the rest is no estimate.
            ((Some(7), Some(3), None), all, false),
            ((Some(7), None, Some(10)), all, false),
            ((None, Some(3), Some(10)), all, false),
            ((Some(12), None, Some(10)), (Some(12), Some(0), Some(10)), false),
            ((None, None, None), (Some(40), Some(20), Some(60)), true),
            ((Some(7), None, None), (Some(7), Some(20), Some(27)), true),
            ((None, Some(3), None), (Some(40), Some(3), Some(43)), true),
            ((None, None, Some(50)), (Some(40), Some(10), Some(50)), true),
            ((None, None, Some(30)), (Some(30), Some(0), Some(30)), true),
        ] {
            let mut usage = of(told.0, told.1, told.2);
            usage.estimate(40, 20);
            assert_eq!(usage, Usage { estimated, ..of(filled.0, filled.1, filled.2) }, "{told:?}");
            assert_eq!(usage.counted().is_some(), !estimated);
            assert_eq!(usage.plus(&of(Some(1), None, None)).estimated, estimated);
            assert_eq!(of(Some(1), None, None).plus(&usage).estimated, estimated);
        }
    }

    #[test]
    fn an_estimate_counts_all_that_a_model_wrote() {
        let mut message = Message::text(Role::Assistant, "a".repeat(30));
        assert_eq!(message.estimated_tokens(), 10 + MESSAGE_TOKENS);
        message.thoughts = "b".repeat(60);
        assert_eq!(message.estimated_tokens(), 30 + 2 * MESSAGE_TOKENS);
        let call = ToolCall { id: "1".to_owned(), name: "f".to_owned(), arguments: "ü".repeat(3) };
        message.tool_calls.push(call);
        assert_eq!(message.estimated_tokens(), 33 + 3 * MESSAGE_TOKENS);
    }
}
