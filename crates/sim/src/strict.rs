//! What the real servers refuse with 400: each format's rules, held against the body of a request as it was really encoded.
//! The rules are those of the formats' documentation and of the errors that their servers give; where imitators are stricter
//! than the maker (roles that alternate, a message that says something) it is theirs that count.

use std::collections::BTreeSet;

use longhaul_models::Format;
use serde_json::{Map, Value};

/// Marks of a cache in a request at most.
const CACHE_MARKS_MAX: usize = 4;
/// A lower limit of the output is refused by Responses.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// The name of a tool, and the id of a call, have this many characters at most.
const NAME_CHARS_MAX: usize = 64;

/// What is wrong, in the server's words.
type Checked = Result<(), String>;

/// Why a model's server refuses this request; `None` where it takes it.
pub(crate) fn refusal(format: Format, model: &str, body: &[u8]) -> Option<String> {
    let checked = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(body)) => match format {
            Format::Chat | Format::WorkersAi => chat(format, model, &body),
            Format::Responses => responses(model, &body),
            Format::Messages => messages(model, &body),
        },
        Ok(_) | Err(_) => Err("the body is no JSON object".to_owned()),
    };
    checked.err()
}

/// What a model signs, as it must come back.
pub(crate) fn seal(model: &str, text: &str) -> String {
    format!("sealed by {model}: {text}")
}

/// Whether a model thinks, by the name that it has at its server. It wants its thoughts back with its calls.
fn thinks(model: &str, id: &str) -> bool {
    id.starts_with(&id_of(model))
}

/// The beginning of the ids of a model's calls: none of its calls may come back without its thoughts.
pub(crate) fn id_of(model: &str) -> String {
    format!("{}-", model.replace(['@', '/'], "_"))
}

fn chat(format: Format, model: &str, body: &Map<String, Value>) -> Checked {
    let mut known = vec!["messages", "stream", "max_tokens", "temperature", "tools", "tool_choice"];
    if format == Format::Chat {
        known.extend(["model", "stream_options", "max_completion_tokens"]);
        text(body, "model")?;
    }
    only(body, &known, "")?;
    let tools = list(body, "tools")?;
    may_choose(body, tools)?;
    for tool in tools {
        only(object(tool)?, &["type", "function"], "tools")?;
        let function = object(&tool["function"])?;
        only(function, &["name", "description", "parameters"], "tools.function")?;
        check_tool(function, "parameters")?;
    }
    let messages = list(body, "messages")?;
    let (mut open, mut ids) = (Vec::new(), BTreeSet::new());
    let mut last = "";
    for (at, message) in messages.iter().enumerate() {
        let message = object(message)?;
        let known =
            ["role", "content", "tool_calls", "tool_call_id", "reasoning_content", "reasoning_details"];
        only(message, &known, "messages")?;
        let (role, content) = (text(message, "role")?, text(message, "content")?);
        if role == "tool" {
            let id = text(message, "tool_call_id")?;
            let place = open.iter().position(|open| *open == id);
            let place = place.ok_or_else(|| format!("{id}: a result must follow the call that it is of"))?;
            open.remove(place);
            last = role;
            continue;
        }
        expect(open.is_empty(), || format!("no result of the calls {open:?} was found"))?;
        let alternates = match role {
            "system" => at == 0,
            "user" => last != "user",
            "assistant" => !matches!(last, "" | "system") && (last != "assistant"),
            _ => false,
        };
        expect(alternates, || format!("roles must alternate: {role} after {last:?}"))?;
        let calls = list(message, "tool_calls")?;
        expect(!calls.is_empty() || !content.trim().is_empty(), || format!("a message of {role} is empty"))?;
        expect(calls.is_empty() || role == "assistant", || format!("a call of {role}"))?;
        for call in calls {
            only(object(call)?, &["id", "type", "function", "extra_content"], "tool_calls")?;
            let (id, function) = (check_id(object(call)?, "id")?, object(&call["function"])?);
            only(function, &["name", "arguments"], "tool_calls.function")?;
            check_name(text(function, "name")?)?;
            check_arguments(text(function, "arguments")?)?;
            expect(ids.insert(id), || format!("{id}: two calls have one id"))?;
            open.push(id);
            let thoughts = message.get("reasoning_content").and_then(Value::as_str).unwrap_or_default();
            let must_think = format == Format::Chat && thinks(model, id);
            expect(!must_think || !thoughts.is_empty(), || {
                format!("{id}: reasoning_content must come back with the calls of a model that thinks")
            })?;
        }
        last = role;
    }
    expect(open.is_empty(), || format!("no result of the calls {open:?} was found"))?;
    expect(matches!(last, "user" | "tool"), || format!("the last message is of {last:?}"))
}

