use longhaul_core::{Effect, FinishReason, Message, Role, ToolCall, ToolOffer};
use serde_json::json;

use super::*;
use crate::{
    Format,
    tests::{
        after, body, body_in_form, calls, events, is_cut_off_before, is_overloaded, read, request, streamed,
        tokens,
    },
};

const TEXT: &str = include_str!("../../tests/streams/responses_text.sse");
const TOOLS: &str = include_str!("../../tests/streams/responses_tools.sse");
const REFUSAL: &str = include_str!("../../tests/streams/responses_refusal.sse");
const MODEL: &str = "responses:gpt-5.5";

/// The whole answer with which a stream ends.
fn document(stream: &str) -> Value {
    let last = stream.trim().rsplit("data: ").next().unwrap();
    serde_json::from_str::<Value>(last).unwrap()["response"].clone()
}

/// A stream of these events after its beginning.
fn begun(more: &[Value]) -> String {
    let start: String = TEXT.split_inclusive("\n\n").take(6).collect();
    start + &events(more)
}

fn asking<'a>(messages: &'a [Message], tools: &'a [ToolOffer]) -> ModelRequest<'a> {
    ModelRequest { model: MODEL, tools, ..request(messages) }
}

#[test]
fn stream() {
    let (answer, text) = streamed(Format::Responses, TEXT);
    let answer = answer.unwrap();
    assert_eq!(answer.message, Message::text(Role::Assistant, "Low tide 🌊, äé\nDONE"));
    assert_eq!((text.as_str(), answer.finish_reason), ("Low tide 🌊, äé\nDONE", FinishReason::Stop));
    assert_eq!(answer.response_id.as_deref(), Some("resp_7f0c"));
    assert_eq!(answer.response_model.as_deref(), Some("gpt-4.1-2026-04-14"));
    for stream in [TEXT, TOOLS, REFUSAL] {
        is_cut_off_before(Format::Responses, stream, "event: response.completed");
    }
}

#[test]
fn whole() {
    assert_eq!(read(Format::Responses, document(TEXT)), read(Format::Responses, TEXT));
    assert_eq!(read(Format::Responses, document(TOOLS)), read(Format::Responses, TOOLS));
    // Where the pieces do not come, the whole items do; where neither do, the last event has them.
    let without = |left_out: &dyn Fn(&str) -> bool| {
        TOOLS.split_inclusive("\n\n").filter(|event| !left_out(event)).collect::<String>()
    };
    let pieceless = without(&|event| event.contains(".delta") || event.contains("summary_part"));
    assert_eq!(read(Format::Responses, pieceless), read(Format::Responses, TOOLS));
    let bare = without(&|event| !event.contains("response.created") && !event.contains("response.completed"));
    assert_eq!(read(Format::Responses, bare), read(Format::Responses, TOOLS));
    let text: String = TEXT.split_inclusive("\n\n").filter(|event| !event.contains(".delta")).collect();
    assert_eq!(read(Format::Responses, text), read(Format::Responses, TEXT));
}

#[test]
fn tools() {
    // Without an index a piece is the last call's.
    let item = |arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "tide", "arguments": arguments});
    let stream = events(&[
        json!({"type": "response.output_item.added", "item": item("")}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{\"port\":"}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "\"Kiel\"}"}),
        json!({"type": "response.function_call_arguments.done", "item_id": "fc_1", "arguments": "{\"port\":\"Kiel\"}"}),
        json!({"type": "response.output_item.done", "item": item("{\"port\":\"Kiel\"}")}),
        json!({"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}),
    ]);
    let answer = read(Format::Responses, stream).unwrap();
    assert_eq!(calls(&answer), [("c", "tide", "{\"port\":\"Kiel\"}")]);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
}

#[test]
fn parallel_tools() {
    let answer = read(Format::Responses, TOOLS).unwrap();
    let expected = [
        ("call_Kiel", "tide", "{\"port\":\"Kiel\"}"),
        ("call_Brest", "tide", "{\"port\":\"Brest\"}"),
        ("call_moon", "moon", "{}"),
    ];
    assert_eq!(calls(&answer), expected);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
}

