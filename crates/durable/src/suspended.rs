use std::{cell::RefCell, rc::Rc};

use js_sys::Array;
use wasm_bindgen::JsValue;
use worker::State;

use crate::{
    api::suspension::Suspension,
    sql::{JournalError, Sql},
};

/// `slot` is there already: the tenant's object has read it. A session whose run waits for people alone has no slot, nor has
/// one that is imported.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY, session TEXT NOT NULL) STRICT; \
    CREATE TABLE IF NOT EXISTS cancelling (session TEXT PRIMARY KEY) STRICT, WITHOUT ROWID; \
    CREATE TABLE IF NOT EXISTS suspension (id INTEGER PRIMARY KEY, since INTEGER NOT NULL, actor TEXT NOT NULL, \
    is_listed_again INTEGER NOT NULL) STRICT";
const EXISTS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'suspension'";
const TABLES: &str = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 1) <> '_'";
const READ: &str = "SELECT since, actor, is_listed_again FROM suspension";
const SUSPEND: &str = "INSERT INTO suspension (id, since, actor, is_listed_again) VALUES (1, ?, ?, 0)";
const LET_IN: &str = "DELETE FROM suspension";
const CLEAR: &str = "DELETE FROM cancelling";
const LISTED_AGAIN: &str = "UPDATE suspension SET is_listed_again = 1";
/// Rows of slots that were given away name their last session until another one takes them: to cancel nothing harms nobody.
const LIST: &str =
    "INSERT OR IGNORE INTO cancelling (session) SELECT session FROM slot UNION SELECT session FROM waiting";
const SOME: &str = "SELECT session FROM cancelling WHERE session > ? ORDER BY session LIMIT ?";
const COUNT: &str = "SELECT COUNT(*) FROM cancelling";
const CANCELLED: &str = "DELETE FROM cancelling WHERE session = ?";
const WAITS: &str = "INSERT INTO waiting (session) VALUES (?)";
const FORGET_OLD: &str = "DELETE FROM waiting WHERE number <= (SELECT MAX(number) FROM waiting) - ?";
/// Sessions that are kept in `waiting`: the last ones that came.
const WAITING_MAX: f64 = 10_000.0;

/// Whether a tenant is suspended, and which of its sessions are still to be cancelled: in its object's own SQLite storage.
/// An object whose tenant was never suspended has no table of it.
pub(crate) struct Suspended {
    sql: Sql,
    /// As it is stored, once that was read; read anew after a change.
    known: RefCell<Option<Option<Rc<Suspension>>>>,
}

impl Suspended {
    pub(crate) fn new(state: &State) -> Self {
        Self { sql: Sql::of(state), known: RefCell::default() }
    }

    pub(crate) fn get(&self) -> Result<Option<Rc<Suspension>>, JournalError> {
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            *known = Some(if self.count_of(EXISTS)? == 0 { None } else { self.read()?.map(Rc::new) });
        }
        Ok(known.clone().flatten())
    }

    /// Whether nothing was ever stored here: the tenant has never started a run.
    pub(crate) fn is_unused(&self) -> Result<bool, JournalError> {
        Ok(self.count_of(TABLES)? == 0)
    }

    /// Suspends the tenant, and lists its sessions. One that is suspended stays as it is.
    pub(crate) fn begin(&self, suspension: Suspension) -> Result<(), JournalError> {
        if self.get()?.is_some() {
            return Ok(());
        }
        self.sql.exec(CREATE)?;
        self.run(LIST, &[])?;
        self.run(SUSPEND, &[(suspension.since as f64).into(), suspension.by.as_str().into()])?;
        *self.known.borrow_mut() = None;
        Ok(())
    }

    /// Lets the tenant in again. Sessions that were not asked yet keep their runs.
    pub(crate) fn end(&self) -> Result<(), JournalError> {
        if self.get()?.is_some() {
            self.run(LET_IN, &[])?;
            *self.known.borrow_mut() = None;
            self.run(CLEAR, &[])?;
        }
        Ok(())
    }

    /// Lists the sessions once more.
    pub(crate) fn list_again(&self) -> Result<(), JournalError> {
        self.run(LIST, &[])?;
        self.run(LISTED_AGAIN, &[])?;
        *self.known.borrow_mut() = None;
        Ok(())
    }

    /// Sessions that are still to be cancelled, in the order of their ids.
    pub(crate) fn some(&self, after: &str, limit: usize) -> Result<Vec<String>, JournalError> {
        let rows = self.run(SOME, &[after.into(), (limit as f64).into()])?;
        Ok(rows.iter().filter_map(|row| Array::from(&row).get(0).as_string()).collect())
    }

    /// How many there are.
    pub(crate) fn left(&self) -> Result<u64, JournalError> {
        if self.get()?.is_none() { Ok(0) } else { self.count_of(COUNT) }
    }

    /// A session has cancelled its runs.
    pub(crate) fn cancelled(&self, session: &str) -> Result<(), JournalError> {
        self.run(CANCELLED, &[session.into()]).map(drop)
    }

    /// The run of a session waits for people alone: others get its slot, and a suspension still finds it.
    pub(crate) fn note_waiting(&self, session: &str) -> Result<(), JournalError> {
        self.sql.exec(CREATE)?;
        self.run(WAITS, &[session.into()])?;
        self.run(FORGET_OLD, &[WAITING_MAX.into()]).map(drop)
    }

    fn read(&self) -> Result<Option<Suspension>, JournalError> {
        let rows = self.run(READ, &[])?;
        Ok(rows.iter().next().map(|row| {
            let row = Array::from(&row);
            Suspension {
                since: whole(&row.get(0)),
                by: row.get(1).as_string().unwrap_or_default(),
                is_listed_again: whole(&row.get(2)) != 0,
            }
        }))
    }

    fn count_of(&self, statement: &str) -> Result<u64, JournalError> {
        Ok(whole(&Array::from(&self.run(statement, &[])?.get(0)).get(0)))
    }

    fn run(&self, statement: &str, params: &[JsValue]) -> Result<Array, JournalError> {
        Ok(self.sql.run(statement, &params.iter().collect())?.raw()?.to_array()?)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of ours")]
fn whole(value: &JsValue) -> u64 {
    value.as_f64().map_or(0, |number| number as u64)
}
