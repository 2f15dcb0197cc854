//! What single providers do in their own way, each in a test of its name: `docs/servers.md` has the sources.
#![cfg(not(target_arch = "wasm32"))]

mod hosts;
mod local;
mod makers;

use longhaul_core::{
    Fault, FaultKind, FinalRule, Message, ModelAnswer, ModelRequest, Role, Usage, final_rule, strip_sentinel,
};
use longhaul_models::{Decoder, Format, RequestForm, fault_of_status};
use serde_json::{Value, json};

const TEXT: &str = "Salt wind on the pier,";

/// What a call gets from a body with a status of 200.
fn read(format: Format, content_type: &str, body: &str) -> Result<ModelAnswer, Fault> {
    let mut decoder = Decoder::new(format, Some(content_type));
    decoder.push(body.as_bytes())?;
    decoder.finish()
}

fn stream(chunks: &[Value]) -> String {
    let events = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    events.chain(["data: [DONE]\n\n".to_owned()]).collect()
}

fn streamed(chunks: &[Value]) -> Result<ModelAnswer, Fault> {
    read(Format::Chat, "text/event-stream", &stream(chunks))
}

fn whole(answer: &Value) -> Result<ModelAnswer, Fault> {
    read(Format::Chat, "application/json", &answer.to_string())
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn said() -> Value {
    delta(json!({"content": format!("{TEXT}\nDONE")}))
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The result of a run that ends with this answer.
#[track_caller]
fn is_done(answer: &ModelAnswer) {
    let rule = final_rule(&answer.message, answer.finish_reason, "DONE");
    assert_eq!(rule, Some(FinalRule::Done), "{answer:?}");
    assert_eq!(strip_sentinel(&answer.message.content, "DONE"), Some(TEXT), "{answer:?}");
}

fn counts(usage: &Usage) -> [Option<u64>; 5] {
    let Usage { input_tokens, output_tokens, total_tokens, cached_input_tokens, reasoning_tokens, .. } =
        usage;
    [*input_tokens, *output_tokens, *total_tokens, *cached_input_tokens, *reasoning_tokens]
}

#[track_caller]
fn refused(status: u16, body: &Value) -> Fault {
    fault_of_status(status, body.to_string().as_bytes(), None)
}

/// Of each: the status, the body, the kind, whether another model may do, and words of the message.
#[track_caller]
fn check(cases: &[(u16, Value, FaultKind, bool, &str)]) {
    for (status, body, kind, is_of_model, words) in cases {
        let fault = match body {
            Value::String(text) => fault_of_status(*status, text.as_bytes(), None),
            body => refused(*status, body),
        };
        assert_eq!(
            (fault.kind, fault.is_of_model),
            (*kind, *is_of_model),
            "{status} {body}: {}",
            fault.message
        );
        assert!(fault.message.contains(words), "{status} {body}: {}", fault.message);
    }
}

/// The body of the request that follows after this refusal; `None` where none does.
fn next_body(format: Format, model: &str, status: u16, refusal: &str) -> Option<Value> {
    let other = RequestForm::usual(format, model).without_what_is_refused(status, refusal.as_bytes())?;
    let messages = [Message::text(Role::User, "Write a haiku.")];
    let request = ModelRequest {
        model,
        system: Some("Say DONE.".to_owned()),
        messages: messages.as_slice().into(),
        task: "t",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        tools: &[],
        forbids_tools: false,
    };
    Some(serde_json::from_str(&format.body(model, &request, other)).expect("a request is JSON"))
}
