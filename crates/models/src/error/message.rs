//! What a server says of its error, in any of the shapes that servers wrap it in.

use longhaul_core::limits::ERROR_CHARS_MAX;
use serde_json::Value;

use crate::lenient;

/// Members that hold the words, the plainest first. Some hold a further object, or a text that is JSON.
const WORDS: [&str; 16] = [
    "message",
    "msg",
    "detail",
    "details",
    "description",
    "error_description",
    "error_message",
    "errorMessage",
    "error_msg",
    "status_msg",
    "faultstring",
    "Message",
    "reason",
    "title",
    "text",
    "exception",
];
/// Members that hold an error as a whole.
const WRAPPERS: [&str; 8] =
    ["error", "errors", "response", "base_resp", "fault", "result", "Response", "Error"];
/// How far shapes in shapes are followed, and how many items of a list.
const DEPTH_MAX: u8 = 8;
const ITEMS_MAX: usize = 4;
/// What a text that is JSON may have, in bytes: a longer one is quoted as it is.
const INNER_BYTES_MAX: usize = 16 * 1024;

/// The words of an error: those of the innermost shape, with those around it where they say something else.
pub(super) fn message_of(body: &Value) -> Option<String> {
    let mut said = Vec::new();
    collect(body, DEPTH_MAX, &mut said);
    (!said.is_empty()).then(|| said.join(": "))
}

/// A body that is no JSON, where it is a text for people and no page.
pub(super) fn plain(body: &str) -> Option<String> {
    let text = body.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let is_text = !text.is_empty() && !text.starts_with(['<', '{', '[']);
    let start = || text.chars().take(ERROR_CHARS_MAX);
    let is_binary =
        || start().any(|c| c == char::REPLACEMENT_CHARACTER || c.is_control() && !c.is_whitespace());
    (is_text && !is_binary()).then(|| start().chain(text.chars().skip(ERROR_CHARS_MAX).take(1)).collect())
}

fn collect(value: &Value, depth: u8, said: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => collect_text(text, depth, said),
        Value::Array(items) => items.iter().take(ITEMS_MAX).for_each(|item| collect(item, depth, said)),
        Value::Object(members) => {
            let in_place = place_of(value);
            let before = said.len();
            // `{"error": "Bad Request", "message": "…"}` has its words in both.
            for name in WRAPPERS {
                members.get(name).into_iter().for_each(|inner| collect(inner, depth, said));
            }
            let at = said.len();
            for words in WORDS.iter().filter_map(|name| members.get(*name)) {
                collect(words, depth, said);
                if said.len() > at {
                    break;
                }
            }
            // Gemini's own shape.
            if let Some(reason) = value.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
                collect_text(&format!("the prompt is blocked: {reason}"), depth, said);
            }
            // OpenRouter: what the provider after it said.
            if let Some(raw) = value.pointer("/metadata/raw") {
                collect(raw, depth, said);
            }
            if said.len() == before && depth + 1 < DEPTH_MAX {
                // Django's and others: `{"errors": {"field": ["…"]}}`.
                let lists = members.iter().filter(|(_, value)| value.is_array()).take(ITEMS_MAX);
                for (name, list) in lists {
                    let at = said.len();
                    collect(list, depth, said);
                    put_before(said, at, name);
                }
            } else if let Some(place) = in_place {
                put_before(said, before, &place);
            }
        }
        _ => {}
    }
}

fn collect_text(text: &str, depth: u8, said: &mut Vec<String>) {
    let text = text.trim();
    if text.starts_with(['{', '[']) && text.len() <= INNER_BYTES_MAX {
        let before = said.len();
        if let Ok(parsed) = lenient::parse(text) {
            collect(&parsed.value, depth, said);
        }
        if said.len() > before {
            return;
        }
    }
    // No more is kept than will be shown.
    let text: String = text.chars().take(ERROR_CHARS_MAX + 1).collect();
    if !text.is_empty() && !said.iter().any(|earlier| earlier.contains(&text)) {
        said.push(text);
    }
}

/// Which field of the request an item of a validator's list is about: Pydantic's `loc`, or `param` and the like.
fn place_of(item: &Value) -> Option<String> {
    if let Some(loc) = item["loc"].as_array() {
        let parts: Vec<String> = loc.iter().take(8).map(part).collect();
        return Some(parts.join("."));
    }
    let named = ["field", "path", "pointer"].iter().find_map(|name| item[*name].as_str());
    named.filter(|name| !name.is_empty()).map(str::to_owned)
}

fn part(part: &Value) -> String {
    part.as_str().map_or_else(|| part.to_string(), str::to_owned).chars().take(64).collect()
}

fn put_before(said: &mut [String], at: usize, place: &str) {
    if let Some(first) = said.get_mut(at)
        && !place.is_empty()
    {
        *first = format!("{place}: {first}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_are_found_in_every_shape() {
        for (body, words) in [
            (json!({"error": {"message": "no such model", "type": "x"}}), "no such model"),
            (json!({"error": "no such model"}), "no such model"),
            (json!({"errors": [{"code": 7000, "message": "no route"}]}), "no route"),
            (json!({"errors": ["one", "two"]}), "one: two"),
            (json!({"errors": {"model": ["is unknown"]}}), "model: is unknown"),
            (json!({"message": "gone"}), "gone"),
            (
                json!({"error": "Bad Request", "message": "top_k is unknown", "status": 400}),
                "Bad Request: top_k is unknown",
            ),
            (json!({"detail": "Not Found"}), "Not Found"),
            (
                json!({"detail": [{"loc": ["body", "messages", 0], "msg": "is missing", "type": "missing"}]}),
                "body.messages.0: is missing",
            ),
            (
                json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "not allowed"}]}}),
                "body.stream_options: not allowed",
            ),
            (json!({"title": "Not Found", "status": 404}), "Not Found"),
            (json!({"internalCode": 5007, "description": "No such model", "name": "x"}), "No such model"),
            (json!({"error": {"message": "{\"error\":{\"message\":\"inner\",\"code\":400}}"}}), "inner"),
            (
                json!({"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "{\"detail\":\"too long\"}"}}}),
                "Provider returned error: too long",
            ),
            (
                json!([{"error": {"code": 400, "message": "in a list", "status": "INVALID_ARGUMENT"}}]),
                "in a list",
            ),
            (json!({"error": {"error": {"message": "deep"}}}), "deep"),
            (json!({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}), "login fail"),
            (json!({"error_code": 6, "error_msg": "no permission"}), "no permission"),
            (json!({"fault": {"faultstring": "quota", "detail": {"errorcode": "x"}}}), "quota"),
            (json!({"message": null, "error": {"message": "x"}}), "x"),
            (
                json!({"Response": {"Error": {"Code": "AuthFailure", "Message": "no"}, "RequestId": "r"}}),
                "no",
            ),
            (json!({"exception": "RuntimeError: no memory"}), "RuntimeError: no memory"),
            (json!({"promptFeedback": {"blockReason": "SAFETY"}}), "the prompt is blocked: SAFETY"),
            (json!("text"), "text"),
        ] {
            assert_eq!(message_of(&body).as_deref(), Some(words), "{body}");
        }
        for silent in
            [json!({}), json!({"error": {"message": " "}}), json!(7), json!([]), json!({"ok": true})]
        {
            assert_eq!(message_of(&silent), None, "{silent}");
        }
    }
}
