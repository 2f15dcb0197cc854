use longhaul_core::{FaultKind, FinishReason, Message, Role, ToolCall};
use serde_json::json;

use super::*;
use crate::{
    format::Format,
    tests::{after, calls, is_cut_off_before, is_overloaded, read, request, streamed, tokens},
};

fn text_of(request: &ModelRequest<'_>, wire_name: &str) -> String {
    super::body(wire_name, request, RequestForm::usual(Format::Chat, wire_name))
}

fn body(request: &ModelRequest<'_>) -> Value {
    let wire_name = request.model.strip_prefix("openai:").unwrap();
    serde_json::from_str(&text_of(request, wire_name)).unwrap()
}

#[test]
fn a_request_is_as_short_as_it_can_be() {
    let messages = [Message::text(Role::User, "Hi \"you\"")];
    let expected = r#"{"model":"tiny","messages":[{"role":"user","content":"Hi \"you\""}],"stream":true,"stream_options":{"include_usage":true}}"#;
    let request = request(&messages);
    assert_eq!(text_of(&request, "tiny"), expected);
}

#[test]
fn the_instructions_come_first_and_the_settings_go_along() {
    let mut asked = Message::text(Role::Assistant, "");
    asked.tool_calls.push(ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into() });
    let told = Message { tool_call_id: Some("c".into()), ..Message::text(Role::Tool, "b") };
    let messages = [Message::text(Role::User, "a"), asked, told];
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
    assert_eq!(body["messages"][3], json!({"role": "tool", "content": "b", "tool_call_id": "c"}));
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

#[test]
fn a_refusal_that_names_a_field_gives_another_form() {
    let usual = RequestForm::usual(Format::Chat, "tiny");
    let field = |status, body: &str| usual.without_what_is_refused(status, body.as_bytes());
    let without_usage = field(422, "{\"detail\":[{\"loc\":[\"body\",\"stream_options\"]}]}").unwrap();
    assert!(!without_usage.asks_for_usage && without_usage.changes() == 1);
    let renamed = field(400, "Unsupported parameter: use 'max_completion_tokens' instead.").unwrap();
    assert_eq!(renamed.limit, LimitName::MaxCompletionTokens);
    for refused in [
        "System role not supported",
        "{\"message\":\"no system role with this model\"}",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "this model takes no system message",
    ] {
        assert_eq!(field(400, refused).unwrap().system, SystemPlace::FirstUser, "{refused}");
    }
    for (status, body) in [
        (400, "the context is too long"),
        (400, "insufficient system resource"),
        (400, "{\"message\":\"the file system is full\"}"),
        (404, "stream_options"),
        (500, "no system role"),
        (422, ""),
    ] {
        assert_eq!(field(status, body), None, "{status} {body}");
    }
    // Each change is made once, so a server that goes on refusing is not asked without end.
    let refused = b"stream_options system role max_completion_tokens";
    let forms = std::iter::successors(Some(usual), |form| form.without_what_is_refused(400, refused));
    assert_eq!(forms.map(RequestForm::changes).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn the_pieces_of_what_a_router_signed_are_put_together() {
    let mut partial = Partial::default();
    for details in [
        json!([{"type": "reasoning.text", "text": "h", "signature": null, "index": 0}]),
        json!([{"type": "reasoning.text", "text": "m", "signature": "s", "index": 0}]),
        json!([{"type": "reasoning.encrypted", "data": "x", "index": 1}, "odd"]),
        json!([{"type": "reasoning.encrypted", "data": "y"}, {"type": "reasoning.encrypted", "data": "z"}]),
    ] {
        let calls = json!([{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]);
        let delta = json!({"reasoning_details": details, "tool_calls": calls});
        absorb(&mut partial, &json!({"choices": [{"delta": delta}]})).unwrap();
    }
    let mut answer = partial.finish().unwrap();
    answer.made_by("openai:tiny");
    let told = Message { tool_call_id: Some("c".into()), ..Message::text(Role::Tool, "r") };
    let messages = [Message::text(Role::User, "a"), answer.message, told];
    let expected = json!([
        {"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "index": 1},
        {"type": "reasoning.encrypted", "data": "y"},
        {"type": "reasoning.encrypted", "data": "z"},
    ]);
    assert_eq!(body(&request(&messages))["messages"][1]["reasoning_details"], expected);
    let other = ModelRequest { model: "openai:other", ..request(&messages) };
    assert_eq!(body(&other)["messages"][1].get("reasoning_details"), None);
}

#[test]
fn what_gemini_signs_goes_back_with_its_call() {
    let call = |id: &str| {
        let extra = json!({"google": {"thought_signature": format!("of {id}")}});
        json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra})
    };
    let message = json!({"tool_calls": [call("a"), call("b")], "reasoning_content": "hm"});
    let mut partial = Partial::default();
    absorb(&mut partial, &json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]})).unwrap();
    let mut answer = partial.finish().unwrap();
    answer.made_by("openai:tiny");
    let messages = [Message::text(Role::User, "t"), answer.message];
    let sent = &body(&request(&messages))["messages"][1];
    assert_eq!(sent["tool_calls"], json!([call("a"), call("b")]));
    assert_eq!(sent["reasoning_content"], "hm", "a server that thinks aloud before a call wants it back");
}

