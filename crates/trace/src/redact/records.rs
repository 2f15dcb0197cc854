use longhaul_core::{Entry, Message, Observed, Record};
use serde_json::Value;

/// What a server chose where a name belongs, in bytes: a longer one is none.
const NAME_BYTES_MAX: usize = 128;

/// A rule for texts: the text in its place, or `None` where it may stay.
type Rule<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Applies a rule to every text in `records` that came from outside: tasks, instructions, metadata, messages, errors,
/// results, arguments, and the spans of the agent's own code. Our own ids and the words of the runtime stay; the ids and
/// names that a server chose stay where they look like such, else they go.
///
/// A text under a key is shown to the rule in its place too, as `key="text"`, where it passed alone: the key may say
/// that it is a secret.
pub fn records(records: &mut [Record], redact: Rule<'_>) {
    for record in records {
        entry(&mut record.entry, redact);
    }
}

fn entry(entry: &mut Entry, redact: Rule<'_>) {
    match entry {
        Entry::RunAccepted { task, metadata, settings, .. } => {
            text(task, redact);
            optional(&mut settings.instructions, redact);
            for (old, new) in members(metadata.iter_mut(), redact) {
                if let Some(value) = metadata.remove(&old) {
                    metadata.insert(new, value);
                }
            }
        }
        Entry::ModelAnswered { message, observed, response_id, response_model, output_error, .. } => {
            words(message, redact);
            optional(output_error, redact);
            name(response_id, redact);
            name(response_model, redact);
            self::observed(observed, redact);
        }
        Entry::ModelFailed { message, observed, .. } => {
            text(message, redact);
            self::observed(observed, redact);
        }
        Entry::RunSteered { message, .. } => text(message, redact),
        Entry::ToolCalled { tool, arguments, tool_call_id, .. } => {
            // A model chooses all three.
            text(tool, redact);
            optional(tool_call_id, redact);
            json(arguments, redact);
        }
        Entry::ApprovalRequested { tool, arguments, tool_call_id, summary, schema, .. } => {
            text(tool, redact);
            optional(tool_call_id, redact);
            json(arguments, redact);
            optional(summary, redact);
            if let Some(schema) = schema {
                json(schema, redact);
            }
        }
        Entry::ToolsListed { dropped, changed, error, offers, observed, .. } => {
            let names = dropped.iter_mut().flat_map(|it| [&mut it.name, &mut it.why]);
            names.chain(changed).for_each(|it| text(it, redact));
            if let Some(error) = error {
                text(error.message_mut(), redact);
            }
            offers.iter_mut().for_each(|offer| optional(&mut offer.description, redact));
            self::observed(observed, redact);
        }
        Entry::ToolPending { tool, observed, .. } => {
            text(tool, redact);
            self::observed(observed, redact);
        }
        Entry::ToolFailed { tool, error, observed, .. } => {
            text(tool, redact);
            text(error.message_mut(), redact);
            self::observed(observed, redact);
        }
        Entry::ToolAnswered { tool, result, error, tool_call_id, observed, .. } => {
            text(tool, redact);
            self::observed(observed, redact);
            optional(tool_call_id, redact);
            if let Some(result) = result {
                json(result, redact);
            }
            if let Some(error) = error {
                text(error.message_mut(), redact);
            }
        }
        Entry::ApprovalResolved { reason, arguments, input, .. } => {
            optional(reason, redact);
            for given in [arguments, input].into_iter().flatten() {
                json(given, redact);
            }
        }
        Entry::RunEnded { result, output, error, .. } => {
            optional(result, redact);
            if let Some(output) = output {
                json(output, redact);
            }
            if let Some(error) = error {
                text(&mut error.message, redact);
            }
        }
        Entry::ModelCalled { .. }
        | Entry::RunResumed { .. }
        | Entry::CancelRequested { .. }
        | Entry::TraceSent { .. }
        | Entry::TraceFlushed { .. }
        | Entry::TraceFailed { .. } => {}
    }
}

fn words(message: &mut Message, redact: Rule<'_>) {
    text(&mut message.content, redact);
    text(&mut message.thoughts, redact);
    message.opaque = None;
    for call in &mut message.tool_calls {
        // A model chooses both.
        text(&mut call.name, redact);
        text(&mut call.arguments, redact);
    }
}

/// Redacts what was seen around an attempt, before it is stored: no secret of the agent's own code is in the journal.
pub fn observed(observed: &mut Observed, redact: Rule<'_>) {
    if let Some(gateway) = &mut observed.gateway {
        name(&mut gateway.log_id, redact);
    }
    for span in &mut observed.spans {
        text(&mut span.name, redact);
        // Their names are the code's own.
        members(span.fields.iter_mut(), redact);
    }
}

fn json(value: &mut Value, redact: Rule<'_>) {
    match value {
        Value::String(string) => text(string, redact),
        Value::Array(items) => items.iter_mut().for_each(|item| json(item, redact)),
        Value::Object(object) => {
            for (old, new) in members(object.iter_mut(), redact) {
                if let Some(value) = object.remove(&old) {
                    object.insert(new, value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Redacts values under keys, and gives the keys that are texts to redact themselves, with what they become.
fn members<'a>(
    members: impl Iterator<Item = (&'a String, &'a mut Value)>,
    redact: Rule<'_>,
) -> Vec<(String, String)> {
    let mut renamed = Vec::new();
    for (key, value) in members {
        member(key, value, redact);
        if let Some(new) = redact(key) {
            renamed.push((key.clone(), new));
        }
    }
    renamed
}

fn member(key: &str, value: &mut Value, redact: Rule<'_>) {
    let shown = match &*value {
        Value::String(text) if redact(text).is_none() => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return json(value, redact);
        }
    };
    // Quotes or lines in the text would end it early.
    if shown.contains(['"', '\\', '\n']) {
        return;
    }
    let place = [key, "=\""].concat();
    let pair = redact(&[place.as_str(), shown.as_str(), "\""].concat());
    let text = pair.as_deref().and_then(|pair| pair.strip_prefix(place.as_str())?.strip_suffix('"'));
    if let Some(text) = text {
        *value = Value::String(text.to_owned());
    }
}

/// What a server chose where a name belongs, an id or a model: it stays if it looks like one and the rule finds nothing.
fn name(value: &mut Option<String>, redact: Rule<'_>) {
    let is_name = |text: &String| {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
        text.len() <= NAME_BYTES_MAX && text.bytes().all(is_of_names) && redact(text).is_none()
    };
    *value = value.take().filter(is_name);
}

fn optional(value: &mut Option<String>, redact: Rule<'_>) {
    if let Some(value) = value {
        text(value, redact);
    }
}

fn text(text: &mut String, redact: Rule<'_>) {
    if let Some(redacted) = redact(text) {
        *text = redacted;
    }
}
