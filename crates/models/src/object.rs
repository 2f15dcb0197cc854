//! JSON objects without the macro, whose code is in the wasm once for each use.

use serde_json::Value;

/// An object of these members.
#[inline(never)]
pub(crate) fn object(members: &mut [(&str, Value)]) -> Value {
    Value::Object(members.iter_mut().map(|(name, value)| ((*name).to_owned(), value.take())).collect())
}

/// A string.
#[inline(never)]
pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}
