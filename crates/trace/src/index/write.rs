use std::borrow::Cow;

use longhaul_core::{RunStatus, StopReason, TimeMs};
use serde_json::Value;

use super::{
    counters::Counters,
    statement::{Param, Statement},
    tools,
};
use crate::{
    attributes::{effect_word, kind_word},
    content::{Capture, PREVIEW_CHARS, cut},
    fold::Trace,
    ids::TraceId,
};

/// A task or a result in the index, in bytes of UTF-8 as JSON; the note of what was cut off comes on top.
pub const INDEX_TEXT_BYTES_MAX: usize = 1024;
/// Runs that one statement of [`forget`] deletes.
const FORGOTTEN_MAX: usize = 500;
/// Milliseconds of an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;
/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
/// What stands in the column `model` between the model that was asked for and the one that took the run over. No model's
/// name has a line break.
pub(super) const TAKEN_OVER_BY: &str = ",\n,";
/// What JavaScript, and so D1, carries as a whole number.
const WHOLE_MAX: u64 = 1 << 53;

/// A row that has ended stays as it is, and news that come late do not put an open one back.
const UPSERT_TRACE: &str = "\
INSERT INTO traces (tenant, accepted_at, trace_id, session, run, status, stop_reason, error_type, agent, model, \
iterations, attempts, resumed, input_tokens, output_tokens, total_tokens, cost_usd, started_at, ended_at, metadata, \
task, result, waiting_ms, failed_models, models, tools) \
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, \
?25, ?26) \
ON CONFLICT (tenant, accepted_at, trace_id) DO UPDATE SET model = excluded.model, status = excluded.status, \
stop_reason = excluded.stop_reason, error_type = excluded.error_type, iterations = excluded.iterations, \
attempts = excluded.attempts, resumed = excluded.resumed, input_tokens = excluded.input_tokens, \
output_tokens = excluded.output_tokens, total_tokens = excluded.total_tokens, cost_usd = excluded.cost_usd, \
started_at = excluded.started_at, ended_at = excluded.ended_at, result = excluded.result, \
waiting_ms = excluded.waiting_ms, failed_models = excluded.failed_models, models = excluded.models, \
tools = excluded.tools \
WHERE traces.ended_at IS NULL AND (excluded.ended_at IS NOT NULL OR traces.attempts < excluded.attempts)";

/// Adds up number by number, the day and its hour, unless the run's row says that it was done.
const UPSERT_DAY: &str = "\
INSERT INTO model_days (tenant, day, model, counters, hours) \
SELECT ?1, ?4, ?5, ?6, json_object(?7, json(?6)) WHERE NOT EXISTS \
(SELECT 1 FROM traces WHERE tenant = ?1 AND accepted_at = ?2 AND trace_id = ?3 AND ended_at IS NOT NULL) \
ON CONFLICT (tenant, day, model) DO UPDATE SET counters = (SELECT json_group_object(key, total) FROM \
(SELECT key, sum(value) AS total FROM (SELECT key, value FROM json_each(model_days.counters) \
UNION ALL SELECT key, value FROM json_each(excluded.counters)) GROUP BY key)), \
hours = json_set(model_days.hours, '$.' || ?7, json((SELECT json_group_object(key, total) FROM \
(SELECT key, sum(value) AS total FROM (SELECT key, value FROM json_each(model_days.hours, '$.' || ?7) \
UNION ALL SELECT key, value FROM json_each(excluded.counters)) GROUP BY key))))";

/// The same for the calls of tools: one row, in the hour in which the run ended.
const UPSERT_TOOLS: &str = "\
INSERT INTO tool_hours (tenant, hour, counters) SELECT ?1, ?4, ?5 WHERE NOT EXISTS \
(SELECT 1 FROM traces WHERE tenant = ?1 AND accepted_at = ?2 AND trace_id = ?3 AND ended_at IS NOT NULL) \
ON CONFLICT (tenant, hour) DO UPDATE SET counters = (SELECT json_group_object(key, total) FROM \
(SELECT key, sum(value) AS total FROM (SELECT key, value FROM json_each(tool_hours.counters) \
UNION ALL SELECT key, value FROM json_each(excluded.counters)) GROUP BY key))";

