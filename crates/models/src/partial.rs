use std::collections::BTreeMap;

use longhaul_core::{
    Fault, FaultKind, FinishReason, Message, ModelAnswer, Role, ToolCall, Usage, limits::ANSWER_BYTES_MAX,
};
use serde_json::Value;

use crate::{error, wire};

/// Tool calls in one answer.
const TOOL_CALLS_MAX: usize = 128;

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Partial {
    text: String,
    tool_calls: BTreeMap<u64, ToolCall>,
    arguments_bytes: usize,
    finish_reason: Option<FinishReason>,
    usage: Usage,
    response_id: Option<String>,
    response_model: Option<String>,
    ended: bool,
}

impl Partial {
    /// The text so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds text; an answer over [`ANSWER_BYTES_MAX`] is a fault.
    pub(crate) fn push_text(&mut self, text: &str) -> Result<(), Fault> {
        self.check_size(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    /// Merges pieces of tool calls, in the shape of Chat Completions (`index`, `id`, `function`) or in the older one
    /// of Workers AI (`name`, `arguments`). A piece without an index belongs to the last call unless it has a new id.
    pub(crate) fn push_tool_calls(&mut self, pieces: &Value) -> Result<(), Fault> {
        for piece in pieces.as_array().into_iter().flatten() {
            let function = if piece["function"].is_object() { &piece["function"] } else { piece };
            let id = piece["id"].as_str().unwrap_or_default();
            let name = function["name"].as_str().unwrap_or_default();
            let arguments = wire::json_text_of(&function["arguments"]);
            self.check_size(id.len() + name.len() + arguments.len())?;
            let index = piece["index"].as_u64().unwrap_or_else(|| self.implied_index(id, name));
            let call = self.tool_calls.entry(index).or_insert_with(|| ToolCall {
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
            });
            if call.id.is_empty() {
                id.clone_into(&mut call.id);
            }
            if call.name.is_empty() {
                name.clone_into(&mut call.name);
            }
            call.arguments.push_str(&arguments);
            self.arguments_bytes += id.len() + name.len() + arguments.len();
            if self.tool_calls.len() > TOOL_CALLS_MAX {
                return Err(error::fault(
                    FaultKind::TooLarge,
                    &format!("the answer has more than {TOOL_CALLS_MAX} tool calls"),
                ));
            }
        }
        Ok(())
    }

    /// Keeps the reason why the message ended; null and the like change nothing.
    pub(crate) fn set_finish_reason(&mut self, reason: &Value) {
        if let Some(reason) = wire::finish_reason_of(reason) {
            self.finish_reason = Some(reason);
        }
    }

    /// Keeps the counts that this usage knows; a later one wins.
    pub(crate) fn set_usage(&mut self, usage: &Value) {
        let Some(usage) = wire::usage_of(usage) else { return };
        let input_tokens = usage.input_tokens.or(self.usage.input_tokens);
        let output_tokens = usage.output_tokens.or(self.usage.output_tokens);
        let sum = input_tokens.zip(output_tokens).map(|(input, output)| input.saturating_add(output));
        self.usage = Usage {
            input_tokens,
            output_tokens,
            total_tokens: usage.total_tokens.or(sum).or(self.usage.total_tokens),
            cost_usd: None,
            cached_input_tokens: usage.cached_input_tokens.or(self.usage.cached_input_tokens),
            reasoning_tokens: usage.reasoning_tokens.or(self.usage.reasoning_tokens),
        };
    }

    /// Keeps the first `id` and `model` of the response. One that is absurdly long says nothing and is dropped.
    pub(crate) fn identify(&mut self, response: &Value) {
        const NAMED_BYTES_MAX: usize = 256;
        let named = |field: &str| {
            response[field]
                .as_str()
                .filter(|text| (1..=NAMED_BYTES_MAX).contains(&text.len()))
                .map(str::to_owned)
        };
        if self.response_id.is_none() {
            self.response_id = named("id");
        }
        if self.response_model.is_none() {
            self.response_model = named("model");
        }
    }

    /// The server said that there is nothing more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Whether the server said that there is nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the message came to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended || self.finish_reason.is_some()
    }

    /// The answer. White space alone, without a tool call, is the fault `empty_response`.
    pub(crate) fn finish(self) -> Result<ModelAnswer, Fault> {
        let tool_calls: Vec<ToolCall> = self
            .tool_calls
            .into_values()
            .filter(|call| !(call.name.is_empty() && call.arguments.is_empty()))
            .enumerate()
            .map(|(index, call)| match call.id.is_empty() {
                true => ToolCall { id: format!("call_{index}"), ..call },
                false => call,
            })
            .collect();
        if tool_calls.is_empty() && self.text.trim().is_empty() {
            return Err(error::fault(FaultKind::EmptyResponse, "the model's answer is empty"));
        }
        let natural = if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        Ok(ModelAnswer {
            message: Message { role: Role::Assistant, content: self.text, tool_calls },
            finish_reason: self.finish_reason.unwrap_or(natural),
            usage: self.usage,
            response_id: self.response_id,
            response_model: self.response_model,
        })
    }

    fn check_size(&self, more_bytes: usize) -> Result<(), Fault> {
        if self.text.len() + self.arguments_bytes + more_bytes > ANSWER_BYTES_MAX {
            let message = format!("the model's answer is larger than {ANSWER_BYTES_MAX} bytes");
            return Err(error::fault(FaultKind::TooLarge, &message));
        }
        Ok(())
    }

    fn implied_index(&self, id: &str, name: &str) -> u64 {
        match self.tool_calls.last_key_value() {
            None => 0,
            Some((last, call)) if !id.is_empty() && id == call.id => *last,
            Some((last, _)) if id.is_empty() && name.is_empty() => *last,
            Some((last, _)) => last.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn calls(pieces: &[Value]) -> Vec<(String, String, String)> {
        let mut partial = Partial::default();
        for piece in pieces {
            partial.push_tool_calls(piece).unwrap();
        }
        let answer = partial.finish().unwrap();
        answer.message.tool_calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    #[test]
    fn pieces_of_tool_calls_are_merged_by_index() {
        let pieces = [
            json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]),
            json!([{"index": 0, "function": {"arguments": "{\"x\":"}}]),
            json!([{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            json!([{"index": 0, "function": {"arguments": "1}"}}]),
        ];
        let expected = [("a", "f", "{\"x\":1}"), ("b", "g", "{}")];
        assert_eq!(calls(&pieces), expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn pieces_without_an_index_or_an_id_find_their_call() {
        let pieces = [
            json!([{"id": "a", "function": {"name": "f", "arguments": "{"}}]),
            json!([{"function": {"arguments": "}"}}]),
            json!([{"id": "b", "function": {"name": "g", "arguments": "{}"}}]),
            json!([{"name": "h", "arguments": {"y": 2}}, {"name": "i", "arguments": {}}]),
            json!([{"type": "function"}]),
        ];
        let expected =
            [("a", "f", "{}"), ("b", "g", "{}"), ("call_2", "h", "{\"y\":2}"), ("call_3", "i", "{}")];
        assert_eq!(calls(&pieces), expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn text_and_tool_calls_have_a_limit() {
        let mut partial = Partial::default();
        partial.push_text(&"x".repeat(ANSWER_BYTES_MAX)).unwrap();
        assert_eq!(partial.push_text("x").unwrap_err().kind, FaultKind::TooLarge);
        let fault = partial.push_tool_calls(&json!([{"function": {"name": "f"}}])).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
        let many: Vec<Value> =
            (0..=TOOL_CALLS_MAX).map(|index| json!({"index": index, "name": "f"})).collect();
        let fault = Partial::default().push_tool_calls(&Value::from(many)).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
    }

    #[test]
    fn a_later_usage_wins_where_it_knows_more() {
        let mut partial = Partial::default();
        partial.push_text("x").unwrap();
        partial.set_usage(&json!({"prompt_tokens": 4, "completion_tokens": 1}));
        partial.set_usage(&json!({"completion_tokens": 9}));
        partial.set_usage(&json!({"prompt_tokens": 0, "completion_tokens": 0}));
        let usage = partial.finish().unwrap().usage;
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.total_tokens),
            (Some(4), Some(9), Some(13))
        );
    }
}
