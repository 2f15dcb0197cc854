//! Whether a schema is one that is checked to the last keyword.

use std::ptr;

use serde_json::Value;

use super::{
    misfit::Misfit,
    place::{Place, target},
    value::is_whole,
};
use crate::limits::{OUTPUT_SCHEMA_BYTES_MAX, OUTPUT_SCHEMA_DEPTH_MAX};

/// What is wrong with the schema of a result: of [`schema_faults`], and that it is no object's.
pub fn output_schema_faults(schema: &Value) -> Vec<Misfit> {
    let bytes = schema.to_string().len();
    if bytes > OUTPUT_SCHEMA_BYTES_MAX {
        let detail = format!("must have at most {OUTPUT_SCHEMA_BYTES_MAX} bytes as JSON, has {bytes}");
        return vec![Misfit::whole(detail)];
    }
    if !schema.is_object() {
        return vec![Misfit::whole("must be a JSON Schema, an object")];
    }
    let mut faults = schema_faults(schema);
    if schema["type"] != "object" {
        let detail = "must be \"object\": the result is one".to_owned();
        faults.insert(0, Misfit { pointer: "/type".to_owned(), detail });
    }
    faults
}

/// What of a schema [`misfits`](super::misfits) would pass over: keywords that it does not know or cannot read, references that
/// lead nowhere or in a circle, and what is deeper than [`OUTPUT_SCHEMA_DEPTH_MAX`].
pub fn schema_faults(schema: &Value) -> Vec<Misfit> {
    let mut walk = Walk { root: schema, schemas: Vec::new(), references: Vec::new(), faults: Vec::new() };
    walk.schema(schema, Place::Root, OUTPUT_SCHEMA_DEPTH_MAX);
    walk.check_references();
    walk.faults
}

struct Walk<'a> {
    root: &'a Value,
    /// Each schema that was looked at, by its address.
    schemas: Vec<*const Value>,
    /// Each reference, where it is and in which schema.
    references: Vec<(String, &'a str, &'a Value)>,
    faults: Vec<Misfit>,
}

/// What a keyword's value has to be.
enum Form {
    Anything,
    Number,
    Length,
    Type,
    Names,
    Values,
    Reference,
    Schema,
    Schemas,
    NamedSchemas,
}

/// The keywords that are checked, and those that ask for no check.
fn form_of(keyword: &str) -> Option<Form> {
    Some(match keyword {
        "title" | "description" | "default" | "examples" | "deprecated" | "readOnly" | "writeOnly"
        | "$schema" | "$comment" | "const" => Form::Anything,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => Form::Number,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            Form::Length
        }
        "type" => Form::Type,
        "required" => Form::Names,
        "enum" => Form::Values,
        "$ref" => Form::Reference,
        "items" | "additionalProperties" => Form::Schema,
        "allOf" | "anyOf" | "oneOf" => Form::Schemas,
        "properties" | "$defs" | "definitions" => Form::NamedSchemas,
        _ => return None,
    })
}

impl<'a> Walk<'a> {
    fn fail(&mut self, place: Place<'_>, detail: impl Into<String>) {
        self.faults.push(Misfit { pointer: place.pointer(), detail: detail.into() });
    }

    fn schema(&mut self, schema: &'a Value, place: Place<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return self.fail(place, format!("is deeper than {OUTPUT_SCHEMA_DEPTH_MAX} schemas"));
        };
        self.schemas.push(ptr::from_ref(schema));
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(_) => return,
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return self.fail(place, "must be a schema: an object, true or false");
            }
        };
        for (keyword, value) in keywords {
            let place = Place::Member(&place, keyword);
            match form_of(keyword) {
                Some(form) => self.keyword(&form, (schema, value), place, depth),
                None => self.fail(place, "is a keyword that is not checked: leave it out"),
            }
        }
    }

    fn keyword(
        &mut self,
        form: &Form,
        (schema, value): (&'a Value, &'a Value),
        place: Place<'_>,
        depth: usize,
    ) {
        let wrong = match (form, value) {
            (Form::Anything, _) => None,
            (Form::Number, value) => (!value.is_number()).then_some("must be a number"),
            (Form::Length, value) => (!is_length(value)).then_some("must be a whole number from 0 on"),
            (Form::Type, value) => (!is_type(value)).then_some(
                "must be array, boolean, integer, null, number, object or string, or an array of them",
            ),
            (Form::Names, value) => {
                (!is_list_of(value, Value::is_string)).then_some("must be an array of strings")
            }
            (Form::Values, Value::Array(values)) if !values.is_empty() => None,
            (Form::Values, _) => Some("must be an array of at least one value"),
            (Form::Reference, Value::String(reference)) => {
                self.references.push((place.pointer(), reference, schema));
                None
            }
            (Form::Reference, _) => Some("must be a string"),
            (Form::Schema, value) => {
                self.schema(value, place, depth);
                None
            }
            (Form::Schemas, Value::Array(schemas)) if !schemas.is_empty() => {
                for (index, schema) in schemas.iter().enumerate() {
                    self.schema(schema, Place::Item(&place, index), depth);
                }
                None
            }
            (Form::Schemas, _) => Some("must be an array of at least one schema"),
            (Form::NamedSchemas, Value::Object(named)) => {
                for (name, schema) in named {
                    self.schema(schema, Place::Member(&place, name), depth);
                }
                None
            }
            (Form::NamedSchemas, _) => Some("must be an object of schemas"),
        };
        if let Some(wrong) = wrong {
            self.fail(place, wrong);
        }
    }

    /// A reference is followed only to what was looked at, and never in a circle that takes no step into the value.
    fn check_references(&mut self) {
        let mut ends = Vec::new();
        for (pointer, reference, schema) in std::mem::take(&mut self.references) {
            // What is escaped by `%` would have to be read first.
            let target = target(self.root, reference).filter(|_| !reference.contains('%'));
            let is_known = target.is_some_and(|it| self.schemas.contains(&ptr::from_ref(it)));
            let detail = if !is_known {
                "must lead to a schema of this document: # or #/$defs/name"
            } else if self.is_circle(schema, &mut Vec::new(), &mut ends) {
                "leads back to itself"
            } else {
                continue;
            };
            self.faults.push(Misfit { pointer, detail: detail.to_owned() });
        }
    }

    /// Whether a value that is checked by `schema` is checked by it once more. `ends` has the schemas of which it is known that
    /// they are in no circle.
    fn is_circle(&self, schema: &Value, way: &mut Vec<*const Value>, ends: &mut Vec<*const Value>) -> bool {
        let own = ptr::from_ref(schema);
        if way.contains(&own) {
            return true;
        }
        if ends.contains(&own) {
            return false;
        }
        way.push(own);
        let listed = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|it| schema[it].as_array()).flatten();
        let referred = schema["$ref"].as_str().and_then(|reference| target(self.root, reference));
        let is_circle = listed.chain(referred).any(|next| self.is_circle(next, way, ends));
        way.pop();
        if !is_circle {
            ends.push(own);
        }
        is_circle
    }
}

fn is_length(value: &Value) -> bool {
    value.as_number().is_some_and(|number| is_whole(number) && number.as_f64() >= Some(0.0))
}

fn is_type(value: &Value) -> bool {
    let is_word = |word: &Value| {
        let words = ["array", "boolean", "integer", "null", "number", "object", "string"];
        word.as_str().is_some_and(|word| words.contains(&word))
    };
    is_word(value) || is_list_of(value, is_word) && value != &Value::Array(Vec::new())
}

fn is_list_of(value: &Value, is_meant: impl Fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|values| values.iter().all(is_meant))
}
