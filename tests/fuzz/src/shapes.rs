//! Inputs that may be hard on a parser, for [`growth`](crate::growth).

use longhaul::fuzzing::{Deployment, events, parameters, route};
use longhaul_core::{FinishReason, Message, RunId, Seq, Session, decode_row, final_rule, strip_sentinel};
use longhaul_models::{Decoder, Format, SseParser, fault_of_status, redact, workers_ai};
use longhaul_trace::redact::Redaction;
use serde_json::{Value, json};

use crate::{growth::Shape, models::scripted, sinks};

/// The network's pieces, in bytes.
const PIECE_BYTES: usize = 1_024;
const KIB: usize = 1_024;

macro_rules! shape {
    ($parser:literal, $made_of:literal, $kib:literal, $make:expr, $parse:expr) => {
        Shape { parser: $parser, made_of: $made_of, bytes: $kib * KIB, make: $make, parse: $parse }
    };
}

/// Every parser of bytes from outside, with what may be hard on it.
pub const SHAPES: &[Shape] = &[
    shape!("sse", "a long id and many events", 256, |n| halves("id: ", "i", "\ndata:\n\n", n), sse),
    shape!("sse", "a long type and many events", 32, |n| halves("event: ", "e", "\ndata:\n\n", n), sse),
    shape!("sse", "many data lines", 32, |n| repeat("data:\n", n), sse),
    shape!("sse", "one line", 32, |n| halves("data: ", "x", "", n), sse),
    shape!("sse", "line ends", 32, |n| repeat("\r\n\r", n), sse),
    shape!("openai", "a long id and many events", 256, |n| halves("id: ", "i", "\ndata:{}\n\n", n), openai),
    shape!("openai", "deltas of a byte", 32, |n| chunks(&json!({"content": "x"}), n), openai),
    shape!("openai", "deltas of a byte after a long text", 32, long_then_short, openai),
    shape!("openai", "fragments of one tool call", 32, |n| chunks(&call(0, "1"), n), openai),
    shape!("openai", "fragments without an index", 32, |n| chunks(&nameless_call(), n), openai),
    shape!("openai", "a long name and many fragments", 32, long_name, openai),
    shape!("openai", "chunks with a long response id", 32, long_response_id, openai),
    shape!("openai", "a document with many parts", 32, many_parts, openai),
    shape!("openai", "a document with many choices", 32, many_choices, openai),
    shape!("openai", "a document with many members", 32, many_members, openai),
    shape!("openai", "a document of brackets", 32, |n| repeat("[", n), openai),
    shape!("openai", "thoughts again and again", 32, |n| said("<think>a</think>", n), openai),
    shape!(
        "openai",
        "thoughts again and again, in deltas",
        32,
        |n| chunks(&json!({"content": "<think>a</think>"}), n),
        openai
    ),
    shape!("openai", "closing tags that nothing opened", 32, |n| said("</thinking>\n", n), openai),
    shape!("openai", "tags that are never whole", 32, |n| said("<think></think></thin", n), openai),
    shape!("openai", "marks of an end", 32, |n| said("</s><|im_end|> ", n), openai),
    shape!("openai", "halves of characters", 32, |n| repeat(HALF_A_CHARACTER, n), openai),
    shape!("openai", "JSON that is not whole for long", 32, |n| repeat("data: {\n", n), openai),
    shape!(
        "openai",
        "bare JSON, a line each",
        32,
        |n| repeat("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n", n),
        openai
    ),
    shape!("workers_ai", "events of a Responses stream", 32, responses_stream, workers),
    shape!("workers_ai", "many output items", 32, output_items, workers),
    shape!("responses", "fragments of one tool call", 32, arguments_in_pieces, responses),
    shape!("responses", "items that are whole", 32, whole_items, responses),
    shape!("responses", "events with a long response", 32, long_responses, responses),
    shape!("messages", "blocks that begin", 32, |n| repeat(BEGUN_BLOCK, n), messages),
    shape!(
        "messages",
        "blocks that begin and end",
        32,
        |n| repeat(&[BEGUN_BLOCK, ENDED_BLOCK].concat(), n),
        messages
    ),
    shape!(
        "messages",
        "thoughts of a byte",
        32,
        |n| [BEGUN_BLOCK.into(), repeat(THOUGHT, n)].concat(),
        messages
    ),
    shape!("messages", "a document with many blocks", 32, many_blocks, messages),
    shape!("error body", "a long message", 32, |n| document("message", "x", n), error_body),
    shape!("error body", "control characters", 32, |n| document("message", "\u{7f}", n), error_body),
    shape!("error body", "many errors", 32, many_errors, error_body),
    shape!("error body", "lists in lists", 32, |n| document("detail", "[[\\\"", n), error_body),
    shape!("binding error", "braces", 32, |n| repeat("{}", n), binding_error),
    shape!("binding error", "colons", 32, |n| repeat("1:", n), binding_error),
    shape!("directive", "the same key", 16, |n| halves("#scripted ", "turns=1 ", "", 2 * n), directive),
    shape!("directive", "other keys", 16, |n| numbered("#scripted ", "k", "=1 ", n), directive),
    shape!("directive", "lines", 16, |n| repeat("#script\n", n), directive),
    shape!("done rule", "open fences", 32, |n| repeat("```\n~~~\n", n), done_rule),
    shape!("done rule", "quotes in quotes", 32, |n| halves("", "> ", "\nx", n), done_rule),
    shape!("done rule", "lists in lists", 32, |n| halves("", "- ", "\n x", n), done_rule),
    shape!(
        "done rule",
        "quotes in quotes, again and again",
        32,
        |n| repeat(&["> ".repeat(40), "x\n".to_owned()].concat(), n),
        done_rule
    ),
    shape!("done rule", "indented lines", 32, |n| repeat("  1. x\n\n     y\n", n), done_rule),
    shape!("done rule", "white space", 32, |n| repeat(" \n", n), done_rule),
    shape!("redaction", "names of secrets", 32, |n| repeat("token: token=", n), redaction),
    shape!("redaction", "quotes", 32, |n| repeat("secret=\"a", n), redaction),
    shape!("redaction", "web tokens", 32, |n| repeat("eyJhbGciOiJIUzI1NiJ9.", n), redaction),
    shape!("redaction", "prefixes of keys", 32, |n| repeat("sk-SG.glpat-", n), redaction),
    shape!("redaction", "keys in PEM", 32, |n| repeat("-----BEGIN PRIVATE KEY-----\nAAAA\n", n), redaction),
    shape!("redaction", "URLs", 32, |n| repeat("a://b:c", n), redaction),
    shape!("redaction", "addresses", 32, |n| repeat("a@b.c-", n), redaction),
    shape!("redaction", "bearers", 32, |n| repeat("bearer bearer.", n), redaction),
    shape!("redaction", "spaces", 32, |n| halves("token=", " ", "=", n), redaction),
    shape!("redaction", "digits and colons", 32, |n| repeat("1234567890:", n), redaction),
    shape!("journal row", "answers", 32, answered_row, journal_row),
    shape!("journal row", "members that nobody knows", 32, odd_row, journal_row),
    shape!("OTLP answer", "members", 16, |n| [b"j".to_vec(), many_members(n)].concat(), sinks::otlp),
    shape!("OTLP answer", "protobuf", 16, |n| [b"p".to_vec(), vec![0x0a; n]].concat(), sinks::otlp),
    shape!("Nexus answer", "a list", 32, nexus_list, sinks::nexus),
    shape!("request body", "unknown members", 32, many_members, body),
    shape!("request body", "a long task", 32, |n| document("task", "x", n), body),
    shape!("request body", "labels", 32, many_labels, body),
    shape!("request body", "models", 32, many_models, body),
    shape!("query", "one name", 32, |n| halves("http://h/p?", "a=1&", "", 2 * n), query),
    shape!("query", "many names", 32, |n| numbered("http://h/p?", "metadata.k", "=1&", n), query),
    shape!("query", "escapes", 32, |n| halves("http://h/p?q=", "%41", "", 2 * n), query),
    shape!("headers", "subprotocols", 32, |n| repeat("longhaul.token.x, ", n), headers),
];

