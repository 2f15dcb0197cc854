//! What the providers' JSON has in common, read leniently: a field of an unexpected type counts as absent.

use std::borrow::Cow;

use longhaul_core::{FinishReason, Message, Role, Usage};
use serde::Serialize;
use serde_json::Value;

/// A message as chat models take it.
#[derive(Debug, Serialize)]
pub(crate) struct WireMessage<'a> {
    role: Role,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireToolCall<'a>>,
}

#[derive(Debug, Serialize)]
struct WireToolCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: WireFunction<'a>,
}

#[derive(Debug, Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The conversation, the instructions first.
pub(crate) fn messages<'a>(system: Option<&'a str>, messages: &'a [Message]) -> Vec<WireMessage<'a>> {
    let system = system.map(|content| WireMessage { role: Role::System, content, tool_calls: Vec::new() });
    system.into_iter().chain(messages.iter().map(wire_message)).collect()
}

fn wire_message(message: &Message) -> WireMessage<'_> {
    let tool_calls = message
        .tool_calls
        .iter()
        .map(|call| WireToolCall {
            id: &call.id,
            r#type: "function",
            function: WireFunction { name: &call.name, arguments: &call.arguments },
        })
        .collect();
    WireMessage { role: message.role, content: &message.content, tool_calls }
}

/// The text of a content: a string, a list of text parts, or any other JSON value (JSON mode, and models that stream
/// a number as a number) as its JSON text.
pub(crate) fn text_of(content: &Value) -> Cow<'_, str> {
    match content {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(parts) if parts.iter().any(is_text_part) => {
            parts.iter().filter(|part| is_text_part(part)).filter_map(|part| part["text"].as_str()).collect()
        }
        other => Cow::Owned(other.to_string()),
    }
}

fn is_text_part(part: &Value) -> bool {
    matches!(part["type"].as_str(), Some("text" | "output_text") | None) && part["text"].is_string()
}

/// Token counts, under the names of Chat Completions or of Responses. All of them zero means that nobody counted.
pub(crate) fn usage_of(usage: &Value) -> Option<Usage> {
    let input_tokens = usage["prompt_tokens"].as_u64().or_else(|| usage["input_tokens"].as_u64());
    let output_tokens = usage["completion_tokens"].as_u64().or_else(|| usage["output_tokens"].as_u64());
    let total_tokens = usage["total_tokens"]
        .as_u64()
        .or_else(|| input_tokens.zip(output_tokens).map(|(input, output)| input.saturating_add(output)));
    if [input_tokens, output_tokens, total_tokens].iter().all(|count| count.unwrap_or(0) == 0) {
        return None;
    }
    let detail = |names: [&str; 2], field: &str| names.iter().find_map(|name| usage[*name][field].as_u64());
    Some(Usage {
        input_tokens,
        output_tokens,
        total_tokens,
        cost_usd: None,
        cached_input_tokens: detail(["prompt_tokens_details", "input_tokens_details"], "cached_tokens"),
        reasoning_tokens: detail(["completion_tokens_details", "output_tokens_details"], "reasoning_tokens"),
    })
}

/// The reason why a message ended; `None` while it has not (null, or the empty string of some servers).
pub(crate) fn finish_reason_of(reason: &Value) -> Option<FinishReason> {
    Some(match reason.as_str().filter(|reason| !reason.is_empty())? {
        "stop" | "end_turn" | "eos_token" | "stop_sequence" | "completed" => FinishReason::Stop,
        "length" | "max_tokens" | "max_output_tokens" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    })
}

/// A string, or any other value that is not null as its JSON text: arguments of tools come both ways.
pub(crate) fn json_text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_content_is_text_parts_or_json() {
        assert_eq!(text_of(&json!(null)), "");
        assert_eq!(text_of(&json!("a")), "a");
        assert_eq!(text_of(&json!(7)), "7");
        assert_eq!(text_of(&json!({"a": [1]})), r#"{"a":[1]}"#);
        assert_eq!(text_of(&json!([1, 2])), "[1,2]");
        assert_eq!(text_of(&json!([{"type": "text", "text": "a"}, {"type": "image"}, {"text": "b"}])), "ab");
        assert_eq!(
            text_of(&json!([{"type": "output_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}])),
            "a"
        );
    }

    #[test]
    fn usage_goes_by_two_sets_of_names() {
        let chat = usage_of(&json!({
            "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
        }));
        let expected = Usage {
            input_tokens: Some(10),
            output_tokens: Some(5),
            total_tokens: Some(16),
            cost_usd: None,
            cached_input_tokens: Some(4),
            reasoning_tokens: Some(2),
        };
        assert_eq!(chat, Some(expected.clone()));
        let responses = usage_of(&json!({
            "input_tokens": 10, "output_tokens": 5, "total_tokens": 16,
            "input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2},
        }));
        assert_eq!(responses, Some(expected));
    }

    #[test]
    fn a_count_that_is_missing_is_unknown_and_a_total_follows_from_both() {
        let usage = usage_of(&json!({"prompt_tokens": 10, "completion_tokens": 5})).unwrap();
        assert_eq!(usage.total_tokens, Some(15));
        let usage = usage_of(&json!({"prompt_tokens": 10, "completion_tokens": "5"})).unwrap();
        assert_eq!((usage.output_tokens, usage.total_tokens), (None, None));
        for nobody in [json!(null), json!({}), json!([]), json!({"prompt_tokens": 0, "completion_tokens": 0})]
        {
            assert_eq!(usage_of(&nobody), None, "{nobody}");
        }
    }

    #[test]
    fn an_unknown_reason_is_other_and_none_is_none() {
        assert_eq!(finish_reason_of(&json!("stop")), Some(FinishReason::Stop));
        assert_eq!(finish_reason_of(&json!("length")), Some(FinishReason::Length));
        assert_eq!(finish_reason_of(&json!("tool_calls")), Some(FinishReason::ToolCalls));
        assert_eq!(finish_reason_of(&json!("content_filter")), Some(FinishReason::ContentFilter));
        assert_eq!(finish_reason_of(&json!("insufficient_system_resource")), Some(FinishReason::Other));
        for none in [json!(null), json!(""), json!(1)] {
            assert_eq!(finish_reason_of(&none), None);
        }
    }
}
