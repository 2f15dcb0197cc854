use longhaul_core::{RunStatus, TimeMs, Usage, limits};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    parameters::{Parameters, QueryFaults, whole as digits},
    row::{Row, UnexpectedRow},
    statement::{Param, Statement},
    write::{TAKEN_OVER_BY, json, metadata_member, status_word, text, whole},
};

/// Traces in one page at most.
pub const TRACES_MAX: usize = 200;
/// Traces in one page when `limit` is absent.
pub const TRACES_DEFAULT: usize = 50;
/// The text that is looked for, in bytes.
pub const Q_BYTES_MAX: usize = 256;
/// `metadata.KEY=VALUE` in one query.
pub const METADATA_FILTERS_MAX: usize = 8;
/// What a name of such a parameter begins with.
const METADATA_PREFIX: &str = "metadata.";
/// Hex digits of a trace's id.
const TRACE_ID_DIGITS: usize = 32;

const STATUSES: [RunStatus; 6] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Waiting,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];

const SELECT: &str = "\
SELECT accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, iterations, attempts, \
resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, metadata, task, result \
FROM traces WHERE tenant = ";

/// What `GET /v1/traces` asks for. Every part that is there narrows the answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TracesQuery {
    /// One of these statuses; any when empty.
    pub statuses: Vec<RunStatus>,
    /// The model's full name, or one model of a comparison, or the one that took a run over.
    pub model: Option<String>,
    /// The agent's name.
    pub agent: Option<String>,
    /// A text in the task or the result; letters of ASCII match in either case.
    pub q: Option<String>,
    /// The session's id.
    pub session: Option<String>,
    /// Labels: key, and value as text.
    pub metadata: Vec<(String, String)>,
    /// Accepted then or later.
    pub since: Option<TimeMs>,
    /// Accepted earlier.
    pub until: Option<TimeMs>,
    /// Traces in the page; the default where it is `None`.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<TracesCursor>,
}

/// The last trace of a page; shown as `<accepted_at>-<trace_id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracesCursor {
    accepted_at: TimeMs,
    trace_id: String,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "TracePage"))]
pub struct TracesPage {
    /// The newest first.
    #[cfg_attr(feature = "schema", schemars(length(max = TRACES_MAX)))]
    pub traces: Vec<TraceSummary>,
    /// The `cursor` of the next page; `None` in the last one.
    pub next: Option<String>,
}

/// A run in the index. What is unknown, or not let out, is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TraceSummary {
    /// 32 hex digits.
    pub trace_id: String,
    /// The session's id.
    pub session: String,
    /// The run's number in its session.
    pub run: u64,
    /// Where it stands.
    #[cfg_attr(feature = "schema", schemars(with = "RunStatus"))]
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
    /// From acceptance to the end, in milliseconds.
    pub duration_ms: Option<u64>,
}

impl TracesQuery {
    /// Reads a query string whose escapes are undone. Names that it does not know are ignored.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        let query = Self {
            statuses: statuses(&mut given),
            // Room for the whole of a comparison's `model`, as an answer has it.
            model: given.text("model", limits::COMPARED_MODELS_MAX * (limits::NAME_BYTES_MAX + 1)),
            agent: given.text("agent", limits::NAME_BYTES_MAX),
            q: given.text("q", Q_BYTES_MAX),
            session: given.text("session", limits::ID_BYTES_MAX),
            metadata: metadata(&mut given),
            since: given.time("since"),
            until: given.time("until"),
            limit: given.number("limit", 1, TRACES_MAX as u64).and_then(|limit| usize::try_from(limit).ok()),
            cursor: cursor(&mut given),
        };
        given.finish(query)
    }

    /// The statement that finds the page, one row more than fits in it.
    pub fn to_statement(&self, tenant: &str) -> Statement {
        let mut builder = Builder { sql: SELECT.to_owned(), params: Vec::new() };
        builder.bind(text(tenant));
        builder.times(self);
        for (column, value) in [("agent", &self.agent), ("session", &self.session)] {
            if let Some(value) = value {
                builder.push(&[" AND ", column, " = "]).bind(text(value));
            }
        }
        if let Some((first, rest)) = self.statuses.split_first() {
            builder.push(&[" AND status IN ("]).bind(text(status_word(*first)));
            for status in rest {
                builder.push(&[", "]).bind(text(status_word(*status)));
            }
            builder.push(&[")"]);
        }
        if let Some(model) = &self.model {
            let member = [",", model, ","].concat();
            builder.push(&[" AND instr(',' || model || ',', "]).bind(text(member)).push(&[")"]);
        }
        for (key, value) in &self.metadata {
            builder.metadata(key, value);
        }
        if let Some(q) = &self.q {
            let q = q.to_ascii_lowercase();
            builder.push(&[" AND (instr(lower(task), "]).bind(text(&q));
            builder.push(&[") OR instr(lower(result), "]).bind(text(q)).push(&["))"]);
        }
        builder
            .push(&[" ORDER BY accepted_at DESC, trace_id DESC LIMIT "])
            .bind(whole(self.limit() as u64 + 1));
        Statement { sql: builder.sql, params: builder.params }
    }

    /// The page that the statement's rows make.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn page(&self, rows: Vec<Value>) -> Result<TracesPage, UnexpectedRow> {
        let has_more = rows.len() > self.limit();
        let traces: Vec<TraceSummary> =
            rows.into_iter().take(self.limit()).map(summary).collect::<Result<_, _>>()?;
        let last = traces.last().filter(|_| has_more);
        let next = last.map(|last| [&last.accepted_at.to_string(), "-", &last.trace_id].concat());
        Ok(TracesPage { traces, next })
    }

    fn limit(&self) -> usize {
        self.limit.unwrap_or(TRACES_DEFAULT)
    }
}

