use longhaul_core::{TimeMs, limits};
use serde::Serialize;
use serde_json::Value;

use super::{
    filter::Builder,
    parameters::{Parameters, QueryFaults, whole as digits},
    row::{Row, UnexpectedRow},
    statement::{Param, Statement, Tenants},
    write::{text, whole},
};

/// Approvals in one page at most.
pub const APPROVALS_MAX: usize = 200;
/// Approvals in one page when `limit` is absent.
pub const APPROVALS_DEFAULT: usize = 50;

const SELECT: &str = "\
SELECT requested_at, session, seq, run, call, kind, tool, agent, effect, rule, digest, by_another, expires_at, summary, \
arguments, tenant FROM approvals WHERE ";
const CHOOSE: &str = " AND (requested_at, session, seq) > (?2, ?3, ?4) \
AND (?5 IS NULL OR agent = ?5) AND (?6 IS NULL OR tool = ?6) ORDER BY requested_at, session, seq LIMIT ?7";

/// What `GET /v1/approvals` asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApprovalsQuery {
    agent: Option<String>,
    tool: Option<String>,
    limit: Option<usize>,
    /// The last one of the page before.
    after: (TimeMs, String, u64),
}

/// A page of calls that wait for a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "ApprovalPage"))]
pub struct ApprovalsPage {
    /// The oldest first.
    #[cfg_attr(feature = "schema", schemars(length(max = APPROVALS_MAX)))]
    pub approvals: Vec<ApprovalSummary>,
    /// The `cursor` of the next page; `None` in the last one.
    pub next: Option<String>,
}

/// A call that waits for a person, as the index has it. What is unknown, or not let out, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApprovalSummary {
    /// Whose it is.
    pub tenant: String,
    /// The session's id.
    pub session: String,
    /// The run's number in its session.
    pub run: u64,
    /// The call.
    pub call: u64,
    /// The `seq` of the event that asks, which names the request.
    pub request: u64,
    /// What is asked: `call`, or `in_doubt`.
    pub kind: String,
    /// The tool's name.
    pub tool: String,
    /// The agent's name.
    pub agent: String,
    /// What a crash may do to the call: `read`, `idempotent` or `once`.
    pub effect: Option<String>,
    /// The rule that asks.
    pub rule: Option<String>,
    /// SHA-256 over the RFC 8785 form of the arguments, in lower-case hex.
    pub digest: Option<String>,
    /// Whether somebody else must decide than who started or steered the run.
    pub by_another: bool,
    /// What the call does, as much of it as the deployment lets out.
    pub summary: Option<String>,
    /// The arguments as JSON, as much of it as the deployment lets out. The session has the whole.
    pub arguments: Option<String>,
    /// When the call began to wait.
    pub requested_at: TimeMs,
    /// When the request expires.
    pub expires_at: Option<TimeMs>,
}

impl ApprovalsQuery {
    /// The names of its parameters; `KEY` stands for any key.
    pub const PARAMETERS: &[&str] = &["status", "agent", "tool", "limit", "cursor", "tenant"];

    /// Reads a query string whose escapes are undone. Names that it does not know are for the caller to refuse.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        if given.value("status").is_some_and(|status| status != "open") {
            given.fault("status", "must be open");
        }
        let after = given.value("cursor").map(cursor);
        if after == Some(None) {
            given.fault("cursor", "must be the `next` of an earlier page");
        }
        let limit = given.number("limit", 1, APPROVALS_MAX as u64);
        let query = Self {
            agent: given.text("agent", limits::NAME_BYTES_MAX),
            tool: given.text("tool", limits::NAME_BYTES_MAX),
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            after: after.flatten().unwrap_or_default(),
        };
        given.finish(query)
    }

    /// The statement that finds the page, one row more than fits in it.
    pub fn to_statement<'a>(&self, tenants: impl Into<Tenants<'a>>) -> Statement {
        let (requested_at, session, seq) = &self.after;
        let filter = |name: &Option<String>| name.as_deref().map_or(Param::Null, text);
        let params = [
            whole(*requested_at),
            text(session),
            whole(*seq),
            filter(&self.agent),
            filter(&self.tool),
            whole(self.limit() as u64 + 1),
        ];
        let mut builder = Builder::new(SELECT);
        builder.of(tenants.into());
        builder.rest(CHOOSE, params)
    }

    /// The page that the rows of the statement make, those of each database in their order.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn page(&self, rows: Vec<Value>) -> Result<ApprovalsPage, UnexpectedRow> {
        let mut approvals: Vec<ApprovalSummary> = Vec::with_capacity(rows.len());
        for row in rows {
            let approval = summary(row)?;
            let place = approvals.partition_point(|before| key(before) <= key(&approval));
            let is_known = place > 0
                && key(&approvals[place - 1]) == key(&approval)
                && approvals[place - 1].tenant == approval.tenant;
            if !is_known {
                approvals.insert(place, approval);
            }
        }
        let has_more = approvals.len() > self.limit();
        approvals.truncate(self.limit());
        let last = approvals.last().filter(|_| has_more);
        let next = last.map(|last| {
            let (requested_at, seq) = (last.requested_at.to_string(), last.request.to_string());
            [&requested_at, "-", &seq, "-", &last.session].concat()
        });
        Ok(ApprovalsPage { approvals, next })
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(APPROVALS_DEFAULT)
    }
}

/// As the statement sorts.
fn key(approval: &ApprovalSummary) -> (TimeMs, &str, u64) {
    (approval.requested_at, &approval.session, approval.request)
}

/// `<requested_at>-<seq>-<session>`.
fn cursor(text: &str) -> Option<(TimeMs, String, u64)> {
    let mut parts = text.splitn(3, '-');
    let (requested_at, seq) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let session = parts.next().filter(|session| session.len() <= limits::ID_BYTES_MAX)?;
    Some((requested_at, session.to_owned(), seq))
}

fn summary(row: Value) -> Result<ApprovalSummary, UnexpectedRow> {
    let mut row = Row::new(row)?;
    Ok(ApprovalSummary {
        tenant: row.text("tenant")?,
        session: row.text("session")?,
        run: row.whole("run")?,
        call: row.whole("call")?,
        request: row.whole("seq")?,
        kind: row.text("kind")?,
        tool: row.text("tool")?,
        agent: row.text("agent")?,
        effect: row.text_or_null("effect")?,
        rule: row.text_or_null("rule")?,
        digest: row.text_or_null("digest")?,
        by_another: row.whole("by_another")? != 0,
        summary: row.text_or_null("summary")?,
        arguments: row.text_or_null("arguments")?,
        requested_at: row.whole("requested_at")?,
        expires_at: row.whole_or_null("expires_at")?,
    })
}
