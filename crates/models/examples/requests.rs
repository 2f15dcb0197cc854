//! Requests of every kind that we send to OpenAI's and Anthropic's formats, a line of JSON each, into the file that is named.
//!
//! `tests/types/check.py` holds them against the types of the providers' own SDKs: `cargo xtask test --only types`.

use std::{env, error::Error, fmt::Write, fs};

use longhaul_core::{Effect, Message, ModelRequest, Role, ToolCall, ToolOffer};
use longhaul_models::{Decoder, Format, RequestForm};
use serde_json::{Value, json};

/// A format, its name in the file, a model by its wire name, and the fields that it gets though its format's SDK does not
/// know them.
type Asked = (Format, &'static str, &'static str, &'static [&'static str]);

/// What other servers sent first, and want back.
const OF_OTHER_SERVERS: &[&str] = &["reasoning_content", "reasoning_details", "extra_content"];
/// The SDK describes the models that take none any more. The older ones still do.
const OF_OLDER_MODELS: &[&str] = &["temperature"];

/// Models that differ in what they take.
const ASKED: [Asked; 7] = [
    (Format::Chat, "chat", "gpt-4.1", OF_OTHER_SERVERS),
    (Format::Chat, "chat", "gpt-5.5-mini", OF_OTHER_SERVERS),
    (Format::Responses, "responses", "gpt-4.1", &[]),
    (Format::Responses, "responses", "gpt-5.5-mini", &[]),
    (Format::Messages, "messages", "claude-sonnet-4-6", OF_OLDER_MODELS),
    (Format::Messages, "messages", "claude-opus-5-5", &[]),
    (Format::Messages, "messages", "kimi-k3", OF_OLDER_MODELS),
];

/// A conversation, and what goes with it.
#[derive(Clone, Default)]
struct Case {
    name: String,
    system: Option<&'static str>,
    messages: Vec<Message>,
    tools: Vec<ToolOffer>,
    max_output_tokens: Option<u32>,
    temperature: Option<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("name the file to write")?;
    let mut lines = String::new();
    for (format, format_name, wire_name, beyond) in ASKED {
        let model = format!("test:{wire_name}");
        for case in [told(), tools(), answers(format, &model)?].concat() {
            for (form_name, form) in forms(format, wire_name) {
                let body: Value =
                    serde_json::from_str(&format.body(wire_name, &request(&case, &model), form))?;
                let name = format!("{} to {wire_name}, {form_name}", case.name);
                let line = json!({ "format": format_name, "name": name, "beyond": beyond, "body": body });
                writeln!(lines, "{line}")?;
            }
        }
    }
    fs::write(&path, lines)?;
    Ok(())
}

fn request<'a>(case: &'a Case, model: &'a str) -> ModelRequest<'a> {
    ModelRequest {
        model,
        system: case.system.map(str::to_owned),
        messages: case.messages.as_slice().into(),
        task: "task",
        sentinel: Some("DONE"),
        iteration: 1,
        attempt: 1,
        max_output_tokens: case.max_output_tokens,
        temperature: case.temperature,
        tools: &case.tools,
        forbids_tools: false,
    }
}

/// The usual form, and those that a server gets when it refused something of it.
fn forms(format: Format, wire_name: &str) -> Vec<(String, RequestForm)> {
    let usual = RequestForm::usual(format, wire_name);
    let mut forms = vec![
        ("the usual form".to_owned(), usual),
        ("instructions in the first message".to_owned(), usual.with_system_in_first_user()),
    ];
    for refused in [
        "stream_options is not supported",
        "use max_completion_tokens instead",
        "temperature is not supported",
        "cache_control: unknown field",
        "encrypted content is not supported with this model",
        "invalid_encrypted_content",
    ] {
        let body = json!({ "error": { "message": refused } }).to_string();
        forms.extend(
            usual
                .without_what_is_refused(400, body.as_bytes())
                .map(|form| (format!("after `{refused}`"), form)),
        );
    }
    forms
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn model(text: &str) -> Message {
    Message::text(Role::Assistant, text)
}

fn calling(text: &str, calls: &[(&str, &str, &str)]) -> Message {
    let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    Message { tool_calls: calls.iter().map(call).collect(), ..model(text) }
}

fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, text) }
}

fn case(name: &str, messages: Vec<Message>) -> Case {
    Case { name: name.to_owned(), messages, ..Case::default() }
}

