//! Cloudflare Workers AI, through the `AI` binding's `run(model, input, options)`.
//!
//! Its models answer in three shapes: Workers AI's own (`response`), that of Chat Completions (`choices`) and that of
//! Responses (`output`), whole or as a stream.

use longhaul_core::{Fault, FaultKind, ModelRequest};
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::fault,
    openai,
    partial::Partial,
    wire::{self, WireMessage},
};

/// The `input` of `env.AI.run(model, input, options)`, as JSON text that asks for a stream.
pub fn input(request: &ModelRequest<'_>) -> String {
    let input = Input {
        messages: wire::messages(request.system.as_deref(), request.messages),
        stream: true,
        max_tokens: request.max_output_tokens,
        temperature: request.temperature,
    };
    serde_json::to_string(&input).expect("strings, numbers and booleans are always JSON")
}

/// The fault behind an error that the binding threw, from its text such as
/// `InferenceUpstreamError: 3040: Capacity temporarily exceeded`.
///
/// A known code has the kind of its documented status. Anything else is a lost connection, which may be tried again.
pub fn fault_of_binding_error(error: &str) -> Fault {
    let kind =
        error_codes(error).find_map(status_of_code).map_or(FaultKind::Connection, FaultKind::of_status);
    let error = if error.trim().is_empty() { "the call failed without a reason" } else { error };
    fault(kind, &format!("Workers AI: {error}"))
}

/// Takes a chunk of a stream, or a whole answer. Whether it had any of the shapes.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    if let Some(event) = response["type"].as_str().and_then(|kind| kind.strip_prefix("response.")) {
        return absorb_responses_event(partial, event, response);
    }
    if response["choices"].is_array() {
        return openai::absorb(partial, response);
    }
    partial.identify(response);
    partial.set_usage(&response["usage"]);
    if response["output"].is_array() {
        absorb_output(partial, response)?;
        return Ok(true);
    }
    partial.push_text(&wire::text_of(&response["response"]))?;
    partial.push_tool_calls(&response["tool_calls"])?;
    partial.set_finish_reason(&response["finish_reason"]);
    Ok(["response", "tool_calls", "usage"].iter().any(|field| response.get(field).is_some()))
}

/// Takes the `output` of a Responses answer: the text of its messages (its reasoning is skipped) and its tool calls.
fn absorb_output(partial: &mut Partial, response: &Value) -> Result<(), Fault> {
    for item in response["output"].as_array().into_iter().flatten() {
        match item["type"].as_str() {
            Some("message") | None => partial.push_text(&wire::text_of(&item["content"]))?,
            Some("function_call") => {
                let call = serde_json::json!([{
                    "id": item["call_id"], "name": item["name"], "arguments": item["arguments"],
                }]);
                partial.push_tool_calls(&call)?;
            }
            Some(_) => {}
        }
    }
    absorb_status(partial, response);
    Ok(())
}

/// Takes an event of a Responses stream; `kind` is its type without `response.`.
fn absorb_responses_event(partial: &mut Partial, kind: &str, event: &Value) -> Result<bool, Fault> {
    let response = &event["response"];
    match kind {
        "output_text.delta" => partial.push_text(event["delta"].as_str().unwrap_or_default())?,
        "completed" | "incomplete" => {
            partial.identify(response);
            partial.set_usage(&response["usage"]);
            if partial.text().is_empty() {
                absorb_output(partial, response)?;
            }
            absorb_status(partial, response);
            partial.end();
        }
        "failed" => {
            let message = response["error"]["message"].as_str().unwrap_or("the response failed");
            return Err(fault(FaultKind::ServerError, &format!("Workers AI: {message}")));
        }
        _ => {}
    }
    Ok(true)
}

fn absorb_status(partial: &mut Partial, response: &Value) {
    // `completed` says nothing about tool calls, which are a reason of their own.
    if response["status"] == "incomplete" {
        partial.set_finish_reason(&response["incomplete_details"]["reason"]);
    }
}

#[derive(Serialize)]
struct Input<'a> {
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

/// The numbers before a colon, as in `AiError: 3040: …`; other numbers stand there too, such as a request's id.
fn error_codes(error: &str) -> impl Iterator<Item = u16> {
    error.split(':').filter_map(|part| part.split_whitespace().next_back()?.parse().ok())
}

