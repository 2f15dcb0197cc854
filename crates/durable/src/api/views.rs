use std::borrow::Cow;

use longhaul_core::{
    Call, CallId, Effect, Ending, FinishReason, Message, RequestKind, Run, RunError, RunId, RunStatus, Seq,
    Session, StopReason, TimeMs, Usage, limits::TOKEN_BYTES_MIN,
};
use longhaul_trace::{Origin, trace_id};
use serde::Serialize;

use super::auth::{Access, Caller, Scope};
use crate::{
    agent::{Agent, Agents},
    config::Config,
    tool::Declared,
};

/// A run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Run"))]
pub(crate) struct RunView<'a> {
    /// Its session.
    session: &'a str,
    /// Its number in the session.
    run: RunId,
    /// Where it stands.
    status: RunStatus,
    /// The rule that ended it; null while it is open.
    stop_reason: Option<StopReason>,
    /// The last answer without its last line `DONE`; null in a comparison.
    result: Option<&'a str>,
    /// The result as JSON, which fits the run's `output_schema`; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    output: Option<serde_json::Value>,
    /// Why it failed; null otherwise.
    error: Option<&'a RunError>,
    /// The agent's name.
    agent: &'a str,
    /// The model that was asked for; those of a comparison, joined by commas.
    model: &'a str,
    /// The latest model that took the run over, of its fallbacks; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<&'a str>,
    /// Answers so far.
    iterations: u32,
    /// Attempts of calls, those that failed included.
    attempts: u32,
    /// Calls of tools that were made, however often each.
    tool_calls: u32,
    /// The sum over its calls.
    usage: &'a Usage,
    /// When it was stored.
    accepted_at: TimeMs,
    /// When its first call was promised.
    started_at: Option<TimeMs>,
    /// When it ended; null while it is open.
    ended_at: Option<TimeMs>,
    /// The id of its trace.
    trace_id: String,
    /// The tool calls that wait for a person; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<WaitingView<'a>>,
    /// What each model said, in the order of the request; absent in any other run than a comparison.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comparison: Vec<LaneView<'a>>,
}

/// A tool call that waits for a person.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Waiting"))]
struct WaitingView<'a> {
    /// The call.
    call: CallId,
    /// The `seq` of its `approval.requested`, which names the request.
    request: Seq,
    /// What is asked: whether the call is made, what became of it, what its server asks for, or to let that be used.
    kind: RequestKind,
    /// The tool's name.
    tool: &'a str,
    /// The arguments with which the call is made, once it is approved.
    arguments: &'a serde_json::Value,
    /// Their digest: SHA-256 over their RFC 8785 form, in lower-case hex; null where nobody made one.
    digest: Option<&'a str>,
    /// What the call does, in a sentence of the tool's own code; null where it has none.
    summary: Option<&'a str>,
    /// The rule that asks.
    rule: Option<&'a str>,
    /// The JSON Schema of the answer that the tool's server asks for; null where it asks for none.
    schema: Option<&'a serde_json::Value>,
    /// The page that a person is to visit; null where there is none.
    url: Option<&'a str>,
    /// When the time to decide is over; null where it never is.
    expires_at: Option<TimeMs>,
}

impl<'a> WaitingView<'a> {
    /// `None` for a call that waits for nobody.
    fn new(call: &'a Call) -> Option<Self> {
        let ((request, expires_at), ask) = (call.request()?, call.tool()?);
        Some(Self {
            call: call.id,
            request: request.seq,
            kind: request.kind,
            tool: &ask.tool,
            arguments: &ask.arguments,
            digest: request.digest.as_deref(),
            summary: request.summary.as_deref(),
            rule: request.rule.as_deref(),
            schema: request.schema.as_ref(),
            url: request.url.as_deref(),
            expires_at,
        })
    }
}

/// One model of a comparison.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ComparedModel"))]
struct LaneView<'a> {
    /// The model's full name.
    model: &'a str,
    /// Its call.
    call: CallId,
    /// Where its call stands.
    #[cfg_attr(test, schemars(with = "String", extend("enum" = ["running", "waiting", "succeeded", "failed", "cancelled"])))]
    status: RunStatus,
    /// Attempts of its call, those that failed included.
    attempts: u32,
    /// Its answer; null until then.
    text: Option<&'a str>,
    /// Why its call failed for good; null otherwise.
    error: Option<RunError>,
    /// Why the answer ended.
    finish_reason: Option<FinishReason>,
    /// What the answer used.
    usage: Option<&'a Usage>,
    /// From the request to the whole answer, in milliseconds.
    latency_ms: Option<u64>,
    /// From the request to the first chunk of text, in milliseconds.
    time_to_first_chunk_ms: Option<u64>,
}

