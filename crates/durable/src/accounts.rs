use std::cell::Cell;

use js_sys::{Array, JsString};
use wasm_bindgen::JsValue;
use worker::State;

use crate::{
    api::spending::{Account, Book},
    sql::{JournalError, Sql},
};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS spending \
                      (session TEXT PRIMARY KEY, day INTEGER NOT NULL, taken INTEGER NOT NULL, \
                      is_settled INTEGER NOT NULL, account TEXT NOT NULL) STRICT, WITHOUT ROWID";
/// A table is one change, however many rows it has.
const DROP: &str = "DROP TABLE spending";
const SUM: &str = "SELECT MAX(day), SUM(taken) FROM spending";
const FIND: &str = "SELECT account FROM spending WHERE session = ?";
const KEEP: &str = "INSERT INTO spending (day, taken, is_settled, session, account) VALUES (?, ?, ?, ?, ?) \
                    ON CONFLICT (session) DO UPDATE SET day = excluded.day, taken = excluded.taken, \
                    is_settled = excluded.is_settled, account = excluded.account";
const FORGET: &str = "DELETE FROM spending WHERE session = ?";
/// As many as one look through them may ask: an invocation may make a thousand requests. Others come each time.
const UNSETTLED: &str =
    "SELECT session, account FROM spending WHERE is_settled = 0 ORDER BY RANDOM() LIMIT 900";

/// A tenant's accounts in its object's own SQLite storage.
pub(crate) struct Accounts {
    sql: Sql,
    exists: Cell<bool>,
}

impl Accounts {
    pub(crate) fn new(state: &State) -> Self {
        Self { sql: Sql::of(state), exists: Cell::new(false) }
    }

    fn query(&self, statement: &str, params: &Array) -> Result<Array, JournalError> {
        if !self.exists.get() {
            self.sql.exec(CREATE)?;
            self.exists.set(true);
        }
        Ok(self.sql.run(statement, params)?.raw()?.to_array()?)
    }
}

impl Book for Accounts {
    type Error = JournalError;

    fn sum(&self) -> Result<Option<(u32, u64)>, JournalError> {
        let rows = self.query(SUM, &Array::new())?;
        let row = Array::from(&rows.get(0));
        let number = |place| row.get(place).as_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole numbers of ours, and what is too large becomes the largest"
        )]
        Ok(number(0).zip(number(1)).map(|(day, taken)| (day as u32, taken as u64)))
    }

    fn find(&self, session: &str) -> Result<Option<Account>, JournalError> {
        let rows = self.query(FIND, &Array::of1(&session.into()))?;
        rows.iter().next().map(|row| account(&Array::from(&row).get(0))).transpose()
    }

    fn keep(&self, day: u32, session: &str, account: &Account) -> Result<(), JournalError> {
        let session = JsValue::from(session);
        if account.is_empty() {
            return self.query(FORGET, &Array::of1(&session)).map(drop);
        }
        let account_text = JsString::from(account.to_string());
        let numbers = [f64::from(day), account.taken() as f64, f64::from(u8::from(account.is_settled()))];
        let params: Array =
            numbers.map(JsValue::from).into_iter().chain([session, account_text.into()]).collect();
        self.query(KEEP, &params).map(drop)
    }

    fn unsettled(&self) -> Result<Vec<(String, Account)>, JournalError> {
        let rows = self.query(UNSETTLED, &Array::new())?;
        let read = |row: JsValue| {
            let row = Array::from(&row);
            Ok((row.get(0).as_string().unwrap_or_default(), account(&row.get(1))?))
        };
        rows.iter().map(read).collect()
    }

    fn clear(&self) -> Result<(), JournalError> {
        self.query(DROP, &Array::new())?;
        self.exists.set(false);
        Ok(())
    }
}

/// An account as it was stored. A later version's, which this one cannot read, keeps everything from starting.
fn account(text: &JsValue) -> Result<Account, JournalError> {
    let read = text.as_string().and_then(|text| Account::parse(&text));
    read.ok_or_else(|| JournalError::Storage("an account has another shape".to_owned()))
}