/// The HTTP status that <https://developers.cloudflare.com/workers-ai/platform/errors/> gives a code (2026-07-29).
fn status_of_code(code: u16) -> Option<u16> {
    Some(match code {
        3003 | 3039 | 5004 | 5007 => 400,
        3023 | 3041 | 5016 | 5018 => 403,
        3042 => 404,
        5005 | 5019 => 405,
        3007 | 3008 => 408,
        3006 => 413,
        3036 | 3040 => 429,
        // Not in that table, but seen: an input that the model's schema refuses, and the daily allocation once more.
        5006 => 400,
        4006 => 429,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use longhaul_core::{FinishReason, Message, ModelAnswer, Role};
    use serde_json::json;

    use super::*;

    fn read(answer: Value) -> ModelAnswer {
        let mut partial = Partial::default();
        assert!(absorb(&mut partial, &answer).unwrap(), "{answer}");
        partial.finish().unwrap()
    }

    #[test]
    fn an_input_has_the_messages_and_asks_for_a_stream() {
        let messages = [Message::text(Role::User, "a")];
        let request = ModelRequest {
            model: "@cf/x/y",
            system: Some("s".into()),
            messages: &messages,
            task: "a",
            sentinel: Some("DONE"),
            iteration: 1,
            attempt: 1,
            max_output_tokens: Some(8),
            temperature: None,
        };
        let expected = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}],"stream":true,"max_tokens":8}"#;
        assert_eq!(input(&request), expected);
    }

    #[test]
    fn its_own_shape_is_text_a_number_or_json() {
        for (response, text) in [(json!("Hi"), "Hi"), (json!(42), "42"), (json!({"a": 1}), r#"{"a":1}"#)] {
            let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
            let answer = read(json!({"response": response, "usage": usage}));
            assert_eq!(answer.message.content, text);
            assert_eq!((answer.finish_reason, answer.usage.total_tokens), (FinishReason::Stop, Some(5)));
        }
        let answer = read(json!({"response": "Hi"}));
        assert_eq!(answer.usage, longhaul_core::Usage::default());
        let answer = read(json!({"response": null, "tool_calls": [{"name": "f", "arguments": {"x": 1}}]}));
        assert_eq!(answer.message.tool_calls[0].arguments, r#"{"x":1}"#);
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    }

    #[test]
    fn the_shape_of_chat_completions_wins_over_its_own() {
        let answer = read(json!({
            "id": "c", "response": "twice", "usage": {"prompt_tokens": 1, "completion_tokens": 1},
            "choices": [{"index": 0, "message": {"content": "once", "reasoning_content": "hm"}, "finish_reason": "stop"}],
        }));
        assert_eq!(answer.message.content, "once");
    }

    #[test]
    fn the_shape_of_responses_leaves_the_reasoning_out() {
        let answer = read(json!({
            "id": "resp", "model": "@cf/openai/gpt-oss-120b", "object": "response", "status": "completed",
            "output": [
                {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            ],
            "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        }));
        assert_eq!(answer.message.content, "Hi");
        assert_eq!((answer.message.tool_calls[0].id.as_str(), answer.usage.input_tokens), ("c1", Some(7)));
        let cut = read(json!({
            "output": [{"content": [{"text": "Hi"}]}], "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
        }));
        assert_eq!(cut.finish_reason, FinishReason::Length);
    }

    #[test]
    fn anything_else_has_no_shape() {
        for other in [json!({}), json!({"result": 1}), json!([]), json!("x")] {
            assert!(!absorb(&mut Partial::default(), &other).unwrap(), "{other}");
        }
    }

    #[test]
    fn errors_of_the_binding_go_by_the_documented_status() {
        for (error, kind) in [
            (
                "InferenceUpstreamError: 3040: Capacity temporarily exceeded, please try again.",
                FaultKind::RateLimited,
            ),
            ("3036: You have used up your daily free allocation of 10,000 neurons.", FaultKind::RateLimited),
            ("AiError: AiError: 3007: Request timeout", FaultKind::ServerError),
            ("5007: No such model @cf/x/y or task", FaultKind::Refused),
            ("InferenceUpstreamError: 5016: model agreement", FaultKind::Refused),
            ("3042: The model name is invalid", FaultKind::Refused),
            ("3006: Request is too large", FaultKind::Refused),
            ("request 12345: 3040: out of capacity", FaultKind::RateLimited),
            ("TypeError: Network connection lost.", FaultKind::Connection),
            ("Error: 9999: something new", FaultKind::Connection),
            ("", FaultKind::Connection),
        ] {
            let fault = fault_of_binding_error(error);
            assert_eq!(fault.kind, kind, "{error}");
            assert!(fault.message.starts_with("Workers AI: "), "{}", fault.message);
        }
    }
}
