//! A stand-in for D1, the `DB` binding. Its client and its server are workerd's own; between them is a switch for
//! faults. Its database is on disk, and lives through a kill as the objects' do.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::server::root;

/// Which tables the database has when the server starts for the first time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tables {
    /// Those of `migrations/`, as `wrangler d1 migrations apply` makes them.
    Migrated,
    /// None: somebody deployed, and forgot the migrations.
    Absent,
}

/// What happens to a call that the Worker makes to its database. A batch is one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    /// It works.
    #[default]
    None,
    /// It does nothing, and throws as D1 does: `D1_ERROR: Network connection lost.`
    Down,
    /// It works after this time.
    Slow {
        /// The time, in milliseconds.
        delay_ms: u64,
    },
    /// It does all it was asked to do, and then throws as if it were down.
    LostAnswer,
}

/// A statement that the database has executed for the Worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executed {
    /// The statement as it was prepared.
    pub sql: String,
    /// Rows that it looked at, as D1 bills them.
    pub rows_read: u64,
    /// Rows that it wrote, those of indexes included, as D1 bills them.
    pub rows_written: u64,
}

/// The test's own way into the database of a server. Clones are the same way; it works whenever the server runs, and
/// no fault stands in it.
#[derive(Clone)]
pub struct Index {
    door: String,
    http: Client,
    fault: Arc<Mutex<Fault>>,
    rows: &'static str,
}

impl Index {
    pub(crate) fn new(port: u16, fault: Arc<Mutex<Fault>>) -> Index {
        let http = Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build();
        Index {
            door: format!("http://127.0.0.1:{port}"),
            http: http.expect("a plain client can be built"),
            fault,
            rows: "/rows",
        }
    }

    /// The way into the database behind `DB_2`, which has no tables. Faults and what was executed are of both.
    pub fn second(&self) -> Index {
        Index { rows: "/second/rows", ..self.clone() }
    }

    /// What happens to every call from now on, also after a restart.
    pub async fn set(&self, fault: Fault) {
        *self.fault.lock().expect("no test panics here") = fault;
        self.ask("/fault", &fault.json(0)).await.expect("a fault can be set");
    }

    /// What happens to the next `calls` calls (at least one); those after them work. A restart ends it.
    pub async fn set_for(&self, calls: u32, fault: Fault) {
        *self.fault.lock().expect("no test panics here") = Fault::None;
        self.ask("/fault", &fault.json(calls)).await.expect("a fault can be set");
    }

    /// The rows that a statement gives, each an object of its columns.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        self.rows_of(sql, &[]).await
    }

    /// The rows that a statement with parameters gives. Panics when the database refuses it.
    pub async fn rows_of(&self, sql: &str, params: &[Value]) -> Vec<Value> {
        let rows = self.ask(self.rows, &json!({ "sql": sql, "params": params })).await;
        match rows.unwrap_or_else(|error| panic!("{sql}: {error}")) {
            Value::Array(rows) => rows,
            other => panic!("{sql}: {other}"),
        }
    }

    /// Every statement that the Worker's calls have executed since the server's last start, those included whose
    /// answer was lost.
    pub async fn executed(&self) -> Vec<Executed> {
        let log = self.ask("/executed", &Value::Null).await.expect("the server runs");
        let executed = |entry: &Value| Executed {
            sql: entry["sql"].as_str().expect("a statement is text").to_owned(),
            rows_read: entry["rows_read"].as_u64().expect("rows are counted"),
            rows_written: entry["rows_written"].as_u64().expect("rows are counted"),
        };
        log.as_array().expect("the log is a list").iter().map(executed).collect()
    }

    /// Executes the files of `migrations/`, in their order, each in one transaction. For a database that was started
    /// with [`Tables::Absent`]; they do not take being executed twice.
    pub async fn migrate(&self) {
        let dir = root().join("migrations");
        let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let mut files: Vec<_> =
            entries.map(|entry| entry.expect("the migrations can be listed").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        for file in files {
            let sql = fs::read_to_string(&file).expect("a migration can be read");
            self.rows(&sql).await;
        }
    }

    async fn ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        let response = self.http.post(format!("{}{path}", self.door)).json(body).send().await;
        let response = response.map_err(|error| format!("the server does not answer: {error:?}"))?;
        let (status, text) = (response.status(), response.text().await.map_err(|error| error.to_string())?);
        if !status.is_success() {
            return Err(text);
        }
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }
}

impl Fault {
    /// As the switch reads it; 0 calls are all.
    pub(crate) fn json(self, calls: u32) -> Value {
        let (kind, delay_ms) = match self {
            Fault::None => ("none", 0),
            Fault::Down => ("down", 0),
            Fault::Slow { delay_ms } => ("slow", delay_ms),
            Fault::LostAnswer => ("lost_answer", 0),
        };
        json!({ "kind": kind, "delay_ms": delay_ms, "calls": calls })
    }
}