/// A chunk that has to be mended.
const HALF_A_CHARACTER: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83c\"}}]}\n\n";

/// A block of the Messages format, how it goes on, and how it ends.
const BEGUN_BLOCK: &str =
    "data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"thinking\"}}\n\n";
const THOUGHT: &str =
    "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"x\"}}\n\n";
const ENDED_BLOCK: &str = "data: {\"type\":\"content_block_stop\"}\n\n";

fn sse(bytes: &[u8]) {
    let mut parser = SseParser::new();
    for piece in bytes.chunks(PIECE_BYTES) {
        if parser.push(piece, &mut |event| drop(std::hint::black_box(event))).is_err() {
            return;
        }
    }
}

fn openai(bytes: &[u8]) {
    decode(Format::Chat, bytes);
}

fn responses(bytes: &[u8]) {
    decode(Format::Responses, bytes);
}

fn messages(bytes: &[u8]) {
    decode(Format::Messages, bytes);
}

fn workers(bytes: &[u8]) {
    decode(Format::WorkersAi, bytes);
}

fn decode(format: Format, bytes: &[u8]) {
    let mut decoder = Decoder::new(format, None);
    for piece in bytes.chunks(PIECE_BYTES) {
        if decoder.push(piece).is_err() {
            break;
        }
    }
    drop(std::hint::black_box(decoder.finish()));
}

