use longhaul_core::TimeMs;
use serde_json::Value;

use super::{
    filter::{Builder, RunFilter, filter_parameters},
    parameters::{Parameters, QueryFaults},
    row::{Row, UnexpectedRow},
    statement::{Statement, Tenants},
    write::{json, text, whole},
};

/// Sessions in one page at most.
pub const BULK_SESSIONS_MAX: usize = 256;
/// What narrows a query to open runs.
const OPEN: &str = " AND ended_at IS NULL";
/// How a statement ends.
const END: &str = ") GROUP BY session ORDER BY session";

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

impl BulkRuns {
    fn rule(self) -> &'static str {
        match self {
            Self::Listed => "",
            Self::Open => OPEN,
        }
    }
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
        let mut builder = self.of_sessions(tenant, runs);
        builder.push(&["SELECT DISTINCT session FROM traces WHERE "]);
        let frozen = asked_at.saturating_add(1);
        builder.choose(Tenants::One(tenant), &self.filter).since(since);
        builder.until(Some(until.map_or(frozen, |until| until.min(frozen))));
        builder.push(&[runs.rule(), " AND session > "]).bind(text(after));
        builder.push(&[" ORDER BY session LIMIT "]).bind(whole(BULK_SESSIONS_MAX as u64));
        builder.rest(END, [])
    }

    /// The statement that looks once more at these sessions. It is for a tenant with several databases, each of which is
    /// asked: another run may be in a database that does not list the session.
    pub fn again(&self, tenant: &str, runs: BulkRuns, sessions: &[BulkSession]) -> Statement {
        let names: Value = sessions.iter().map(|session| session.session.as_str()).collect();
        let mut builder = self.of_sessions(tenant, runs);
        builder.push(&["SELECT value FROM json_each("]).bind(text(json(&names)));
        builder.push(&[")"]);
        builder.rest(END, [])
    }

    /// The beginning of a statement, up to which sessions are meant.
    fn of_sessions(&self, tenant: &str, runs: BulkRuns) -> Builder {
        let RunFilter { since, until, .. } = self.filter;
        let mut builder = Builder::new("SELECT session, max(CASE WHEN ");
        // What a column does not know is NULL, which fits as little as another value.
        builder.choose(Tenants::One(tenant), &self.filter).since(since).until(until);
        builder.push(&[" THEN 0 ELSE 1 END) AS others FROM traces WHERE tenant = "]).bind(text(tenant));
        builder.push(&[runs.rule(), " AND session IN ("]);
        builder
    }

    /// The first sessions that rows name, those of each database in their order.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn sessions(rows: Vec<Value>) -> Result<Vec<BulkSession>, UnexpectedRow> {
        let mut sessions: Vec<BulkSession> = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = Row::new(row)?;
            let (session, has_others) = (row.text("session")?, row.whole("others")? > 0);
            let place = sessions.partition_point(|before| before.session < session);
            match sessions.get_mut(place).filter(|known| known.session == session) {
                Some(known) => known.has_others |= has_others,
                None => sessions.insert(place, BulkSession { session, has_others }),
            }
        }
        sessions.truncate(BULK_SESSIONS_MAX);
        Ok(sessions)
    }
}
