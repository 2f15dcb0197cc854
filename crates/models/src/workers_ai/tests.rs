use longhaul_core::{FinishReason, Message, ModelAnswer, Role};
use serde_json::json;

use super::*;
use crate::{
    Format,
    tests::{after, body, calls, is_cut_off_before, request, streamed, tokens},
};

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
        messages: messages.as_slice().into(),
        task: "a",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: Some(8),
        temperature: None,
        tools: &[],
        forbids_tools: false,
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
        ("3036: You have used up your daily free allocation of 10,000 neurons.", FaultKind::Unauthorized),
        ("AiError: AiError: 3007: Request timeout", FaultKind::ServerError),
        ("5007: No such model @cf/x/y or task", FaultKind::UnknownModel),
        ("InferenceUpstreamError: 5016: model agreement", FaultKind::Unauthorized),
        ("3042: The model name is invalid", FaultKind::UnknownModel),
        ("3006: Request is too large", FaultKind::BadRequest),
        ("request 12345: 3040: out of capacity", FaultKind::RateLimited),
        ("TypeError: Network connection lost.", FaultKind::Connection),
        ("Error: 9999: something new", FaultKind::BadRequest),
        ("AiError: the prompt has a word that I do not take", FaultKind::BadRequest),
        ("AiError: 503: no upstream", FaultKind::ServerError),
        (
            "InferenceUpstreamError: 429: 3036: You have used up your daily allocation",
            FaultKind::Unauthorized,
        ),
        ("InferenceUpstreamError: 500: 9999: Something new", FaultKind::ServerError),
        ("InferenceUpstreamError: {\"error\":{\"message\":\"busy\",\"code\":503}}", FaultKind::ServerError),
        (
            "InferenceUpstreamError: {\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}",
            FaultKind::BadRequest,
        ),
        ("Error: please try again in a moment", FaultKind::ServerError),
        ("Error: internal error; reference = abc", FaultKind::Connection),
        ("", FaultKind::Connection),
    ] {
        let fault = fault_of_binding_error(error);
        assert_eq!(fault.kind, kind, "{error}");
        assert!(fault.message.starts_with("Workers AI: "), "{}", fault.message);
    }
}

const OWN: &str = include_str!("../../tests/streams/workers_own.sse");
const OWN_TOOLS: &str = include_str!("../../tests/streams/workers_tools.sse");
const CHAT: &str = include_str!("../../tests/streams/chat_text.sse");
const CHAT_TOOLS: &str = include_str!("../../tests/streams/chat_tools.sse");
const RESPONSES: &str = include_str!("../../tests/streams/responses_text.sse");
const RESPONSES_TOOLS: &str = include_str!("../../tests/streams/responses_tools.sse");

#[test]
fn stream() {
    for (stream, end) in [(OWN, "data: [DONE]"), (CHAT, ""), (RESPONSES, "event: response.completed")] {
        let (answer, text) = streamed(Format::WorkersAi, stream);
        let answer = answer.unwrap();
        assert_eq!(answer.message, Message::text(Role::Assistant, "Low tide 🌊, äé\nDONE"));
        assert_eq!((text.as_str(), answer.finish_reason), ("Low tide 🌊, äé\nDONE", FinishReason::Stop));
        if !end.is_empty() {
            is_cut_off_before(Format::WorkersAi, stream, end);
        }
    }
}

