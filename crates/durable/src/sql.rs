use std::cell::Cell;

use js_sys::{Array, Function, IteratorNext, JsString, Promise};
use longhaul_core::{
    CallId, DecodeError, Journal, Piece, Record, Seq, WholeResult, decode_row, encode_row, limits,
};
use thiserror::Error;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use worker::{State, js_sys::futures::JsFuture};

/// Text of one row, in bytes: SQLite rows of a Durable Object have at most 2 MB.
const ROW_BYTES_MAX: usize = 1_900_000;
const _: () = assert!(limits::TOOL_RESULT_BYTES_MAX < ROW_BYTES_MAX, "a result is one row");
/// Text that one read takes out of the database, in bytes: it ends with the row that reaches this.
const READ_BYTES_MAX: usize = 1024 * 1024;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS journal \
                      (seq INTEGER PRIMARY KEY, entries TEXT NOT NULL) STRICT";
/// Text that is too large for one row: its row in `journal` is then empty.
const CREATE_PARTS: &str = "CREATE TABLE IF NOT EXISTS journal_part \
                            (seq INTEGER NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL, \
                            PRIMARY KEY (seq, part)) STRICT, WITHOUT ROWID";
/// Results of tools that their entries do not hold whole. No replay reads them.
const CREATE_RESULTS: &str = "CREATE TABLE IF NOT EXISTS tool_result \
                              (call INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT";
const EXISTS: &str = "SELECT COUNT(*), 0 FROM sqlite_master WHERE name = 'journal' AND ? = ?";
const RESULTS_EXIST: &str = "SELECT COUNT(*), 0 FROM sqlite_master WHERE name = 'tool_result' AND ? = ?";
const INSERT: &str = "INSERT INTO journal (seq, entries) VALUES (?, ?)";
const INSERT_RESULT: &str = "INSERT INTO tool_result (call, json) VALUES (?, ?)";
const INSERT_PART: &str = "INSERT INTO journal_part (seq, part, text) VALUES (?, ?, ?)";
const READ_RESULT: &str = "SELECT json, 0 FROM tool_result WHERE call = ? AND 1 = ?";
/// The rows from the one that holds position `?` on.
const READ: &str = "SELECT seq, entries FROM journal \
                    WHERE seq >= COALESCE((SELECT MAX(seq) FROM journal WHERE seq <= ?), 0) ORDER BY seq LIMIT ?";
/// The tables that an import fills, under the names of [`aside`].
const CREATE_ALL: [&str; 3] = [CREATE, CREATE_PARTS, CREATE_RESULTS];
const FORGET_ASIDE: &str =
    "DROP TABLE IF EXISTS aside; DROP TABLE IF EXISTS aside_part; DROP TABLE IF EXISTS aside_result";
/// The tables of a session that has no entry are empty.
const ADOPT: &str = "DROP TABLE IF EXISTS journal; ALTER TABLE aside RENAME TO journal; \
                     DROP TABLE IF EXISTS journal_part; ALTER TABLE aside_part RENAME TO journal_part; \
                     DROP TABLE IF EXISTS tool_result; ALTER TABLE aside_result RENAME TO tool_result";
/// Twice this is what a long answer takes. Nothing reads position 0.
const FILL: &str =
    "INSERT OR REPLACE INTO journal_part (seq, part, text) VALUES (0, ?, CAST(zeroblob(?) AS TEXT))";
const CLEAR: &str = "DELETE FROM journal_part WHERE seq = 0";
const READ_PARTS: &str = "SELECT part, text FROM journal_part WHERE seq = ? AND part >= ? ORDER BY part";

/// The journal in the object's own SQLite storage. It makes no table until the first append: an object that was
/// only asked writes nothing.
#[derive(Clone)]
pub(crate) struct SqlJournal {
    sql: Sql,
    storage: RawStorage,
    exists: Cell<bool>,
}

