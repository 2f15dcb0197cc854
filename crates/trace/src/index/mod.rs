//! The index of traces: rows of a D1 database, written by a sink and read by `GET /v1/traces` and `GET /v1/stats`.
//!
//! Encoders only: what is to be written or asked is a list of [`Statement`]s for the tables of
//! `migrations`, and the rows of an answer are JSON objects with a member per column, as D1 gives them.
//! The statements of one list belong in one transaction; any list may be sent again and changes nothing then.
//!
//! Tenants' rows may be in several databases, and a question about all tenants goes to each. The rows of all answers are
//! given one after the other, each in its order: a page merges them, and sums add up. The database that is to be believed
//! where two have the same run comes first.
//!
//! ```text
//! announce(tenant, &trace, capture)            // a run was accepted, its first call was made, it waits for a person
//! record(tenant, &trace, capture)              // it ended
//! forget(tenant, &runs)                        // its session was erased
//! let query = TracesQuery::parse(pairs)?;      // GET /v1/traces
//! let page = query.page(rows_of(query.to_statement(tenant)))?;
//! let query = StatsQuery::parse(pairs, now)?;  // GET /v1/stats
//! let mut view = query.stats(rows_of(query.to_statement(tenant)))?;
//! view.tools = query.tools(rows_of(query.tools_statement(tenant)))?;
//! let query = BulkQuery::parse(pairs)?;        // DELETE /v1/sessions, POST /v1/cancel
//! let page = BulkQuery::sessions(rows_of(query.to_statement(tenant, runs, asked_at, after)))?;
//! elsewhere(&statements)                       // for databases that had the tenant's rows before
//! ```

mod approvals;
mod bulk;
mod counters;
mod filter;
mod groups;
mod histogram;
mod hours;
mod models;
mod parameters;
mod row;
#[cfg(feature = "schema")]
mod shape;
mod statement;
mod stats;
mod sums;
mod tools;
mod traces;
mod write;

pub use approvals::{APPROVALS_DEFAULT, APPROVALS_MAX, ApprovalSummary, ApprovalsPage, ApprovalsQuery};
pub use bulk::{BULK_SESSIONS_MAX, BulkQuery, BulkRuns, BulkSession};
pub use counters::{Counters, Percentiles};
pub use filter::{METADATA_FILTERS_MAX, Q_BYTES_MAX, RunFilter, Sought};
pub use groups::{GROUPS_MAX, GroupStats, GroupedModel, GroupsView};
pub use hours::HourStats;
pub use models::{MODELS_DAYS, MODELS_MAX, models_seen, models_statement};
pub use parameters::QueryFaults;
pub use row::UnexpectedRow;
pub use statement::{Param, Statement, Tenants};
pub use stats::{
    STATS_CHOSEN_HOURLY_DAYS_MAX, STATS_DAYS_DEFAULT, STATS_DAYS_MAX, STATS_HOURLY_DAYS_MAX, StatsQuery,
    StatsView,
};
pub use sums::ModelStats;
pub use tools::ToolStats;
pub use traces::{
    TRACES_DEFAULT, TRACES_MAX, TraceSummary, TracesCursor, TracesPage, TracesQuery, TracesSort,
};
pub use write::{INDEX_TEXT_BYTES_MAX, announce, elsewhere, forget, list_again, record};
