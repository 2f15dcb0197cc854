use longhaul_core::{TimeMs, Usage};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    filter::{Builder, DURATION, RunFilter, TRACE_ID_DIGITS, WORKING, filter_parameters},
    parameters::{Parameters, QueryFaults, whole as digits},
    row::{Row, UnexpectedRow},
    statement::{Param, Statement, Tenants},
    write::{TAKEN_OVER_BY, text, whole},
};

/// Traces in one page at most.
pub const TRACES_MAX: usize = 200;
/// Traces in one page when `limit` is absent.
pub const TRACES_DEFAULT: usize = 50;
const SELECT: &str = "\
SELECT accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, iterations, attempts, \
resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, waiting_ms, failed_models, metadata, \
task, result, tenant FROM traces WHERE ";

/// What `GET /v1/traces` asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TracesQuery {
    /// Which runs.
    pub filter: RunFilter,
    /// In which order.
    pub sort: TracesSort,
    /// Traces in the page; the default where it is `None`.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<TracesCursor>,
}

/// The order of a list of runs. Those of which the figure is not known come last; what is equal, the newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TracesSort {
    /// The newest first.
    #[default]
    Accepted,
    /// The longest from acceptance to the end first.
    Duration,
    /// The same without the time in the queue and the time that people took.
    Working,
    /// The longest in the queue and for people first.
    Waiting,
    /// The most tokens first.
    Tokens,
    /// The dearest first.
    Cost,
}

/// The last trace of a page; shown as `<accepted_at>-<trace_id>`, with the figure and `-` before it where that sorts.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesCursor {
    /// -1 where it is not known.
    figure: Option<f64>,
    accepted_at: TimeMs,
    trace_id: String,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "TracePage"))]
pub struct TracesPage {
    /// In the order that was asked for.
    #[cfg_attr(feature = "schema", schemars(length(max = TRACES_MAX)))]
    pub traces: Vec<TraceSummary>,
    /// The `cursor` of the next page; `None` in the last one.
    pub next: Option<String>,
}

/// A run in the index. What is unknown, or not let out, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceSummary {
    /// Whose it is.
    pub tenant: String,
    /// 32 hex digits.
    pub trace_id: String,
    /// The session's id.
    pub session: String,
    /// The run's number in its session.
    pub run: u64,
    /// Where it stands.
    #[cfg_attr(feature = "schema", schemars(with = "longhaul_core::RunStatus"))]
    pub status: String,
    /// The rule that ended it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<longhaul_core::StopReason>"))]
    pub stop_reason: Option<String>,
    /// Of a failed run: a word of low cardinality.
    pub error_type: Option<String>,
    /// The agent's name.
    pub agent: String,
    /// The model's full name; those of a comparison, joined by commas.
    pub model: String,
    /// The latest model that took the run over; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// What was to be done, as much of it as the deployment lets out.
    pub task: Option<String>,
    /// What came out, as much of it as the deployment lets out.
    pub result: Option<String>,
    /// The caller's labels.
    pub metadata: Map<String, Value>,
    /// Answers committed.
    pub iterations: u64,
    /// Attempts of its calls.
    pub attempts: u64,
    /// Crashes and evictions that it survived.
    pub resumed: u64,
    /// The sum over its calls.
    pub usage: Usage,
    /// When it became durable.
    pub accepted_at: TimeMs,
    /// When its first call was made.
    pub started_at: Option<TimeMs>,
    /// When it ended.
    pub ended_at: Option<TimeMs>,
    /// From acceptance to the end, in milliseconds: `working_ms` and `waiting_ms`.
    pub duration_ms: Option<u64>,
    /// What of it was work, waits for retries among it.
    pub working_ms: Option<u64>,
    /// What of it the run was queued, or people were asked and nothing else went on.
    pub waiting_ms: Option<u64>,
    /// The models whose last attempt failed.
    pub failed_models: Vec<String>,
}

impl TracesSort {
    const ALL: [(&'static str, Self); 6] = [
        ("accepted", Self::Accepted),
        ("duration", Self::Duration),
        ("working", Self::Working),
        ("waiting", Self::Waiting),
        ("tokens", Self::Tokens),
        ("cost", Self::Cost),
    ];

    /// The words that `sort` takes.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(|(word, _)| word)
    }