/// Why the storage did not answer.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    /// SQLite or the runtime refused; the text is theirs.
    #[error("{0}")]
    Storage(String),
    /// A row is of a version that this deployment does not know.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl From<JsValue> for JournalError {
    fn from(error: JsValue) -> Self {
        let text = error.dyn_ref::<js_sys::Error>().map(|e| String::from(e.message()));
        Self::Storage(text.unwrap_or_else(|| format!("{error:?}")))
    }
}

impl SqlJournal {
    pub(crate) fn new(state: &State) -> Self {
        let storage = raw_storage(state);
        Self { sql: storage.sql(), storage, exists: Cell::new(false) }
    }

    /// The storage was erased: there is no table any more.
    pub(crate) fn forget(&self) {
        self.exists.set(false);
    }

    fn create(&self) -> Result<(), JournalError> {
        if !self.exists.replace(true) {
            self.sql.exec(CREATE).inspect_err(|_| self.exists.set(false))?;
        }
        Ok(())
    }

    fn is_there(&self) -> Result<bool, JournalError> {
        if !self.exists.get() {
            self.exists.set(self.finds(EXISTS)?);
        }
        Ok(self.exists.get())
    }

    /// Whether a statement that counts counts something.
    fn finds(&self, statement: &str) -> Result<bool, JournalError> {
        let found = self.sql.query(statement, 1.0, 1.0)?.raw()?.to_array()?;
        let count = Array::from(&found.get(0)).get(0).as_f64();
        Ok(count.is_some_and(|n| n > 0.0))
    }

    /// Writes as much as a long answer takes, waits until it is on disk, and takes it out again.
    pub(crate) async fn make_sure_of_room(self) -> Result<(), JournalError> {
        self.sql.exec(CREATE_PARTS)?;
        let filled = (0..2)
            .try_for_each(|part| self.sql.query(FILL, f64::from(part), ROW_BYTES_MAX as f64).map(|_| ()));
        let on_disk = match filled.and_then(|()| self.storage.sync()) {
            Ok(promise) => JsFuture::from(promise).await.map(|_| ()),
            Err(error) => Err(error),
        };
        self.sql.exec(CLEAR)?;
        Ok(on_disk?)
    }

