//! OpenAI's Responses, without anything kept at the server: each request says the whole conversation.

use std::borrow::Cow;

use longhaul_core::{Fault, FaultKind, ModelRequest};
use serde_json::{Map, Value};

use crate::{
    chat,
    content::{Content, content_of, json_text_of},
    error::{fault, reported_fault},
    form::RequestForm,
    object::{object, text},
    partial::{Partial, Source},
    tools::{Piece, Stage, index_of, word_of},
    wire::{self, BETWEEN, SaidPart, SystemPlace, Turn},
};

/// A lower limit of the output is refused.
const OUTPUT_TOKENS_MIN: u32 = 16;
/// An id of a call has this many characters at most.
const ID_CHARS_MAX: usize = 64;

/// The body of a request.
pub(crate) fn body(wire_name: &str, request: &ModelRequest<'_>, form: RequestForm) -> String {
    let mut input = Vec::new();
    for turn in wire::turns(request, form.system, id_of) {
        match turn {
            Turn::User(told) => {
                let output = |(id, result): (String, &str)| {
                    let mut members = [
                        ("type", text("function_call_output")),
                        ("call_id", id.into()),
                        ("output", text(result)),
                    ];
                    object(&mut members)
                };
                input.extend(told.results.into_iter().map(output));
                if !told.text.is_empty() {
                    input.push(message("user", &told.text));
                }
            }
            Turn::Assistant(said) => {
                for said in &said {
                    let opaque = said.opaque(request.model).filter(|_| form.has_opaque);
                    let item = |part| match part {
                        SaidPart::Text(said) => message("assistant", said),
                        SaidPart::Opaque(item) => item.clone(),
                        SaidPart::Call(place) => {
                            let call = &said.calls[place];
                            object(&mut [
                                ("type", text("function_call")),
                                ("call_id", text(&call.id)),
                                ("name", text(&call.name)),
                                ("arguments", text(&call.arguments)),
                            ])
                        }
                    };
                    input.extend(said.parts(opaque).into_iter().map(item));
                }
            }
        }
    }
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", text(wire_name));
    set("input", Value::Array(input));
    set("stream", Value::Bool(form.streams));
    set("store", Value::Bool(false));
    if let Some(system) = request.system.as_deref().filter(|_| form.system == SystemPlace::System) {
        set("instructions", text(system));
    }
    if form.asks_for_opaque {
        set("include", Value::Array(vec![text("reasoning.encrypted_content")]));
    }
    if let Some(limit) = request.max_output_tokens {
        set("max_output_tokens", limit.max(OUTPUT_TOKENS_MIN).into());
    }
    if let Some(temperature) = request.temperature.filter(|_| form.has_temperature) {
        set("temperature", temperature.into());
    }
    if !request.tools.is_empty() {
        let tool = |offer: &longhaul_core::ToolOffer| {
            // Where nothing is said the server makes every field a required one.
            let mut tool = object(&mut [
                ("type", text("function")),
                ("name", text(&offer.name)),
                ("strict", Value::Bool(false)),
                ("parameters", wire::parameters(offer.parameters.as_ref())),
            ]);
            if let Some(description) = &offer.description {
                tool["description"] = text(description);
            }
            tool
        };
        set("tools", Value::Array(request.tools.iter().map(tool).collect()));
        if let Some(choice) = chat::tool_choice(request) {
            set("tool_choice", text(choice));
        }
    }
    Value::Object(body).to_string()
}

fn message(role: &str, content: &str) -> Value {
    object(&mut [("role", text(role)), ("content", text(content))])
}

fn id_of(id: &str) -> String {
    if id.is_empty() { "call".to_owned() } else { id.chars().take(ID_CHARS_MAX).collect() }
}

/// Takes an event of a stream, or a whole answer. Whether it had the shape of either.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    if let Some(event) = response["type"].as_str().and_then(|kind| kind.strip_prefix("response.")) {
        return absorb_event(partial, event, response);
    }
    // A gateway in front of the server may speak the other format.
    if response["choices"].is_array() {
        return chat::absorb(partial, response);
    }
    partial.identify(response);
    partial.count(response);
    if response["output_text"].is_string() && !response["output"].is_array() {
        partial.push_content(Source::Message, &content_of(&response["output_text"]))?;
    } else if !response["output"].is_array() {
        return Ok(false);
    }
    absorb_output(partial, response)?;
    if let Some(status @ ("queued" | "in_progress")) = response["status"].as_str() {
        return Err(fault(FaultKind::Truncated, &format!("the model's answer is not whole: it is {status}")));
    }
    Ok(true)
}

/// Takes the `output` of an answer: the text, the thoughts and the refusals of its items, and its tool calls.
fn absorb_output(partial: &mut Partial, response: &Value) -> Result<(), Fault> {
    // After a stream that brought them already they add nothing.
    let keeps = !partial.has_kept();
    let (mut text_bytes, mut calls) = (0, 0);
    for (index, item) in response["output"].as_array().into_iter().flatten().enumerate() {
        match item["type"].as_str() {
            Some("message") | None => {
                let content = content_of(&item["content"]);
                if text_bytes > 0 && !content.text.is_empty() {
                    text_bytes += BETWEEN.len();
                }
                text_bytes += content.text.len();
                partial.break_text();
                partial.push_content(Source::Message, &content)?;
            }
            Some("reasoning") => {
                partial.push_content(Source::Message, &thoughts_of(item, partial.has_thoughts()))?;
                if keeps && let Some(item) = kept(item) {
                    partial.keep_at(text_bytes, calls, item)?;
                }
            }
            Some("function_call") => {
                calls += 1;
                let (piece, index) = (call(item, Stage::Whole), u64::try_from(index).ok());
                // What came of it already is not all of it, perhaps.
                match partial.knows_call(&piece) {
                    true => partial.push_call_of_any_source(&piece)?,
                    false => partial.push_call(Source::Message, &Piece { index, ..piece })?,
                }
            }
            Some(_) => {}
        }
    }
    absorb_status(partial, response)
}

