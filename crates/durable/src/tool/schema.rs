//! The schema of a tool's arguments, as a model sees it.

use std::{any::TypeId, cell::RefCell, rc::Rc};

use longhaul_core::limits::METADATA_KEY_BYTES_MAX;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// How deep arguments are looked into for members that nobody named.
const DEPTH_MAX: usize = 16;

/// What is published of a tool's arguments.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// An object's schema, without title and description.
    pub(crate) schema: Value,
    /// The doc comment of the type.
    pub(crate) description: Option<String>,
}

thread_local! {
    /// Agents are made anew for each request, and types do not change.
    static KNOWN: RefCell<Vec<(TypeId, Rc<Arguments>)>> = const { RefCell::new(Vec::new()) };
}

/// The arguments of a type; `None` when it is no object.
pub(crate) fn arguments<A: JsonSchema + 'static>() -> Option<Rc<Arguments>> {
    let id = TypeId::of::<A>();
    let known =
        KNOWN.with_borrow(|known| known.iter().find(|(it, _)| *it == id).map(|(_, made)| Rc::clone(made)));
    if let Some(known) = known {
        return Some(known);
    }
    let made = Rc::new(make::<A>()?);
    KNOWN.with_borrow_mut(|known| known.push((id, Rc::clone(&made))));
    Some(made)
}

fn make<A: JsonSchema>() -> Option<Arguments> {
    let mut settings = SchemaSettings::draft2020_12();
    // Not every model's server follows references.
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<A>().to_value();
    if schema["type"] != "object" {
        return None;
    }
    let description = schema["description"].as_str().map(str::to_owned);
    if let Value::Object(members) = &mut schema {
        members.remove("title");
        members.remove("description");
    }
    close(&mut schema);
    Some(Arguments { schema, description })
}

/// Says of each object with named members alone that it has no others: whoever shows or approves arguments shows
/// everything that the tool gets.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_closed = ["additionalProperties", "allOf", "anyOf", "oneOf", "$ref"];
            if members.get("type").is_some_and(is_object)
                && !is_closed.iter().any(|it| members.contains_key(*it))
            {
                members.entry("properties").or_insert_with(|| Map::new().into());
                members.insert("additionalProperties".to_owned(), false.into());
            }
            for (keyword, inner) in members {
                match (keyword.as_str(), inner) {
                    // Names of members, not keywords.
                    ("properties" | "$defs", Value::Object(named)) => named.values_mut().for_each(close),
                    ("items" | "additionalProperties" | "anyOf" | "oneOf", inner) => close(inner),
                    _ => {}
                }
            }
        }
        Value::Array(several) => several.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `"object"`, or a list of types with it: an `Option`.
fn is_object(word: &Value) -> bool {
    let is_word = |word: &Value| word == "object";
    is_word(word) || word.as_array().is_some_and(|words| words.iter().any(is_word))
}

/// The first member of `value` that the schema does not name, as a pointer. What the schema leaves open is open.
pub(crate) fn unknown_member(schema: &Value, value: &Value) -> Option<String> {
    unknown_below(schema, schema, value, DEPTH_MAX)
}

fn unknown_below(root: &Value, schema: &Value, value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    if let Some(pointer) = schema["$ref"].as_str() {
        let schema = root.pointer(pointer.trim_start_matches('#'))?;
        return unknown_below(root, schema, value, depth);
    }
    if let Some(branches) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        let branches = branches.iter().filter(|branch| branch["type"] != "null");
        let found: Option<Vec<String>> =
            branches.map(|branch| unknown_below(root, branch, value, depth)).collect();
        return found?.into_iter().next();
    }
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            let below = match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(named), _) => unknown_below(root, named, value, depth)?,
                (None, Value::Bool(false)) => String::new(),
                (None, others) => unknown_below(root, others, value, depth)?,
            };
            let name: String = name.chars().take(METADATA_KEY_BYTES_MAX).collect();
            Some(format!("/{}{below}", name.replace('~', "~0").replace('/', "~1")))
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let below = unknown_below(root, &schema["items"], item, depth)?;
            Some(format!("/{index}{below}"))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// Refunds an order.
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Refund {
        /// The order's number.
        order: String,
        cents: u64,
        lines: Option<Vec<Line>>,
        labels: std::collections::BTreeMap<String, Line>,
        then: Option<Box<Refund>>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Line {
        sku: String,
    }

    #[test]
    fn arguments_are_an_object_whose_members_are_all_named() {
        let made = arguments::<Refund>().unwrap();
        assert_eq!(made.description.as_deref(), Some("Refunds an order."));
        let schema = &made.schema;
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
        assert_eq!(schema["properties"]["order"]["description"], "The order's number.");
        assert_eq!(schema["properties"]["lines"]["items"]["additionalProperties"], false, "{schema:#}");
        assert_eq!((schema.get("title"), schema.get("$schema")), (None, None));
        assert!(Rc::ptr_eq(&made, &arguments::<Refund>().unwrap()), "it is made once");
        assert!(
            arguments::<String>().is_none()
                && arguments::<()>().is_none()
                && arguments::<Vec<u8>>().is_none()
        );
    }

    #[test]
    fn a_member_that_nobody_named_is_found_wherever_it_is() {
        let schema = &arguments::<Refund>().unwrap().schema;
        for (value, found) in [
            (json!({"order": "7", "cents": 1, "lines": null, "labels": {}}), None),
            (json!({"order": "7", "note": "x"}), Some("/note")),
            (json!({"lines": [{"sku": "a"}, {"sku": "b", "a/b": 1}]}), Some("/lines/1/a~1b")),
            (json!({"labels": {"any": {"sku": "a"}, "other": {"x": 1}}}), Some("/labels/other/x")),
            (json!({"then": {"order": "8", "then": {"evil": 1}}}), Some("/then/then/evil")),
            (json!([1]), None),
        ] {
            assert_eq!(unknown_member(schema, &value).as_deref(), found, "{value}");
        }
    }
}