/// A row that came late says nothing of a run that is over.
const INSERT_APPROVAL: &str = "\
INSERT INTO approvals (tenant, requested_at, session, seq, run, trace_id, call, kind, tool, agent, effect, rule, digest, \
by_another, expires_at, summary, arguments) \
SELECT ?1, ?4, ?5, ?6, ?7, ?3, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18 WHERE NOT EXISTS \
(SELECT 1 FROM traces WHERE tenant = ?1 AND accepted_at = ?2 AND trace_id = ?3 AND ended_at IS NOT NULL) \
ON CONFLICT (tenant, requested_at, session, seq) DO NOTHING";

/// Those of a run that somebody decided about, by when they were asked and where.
const DELETE_APPROVALS: &str = "\
DELETE FROM approvals WHERE tenant = ?1 AND (requested_at, session, seq) IN \
(SELECT value ->> 0, ?2, value ->> 1 FROM json_each(?3))";

/// Those of an erased session's runs. Only what is open is in the table, so that this reads little.
const FORGET_APPROVALS: &str = "\
DELETE FROM approvals WHERE tenant = ?1 AND trace_id IN (SELECT value ->> 1 FROM json_each(?2))";

/// One parameter for any number of rows, because D1 takes 100 per statement.
const DELETE_TRACES: &str = "\
DELETE FROM traces WHERE tenant = ?1 AND (accepted_at, trace_id) IN \
(SELECT value ->> 0, value ->> 1 FROM json_each(?2))";

/// The row of an open run, and the calls of it that wait for a person; nothing for one that has ended, which [`record`] writes.
///
/// Its status is `queued` or `running`: nobody writes again when a wait begins or ends.
pub fn announce(tenant: &str, trace: &Trace, capture: Capture) -> Vec<Statement> {
    if trace.ended_at.is_some() {
        return Vec::new();
    }
    let mut statements = approvals(tenant, trace, capture);
    statements.push(upsert_trace(tenant, trace, capture));
    statements
}

/// The statistics of a finished run's calls of models and tools, and its row, which comes last because it guards them against a repeat.
/// For an open run this is [`announce`].
pub fn record(tenant: &str, trace: &Trace, capture: Capture) -> Vec<Statement> {
    let Some(ended_at) = trace.ended_at else { return announce(tenant, trace, capture) };
    let mut hours: Vec<(TimeMs, &str, Counters)> = Vec::new();
    for span in trace.spans.iter().filter(|span| Counters::counts(span)) {
        let Some(model) = &span.model else { continue };
        let hour = span.started_at - span.started_at % HOUR_MS;
        let is_same = |other: &&mut (TimeMs, &str, Counters)| other.0 == hour && other.1 == model.model;
        match hours.iter_mut().find(is_same) {
            Some((_, _, counters)) => counters.take(span),
            None => {
                let mut counters = Counters::default();
                counters.take(span);
                hours.push((hour, &model.model, counters));
            }
        }
    }
    let mut statements: Vec<Statement> = hours
        .into_iter()
        .map(|(hour, model, counters)| {
            let mut params = key(tenant, trace);
            params.extend([
                whole(hour - hour % DAY_MS),
                text(model),
                text(json(&counters.to_members())),
                text(["h", &(hour % DAY_MS / HOUR_MS).to_string()].concat()),
            ]);
            Statement { sql: UPSERT_DAY.to_owned(), params }
        })
        .collect();
    statements.extend(approvals(tenant, trace, capture));
    let of_tools = tools::counters(&tools::of_run(trace));
    if !of_tools.is_empty() {
        let mut params = key(tenant, trace);
        params.extend([whole(ended_at - ended_at % HOUR_MS), text(json(&of_tools))]);
        statements.push(Statement { sql: UPSERT_TOOLS.to_owned(), params });
    }
    statements.push(upsert_trace(tenant, trace, capture));
    statements
}

/// The row of a finished run, once more: its calls are counted.
pub fn list_again(tenant: &str, trace: &Trace, capture: Capture) -> Statement {
    upsert_trace(tenant, trace, capture)
}