fn responses(model: &str, body: &Map<String, Value>) -> Checked {
    let known = [
        "model",
        "input",
        "instructions",
        "include",
        "max_output_tokens",
        "store",
        "stream",
        "temperature",
        "tools",
        "tool_choice",
    ];
    only(body, &known, "")?;
    text(body, "model")?;
    may_choose(body, list(body, "tools")?)?;
    for tool in list(body, "tools")? {
        let tool = object(tool)?;
        only(tool, &["type", "name", "description", "parameters", "strict"], "tools")?;
        check_tool(tool, "parameters")?;
        expect(tool.get("strict") == Some(&Value::Bool(false)), || {
            "tools: strict: every property must be required".to_owned()
        })?;
    }
    let reasons = is_reasoning(model);
    for included in list(body, "include")? {
        let is_known = included == "reasoning.encrypted_content";
        expect(is_known && reasons, || "Encrypted content is not supported with this model.".to_owned())?;
    }
    expect(!reasons || !body.contains_key("temperature"), || {
        "Unsupported parameter: 'temperature' is not supported with this model.".to_owned()
    })?;
    let limit = body.get("max_output_tokens").and_then(Value::as_u64);
    expect(limit.is_none_or(|limit| limit >= OUTPUT_TOKENS_MIN), || "max_output_tokens: too low".to_owned())?;
    let (mut open, mut calls) = (BTreeSet::new(), BTreeSet::new());
    let items = list(body, "input")?;
    expect(!items.is_empty(), || "input is empty".to_owned())?;
    for (at, item) in items.iter().enumerate() {
        let members = object(item)?;
        match item["type"].as_str() {
            None | Some("message") => {
                only(members, &["type", "role", "content"], "input")?;
                text(members, "content")?;
                let role = text(members, "role")?;
                expect(matches!(role, "user" | "assistant"), || format!("input: role {role}"))?;
            }
            Some("function_call") => {
                only(members, &["type", "call_id", "name", "arguments"], "input")?;
                check_name(text(members, "name")?)?;
                check_arguments(text(members, "arguments")?)?;
                let id = check_id(members, "call_id")?;
                expect(calls.insert(id), || format!("{id}: two calls have one id"))?;
                open.insert(id);
            }
            Some("function_call_output") => {
                only(members, &["type", "call_id", "output"], "input")?;
                text(members, "output")?;
                let id = text(members, "call_id")?;
                expect(open.remove(id), || format!("No tool call found for function call output {id}."))?;
            }
            Some("reasoning") => {
                only(members, &["type", "id", "summary", "encrypted_content", "content"], "input")?;
                let (id, sealed) = (text(members, "id")?, text(members, "encrypted_content")?);
                list(members, "summary")?;
                expect(sealed == seal(model, id), || {
                    "invalid_encrypted_content: the encrypted content could not be verified.".to_owned()
                })?;
                let follows = items
                    .get(at + 1)
                    .is_some_and(|next| next["role"] == "assistant" || next["type"] == "function_call");
                expect(follows, || {
                    format!(
                        "Item '{id}' of type 'reasoning' was provided without its required following item."
                    )
                })?;
            }
            Some(kind) => return Err(format!("input: unknown type {kind}")),
        }
    }
    expect(open.is_empty(), || format!("No tool output found for function call {open:?}."))
}

