use longhaul_core::{Effect, FaultKind, FinishReason, Message, Role, ToolCall};
use serde_json::json;

use super::*;
use crate::{
    Format,
    tests::{
        after, body, body_in_form, calls, events, is_cut_off_before, is_overloaded, read, request, streamed,
        tokens,
    },
};

const TEXT: &str = include_str!("../../tests/streams/messages_text.sse");
const TOOLS: &str = include_str!("../../tests/streams/messages_tools.sse");
const REFUSAL: &str = include_str!("../../tests/streams/messages_refusal.sse");
const MODEL: &str = "anthropic:claude-haiku-4-5";

fn asking<'a>(messages: &'a [Message], tools: &'a [ToolOffer]) -> ModelRequest<'a> {
    ModelRequest { model: MODEL, tools, ..request(messages) }
}

fn sent(messages: &[Message]) -> Value {
    body(Format::Messages, "claude-haiku-4-5", &asking(messages, &[]))
}

fn document(content: &Value, reason: &str) -> Value {
    json!({
        "id": "msg_01Tide", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
        "content": content, "stop_reason": reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 32, "output_tokens": 12,
        },
    })
}

/// A text stream that goes on with these events after its text.
fn begun(more: &[Value]) -> String {
    let start: String = TEXT.split_inclusive("\n\n").take(5).collect();
    start + &events(more)
}

#[test]
fn stream() {
    let (answer, text) = streamed(Format::Messages, TEXT);
    let answer = answer.unwrap();
    assert_eq!(answer.message, Message::text(Role::Assistant, "Low tide 🌊, äé\nDONE"));
    assert_eq!((text.as_str(), answer.finish_reason), ("Low tide 🌊, äé\nDONE", FinishReason::Stop));
    assert_eq!(answer.response_id.as_deref(), Some("msg_01Tide"));
    assert_eq!(answer.response_model.as_deref(), Some("claude-haiku-4-5-20251001"));
    for stream in [TEXT, TOOLS, REFUSAL] {
        is_cut_off_before(Format::Messages, stream, "event: message_delta");
    }
    // After the reason only the last event is missing.
    let without_stop = TEXT.split("event: message_stop").next().unwrap();
    assert_eq!(read(Format::Messages, without_stop), read(Format::Messages, TEXT));
}

#[test]
fn whole() {
    let content = json!([{"type": "text", "text": "Low tide 🌊, äé\n"}, {"type": "text", "text": "DONE"}]);
    assert_eq!(read(Format::Messages, document(&content, "end_turn")), read(Format::Messages, TEXT));
    let content = json!([
        {"type": "thinking", "thinking": "Tides need a table.", "signature": "EqQBfirst=="},
        {"type": "redacted_thinking", "data": "EmwK-hidden"},
        {"type": "text", "text": "I ask for both."},
        {"type": "tool_use", "id": "toolu_Kiel", "name": "tide", "input": {"port": "Kiel"}},
        {"type": "tool_use", "id": "toolu_Brest", "name": "tide", "input": {"port": "Brest"}},
        {"type": "thinking", "thinking": "And the moon.", "signature": "EqQBsecond=="},
        {"type": "tool_use", "id": "toolu_moon", "name": "moon", "input": {}},
    ]);
    let message = |answer: &str| read(Format::Messages, answer).unwrap().message;
    assert_eq!(message(&document(&content, "tool_use").to_string()), message(TOOLS));
}

#[test]
fn tools() {
    let content = json!([{"type": "tool_use", "id": "toolu_1", "name": "tide", "input": {"port": "Kiel"}}]);
    let answer = read(Format::Messages, document(&content, "tool_use")).unwrap();
    assert_eq!(calls(&answer), [("toolu_1", "tide", "{\"port\":\"Kiel\"}")]);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    let sent = sent(&after(&answer));
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": content}));
    // A call without arguments has none to stream; one whose input is missing has none either.
    let bare = json!([{"type": "tool_use", "id": "toolu_1", "name": "moon"}]);
    assert_eq!(
        calls(&read(Format::Messages, document(&bare, "tool_use")).unwrap()),
        [("toolu_1", "moon", "{}")]
    );
}

