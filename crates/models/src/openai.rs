//! OpenAI's Chat Completions, as OpenAI and the servers that imitate it (Ollama, vLLM, llama.cpp, LiteLLM) speak it.

use longhaul_core::{Fault, ModelRequest};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    content::{Content, content_of, thoughts_of},
    error,
    name::ModelName,
    partial::{Partial, Source},
    wire::{self, SystemPlace, WireMessage},
};

/// How a request is written: what a server refuses of the usual form, and we can do without, is written in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestForm {
    /// Asks for the usage of a stream.
    asks_for_usage: bool,
    limit: LimitName,
    system: SystemPlace,
    changes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitName {
    MaxTokens,
    MaxCompletionTokens,
}

impl RequestForm {
    /// The usual form for this model.
    pub fn usual(name: &ModelName) -> Self {
        let limit = match takes_max_completion_tokens(name.wire_name()) {
            true => LimitName::MaxCompletionTokens,
            false => LimitName::MaxTokens,
        };
        Self { asks_for_usage: true, limit, system: SystemPlace::System, changes: 0 }
    }

    /// In how many ways it differs from the usual form. A request in another form is another request, also to a server that
    /// knows its `Idempotency-Key`.
    pub fn changes(self) -> u8 {
        self.changes
    }

    /// Another form for a server that answered this one with `status` and `body`: a 400 or 422 that names a field of ours
    /// which the request can do without, or can call by another name. `None` where the refusal is about something else.
    #[must_use]
    pub fn without_what_is_refused(self, status: u16, body: &[u8]) -> Option<Self> {
        if !matches!(status, 400 | 422) {
            return None;
        }
        let other = Self { changes: self.changes + 1, ..self };
        let text = String::from_utf8_lossy(body).to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if self.asks_for_usage && names(&["stream_options", "include_usage"]) {
            return Some(Self { asks_for_usage: false, ..other });
        }
        if self.limit == LimitName::MaxTokens && names(&["max_completion_tokens"]) {
            return Some(Self { limit: LimitName::MaxCompletionTokens, ..other });
        }
        let words = error::words_of(body).to_ascii_lowercase();
        let says = |known: &[&str]| known.iter().any(|word| words.contains(word));
        let is_about_system = says(&["system"]) && says(&["role", "message", "prompt", "instruction"]);
        if self.system == SystemPlace::System && (is_about_system || says(&["roles must alternate"])) {
            return Some(Self { system: SystemPlace::FirstUser, ..other });
        }
        None
    }
}

/// The body of `POST {base}/chat/completions`: JSON that asks for a stream with the usage in its last chunk.
pub fn request_body(name: &ModelName, request: &ModelRequest<'_>) -> String {
    request_in_form(name, request, RequestForm::usual(name))
}

/// The same body in another form.
pub fn request_in_form(name: &ModelName, request: &ModelRequest<'_>, form: RequestForm) -> String {
    let limit = request.max_output_tokens;
    let (max_tokens, max_completion_tokens) = match form.limit {
        LimitName::MaxTokens => (limit, None),
        LimitName::MaxCompletionTokens => (None, limit),
    };
    let body = RequestBody {
        model: name.wire_name(),
        messages: wire::messages(request.system.as_deref(), form.system, request.messages),
        stream: true,
        stream_options: form.asks_for_usage.then_some(StreamOptions { include_usage: true }),
        max_tokens,
        max_completion_tokens,
        temperature: request.temperature,
    };
    serde_json::to_string(&body).expect("strings, numbers and booleans are always JSON")
}

/// Takes a chunk of a stream, or a whole answer: they differ in `delta` and `message` alone. Whether it had the shape
/// of either.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    partial.identify(response);
    partial.count(response);
    let Some(choices) = response["choices"].as_array() else { return Ok(false) };
    // Other choices than the first are never asked for.
    let Some(choice) = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0) else {
        return Ok(response.get("usage").is_some_and(|usage| !usage.is_null()));
    };
    let mut with_error = [choice, &choice["delta"]].into_iter().filter(|part| !part["error"].is_null());
    if let Some(fault) = with_error.find_map(error::reported_fault) {
        return Err(fault);
    }
    partial.push_content(Source::Delta, &content(&choice["delta"]))?;
    partial.push_content(Source::Message, &content(&choice["message"]))?;
    // The older completions, which some models still stream.
    let text = choice["text"].as_str().unwrap_or_default().into();
    partial.push_content(Source::Text, &Content { text, ..Content::default() })?;
    push_tools(partial, choice)?;
    let reasons = [&choice["finish_reason"], &choice["finishReason"], &choice["stop_reason"]];
    if let Some(reason) =
        reasons.into_iter().find(|reason| reason.as_str().is_some_and(|word| !word.is_empty()))
    {
        partial.set_finish_reason(reason)?;
    }
    Ok(true)
}

/// What a message, whole or a piece of it, says.
fn content(message: &Value) -> Content<'_> {
    let mut content = content_of(&message["content"]);
    if content.thoughts.is_empty() {
        content.thoughts = thoughts_of(message);
    }
    if content.refusal.is_empty() {
        content.refusal = content_of(&message["refusal"]).text;
    }
    content
}

fn push_tools(partial: &mut Partial, choice: &Value) -> Result<(), Fault> {
    for (source, message) in [(Source::Delta, &choice["delta"]), (Source::Message, &choice["message"])] {
        partial.push_tool_calls(source, &message["tool_calls"])?;
        // The form before there were several calls in an answer.
        if message["function_call"].is_object() {
            partial
                .push_tool_calls(source, &json!([{ "index": 0, "function": message["function_call"] }]))?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct RequestBody<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// OpenAI's reasoning models refuse `max_tokens`; the compatible servers know nothing else.
fn takes_max_completion_tokens(wire_name: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|family| wire_name.starts_with(family))
}

#[cfg(test)]
mod tests;
