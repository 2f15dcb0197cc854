//! What the tests of several codecs share.

use longhaul_core::{Fault, FaultKind, Message, ModelAnswer, ModelRequest, Role};
use serde_json::Value;

use crate::{Decoder, Format, RequestForm};

/// A request with nothing but its messages.
pub(crate) fn request(messages: &[Message]) -> ModelRequest<'_> {
    ModelRequest {
        model: "openai:tiny",
        system: None,
        messages: messages.into(),
        task: "t",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: None,
        temperature: None,
        tools: &[],
        forbids_tools: false,
    }
}

/// What is sent for a request.
pub(crate) fn body(format: Format, wire_name: &str, request: &ModelRequest<'_>) -> Value {
    body_in_form(format, wire_name, request, RequestForm::usual(format, wire_name))
}

/// What is sent for a request in this form.
pub(crate) fn body_in_form(
    format: Format,
    wire_name: &str,
    request: &ModelRequest<'_>,
    form: RequestForm,
) -> Value {
    serde_json::from_str(&format.body(wire_name, request, form)).expect("a body is JSON")
}

/// What is made of a body, and the text that streams meanwhile.
pub(crate) fn streamed(format: Format, body: &str) -> (Result<ModelAnswer, Fault>, String) {
    let mut decoder = Decoder::new(format, None);
    let mut text = String::new();
    for part in body.as_bytes().chunks(7) {
        match decoder.push(part) {
            Ok(more) => text.push_str(&more),
            Err(fault) => return (Err(fault), text),
        }
    }
    (decoder.finish(), text)
}

/// What is made of a body.
pub(crate) fn read(format: Format, body: impl ToString) -> Result<ModelAnswer, Fault> {
    streamed(format, &body.to_string()).0
}

/// Events with their types.
pub(crate) fn events(events: &[Value]) -> String {
    let event =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"));
    events.iter().map(event).collect()
}

/// The calls of an answer: id, name and arguments of each.
pub(crate) fn calls(answer: &ModelAnswer) -> Vec<(&str, &str, &str)> {
    let calls = answer.message.tool_calls.iter();
    calls.map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str())).collect()
}

/// Tokens of an answer: input, cached input, output, reasoning, all.
pub(crate) fn tokens(answer: &ModelAnswer) -> [Option<u64>; 5] {
    let usage = &answer.usage;
    let parts = [usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens];
    let [input, cached, output, reasoning] = parts;
    [input, cached, output, reasoning, usage.total_tokens]
}

/// A conversation in which the model gave this answer, and its tools returned one after the other.
pub(crate) fn after(answer: &ModelAnswer) -> Vec<Message> {
    let mut messages = vec![Message::text(Role::User, "When is low tide?"), answer.message.clone()];
    messages.extend(answer.message.tool_calls.iter().map(|call| Message {
        tool_call_id: Some(call.id.clone()),
        ..Message::text(Role::Tool, format!("result of {}", call.id))
    }));
    messages
}

/// A stream that ends after each of its events but the last ones is cut off, whatever had come of it.
pub(crate) fn is_cut_off_before(format: Format, stream: &str, end: &str) {
    let whole = stream.find(end).expect("the stream has this end");
    let ends = stream[..whole].match_indices("\n\n").map(|(at, _)| at + 2).chain([whole]);
    for at in ends.filter(|at| *at > 0) {
        let fault = read(format, &stream[..at]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Truncated, "{}", &stream[..at]);
    }
    let half = read(format, &stream[..whole + end.len() / 2]);
    assert_eq!(half.map_err(|fault| fault.kind), Err(FaultKind::Truncated));
}

/// Servers that are overloaded say so by a status, here with their own words.
pub(crate) fn is_overloaded(status: u16, error: &Value) {
    let fault = crate::fault_of_status(status, error.to_string().as_bytes(), Some(5_000));
    assert!(fault.kind.is_transient() && !fault.is_of_model, "{fault:?}");
    assert_eq!(fault.retry_after_ms, Some(5_000));
}

/// Whoever may call no tool is told so in the format's own word; the tools stay declared, because the conversation has calls.
#[test]
fn tools_that_are_forbidden_stay_declared() {
    let tools = [longhaul_core::ToolOffer::new("tide", longhaul_core::Effect::Read)];
    let none = serde_json::json!("none");
    for (format, word) in [
        (Format::Chat, none.clone()),
        (Format::Responses, none.clone()),
        (Format::Messages, serde_json::json!({"type": "none"})),
        (Format::WorkersAi, none),
    ] {
        let messages = [Message::text(longhaul_core::Role::User, "Tides.")];
        let asked = |tools, forbids_tools| {
            body(format, "tiny", &ModelRequest { tools, forbids_tools, ..request(&messages) })
        };
        let forbidden = asked(&tools, true);
        assert_eq!(
            (&forbidden["tool_choice"], forbidden["tools"].as_array().map(Vec::len)),
            (&word, Some(1))
        );
        assert!(
            asked(&tools, false).get("tool_choice").is_none()
                && asked(&[], true).get("tool_choice").is_none()
        );
    }
}