#[test]
fn whole() {
    let usage = json!({"prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53, "prompt_tokens_details": {"cached_tokens": 32}});
    let own = json!({"response": "Low tide 🌊, äé\nDONE", "usage": usage, "tool_calls": []});
    assert_eq!(crate::tests::read(Format::WorkersAi, own), crate::tests::read(Format::WorkersAi, OWN));
    // Where JSON was asked for, `response` is it, whatever it has in it.
    for (response, text) in [
        (json!({"type": "spring", "text": "low"}), r#"{"text":"low","type":"spring"}"#),
        (json!([1, {"a": 2}]), r#"[1,{"a":2}]"#),
        (json!([]), "[]"),
        (json!([{"type": "text", "text": "Low "}, {"type": "text", "text": "tide"}]), "Low tide"),
        (json!(true), "true"),
    ] {
        assert_eq!(read(json!({"response": response})).message.content, text);
    }
}

#[test]
fn tools() {
    let arguments = [json!({"port": "Kiel"}), json!("{\"port\":\"Kiel\"}")];
    for arguments in arguments {
        let own = json!({"response": null, "tool_calls": [{"name": "tide", "arguments": arguments}]});
        let answer = read(own);
        assert_eq!(calls(&answer), [("call_0", "tide", "{\"port\":\"Kiel\"}")]);
        assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
        let messages = after(&answer);
        let request = ModelRequest { model: "@cf/x/y", ..request(&messages) };
        let sent = body(Format::WorkersAi, "@cf/x/y", &request);
        let function = json!({"name": "tide", "arguments": "{\"port\":\"Kiel\"}"});
        assert_eq!(
            sent["messages"][1]["tool_calls"],
            json!([{"id": "call_0", "type": "function", "function": function}])
        );
        assert_eq!(
            sent["messages"][2],
            json!({"role": "tool", "content": "result of call_0", "tool_call_id": "call_0"})
        );
    }
}

#[test]
fn parallel_tools() {
    let answer = crate::tests::read(Format::WorkersAi, OWN_TOOLS).unwrap();
    let expected = [("call_0", "tide", "{\"port\":\"Kiel\"}"), ("call_1", "tide", "{\"port\":\"Brest\"}")];
    assert_eq!((calls(&answer).as_slice(), answer.finish_reason), (&expected[..], FinishReason::ToolCalls));
    for (stream, format) in [(CHAT_TOOLS, Format::Chat), (RESPONSES_TOOLS, Format::Responses)] {
        assert_eq!(crate::tests::read(Format::WorkersAi, stream), crate::tests::read(format, stream));
    }
}

#[test]
fn thoughts() {
    let answer = read(json!({"response": "Hi", "reasoning_content": "hm"}));
    assert_eq!((answer.message.content.as_str(), answer.message.thoughts.as_str()), ("Hi", "hm"));
    let answer = read(json!({"response": "<think>hm</think>\n\nHi"}));
    assert_eq!((answer.message.content.as_str(), answer.message.thoughts.as_str()), ("Hi", "hm"));
    let chat = crate::tests::read(Format::WorkersAi, CHAT_TOOLS).unwrap();
    assert_eq!(chat.message.thoughts, "Tides need a table.");
}

#[test]
fn usage() {
    let tokens_of = |stream| tokens(&crate::tests::read(Format::WorkersAi, stream).unwrap());
    assert_eq!(tokens_of(OWN), [Some(41), Some(32), Some(12), None, Some(53)]);
    assert_eq!(tokens_of(CHAT), [Some(41), Some(32), Some(12), Some(0), Some(53)]);
    assert_eq!(tokens_of(RESPONSES), [Some(41), Some(32), Some(12), Some(0), Some(53)]);
}

#[test]
fn refusal() {
    let message = json!({"role": "assistant", "content": null, "refusal": "I can't help."});
    let chat = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
    let fault = crate::tests::read(Format::WorkersAi, chat).unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::ContentRefused, "the model refused: I can't help.")
    );
    let refused = fault_of_binding_error("AiError: 5021: the prompt was flagged by a guardrail");
    assert_eq!((refused.kind, refused.is_of_model), (FaultKind::ContentRefused, false));
}

#[test]
fn error_in_200() {
    for (answer, kind) in [
        (
            json!({"success": false, "errors": [{"code": 3040, "message": "no capacity"}]}),
            FaultKind::RateLimited,
        ),
        (
            json!({"success": false, "errors": [{"code": 5007, "message": "no such model"}]}),
            FaultKind::UnknownModel,
        ),
        (json!({"errors": [{"message": "AiError: something"}], "response": ""}), FaultKind::ServerError),
        (json!({"error": "3040: no capacity"}), FaultKind::ServerError),
    ] {
        assert_eq!(crate::tests::read(Format::WorkersAi, &answer).unwrap_err().kind, kind, "{answer}");
        let start = OWN.split_inclusive("\n\n").take(2).collect::<String>();
        let fault = crate::tests::read(Format::WorkersAi, format!("{start}data: {answer}\n\n")).unwrap_err();
        assert_eq!((fault.kind, fault.begun), (kind, true), "{answer}");
    }
}

#[test]
fn overload() {
    for error in [
        "InferenceUpstreamError: 3040: Capacity temporarily exceeded, please try again.",
        "AiError: 3007: Request timeout",
        "InferenceUpstreamError: 429: Too many requests",
        "Error: the model is overloaded",
    ] {
        let fault = fault_of_binding_error(error);
        assert!(fault.kind.is_transient() && !fault.is_of_model, "{fault:?}");
    }
}
