//! Arguments as headers (`x-mcp-header`: 2026-07-28, basic/transports/streamable-http).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

const ANNOTATION: &str = "x-mcp-header";
/// The largest whole number that JavaScript has exactly.
const SAFE_MAX: i64 = (1 << 53) - 1;
/// How deep properties are looked at.
const DEPTH_MAX: usize = 16;

/// A value as a header may have it.
pub(super) fn encoded(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) && value.trim() == value;
    let is_sentinel = value.starts_with("=?base64?") && value.ends_with("?=");
    if is_plain && !is_sentinel && !value.is_empty() {
        return value.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(value))
}

/// The annotations of a tool's schema: for each the path of its property, and the header's name.
///
/// # Errors
/// Why the tool must not be used.
pub(super) fn annotations(schema: &Value) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    walk(schema, &mut Vec::new(), true, DEPTH_MAX, &mut found)?;
    let mut names: Vec<String> =
        found.iter().map(|(_, name): &(Value, String)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("two of its parameters have the same {ANNOTATION}"));
    }
    Ok(found.into_iter().map(|(path, name)| json!([path, name])).collect())
}

/// `is_reachable` says that only `properties` lead here from the root.
fn walk<'a>(
    schema: &'a Value,
    path: &mut Vec<&'a str>,
    is_reachable: bool,
    depth: usize,
    found: &mut Vec<(Value, String)>,
) -> Result<(), String> {
    let Some(members) = schema.as_object() else {
        return schema
            .as_array()
            .into_iter()
            .flatten()
            .filter(|_| depth > 0)
            .try_for_each(|item| walk(item, path, false, depth - 1, found));
    };
    if let Some(name) = members.get(ANNOTATION) {
        if !is_reachable || path.is_empty() {
            return Err(format!("it has {ANNOTATION} where no argument can be read from"));
        }
        found.push((path.iter().copied().collect::<Value>(), valid(name, members)?));
    }
    if depth == 0 {
        return Ok(());
    }
    for (key, value) in members {
        match value {
            Value::Object(properties) if key == "properties" => {
                for (name, property) in properties {
                    path.push(name);
                    walk(property, path, is_reachable, depth - 1, found)?;
                    path.pop();
                }
            }
            // Values are data: what looks like an annotation there is none.
            _ if matches!(key.as_str(), "default" | "const" | "enum" | "examples") => {}
            Value::Object(_) | Value::Array(_) => walk(value, path, false, depth - 1, found)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

/// The name of an annotation that follows the rules.
fn valid(name: &Value, property: &Map<String, Value>) -> Result<String, String> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let name = name.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_of_token));
    let name = name.ok_or_else(|| format!("its {ANNOTATION} is no name of a header"))?;
    match property.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => Ok(name.to_owned()),
        Some(_) | None => {
            Err(format!("its {ANNOTATION} {name} is of neither a string, an integer nor a boolean"))
        }
    }
}

/// The headers of a call with these arguments.
pub(super) fn of_arguments(extra: &Value, arguments: &Value) -> Vec<(String, String)> {
    let annotations = extra["headers"].as_array().into_iter().flatten();
    annotations.filter_map(|annotation| of_argument(annotation, arguments)).collect()
}

fn of_argument(annotation: &Value, arguments: &Value) -> Option<(String, String)> {
    let name = annotation[1].as_str()?;
    let mut value = arguments;
    for key in annotation[0].as_array()? {
        value = value.get(key.as_str()?)?;
    }
    let text = match value {
        Value::String(text) => encoded(text),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => {
            // 42.0 is the whole number 42.
            let whole = number.to_string();
            let whole: i64 = whole.strip_suffix(".0").unwrap_or(&whole).parse().ok()?;
            whole.checked_abs().filter(|it| *it <= SAFE_MAX).map(|_| whole.to_string())?
        }
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some((format!("mcp-param-{name}"), text))
}
