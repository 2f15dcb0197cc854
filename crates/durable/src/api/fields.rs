use longhaul_core::limits::METADATA_KEY_BYTES_MAX;
use serde_json::{Map, Value};

use super::{
    nearest,
    problem::{FieldError, FieldErrors},
};

/// Reads the fields of a JSON object and remembers every one at fault, so that one answer names them all.
pub(crate) struct Fields<'a> {
    prefix: String,
    fields: Map<String, Value>,
    /// The names that were asked for, which are those that are known.
    known: Vec<&'static str>,
    errors: &'a mut FieldErrors,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, which `prefix` points to; a value that is no object is an error.
    pub(crate) fn of(value: Value, prefix: &str, errors: &'a mut FieldErrors) -> Self {
        let fields = match value {
            Value::Object(fields) => fields,
            other => {
                errors.push(FieldError::new(prefix, format!("must be an object, not {}", json_type(&other))));
                Map::new()
            }
        };
        Self { prefix: prefix.to_owned(), fields, known: Vec::new(), errors }
    }

    /// Takes a field; null counts as absent.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.take_any(name).filter(|value| !value.is_null())
    }

    /// Takes a field for which null is a value.
    pub(crate) fn take_any(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.fields.remove(name)
    }

    /// Takes a non-empty string of at most `bytes_max` bytes.
    pub(crate) fn string(&mut self, name: &'static str, bytes_max: usize) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.trim().is_empty() => self.fail(name, "must not be empty"),
            Value::String(text) if text.len() > bytes_max => {
                self.fail(name, format!("must be at most {bytes_max} bytes, is {}", text.len()))
            }
            Value::String(text) => Some(text),
            other => self.fail(name, format!("must be a string, not {}", json_type(&other))),
        }
    }

    /// Takes an integer from `min` to `max`.
    pub(crate) fn integer(&mut self, name: &'static str, min: u64, max: u64) -> Option<u64> {
        let value = self.take(name)?;
        match whole(&value).filter(|n| (min..=max).contains(n)) {
            Some(number) => Some(number),
            None => self.fail(name, format!("must be an integer from {min} to {max}, is {}", shown(&value))),
        }
    }

    /// Takes a number above 0.
    pub(crate) fn positive(&mut self, name: &'static str) -> Option<f64> {
        let value = self.take(name)?;
        match value.as_f64().filter(|n| *n > 0.0 && n.is_finite()) {
            Some(number) => Some(number),
            None => self.fail(name, format!("must be a number above 0, is {}", shown(&value))),
        }
    }

    /// Whether something is wanted; not where nothing is said.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(value) => Some(value),
            other => self.fail(name, format!("must be a boolean, not {}", json_type(&other))),
        }
    }

    /// Notes an error and gives nothing.
    pub(crate) fn fail<T>(&mut self, name: &str, detail: impl Into<String>) -> Option<T> {
        let prefix = &self.prefix;
        self.errors.push_with(|| FieldError::new(format!("{prefix}/{}", escaped(name)), detail));
        None
    }

    /// The errors, for an object inside this one.
    pub(crate) fn errors(&mut self) -> &mut FieldErrors {
        self.errors
    }

    /// Whatever was not taken is unknown, and an error that says what was probably meant.
    pub(crate) fn finish(self) {
        let known = &self.known;
        for name in self.fields.keys() {
            self.errors.push_with(|| {
                FieldError::new(format!("{}/{}", self.prefix, escaped(name)), nearest::said(known, name))
            });
        }
    }

    /// Whatever was not taken is an error, in these words.
    pub(crate) fn refuse_rest(mut self, detail: &str) {
        for name in std::mem::take(&mut self.fields).keys() {
            self.fail::<()>(name, detail);
        }
    }
}

/// A name in an RFC 6901 pointer, cut: whoever sent it knows the rest.
pub(crate) fn escaped(name: &str) -> String {
    let shown: String = name.chars().take(METADATA_KEY_BYTES_MAX).collect();
    shown.replace('~', "~0").replace('/', "~1")
}

/// A whole number; `3.0` is one, as in JSON Schema.
fn whole(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and not negative; what is too large saturates"
    )]
    let of_float = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

/// The JSON type of a value, with its article.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        other => json_type(other).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_name_is_told_the_nearest_that_was_asked_for() {
        let mut errors = FieldErrors::default();
        let mut fields = Fields::of(json!({"tsak": 1, "model": null, "a/b": 2}), "/x", &mut errors);
        assert!(fields.string("task", 9).is_none() && fields.take("model").is_none());
        fields.finish();
        let told: Vec<_> = errors.into_listed().into_iter().map(|it| (it.pointer, it.detail)).collect();
        let expected = [
            ("/x/a~1b", "is not known; there are `task`, `model`"),
            ("/x/tsak", "is not known; the nearest is `task`"),
        ];
        assert_eq!(told, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
    }
}