impl<'a> LaneView<'a> {
    /// `call` is what the model was asked, where it was asked yet.
    fn new(session: &'a Session, run: &Run, model: &'a str, call: Option<&'a Call>) -> Self {
        let answer = call.and_then(Call::answer);
        let error = call.and_then(Call::error);
        let status = if answer.is_some() {
            RunStatus::Succeeded
        } else if error.is_some() {
            RunStatus::Failed
        } else if run.is_open() {
            let is_in_flight = call.is_some_and(Call::is_in_flight);
            if is_in_flight { RunStatus::Running } else { RunStatus::Waiting }
        } else if run.status() == RunStatus::Cancelled {
            RunStatus::Cancelled
        } else {
            // It ran out of time.
            RunStatus::Failed
        };
        Self {
            model,
            call: call.map_or(CallId(0), |call| call.id),
            status,
            attempts: call.map_or(0, |call| call.tries.attempt),
            text: answer.and(call).and_then(|call| session.transcript().answer(call)),
            error: error.map(|error| RunError::from(error.clone())),
            finish_reason: answer.map(|answer| answer.finish_reason),
            usage: answer.map(|answer| &answer.usage),
            latency_ms: answer.map(|answer| answer.latency_ms),
            time_to_first_chunk_ms: answer.and_then(|answer| answer.time_to_first_chunk_ms),
        }
    }
}

impl<'a> RunView<'a> {
    pub(crate) fn new(origin: Origin<'_>, id: &'a str, session: &'a Session, run: &'a Run) -> Self {
        let ending = run.ending();
        let asked = |model: &String| run.calls().iter().find(|call| call.model() == Some(model));
        Self {
            session: id,
            run: run.id,
            status: run.status(),
            stop_reason: ending.map(|ending| ending.stop_reason),
            result: ending.and_then(|ending| ending.result.as_deref()),
            output: ending.and_then(Ending::output),
            error: ending.and_then(|ending| ending.error.as_ref()),
            agent: &run.spec.agent,
            model: &run.spec.model,
            answered_by: run.answered_by(),
            iterations: run.iterations,
            attempts: run.attempts,
            tool_calls: run.tool_calls,
            usage: &run.usage,
            accepted_at: run.accepted_at,
            started_at: run.begun_at,
            ended_at: run.ended_at,
            trace_id: trace_id(origin, run.id).to_string(),
            waiting_for: run.calls().iter().filter_map(WaitingView::new).collect(),
            comparison: run
                .spec
                .models
                .iter()
                .map(|model| LaneView::new(session, run, model, asked(model)))
                .collect(),
        }
    }
}

/// A run that is stored. A request with the key of an earlier one gets the same answer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Accepted<'a> {
    /// The session of the run.
    session: &'a str,
    /// The run's number in its session.
    run: RunId,
    /// Where the run stood when it was stored.
    #[cfg_attr(test, schemars(with = "String", extend("const" = "queued")))]
    status: RunStatus,
    /// The id of the run's trace.
    trace_id: String,
    /// Where to look next.
    links: Links,
}

/// Paths of a run and of its session.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Links {
    /// The run.
    #[serde(rename = "self")]
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
    this: String,
    /// The events of the session.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
    events: String,
    /// The conversation.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
    messages: String,
    /// The trace of the run.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
    trace: String,
    /// Cancels the session.
    #[cfg_attr(test, schemars(extend("format" = "uri-reference")))]
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

/// A session and its runs, the newest first.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Session"))]
pub(crate) struct SessionView<'a> {
    /// Its id.
    session: &'a str,
    /// That of the run under way, or else of the last one.
    status: Option<RunStatus>,
    /// When its first run was stored.
    created_at: Option<TimeMs>,
    /// The position of the last event.
    seq: Seq,
    /// Its runs.
    #[cfg_attr(test, schemars(with = "Vec<RunView<'static>>"))]
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

/// A message and its run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ConversationMessage"))]
pub(crate) struct MessageView<'a> {
    /// The run that it belongs to.
    run: RunId,
    #[serde(flatten)]
    message: Cow<'a, Message>,
}

/// The conversation, oldest first.
pub(crate) fn messages(session: &Session) -> impl Iterator<Item = MessageView<'_>> {
    session.conversation().into_iter().map(|(run, message)| {
        let message = match &message.opaque {
            Some(_) => Cow::Owned(Message { opaque: None, ..message.clone() }),
            None => Cow::Borrowed(message),
        };
        MessageView { run, message }
    })
}

