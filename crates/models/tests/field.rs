//! Answers of servers as people reported them in public: each test has the name of its case in `cases/field.json`, which
//! names the report.
#![cfg(not(target_arch = "wasm32"))]

use longhaul_core::{
    Fault, FaultKind, FinalRule, FinishReason, Message, ModelAnswer, ModelRequest, Role, final_rule,
    strip_sentinel,
};
use longhaul_models::{Decoder, Format, RequestForm, fault_of_status};
use serde_json::{Value, json};

const TEXT: &str = "Salt wind on the pier,";

fn case(id: &str) -> Value {
    let cases: Value =
        serde_json::from_str(include_str!("cases/field.json")).expect("the fixture is as it was written");
    cases
        .as_array()
        .expect("the fixture is as it was written")
        .iter()
        .find(|case| case["id"] == id)
        .expect("a case of this id")
        .clone()
}

fn chunks(turn: &Value) -> Vec<String> {
    turn["chunks"]
        .as_array()
        .expect("the fixture is as it was written")
        .iter()
        .map(|chunk| chunk.as_str().expect("the fixture is as it was written").to_owned())
        .collect()
}

/// What a call gets from a turn of a case, and the text that streamed meanwhile.
fn play(turn: &Value) -> (Result<ModelAnswer, Fault>, String) {
    read(
        turn["content_type"].as_str().expect("the fixture is as it was written"),
        turn["status"].as_u64().expect("the fixture is as it was written"),
        &chunks(turn),
    )
}

fn read(content_type: &str, status: u64, chunks: &[String]) -> (Result<ModelAnswer, Fault>, String) {
    if status != 200 {
        let status = u16::try_from(status).expect("the fixture is as it was written");
        return (Err(fault_of_status(status, chunks.concat().as_bytes(), None)), String::new());
    }
    let mut decoder = Decoder::new(Format::Chat, Some(content_type));
    let mut streamed = String::new();
    for chunk in chunks {
        match decoder.push(chunk.as_bytes()) {
            Ok(text) => streamed.push_str(&text),
            Err(fault) => return (Err(fault), streamed),
        }
    }
    (decoder.finish(), streamed)
}

fn first(id: &str) -> (Result<ModelAnswer, Fault>, String) {
    play(&case(id)["turns"][0])
}

fn fault(id: &str) -> Fault {
    first(id).0.expect_err("this is no answer")
}

/// The result of a run that ends with this answer; `None` where it does not end with it.
fn result(answer: &ModelAnswer) -> Option<&str> {
    let rule = final_rule(&answer.message, answer.finish_reason, "DONE");
    (rule == Some(FinalRule::Done)).then(|| strip_sentinel(&answer.message.content, "DONE"))?
}

fn ends_with(id: &str, text: &str) {
    let answer = first(id).0.expect("the fixture is as it was written");
    assert_eq!(result(&answer), Some(text), "{id}: {answer:?}");
}

