//! OpenAI's Chat Completions, as OpenAI and the servers that imitate it (Ollama, vLLM, llama.cpp, LiteLLM) speak it.

use std::borrow::Cow;

use longhaul_core::{Fault, ModelRequest, Role, ToolOffer};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    content::{Content, content_of, thoughts_of},
    error, finish,
    form::{LimitName, RequestForm},
    known,
    partial::{Partial, Source},
    tools::{Piece, index_of},
    wire::{self, Said, SaidCall, SaidPart, SystemPlace, Turn},
};

/// The body of a request: JSON that asks for a stream with the usage in its last chunk.
pub(crate) fn body(wire_name: &str, request: &ModelRequest<'_>, form: RequestForm) -> String {
    let limit = request.max_output_tokens;
    let (max_tokens, max_completion_tokens) = match form.limit {
        LimitName::MaxTokens => (limit, None),
        LimitName::MaxCompletionTokens => (None, limit),
    };
    let body = RequestBody {
        model: wire_name,
        messages: messages(request, form),
        stream: form.streams,
        stream_options: (form.streams && form.asks_for_usage)
            .then_some(StreamOptions { include_usage: true }),
        max_tokens,
        max_completion_tokens,
        temperature: request.temperature.filter(|_| form.has_temperature),
        tools: tools(request.tools),
        tool_choice: tool_choice(request),
    };
    serde_json::to_string(&body).expect("strings, numbers and booleans are always JSON")
}

/// The conversation, the instructions first.
pub(crate) fn messages<'a>(
    request: &'a ModelRequest<'_>,
    RequestForm { system, has_opaque, has_nine_letters, .. }: RequestForm,
) -> Vec<WireMessage<'a>> {
    let instructions = request.system.as_deref().filter(|_| system == SystemPlace::System);
    let system_message = instructions.map(|text| WireMessage::text(Role::System, Cow::Borrowed(text)));
    let mut messages: Vec<_> = system_message.into_iter().collect();
    let wants_nine = has_nine_letters || known::wants_nine_letters(request.model);
    let id_of = if wants_nine { wire::nine_letters } else { id_of };
    for turn in wire::turns(request, system, id_of) {
        match turn {
            Turn::User(told) => {
                messages.extend(told.results.into_iter().map(|(id, text)| WireMessage {
                    tool_call_id: Some(id),
                    ..WireMessage::text(Role::Tool, Cow::Borrowed(text))
                }));
                if !told.text.is_empty() {
                    messages.push(WireMessage::text(Role::User, told.text));
                }
            }
            Turn::Assistant(said) => {
                for said in said {
                    say(&mut messages, &said, request.model, has_opaque);
                }
            }
        }
    }
    messages
}

fn id_of(id: &str) -> String {
    if id.is_empty() { "call".to_owned() } else { id.to_owned() }
}

/// Adds what the model said; to what it said right before, where both are text alone.
fn say<'a>(messages: &mut Vec<WireMessage<'a>>, said: &Said<'a>, model: &str, has_opaque: bool) {
    let mut message = WireMessage::text(Role::Assistant, Cow::Borrowed(&said.message.content));
    message.tool_calls = said.calls.iter().map(WireToolCall::new).collect();
    if has_opaque && !said.calls.is_empty() {
        message.keep(said, model);
    }
    match messages.last_mut() {
        Some(last) if last.is_text_of_model() && message.is_text_of_model() => {
            let text = last.content.to_mut();
            text.push_str(wire::BETWEEN);
            text.push_str(&message.content);
        }
        _ => messages.push(message),
    }
}

/// That the model may call none of the tools that are declared. Where none is, servers refuse the word.
pub(crate) fn tool_choice(request: &ModelRequest<'_>) -> Option<&'static str> {
    (request.forbids_tools && !request.tools.is_empty()).then_some("none")
}

/// The tools that the model may ask for.
pub(crate) fn tools(offers: &[ToolOffer]) -> Vec<WireTool<'_>> {
    let tool = |offer| WireTool { r#type: "function", function: OfferedFunction::new(offer) };
    offers.iter().map(tool).collect()
}

/// Takes a chunk of a stream, or a whole answer: they differ in `delta` and `message` alone. Whether it had the shape
/// of either.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    partial.identify(response);
    partial.count(response);
    let choices = match &response["choices"] {
        Value::Array(choices) => choices.as_slice(),
        // One that is in no list.
        single if single["delta"].is_object() || single["message"].is_object() => {
            std::slice::from_ref(single)
        }
        _ => return Ok(false),
    };
    // Other choices than the first are never asked for; some servers count it from 1.
    let place = |choice: &Value| index_of(&choice["index"]).unwrap_or(0);
    let Some(first) = choices.iter().map(place).min() else {
        return Ok(response.get("usage").is_some_and(|usage| !usage.is_null()));
    };
    let first = partial.choice(first);
    choices.iter().filter(|choice| place(choice) == first).try_for_each(|choice| take(partial, choice))?;
    Ok(true)
}