/// The Worker lives.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Health {
    /// Always `ok`.
    #[cfg_attr(test, schemars(extend("const" = "ok")))]
    status: &'static str,
    /// The version of the deployment.
    version: &'static str,
    /// What is unsafe in the deployment; of a tenant, and only for whoever sends its token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Something unsafe that works.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Warning {
    /// A word for programs.
    #[cfg_attr(test, schemars(extend("const" = "short_token")))]
    code: &'static str,
    /// What is unsafe, and what to do.
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

/// The tenants of a deployment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Tenants"))]
pub(crate) struct TenantsView<'a> {
    /// Those that a token names, by name.
    tenants: Vec<&'a str>,
}

impl<'a> TenantsView<'a> {
    pub(crate) fn new(access: &'a Access) -> Self {
        Self { tenants: access.tenants().into_iter().collect() }
    }
}

/// What a deployment offers to a tenant.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Deployment"))]
pub(crate) struct AgentsView<'a> {
    /// Whose token this is.
    tenant: &'a str,
    /// Whether it is an operator's, who sees every tenant.
    operator: bool,
    /// Its agents; the first one is the default.
    #[cfg_attr(test, schemars(length(min = 1)))]
    agents: Vec<AgentView<'a>>,
    /// The model of an agent that names none.
    default_model: Option<&'a str>,
    /// Whether the deployment has an index of traces.
    index: bool,
}

/// An agent of the deployment.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Agent"))]
struct AgentView<'a> {
    /// Its name.
    name: &'a str,
    /// What it is for; null where nobody said.
    description: Option<&'a str>,
    /// Its own model; null where it takes the default.
    model: Option<&'a str>,
    /// The models that take its runs over, one after the other.
    fallbacks: &'a [String],
    /// Answers per run at most, unless a run says less.
    #[cfg_attr(test, schemars(range(min = 1, max = longhaul_core::limits::AGENT_ITERATIONS_MAX)))]
    max_iterations: u32,
    /// What its runs may spend, unless a run says otherwise.
    limits: LimitsView,
    /// What its models may call, unless a run names fewer.
    tools: Vec<ToolView<'a>>,
    /// The MCP servers that each of its runs asks for further tools, by name.
    servers: Vec<String>,
    /// The JSON schema of its results, unless a run says otherwise; absent where they are any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    output_schema: Option<&'a serde_json::Value>,
}

/// What a run may spend; null where nothing bounds it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "AgentLimits"))]
struct LimitsView {
    /// Tokens of all calls.
    total_tokens: Option<u64>,
    /// US dollars of all calls.
    cost_usd: Option<f64>,
    /// Milliseconds from the acceptance to the end.
    deadline_ms: Option<u64>,
    /// Calls of tools.
    tool_calls: Option<u32>,
}

/// A tool of an agent.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Tool"))]
struct ToolView<'a> {
    /// Its name.
    name: &'a str,
    /// What it does, as a model reads it; null where nobody said.
    description: Option<&'a str>,
    /// What a crash may do to a call: a `read` changes nothing and an `idempotent` one does the same thing once, so they
    /// are made again; any other happens `once` at most.
    #[cfg_attr(test, schemars(with = "String", extend("enum" = ["read", "idempotent", "once"])))]
    effect: Effect,
    /// The JSON schema of its arguments, an object.
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    schema: &'a serde_json::Value,
}

impl<'a> AgentsView<'a> {
    pub(crate) fn new(caller: &Caller<'a>, agents: &'a Agents, config: &'a Config) -> Self {
        let tool = |tool: &'a Declared| ToolView {
            name: &tool.name,
            description: tool.description(),
            effect: tool.effect,
            schema: tool.schema(),
        };
        let view = |agent: &'a Agent| AgentView {
            name: &agent.name,
            description: agent.description.as_deref(),
            model: agent.model.as_deref(),
            fallbacks: &agent.fallbacks,
            max_iterations: agent.max_iterations,
            limits: LimitsView {
                total_tokens: agent.total_tokens,
                cost_usd: agent.cost_usd,
                deadline_ms: agent.deadline_ms,
                tool_calls: agent.tool_calls,
            },
            tools: agent.tools.iter().map(tool).collect(),
            servers: agents
                .servers_of(&config.mcp, &agent.name)
                .into_iter()
                .map(|server| server.name)
                .collect(),
            output_schema: agent.output_schema.as_ref(),
        };
        Self {
            tenant: caller.tenant,
            operator: caller.scopes.allow(Scope::Operator),
            agents: agents.iter().map(view).collect(),
            default_model: config.default_model.as_deref(),
            index: config.has_index,
        }
    }
}