/// Deletes the rows of an erased session's runs, named by acceptance and trace. The statistics keep their calls.
pub fn forget(tenant: &str, runs: &[(TimeMs, TraceId)]) -> Vec<Statement> {
    let delete = |runs: &[(TimeMs, TraceId)]| {
        let keys: Vec<(TimeMs, String)> = runs.iter().map(|(at, id)| (*at, id.to_string())).collect();
        Statement { sql: DELETE_TRACES.to_owned(), params: vec![text(tenant), text(json(&keys))] }
    };
    let forget = |runs: &[(TimeMs, TraceId)]| {
        let rows = delete(runs);
        // The list ends with the runs: what it is for goes by its last statement.
        [Statement { sql: FORGET_APPROVALS.to_owned(), params: rows.params.clone() }, rows]
    };
    runs.chunks(FORGOTTEN_MAX).flat_map(forget).collect()
}

/// What goes to the databases that had the tenant's rows before its present one, once that has taken these statements:
/// a run that was written leaves them, and so does what is deleted. What they have counted stays counted there.
pub fn elsewhere(statements: &[Statement]) -> Vec<Statement> {
    let (mut deletions, mut tenant, mut moved) = (Vec::new(), None, Vec::new());
    for statement in statements {
        match (statement.sql.as_str(), &statement.params[..]) {
            (UPSERT_TRACE, [of, Param::Int(accepted_at), Param::Text(trace_id), ..]) => {
                tenant = Some(of);
                moved.push(Value::from(vec![Value::from(*accepted_at), Value::from(trace_id.as_str())]));
            }
            (DELETE_TRACES | FORGET_APPROVALS, _) => deletions.push(statement.clone()),
            _ => {}
        }
    }
    if let Some(tenant) = tenant {
        let params = vec![tenant.clone(), text(json(&moved))];
        deletions.push(Statement { sql: FORGET_APPROVALS.to_owned(), params: params.clone() });
        deletions.push(Statement { sql: DELETE_TRACES.to_owned(), params });
    }
    deletions
}

/// A whole number as a parameter.
pub(super) fn whole(number: u64) -> Param {
    Param::Int(i64::try_from(number.min(WHOLE_MAX)).expect("2^53 fits"))
}

/// A text as a parameter.
pub(super) fn text(text: impl Into<String>) -> Param {
    Param::Text(text.into())
}

/// The text of a status in the index and in the query.
pub(super) fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued => "queued",
        RunStatus::Running => "running",
        RunStatus::Waiting => "waiting",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
    }
}

/// A member of the metadata as the column has it. A string in JSON has no line break, so that one between two of them
/// is a whole member: a filter finds it as text, whatever its key is.
pub(super) fn metadata_member(key: &str, value: &Value) -> String {
    ["\n", &json(key), ":", &json(value), "\n"].concat()
}

/// JSON text.
pub(super) fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("it has string keys only")
}

fn upsert_trace(tenant: &str, trace: &Trace, capture: Capture) -> Statement {
    let is_waiting = trace.status == RunStatus::Waiting;
    let status = if is_waiting { RunStatus::Running } else { trace.status };
    let usage = trace.usage.counted().cloned().unwrap_or_default();
    let mut params = key(tenant, trace);
    params.extend([
        text(&trace.session),
        whole(trace.run.0.into()),
        text(status_word(status)),
        or_null(trace.stop_reason.map(StopReason::as_str), text),
        or_null(error_type(trace), text),
        text(&trace.agent),
        text(model_names(trace)),
        whole(trace.iterations.into()),
        whole(trace.attempts.into()),
        whole(trace.resumed.into()),
        or_null(usage.input_tokens, whole),
        or_null(usage.output_tokens, whole),
        or_null(usage.total_tokens, whole),
        or_null(usage.cost_usd.filter(|cost| cost.is_finite()), Param::Float),
        or_null(trace.called_at, whole),
        or_null(trace.ended_at, whole),
        text(metadata(trace)),
        or_null(captured(&trace.task, capture), text),
        or_null(trace.result.as_deref().and_then(|result| captured(result, capture)), text),
        whole(trace.waiting_ms().unwrap_or(0)),
        text(trace.failed_models().join(",")),
        text(json(&cell_of_models(trace))),
        text(json(&tools::cell(&tools::of_run(trace)))),
    ]);
    Statement { sql: UPSERT_TRACE.to_owned(), params }
}

/// What the models of a run come to, as the cell of its row.
fn cell_of_models(trace: &Trace) -> Value {
    let mut models: Vec<(&str, Counters)> = Vec::new();
    for span in trace.spans.iter().filter(|span| Counters::counts(span)) {
        let Some(model) = &span.model else { continue };
        let place = models.iter().position(|(name, _)| *name == model.model).unwrap_or_else(|| {
            models.push((&model.model, Counters::default()));
            models.len() - 1
        });
        models[place].1.take(span);
    }
    models.iter().map(|(name, counters)| counters.to_cell(name)).collect()
}

