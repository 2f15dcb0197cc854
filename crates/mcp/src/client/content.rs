//! What a tool gave, for the model.

use longhaul_core::{misfits, told_misfits};
use serde_json::{Map, Value, json};

use super::{Outcome, rpc::shown};
use crate::limits::DATA_BYTES_MAX;

/// What comes of a call that has its result.
pub(super) fn outcome(result: &Value, extra: &Value) -> Outcome {
    let parts: Vec<Value> = result["content"].as_array().into_iter().flatten().map(part).collect();
    if result["isError"] == true {
        let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        let text = texts.join("\n");
        return Outcome::Failed(if text.is_empty() {
            "the tool failed, and does not say why".to_owned()
        } else {
            text
        });
    }
    let structured = result.get("structuredContent").filter(|it| !it.is_null());
    if let Some(schema) = extra.get("output") {
        let found = match structured {
            Some(structured) => told_misfits(&misfits(schema, structured)),
            None => "there is none".to_owned(),
        };
        if !found.is_empty() {
            let text = format!(
                "the tool was called; its structured result does not fit the schema that it has: {found}"
            );
            return Outcome::Failed(shown(&text));
        }
    }
    match (structured, parts.as_slice()) {
        // What is no text beside it would be lost.
        (Some(structured), parts) if parts.iter().all(is_text) => Outcome::Done(structured.clone()),
        (Some(structured), _) => Outcome::Done(json!({"structured": structured, "content": parts})),
        (None, [part]) if is_text(part) => Outcome::Done(part["text"].clone()),
        (None, _) => Outcome::Done(json!({"content": parts})),
    }
}

fn is_text(part: &Value) -> bool {
    part["type"] == "text"
}

/// A part of a result, with what is too large for a model named.
fn part(part: &Value) -> Value {
    let kind = part["type"].as_str().unwrap_or("unknown");
    let mut kept = Map::new();
    kept.insert("type".to_owned(), kind.into());
    let (source, data) = match kind {
        "text" => return json!({"type": "text", "text": part["text"].as_str().unwrap_or_default()}),
        "resource" => (&part["resource"], "blob"),
        _ => (part, "data"),
    };
    for (name, known) in [
        ("uri", "uri"),
        ("name", "name"),
        ("title", "title"),
        ("description", "description"),
        ("mimeType", "mime_type"),
        ("text", "text"),
    ] {
        if let Some(text) = source[name].as_str() {
            kept.insert(known.to_owned(), text.into());
        }
    }
    if let Some(data) = source[data].as_str() {
        kept.insert("base64_bytes".to_owned(), data.len().into());
        if data.len() <= DATA_BYTES_MAX {
            kept.insert("data".to_owned(), data.into());
        } else {
            kept.insert("note".to_owned(), "it is too large to be kept".into());
        }
    }
    kept.into()
}