#[test]
fn thoughts() {
    let (answer, text) = streamed(Format::Responses, TOOLS);
    let message = answer.unwrap().message;
    assert_eq!(message.thoughts, "**Tides** need a table.\n\nAsk for two ports.\n\nAnd the moon.");
    assert_eq!((message.content.as_str(), text.as_str()), ("", ""));
    // What open models think in the clear is theirs alone.
    let item =
        json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let said = json!({"type": "message", "content": [{"type": "output_text", "text": "Hi"}]});
    let message = read(Format::Responses, json!({"output": [item, said]})).unwrap().message;
    assert_eq!((message.content.as_str(), message.thoughts.as_str()), ("Hi", "hm"));
    assert_eq!(message.opaque, None);
}

#[test]
fn usage() {
    let tokens_of = |stream| tokens(&read(Format::Responses, stream).unwrap());
    assert_eq!(tokens_of(TEXT), [Some(41), Some(32), Some(12), Some(0), Some(53)]);
    assert_eq!(tokens_of(TOOLS), [Some(120), Some(0), Some(75), Some(64), Some(195)]);
}

#[test]
fn refusal() {
    for answer in [REFUSAL.to_owned(), document(REFUSAL).to_string()] {
        let fault = read(Format::Responses, answer).unwrap_err();
        assert_eq!(fault.message, "the model refused: I can't help with that.");
        assert_eq!((fault.kind, fault.is_of_model), (FaultKind::ContentRefused, false));
        assert_eq!(fault.usage.unwrap().total_tokens, Some(38));
    }
    let filtered =
        json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []});
    assert_eq!(read(Format::Responses, filtered).unwrap_err().kind, FaultKind::ContentRefused);
}

#[test]
fn error_in_200() {
    let failed = |code: &str| {
        let error = json!({"code": code, "message": "words"});
        json!({"id": "r", "object": "response", "status": "failed", "error": error, "output": [], "usage": {"input_tokens": 3, "output_tokens": 1}})
    };
    for (code, kind) in [
        ("server_error", FaultKind::ServerError),
        ("rate_limit_exceeded", FaultKind::RateLimited),
        ("invalid_prompt", FaultKind::BadRequest),
        ("context_length_exceeded", FaultKind::BadRequest),
        ("insufficient_quota", FaultKind::Unauthorized),
        ("a_code_of_tomorrow", FaultKind::ServerError),
    ] {
        let event = json!({"type": "response.failed", "sequence_number": 9, "response": failed(code)});
        let top_level =
            json!({"type": "error", "sequence_number": 9, "code": code, "message": "words", "param": null});
        let in_it = json!({"type": "error", "error": {"type": "x", "code": code, "message": "words"}});
        for answer in [
            begun(std::slice::from_ref(&event)),
            begun(&[top_level]),
            begun(&[in_it]),
            failed(code).to_string(),
        ] {
            let fault = read(Format::Responses, answer).unwrap_err();
            assert_eq!((fault.kind, fault.message.ends_with(": words")), (kind, true), "{code}: {fault:?}");
        }
        let fault = read(Format::Responses, begun(&[event])).unwrap_err();
        assert_eq!((fault.begun, fault.usage.unwrap().total_tokens), (true, Some(4)), "it was paid for");
    }
    let silent = json!({"type": "response.failed", "response": {"status": "failed", "error": null}});
    assert_eq!(read(Format::Responses, begun(&[silent])).unwrap_err().kind, FaultKind::ServerError);
    let cancelled = json!({"status": "cancelled", "output": []});
    assert_eq!(read(Format::Responses, cancelled).unwrap_err().kind, FaultKind::ServerError);
}

