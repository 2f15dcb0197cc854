//! Cloudflare Workers AI, through the `AI` binding's `run(model, input, options)`.
//!
//! Its models answer in three shapes: Workers AI's own (`response`), that of Chat Completions (`choices`) and that of
//! Responses (`output`), whole or as a stream.

use longhaul_core::{Fault, FaultKind, ModelRequest};
use serde::Serialize;
use serde_json::Value;

use crate::{
    chat::{self, WireMessage, WireTool},
    content::{content_of, json_text_of, thoughts_of},
    error::{fault, is_of_model, kind_of_words, reported_fault},
    form::RequestForm,
    format::Format,
    lenient, messages,
    partial::{Partial, Source},
    responses,
    tools::Piece,
};

/// The `input` of `env.AI.run(model, input, options)`, as JSON text that asks for a stream.
pub fn input(request: &ModelRequest<'_>) -> String {
    let input = Input {
        messages: chat::messages(request, RequestForm::usual(Format::WorkersAi, request.model)),
        stream: true,
        max_tokens: request.max_output_tokens,
        temperature: request.temperature,
        tools: chat::tools(request.tools),
        tool_choice: chat::tool_choice(request),
    };
    serde_json::to_string(&input).expect("strings, numbers and booleans are always JSON")
}

/// The fault behind an error that the binding threw, from its text such as
/// `InferenceUpstreamError: 3040: Capacity temporarily exceeded`.
///
/// A known code has the kind of its documented status. Without one the words tell: what says that the connection was lost,
/// or that it may pass, is tried again. Anything else is the server's answer.
pub fn fault_of_binding_error(error: &str) -> Fault {
    let said = error.trim();
    if said.is_empty() {
        return fault(FaultKind::Connection, "Workers AI: the call failed without a reason");
    }
    // The binding puts the HTTP status before Workers AI's own code, which says more.
    let kind = error_codes(said)
        .find_map(kind_of_own_code)
        .or_else(|| error_codes(said).find_map(kind_of_code))
        .or_else(|| inner_fault(said).map(|inner| inner.kind))
        .unwrap_or_else(|| kind_of_text(said));
    let status = error_codes(said).find_map(status_of_code);
    let of_code = error_codes(said).any(|code| matches!(code, 3036 | 4006 | 5007));
    let of_inner = inner_fault(said).is_some_and(|inner| inner.is_of_model);
    // A code says that it is a refusal; the words say of what.
    let kind = if kind == FaultKind::BadRequest { refusal_of_text(said) } else { kind };
    let is_of_model = kind.is_refusal() && (of_code || of_inner || is_of_model(status, said));
    Fault { is_of_model, ..fault(kind, &format!("Workers AI: {said}")) }
}

/// What is read of an error's words, in bytes.
const READ_BYTES_MAX: usize = 4 * 1024;

/// The fault of a JSON object in the text: what the model after the binding answered.
fn inner_fault(error: &str) -> Option<Fault> {
    let start = error.find('{')?;
    let end = error.rfind('}')?;
    let inner = error.get(start..=end).filter(|inner| inner.len() <= READ_BYTES_MAX)?;
    reported_fault(&lenient::parse(inner).ok()?.value)
}

fn kind_of_text(error: &str) -> FaultKind {
    let text = error[..error.floor_char_boundary(READ_BYTES_MAX)].to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["rate limit", "too many requests"]) {
        return FaultKind::RateLimited;
    }
    if says(&[
        "capacity",
        "overloaded",
        "temporarily",
        "try again",
        "retry",
        "unavailable",
        "busy",
        "internal server",
    ]) {
        return FaultKind::ServerError;
    }
    // What the runtime itself says of a connection, or of itself.
    let lost = [
        "network connection lost",
        "connection",
        "disconnected",
        "fetch failed",
        "internal error",
        "timed out",
        "timeout",
        "aborted",
        "socket",
        "reset",
    ];
    if says(&lost) {
        return FaultKind::Connection;
    }
    kind_of_words(&text).unwrap_or(FaultKind::BadRequest)
}

/// What a refusal is about, by the answer in it or by its words.
fn refusal_of_text(error: &str) -> FaultKind {
    let inner = inner_fault(error).map(|inner| inner.kind);
    let words = || kind_of_words(&error[..error.floor_char_boundary(READ_BYTES_MAX)]);
    inner.or_else(words).filter(|kind| kind.is_refusal()).unwrap_or(FaultKind::BadRequest)
}

/// Takes a chunk of a stream, or a whole answer. Whether it had any of the shapes.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    let is_event = response["type"].as_str().is_some_and(|kind| kind.starts_with("response."));
    if is_event || response["output"].is_array() {
        return responses::absorb(partial, response);
    }
    let is_message = |kind: &str| kind.starts_with("message") || kind.starts_with("content_block");
    if response["type"].as_str().is_some_and(is_message) {
        return messages::absorb(partial, response);
    }
    // The shape of the REST API.
    if response["result"].is_object() && response.get("response").is_none() {
        return absorb(partial, &response["result"]);
    }
    if response["choices"].as_array().is_some_and(|choices| !choices.is_empty()) {
        return chat::absorb(partial, response);
    }
    partial.identify(response);
    partial.count(response);
    partial.push_thoughts(&thoughts_of(response))?;
    partial.push_text(&own_text(&response["response"]))?;
    for call in response["tool_calls"].as_array().into_iter().flatten() {
        partial.push_call(Source::Delta, &Piece::of(call))?;
    }
    partial.set_finish_reason(&response["finish_reason"])?;
    Ok(["response", "tool_calls", "usage", "choices"].iter().any(|field| response.get(field).is_some()))
}

/// The text of `response`: a content in parts, or any JSON value where the model was asked for JSON.
fn own_text(response: &Value) -> std::borrow::Cow<'_, str> {
    let is_parts =
        |parts: &Vec<Value>| parts.iter().any(|part| part["type"].is_string() || part["text"].is_string());
    match response {
        Value::Array(parts) if is_parts(parts) => content_of(response).text,
        other => json_text_of(other),
    }
}

#[derive(Serialize)]
struct Input<'a> {
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
}

/// The kind that a code stands for: one of Workers AI's, or an HTTP status.
fn kind_of_code(code: u16) -> Option<FaultKind> {
    match code {
        400..=599 => Some(FaultKind::of_status(code)),
        _ => kind_of_own_code(code),
    }
}

fn kind_of_own_code(code: u16) -> Option<FaultKind> {
    match code {
        // The day's allocation is used up.
        3036 | 4006 => Some(FaultKind::Unauthorized),
        5007 => Some(FaultKind::UnknownModel),
        _ => status_of_code(code).map(FaultKind::of_status),
    }
}

/// The numbers before a colon, as in `AiError: 3040: …`; other numbers stand there too, such as a request's id.
fn error_codes(error: &str) -> impl Iterator<Item = u16> {
    error.split(':').filter_map(|part| part.split_whitespace().next_back()?.parse().ok())
}

/// The HTTP status that <https://developers.cloudflare.com/workers-ai/platform/errors/> gives a code (2026-07-29).
pub(crate) fn status_of_code(code: u16) -> Option<u16> {
    Some(match code {
        3003 | 3039 | 5004 | 5007 => 400,
        3023 | 3041 | 5016 | 5018 => 403,
        3042 => 404,
        5005 | 5019 => 405,
        3007 | 3008 => 408,
        3006 => 413,
        3036 | 3040 => 429,
        // Not in that table, but seen: an input that the model's schema refuses, and the daily allocation once more.
        5006 => 400,
        4006 => 429,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
