use std::cell::Cell;

use js_sys::Array;
use longhaul_core::TimeMs;
use serde_json::Value;
use wasm_bindgen::JsValue;
use worker::State;

use crate::{
    sql::{JournalError, Sql},
    vault,
};

/// Flows, tokens, registrations and needs are sealed; `note` is not: who a flow is for, whose the tokens are.
const CREATE: &str = "CREATE TABLE IF NOT EXISTS mcp_secret (kind TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, \
    note TEXT NOT NULL, sealed TEXT NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID; \
    CREATE TABLE IF NOT EXISTS mcp_waiting (number INTEGER PRIMARY KEY, server TEXT NOT NULL, session TEXT NOT NULL, \
    since INTEGER NOT NULL, actor TEXT, again INTEGER NOT NULL, UNIQUE (server, session)) STRICT; \
    CREATE TABLE IF NOT EXISTS mcp_pin (server TEXT PRIMARY KEY, tools TEXT NOT NULL) STRICT, WITHOUT ROWID";
const EXISTS: &str = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'mcp_secret'";
const READ: &str = "SELECT at, note, sealed FROM mcp_secret WHERE kind = ? AND name = ?";
const KEEP: &str = "INSERT INTO mcp_secret (kind, name, at, note, sealed) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, name) \
    DO UPDATE SET at = excluded.at, note = excluded.note, sealed = excluded.sealed";
const FORGET: &str = "DELETE FROM mcp_secret WHERE kind = ? AND name = ?";
const FORGET_OLD: &str = "DELETE FROM mcp_secret WHERE kind = 'flow' AND (at <= ? OR name NOT IN \
    (SELECT name FROM mcp_secret WHERE kind = 'flow' ORDER BY at DESC LIMIT ?))";
const WAITS: &str = "INSERT INTO mcp_waiting (server, session, since, again) VALUES (?, ?, ?, 0) ON CONFLICT (server, session) \
    DO UPDATE SET since = excluded.since, actor = NULL";
const FORGET_FIRST: &str =
    "DELETE FROM mcp_waiting WHERE number <= (SELECT MAX(number) FROM mcp_waiting) - ?";
/// A session that has only begun to wait may not have stored that it does: it is told once more.
const AUTHORIZED: &str = "UPDATE mcp_waiting SET actor = ?, again = since > ? - 10000, since = ? WHERE server = ? AND actor IS NULL";
const AGAIN: &str =
    "UPDATE mcp_waiting SET again = 0, since = ? WHERE number = ? AND since = ? AND actor IS NOT NULL";
const UNTOLD: &str = "SELECT number, server, session, actor, since, again FROM mcp_waiting WHERE actor IS NOT NULL AND number > ? \
    ORDER BY number LIMIT ?";
const TOLD: &str = "DELETE FROM mcp_waiting WHERE number = ? AND since = ? AND actor IS NOT NULL";
const IS_UNTOLD: &str =
    "SELECT number FROM mcp_waiting WHERE actor IS NOT NULL AND since BETWEEN ? AND ? LIMIT 1";
const GIVE_UP: &str = "DELETE FROM mcp_waiting WHERE actor IS NOT NULL AND since <= ?";
const READ_PINS: &str = "SELECT tools FROM mcp_pin WHERE server = ?";
const KEEP_PINS: &str = "INSERT INTO mcp_pin (server, tools) VALUES (?, ?) ON CONFLICT (server) DO UPDATE SET tools = excluded.tools";
/// Links that are open at once in a tenant: the last ones.
const FLOWS_MAX: u32 = 64;
/// Sessions that are remembered to wait: the last ones.
const WAITING_MAX: u32 = 10_000;

/// What is kept sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a person is away for, by the digest of its `state`.
    Flow,
    /// What an issuer gave, by server.
    Token,
    /// How the deployment is known, by server and issuer; by server alone, at which issuer a given client id was first used.
    Client,
    /// What a server said that a person must come for, by server.
    Need,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Token => "token",
            Self::Client => "client",
            Self::Need => "need",
        }
    }
}

/// A row, as it is kept.
pub(super) struct Row {
    pub(super) at: TimeMs,
    pub(super) note: String,
    /// `None` where it was sealed under another key.
    pub(super) json: Option<Value>,
}

/// A session that is to be told.
pub(super) struct Untold {
    pub(super) number: f64,
    pub(super) server: String,
    pub(super) session: String,
    pub(super) by: String,
    pub(super) since: TimeMs,
    /// Whether it is told once more after it has answered.
    pub(super) again: bool,
}

/// The rows of a tenant's credentials, in its object's own SQLite storage. They are made when something is kept.
pub(super) struct Store {
    tenant: String,
    sql: Sql,
    exists: Cell<bool>,
}

impl Store {
    pub(super) fn new(state: &State, tenant: String) -> Self {
        Self { tenant, sql: Sql::of(state), exists: Cell::new(false) }
    }

    fn is_there(&self) -> Result<bool, JournalError> {
        if !self.exists.get() {
            let rows = self.sql.run(EXISTS, &Array::new())?.raw()?.to_array()?;
            self.exists.set(Array::from(&rows.get(0)).get(0).as_f64() == Some(1.0));
        }
        Ok(self.exists.get())
    }

    fn create(&self) -> Result<(), JournalError> {
        if !self.is_there()? {
            self.sql.exec(CREATE)?;
            self.exists.set(true);
        }
        Ok(())
    }

