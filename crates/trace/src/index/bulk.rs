use longhaul_core::TimeMs;
use serde_json::Value;

use super::{
    filter::{Builder, RunFilter, filter_parameters},
    parameters::{Parameters, QueryFaults},
    row::{Row, UnexpectedRow},
    statement::{Statement, Tenants},
    write::{text, whole},
};

/// Sessions in one page at most.
pub const BULK_SESSIONS_MAX: usize = 256;
/// What narrows a query to open runs.
const OPEN: &str = " AND ended_at IS NULL";

/// Which sessions many are to be done the same to: those with a run that fits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BulkQuery {
    filter: RunFilter,
}

/// Which runs of a session count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkRuns {
    /// All that are listed.
    Listed,
    /// Those that are not over.
    Open,
}

/// A session with a run that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkSession {
    /// The session's id.
    pub session: String,
    /// Whether another one of its runs that count does not fit.
    pub has_others: bool,
}

impl BulkQuery {
    /// The names of its parameters; `KEY` stands for any key.
    pub const PARAMETERS: &[&str] = filter_parameters![];

    /// Reads a query string whose escapes are undone. Names that it does not know are for the caller to refuse.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        let query = Self { filter: RunFilter::read(&mut given) };
        given.finish(query)
    }

    /// Whether every run of the tenant fits.
    pub fn is_any(&self) -> bool {
        self.filter.is_any() && self.filter.since.is_none() && self.filter.until.is_none()
    }

    /// The statement that finds the sessions whose ids come after `after`, in the order of their ids: however the index
    /// changes meanwhile, each comes once. A run that was accepted after `asked_at` draws no session in.
    pub fn to_statement(&self, tenant: &str, runs: BulkRuns, asked_at: TimeMs, after: &str) -> Statement {
        let RunFilter { since, until, .. } = self.filter;
        let open = if runs == BulkRuns::Open { OPEN } else { "" };
        let mut builder = Builder::new("SELECT session, max(CASE WHEN ");
        // What a column does not know is NULL, which fits as little as another value.
        builder.choose(Tenants::One(tenant), &self.filter).since(since).until(until);
        builder.push(&[" THEN 0 ELSE 1 END) AS others FROM traces WHERE tenant = "]).bind(text(tenant));
        builder.push(&[open, " AND session IN (SELECT DISTINCT session FROM traces WHERE "]);
        let frozen = asked_at.saturating_add(1);
        builder.choose(Tenants::One(tenant), &self.filter).since(since);
        builder.until(Some(until.map_or(frozen, |until| until.min(frozen))));
        builder.push(&[open, " AND session > "]).bind(text(after));
        builder.push(&[" ORDER BY session LIMIT "]).bind(whole(BULK_SESSIONS_MAX as u64));
        builder.push(&[") GROUP BY session ORDER BY session"]);
        builder.finish()
    }

    /// The sessions that the statement's rows name.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn sessions(rows: Vec<Value>) -> Result<Vec<BulkSession>, UnexpectedRow> {
        let session = |row| {
            let mut row = Row::new(row)?;
            Ok(BulkSession { session: row.text("session")?, has_others: row.whole("others")? > 0 })
        };
        rows.into_iter().map(session).collect()
    }
}
