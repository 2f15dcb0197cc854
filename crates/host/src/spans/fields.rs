use std::fmt::{self, Debug, Write};

use serde_json::Value;
use tracing::field::{Field, Visit};

const MESSAGE: &str = "message";
const FIELD_MESSAGE: &str = "field.message";

/// The fields of a span or an event, as scalars. Each text is at most so long as it was told, in bytes.
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>, usize);

impl Fields {
    pub(super) fn new(text_bytes_max: usize) -> Self {
        Self(Vec::new(), text_bytes_max)
    }

    /// The sentence of an event comes first, under the name `message`; a field that the code gives the same name may hold
    /// anybody's words, and never takes its place.
    fn put(&mut self, field: &Field, value: Value) {
        let is_taken = field.name() == MESSAGE && self.0.iter().any(|(name, _)| *name == MESSAGE);
        self.0.push((if is_taken { FIELD_MESSAGE } else { field.name() }, value));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = Bounded(String::new(), self.1);
        // An error says that the text is full: the rest of the value is not even formatted.
        write!(text, "{value:?}").unwrap_or_default();
        self.put(field, text.0.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, cut(value, self.1).into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// The first bytes of a text, to the end of a character.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

struct Bounded(String, usize);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let part = cut(text, self.1 - self.0.len());
        self.0.push_str(part);
        if part.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