    fn rows(&self, statement: &str, params: &[JsValue]) -> Result<Vec<Array>, JournalError> {
        if !self.is_there()? {
            return Ok(Vec::new());
        }
        let rows = self.sql.run(statement, &params.iter().collect())?.raw()?.to_array()?;
        Ok(rows.iter().map(|row| Array::from(&row)).collect())
    }

    fn write(&self, statement: &str, params: &[JsValue]) -> Result<(), JournalError> {
        self.create()?;
        self.sql.run(statement, &params.iter().collect())?;
        Ok(())
    }

    fn place(&self, kind: Kind, name: &str) -> String {
        format!("{}\n{}\n{name}", self.tenant, kind.as_str())
    }

    /// A row and what it holds.
    pub(super) async fn read(&self, key: &str, kind: Kind, name: &str) -> Result<Option<Row>, JournalError> {
        let Some(row) = self.rows(READ, &[kind.as_str().into(), name.into()])?.into_iter().next() else {
            return Ok(None);
        };
        let sealed = row.get(2).as_string().unwrap_or_default();
        let json = vault::open(key, &self.place(kind, name), &sealed).await;
        Ok(Some(Row { at: time(&row.get(0)), note: row.get(1).as_string().unwrap_or_default(), json }))
    }

    /// What is not secret of a row.
    pub(super) fn note(&self, kind: Kind, name: &str) -> Result<Option<(TimeMs, String)>, JournalError> {
        let rows = self.rows(READ, &[kind.as_str().into(), name.into()])?;
        Ok(rows.first().map(|row| (time(&row.get(0)), row.get(1).as_string().unwrap_or_default())))
    }

    pub(super) async fn keep(
        &self,
        key: &str,
        (kind, name): (Kind, &str),
        (at, note): (TimeMs, &str),
        json: &Value,
    ) -> Result<(), JournalError> {
        let sealed = vault::seal(key, &self.place(kind, name), json).await?;
        let params = [kind.as_str().into(), name.into(), (at as f64).into(), note.into(), sealed.into()];
        self.write(KEEP, &params)
    }

    pub(super) fn forget(&self, kind: Kind, name: &str) -> Result<(), JournalError> {
        self.rows(FORGET, &[kind.as_str().into(), name.into()]).map(drop)
    }

    /// Forgets links that are over.
    pub(super) fn forget_flows(&self, now: TimeMs) -> Result<(), JournalError> {
        self.rows(FORGET_OLD, &[(now as f64).into(), FLOWS_MAX.into()]).map(drop)
    }

    /// A session waits for a server.
    pub(super) fn waits(&self, server: &str, session: &str, now: TimeMs) -> Result<(), JournalError> {
        self.write(WAITS, &[server.into(), session.into(), (now as f64).into()])?;
        self.write(FORGET_FIRST, &[WAITING_MAX.into()])
    }

    /// All sessions that wait for a server are to be told.
    pub(super) fn authorized(&self, server: &str, by: &str, now: TimeMs) -> Result<(), JournalError> {
        let now = JsValue::from(now as f64);
        self.write(AUTHORIZED, &[by.into(), now.clone(), now, server.into()])
    }

    /// Sessions that are to be told, after the one with that number.
    pub(super) fn untold(&self, after: f64, limit: u32) -> Result<Vec<Untold>, JournalError> {
        let rows = self.rows(UNTOLD, &[after.into(), limit.into()])?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let text = |place| row.get(place).as_string();
                let (since, again) = (time(&row.get(4)), row.get(5).as_f64() == Some(1.0));
                let (number, server, session, by) = (row.get(0).as_f64()?, text(1)?, text(2)?, text(3)?);
                Some(Untold { number, server, session, by, since, again })
            })
            .collect())
    }

    /// Whether sessions were to be told in that time, and still are.
    pub(super) fn is_untold(&self, from: TimeMs, to: TimeMs) -> Result<bool, JournalError> {
        Ok(!self.rows(IS_UNTOLD, &[(from as f64).into(), (to as f64).into()])?.is_empty())
    }

    /// A session was told. It may wait anew by now: then its row has another time.
    pub(super) fn told(&self, it: &Untold) -> Result<(), JournalError> {
        self.rows(TOLD, &[it.number.into(), (it.since as f64).into()]).map(drop)
    }

    /// The same, and it is told once more, then.
    pub(super) fn tell_again(&self, it: &Untold, at: TimeMs) -> Result<(), JournalError> {
        self.rows(AGAIN, &[(at as f64).into(), it.number.into(), (it.since as f64).into()]).map(drop)
    }

    /// Sessions that were to be told since then are not told any more.
    pub(super) fn give_up(&self, since: TimeMs) -> Result<(), JournalError> {
        self.rows(GIVE_UP, &[(since as f64).into()]).map(drop)
    }

    /// The digests of a server's tools, as the tenant saw them last: a JSON object.
    pub(super) fn pins(&self, server: &str) -> Result<Value, JournalError> {
        let rows = self.rows(READ_PINS, &[server.into()])?;
        let text = rows.first().and_then(|row| row.get(0).as_string()).unwrap_or_default();
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    pub(super) fn keep_pins(&self, server: &str, tools: &Value) -> Result<(), JournalError> {
        self.write(KEEP_PINS, &[server.into(), tools.to_string().into()])
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of ours")]
fn time(value: &JsValue) -> TimeMs {
    value.as_f64().map_or(0, |number| number as u64)
}
