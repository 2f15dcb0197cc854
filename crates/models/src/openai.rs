//! OpenAI's Chat Completions, as OpenAI and the servers that imitate it (Ollama, vLLM, llama.cpp, LiteLLM) speak it.

use longhaul_core::{Fault, ModelRequest};
use serde::Serialize;
use serde_json::Value;

use crate::{
    name::ModelName,
    partial::Partial,
    wire::{self, WireMessage},
};

/// The body of `POST {base}/chat/completions`: JSON that asks for a stream with the usage in its last chunk.
pub fn request_body(name: &ModelName, request: &ModelRequest<'_>) -> String {
    let limit = request.max_output_tokens;
    let (max_tokens, max_completion_tokens) =
        if takes_max_completion_tokens(name.wire_name()) { (None, limit) } else { (limit, None) };
    let body = RequestBody {
        model: name.wire_name(),
        messages: wire::messages(request.system.as_deref(), request.messages),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        max_tokens,
        max_completion_tokens,
        temperature: request.temperature,
    };
    serde_json::to_string(&body).expect("strings, numbers and booleans are always JSON")
}

/// Takes a chunk of a stream, or a whole answer: they differ in `delta` and `message` alone. Whether it had the shape
/// of either.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    partial.identify(response);
    partial.set_usage(&response["usage"]);
    let Some(choices) = response["choices"].as_array() else { return Ok(false) };
    // Other choices than the first are never asked for.
    let Some(choice) = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0) else {
        return Ok(!response["usage"].is_null());
    };
    let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
    partial.push_text(&wire::text_of(&message["content"]))?;
    // The older completions, which some models still stream.
    partial.push_text(choice["text"].as_str().unwrap_or_default())?;
    partial.push_tool_calls(&message["tool_calls"])?;
    partial.set_finish_reason(&choice["finish_reason"]);
    Ok(true)
}

#[derive(Serialize)]
struct RequestBody<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// OpenAI's reasoning models refuse `max_tokens`; the compatible servers know nothing else.
fn takes_max_completion_tokens(wire_name: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| wire_name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use longhaul_core::{FinishReason, Message, Role, ToolCall};
    use serde_json::json;

    use super::*;

    fn request(messages: &[Message]) -> ModelRequest<'_> {
        ModelRequest {
            model: "openai:tiny",
            system: None,
            messages,
            task: "t",
            sentinel: Some("DONE"),
            iteration: 1,
            attempt: 1,
            max_output_tokens: None,
            temperature: None,
        }
    }

    fn body(request: &ModelRequest<'_>) -> Value {
        serde_json::from_str(&request_body(&ModelName::parse(request.model).unwrap(), request)).unwrap()
    }

    #[test]
    fn a_request_is_as_short_as_it_can_be() {
        let messages = [Message::text(Role::User, "Hi \"you\"")];
        let expected = r#"{"model":"tiny","messages":[{"role":"user","content":"Hi \"you\""}],"stream":true,"stream_options":{"include_usage":true}}"#;
        let request = request(&messages);
        assert_eq!(request_body(&ModelName::parse(request.model).unwrap(), &request), expected);
    }

    #[test]
    fn the_instructions_come_first_and_the_settings_go_along() {
        let mut asked = Message::text(Role::Assistant, "");
        asked.tool_calls.push(ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into() });
        let messages = [Message::text(Role::User, "a"), asked, Message::text(Role::Tool, "b")];
        let request = ModelRequest {
            system: Some("be brief".into()),
            max_output_tokens: Some(64),
            temperature: Some(0.5),
            ..request(&messages)
        };
        let body = body(&request);
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "be brief"}));
        assert_eq!(
            body["messages"][2]["tool_calls"],
            json!([{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}])
        );
        assert_eq!(body["messages"][3]["role"], "tool");
        assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(64), &json!(0.5)));
    }

    #[test]
    fn reasoning_models_get_the_other_name_of_the_limit() {
        for (model, field) in [
            ("openai:gpt-4o", "max_tokens"),
            ("openai:gpt-oss:20b", "max_tokens"),
            ("openai:o4-mini", "max_completion_tokens"),
            ("openai:gpt-5-nano", "max_completion_tokens"),
        ] {
            let body = body(&ModelRequest { model, max_output_tokens: Some(9), ..request(&[]) });
            let fields: Vec<&str> = ["max_tokens", "max_completion_tokens"]
                .into_iter()
                .filter(|field| body.get(field).is_some())
                .collect();
            assert_eq!(fields, [field], "{model}");
        }
    }

    #[test]
    fn a_chunk_and_a_whole_answer_are_read_alike() {
        let answers = [
            json!({"id": "r", "model": "m", "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "length"}]}),
            json!({"id": "r", "model": "m", "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "length"}]}),
            json!({"id": "r", "model": "m", "choices": [
                {"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": [{"type": "text", "text": "Hi"}]}, "finish_reason": "length"}]}),
            json!({"id": "r", "model": "m", "choices": [{"index": 0, "text": "Hi", "finish_reason": "length"}]}),
        ];
        for answer in answers {
            let mut partial = Partial::default();
            assert!(absorb(&mut partial, &answer).unwrap());
            let read = partial.finish().unwrap();
            assert_eq!(
                (read.message.content.as_str(), read.finish_reason),
                ("Hi", FinishReason::Length),
                "{answer}"
            );
            assert_eq!((read.response_id.as_deref(), read.response_model.as_deref()), (Some("r"), Some("m")));
        }
    }

    #[test]
    fn odd_chunks_change_nothing() {
        for (chunk, known) in [
            (json!({"choices": [], "usage": {"prompt_tokens": 1}}), true),
            (json!({"choices": []}), false),
            (
                json!({"choices": [{"delta": {"content": null, "role": "assistant"}, "finish_reason": null}]}),
                true,
            ),
            (json!({"choices": [null]}), true),
            (json!({"choices": {}}), false),
            (json!({}), false),
        ] {
            let mut partial = Partial::default();
            assert_eq!(absorb(&mut partial, &chunk).unwrap(), known, "{chunk}");
            assert_eq!((partial.text(), partial.is_whole()), ("", false));
        }
    }
}