fn error_body(bytes: &[u8]) {
    std::hint::black_box(redact(fault_of_status(400, bytes, None), "a-secret-of-some-length"));
}

fn binding_error(bytes: &[u8]) {
    std::hint::black_box(workers_ai::fault_of_binding_error(&text(bytes)));
}

fn directive(bytes: &[u8]) {
    std::hint::black_box(scripted(&text(bytes), "scripted:haiku", 1, 1));
}

fn done_rule(bytes: &[u8]) {
    let content = text(bytes) + "\nDONE";
    std::hint::black_box(strip_sentinel(&content, "DONE"));
    let message = Message::text(longhaul_core::Role::Assistant, content);
    std::hint::black_box(final_rule(&message, FinishReason::Stop, "DONE"));
}

fn redaction(bytes: &[u8]) {
    let redaction = Redaction::parse("secrets,emails").expect("these words are known");
    std::hint::black_box(redaction.text(&text(bytes)));
}

fn journal_row(bytes: &[u8]) {
    let records = decode_row(Seq(1), &text(bytes)).expect("these are entries");
    std::hint::black_box(Session::replay(&records).expect("the entries are in order").run(RunId(1)));
}

fn body(bytes: &[u8]) {
    let deployment = Deployment::parse(&|name| (name == "AUTH").then(|| "off".to_owned()));
    let deployment = deployment.unwrap_or_else(|errors| unreachable!("{errors:?}"));
    for is_comparison in [false, true] {
        drop(std::hint::black_box(deployment.new_run(is_comparison, bytes, Some("key-1"))));
    }
}

fn query(bytes: &[u8]) {
    let url = text(bytes);
    std::hint::black_box(parameters(&url));
    drop(std::hint::black_box(events(&url, None)));
    drop(std::hint::black_box(route("GET", &url)));
}

fn headers(bytes: &[u8]) {
    let tokens =
        |name: &str| (name == "API_TOKENS").then(|| "acme:secret-token,beta:another-token".to_owned());
    let deployment = Deployment::parse(&tokens).unwrap_or_else(|errors| unreachable!("{errors:?}"));
    let header = text(bytes);
    drop(std::hint::black_box(deployment.tenant(Some(&header), None)));
    drop(std::hint::black_box(deployment.tenant(None, Some(&header))));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The text again and again, in about so many bytes.
fn repeat(text: &str, bytes: usize) -> Vec<u8> {
    text.repeat(bytes / text.len()).into_bytes()
}

/// A beginning, one half of the bytes of one text, and the other half of another.
fn halves(start: &str, first: &str, second: &str, bytes: usize) -> Vec<u8> {
    let half = |text: &str| text.repeat((bytes / 2).checked_div(text.len()).unwrap_or_default());
    [start, &half(first), &half(second)].concat().into_bytes()
}

fn numbered(start: &str, name: &str, end: &str, bytes: usize) -> Vec<u8> {
    let count = bytes / (name.len() + end.len() + 5);
    let numbered = (0..count).map(|number| format!("{name}{number:05}{end}"));
    [start.to_owned(), numbered.collect()].concat().into_bytes()
}

fn document(member: &str, text: &str, bytes: usize) -> Vec<u8> {
    json!({ member: text.repeat(bytes / text.len()) }).to_string().into_bytes()
}

/// A stream of this delta.
fn chunks(delta: &Value, bytes: usize) -> Vec<u8> {
    repeat(&format!("data: {}\n\n", json!({"choices": [{"delta": delta}]})), bytes)
}

fn call(index: u32, arguments: &str) -> Value {
    json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
}

fn nameless_call() -> Value {
    json!({"tool_calls": [{"function": {"arguments": "1"}}]})
}

fn long_name(bytes: usize) -> Vec<u8> {
    let name = "f".repeat(bytes / 2);
    let first =
        json!({"tool_calls": [{"index": 0, "id": name, "function": {"name": name, "arguments": ""}}]});
    let first = format!("data: {}\n\n", json!({"choices": [{"delta": first}]}));
    [first.into_bytes(), chunks(&call(0, "1"), bytes / 2)].concat()
}

fn long_then_short(bytes: usize) -> Vec<u8> {
    let first = json!({"choices": [{"delta": {"content": "x".repeat(bytes / 2)}}]});
    [format!("data: {first}\n\n").into_bytes(), chunks(&json!({"content": "x"}), bytes / 2)].concat()
}

fn long_response_id(bytes: usize) -> Vec<u8> {
    let chunk = json!({"id": "i".repeat(1_000), "model": "m".repeat(1_000), "choices": []});
    repeat(&format!("data: {chunk}\n\n"), bytes)
}

/// A whole answer of this text.
fn said(text: &str, bytes: usize) -> Vec<u8> {
    let content = text.repeat(bytes / text.len());
    json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).to_string().into_bytes()
}