/// Conversations without tools.
fn told() -> Vec<Case> {
    let thought = Message { thoughts: "The user wants a haiku.".to_owned(), ..model("Tides rise.") };
    vec![
        case("a task", vec![user("Write a haiku.")]),
        Case {
            system: Some("Be brief.\n\nSay DONE."),
            max_output_tokens: Some(200),
            temperature: Some(1.5),
            ..case("instructions and limits", vec![user("Write a haiku.")])
        },
        Case {
            system: Some("Be brief."),
            temperature: Some(0.0),
            ..case(
                "further runs, one of them cancelled",
                vec![
                    user("One."),
                    model("1"),
                    user("Continue."),
                    model("2\nDONE"),
                    user("Lost."),
                    user("Three."),
                ],
            )
        },
        case("thoughts of nobody", vec![user("Write a haiku."), thought, user("Continue.")]),
        case("an answer of nothing", vec![user("Say nothing."), model(""), user("Continue."), model(" \n")]),
        case("odd text", vec![user("\u{0}\u{fffd}\u{1f30a} \"\\\n"), model("ä\u{2028}"), user(" ")]),
    ]
}

fn offers() -> Vec<ToolOffer> {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["query"],
        "properties": { "query": { "type": "string" }, "limit": { "type": ["integer", "null"] } },
    });
    let choice = json!({ "anyOf": [
        { "type": "object", "properties": { "id": { "type": "string" } } },
        { "type": "object", "properties": { "name": { "type": "string" } } },
    ] });
    vec![
        ToolOffer {
            description: Some("Looks something up.".to_owned()),
            parameters: Some(schema),
            ..ToolOffer::new("search", Effect::Read)
        },
        ToolOffer { parameters: Some(choice), ..ToolOffer::new("order", Effect::Once) },
        ToolOffer::new("clock", Effect::Idempotent),
    ]
}

/// Conversations with calls and results, in every order that a journal can have them.
fn tools() -> Vec<Case> {
    let offered = |name: &str, messages| Case { tools: offers(), ..case(name, messages) };
    let parallel =
        calling("", &[("a", "search", "{\"query\":\"tides\"}"), ("b", "clock", "{}"), ("c", "order", "")]);
    let results = [result("b", "noon"), result("a", "{\"found\":[]}"), result("c", "")];
    let loops: Vec<Message> = [user("Plan a trip.")]
        .into_iter()
        .chain((1..=5).flat_map(|turn| {
            let ids = [format!("call_{turn}_1"), format!("call_{turn}_2")];
            let text = if turn % 2 == 0 { "I look further." } else { "" };
            let calls = calling(text, &[(&ids[0], "search", "{\"query\":\"x\"}"), (&ids[1], "clock", "{}")]);
            [calls, result(&ids[0], "found"), result(&ids[1], "noon")]
        }))
        .collect();
    vec![
        offered("tools that are offered", vec![user("Look.")]),
        offered(
            "parallel calls and their results",
            [vec![user("Look."), parallel.clone()], results.to_vec()].concat(),
        ),
        offered(
            "results and what a person added",
            [vec![user("Look."), parallel.clone()], results.to_vec(), vec![user("Hurry.")]].concat(),
        ),
        offered("a call without its result", vec![user("Look."), parallel.clone(), user("Continue.")]),
        offered("six turns", loops.clone()),
        case("six turns whose tools are gone", loops),
        offered(
            "ids that are long, odd, empty or not unique",
            vec![
                user("Look."),
                calling("", &[(&"long".repeat(40), "clock", "{}"), ("a:b/c d", "clock", "{}")]),
                result(&"long".repeat(40), "1"),
                result("a:b/c d", "2"),
                calling("", &[("", "clock", "{}"), ("", "clock", "{}")]),
                result("", "3"),
                result("", "4"),
            ],
        ),
        offered(
            "names and arguments that no server takes",
            vec![
                user("Look."),
                calling(
                    "",
                    &[("a", "", "{\"half\":"), ("b", "mcp.server/look it up", "[1]"), ("c", "clock", "null")],
                ),
                result("a", "no such tool"),
                result("b", "no such tool"),
                result("c", "noon"),
            ],
        ),
    ]
}