#[test]
fn overload() {
    is_overloaded(
        503,
        &json!({"error": {"message": "busy", "type": "server_error", "code": "server_is_overloaded"}}),
    );
    is_overloaded(
        429,
        &json!({"error": {"message": "slow down", "type": "tokens", "code": "rate_limit_exceeded"}}),
    );
}

#[test]
fn incomplete() {
    for (details, reason) in [
        (json!({"reason": "max_output_tokens"}), FinishReason::Length),
        (json!({"reason": "content_filter"}), FinishReason::ContentFilter),
        (json!({"reason": "a word of tomorrow"}), FinishReason::Other),
        (Value::Null, FinishReason::Other),
    ] {
        let response =
            json!({"id": "r", "status": "incomplete", "incomplete_details": details, "output": []});
        let stream = begun(&[json!({"type": "response.incomplete", "response": response})]);
        let answer = read(Format::Responses, stream).unwrap();
        assert_eq!((answer.message.content.as_str(), answer.finish_reason), ("Low tide 🌊, äé", reason));
    }
    // All of the tokens went into reasoning.
    let response = json!({
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "output": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}],
        "usage": {"input_tokens": 5, "output_tokens": 900, "output_tokens_details": {"reasoning_tokens": 900}},
    });
    let fault = read(Format::Responses, response).unwrap_err();
    assert_eq!(fault.kind, FaultKind::BadRequest);
    assert!(fault.message.contains("900 of them for reasoning"), "{}", fault.message);
}

#[test]
fn unknown_events() {
    let odd = [
        json!({"type": "response.a_word_of_tomorrow", "delta": "no text", "item": {"type": "message"}}),
        json!({"type": "response.output_item.added", "output_index": 7, "item": {"type": "web_search_call"}}),
        json!({"type": "response.output_item.done", "output_index": 7, "item": {"type": "web_search_call"}}),
        json!({"type": "keepalive", "sequence_number": 3}),
        json!({"type": "response.queued", "response": {"status": "queued"}}),
    ];
    let with_odd: String = TEXT.split_inclusive("\n\n").map(|event| events(&odd) + event).collect();
    assert_eq!(read(Format::Responses, with_odd), read(Format::Responses, TEXT));
}

#[test]
fn a_request_says_all_that_it_must() {
    let tools = [
        ToolOffer {
            description: Some("Low tide at a port.".into()),
            parameters: Some(json!({"type": "object", "properties": {"port": {"type": "string"}}})),
            ..ToolOffer::new("tide", Effect::Read)
        },
        ToolOffer::new("moon", Effect::Read),
    ];
    let asked = Message {
        tool_calls: vec![ToolCall { id: "c".into(), name: "tide".into(), arguments: "{}".into() }],
        ..Message::text(Role::Assistant, "I look.")
    };
    let told = Message { tool_call_id: Some("c".into()), ..Message::text(Role::Tool, "9:40") };
    let messages = [Message::text(Role::User, "When?"), asked, told, Message::text(Role::User, "Continue.")];
    let request = ModelRequest {
        system: Some("Be brief.".into()),
        max_output_tokens: Some(4_096),
        temperature: Some(0.5),
        ..asking(&messages, &tools)
    };
    let expected = json!({
        "model": "gpt-5.5",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": "When?"},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "c", "name": "tide", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "9:40"},
            {"role": "user", "content": "Continue."},
        ],
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 4_096,
        "tools": [
            {
                "type": "function", "name": "tide", "description": "Low tide at a port.", "strict": false,
                "parameters": {"type": "object", "properties": {"port": {"type": "string"}}},
            },
            {"type": "function", "name": "moon", "strict": false, "parameters": {"type": "object", "properties": {}}},
        ],
    });
    assert_eq!(body(Format::Responses, "gpt-5.5", &request), expected);
    // A model that does not reason takes a temperature, and has no reasoning to include.
    let plain = body(Format::Responses, "gpt-4.1", &request);
    assert_eq!((&plain["temperature"], plain.get("include")), (&json!(0.5), None));
    let low = ModelRequest { max_output_tokens: Some(1), ..request };
    assert_eq!(body(Format::Responses, "gpt-5.5", &low)["max_output_tokens"], 16, "less is refused");
}

