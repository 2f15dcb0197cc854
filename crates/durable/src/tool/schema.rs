//! The schema of a tool's arguments, as a model sees it.

use std::{any::TypeId, cell::RefCell, rc::Rc};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

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

/// The schema of a type of results; `None` when it is no object. Formats are left out: nobody checks them.
pub(crate) fn output<T: JsonSchema + 'static>() -> Option<Value> {
    let mut schema = arguments::<T>()?.schema.clone();
    drop_formats(&mut schema);
    Some(schema)
}

fn drop_formats(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // Of a member that is called so it is a schema.
            members.retain(|keyword, value| keyword != "format" || !value.is_string());
            members.values_mut().for_each(drop_formats);
        }
        Value::Array(several) => several.iter_mut().for_each(drop_formats),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
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
    close(&mut schema, true);
    Some(Arguments { schema, description })
}

/// Says of each object with named members alone that it has no others: whoever shows or approves arguments shows
/// everything that the tool gets. A schema that says a part of what an object has is not `whole`.
fn close(schema: &mut Value, whole: bool) {
    match schema {
        Value::Object(members) => {
            let has = |keywords: &[&str]| keywords.iter().any(|it| members.contains_key(*it));
            let is_open = has(&["additionalProperties", "allOf", "anyOf", "oneOf", "$ref"]);
            let has_parts = has(&["properties"]);
            if whole && !is_open && members.get("type").is_some_and(is_object) {
                members.entry("properties").or_insert_with(|| Map::new().into());
                members.insert("additionalProperties".to_owned(), false.into());
            }
            for (keyword, inner) in members {
                match (keyword.as_str(), inner) {
                    // Names of members, not keywords.
                    ("properties" | "$defs", Value::Object(named)) => {
                        named.values_mut().for_each(|it| close(it, true));
                    }
                    ("anyOf" | "oneOf", inner) => close(inner, !has_parts),
                    ("items" | "additionalProperties", inner) => close(inner, true),
                    _ => {}
                }
            }
        }
        Value::Array(several) => several.iter_mut().for_each(|it| close(it, whole)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `"object"`, or a list of types with it: an `Option`.
fn is_object(word: &Value) -> bool {
    let is_word = |word: &Value| word == "object";
    is_word(word) || word.as_array().is_some_and(|words| words.iter().any(is_word))
}

#[cfg(test)]
mod tests {
    use longhaul_core::{misfits, output_schema_faults, told_misfits};
    use serde::{Deserialize, Serialize};
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
        let whole = |mut value: Value| {
            let members = value.as_object_mut().unwrap();
            for (name, least) in [("order", json!("7")), ("cents", json!(1)), ("labels", json!({}))] {
                members.entry(name).or_insert(least);
            }
            value
        };
        for (value, expected) in [
            (json!({"lines": null, "then": null}), ""),
            (json!({"note": "x"}), "/note is not in the schema"),
            (json!({"lines": [{"sku": "a"}, {"sku": "b", "a/b": 1}]}), "/lines/1/a~1b is not in the schema"),
            (json!({"labels": {"other": {"sku": "a", "x": 1}}}), "/labels/other/x is not in the schema"),
            (
                json!({"then": whole(json!({"then": whole(json!({"evil": 1}))}))}),
                "/then/then/evil is not in the schema",
            ),
        ] {
            assert_eq!(told_misfits(&misfits(schema, &whole(value.clone()))), expected, "{value}");
        }
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Way {
        /// By post.
        Post {
            to: String,
        },
        Pickup,
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Page {
        limit: Option<u8>,
        #[serde(default)]
        offset: i64,
    }

    #[derive(Deserialize, Serialize, JsonSchema)]
    struct Order {
        #[serde(flatten)]
        page: Page,
        #[serde(flatten)]
        way: Way,
        ways: Vec<Way>,
        mark: char,
        rate: f64,
        pair: (u8, String),
        counts: std::collections::BTreeMap<u32, Option<bool>>,
        any: Value,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Report {
        /// In centimetres.
        height: u8,
        format: String,
        way: Way,
        sources: Vec<Source>,
        best: Option<Source>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    enum Source {
        /// A book.
        Book,
        Web(String),
    }

    #[test]
    fn a_type_of_results_has_a_schema_that_is_checked_to_the_last_keyword() {
        let schema = output::<Report>().unwrap();
        assert_eq!(output_schema_faults(&schema), [], "{schema:#}");
        assert_eq!(
            schema["properties"]["height"],
            json!({"description": "In centimetres.", "type": "integer", "minimum": 0, "maximum": 255})
        );
        let report =
            json!({"height": 300, "format": "x", "way": {"kind": "pickup"}, "sources": ["Book", {"Web": 7}]});
        let told = told_misfits(&misfits(&schema, &report));
        assert_eq!(told, "/height must be at most 255; /sources/1/Web must be a string, not a number");
        assert_eq!(output::<String>(), None);
    }

    #[test]
    fn what_a_type_writes_fits_its_schema() {
        let schema = &arguments::<Order>().unwrap().schema;
        let order = |way: Way| Order {
            page: Page { limit: Some(255), offset: -1 },
            way,
            ways: vec![Way::Pickup, Way::Post { to: "Whitby".to_owned() }],
            mark: '\u{e9}',
            rate: 1.0,
            pair: (0, String::new()),
            counts: [(7, None)].into(),
            any: json!([{}]),
        };
        for way in [Way::Pickup, Way::Post { to: "me".to_owned() }] {
            let value = serde_json::to_value(order(way)).unwrap();
            assert_eq!(told_misfits(&misfits(schema, &value)), "", "{schema:#}");
        }
    }
}