    fn read(given: &mut Parameters<'_>) -> Self {
        let Some(word) = given.value("sort") else { return Self::default() };
        let known = Self::ALL.into_iter().find(|(known, _)| *known == word);
        if known.is_none() {
            let all: Vec<_> = Self::words().collect();
            given.fault("sort", ["must be one of ", &all.join(", ")].concat());
        }
        known.map_or_else(Self::default, |(_, sort)| sort)
    }

    /// What the database sorts by before the time, if anything.
    fn figure(self) -> Option<&'static str> {
        match self {
            Self::Accepted => None,
            Self::Duration => Some(DURATION),
            Self::Working => Some(WORKING),
            // Of an open run it is not known yet.
            Self::Waiting => Some("CASE WHEN ended_at IS NOT NULL THEN waiting_ms END"),
            Self::Tokens => Some("total_tokens"),
            Self::Cost => Some("cost_usd"),
        }
    }

    /// The same of a trace in the answer.
    fn figure_of(self, trace: &TraceSummary) -> Option<Value> {
        match self {
            Self::Accepted => None,
            Self::Duration => trace.duration_ms.map(Value::from),
            Self::Working => trace.working_ms.map(Value::from),
            Self::Waiting => trace.waiting_ms.map(Value::from),
            Self::Tokens => trace.usage.total_tokens.map(Value::from),
            Self::Cost => trace.usage.cost_usd.map(Value::from),
        }
    }
}

impl TracesQuery {
    /// The names of its parameters; `KEY` stands for any key.
    pub const PARAMETERS: &[&str] = filter_parameters!["sort", "limit", "cursor"];

    /// Reads a query string whose escapes are undone. Names that it does not know are for the caller to refuse.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        let sort = TracesSort::read(&mut given);
        let query = Self {
            filter: RunFilter::read(&mut given),
            sort,
            limit: given.number("limit", 1, TRACES_MAX as u64).and_then(|limit| usize::try_from(limit).ok()),
            cursor: cursor(&mut given),
        };
        given.finish(query)
    }

    /// The statement that finds the page, one row more than fits in it.
    pub fn to_statement<'a>(&self, tenants: impl Into<Tenants<'a>>) -> Statement {
        let mut builder = Builder::new(SELECT);
        builder.choose(tenants.into(), &self.filter);
        builder.since(self.filter.since);
        let (until, cursor) = (self.filter.until, self.cursor.as_ref());
        let figure = self.sort.figure();
        match (figure, cursor) {
            (None, Some(cursor)) if cursor.accepted_at < until.unwrap_or(u64::MAX) => {
                // One bound at each end, because a search by key uses no more.
                builder.push(&[" AND (accepted_at, trace_id) < ("]).bind(whole(cursor.accepted_at));
                builder.push(&[", "]).bind(text(&cursor.trace_id)).push(&[")"]);
            }
            (Some(figure), Some(cursor)) => {
                builder.until(until).push(&[" AND (coalesce(", figure, ", -1), accepted_at, trace_id) < ("]);
                builder.bind(Param::Float(cursor.figure.unwrap_or(-1.0)));
                builder.push(&[", "]).bind(whole(cursor.accepted_at));
                builder.push(&[", "]).bind(text(&cursor.trace_id)).push(&[")"]);
            }
            (_, None) | (None, Some(_)) => {
                builder.until(until);
            }
        }
        builder.push(&[" ORDER BY "]);
        if let Some(figure) = figure {
            builder.push(&["coalesce(", figure, ", -1) DESC, "]);
        }
        builder.push(&["accepted_at DESC, trace_id DESC LIMIT "]).bind(whole(self.limit() as u64 + 1));
        builder.finish()
    }

    /// The page that the rows of the statement make, those of each database in their order.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn page(&self, rows: Vec<Value>) -> Result<TracesPage, UnexpectedRow> {
        let mut traces: Vec<TraceSummary> = Vec::with_capacity(rows.len());
        for row in rows {
            let trace = summary(row)?;
            let place = traces.partition_point(|before| !self.comes_before(&trace, before));
            let is_known = place > 0 && traces[place - 1].trace_id == trace.trace_id;
            if !is_known {
                traces.insert(place, trace);
            }
        }
        let has_more = traces.len() > self.limit();
        traces.truncate(self.limit());
        let last = traces.last().filter(|_| has_more);
        let next = last.map(|last| {
            let place = [&last.accepted_at.to_string(), "-", &last.trace_id].concat();
            match (self.sort.figure(), self.sort.figure_of(last)) {
                (None, _) => place,
                (Some(_), Some(figure)) => [&figure.to_string(), "-", &place].concat(),
                (Some(_), None) => ["unknown-", &place].concat(),
            }
        });
        Ok(TracesPage { traces, next })
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(TRACES_DEFAULT)
    }

    /// As the statement sorts.
    fn comes_before(&self, one: &TraceSummary, other: &TraceSummary) -> bool {
        let figure = |trace| self.sort.figure_of(trace).and_then(|figure| figure.as_f64()).unwrap_or(-1.0);
        let key = |trace| (figure(trace), trace.accepted_at, &trace.trace_id);
        key(one) > key(other)
    }
}

