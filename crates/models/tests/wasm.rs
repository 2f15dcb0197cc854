//! The codecs' main cases under wasm, in Node.
#![cfg(target_arch = "wasm32")]

use longhaul_core::{FaultKind, Message, ModelRequest, Role, Usage};
use longhaul_models::{
    Decoder, Format, Prices, RequestForm, Script, ScriptOutcome, fault_of_status, workers_ai,
};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

fn request<'a>(model: &'a str, task: &'a str, messages: &'a [Message]) -> ModelRequest<'a> {
    ModelRequest {
        model,
        system: Some("Be brief.".to_owned()),
        messages: messages.into(),
        task,
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        tools: &[],
        forbids_tools: false,
    }
}

fn decode(format: Format, body: &str) -> Result<longhaul_core::ModelAnswer, longhaul_core::Fault> {
    let mut decoder = Decoder::new(format, None);
    for part in body.as_bytes().chunks(5) {
        decoder.push(part)?;
    }
    decoder.finish()
}

#[wasm_bindgen_test]
fn requests_are_encoded() {
    let messages = [Message::text(Role::User, "Grüße")];
    let body = |format: Format, wire_name: &str, model: &str| {
        let request = request(model, "Grüße", &messages);
        format.body(wire_name, &request, RequestForm::usual(format, wire_name))
    };
    assert_eq!(
        body(Format::Chat, "tiny", "openai:tiny"),
        r#"{"model":"tiny","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Grüße"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"temperature":0.5}"#
    );
    assert_eq!(
        body(Format::WorkersAi, "@cf/x/y", "@cf/x/y"),
        r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Grüße"}],"stream":true,"max_tokens":9,"temperature":0.5}"#
    );
    let sent = |format, model| serde_json::from_str::<Value>(&body(format, "tiny", model)).unwrap();
    let responses = sent(Format::Responses, "responses:tiny");
    assert_eq!(responses["input"], json!([{"role": "user", "content": "Grüße"}]));
    assert_eq!((&responses["store"], &responses["instructions"]), (&json!(false), &json!("Be brief.")));
    let messages = sent(Format::Messages, "anthropic:tiny");
    assert_eq!(messages["messages"][0]["content"][0]["text"], "Grüße");
    assert_eq!((&messages["max_tokens"], &messages["system"][0]["text"]), (&json!(9), &json!("Be brief.")));
}

#[wasm_bindgen_test]
fn streams_and_documents_are_decoded() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4294967296}}\r\n\r\ndata: [DONE]\r\n\r\n";
    let answer = decode(Format::Chat, stream).unwrap();
    assert_eq!(answer.message.content, "Grüße");
    assert_eq!(answer.usage.total_tokens, Some(4_294_967_299));
    let stream = "data: {\"response\":\"Hel\"}\n\ndata: {\"response\":\"lo\"}\n\ndata: [DONE]\n\n";
    assert_eq!(decode(Format::WorkersAi, stream).unwrap().message.content, "Hello");
    assert_eq!(
        decode(Format::WorkersAi, r#"{"response":{"a":1.5}}"#).unwrap().message.content,
        r#"{"a":1.5}"#
    );
    let stream = include_str!("streams/responses_tools.sse");
    let answer = decode(Format::Responses, stream).unwrap();
    assert_eq!((answer.message.tool_calls.len(), answer.usage.reasoning_tokens), (3, Some(64)));
    let stream = include_str!("streams/messages_tools.sse");
    let answer = decode(Format::Messages, stream).unwrap();
    assert_eq!((answer.message.tool_calls.len(), answer.usage.input_tokens), (3, Some(130)));
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    assert_eq!(decode(Format::Chat, half).unwrap_err().kind, FaultKind::Truncated);
    assert_eq!(decode(Format::Chat, "<html>").unwrap_err().kind, FaultKind::Malformed);
    assert_eq!(decode(Format::Chat, "").unwrap_err().kind, FaultKind::EmptyResponse);
}

#[wasm_bindgen_test]
fn errors_prices_and_scripts_are_read() {
    let fault = fault_of_status(429, br#"{"error":{"message":"slow down"}}"#, Some(1_000));
    assert_eq!((fault.kind, fault.retry_after_ms), (FaultKind::RateLimited, Some(1_000)));
    assert_eq!(workers_ai::fault_of_binding_error("5007: No such model").kind, FaultKind::UnknownModel);
    let prices = Prices::parse(r#"{"openai:tiny":{"input":1,"output":2}}"#).unwrap();
    let usage = Usage { input_tokens: Some(1_000_000), output_tokens: Some(500_000), ..Usage::default() };
    assert_eq!(prices.cost_usd("openai:tiny", &usage), Some(2.0));
    let ScriptOutcome::Stream(chunks) = Script::for_request(&request("scripted:echo", "a b", &[])).outcome
    else {
        panic!("a stream");
    };
    let mut decoder = Decoder::new(Format::Chat, Some("text/event-stream"));
    for chunk in chunks {
        decoder.push(&chunk).unwrap();
    }
    assert_eq!(decoder.finish().unwrap().message.content, "a b\nDONE");
}
