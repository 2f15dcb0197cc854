use std::{cell::RefCell, path::Path, rc::Rc};

use futures::{StreamExt, stream};
use longhaul_host::{WireFault, WireResponse};
use longhaul_trace::index::{
    Param, Statement, StatsQuery, StatsView, TraceSummary, TracesQuery, UnexpectedRow,
};
use rusqlite::{Connection, Transaction, params_from_iter, types::Value as Sql};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{outside::BEGINNING, scenario::TENANT, world::World};

/// How long the database takes to answer, in milliseconds.
const LATENCY_MS: u64 = 5;
const DAY_MS: u64 = 86_400_000;
/// So many days can be asked for hour by hour at once, and so many day by day.
const HOURLY_DAYS: u64 = 30;
const DAILY_DAYS: u64 = 90;
/// All days that a world may have: a tool that hangs does so for a week.
const DAYS: u64 = 4 * DAILY_DAYS;
/// What D1 takes in one statement.
const PARAMS_MAX: usize = 100;
/// And as its text, in bytes.
const SQL_BYTES_MAX: usize = 100_000;

/// What the database of the index does with writes of each purpose, in order; those after the plan are taken.
#[derive(Debug, Clone, Default)]
pub struct IndexPlan {
    /// Open runs that are shown.
    pub announcing: Vec<IndexReply>,
    /// Runs that have ended.
    pub recording: Vec<IndexReply>,
    /// Runs whose session is erased.
    pub forgetting: Vec<IndexReply>,
}

/// What the database does with a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexReply {
    /// It commits and says so.
    Take,
    /// It commits after this time, in milliseconds, and says so. A process that dies meanwhile takes the write along.
    TakeLate(u64),
    /// It does nothing and cannot be reached.
    Refused,
    /// It commits, and the answer is lost.
    Lost,
    /// It does nothing and says nothing, ever.
    Hang,
}

/// What a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To show an open run.
    Announce,
    /// To write down a run that has ended.
    Record,
    /// To take out the runs of a session.
    Forget,
}

/// The database of the index: it outlives every process that writes to it.
///
/// What is kept is what was committed, in order. The real SQLite executes it when the tables are read, because worlds
/// are copied by the thousand.
#[derive(Debug, Clone)]
pub struct IndexDatabase {
    plan: IndexPlan,
    /// What came, in order.
    pub asked: Vec<Purpose>,
    /// What was committed, in order: the statements of one transaction each.
    pub committed: Vec<Rc<[Statement]>>,
}

/// What the index answers, by the queries of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexAnswers {
    /// All runs of the tenant, newest first.
    pub traces: Vec<TraceSummary>,
    /// What the models did, hour by hour; as many days at a time as can be asked for.
    pub hourly: Vec<StatsView>,
    /// The same, day by day.
    pub daily: Vec<StatsView>,
}

/// Why the index does not answer: a bug of its statements, or of what reads their rows.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The database refuses a statement.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] UnexpectedRow),
}

impl IndexPlan {
    /// Open runs meet these replies.
    #[must_use]
    pub fn announcing(mut self, replies: &[IndexReply]) -> Self {
        self.announcing = replies.to_vec();
        self
    }

    /// Runs that have ended meet these replies.
    #[must_use]
    pub fn recording(mut self, replies: &[IndexReply]) -> Self {
        self.recording = replies.to_vec();
        self
    }

    /// Sessions that are erased meet these replies.
    #[must_use]
    pub fn forgetting(mut self, replies: &[IndexReply]) -> Self {
        self.forgetting = replies.to_vec();
        self
    }
}

impl IndexDatabase {
    pub(crate) fn new(plan: IndexPlan) -> Self {
        Self { plan, asked: Vec::new(), committed: Vec::new() }
    }

    /// What the real database answers after all that was committed.
    ///
    /// # Errors
    /// When it refuses a statement, or its answer cannot be read.
    pub fn answers(&self) -> Result<IndexAnswers, IndexError> {
        DATABASE.with_borrow_mut(|database| {
            // It is rolled back when it is dropped: the next world finds empty tables.
            let transaction = database.transaction()?;
            for Statement { sql, params } in self.committed.iter().flat_map(|list| list.iter()) {
                let params = params_from_iter(params.iter().map(sql_value));
                transaction.prepare_cached(sql)?.execute(params)?;
            }
            let traces = TracesQuery::parse([("limit", "200")].into_iter()).expect("200 are allowed");
            let stats = |from: u64, until: u64| {
                let at = |day: u64| (BEGINNING + day * DAY_MS).to_string();
                let (since, until) = (at(from), at(until));
                let query =
                    StatsQuery::parse([("since", &*since), ("until", &*until)].into_iter(), BEGINNING);
                let query = query.expect("so many days are allowed");
                Ok::<_, IndexError>(query.stats(rows(&transaction, &query.to_statement(TENANT))?)?)
            };
            let parts = |days: u64| {
                let parts = (0..DAYS / days).map(|part| stats(part * days, (part + 1) * days));
                parts.collect::<Result<Vec<_>, _>>()
            };
            Ok(IndexAnswers {
                traces: traces.page(rows(&transaction, &traces.to_statement(TENANT))?)?.traces,
                hourly: parts(HOURLY_DAYS)?,
                daily: parts(DAILY_DAYS)?,
            })
        })
    }