fn many_parts(bytes: usize) -> Vec<u8> {
    let part = json!({"type": "text", "text": "x"});
    let parts = vec![part; bytes / 28];
    json!({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}]}).to_string().into_bytes()
}

fn many_choices(bytes: usize) -> Vec<u8> {
    let choice = json!({"index": 1, "message": {"content": "x"}});
    json!({"choices": vec![choice; bytes / 41]}).to_string().into_bytes()
}

fn many_members(bytes: usize) -> Vec<u8> {
    let members: serde_json::Map<_, _> = (0..bytes / 11).map(|n| (format!("k{n:05}"), json!(1))).collect();
    Value::from(members).to_string().into_bytes()
}

fn many_errors(bytes: usize) -> Vec<u8> {
    json!({"errors": vec![json!({"loc": ["a"], "msg": " "}); bytes / 25]}).to_string().into_bytes()
}

fn responses_stream(bytes: usize) -> Vec<u8> {
    repeat("data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n", bytes)
}

fn output_items(bytes: usize) -> Vec<u8> {
    let item = json!({"type": "message", "content": [{"type": "output_text", "text": "x"}]});
    json!({"output": vec![item; bytes / 68]}).to_string().into_bytes()
}

fn arguments_in_pieces(bytes: usize) -> Vec<u8> {
    repeat(
        "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"1\"}\n\n",
        bytes,
    )
}

fn whole_items(bytes: usize) -> Vec<u8> {
    let item = json!({"type": "reasoning", "summary": [{"text": "x"}], "encrypted_content": "x"});
    repeat(&format!("data: {}\n\n", json!({"type": "response.output_item.done", "item": item})), bytes)
}

fn long_responses(bytes: usize) -> Vec<u8> {
    let response = json!({"id": "i".repeat(1_000), "model": "m".repeat(1_000), "output": []});
    repeat(&format!("data: {}\n\n", json!({"type": "response.in_progress", "response": response})), bytes)
}

fn many_blocks(bytes: usize) -> Vec<u8> {
    let block = json!({"type": "thinking", "thinking": "x", "signature": "y"});
    json!({"type": "message", "content": vec![block; bytes / 52]}).to_string().into_bytes()
}

fn nexus_list(bytes: usize) -> Vec<u8> {
    let item = json!({"id": "x", "name": "y", "metadata": "{\"a\":1}"});
    format!("200 {}\n", json!({"traces": vec![item; bytes / 45]})).repeat(2).into_bytes()
}

fn many_labels(bytes: usize) -> Vec<u8> {
    let labels: Value = serde_json::from_slice(&many_members(bytes)).expect("it is JSON");
    json!({"task": "t", "metadata": labels}).to_string().into_bytes()
}

fn many_models(bytes: usize) -> Vec<u8> {
    json!({"task": "t", "models": vec!["scripted:echo"; bytes / 16]}).to_string().into_bytes()
}

fn answered_row(bytes: usize) -> Vec<u8> {
    let mut entries = vec![json!({
        "type": "run.accepted", "run": 1, "at": 1, "task": "t", "agent": "default", "model": "scripted:haiku",
        "max_iterations": 6, "metadata": {}, "settings": { "sentinel": "DONE", "model_timeout_ms": 1 },
    })];
    for call in 1..=u32::try_from(bytes / 400).expect("a few") {
        entries.push(json!({
            "type": "model.called", "run": 1, "at": 1, "call": call, "attempt": 1, "iteration": 1,
            "model": "scripted:haiku", "message_count": 2,
        }));
        entries.push(json!({
            "type": "model.answered", "run": 1, "at": 1, "call": call, "attempt": 1, "iteration": 1,
            "message": { "role": "assistant", "content": "x" }, "finish_reason": "stop", "latency_ms": 1,
            "usage": { "input_tokens": 1, "output_tokens": 1, "total_tokens": 2, "cost_usd": null },
            "timing": { "started_at": 1, "ended_at": 2 },
        }));
    }
    Value::from(entries).to_string().into_bytes()
}

fn odd_row(bytes: usize) -> Vec<u8> {
    let mut entry: Value = serde_json::from_slice(&many_members(bytes)).expect("it is JSON");
    let known = json!({
        "type": "run.accepted", "run": 1, "at": 1, "task": "t", "agent": "default", "model": "scripted:haiku",
        "max_iterations": 6, "metadata": {}, "settings": { "sentinel": "DONE", "model_timeout_ms": 1 },
    });
    for (name, value) in known.as_object().expect("it is an object") {
        entry[name] = value.clone();
    }
    json!([entry]).to_string().into_bytes()
}