#[test]
fn parallel_tools() {
    let answer = read(Format::Messages, TOOLS).unwrap();
    let expected = [
        ("toolu_Kiel", "tide", "{\"port\":\"Kiel\"}"),
        ("toolu_Brest", "tide", "{\"port\":\"Brest\"}"),
        ("toolu_moon", "moon", "{}"),
    ];
    assert_eq!(calls(&answer), expected);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    // All results first and in the order of their calls, then what the user says.
    let mut messages = after(&answer);
    messages[2..].reverse();
    messages.push(Message::text(Role::User, "Hurry."));
    let told = sent(&messages)["messages"][2]["content"].clone();
    let kinds: Vec<_> =
        told.as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "tool_result", "text"]);
    let result =
        |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": format!("result of {id}")});
    assert_eq!(told[0], result("toolu_Kiel"));
    assert_eq!(told[2], result("toolu_moon"));
}

#[test]
fn thoughts() {
    let (answer, text) = streamed(Format::Messages, TOOLS);
    let mut answer = answer.unwrap();
    let message = &answer.message;
    assert_eq!(message.thoughts, "Tides need a table.\n\nAnd the moon.");
    assert_eq!((message.content.as_str(), text.as_str()), ("I ask for both.", "I ask for both."));
    // They go back with their signatures, where they stood, and to the model that signed them alone.
    answer.made_by(MODEL);
    let messages = after(&answer);
    let said = sent(&messages)["messages"][1]["content"].clone();
    let expected = json!([
        {"type": "thinking", "thinking": "Tides need a table.", "signature": "EqQBfirst=="},
        {"type": "redacted_thinking", "data": "EmwK-hidden"},
        {"type": "text", "text": "I ask for both."},
        {"type": "tool_use", "id": "toolu_Kiel", "name": "tide", "input": {"port": "Kiel"}},
        {"type": "tool_use", "id": "toolu_Brest", "name": "tide", "input": {"port": "Brest"}},
        {"type": "thinking", "thinking": "And the moon.", "signature": "EqQBsecond=="},
        {"type": "tool_use", "id": "toolu_moon", "name": "moon", "input": {}},
    ]);
    assert_eq!(said, expected);
    let other = ModelRequest { model: "anthropic:claude-opus-4-7", ..request(&messages) };
    for format in [Format::Messages, Format::Chat, Format::Responses, Format::WorkersAi] {
        let sent = body(format, "claude-opus-4-7", &other).to_string();
        assert!(!sent.contains("EqQB") && !sent.contains("EmwK") && !sent.contains("Tides need"), "{sent}");
    }
}

#[test]
fn usage() {
    let tokens_of = |stream| tokens(&read(Format::Messages, stream).unwrap());
    // What the cache had, and what went into it, counts beside the input.
    assert_eq!(tokens_of(TEXT), [Some(41), Some(32), Some(12), None, Some(53)]);
    assert_eq!(tokens_of(TOOLS), [Some(130), Some(0), Some(75), None, Some(205)]);
}

#[test]
fn refusal() {
    let fault = read(Format::Messages, REFUSAL).unwrap_err();
    assert_eq!(fault.message, "the model refused: This asks for harm.");
    assert_eq!((fault.kind, fault.usage.unwrap().output_tokens), (FaultKind::ContentRefused, Some(4)));
    let silent = document(&json!([]), "refusal");
    assert_eq!(read(Format::Messages, silent).unwrap_err().kind, FaultKind::ContentRefused);
}

#[test]
fn error_in_200() {
    for (kind, fault_kind) in [
        ("overloaded_error", FaultKind::ServerError),
        ("api_error", FaultKind::ServerError),
        ("timeout_error", FaultKind::ServerError),
        ("rate_limit_error", FaultKind::RateLimited),
        ("invalid_request_error", FaultKind::BadRequest),
        ("authentication_error", FaultKind::Unauthorized),
        ("permission_error", FaultKind::Unauthorized),
        ("not_found_error", FaultKind::UnknownModel),
        ("billing_error", FaultKind::Unauthorized),
    ] {
        let error =
            json!({"type": "error", "error": {"type": kind, "message": "words"}, "request_id": "req_1"});
        let fault = read(Format::Messages, begun(std::slice::from_ref(&error))).unwrap_err();
        assert_eq!((fault.kind, fault.begun), (fault_kind, true), "{kind}");
        assert!(fault.message.ends_with(": words"), "{}", fault.message);
        assert_eq!(fault.usage.unwrap().input_tokens, Some(41), "it was paid for");
        assert_eq!(read(Format::Messages, error).unwrap_err().kind, fault_kind, "{kind}");
    }
}

