//! A look into an object's database file, for the one budget that the HTTP contract does not show: rows.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

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
