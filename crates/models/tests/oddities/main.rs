//! Answers that are not as their format says, by the kind of what is odd in them: each table says what is made of them.
#![cfg(not(target_arch = "wasm32"))]

mod calls;
mod ends;
mod requests;
mod texts;
mod usage;

use longhaul_core::{Fault, ModelAnswer};
use longhaul_models::{Decoder, Format};
use serde_json::{Value, json};

/// What is made of a body with a status of 200, read in pieces.
fn read(format: Format, content_type: &str, body: &str) -> Result<ModelAnswer, Fault> {
    let mut decoder = Decoder::new(format, Some(content_type));
    for part in body.as_bytes().chunks(11) {
        decoder.push(part)?;
    }
    decoder.finish()
}

fn whole(format: Format, answer: &Value) -> Result<ModelAnswer, Fault> {
    read(format, "application/json", &answer.to_string())
}

/// Events with their types, and nothing after the last one.
fn events(format: Format, events: &[Value]) -> Result<ModelAnswer, Fault> {
    let event = |event: &Value| match event["type"].as_str() {
        Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
        None => format!("data: {event}\n\n"),
    };
    read(format, "text/event-stream", &events.iter().map(event).collect::<String>())
}

/// A stream of Chat Completions with its end.
fn chat(chunks: &[Value]) -> Result<ModelAnswer, Fault> {
    let chunks = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
    let body: String = chunks.chain(["data: [DONE]\n\n".to_owned()]).collect();
    read(Format::Chat, "text/event-stream", &body)
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}