/// The thoughts of an item, after others or as the first.
fn thoughts_of(item: &Value, are_more: bool) -> Content<'_> {
    let mut parts = vec![content_of(&item["content"]).thoughts];
    let summary = item["summary"].as_array().map_or(&[][..], Vec::as_slice);
    parts.extend(summary.iter().filter_map(|part| part["text"].as_str()).map(Cow::Borrowed));
    parts.retain(|part| !part.is_empty());
    if are_more && !parts.is_empty() {
        parts.insert(0, Default::default());
    }
    Content { thoughts: parts.join(BETWEEN).into(), ..Content::default() }
}

/// Reasoning as it goes back. Without its encrypted content the server would look for it in what it has not stored.
fn kept(item: &Value) -> Option<Value> {
    item["encrypted_content"].as_str().filter(|text| !text.is_empty())?;
    let mut item = item.clone();
    if let Value::Object(members) = &mut item {
        members.retain(|_, value| !value.is_null());
        // It says how the item came, and is no part of it.
        members.remove("status");
    }
    Some(item)
}

/// A call as an item has it.
fn call(item: &Value, stage: Stage) -> Piece<'_> {
    Piece {
        index: None,
        item: word_of(&item["id"]),
        id: word_of(&item["call_id"]),
        name: word_of(&item["name"]),
        arguments: json_text_of(&item["arguments"]),
        stage,
    }
}

/// Takes an event of a stream; `kind` is its type without `response.`.
fn absorb_event(partial: &mut Partial, kind: &str, event: &Value) -> Result<bool, Fault> {
    let response = &event["response"];
    let delta = event["delta"].as_str().unwrap_or_default();
    let push = |partial: &mut Partial, content: Content<'_>| partial.push_content(Source::Delta, &content);
    partial.expects_end(true);
    match kind {
        "created" | "in_progress" => partial.identify(response),
        "output_text.delta" => {
            partial.begin_text(index_of(&event["output_index"]));
            push(partial, Content { text: delta.into(), ..Content::default() })?;
        }
        "output_text.done" => {
            partial.begin_text(index_of(&event["output_index"]));
            partial.push_content(Source::Part, &content_of(&event["text"]))?;
        }
        "refusal.delta" => push(partial, Content { refusal: delta.into(), ..Content::default() })?,
        "reasoning_text.delta" | "reasoning_summary_text.delta" => {
            push(partial, Content { thoughts: delta.into(), ..Content::default() })?;
        }
        "reasoning_summary_part.added" if partial.has_thoughts() => {
            push(partial, Content { thoughts: BETWEEN.into(), ..Content::default() })?;
        }
        "output_item.added" | "output_item.done" => absorb_item(partial, kind, event)?,
        "function_call_arguments.delta" => {
            absorb_arguments(partial, event, delta.into(), Stage::Any)?;
        }
        "function_call_arguments.done" => {
            absorb_arguments(partial, event, json_text_of(&event["arguments"]), Stage::Arguments)?;
        }
        "completed" | "incomplete" | "done" => {
            partial.identify(response);
            partial.count(event);
            absorb_output(partial, response)?;
            partial.end();
        }
        "failed" | "error" | "cancelled" => {
            partial.count(event);
            let inner = reported_fault(response).or_else(|| reported_fault(event));
            let silent =
                || fault(FaultKind::ServerError, "the model's server reported in its answer: it failed");
            return Err(inner.unwrap_or_else(silent));
        }
        _ => {}
    }
    Ok(true)
}

/// Takes an item that begins, or that is whole.
fn absorb_item(partial: &mut Partial, kind: &str, event: &Value) -> Result<(), Fault> {
    let item = &event["item"];
    let is_whole = kind == "output_item.done";
    match item["type"].as_str() {
        Some("function_call") => {
            let stage = if is_whole { Stage::Whole } else { Stage::Begins };
            let index = index_of(&event["output_index"]);
            partial.push_call(Source::Delta, &Piece { index, ..call(item, stage) })?;
        }
        Some("message") if !is_whole => partial.break_text(),
        Some("message") => {
            partial.break_text();
            partial.push_content(Source::Item, &content_of(&item["content"]))?;
        }
        Some("reasoning") if is_whole => {
            partial.push_content(Source::Item, &thoughts_of(item, partial.has_thoughts()))?;
            if let Some(item) = kept(item) {
                partial.keep(item)?;
            }
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Takes arguments of a call, in pieces or whole.
fn absorb_arguments(
    partial: &mut Partial,
    event: &Value,
    arguments: Cow<'_, str>,
    stage: Stage,
) -> Result<(), Fault> {
    let (index, item) = (index_of(&event["output_index"]), word_of(&event["item_id"]));
    partial.push_call(Source::Delta, &Piece { index, item, arguments, stage, ..Piece::default() })
}

fn absorb_status(partial: &mut Partial, response: &Value) -> Result<(), Fault> {
    // `completed` says nothing about tool calls, which are a reason of their own.
    match response["status"].as_str() {
        Some("incomplete") => {
            let reason = &response["incomplete_details"]["reason"];
            // Without a reason it is incomplete all the same.
            partial.set_finish_reason(if reason.is_string() { reason } else { &response["status"] })
        }
        Some("failed" | "cancelled") => match reported_fault(response) {
            Some(fault) => Err(fault),
            None => partial.set_finish_reason(&response["status"]),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