#[test]
fn reasoning_goes_back_before_its_call_and_to_its_model_alone() {
    let mut answer = read(Format::Responses, TOOLS).unwrap();
    answer.made_by(MODEL);
    let messages = after(&answer);
    let sent = body(Format::Responses, "gpt-5.5", &asking(&messages, &[]));
    let kinds = |body: &Value| {
        let items = body["input"].as_array().unwrap().clone();
        let kind =
            |item: Value| item["encrypted_content"].as_str().or(item["call_id"].as_str()).map(str::to_owned);
        items.into_iter().filter_map(kind).collect::<Vec<String>>()
    };
    let calls = ["call_Kiel", "call_Brest", "call_moon"];
    let with_reasoning = [
        "gAAAAB-first",
        "call_Kiel",
        "call_Brest",
        "gAAAAB-second",
        "call_moon",
        "call_Kiel",
        "call_Brest",
        "call_moon",
    ];
    assert_eq!(kinds(&sent), with_reasoning);
    let first = &sent["input"][1];
    let summary = json!([{"type": "summary_text", "text": "**Tides** need a table."}, {"type": "summary_text", "text": "Ask for two ports."}]);
    assert_eq!(
        *first,
        json!({"type": "reasoning", "id": "rs_0", "summary": summary, "encrypted_content": "gAAAAB-first"})
    );
    let without = [calls, calls].concat();
    let other = ModelRequest { model: "responses:o4-mini", ..request(&messages) };
    assert_eq!(kinds(&body(Format::Responses, "o4-mini", &other)), without);
    // Nor to another format, whatever it is.
    for format in [Format::Chat, Format::Messages, Format::WorkersAi] {
        assert!(!format.body("gpt-5.5", &other, RequestForm::usual(format, "gpt-5.5")).contains("gAAAAB"));
    }
}

#[test]
fn what_cannot_be_read_any_more_is_left_out_once() {
    let mut answer = read(Format::Responses, TOOLS).unwrap();
    answer.made_by(MODEL);
    let messages = after(&answer);
    let usual = RequestForm::usual(Format::Responses, "gpt-5.5");
    let refused = json!({"error": {
        "message": "The encrypted content for item rs_0 could not be verified.", "type": "invalid_request_error",
        "param": null, "code": "invalid_encrypted_content",
    }});
    let other = usual.without_what_is_refused(400, refused.to_string().as_bytes()).unwrap();
    assert_eq!(other.changes(), 1);
    let sent = body_in_form(Format::Responses, "gpt-5.5", &asking(&messages, &[]), other);
    assert!(!sent.to_string().contains("gAAAAB"), "{sent}");
    assert_eq!(other.without_what_is_refused(400, refused.to_string().as_bytes()), None);
    let unsupported =
        br#"{"error":{"message":"Encrypted content is not supported with this model.","param":"include"}}"#;
    let other = usual.without_what_is_refused(400, unsupported).unwrap();
    assert_eq!(
        body_in_form(Format::Responses, "gpt-5.5", &asking(&messages, &[]), other).get("include"),
        None
    );
}

#[test]
fn reasoning_that_led_to_nothing_is_not_sent_back() {
    let response = json!({
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "first"},
            {"type": "message", "content": [{"type": "output_text", "text": "Half"}]},
            {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "last"},
        ],
    });
    let mut answer = read(Format::Responses, response).unwrap();
    answer.made_by(MODEL);
    let messages = after(&answer);
    let sent = body(Format::Responses, "gpt-5.5", &asking(&messages, &[]));
    let input: Vec<_> = sent["input"].as_array().unwrap().iter().map(|item| item["type"].as_str()).collect();
    assert_eq!(input, [None, Some("reasoning"), None], "{sent}");
}
