//! Anthropic's Messages, as Anthropic and the servers that imitate it speak it.

use longhaul_core::{Fault, ModelRequest, ToolOffer};
use serde_json::{Map, Value};

use crate::{
    chat,
    content::{Content, content_of, json_text_of},
    form::RequestForm,
    known,
    object::{object, text},
    partial::{Partial, Source},
    tools::{Piece, word_of},
    wire::{self, Said, SaidPart, SystemPlace, Told, Turn},
};

/// What a user's turn says that would say nothing: an empty one is refused.
const NOTHING: &str = "Continue.";

/// The body of a request.
pub(crate) fn body(wire_name: &str, request: &ModelRequest<'_>, form: RequestForm) -> String {
    let turns = wire::turns(request, form.system, id_of);
    let mut messages: Vec<Value> = turns
        .into_iter()
        .map(|turn| match turn {
            Turn::User(told) => message("user", told_blocks(&told)),
            Turn::Assistant(said) => {
                let blocks = said.iter().flat_map(|said| said_blocks(said, request.model, form.has_opaque));
                message("assistant", blocks.collect())
            }
        })
        .collect();
    // Models take no beginning of their own answer.
    if messages.last().is_some_and(|last| last["role"] == "assistant") {
        messages.push(message("user", told_blocks(&Told::default())));
    }
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
    set("model", text(wire_name));
    let known = || match form.trusts_limit {
        true => known::max_output_tokens(wire_name),
        false => known::OTHER_TOKENS,
    };
    let max_tokens = request.max_output_tokens.unwrap_or_else(known);
    set("max_tokens", max_tokens.into());
    set("stream", Value::Bool(true));
    let system = request.system.as_deref().filter(|_| form.system == SystemPlace::System);
    if let Some(instructions) = system.filter(|text| !text.trim().is_empty()) {
        let mut block = text_block(instructions);
        mark(&mut block, form);
        set("system", Value::Array(vec![block]));
    }
    // What was sent until now is read from the cache next time: one mark here, and one at the instructions.
    if let Some(Value::Array(blocks)) = messages.last_mut().map(|message| &mut message["content"])
        && let Some(last) = blocks.last_mut()
    {
        mark(last, form);
    }
    let (tools, may_call) = tools(request.tools, &messages);
    if !tools.is_empty() {
        set("tools", Value::Array(tools));
        if !may_call || request.forbids_tools {
            set("tool_choice", of_type("none"));
        }
    }
    if let Some(temperature) =
        request.temperature.filter(|_| form.has_temperature && !has_thoughts(&messages))
    {
        // Its scale ends at 1, where others go on to 2.
        set("temperature", temperature.clamp(0.0, 1.0).into());
    }
    set("messages", Value::Array(messages));
    Value::Object(body).to_string()
}

fn message(role: &str, content: Vec<Value>) -> Value {
    object(&mut [("role", text(role)), ("content", Value::Array(content))])
}

fn text_block(said: &str) -> Value {
    object(&mut [("type", text("text")), ("text", text(said))])
}

fn of_type(kind: &str) -> Value {
    object(&mut [("type", text(kind))])
}

/// Whether the model thinks: then it takes no temperature.
fn has_thoughts(messages: &[Value]) -> bool {
    let blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    blocks.filter_map(|block| block["type"].as_str()).any(|kind| kind.contains("thinking"))
}

fn mark(block: &mut Value, form: RequestForm) {
    if form.has_cache_marks {
        block["cache_control"] = of_type("ephemeral");
    }
}

/// All results first, then what the user says.
fn told_blocks(told: &Told<'_>) -> Vec<Value> {
    let result = |(id, result): &(String, &str)| {
        object(&mut [("type", text("tool_result")), ("tool_use_id", text(id)), ("content", text(result))])
    };
    let mut blocks: Vec<Value> = told.results.iter().map(result).collect();
    let is_blank = told.text.trim().is_empty();
    if !is_blank || blocks.is_empty() {
        blocks.push(text_block(if is_blank { NOTHING } else { &told.text }));
    }
    blocks
}

fn said_blocks(said: &Said<'_>, model: &str, has_opaque: bool) -> Vec<Value> {
    let opaque = said.opaque(model).filter(|_| has_opaque);
    let block = |part: SaidPart<'_>| match part {
        SaidPart::Text(said) => text_block(said),
        SaidPart::Opaque(item) => item.clone(),
        SaidPart::Call(place) => {
            let call = &said.calls[place];
            let input: Value = serde_json::from_slice(call.arguments.as_bytes()).unwrap_or_default();
            object(&mut [
                ("type", text("tool_use")),
                ("id", text(&call.id)),
                ("name", text(&call.name)),
                ("input", input),
            ])
        }
    };
    said.parts(opaque).into_iter().map(block).collect()
}

/// Ids have letters, digits, `_` and `-` alone.
fn id_of(id: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    match id {
        "" => "call".to_owned(),
        _ => id.chars().map(kept).collect(),
    }
}

