use thiserror::Error;

use crate::{
    entry::Record,
    ids::{CallId, Seq},
};

/// The result of a tool's call that is larger than an entry may hold, whole, as JSON. It is stored together with its entry,
/// and no replay reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeResult {
    /// The call.
    pub call: CallId,
    /// At most [`TOOL_RESULT_BYTES_MAX`](crate::limits::TOOL_RESULT_BYTES_MAX) bytes.
    pub json: String,
}

/// The append-only store of a session. Synchronous, because the SQL of a Durable Object is.
pub trait Journal {
    /// Why an append or a read failed.
    type Error: std::error::Error + 'static;

    /// Stores `records` whole or not at all, as one row whose position is that of the first, and with them the `results`
    /// that their entries do not hold.
    ///
    /// # Errors
    /// When nothing was stored.
    fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), Self::Error>;

    /// The whole result of a call, as JSON; `None` where its entry has all of it, or it has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn result(&self, call: CallId) -> Result<Option<String>, Self::Error>;

    /// The records after `after` in order, at most `limit`. It may give fewer, where they are large, but none only
    /// where there is none.
    ///
    /// # Errors
    /// When the store cannot be read, or a row cannot be decoded.
    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Self::Error>;

    /// Whether an error is of a row that this version cannot read: asking again changes nothing, a deployment does.
    fn is_unreadable(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

/// A row that this version cannot read. The operator must deploy the version that wrote it, or a later one.
#[derive(Debug, Error)]
#[error("the journal's row {row} cannot be read: {source}")]
pub struct DecodeError {
    row: Seq,
    source: serde_json::Error,
}

/// The text of a row: a JSON array, without the positions.
pub fn encode_row(records: &[Record]) -> String {
    #[derive(serde::Serialize)]
    struct Stored<'a> {
        run: crate::ids::RunId,
        at: crate::ids::TimeMs,
        #[serde(flatten)]
        entry: &'a crate::entry::Entry,
    }
    let stored: Vec<_> = records.iter().map(|r| Stored { run: r.run, at: r.at, entry: &r.entry }).collect();
    serde_json::to_string(&stored).expect("entries have string keys and finite numbers only")
}

/// The records of a row whose first has the position `row`.
///
/// # Errors
/// When the text is not an array of entries that this version knows.
pub fn decode_row(row: Seq, text: &str) -> Result<Vec<Record>, DecodeError> {
    let mut records: Vec<Record> =
        serde_json::from_slice(text.as_bytes()).map_err(|source| DecodeError { row, source })?;
    let mut seq = row;
    for record in &mut records {
        record.seq = seq;
        seq = seq.next();
    }
    Ok(records)
}