impl TracesCursor {
    fn parse(cursor: &str) -> Option<Self> {
        let (accepted_at, trace_id) = cursor.split_once('-')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_id = trace_id.len() == TRACE_ID_DIGITS && trace_id.bytes().all(is_digit);
        is_id.then_some(Self { accepted_at: digits(accepted_at)?, trace_id: trace_id.to_owned() })
    }
}

/// A statement in the making.
struct Builder {
    sql: String,
    params: Vec<Param>,
}

impl Builder {
    fn push(&mut self, parts: &[&str]) -> &mut Self {
        self.sql.extend(parts.iter().copied());
        self
    }

    fn bind(&mut self, param: Param) -> &mut Self {
        self.params.push(param);
        let place = self.params.len().to_string();
        self.push(&["?", &place])
    }

    /// One bound at each end, because a search by key uses no more.
    fn times(&mut self, query: &TracesQuery) {
        if let Some(since) = query.since {
            self.push(&[" AND accepted_at >= "]).bind(whole(since));
        }
        let until = query.until.unwrap_or(u64::MAX);
        match &query.cursor {
            Some(cursor) if cursor.accepted_at < until => {
                self.push(&[" AND (accepted_at, trace_id) < ("]).bind(whole(cursor.accepted_at));
                self.push(&[", "]).bind(text(&cursor.trace_id)).push(&[")"]);
            }
            _ if query.until.is_some() => {
                self.push(&[" AND accepted_at < "]).bind(whole(until));
            }
            _ => {}
        }
    }

    /// `42` is the string and the number.
    fn metadata(&mut self, key: &str, value: &str) {
        let scalar: Option<Value> = serde_json::from_slice(value.as_bytes()).ok();
        let is_plain = |scalar: &Value| scalar.is_number() || scalar.is_boolean() || scalar.is_null();
        let as_string = metadata_member(key, &Value::from(value));
        self.push(&[" AND (instr(metadata, "]).bind(text(as_string)).push(&[")"]);
        if let Some(scalar) = scalar.filter(is_plain).filter(|scalar| json(scalar) == value) {
            self.push(&[" OR instr(metadata, "]).bind(text(metadata_member(key, &scalar))).push(&[")"]);
        }
        self.push(&[")"]);
    }
}

fn statuses(given: &mut Parameters<'_>) -> Vec<RunStatus> {
    let Some(words) = given.value("status") else { return Vec::new() };
    let known = |word: &str| STATUSES.into_iter().find(|status| status_word(*status) == word);
    match words.split(',').map(known).collect::<Option<Vec<_>>>() {
        Some(named) => STATUSES.into_iter().filter(|status| named.contains(status)).collect(),
        None => {
            let all = STATUSES.map(status_word).join(", ");
            given.fault("status", ["must be one of ", &all, "; several with commas between them"].concat());
            Vec::new()
        }
    }
}

fn metadata(given: &mut Parameters<'_>) -> Vec<(String, String)> {
    let filters = given.with_prefix(METADATA_PREFIX);
    if filters.len() > METADATA_FILTERS_MAX {
        given.fault("metadata", format!("has more than {METADATA_FILTERS_MAX} filters"));
        return Vec::new();
    }
    for (key, value) in &filters {
        let name = [METADATA_PREFIX, key].concat();
        if key.is_empty() || key.len() > limits::METADATA_KEY_BYTES_MAX {
            given.fault(&name, format!("needs a key of 1 to {} bytes", limits::METADATA_KEY_BYTES_MAX));
        }
        if value.len() > limits::METADATA_VALUE_BYTES_MAX {
            given.fault(&name, format!("has more than {} bytes", limits::METADATA_VALUE_BYTES_MAX));
        }
    }
    filters.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn cursor(given: &mut Parameters<'_>) -> Option<TracesCursor> {
    let cursor = TracesCursor::parse(given.value("cursor")?);
    if cursor.is_none() {
        given.fault("cursor", "must be the `next` of an earlier page");
    }
    cursor
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
    Ok(TraceSummary {
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
        duration_ms: ended_at.map(|at| at.saturating_sub(accepted_at)),
    })
}