/// The model that was asked for, and the latest one that took the run over: a filter finds each between commas, as
/// those of a comparison.
fn model_names(trace: &Trace) -> Cow<'_, str> {
    match &trace.answered_by {
        Some(latest) => [&trace.model, TAKEN_OVER_BY, latest].concat().into(),
        None => Cow::Borrowed(&trace.model),
    }
}

/// The calls of a run that wait for a person come in, those that somebody decided about go out.
fn approvals(tenant: &str, trace: &Trace, capture: Capture) -> Vec<Statement> {
    let waits = trace.spans.iter().filter_map(|span| Some((span, span.wait.as_ref()?)));
    let (open, closed): (Vec<_>, Vec<_>) = waits.partition(|(span, _)| span.ended_at.is_none());
    let mut statements = Vec::new();
    if !closed.is_empty() {
        let keys: Vec<(TimeMs, u64)> =
            closed.iter().map(|(span, wait)| (span.started_at, wait.seq.0)).collect();
        let params = vec![text(tenant), text(&trace.session), text(json(&keys))];
        statements.push(Statement { sql: DELETE_APPROVALS.to_owned(), params });
    }
    statements.extend(open.into_iter().map(|(span, wait)| {
        let mut params = key(tenant, trace);
        params.extend([
            whole(span.started_at),
            text(&trace.session),
            whole(wait.seq.0),
            whole(trace.run.0.into()),
            whole(wait.call.0.into()),
            text(kind_word(wait.kind)),
            text(&wait.tool),
            text(&trace.agent),
            or_null(wait.effect.map(effect_word), text),
            or_null(wait.rule.as_deref(), text),
            or_null(wait.digest.as_deref(), text),
            whole(wait.by_another.into()),
            or_null(wait.expires_at, whole),
            or_null(wait.summary.as_deref().and_then(|summary| captured(summary, capture)), text),
            or_null(captured(&wait.arguments.to_string(), capture), text),
        ]);
        Statement { sql: INSERT_APPROVAL.to_owned(), params }
    }));
    statements
}

/// A JSON object of [`metadata_member`]s.
fn metadata(trace: &Trace) -> String {
    let mut json = "{".to_owned();
    for (key, value) in &trace.metadata {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&metadata_member(key, value));
    }
    json.push('}');
    json
}

/// The first parameters of the statements that write: the key of the run's row.
fn key(tenant: &str, trace: &Trace) -> Vec<Param> {
    vec![text(tenant), whole(trace.started_at), text(trace.trace_id.to_string())]
}

/// Of a failed run: what its last call came to where that is the reason, else the rule that ended it.
fn error_type(trace: &Trace) -> Option<&'static str> {
    let reason = trace.stop_reason.filter(|_| trace.status == RunStatus::Failed)?;
    let of_a_call = match reason {
        StopReason::EmptyResponse | StopReason::ModelRefused | StopReason::ModelUnavailable => {
            let mut calls = trace.spans.iter().rev().filter(|span| span.model.is_some());
            calls.find_map(|span| span.error_type)
        }
        StopReason::Done
        | StopReason::FinishTool
        | StopReason::MaxIterations
        | StopReason::BudgetTokens
        | StopReason::BudgetCost
        | StopReason::BudgetToolCalls
        | StopReason::Deadline
        | StopReason::Cancelled
        | StopReason::ToolFailed
        | StopReason::ToolInDoubt
        | StopReason::LoopDetected
        | StopReason::ApprovalExpired
        | StopReason::OutputInvalid
        | StopReason::Denied => None,
    };
    Some(of_a_call.unwrap_or(reason.as_str()))
}

fn captured(content: &str, capture: Capture) -> Option<Cow<'_, str>> {
    let (chars_max, mut left) = match capture {
        Capture::Full => (usize::MAX, INDEX_TEXT_BYTES_MAX),
        Capture::Preview => (PREVIEW_CHARS, usize::MAX),
        Capture::Off => return None,
    };
    Some(cut(content, chars_max, &mut left))
}

fn or_null<T>(value: Option<T>, param: impl FnOnce(T) -> Param) -> Param {
    value.map_or(Param::Null, param)
}