    /// Several rows at once: a failure of any rolls all of them back.
    fn append_rows(&self, seq: Seq, text: &str, results: &[WholeResult]) -> Result<(), JournalError> {
        let writing = Writing::new(seq, text, results);
        let sql = self.sql.clone();
        self.transact(Box::new(move || {
            if !writing.parts.is_empty() {
                sql.exec(CREATE_PARTS)?;
            }
            if !writing.results.is_empty() {
                sql.exec(CREATE_RESULTS)?;
            }
            writing.write(&sql, [INSERT, INSERT_PART, INSERT_RESULT])?;
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// Carries out `write` as a whole, or rolls it back.
    fn transact(&self, write: Box<dyn FnMut() -> Result<JsValue, JsValue>>) -> Result<(), JournalError> {
        let write = Closure::wrap_assert_unwind_safe(write);
        self.storage.transaction_sync(write.as_ref().unchecked_ref())?;
        Ok(())
    }

    /// Keeps a part of another journal aside. What it belongs to is whole only when [`adopt`](Self::adopt) says so.
    pub(crate) fn set_aside(&self, piece: &Piece) -> Result<(), JournalError> {
        for create in CREATE_ALL {
            self.sql.exec(&aside(create))?;
        }
        match piece {
            Piece::Row { seq, text } => Writing::new(*seq, text, &[]),
            Piece::Result(result) => {
                Writing { row: None, ..Writing::new(Seq(0), "", std::slice::from_ref(result)) }
            }
        }
        .write(&self.sql, [&aside(INSERT), &aside(INSERT_PART), &aside(INSERT_RESULT)])?;
        Ok(())
    }

    pub(crate) fn adopt(&self) -> Result<(), JournalError> {
        let sql = self.sql.clone();
        self.transact(Box::new(move || sql.exec(ADOPT).map(|_| JsValue::UNDEFINED)))
    }

    pub(crate) fn forget_aside(&self) -> Result<(), JournalError> {
        self.sql.exec(FORGET_ASIDE)?;
        Ok(())
    }

    /// The row that begins at a position, as it is stored.
    pub(crate) fn row(&self, at: Seq) -> Result<Option<String>, JournalError> {
        let found = self.sql.query(READ, number(at), 1.0)?.raw()?.step()?;
        let is_it = |row: &Array| position(&row.get(0)) == Some(at.0);
        let text = found.filter(is_it).and_then(|row| row.get(1).as_string());
        text.map(|text| if text.is_empty() { self.read_parts(at) } else { Ok(text) }).transpose()
    }

    fn read_parts(&self, seq: Seq) -> Result<String, JournalError> {
        let rows = self.sql.query(READ_PARTS, number(seq), 0.0)?.raw()?;
        let mut text = String::new();
        while let Some(row) = rows.step()? {
            let part = row.get(1).as_string().unwrap_or_default();
            text.reserve_exact(part.len());
            text.push_str(&part);
        }
        Ok(text)
    }
}

/// What a row comes to in SQLite, in JavaScript's memory.
struct Writing {
    seq: f64,
    row: Option<JsString>,
    parts: Vec<JsString>,
    results: Vec<(f64, JsString)>,
}

impl Writing {
    fn new(seq: Seq, text: &str, results: &[WholeResult]) -> Self {
        let (row, parts) = if text.len() > ROW_BYTES_MAX { ("", text) } else { (text, "") };
        let result = |it: &WholeResult| (f64::from(it.call.0), JsString::from(it.json.as_str()));
        Self {
            seq: number(seq),
            row: Some(JsString::from(row)),
            parts: split(parts, ROW_BYTES_MAX).map(JsString::from).collect(),
            results: results.iter().map(result).collect(),
        }
    }

    /// By the statements for the row, its parts and its results.
    fn write(&self, sql: &Sql, [row, part, result]: [&str; 3]) -> Result<(), JsValue> {
        if let Some(text) = &self.row {
            sql.insert(row, self.seq, text)?;
        }
        for (place, text) in self.parts.iter().enumerate() {
            sql.insert_part(part, self.seq, place as f64, text)?;
        }
        for (call, json) in &self.results {
            sql.insert(result, *call, json)?;
        }
        Ok(())
    }
}

/// A statement about the tables that an import fills.
fn aside(statement: &str) -> String {
    statement.replace("journal", "aside").replace("tool_result", "aside_result")
}

impl Journal for SqlJournal {
    type Error = JournalError;

    fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), JournalError> {
        let Some(first) = records.first() else { return Ok(()) };
        self.create()?;
        let text = encode_row(records);
        if text.len() > ROW_BYTES_MAX || !results.is_empty() {
            return self.append_rows(first.seq, &text, results);
        }
        self.sql.insert(INSERT, number(first.seq), &JsString::from(text))?;
        Ok(())
    }

    fn result(&self, call: CallId) -> Result<Option<String>, JournalError> {
        if !self.finds(RESULTS_EXIST)? {
            return Ok(None);
        }
        let found = self.sql.query(READ_RESULT, f64::from(call.0), 1.0)?.raw()?.step()?;
        Ok(found.and_then(|row| row.get(0).as_string()))
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, JournalError> {
        if !self.is_there()? {
            return Ok(Vec::new());
        }
        let rows = self.sql.query(READ, number(after.next()), limit as f64)?.raw()?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        // Row by row: an array of them all could be larger than the memory.
        while let Some(row) = rows.step()? {
            let corrupt = || JournalError::Storage("a row of the journal has another shape".to_owned());
            let seq = Seq(position(&row.get(0)).ok_or_else(corrupt)?);
            let text = row.get(1).as_string().ok_or_else(corrupt)?;
            let text = if text.is_empty() { self.read_parts(seq)? } else { text };
            bytes += text.len();
            records.extend(decode_row(seq, &text)?.into_iter().filter(|record| record.seq > after));
            if records.len() >= limit || bytes >= READ_BYTES_MAX {
                records.truncate(limit);
                break;
            }
        }
        Ok(records)
    }
}

impl RawCursor {
    /// The next row; `None` after the last.
    fn step(&self) -> Result<Option<Array>, JsValue> {
        let next = self.next()?;
        Ok((!next.done()).then(|| Array::from(&next.value())))
    }
}

impl Sql {
    /// The SQLite storage of an object.
    pub(crate) fn of(state: &State) -> Self {
        raw_storage(state).sql()
    }
}

fn raw_storage(state: &State) -> RawStorage {
    JsValue::from(state.storage().as_raw()).unchecked_into()
}

/// Positions stay below 2^53: a JavaScript number holds them exactly, and INTEGER columns store them as such.
fn number(seq: Seq) -> f64 {
    seq.0 as f64
}

fn position(value: &JsValue) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number >= 0"
    )]
    value.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as u64)
}

