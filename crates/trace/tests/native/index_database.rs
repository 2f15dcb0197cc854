//! The tables of the index in memory, as D1 has them.

use longhaul_core::{FaultKind, NewRun, RunId};
use longhaul_trace::{
    Capture, Origin, Trace,
    index::{
        ApprovalsPage, ApprovalsQuery, Param, Statement, StatsQuery, Tenants, TraceSummary, TracesQuery,
        record,
    },
};
use rusqlite::{Connection, Row, params_from_iter, types::Value as Sql};
use serde_json::{Map, Value};

use crate::stage::{Stage, new_run};

const MIGRATIONS: [&str; 4] = [
    include_str!("../../../../migrations/0001_traces.sql"),
    include_str!("../../../../migrations/0002_tools.sql"),
    include_str!("../../../../migrations/0003_approvals.sql"),
    include_str!("../../../../migrations/0004_figures.sql"),
];
/// What D1 takes.
const PARAMS_MAX: usize = 100;
const SQL_BYTES_MAX: usize = 100_000;

pub(crate) struct Database(pub(crate) Connection);

impl Database {
    pub(crate) fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        Self(connection)
    }

    /// Runs a list of statements in one transaction and gives how many rows it wrote.
    pub(crate) fn run(&self, statements: &[Statement]) -> u64 {
        let before = self.0.total_changes();
        let transaction = self.0.unchecked_transaction().unwrap();
        for Statement { sql, params } in statements {
            assert!(params.len() <= PARAMS_MAX && sql.len() <= SQL_BYTES_MAX);
            self.0.execute(sql, params_from_iter(params.iter().map(sql_value))).unwrap();
        }
        transaction.commit().unwrap();
        self.0.total_changes() - before
    }

    pub(crate) fn record(&self, tenant: &str, trace: &Trace) {
        self.run(&record(tenant, trace, Capture::Full));
    }

    pub(crate) fn rows(&self, Statement { sql, params }: &Statement) -> Vec<Value> {
        assert!(params.len() <= PARAMS_MAX && sql.len() <= SQL_BYTES_MAX);
        let mut prepared = self.0.prepare(sql).unwrap();
        let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let params = params_from_iter(params.iter().map(sql_value));
        prepared.query_map(params, |row| Ok(object(row, &columns))).unwrap().map(Result::unwrap).collect()
    }

    /// Everything in a table.
    pub(crate) fn table(&self, table: &str) -> Vec<Value> {
        self.rows(&Statement { sql: format!("SELECT * FROM {table}"), params: Vec::new() })
    }

    pub(crate) fn traces<'a>(
        &self,
        tenant: impl Into<Tenants<'a>>,
        pairs: &[(&str, &str)],
    ) -> Vec<TraceSummary> {
        let query = TracesQuery::parse(pairs.iter().copied()).unwrap();
        query.page(self.rows(&query.to_statement(tenant))).unwrap().traces
    }

    pub(crate) fn approvals<'a>(
        &self,
        tenant: impl Into<Tenants<'a>>,
        pairs: &[(&str, &str)],
    ) -> ApprovalsPage {
        let query = ApprovalsQuery::parse(pairs.iter().copied()).unwrap();
        query.page(self.rows(&query.to_statement(tenant))).unwrap()
    }

    pub(crate) fn stats<'a>(
        &self,
        tenant: impl Into<Tenants<'a>>,
        pairs: &[(&str, &str)],
        now: u64,
    ) -> Value {
        let tenant = tenant.into();
        let query = StatsQuery::parse(pairs.iter().copied(), now).unwrap();
        let mut stats = query.stats(self.rows(&query.to_statement(tenant))).unwrap();
        stats.tools = query.tools(self.rows(&query.tools_statement(tenant))).unwrap();
        if let Some(statement) = query.groups_statement(tenant) {
            stats.grouped = query.groups(vec![self.rows(&statement)]).unwrap();
        }
        serde_json::to_value(stats).unwrap()
    }
}

/// The first run of a session of the stage, `ms` after its clock begins.
pub(crate) fn run_at(object: &str, ms: u64, run: NewRun, play: impl FnOnce(&mut Stage)) -> Trace {
    let mut stage = Stage::default();
    stage.clock = ms;
    stage.accept_run(run);
    play(&mut stage);
    Trace::of_run(Origin { object, life: None }, RunId(1), stage.records()).unwrap()
}

/// The run of a customer.
pub(crate) fn of_customer(customer: &str) -> NewRun {
    let mut run = new_run("Write a haiku.");
    run.metadata = serde_json::from_value(serde_json::json!({"customer": customer})).unwrap();
    run
}

/// A run of one answer.
pub(crate) fn answered(object: &str, ms: u64, run: NewRun) -> Trace {
    run_at(object, ms, run, |stage| stage.answer("Salt breath.\nDONE", 100))
}

/// A run that its model refused.
pub(crate) fn refused(object: &str, ms: u64) -> Trace {
    run_at(object, ms, new_run("x"), |stage| stage.fail(FaultKind::Refused, 30))
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

fn object(row: &Row<'_>, columns: &[String]) -> Value {
    let value = |place: usize| match row.get(place).unwrap() {
        Sql::Integer(number) => number.into(),
        Sql::Real(number) => number.into(),
        Sql::Text(text) => text.into(),
        _ => Value::Null,
    };
    let members = columns.iter().enumerate().map(|(place, name)| (name.clone(), value(place)));
    Value::Object(members.collect::<Map<_, _>>())
}
