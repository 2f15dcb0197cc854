//! A look into an object's database file, for the one budget that the HTTP contract does not show: rows. And a way to
//! give an object a history that would take long to live through.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Transaction, params};
use serde_json::Value;

/// The rows of an object's own tables, by table, summed over every object that has a journal.
/// The server must have been killed before: two processes must not share the files.
pub fn rows(storage: &Path) -> Vec<(String, i64)> {
    let mut counts = Vec::new();
    for file in databases(storage) {
        let connection =
            Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database opens");
        let tables = tables(&connection);
        if tables.iter().any(|table| table == "journal") {
            for table in tables {
                let count =
                    connection.query_row(&format!("SELECT count(*) FROM \"{table}\""), [], |row| row.get(0));
                counts.push((table, count.expect("a table can be counted")));
            }
        }
    }
    counts
}

/// The objects that have ever written anything.
pub fn objects(storage: &Path) -> usize {
    let written = |file: &PathBuf| {
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database opens");
        !tables(&connection).is_empty()
    };
    databases(storage).iter().filter(|file| written(file)).count()
}

/// Repeats the runs of the one session that has a journal until there are `times` as many, as if each had been run
/// again; gives how many events there are then. The server must have been killed before.
pub fn relive(storage: &Path, times: u64) -> u64 {
    let mut connection = journal(storage);
    let lived = rows_of(&connection);
    let largest = |field: &str| {
        let entries = lived.iter().flatten();
        entries.filter_map(|entry| entry[field].as_u64()).max().expect("a run was lived through")
    };
    let (runs, calls) = (largest("run"), largest("call"));
    let events: u64 = lived.iter().map(|row| row.len() as u64).sum();
    let transaction = connection.transaction().expect("the journal can be changed");
    let mut seq = events + 1;
    for time in 1..times {
        for row in &lived {
            let again: Vec<Value> = row.iter().map(|entry| later(entry, time * runs, time * calls)).collect();
            insert(&transaction, seq, &again);
            seq += row.len() as u64;
        }
    }
    transaction.commit().expect("the journal can be changed");
    seq - 1
}

/// Whether an import has kept rows aside in a session. The server may run: it is a copy that is looked into, and one that was
/// torn has nothing.
pub fn has_aside(storage: &Path) -> bool {
    let has = |file: &PathBuf| {
        let folder = tempfile::tempdir().ok()?;
        let copy = folder.path().join("copy.sqlite");
        fs::copy(file, &copy).ok()?;
        // Without one all is in the file.
        fs::copy(file.with_extension("sqlite-wal"), copy.with_extension("sqlite-wal")).ok();
        let connection = Connection::open(&copy).ok()?;
        connection.query_row("SELECT COUNT(*) FROM aside", [], |row| row.get::<_, i64>(0)).ok()
    };
    databases(storage).iter().filter_map(has).any(|count| count > 0)
}

/// Bytes of the database of the one session that has a journal, its log included. The server may run.
pub fn bytes(storage: &Path) -> u64 {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let largest =
        databases(storage).into_iter().max_by_key(|file| size(file)).expect("an object has a database");
    size(&largest) + size(&largest.with_extension("sqlite-wal"))
}

/// The journal of each session: its rows, each with its entries. The server must have been killed before.
pub fn journals(storage: &Path) -> Vec<Vec<Vec<Value>>> {
    let open = |file: &PathBuf| {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(file, flags).expect("a database opens");
        tables(&connection).iter().any(|table| table == "journal").then(|| rows_of(&connection))
    };
    databases(storage).iter().filter_map(open).collect()
}

fn journal(storage: &Path) -> Connection {
    let open = |file: &PathBuf| {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(file, flags).expect("a database opens");
        tables(&connection).iter().any(|table| table == "journal").then_some(connection)
    };
    let mut journals: Vec<Connection> = databases(storage).iter().filter_map(open).collect();
    assert_eq!(journals.len(), 1, "one session has a journal");
    journals.remove(0)
}

/// Every row's entries.
fn rows_of(connection: &Connection) -> Vec<Vec<Value>> {
    let mut statement =
        connection.prepare("SELECT entries FROM journal ORDER BY seq").expect("the journal can be read");
    let texts = statement.query_map([], |row| row.get::<_, String>(0)).expect("the journal can be read");
    let entries = |text: String| serde_json::from_str(&text).expect("a row is a JSON array");
    texts.map(|text| entries(text.expect("a row is text"))).collect()
}

fn insert(transaction: &Transaction<'_>, seq: u64, entries: &[Value]) {
    let text = serde_json::to_string(entries).expect("JSON is text");
    transaction
        .execute(
            "INSERT INTO journal (seq, entries) VALUES (?, ?)",
            params![i64::try_from(seq).expect("positions are small"), text],
        )
        .expect("the journal can be changed");
}

/// An entry, of a run and a call that come so many later.
fn later(entry: &Value, runs: u64, calls: u64) -> Value {
    let mut entry = entry.clone();
    for (field, more) in [("run", runs), ("call", calls)] {
        if let Some(number) = entry[field].as_u64() {
            entry[field] = (number + more).into();
        }
    }
    entry
}

fn tables(connection: &Connection) -> Vec<String> {
    // Tables of the platform itself (`_cf_…`) are not the object's.
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql).expect("the schema can be read");
    let names = statement.query_map([], |row| row.get(0)).expect("the schema can be read");
    names.map(|name| name.expect("a name is text")).collect()
}

fn databases(storage: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(storage).expect("the storage can be listed") {
        let path = entry.expect("the storage can be listed").path();
        if path.is_dir() {
            files.extend(databases(&path));
        } else if path.extension().is_some_and(|extension| extension == "sqlite") {
            files.push(path);
        }
    }
    files
}

/// The rows of the one session that has a journal, each with its first position, as they are stored. The server must
/// have been killed before.
pub fn stored(storage: &Path) -> Vec<(u64, String)> {
    let connection = journal(storage);
    let mut statement =
        connection.prepare("SELECT seq, entries FROM journal ORDER BY seq").expect("the journal can be read");
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    let rows =
        rows.expect("the journal can be read").map(|row| row.expect("a row has a position and a text"));
    rows.map(|(seq, entries)| (u64::try_from(seq).expect("a position is above 0"), entries)).collect()
}

/// Gives the one session that has a journal these rows in place of its own; its alarm stays. The server must have been
/// killed before.
pub fn plant(storage: &Path, rows: &[(u64, String)]) {
    let mut connection = journal(storage);
    let transaction = connection.transaction().expect("the journal can be changed");
    transaction.execute("DELETE FROM journal", []).expect("the journal can be changed");
    for (seq, entries) in rows {
        transaction
            .execute("INSERT INTO journal (seq, entries) VALUES (?, ?)", params![seq.cast_signed(), entries])
            .expect("the journal can be changed");
    }
    transaction.commit().expect("the journal can be changed");
}
