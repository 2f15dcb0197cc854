use serde_json::{Map, Value};
use thiserror::Error;

/// A row that lacks a column, or has something else in it. The operator must apply the migrations of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a row of the index has no usable `{0}`; are its migrations applied?")]
pub struct UnexpectedRow(pub &'static str);

/// A row of an answer: an object with a member per column.
pub(super) struct Row(Map<String, Value>);

impl Row {
    pub(super) fn new(row: Value) -> Result<Self, UnexpectedRow> {
        if let Value::Object(columns) = row { Ok(Self(columns)) } else { Err(UnexpectedRow("columns")) }
    }

    pub(super) fn text(&mut self, column: &'static str) -> Result<String, UnexpectedRow> {
        self.text_or_null(column)?.ok_or(UnexpectedRow(column))
    }

    pub(super) fn text_or_null(&mut self, column: &'static str) -> Result<Option<String>, UnexpectedRow> {
        match self.0.get_mut(column).map(Value::take) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            _ => Err(UnexpectedRow(column)),
        }
    }

    pub(super) fn whole(&self, column: &'static str) -> Result<u64, UnexpectedRow> {
        self.whole_or_null(column)?.ok_or(UnexpectedRow(column))
    }

    pub(super) fn whole_or_null(&self, column: &'static str) -> Result<Option<u64>, UnexpectedRow> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            value => value.and_then(whole).map(Some).ok_or(UnexpectedRow(column)),
        }
    }

    pub(super) fn number_or_null(&self, column: &'static str) -> Result<Option<f64>, UnexpectedRow> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            value => value.and_then(Value::as_f64).map(Some).ok_or(UnexpectedRow(column)),
        }
    }

    /// A text that is a JSON object.
    pub(super) fn object(&mut self, column: &'static str) -> Result<Map<String, Value>, UnexpectedRow> {
        serde_json::from_slice(self.text(column)?.as_bytes()).map_err(|_| UnexpectedRow(column))
    }
}

/// A whole number, which may have come through JavaScript as a float.
fn whole(value: &Value) -> Option<u64> {
    let float = || value.as_f64().filter(|number| *number >= 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from float saturates"
    )]
    value.as_u64().or_else(|| Some(float()? as u64))
}