/// What a provider answered, as its decoder read it, goes back with the results: thoughts that are signed or encrypted.
fn answers(format: Format, model: &str) -> Result<Vec<Case>, Box<dyn Error>> {
    let answers = match format {
        Format::Chat => chat_answers(),
        Format::Responses => responses_answers(),
        Format::Messages => messages_answers(),
        Format::WorkersAi => return Ok(Vec::new()),
    };
    let mut cases = Vec::new();
    for (name, answer) in answers {
        let mut decoder = Decoder::new(format, Some("application/json"));
        decoder.push(answer.to_string().as_bytes()).map_err(|fault| format!("{name}: {fault:?}"))?;
        let mut message = decoder.finish().map_err(|fault| format!("{name}: {fault:?}"))?.message;
        for (whose, maker) in [("its own", model), ("another model's", "test:another")] {
            if let Some(opaque) = &mut message.opaque {
                maker.clone_into(&mut opaque.model);
            }
            let results = message.tool_calls.iter().map(|call| result(&call.id, "found"));
            let messages = [user("Look."), message.clone()].into_iter().chain(results).collect();
            cases.push(Case { tools: offers(), ..case(&format!("{name}, {whose}"), messages) });
        }
    }
    Ok(cases)
}

fn chat_answers() -> Vec<(&'static str, Value)> {
    let call = |id: &str, more: Value| {
        let mut call = json!({ "id": id, "type": "function", "function": { "name": "search", "arguments": "{\"query\":\"x\"}" } });
        if let (Value::Object(call), Value::Object(more)) = (&mut call, more) {
            call.extend(more);
        }
        call
    };
    let answer = |message: Value| json!({ "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }] });
    let signed = json!({ "extra_content": { "google": { "thought_signature": "c2ln" } } });
    vec![
        (
            "calls of OpenAI",
            answer(json!({
                "role": "assistant", "content": null, "refusal": null,
                "tool_calls": [call("call_1", json!({})), call("call_2", json!({}))],
            })),
        ),
        (
            "thoughts of DeepSeek",
            answer(json!({
                "role": "assistant", "content": "", "reasoning_content": "I look.",
                "tool_calls": [call("call_1", json!({}))],
            })),
        ),
        (
            "details of OpenRouter",
            answer(json!({
                "role": "assistant", "content": "", "tool_calls": [call("call_1", json!({}))],
                "reasoning_details": [{ "type": "reasoning.encrypted", "data": "ZW5j", "id": "r", "index": 0 }],
            })),
        ),
        (
            "signatures of Gemini",
            answer(
                json!({ "role": "assistant", "content": "", "tool_calls": [call("call_1", signed), call("call_2", json!({}))] }),
            ),
        ),
    ]
}

fn responses_answers() -> Vec<(&'static str, Value)> {
    let reasoning = |id: &str| {
        json!({
            "type": "reasoning", "id": id, "encrypted_content": "ZW5j", "status": "completed", "content": null,
            "summary": [{ "type": "summary_text", "text": "I look." }],
        })
    };
    let text = json!({
        "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{ "type": "output_text", "text": "I look.", "annotations": [], "logprobs": [] }],
    });
    let call = |id: &str| {
        json!({
            "type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "search",
            "arguments": "{\"query\":\"x\"}", "status": "completed",
        })
    };
    let answer = |output: Value| json!({ "id": "resp_1", "object": "response", "status": "completed", "output": output });
    vec![
        ("encrypted reasoning and calls", answer(json!([reasoning("rs_1"), call("a"), call("b")]))),
        (
            "reasoning, text and a call",
            answer(json!([reasoning("rs_1"), text, reasoning("rs_2"), call("a")])),
        ),
        ("reasoning and text alone", answer(json!([reasoning("rs_1"), text]))),
    ]
}

fn messages_answers() -> Vec<(&'static str, Value)> {
    let thinking = json!({ "type": "thinking", "thinking": "I look.", "signature": "c2ln" });
    let text = json!({ "type": "text", "text": "I look.", "citations": null });
    let call =
        |id: &str| json!({ "type": "tool_use", "id": id, "name": "search", "input": { "query": "x" } });
    let answer = |reason: &str, content: Value| {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "stop_reason": reason, "stop_sequence": null,
            "content": content, "usage": { "input_tokens": 1, "output_tokens": 1 },
        })
    };
    let hidden = json!({ "type": "redacted_thinking", "data": "ZW5j" });
    vec![
        ("signed thoughts and calls", answer("tool_use", json!([thinking, text, call("a"), call("b")]))),
        ("thoughts between calls", answer("tool_use", json!([thinking, call("a"), hidden, text, call("b")]))),
        ("signed thoughts and text alone", answer("end_turn", json!([thinking, text]))),
    ]
}