fn request(messages: &[Message]) -> ModelRequest<'_> {
    ModelRequest {
        model: "openai:tiny",
        system: Some("Say DONE.".to_owned()),
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

/// The body that is sent after the first turn of a case refused the usual one.
fn second_body(id: &str) -> Value {
    let refusal = &case(id)["turns"][0];
    let status = u16::try_from(refusal["status"].as_u64().expect("the fixture is as it was written"))
        .expect("the fixture is as it was written");
    let form = RequestForm::usual(Format::Chat, "tiny");
    let other = form
        .without_what_is_refused(status, chunks(refusal).concat().as_bytes())
        .expect("the fixture is as it was written");
    let messages = [Message::text(Role::User, "Write a haiku about tides.")];
    serde_json::from_str(&Format::Chat.body("tiny", &request(&messages), other))
        .expect("the fixture is as it was written")
}

#[test]
fn ms_01_an_emoji_whose_halves_come_in_two_chunks() {
    ends_with("ms-01", "Low tide 🌊 calls");
    assert_eq!(first("ms-01").1, "Low tide 🌊 calls\nDONE", "what streams is the same text");
}

#[test]
fn ms_03_an_error_in_a_field_of_the_event_stream() {
    let fault = fault("ms-03");
    assert_eq!(fault.kind, FaultKind::BadRequest);
    assert!(fault.message.contains("exceeds the context size"), "{}", fault.message);
}

#[test]
fn ms_05_a_chunk_that_is_null() {
    ends_with("ms-05", TEXT);
    let case = case("ms-05");
    for variant in case["variants"].as_array().unwrap() {
        let mut turn = case["turns"][0].clone();
        turn["chunks"][1] = variant["chunk"].clone();
        assert_eq!(result(&play(&turn).0.unwrap()), Some(TEXT), "{variant}");
    }
}

#[test]
fn ms_07_content_lists_without_a_text_part() {
    ends_with("ms-07", TEXT);
    assert_eq!(first("ms-07").0.unwrap().message.thoughts, "five seven five");
}

#[test]
fn ms_09_finish_reason_eos() {
    ends_with("ms-09", TEXT);
}

#[test]
fn ms_12_the_upstream_dies_after_a_200() {
    let fault = fault("ms-12");
    assert_eq!(fault.kind, FaultKind::ServerError);
    assert!(fault.message.contains("upstream went away"), "{}", fault.message);
    assert_eq!(result(&play(&case("ms-12")["turns"][1]).0.unwrap()), Some(TEXT));
}

#[test]
fn ms_14_a_refusal() {
    let fault = fault("ms-14");
    assert!(!fault.kind.is_transient(), "it is not called again");
    assert!(fault.message.contains("I can't help with that."), "{}", fault.message);
}

#[test]
fn ms_16_all_tokens_went_into_reasoning() {
    let fault = fault("ms-16");
    assert!(!fault.kind.is_transient(), "it is not called again");
    for word in ["length", "reasoning", "900", "max_output_tokens"] {
        assert!(fault.message.contains(word), "{word}: {}", fault.message);
    }
}

#[test]
fn ms_18_usage_in_x_groq() {
    let usage = first("ms-18").0.unwrap().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (Some(23), Some(19), Some(42)));
}

#[test]
fn ms_20_a_server_that_refuses_stream_options() {
    let fault = fault("ms-20");
    assert_eq!(fault.kind, FaultKind::BadRequest);
    assert!(fault.message.contains("body.stream_options.include_usage: this field"), "{}", fault.message);
    let body = second_body("ms-20");
    assert_eq!((body.get("stream_options"), &body["stream"]), (None, &json!(true)));
}

#[test]
fn ms_22_a_model_without_a_system_role() {
    let fault = fault("ms-22");
    assert!(fault.message.contains("no system role with this model"), "{}", fault.message);
    let expected = json!([{"role": "user", "content": "Say DONE.\n\nWrite a haiku about tides."}]);
    assert_eq!(second_body("ms-22")["messages"], expected);
}

#[test]
fn ms_25_a_fence_in_thoughts_that_is_never_closed() {
    ends_with("ms-25", TEXT);
    let (answer, streamed) = first("ms-25");
    assert!(answer.unwrap().message.thoughts.contains("```python"));
    assert_eq!(streamed, format!("{TEXT}\nDONE"), "no thought streams as text");
}

#[test]
fn dn_01_a_fence_on_the_line_of_a_list_marker() {
    assert!(result(&first("dn-01").0.unwrap()).is_some());
    for variant in case("dn-01")["variants"].as_array().unwrap() {
        let message = Message::text(Role::Assistant, variant["content"].as_str().unwrap());
        assert_eq!(final_rule(&message, FinishReason::Stop, "DONE"), Some(FinalRule::Done), "{variant}");
    }
}

#[test]
fn dn_03_an_end_token_in_the_text() {
    ends_with("dn-03", TEXT);
    let case = case("dn-03");
    for variant in case["variants"].as_array().unwrap() {
        let tail = variant["tail"].as_str().unwrap();
        let body = json!({"choices": [{"message": {"content": format!("{TEXT}\n{tail}")}, "finish_reason": "stop"}]});
        let answer = read("application/json", 200, &[body.to_string()]).0.unwrap();
        assert_eq!(result(&answer), Some(TEXT), "{variant}");
    }
}
