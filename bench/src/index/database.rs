//! The index in a SQLite file, without D1 around it.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use longhaul_trace::index::{Param, Statement};
use rusqlite::{Connection, Row, params_from_iter, types::Value as Sql};
use serde_json::{Map, Value};

use crate::place::here;

/// Makes the tables, as a deployment does.
pub(crate) fn migrate(file: &Path) -> Result<()> {
    let directory = here().join("../migrations");
    let files = fs::read_dir(&directory).with_context(|| directory.display().to_string())?;
    let mut migrations = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    migrations.sort();
    let connection = Connection::open(file)?;
    for migration in migrations {
        let sql = fs::read_to_string(&migration).with_context(|| migration.display().to_string())?;
        connection.execute_batch(&sql)?;
    }
    Ok(())
}

/// The rows that a statement finds, as D1 gives them.
pub(crate) fn rows(connection: &Connection, Statement { sql, params }: &Statement) -> Result<Vec<Value>> {
    let mut prepared = connection.prepare(sql)?;
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let params = params_from_iter(params.iter().map(sql_value));
    let rows = prepared.query_map(params, |row| object(row, &columns))?;
    rows.map(|row| row.map_err(Into::into)).collect()
}

/// D1 binds every number as a double, as JavaScript has it.
pub(crate) fn sql_value(param: &Param) -> Sql {
    match param {
        Param::Null => Sql::Null,
        Param::Int(number) => Sql::Real(*number as f64),
        Param::Float(number) => Sql::Real(*number),
        Param::Text(text) => Sql::Text(text.clone()),
    }
}

fn object(row: &Row<'_>, columns: &[String]) -> rusqlite::Result<Value> {
    let mut members = Map::new();
    for (place, name) in columns.iter().enumerate() {
        let value = match row.get(place)? {
            Sql::Integer(number) => number.into(),
            Sql::Real(number) => number.into(),
            Sql::Text(text) => text.into(),
            _ => Value::Null,
        };
        members.insert(name.clone(), value);
    }
    Ok(Value::Object(members))
}