const TEXT: &str = include_str!("../../tests/streams/chat_text.sse");
const TOOLS: &str = include_str!("../../tests/streams/chat_tools.sse");

#[test]
fn stream() {
    let (answer, text) = streamed(Format::Chat, TEXT);
    let answer = answer.unwrap();
    assert_eq!(
        (answer.message.content.as_str(), text.as_str()),
        ("Low tide 🌊, äé\nDONE", "Low tide 🌊, äé\nDONE")
    );
    assert_eq!(answer.finish_reason, FinishReason::Stop);
    assert_eq!(answer.response_id.as_deref(), Some("chatcmpl-7f0c"));
    is_cut_off_before(
        Format::Chat,
        TEXT,
        r#"data: {"id":"chatcmpl-7f0c","object":"chat.completion.chunk","created":1795000000,"model":"gpt-4.1-mini","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    );
}

#[test]
fn whole() {
    let message =
        json!({"role": "assistant", "content": "Low tide 🌊, äé\nDONE", "refusal": null, "annotations": []});
    let document = json!({
        "id": "chatcmpl-7f0c", "object": "chat.completion", "created": 1, "model": "gpt-4.1-mini",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 41, "completion_tokens": 12, "total_tokens": 53,
            "prompt_tokens_details": {"cached_tokens": 32}, "completion_tokens_details": {"reasoning_tokens": 0},
        },
    });
    assert_eq!(read(Format::Chat, document), read(Format::Chat, TEXT));
}

#[test]
fn tools() {
    let call = json!({"id": "c", "type": "function", "function": {"name": "tide", "arguments": "{\"port\":\"Kiel\"}"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let answer =
        read(Format::Chat, json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
            .unwrap();
    assert_eq!(calls(&answer), [("c", "tide", "{\"port\":\"Kiel\"}")]);
    let messages = after(&answer);
    let sent = crate::tests::body(Format::Chat, "tiny", &request(&messages));
    assert_eq!(sent["messages"][1]["tool_calls"], json!([call]));
    assert_eq!(sent["messages"][2], json!({"role": "tool", "tool_call_id": "c", "content": "result of c"}));
}

#[test]
fn parallel_tools() {
    let answer = read(Format::Chat, TOOLS).unwrap();
    let expected = [
        ("call_Kiel", "tide", "{\"port\":\"Kiel\"}"),
        ("call_Brest", "tide", "{\"port\":\"Brest\"}"),
        ("call_moon", "moon", "{}"),
    ];
    assert_eq!(calls(&answer), expected);
    assert_eq!(answer.finish_reason, FinishReason::ToolCalls);
    let messages = after(&answer);
    let sent = crate::tests::body(Format::Chat, "tiny", &request(&messages));
    let ids: Vec<_> = (2..5).map(|at| sent["messages"][at]["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["call_Kiel", "call_Brest", "call_moon"]);
}

#[test]
fn thoughts() {
    let (answer, text) = streamed(Format::Chat, TOOLS);
    let message = answer.unwrap().message;
    assert_eq!((message.thoughts.as_str(), text.as_str()), ("Tides need a table.", "I ask for both."));
}

#[test]
fn usage() {
    let tokens_of = |stream| tokens(&read(Format::Chat, stream).unwrap());
    assert_eq!(tokens_of(TEXT), [Some(41), Some(32), Some(12), Some(0), Some(53)]);
    assert_eq!(tokens_of(TOOLS), [Some(120), Some(0), Some(75), Some(64), Some(195)]);
}

#[test]
fn refusal() {
    let chunk = |delta: &Value, reason: &Value| {
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}))
    };
    let stream = [
        chunk(&json!({"role": "assistant", "content": "", "refusal": ""}), &Value::Null),
        chunk(&json!({"refusal": "I can't "}), &Value::Null),
        chunk(&json!({"refusal": "help."}), &Value::Null),
        chunk(&json!({}), &json!("stop")),
    ];
    let fault = read(Format::Chat, stream.concat()).unwrap_err();
    assert_eq!(
        (fault.kind, fault.message.as_str()),
        (FaultKind::ContentRefused, "the model refused: I can't help.")
    );
}

#[test]
fn error_in_200() {
    let start = TEXT.split_inclusive("\n\n").take(2).collect::<String>();
    let error = json!({"error": {"message": "upstream went away", "type": "server_error", "code": 502}});
    let fault = read(Format::Chat, format!("{start}data: {error}\n\n")).unwrap_err();
    assert_eq!((fault.kind, fault.begun), (FaultKind::ServerError, true));
    assert!(fault.message.ends_with("upstream went away"), "{}", fault.message);
}

#[test]
fn overload() {
    is_overloaded(503, &json!({"error": {"message": "The server is overloaded", "type": "server_error"}}));
    is_overloaded(429, &json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}));
}
