//! Whether a value fits a schema.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{
    misfit::Misfit,
    place::{Place, target},
};
use crate::limits::{ERROR_CHARS_MAX, MISFITS_MAX, SCHEMA_NESTING_MAX, SCHEMA_STEPS_MAX};

/// Bytes of a text that are one step.
const TEXT_BYTES_OF_STEP: usize = 256;

/// What of `value` does not fit `schema`, at most [`MISFITS_MAX`] faults. A keyword that is not known, or has no form that is,
/// says nothing. What would take too many steps, or too deep ones, does not fit.
pub fn misfits(schema: &Value, value: &Value) -> Vec<Misfit> {
    let mut check = Check { root: schema, steps: SCHEMA_STEPS_MAX, is_too_much: false };
    let mut found = Found::default();
    check.value(schema, value, (Place::Root, SCHEMA_NESTING_MAX), &mut found);
    if check.is_too_much {
        return vec![Misfit::whole("is too deep, or too long, to be checked")];
    }
    found.misfits
}

/// Where a value is checked, and how much deeper that may go.
type At<'a> = (Place<'a>, usize);

struct Check<'a> {
    root: &'a Value,
    steps: usize,
    is_too_much: bool,
}

/// What was found of a value so far.
#[derive(Default)]
struct Found {
    misfits: Vec<Misfit>,
    /// Whether the value itself is of another kind than the schema takes, and not only something in it.
    is_other: bool,
}

impl Found {
    fn push(&mut self, place: Place<'_>, detail: impl Into<String>) {
        if !self.is_full() {
            self.misfits.push(Misfit { pointer: place.pointer(), detail: cut(detail.into()) });
        }
    }

    fn is_full(&self) -> bool {
        self.misfits.len() >= MISFITS_MAX
    }

    fn fits(&self) -> bool {
        self.misfits.is_empty()
    }
}

impl Check<'_> {
    /// Takes steps; `false` where there are not so many left.
    fn step(&mut self, steps: usize) -> bool {
        match self.steps.checked_sub(steps) {
            Some(left) => self.steps = left,
            None => self.is_too_much = true,
        }
        !self.is_too_much
    }

    fn value(&mut self, schema: &Value, value: &Value, (place, depth): At<'_>, found: &mut Found) {
        if found.is_full() || !self.step(1) {
            return;
        }
        let keywords = match schema {
            Value::Object(keywords) => keywords,
            Value::Bool(false) => return found.push(place, "is not allowed"),
            Value::Bool(true) | Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => return,
        };
        let Some(depth) = depth.checked_sub(1) else {
            self.is_too_much = true;
            return;
        };
        if let Some(detail) = keywords.get("type").and_then(|word| type_misfit(word, value)) {
            found.is_other = true;
            return found.push(place, detail);
        }
        self.same(keywords, value, place, found);
        self.branches(keywords, value, (place, depth), found);
        match value {
            Value::Object(members) => self.object(keywords, members, (place, depth), found),
            Value::Array(items) => self.array(keywords, items, (place, depth), found),
            Value::String(text) => self.text(keywords, text, place, found),
            Value::Number(number) => bounds(keywords, number, place, found),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The same of what is inside a value: that is of no other kind for it.
    fn inner(&mut self, schema: &Value, value: &Value, at: At<'_>, found: &mut Found) {
        let is_other = found.is_other;
        self.value(schema, value, at, found);
        found.is_other = is_other;
    }

    /// `enum` and `const`.
    fn same(&mut self, keywords: &Map<String, Value>, value: &Value, place: Place<'_>, found: &mut Found) {
        if let Some(only) = keywords.get("const")
            && !is_same(only, value)
        {
            found.is_other = true;
            found.push(place, format!("must be {only}"));
        }
        if let Some(several) = keywords.get("enum").and_then(Value::as_array)
            && self.step(several.len())
            && !several.iter().any(|it| is_same(it, value))
        {
            found.is_other = true;
            let several: Vec<String> = several.iter().map(Value::to_string).collect();
            found.push(place, format!("must be one of {}", several.join(", ")));
        }
    }

    /// The keywords that have the value checked by further schemas.
    fn branches(&mut self, keywords: &Map<String, Value>, value: &Value, at: At<'_>, found: &mut Found) {
        let root = self.root;
        if let Some(schema) = keywords.get("$ref").and_then(Value::as_str).and_then(|it| target(root, it)) {
            self.value(schema, value, at, found);
        }
        let listed = |keyword: &str| keywords.get(keyword).and_then(Value::as_array);
        for schema in listed("allOf").into_iter().flatten() {
            self.value(schema, value, at, found);
        }
        if let Some(schemas) = listed("anyOf") {
            self.any(schemas, value, at, found);
        }
        if let Some(schemas) = listed("oneOf") {
            let fitting = self.any(schemas, value, at, found);
            if fitting > 1 {
                found.push(at.0, format!("must fit one of {} schemas, fits {fitting}", schemas.len()));
            }
        }
    }

    /// How many of the schemas the value fits. Where it is none, what keeps it from the one that it is nearest to.
    fn any(&mut self, schemas: &[Value], value: &Value, at: At<'_>, found: &mut Found) -> usize {
        let (mut fitting, mut nearest, mut others) = (0, None::<Found>, Vec::new());
        for schema in schemas {
            let mut inner = Found::default();
            self.value(schema, value, at, &mut inner);
            if inner.fits() {
                fitting += 1;
            } else if inner.is_other {
                others.extend(inner.misfits.pop().map(|it| it.detail).filter(|it| !others.contains(it)));
            } else if nearest.as_ref().is_none_or(|it| inner.misfits.len() < it.misfits.len()) {
                nearest = Some(inner);
            }
        }
        if fitting == 0 {
            match nearest {
                Some(nearest) => {
                    let room = MISFITS_MAX.saturating_sub(found.misfits.len());
                    found.misfits.extend(nearest.misfits.into_iter().take(room));
                }
                None => {
                    found.is_other = true;
                    found.push(at.0, others.join(", or "));
                }
            }
        }
        fitting
    }

    fn object(
        &mut self,
        keywords: &Map<String, Value>,
        members: &Map<String, Value>,
        (place, depth): At<'_>,
        found: &mut Found,
    ) {
        count(keywords, ("minProperties", "maxProperties"), members.len(), "members", place, found);
        let required = keywords.get("required").and_then(Value::as_array);
        let named = keywords.get("properties").and_then(Value::as_object);
        if !self.step(required.map_or(0, Vec::len) + named.map_or(0, Map::len)) {
            return;
        }
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                found.push(Place::Member(&place, name), "is missing");
            }
        }
        for (name, schema) in named.into_iter().flatten() {
            if let Some(value) = members.get(name) {
                self.inner(schema, value, (Place::Member(&place, name), depth), found);
            }
        }
        let Some(others) = keywords.get("additionalProperties") else { return };
        // Which members these name is not known here.
        if keywords.contains_key("patternProperties") || !self.step(members.len()) {
            return;
        }
        for (name, value) in members {
            let place = Place::Member(&place, name);
            if named.is_some_and(|named| named.contains_key(name)) {
                // Checked above.
            } else if *others == Value::Bool(false) {
                found.push(place, "is not in the schema");
            } else {
                self.inner(others, value, (place, depth), found);
            }
        }
    }

    fn array(
        &mut self,
        keywords: &Map<String, Value>,
        items: &[Value],
        (place, depth): At<'_>,
        found: &mut Found,
    ) {
        count(keywords, ("minItems", "maxItems"), items.len(), "items", place, found);
        let Some(schema) = keywords.get("items") else { return };
        for (index, item) in items.iter().enumerate() {
            if found.is_full() || self.is_too_much {
                return;
            }
            self.inner(schema, item, (Place::Item(&place, index), depth), found);
        }
    }

    fn text(&mut self, keywords: &Map<String, Value>, text: &str, place: Place<'_>, found: &mut Found) {
        let is_counted = keywords.contains_key("minLength") || keywords.contains_key("maxLength");
        if is_counted && self.step(text.len() / TEXT_BYTES_OF_STEP) {
            count(keywords, ("minLength", "maxLength"), text.chars().count(), "characters", place, found);
        }
    }
}

