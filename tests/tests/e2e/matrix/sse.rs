//! The answers of an OpenAI-compatible server, event by event.

use longhaul_tests::Reply;
use serde_json::{Value, json};

/// The last event of a stream.
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// A stream of these events.
pub(super) fn stream(events: impl AsRef<[u8]>) -> Reply {
    Reply::body("text/event-stream", events.as_ref().to_vec())
}

/// A whole stream that says "Hello." and DONE.
pub(super) fn hello() -> String {
    [text("Hello.\n"), text("DONE"), ends("stop"), DONE.to_owned()].concat()
}

/// A whole document that says "Hello." and DONE.
pub(super) fn hello_document() -> Value {
    document(json!({"role": "assistant", "content": "Hello.\nDONE"}), json!("stop"))
}

/// A whole document with one choice.
pub(super) fn document(message: Value, finish_reason: Value) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "tiny-0",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})
}

/// An event with text.
pub(super) fn text(text: &str) -> String {
    delta(json!({"content": text}))
}

/// An event with a piece of the message.
pub(super) fn delta(delta: Value) -> String {
    choices(json!([{"index": 0, "delta": delta, "finish_reason": null}]))
}

/// An event that ends the message for a reason.
pub(super) fn ends(reason: impl Into<Value>) -> String {
    choices(json!([{"index": 0, "delta": {}, "finish_reason": reason.into()}]))
}

/// An event with the usage.
pub(super) fn used(usage: Value) -> String {
    event(&json!({"id": "chatcmpl-1", "model": "tiny-0", "choices": [], "usage": usage}))
}

/// An event with choices.
pub(super) fn choices(choices: Value) -> String {
    event(&json!({"id": "chatcmpl-1", "model": "tiny-0", "choices": choices}))
}

/// An event with any data.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
