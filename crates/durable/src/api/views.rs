use longhaul_core::{
    CallId, FinishReason, Lane, LaneState, Message, Phase, Run, RunError, RunId, RunStatus, Seq, Session,
    StopReason, TimeMs, Usage, limits::TOKEN_BYTES_MIN,
};
use longhaul_trace::{Origin, trace_id};
use serde::Serialize;

use super::auth::Access;
use crate::{
    agent::{Agent, Agents},
    config::Config,
};

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
    /// What each model of a comparison said, in the order of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comparison: Vec<LaneView<'a>>,
}

/// One model of a comparison.
#[derive(Debug, Serialize)]
struct LaneView<'a> {
    model: &'a str,
    call: CallId,
    status: RunStatus,
    attempts: u32,
    text: Option<&'a str>,
    error: Option<&'a RunError>,
    finish_reason: Option<FinishReason>,
    usage: Option<&'a Usage>,
    latency_ms: Option<u64>,
    time_to_first_chunk_ms: Option<u64>,
}

impl<'a> LaneView<'a> {
    fn new(session: &'a Session, run: &Run, lane: &'a Lane) -> Self {
        let answer = match &lane.state {
            LaneState::Answered(answer) => Some(answer),
            _ => None,
        };
        let status = match &lane.state {
            LaneState::Answered(_) => RunStatus::Succeeded,
            LaneState::Failed(_) => RunStatus::Failed,
            // A run that is over and was not cancelled ran out of time.
            _ if run.status() == RunStatus::Cancelled => RunStatus::Cancelled,
            _ if !run.is_open() => RunStatus::Failed,
            LaneState::Calling => RunStatus::Running,
            LaneState::BackingOff(_) => RunStatus::Waiting,
        };
        Self {
            model: &lane.model,
            call: lane.call.call,
            status,
            attempts: lane.call.attempt,
            text: answer.map(|answer| session.lane_text(answer)),
            error: match &lane.state {
                LaneState::Failed(error) => Some(error),
                _ => None,
            },
            finish_reason: answer.map(|answer| answer.finish_reason),
            usage: answer.map(|answer| &answer.usage),
            latency_ms: answer.map(|answer| answer.latency_ms),
            time_to_first_chunk_ms: answer.and_then(|answer| answer.time_to_first_chunk_ms),
        }
    }
}

impl<'a> RunView<'a> {
    pub(crate) fn new(origin: Origin<'_>, id: &'a str, session: &'a Session, run: &'a Run) -> Self {
        let (stop_reason, result, error) = match &run.phase {
            Phase::Ended { stop_reason, result, error, .. } => {
                (Some(*stop_reason), result.as_deref(), error.as_ref())
            }
            _ => (None, None, None),
        };
        Self {
            session: id,
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
            trace_id: trace_id(origin, run.id).to_string(),
            comparison: run.lanes.iter().map(|lane| LaneView::new(session, run, lane)).collect(),
        }
    }
}

/// The answer to a run that was accepted, the same for a replay of its key.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted<'a> {
    session: &'a str,
    run: RunId,
    status: RunStatus,
    trace_id: String,
    links: Links,
}

#[derive(Debug, Serialize)]
struct Links {
    #[serde(rename = "self")]
    this: String,
    events: String,
    messages: String,
    trace: String,
    cancel: String,
}

impl<'a> Accepted<'a> {
    pub(crate) fn new(origin: Origin<'_>, session: &'a str, run: RunId) -> Self {
        let base = format!("/v1/sessions/{session}");
        let this = location(session, run);
        let links = Links {
            events: format!("{base}/events"),
            messages: format!("{base}/messages"),
            trace: format!("{this}/trace"),
            cancel: format!("{base}/cancel"),
            this,
        };
        let trace_id = trace_id(origin, run).to_string();
        Self { session, run, status: RunStatus::Queued, trace_id, links }
    }
}

/// The path of a run.
pub(crate) fn location(session: &str, run: RunId) -> String {
    format!("/v1/sessions/{session}/runs/{run}")
}

#[derive(Debug, Serialize)]
struct SessionView<'a> {
    session: &'a str,
    status: Option<RunStatus>,
    created_at: Option<TimeMs>,
    seq: Seq,
    runs: [(); 0],
}

/// The session as JSON, up to where the list of its [`runs`] begins.
pub(crate) fn session_head(id: &str, session: &Session) -> String {
    let view = SessionView {
        session: id,
        status: session.open_runs().next().or(session.runs().last()).map(Run::status),
        created_at: session.runs().first().map(|run| run.accepted_at),
        seq: session.head(),
        runs: [],
    };
    let mut text = serde_json::to_string(&view).expect("the view has string keys and whole numbers only");
    text.truncate(text.len() - "]}".len());
    text
}

/// The first `count` runs of the session, the newest first.
pub(crate) fn runs<'a>(
    object: &'a str,
    id: &'a str,
    session: &'a Session,
    count: usize,
) -> impl Iterator<Item = RunView<'a>> {
    let runs = session.runs().iter().take(count).rev();
    let origin = Origin { object, life: session.life() };
    runs.map(move |run| RunView::new(origin, id, session, run))
}

/// A message of the conversation.
#[derive(Debug, Serialize)]
pub(crate) struct MessageView<'a> {
    run: RunId,
    #[serde(flatten)]
    message: &'a Message,
}

/// The conversation, oldest first.
pub(crate) fn messages(session: &Session) -> impl Iterator<Item = MessageView<'_>> {
    session.conversation().into_iter().map(|(run, message)| MessageView { run, message })
}

/// The Worker lives.
#[derive(Debug, Serialize)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
    /// What is unsafe in the deployment, for the tenant that it concerns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Something unsafe that works.
#[derive(Debug, Serialize)]
struct Warning {
    code: &'static str,
    detail: String,
}

impl Health {
    /// What anybody sees.
    pub(crate) fn new() -> Self {
        Self { status: "ok", version: env!("CARGO_PKG_VERSION"), warnings: Vec::new() }
    }

    /// What a tenant sees: of no other tenant is it said that a token can be guessed.
    pub(crate) fn for_tenant(tenant: &str, access: &Access) -> Self {
        let is_short = access.tenants_with_short_tokens().contains(tenant);
        let warning = || Warning {
            code: "short_token",
            detail: format!(
                "a token of `{tenant}` has fewer than {TOKEN_BYTES_MIN} bytes and can be guessed: make a new one \
                 (`openssl rand -base64 32`)"
            ),
        };
        Self { warnings: is_short.then(warning).into_iter().collect(), ..Self::new() }
    }
}

/// What a form needs to know of the deployment.
#[derive(Debug, Serialize)]
pub(crate) struct AgentsView<'a> {
    tenant: &'a str,
    agents: Vec<AgentView<'a>>,
    default_model: Option<&'a str>,
    index: bool,
}

#[derive(Debug, Serialize)]
struct AgentView<'a> {
    name: &'a str,
    model: Option<&'a str>,
    max_iterations: u32,
}

impl<'a> AgentsView<'a> {
    pub(crate) fn new(tenant: &'a str, agents: &'a Agents, config: &'a Config) -> Self {
        let view = |agent: &'a Agent| AgentView {
            name: &agent.name,
            model: agent.model.as_deref(),
            max_iterations: agent.max_iterations,
        };
        Self {
            tenant,
            agents: agents.iter().map(view).collect(),
            default_model: config.default_model.as_deref(),
            index: config.has_index,
        }
    }
}