/// Why a value is of no type that the keyword `type` names.
fn type_misfit(word: &Value, value: &Value) -> Option<String> {
    let words: Vec<&str> = match word {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    if words.iter().any(|word| is_of(word, value)) {
        return None;
    }
    let several: Vec<&str> = words.into_iter().map(with_article).collect();
    Some(format!("must be {}, not {}", several.join(" or "), with_article(type_of(value))))
}

fn is_of(word: &str, value: &Value) -> bool {
    word == type_of(value) || word == "integer" && value.as_number().is_some_and(is_whole)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn with_article(word: &str) -> &str {
    match word {
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        "object" => "an object",
        other => other,
    }
}

/// The bounds of a number.
fn bounds(keywords: &Map<String, Value>, number: &Number, place: Place<'_>, found: &mut Found) {
    use Ordering::{Equal, Greater, Less};
    let told: [(&str, &[Ordering], &str); 4] = [
        ("minimum", &[Less], "at least"),
        ("maximum", &[Greater], "at most"),
        ("exclusiveMinimum", &[Less, Equal], "more than"),
        ("exclusiveMaximum", &[Greater, Equal], "less than"),
    ];
    for (keyword, wrong, words) in told {
        let Some(bound) = keywords.get(keyword).and_then(Value::as_number) else { continue };
        if wrong.contains(&compare(number, bound)) {
            found.push(place, format!("must be {words} {bound}"));
        }
    }
}

/// The bounds of a length.
fn count(
    keywords: &Map<String, Value>,
    (least, most): (&str, &str),
    length: usize,
    what: &str,
    place: Place<'_>,
    found: &mut Found,
) {
    let bound = |keyword| keywords.get(keyword).and_then(Value::as_number);
    let length = Number::from(length);
    if let Some(least) = bound(least).filter(|least| compare(&length, least) == Ordering::Less) {
        found.push(place, format!("must have at least {least} {what}, has {length}"));
    }
    if let Some(most) = bound(most).filter(|most| compare(&length, most) == Ordering::Greater) {
        found.push(place, format!("must have at most {most} {what}, has {length}"));
    }
}

/// By what the numbers are, however they are written.
pub fn compare(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return a.cmp(&b);
    }
    // One of them is no whole number, and so below 2^53, or far beyond every one that a document writes as such.
    let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
    float(a).total_cmp(&float(b))
}

pub(super) fn is_whole(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// A number without a fraction, exactly; `None` for any other, and for one that is too large.
fn whole(number: &Number) -> Option<i128> {
    const MOST: f64 = 1e36;
    match number.as_f64().filter(|_| number.is_f64()) {
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction, and is below 2^127")]
        Some(float) if float.fract() == 0.0 && float.abs() < MOST => Some(float as i128),
        Some(_) => None,
        None => number.as_i128(),
    }
}

/// Whether two values are one in JSON: 1.0 is 1.
pub fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// No longer than a model is to read.
fn cut(text: String) -> String {
    match text.char_indices().nth(ERROR_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