/// The tools that the model may ask for, and whether there are any. A conversation with calls in it is refused without a tool:
/// where none is offered any more, those of its calls are declared, and none may be called.
fn tools(offers: &[ToolOffer], messages: &[Value]) -> (Vec<Value>, bool) {
    if !offers.is_empty() {
        return (offers.iter().map(tool).collect(), true);
    }
    let blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let mut names: Vec<&str> = blocks
        .filter(|block| block["type"] == "tool_use")
        .filter_map(|block| block["name"].as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let declared = |name: &str| object(&mut [("name", text(name)), ("input_schema", of_type("object"))]);
    (names.into_iter().map(declared).collect(), false)
}

fn tool(offer: &ToolOffer) -> Value {
    let schema = wire::parameters(offer.parameters.as_ref());
    let mut tool = object(&mut [("name", text(&offer.name)), ("input_schema", schema)]);
    if let Some(description) = &offer.description {
        tool["description"] = text(description);
    }
    tool
}

/// Takes an event of a stream, or a whole answer. Whether it had the shape of either.
pub(crate) fn absorb(partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    // A gateway in front of the server may speak the other format.
    if response["choices"].is_array() {
        return chat::absorb(partial, response);
    }
    let index = response["index"].as_u64();
    match response["type"].as_str() {
        Some("message_start") => {
            partial.expects_end(true);
            absorb_message(partial, &response["message"])?;
        }
        Some("content_block_start") => {
            let index = index.unwrap_or_else(|| partial.next_block());
            begin(partial, Source::Delta, index, &response["content_block"])?;
        }
        Some("content_block_delta") => {
            let index = index.unwrap_or_else(|| partial.next_block().saturating_sub(1));
            extend(partial, index, &response["delta"])?;
        }
        Some("content_block_stop") => end(partial, index)?,
        Some("message_delta") => {
            count(partial, response);
            end_message(partial, &response["delta"])?;
        }
        Some("message_stop") => {
            end(partial, None)?;
            partial.end();
        }
        Some("message") => absorb_message(partial, response)?,
        None if response["content"].is_array() || response["stop_reason"].is_string() => {
            absorb_message(partial, response)?;
        }
        Some("ping") => {}
        Some(_) | None => return Ok(false),
    }
    Ok(true)
}

/// Takes a message: whole, or as it is when its stream begins.
fn absorb_message(partial: &mut Partial, message: &Value) -> Result<(), Fault> {
    partial.identify(message);
    count(partial, message);
    if message["content"].is_string() {
        partial.push_content(Source::Message, &content_of(&message["content"]))?;
    }
    for block in message["content"].as_array().into_iter().flatten() {
        let index = partial.next_block();
        begin(partial, Source::Message, index, block)?;
        end(partial, Some(index))?;
    }
    end_message(partial, message)
}

/// The beginning and the end of a message have counts that belong together.
fn count(partial: &mut Partial, event: &Value) {
    match &event["usage"] {
        Value::Object(usage) => partial.count_together(usage),
        _ => partial.count(event),
    }
}

/// Takes the reason for which the message ended, where it did.
fn end_message(partial: &mut Partial, message: &Value) -> Result<(), Fault> {
    if message["stop_reason"].is_string() {
        partial.expects_end(false);
        end(partial, None)?;
        partial.push_refusal(message["stop_details"]["explanation"].as_str().unwrap_or_default())?;
    }
    partial.set_finish_reason(&message["stop_reason"])
}

/// Takes the beginning of a block, which may be all of it.
fn begin(partial: &mut Partial, source: Source, index: u64, block: &Value) -> Result<(), Fault> {
    let kind = block["type"].as_str().or_else(|| block["text"].is_string().then_some("text"));
    partial.begin_block(kind == Some("text"));
    match kind {
        Some("text") => partial.push_content(source, &content_of(block))?,
        Some("tool_use") => {
            let (id, name) = (word_of(&block["id"]), word_of(&block["name"]));
            partial.push_call(source, &Piece { index: Some(index), id, name, ..Piece::default() })?;
        }
        Some("thinking") => {
            let between = if partial.has_thoughts() { wire::BETWEEN } else { "" };
            let thoughts = format!("{between}{}", block["thinking"].as_str().unwrap_or_default()).into();
            partial.push_content(source, &Content { thoughts, ..Content::default() })?;
        }
        Some(_) | None => {}
    }
    partial.open_block(index, block)
}

fn extend(partial: &mut Partial, index: u64, delta: &Value) -> Result<(), Fault> {
    let text = |name: &str| delta[name].as_str().unwrap_or_default();
    // Some servers leave the type out, which the only member tells.
    const MEMBERS: [(&str, &str); 4] = [
        ("text", "text_delta"),
        ("partial_json", "input_json_delta"),
        ("thinking", "thinking_delta"),
        ("signature", "signature_delta"),
    ];
    let implied = || MEMBERS.iter().find(|(member, _)| !delta[*member].is_null()).map(|(_, kind)| *kind);
    match delta["type"].as_str().or_else(implied) {
        Some("text_delta") => partial.push_content(Source::Delta, &content_of(delta)),
        Some("input_json_delta") => {
            let arguments = json_text_of(&delta["partial_json"]);
            partial.push_call(Source::Delta, &Piece { index: Some(index), arguments, ..Piece::default() })
        }
        Some("thinking_delta") => {
            let thoughts = text("thinking").into();
            partial.push_content(Source::Delta, &Content { thoughts, ..Content::default() })?;
            partial.extend_block(index, "thinking", text("thinking"))
        }
        Some("signature_delta") => partial.extend_block(index, "signature", text("signature")),
        Some(_) | None => Ok(()),
    }
}

/// Takes the end of a block; without an index those of all that are open.
fn end(partial: &mut Partial, index: Option<u64>) -> Result<(), Fault> {
    while let Some((index, block)) = partial.close_block(index) {
        match block["type"].as_str() {
            Some("text") | None => {}
            // Its arguments come in pieces after it, or in it.
            Some("tool_use") if partial.is_bare_call(index) => {
                let arguments = json_text_of(&block["input"]);
                let piece = Piece { index: Some(index), arguments, ..Piece::default() };
                partial.push_call_of_any_source(&piece)?;
            }
            Some("tool_use") => {}
            Some(_) => partial.keep(block)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