impl TracesCursor {
    /// Of another order it begins where that figure would stand in this one.
    fn parse(cursor: &str) -> Option<Self> {
        let (place, trace_id) = cursor.rsplit_once('-')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = trace_id.len() == TRACE_ID_DIGITS && trace_id.bytes().all(is_digit);
        let (figure, accepted_at) = match place.rsplit_once('-') {
            None => (None, place),
            Some(("unknown", accepted_at)) => (None, accepted_at),
            // A cost may have an exponent with a minus of its own.
            Some((figure, accepted_at)) => (Some(number(figure)?), accepted_at),
        };
        is_id.then_some(Self { figure, accepted_at: digits(accepted_at)?, trace_id: trace_id.to_owned() })
    }
}

fn cursor(given: &mut Parameters<'_>) -> Option<TracesCursor> {
    let cursor = TracesCursor::parse(given.value("cursor")?);
    if cursor.is_none() {
        given.fault("cursor", "must be the `next` of an earlier page");
    }
    cursor
}

/// Read by JSON's reader: the wasm has no other one of floats.
fn number(figure: &str) -> Option<f64> {
    serde_json::from_slice::<Value>(figure.as_bytes()).ok()?.as_f64().filter(|figure| *figure >= 0.0)
}

fn summary(row: Value) -> Result<TraceSummary, UnexpectedRow> {
    let mut row = Row::new(row)?;
    let accepted_at = row.whole("accepted_at")?;
    let ended_at = row.whole_or_null("ended_at")?;
    let models = row.text("model")?;
    let (model, answered_by) = match models.split_once(TAKEN_OVER_BY) {
        Some((model, latest)) => (model.to_owned(), Some(latest.to_owned())),
        None => (models, None),
    };
    let duration_ms = ended_at.map(|at| at.saturating_sub(accepted_at));
    let waiting_ms = row.whole("waiting_ms")?;
    let failed_models = row.text("failed_models")?;
    let failed_models =
        failed_models.split(',').filter(|model| !model.is_empty()).map(str::to_owned).collect();
    Ok(TraceSummary {
        tenant: row.text("tenant")?,
        trace_id: row.text("trace_id")?,
        session: row.text("session")?,
        run: row.whole("run")?,
        status: row.text("status")?,
        stop_reason: row.text_or_null("stop_reason")?,
        error_type: row.text_or_null("error_type")?,
        agent: row.text("agent")?,
        model,
        answered_by,
        task: row.text_or_null("task")?,
        result: row.text_or_null("result")?,
        metadata: row.object("metadata")?,
        iterations: row.whole("iterations")?,
        attempts: row.whole("attempts")?,
        resumed: row.whole("resumed")?,
        usage: Usage {
            input_tokens: row.whole_or_null("input_tokens")?,
            output_tokens: row.whole_or_null("output_tokens")?,
            total_tokens: row.whole_or_null("total_tokens")?,
            cost_usd: row.number_or_null("cost_usd")?,
            ..Usage::default()
        },
        accepted_at,
        started_at: row.whole_or_null("started_at")?,
        ended_at,
        duration_ms,
        working_ms: duration_ms.map(|ms| ms.saturating_sub(waiting_ms)),
        waiting_ms: duration_ms.map(|ms| ms.min(waiting_ms)),
        failed_models,
    })
}