fn messages(model: &str, body: &Map<String, Value>) -> Checked {
    let known =
        ["model", "max_tokens", "messages", "stream", "system", "temperature", "tools", "tool_choice"];
    only(body, &known, "")?;
    text(body, "model")?;
    expect(body.get("max_tokens").and_then(Value::as_u64).is_some_and(|limit| limit > 0), || {
        "max_tokens: Field required".to_owned()
    })?;
    let tools = list(body, "tools")?;
    for tool in tools {
        let tool = object(tool)?;
        only(tool, &["name", "description", "input_schema", "cache_control"], "tools")?;
        check_tool(tool, "input_schema")?;
    }
    let choice = body.get("tool_choice").map(|choice| choice["type"].as_str().unwrap_or_default());
    expect(choice.is_none() || !tools.is_empty(), || "tool_choice without tools".to_owned())?;
    let mut marks = 0;
    for block in list(body, "system")? {
        let block = object(block)?;
        only(block, &["type", "text", "cache_control"], "system")?;
        check_text(block)?;
        marks += usize::from(block.contains_key("cache_control"));
    }
    let (mut open, mut ids) = (Vec::new(), BTreeSet::new());
    let (mut has_thoughts, mut last) = (false, "");
    for message in list(body, "messages")? {
        let message = object(message)?;
        only(message, &["role", "content"], "messages")?;
        let role = text(message, "role")?;
        let expected = if last == "user" { "assistant" } else { "user" };
        expect(role == expected, || {
            format!("messages: roles must alternate, and {role} came after {last:?}")
        })?;
        last = role;
        let blocks = list(message, "content")?;
        expect(!blocks.is_empty(), || format!("messages: a message of {role} has no content"))?;
        let mut first_of_thoughts = false;
        let mut is_after_results = false;
        for (at, block) in blocks.iter().enumerate() {
            let members = object(block)?;
            let is_marked = members.contains_key("cache_control");
            marks += usize::from(is_marked);
            match (role, text(members, "type")?) {
                (_, "text") => {
                    only(members, &["type", "text", "cache_control"], "messages")?;
                    check_text(members)?;
                    is_after_results = true;
                }
                ("user", "tool_result") => {
                    only(
                        members,
                        &["type", "tool_use_id", "content", "is_error", "cache_control"],
                        "messages",
                    )?;
                    let id = text(members, "tool_use_id")?;
                    expect(!is_after_results, || format!("{id}: tool_result blocks come first"))?;
                    let place = open.iter().position(|open| *open == id);
                    let place =
                        place.ok_or_else(|| format!("unexpected `tool_use_id` in `tool_result`: {id}"))?;
                    open.remove(place);
                }
                ("assistant", "tool_use") => {
                    only(members, &["type", "id", "name", "input", "cache_control"], "messages")?;
                    check_name(text(members, "name")?)?;
                    object(block.get("input").unwrap_or(&Value::Null))?;
                    let id = check_id(members, "id")?;
                    expect(ids.insert(id), || format!("{id}: `tool_use` ids must be unique"))?;
                    open.push(id);
                    expect(!thinks(model, id) || first_of_thoughts, || {
                        format!("{id}: Expected `thinking`, but found `tool_use`")
                    })?;
                }
                ("assistant", "thinking") => {
                    only(members, &["type", "thinking", "signature"], "messages")?;
                    let thoughts = text(members, "thinking")?;
                    let signature = text(members, "signature")?;
                    expect(signature == seal(model, thoughts), || {
                        "Invalid `signature` in `thinking` block".to_owned()
                    })?;
                    first_of_thoughts |= at == 0;
                    has_thoughts = true;
                    expect(at + 1 < blocks.len(), || "the final block cannot be `thinking`".to_owned())?;
                }
                (role, kind) => return Err(format!("messages: {kind} in a message of {role}")),
            }
        }
        // Every call has its result in the very next message.
        let is_settled = role == "assistant" || open.is_empty();
        expect(is_settled, || format!("`tool_use` ids were found without `tool_result` blocks: {open:?}"))?;
    }
    expect(last == "user", || "the conversation must end with a message of the user".to_owned())?;
    expect(marks <= CACHE_MARKS_MAX, || format!("at most 4 blocks with cache_control, found {marks}"))?;
    expect(ids.is_empty() || !tools.is_empty(), || "`tool_use` blocks need `tools`".to_owned())?;
    let temperature = body.get("temperature").map(|temperature| temperature.as_f64().unwrap_or(f64::NAN));
    expect(temperature.is_none_or(|it| (0.0..=1.0).contains(&it)), || "temperature: from 0 to 1".to_owned())?;
    let forces = matches!(choice, Some("any" | "tool"));
    expect(!has_thoughts || !forces && temperature.is_none_or(|it| it == 1.0), || {
        "thinking takes no temperature, and no forced tool_choice".to_owned()
    })
}

/// Whether a model of the Responses format is one that reasons.
pub(crate) fn is_reasoning(model: &str) -> bool {
    model.starts_with("o3")
}

fn check_tool(tool: &Map<String, Value>, schema: &str) -> Checked {
    check_name(text(tool, "name")?)?;
    let schema = object(tool.get(schema).unwrap_or(&Value::Null))?;
    let refused = ["anyOf", "oneOf", "allOf", "not", "enum"].into_iter().find(|it| schema.contains_key(*it));
    expect(refused.is_none(), || format!("a schema has {refused:?} at its root"))?;
    expect(schema.get("type").is_some_and(|kind| kind == "object"), || "a schema is no object".to_owned())
}

fn check_text(block: &Map<String, Value>) -> Checked {
    let is_blank = text(block, "text")?.trim().is_empty();
    expect(!is_blank, || "text content blocks must contain non-whitespace text".to_owned())
}

fn check_arguments(arguments: &str) -> Checked {
    let read = serde_json::from_slice::<Map<String, Value>>(arguments.as_bytes());
    read.map(drop).map_err(|_| format!("arguments are no JSON object: {arguments}"))
}

fn check_id<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let id = text(members, name)?;
    check_name(id)?;
    Ok(id)
}

fn check_name(name: &str) -> Checked {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_right = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(is_taken);
    expect(is_right, || format!("{name:?} does not match ^[a-zA-Z0-9_-]+$"))
}

fn only(members: &Map<String, Value>, known: &[&str], place: &str) -> Checked {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{place}.{name}: Extra inputs are not permitted")),
        None => Ok(()),
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    members.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name}: Input should be a valid string"))
}

/// A choice among tools needs some, and is the one that forbids them.
fn may_choose(body: &Map<String, Value>, tools: &[Value]) -> Checked {
    let choice = body.get("tool_choice");
    expect(choice.is_none() || !tools.is_empty(), || "tool_choice without tools".to_owned())?;
    expect(choice.is_none_or(|choice| choice == "none"), || format!("tool_choice: {choice:?}"))
}

/// A list, which may be missing.
fn list<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match members.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("{name}: Input should be a valid list")),
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| "Input should be an object".to_owned())
}

#[cfg(test)]
mod tests;
