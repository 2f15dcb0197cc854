use longhaul_core::{
    Message, Phase, Run, RunError, RunId, RunStatus, Session, StopReason, TimeMs, ToolCall, Usage,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A run as `api.md` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct RunView<'a> {
    session: &'a str,
    run: RunId,
    status: RunStatus,
    stop_reason: Option<StopReason>,
    result: Option<&'a str>,
    error: Option<&'a RunError>,
    agent: &'a str,
    model: &'a str,
    iterations: u32,
    attempts: u32,
    usage: &'a Usage,
    accepted_at: TimeMs,
    started_at: Option<TimeMs>,
    ended_at: Option<TimeMs>,
    trace_id: String,
}

impl<'a> RunView<'a> {
    pub(crate) fn new(object: &str, session: &'a str, run: &'a Run) -> Self {
        let (stop_reason, result, error) = match &run.phase {
            Phase::Ended { stop_reason, result, error, .. } => {
                (Some(*stop_reason), result.as_deref(), error.as_ref())
            }
            _ => (None, None, None),
        };
        Self {
            session,
            run: run.id,
            status: run.status(),
            stop_reason,
            result,
            error,
            agent: &run.agent,
            model: &run.model,
            iterations: run.iterations,
            attempts: run.attempts,
            usage: &run.usage,
            accepted_at: run.accepted_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            trace_id: trace_id(object, run.id),
        }
    }
}

/// The answer to a run that was accepted, the same for a replay of its key.
pub(crate) fn accepted(object: &str, session: &str, run: RunId) -> Value {
    let base = format!("/v1/sessions/{session}");
    json!({
        "session": session,
        "run": run,
        "status": "queued",
        "trace_id": trace_id(object, run),
        "links": {
            "self": location(session, run),
            "events": format!("{base}/events"),
            "messages": format!("{base}/messages"),
            "trace": format!("{base}/runs/{run}/trace"),
            "cancel": format!("{base}/cancel"),
        },
    })
}

/// The path of a run.
pub(crate) fn location(session: &str, run: RunId) -> String {
    format!("/v1/sessions/{session}/runs/{run}")
}

/// The session and its runs, newest first.
pub(crate) fn session(object: &str, id: &str, session: &Session) -> Value {
    let runs: Vec<_> = session.runs().iter().rev().map(|run| RunView::new(object, id, run)).collect();
    let status = session.open_runs().next().or(session.runs().last()).map(Run::status);
    let created_at = session.runs().first().map(|run| run.accepted_at);
    json!({ "session": id, "status": status, "created_at": created_at, "seq": session.head(), "runs": runs })
}

/// The conversation, oldest first.
pub(crate) fn messages(id: &str, session: &Session) -> Value {
    #[derive(Serialize)]
    struct View<'a> {
        run: RunId,
        role: longhaul_core::Role,
        content: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        tool_calls: &'a [ToolCall],
    }
    let view = |(run, message): (RunId, &'_ Message)| {
        let Message { role, content, tool_calls } = message;
        serde_json::to_value(View { run, role: *role, content, tool_calls })
            .expect("a message has string keys only")
    };
    let messages: Vec<Value> = session.conversation().into_iter().map(view).collect();
    json!({ "session": id, "messages": messages })
}

fn trace_id(object: &str, run: RunId) -> String {
    longhaul_trace::trace_id(object, run).to_string()
}