#[test]
fn overload() {
    is_overloaded(
        529,
        &json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    is_overloaded(429, &json!({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}));
}

#[test]
fn stop_reasons() {
    for (reason, expected) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
        ("a_word_of_tomorrow", FinishReason::Other),
    ] {
        let end =
            json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 4}});
        let streamed = read(Format::Messages, begun(&[end, json!({"type": "message_stop"})])).unwrap();
        let whole = document(&json!([{"type": "text", "text": "Half"}]), reason);
        assert_eq!((streamed.finish_reason, streamed.usage.output_tokens), (expected, Some(4)), "{reason}");
        assert_eq!(read(Format::Messages, whole).unwrap().finish_reason, expected, "{reason}");
    }
}

#[test]
fn unknown_events() {
    let odd = [
        json!({"type": "ping"}),
        json!({"type": "a_word_of_tomorrow", "index": 0, "delta": {"type": "text_delta", "text": "no"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}),
        json!({"type": "content_block_start", "index": 8, "content_block": {"type": "a_block_of_tomorrow"}}),
        json!({"type": "content_block_delta", "index": 8, "delta": {"type": "a_delta_of_tomorrow", "text": "no"}}),
    ];
    let with_odd: String = TEXT.split_inclusive("\n\n").map(|event| events(&odd) + event).collect();
    let message = read(Format::Messages, with_odd).unwrap().message;
    assert_eq!(message.content, "Low tide 🌊, äé\nDONE");
}

#[test]
fn a_request_says_all_that_it_must() {
    let tools = [ToolOffer {
        description: Some("Low tide at a port.".into()),
        parameters: Some(json!({"oneOf": [{"properties": {"port": {"type": "string"}}}]})),
        ..ToolOffer::new("tide", Effect::Read)
    }];
    let messages = [Message::text(Role::User, "When?")];
    let request = ModelRequest {
        system: Some("Be brief.".into()),
        temperature: Some(1.5),
        ..asking(&messages, &tools)
    };
    let cached = json!({"type": "ephemeral"});
    let expected = json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 64_000,
        "temperature": 1.0,
        "stream": true,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": cached}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "When?", "cache_control": cached}]}],
        "tools": [{
            "name": "tide", "description": "Low tide at a port.",
            "input_schema": {"type": "object", "properties": {"port": {"type": "string"}}},
        }],
    });
    assert_eq!(body(Format::Messages, "claude-haiku-4-5", &request), expected);
    let limited = ModelRequest { max_output_tokens: Some(9), ..request };
    assert_eq!(body(Format::Messages, "claude-haiku-4-5", &limited)["max_tokens"], 9);
    // What thinks unasked takes no temperature.
    assert_eq!(body(Format::Messages, "claude-opus-4-7", &limited).get("temperature"), None);
}

#[test]
fn there_is_no_temperature_beside_thoughts() {
    let mut answer = read(Format::Messages, TOOLS).unwrap();
    answer.made_by(MODEL);
    let messages = after(&answer);
    let warm = ModelRequest { temperature: Some(0.5), ..asking(&messages, &[]) };
    let sent = body(Format::Messages, "claude-haiku-4-5", &warm);
    assert_eq!((sent.get("temperature"), sent.get("thinking")), (None, None));
    let cold = ModelRequest { model: "anthropic:other", ..warm };
    assert_eq!(body(Format::Messages, "claude-haiku-4-5", &cold)["temperature"], 0.5);
}