    /// How often runs were counted that had been counted before. The row that says so is gone with the session, when a
    /// deletion fails half-way, and what was due then is still due: the one case in which the index counts twice.
    pub(crate) fn recounts(&self) -> u64 {
        let purposes: Vec<Purpose> = self.committed.iter().map(|list| purpose_of(list)).collect();
        let is_record = |purpose: &Purpose| *purpose == Purpose::Record;
        let is_between = |place: &usize| {
            let (before, after) = purposes.split_at(*place);
            after[0] == Purpose::Forget && before.iter().any(is_record) && after.iter().any(is_record)
        };
        (0..purposes.len()).filter(is_between).count() as u64
    }

    fn choose(&mut self, purpose: Purpose) -> IndexReply {
        let plan = match purpose {
            Purpose::Announce => &self.plan.announcing,
            Purpose::Record => &self.plan.recording,
            Purpose::Forget => &self.plan.forgetting,
        };
        let before = self.asked.iter().filter(|asked| **asked == purpose).count();
        self.asked.push(purpose);
        plan.get(before).copied().unwrap_or(IndexReply::Take)
    }
}

/// Serves one list of statements.
pub(crate) async fn serve(world: Rc<World>, statements: Vec<Statement>) -> Result<WireResponse, WireFault> {
    let reply = {
        let mut outside = world.outside.borrow_mut();
        for Statement { sql, params } in &statements {
            if params.len() > PARAMS_MAX || sql.len() > SQL_BYTES_MAX {
                outside.offend(9, format!("D1 takes no statement with {} parameters", params.len()));
            }
        }
        outside.index.choose(purpose_of(&statements))
    };
    let unreachable = || WireFault::Connection("the database does not answer".to_owned());
    let commit = || world.outside.borrow_mut().index.committed.push(statements.into());
    match reply {
        IndexReply::Take => commit(),
        IndexReply::TakeLate(ms) => {
            world.sleep(ms).await;
            commit();
        }
        IndexReply::Lost => {
            commit();
            world.sleep(LATENCY_MS).await;
            return Err(unreachable());
        }
        IndexReply::Refused => {
            world.sleep(LATENCY_MS).await;
            return Err(unreachable());
        }
        IndexReply::Hang => futures::future::pending().await,
    }
    world.sleep(LATENCY_MS).await;
    Ok(WireResponse::new(200, stream::empty().boxed_local()))
}

thread_local! {
    static DATABASE: RefCell<Connection> = RefCell::new(migrated());
}

/// An empty database with the tables of the migrations, in the order of their names.
fn migrated() -> Connection {
    let database = Connection::open_in_memory().expect("SQLite is linked in");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let files = std::fs::read_dir(folder).expect("the migrations are in the repository");
    let mut paths: Vec<_> = files.map(|file| file.expect("the folder can be read").path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "sql")) {
        let sql = std::fs::read_to_string(path).expect("a migration can be read");
        database.execute_batch(&sql).expect("a migration is SQL");
    }
    database
}

/// Nobody says what a write is for: a deletion begins so, and a run that has ended has a time for it.
fn purpose_of(statements: &[Statement]) -> Purpose {
    let Some(Statement { sql, params }) = statements.last() else { return Purpose::Forget };
    if sql.starts_with("DELETE") {
        return Purpose::Forget;
    }
    let columns = sql.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(columns, _)| columns);
    let ended_at = columns.and_then(|columns| columns.split(", ").position(|name| name == "ended_at"));
    let has_ended = ended_at.and_then(|place| params.get(place)).is_some_and(|param| *param != Param::Null);
    if has_ended { Purpose::Record } else { Purpose::Announce }
}

/// D1 binds every number as a double, as JavaScript has it.
fn sql_value(param: &Param) -> Sql {
    match param {
        Param::Null => Sql::Null,
        #[expect(clippy::cast_precision_loss, reason = "what the statements hold is at most 2^53")]
        Param::Int(number) => Sql::Real(*number as f64),
        Param::Float(number) => Sql::Real(*number),
        Param::Text(text) => Sql::Text(text.clone()),
    }
}

/// Each row as an object with a member per column, as D1 gives it.
fn rows(
    database: &Transaction<'_>,
    Statement { sql, params }: &Statement,
) -> Result<Vec<Value>, rusqlite::Error> {
    let mut query = database.prepare_cached(sql)?;
    let columns: Vec<String> = query.column_names().map(str::to_owned).collect();
    let rows = query.query_map(params_from_iter(params.iter().map(sql_value)), |row| {
        let member = |(place, name): (usize, &String)| {
            let value = match row.get(place)? {
                Sql::Integer(number) => number.into(),
                Sql::Real(number) => number.into(),
                Sql::Text(text) => text.into(),
                Sql::Null | Sql::Blob(_) => Value::Null,
            };
            Ok((name.clone(), value))
        };
        let members: Result<Map<String, Value>, rusqlite::Error> =
            columns.iter().enumerate().map(member).collect();
        members.map(Value::Object)
    })?;
    rows.collect()
}