/// Pieces of at most `bytes_max` bytes, cut between characters.
fn split(text: &str, bytes_max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut cut = rest.len().min(bytes_max);
        while !rest.is_char_boundary(cut) {
            cut -= 1;
        }
        let (piece, tail) = rest.split_at(cut);
        rest = tail;
        Some(piece)
    })
}

// Our own bindings: those of `worker` do not catch what the cursor throws, and the request then hangs.
#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type RawStorage;
    #[wasm_bindgen(method, getter)]
    fn sql(this: &RawStorage) -> Sql;
    #[wasm_bindgen(method, catch)]
    fn sync(this: &RawStorage) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(this: &RawStorage, closure: &Function) -> Result<JsValue, JsValue>;

    #[derive(Clone)]
    pub(crate) type Sql;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn exec(this: &Sql, statement: &str) -> Result<Cursor, JsValue>;
    #[wasm_bindgen(method, catch, js_name = exec)]
    pub(crate) fn query(this: &Sql, statement: &str, a: f64, b: f64) -> Result<Cursor, JsValue>;
    #[wasm_bindgen(method, catch, js_name = exec)]
    pub(crate) fn insert(
        this: &Sql,
        statement: &str,
        seq: f64,
        entries: &JsString,
    ) -> Result<Cursor, JsValue>;
    /// Any statement with its parameters.
    #[wasm_bindgen(method, catch, variadic, js_name = exec)]
    pub(crate) fn run(this: &Sql, statement: &str, params: &Array) -> Result<Cursor, JsValue>;
    #[wasm_bindgen(method, catch, js_name = exec)]
    fn insert_part(
        this: &Sql,
        statement: &str,
        seq: f64,
        part: f64,
        text: &JsString,
    ) -> Result<Cursor, JsValue>;

    pub(crate) type Cursor;
    #[wasm_bindgen(method, catch)]
    pub(crate) fn raw(this: &Cursor) -> Result<RawCursor, JsValue>;

    pub(crate) type RawCursor;
    #[wasm_bindgen(method, catch, js_name = toArray)]
    pub(crate) fn to_array(this: &RawCursor) -> Result<Array, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn next(this: &RawCursor) -> Result<IteratorNext, JsValue>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_nothing_is_lost() {
        let text = "a😀é".repeat(1_000);
        for bytes_max in [4, 5, 7, 1_000, 100_000] {
            let pieces: Vec<&str> = split(&text, bytes_max).collect();
            assert!(pieces.iter().all(|piece| (1..=bytes_max).contains(&piece.len())));
            assert_eq!(pieces.concat(), text);
        }
        assert_eq!(split("", 4).count(), 0);
    }
}