/// Takes a choice of a chunk or of a whole answer.
fn take(partial: &mut Partial, choice: &Value) -> Result<(), Fault> {
    let mut with_error = [choice, &choice["delta"]].into_iter().filter(|part| !part["error"].is_null());
    if let Some(fault) = with_error.find_map(error::reported_fault) {
        return Err(fault);
    }
    for (source, message) in [(Source::Delta, &choice["delta"]), (Source::Message, &choice["message"])] {
        let mut content = content(message);
        // Gemini's mark of a thought, which may be between tags as well.
        if message[EXTRA]["google"]["thought"] == true && !partial.knows_thought(&content.text) {
            content.thoughts = std::mem::take(&mut content.text);
        }
        partial.push_content(source, &content)?;
    }
    // The older completions, which some models still stream.
    let text = choice["text"].as_str().unwrap_or_default().into();
    partial.push_content(Source::Text, &Content { text, ..Content::default() })?;
    push_tools(partial, choice)?;
    let reasons = [&choice["finish_reason"], &choice["finishReason"], &choice["stop_reason"]];
    if let Some(reason) = reasons.into_iter().find(|reason| finish::word_of(reason).is_some()) {
        partial.set_finish_reason(reason)?;
    }
    Ok(())
}

/// What a message, whole or a piece of it, says.
fn content(message: &Value) -> Content<'_> {
    // Some say it in no member.
    let mut content = content_of(if message.is_string() { message } else { &message["content"] });
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
        if message[THOUGHTS_BACK].as_str().is_some_and(|thoughts| !thoughts.is_empty()) {
            partial.keep_thoughts();
        }
        for detail in message[DETAILS].as_array().into_iter().flatten() {
            partial.keep_detail(detail)?;
        }
        // TGI sends one that is in no list.
        let single = message["tool_calls"].is_object().then_some(&message["tool_calls"]);
        for piece in message["tool_calls"].as_array().into_iter().flatten().chain(single) {
            partial.push_call(source, &Piece::of(piece))?;
            if piece[EXTRA].is_object() {
                let call = partial.calls_len().saturating_sub(1);
                let item = json!({ EXTRA: piece[EXTRA] });
                partial.keep_at(partial.text().len(), usize::try_from(call).unwrap_or(usize::MAX), item)?;
            }
        }
        // The form before there were several calls in an answer.
        if message["function_call"].is_object() {
            let piece = Piece { index: Some(0), ..Piece::of(&message["function_call"]) };
            partial.push_call(source, &piece)?;
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// A message as chat models take it.
#[derive(Debug, Serialize)]
pub(crate) struct WireMessage<'a> {
    role: Role,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<WireToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_details: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
struct WireToolCall<'a> {
    id: String,
    r#type: &'static str,
    function: WireFunction<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<&'a Value>,
}

#[derive(Debug, Serialize)]
struct WireFunction<'a> {
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
}

/// A tool as chat models are offered it.
#[derive(Debug, Serialize)]
pub(crate) struct WireTool<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Debug, Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Value,
}

impl<'a> OfferedFunction<'a> {
    fn new(offer: &'a ToolOffer) -> Self {
        let parameters = wire::parameters(offer.parameters.as_ref());
        Self { name: &offer.name, description: offer.description.as_deref(), parameters }
    }
}

impl<'a> WireToolCall<'a> {
    fn new(call: &SaidCall<'a>) -> Self {
        let function = WireFunction { name: call.name.clone(), arguments: call.arguments.clone() };
        Self { id: call.id.clone(), r#type: "function", function, extra_content: None }
    }
}

impl<'a> WireMessage<'a> {
    fn text(role: Role, content: Cow<'a, str>) -> Self {
        Self {
            role,
            content,
            tool_calls: Vec::new(),
            tool_call_id: None,
            reasoning_content: None,
            reasoning_details: None,
        }
    }

    fn is_text_of_model(&self) -> bool {
        self.role == Role::Assistant && self.tool_calls.is_empty()
    }

    /// Takes what the provider wants back with the calls of a message.
    fn keep(&mut self, said: &Said<'a>, model: &str) {
        let mut call = 0;
        for part in said.parts(said.opaque(model)) {
            match part {
                SaidPart::Text(_) => {}
                SaidPart::Call(place) => call = place + 1,
                SaidPart::Opaque(item) => {
                    if item.get(THOUGHTS_BACK).is_some() {
                        self.reasoning_content = Some(&said.message.thoughts);
                    }
                    self.reasoning_details = item.get(DETAILS).or(self.reasoning_details);
                    if let (Some(extra), Some(call)) = (item.get(EXTRA), self.tool_calls.get_mut(call)) {
                        call.extra_content = Some(extra);
                    }
                }
            }
        }
    }
}

/// Kimi and DeepSeek refuse the calls of a model that thinks without its thoughts, which stand in the message once already.
const THOUGHTS_BACK: &str = "reasoning_content";
/// OpenRouter's form of what a provider signed: all of it, in the order in which it came.
pub(crate) const DETAILS: &str = "reasoning_details";
/// What Gemini signs, at its call.
const EXTRA: &str = "extra_content";

#[cfg(test)]
mod tests;
