//! The content of a message: a text, or a list of parts of which some are text.

use std::borrow::Cow;

use serde_json::Value;

/// What a content holds, each kind joined.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) thoughts: Cow<'a, str>,
    pub(crate) refusal: Cow<'a, str>,
}

/// The names under which messages and parts keep thoughts, the usual ones first: one of them counts, for some servers send
/// the same under two names.
const THOUGHTS: [&str; 6] =
    ["reasoning_content", "reasoning", "reasoning_text", "thinking", "thoughts", "reasoning_details"];

/// An object with one of these is a part that stands alone.
const PART_FIELDS: [&str; 6] = ["type", "text", "thinking", "reasoning", "parts", "image_url"];

/// Reads a content. A list is its parts: texts, thoughts, refusals; a part of another type (a reference, an image, a tool) is
/// none of them, and a list without text has none. An empty object says nothing, as `false` does. Any other value is its JSON
/// text: JSON mode, and models that stream a number as a number.
pub(crate) fn content_of(content: &Value) -> Content<'_> {
    match content {
        Value::Array(parts) => {
            let mut read = Content::default();
            for part in parts {
                add(&mut read, part);
            }
            read
        }
        Value::Object(part) if PART_FIELDS.iter().any(|field| part.contains_key(*field)) => {
            let mut read = Content::default();
            add(&mut read, content);
            read
        }
        Value::Bool(_) => Content::default(),
        Value::Object(members) if members.is_empty() => Content::default(),
        other => Content { text: json_text_of(other), ..Content::default() },
    }
}

/// The thoughts that stand beside a content.
pub(crate) fn thoughts_of(message: &Value) -> Cow<'_, str> {
    let places = THOUGHTS.iter().map(|name| thought(&message[*name]));
    places.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn add<'a>(read: &mut Content<'a>, part: &'a Value) {
    if let Value::String(text) = part {
        return push(&mut read.text, Cow::Borrowed(text));
    }
    // Gemini's own, in the place of a content.
    if let Some(parts) = part["parts"].as_array() {
        return parts.iter().for_each(|part| add(read, part));
    }
    let places = [&part["text"], &part["text"]["value"], &part["content"], &part["value"]];
    let text = places.into_iter().find_map(Value::as_str).map(Cow::Borrowed);
    match part["type"].as_str() {
        _ if part["thought"] == true => push(&mut read.thoughts, thought(part)),
        None if text.is_none() => push(&mut read.thoughts, thoughts_of(part)),
        Some("text" | "output_text" | "text_delta") | None => push(&mut read.text, text.unwrap_or_default()),
        Some("refusal") => push(&mut read.refusal, json_text_of(&part["refusal"])),
        Some(kind) if kind.contains("reason") || kind.contains("think") || kind.contains("thought") => {
            push(&mut read.thoughts, thought(part));
        }
        Some(_) => {}
    }
}

/// The text of a thought: a text, parts with a text, or a summary of parts.
fn thought(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Array(items) => {
            let mut joined = Cow::Borrowed("");
            items.iter().for_each(|item| push(&mut joined, thought(item)));
            joined
        }
        Value::Object(part) => {
            let places = ["text", "thinking", "reasoning", "content", "summary"];
            let read = places.iter().filter_map(|name| part.get(*name)).map(thought);
            read.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
        }
        _ => Cow::Borrowed(""),
    }
}

/// A string, or any other value that is not null as its JSON text: arguments of tools come both ways.
pub(crate) fn json_text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn push<'a>(to: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if to.is_empty() {
        *to = text;
    } else if !text.is_empty() {
        to.to_mut().push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_its_text_parts_which_may_be_none() {
        for (content, text, thoughts) in [
            (json!(null), "", ""),
            (json!("a"), "a", ""),
            (json!(7), "7", ""),
            (json!({"a": [1]}), r#"{"a":[1]}"#, ""),
            (json!({}), "", ""),
            (json!(false), "", ""),
            (json!({"image_url": {"url": "https://x/y.png"}}), "", ""),
            (json!({"parts": [{"text": "a"}, {"text": "hm", "thought": true}]}), "a", "hm"),
            (json!([{"type": "text", "text": {"value": "a", "annotations": []}}]), "a", ""),
            (
                json!([{"type": "text", "content": "a"}, {"content": "b"}, {"type": "text", "value": "c"}]),
                "abc",
                "",
            ),
            (json!([]), "", ""),
            (json!([1, 2]), "", ""),
            (json!(["a", "b"]), "ab", ""),
            (json!({"type": "text", "text": "a"}), "a", ""),
            (json!([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]), "ab", ""),
            (json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]), "", "hm"),
            (
                json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]),
                "a",
                "hm",
            ),
            (json!([{"type": "thinking", "thinking": "hm", "signature": "x"}]), "", "hm"),
            (
                json!([{"type": "output_text", "text": "a"}, {"type": "reasoning_text", "text": "hm"}]),
                "a",
                "hm",
            ),
            (json!([{"text": "hm", "thought": true}, {"text": "a"}]), "a", "hm"),
            (json!([{"type": "reference", "reference_ids": [0]}]), "", ""),
            (json!({"thinking": "hm"}), "", "hm"),
            (json!([{"type": "refusal", "refusal": "no"}]), "", ""),
        ] {
            let read = content_of(&content);
            assert_eq!((read.text.as_ref(), read.thoughts.as_ref()), (text, thoughts), "{content}");
        }
        assert_eq!(content_of(&json!([{"type": "refusal", "refusal": "no"}])).refusal, "no");
    }

    #[test]
    fn thoughts_are_taken_from_one_place() {
        for message in [
            json!({"reasoning_content": "hm"}),
            json!({"reasoning": "hm", "reasoning_content": "hm"}),
            json!({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
            json!({"reasoning_content": "", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}),
            json!({"thinking": "hm"}),
            json!({"reasoning": {"content": [{"type": "text", "text": "hm"}]}}),
        ] {
            assert_eq!(thoughts_of(&message), "hm", "{message}");
        }
        assert_eq!(thoughts_of(&json!({"reasoning": null, "content": "a"})), "");
    }
}