#[test]
fn tools_that_are_offered_no_more_are_declared_and_not_called() {
    let answer = read(Format::Messages, TOOLS).unwrap();
    let sent = sent(&after(&answer));
    let declared = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(sent["tools"], json!([declared("moon"), declared("tide")]));
    assert_eq!(sent["tool_choice"], json!({"type": "none"}));
    let plain = body(Format::Messages, "claude-haiku-4-5", &request(&[]));
    assert_eq!((plain.get("tools"), plain.get("tool_choice")), (None, None));
}

#[test]
fn cache_marks_are_few() {
    let answer = read(Format::Messages, TOOLS).unwrap();
    let mut messages = Vec::new();
    for _ in 0..9 {
        messages.extend(after(&answer));
    }
    let request = ModelRequest { system: Some("s".into()), ..asking(&messages, &[]) };
    let sent = body(Format::Messages, "claude-haiku-4-5", &request);
    assert_eq!(sent.to_string().matches("cache_control").count(), 2);
    assert!(sent["system"][0]["cache_control"].is_object());
    let turns = sent["messages"].as_array().unwrap();
    let last = turns.last().unwrap()["content"].as_array().unwrap().last().unwrap();
    assert!(last["cache_control"].is_object(), "what was sent until now is read from the cache next time");
    let usual = RequestForm::usual(Format::Messages, "claude-haiku-4-5");
    let refused = b"{\"error\":{\"message\":\"cache_control: Extra inputs are not permitted\"}}";
    let other = usual.without_what_is_refused(400, refused).unwrap();
    let sent = body_in_form(Format::Messages, "claude-haiku-4-5", &request, other);
    assert!(!sent.to_string().contains("cache_control"));
}

#[test]
fn turns_are_what_the_server_takes() {
    let ask = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let asked = Message {
        tool_calls: vec![ask("functions.tide:0", "functions.tide", "[1]"), ask("", "tide", "")],
        ..Message::text(Role::Assistant, " \n")
    };
    let told = Message { tool_call_id: Some("functions.tide:0".into()), ..Message::text(Role::Tool, "9:40") };
    let messages = [
        Message::text(Role::User, " "),
        asked,
        told,
        Message::text(Role::Assistant, ""),
        Message::text(Role::User, "one"),
        Message::text(Role::User, "two"),
        Message::text(Role::Assistant, "last"),
    ];
    let unmarked = RequestForm::usual(Format::Messages, "x").without_what_is_refused(400, b"cache_control");
    let sent = body_in_form(Format::Messages, "x", &asking(&messages, &[]), unmarked.unwrap());
    let text = |text: &str| json!({"type": "text", "text": text});
    let expected = json!([
        {"role": "user", "content": [text("Continue.")]},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "functions_tide_0", "name": "functions_tide", "input": {"arguments": "[1]"}},
            {"type": "tool_use", "id": "call", "name": "tide", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "functions_tide_0", "content": "9:40"},
            {"type": "tool_result", "tool_use_id": "call", "content": "There is no result."},
            text("one\n\ntwo"),
        ]},
        {"role": "assistant", "content": [text("last")]},
        // Models take no beginning of their own answer.
        {"role": "user", "content": [text("Continue.")]},
    ]);
    assert_eq!(sent["messages"], expected);
}

#[test]
fn what_is_refused_is_left_out_once() {
    let mut answer = read(Format::Messages, TOOLS).unwrap();
    answer.made_by("anthropic:claude-next");
    let messages = after(&answer);
    let asking = ModelRequest { model: "anthropic:claude-next", ..request(&messages) };
    let usual = RequestForm::usual(Format::Messages, "claude-next");
    let after_refusal = |words: &str| {
        let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": words}});
        let form = usual.without_what_is_refused(400, body.to_string().as_bytes());
        form.map(|form| body_in_form(Format::Messages, "claude-next", &asking, form))
    };
    let unsigned = after_refusal("messages.1.content.0: Invalid `signature` in `thinking` block").unwrap();
    assert!(!unsigned.to_string().contains("EqQB"), "{unsigned}");
    let limit =
        "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude-next";
    assert_eq!(after_refusal(limit).unwrap()["max_tokens"], 8_192);
    assert_eq!(after_refusal("messages.1.content.0.type: Field required"), None);
}
