use std::{collections::BTreeMap, rc::Rc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{
    entry::{Cause, Idempotency, Observed, Timing},
    fault::Fault,
    ids::{CallId, CallRef, RunId, Seq, TimeMs},
    limits,
    message::ModelAnswer,
    settings::RunSettings,
    tool::{Dropped, Resumption, ToolAsk, ToolError, ToolOffer},
};

/// What the edge reads once per input: the only time and the only chance that the core sees.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The wall clock.
    pub now: TimeMs,
    /// Random bits: for jitter, sampling, and the life of a session that begins.
    pub seed: u64,
}

/// What happened outside.
#[derive(Debug, Clone)]
#[cfg_attr(
    target_pointer_width = "64",
    expect(clippy::large_enum_variant, reason = "an input is made once, and moved into its decision")
)]
pub enum Input {
    /// Somebody posted a task.
    Accept(NewRun),
    /// Somebody says something to the run that is under way.
    Steer(Steer),
    /// Somebody cancelled the session's runs.
    Cancel {
        /// The tenant.
        by: String,
    },
    /// A model call's attempt brought a whole answer.
    Answered {
        /// Which attempt.
        call: CallRef,
        /// The answer.
        answer: ModelAnswer,
        /// When.
        timing: Timing,
        /// What was seen beside it.
        observed: Observed,
    },
    /// A model call's attempt failed.
    Failed {
        /// Which attempt.
        call: CallRef,
        /// Why.
        fault: Fault,
        /// When.
        timing: Timing,
        /// What was seen beside it.
        observed: Observed,
    },
    /// A tool call's attempt came to an end.
    Returned {
        /// Which attempt.
        call: CallRef,
        /// How.
        outcome: ToolOutcome,
        /// When.
        timing: Timing,
        /// What was seen beside it.
        observed: Observed,
    },
    /// A tool said what became of a call that was cut off.
    Reconciled {
        /// Which attempt.
        call: CallRef,
        /// What it found.
        found: Found,
        /// When.
        timing: Timing,
    },
    /// A person decided about a tool call that waits for them.
    Decided {
        /// The call.
        call: CallId,
        /// The request, by the position of its entry; the open one of the call when absent.
        request: Option<Seq>,
        /// What they decided.
        decision: Decision,
        /// The digest of the arguments that they saw.
        digest: Option<String>,
        /// Who.
        by: String,
    },
    /// A person let the deployment use a server: the calls that wait for that are made once more.
    Authorized {
        /// The server.
        server: String,
        /// Who.
        by: String,
    },
    /// The session was replayed: what was promised and not answered is made again.
    Resume(Cause),
    /// Time passed: what is due begins.
    Tick,
    /// A sink that takes a trace in several requests has one part.
    PartSent {
        /// The run.
        run: RunId,
        /// The sink.
        sink: String,
        /// Which part: `trace`, or the id of a span in hex.
        part: String,
        /// What the sink calls it.
        remote_id: String,
    },
    /// A sink took the trace of a run, or an event of it.
    Flushed {
        /// The run.
        run: RunId,
        /// The sink.
        sink: String,
        /// The event; `None` where it is the trace.
        event: Option<Seq>,
        /// What it says to that.
        receipt: Receipt,
    },
    /// A sink did not take the trace of a run, or an event of it.
    FlushFailed {
        /// The run.
        run: RunId,
        /// The sink.
        sink: String,
        /// The event; `None` where it is the trace.
        event: Option<Seq>,
        /// What it said.
        failure: SinkFailure,
    },
}

/// How an attempt of a tool call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolOutcome {
    /// With a result.
    Done(Value),
    /// It has none, and says why: the model is told.
    Failed(ToolError),
    /// Something failed that may pass; a tool that may happen once says with it that nothing happened.
    Retry {
        /// Why.
        message: String,
        /// How long to wait at least, in milliseconds.
        after_ms: Option<u64>,
    },
    /// The run cannot go on, and why.
    Fatal(String),
    /// A server said which tools it has.
    Listed(Box<Listed>),
    /// The call goes on at its server: it is to be gone on with.
    Pending(Box<Pending>),
    /// The server wants a person to let the deployment use it. Nothing was done.
    Unauthorized {
        /// The page on which they do.
        url: String,
        /// What it is about, in a sentence.
        message: String,
    },
    /// It was stopped under way: whether it did anything is unknown, as after a death.
    CutOff,
}

/// The tools of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// As the run is to be offered them, in the server's order.
    pub tools: Vec<ToolOffer>,
    /// What the server has besides, and why the run is not offered it.
    pub dropped: Vec<Dropped>,
    /// Names of tools that are not what they were when the tenant saw them last.
    pub changed: Vec<String>,
    /// The digest of all definitions.
    pub digest: Option<String>,
}

/// A call that goes on at its server.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// What it is gone on with.
    pub handle: Value,
    /// Whether going on twice does no more than once.
    pub is_repeatable: bool,
    /// What it waits for.
    pub wait: Wait,
}

/// What a call waits for that goes on at its server.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// To be looked after, in so many milliseconds.
    Poll {
        /// The milliseconds.
        after_ms: u64,
    },
    /// A person.
    Input {
        /// What they are asked: data of the server's.
        message: String,
        /// The schema of their answer, an object's; only a yes where there is none.
        schema: Option<Value>,
        /// The page that they are to visit.
        url: Option<String>,
    },
}

/// What became of a tool call that was cut off.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It was done, with this result.
    Done(Value),
    /// It was not done.
    NotDone,
    /// Nobody knows.
    Unknown,
}

/// What a person decides about a tool call.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is made.
    Approve {
        /// With these arguments instead of the model's.
        arguments: Option<Value>,
    },
    /// It was cut off: this is its result.
    Settle {
        /// What the model is told, as a person's word.
        result: Value,
    },
    /// It was cut off, or the server can be used now: it is made once more.
    Retry,
    /// Its server asks for something: this is it.
    Answer {
        /// An object that fits the request's schema.
        input: Value,
    },
    /// It is not made, and the model is told.
    Deny {
        /// Why.
        reason: Option<String>,
    },
}

/// What a sink says to a trace that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Spans that it has now.
    pub spans: u32,
    /// Spans that it rejected for good.
    pub rejected: u32,
    /// What it says about them, or warns of.
    pub message: Option<String>,
}

impl Receipt {
    /// The receipt for a trace of which nothing was rejected.
    pub fn whole(spans: u32) -> Self {
        Self { spans, rejected: 0, message: None }
    }
}

/// Why a trace was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkFailure {
    /// It may be taken later.
    Transient {
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// How long the sink asked to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// A quota is used up: the sink takes it once that begins anew.
    Quota {
        /// The HTTP status.
        status: u16,
        /// When the quota begins anew.
        resumes_at: TimeMs,
    },
    /// It will never be taken: the delivery is parked.
    Permanent {
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
    },
}

/// A run that is to be accepted. Its values were checked at the edge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewRun {
    /// What to do.
    pub task: String,
    /// The agent's name.
    pub agent: String,
    /// The model's full name; those of a comparison, joined by commas.
    pub model: String,
    /// The models of a comparison: [`limits::COMPARED_MODELS_MIN`] to [`limits::COMPARED_MODELS_MAX`], no two the
    /// same. Empty in any other run.
    #[serde(default)]
    pub models: Vec<String>,
    /// Answers at most, 1 to [`limits::ITERATIONS_MAX`].
    pub max_iterations: u32,
    /// Labels.
    pub metadata: BTreeMap<String, Value>,
    /// All else.
    pub settings: RunSettings,
    /// The caller's key.
    pub idempotency: Option<Idempotency>,
    /// Who posts it: `tenant/actor`, a tenant, or `local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A message to the run that is under way. Its values were checked at the edge.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Steer {
    /// What its model is told.
    pub message: String,
    /// Who says it: `tenant/actor`, a tenant, or `local`.
    pub by: String,
    /// The caller's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
}

/// What the host must do, once the entry that promises it is stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Make a model call; its outcome is [`Input::Answered`] or [`Input::Failed`].
    CallModel(ModelCall),
    /// Call a tool; its outcome is [`Input::Returned`].
    CallTool(ToolOrder),
    /// Give a piece of a call's result with [`Session::read_result`](crate::Session::read_result); its outcome is
    /// [`Input::Returned`].
    ReadResult(ToolOrder),
    /// Ask a tool what became of a call that was cut off; its answer is [`Input::Reconciled`]. Nothing promises this: it
    /// changes nothing.
    Reconcile(ToolOrder),
    /// Stop waiting for a call, and tell its server so. Nothing comes back.
    Abort(CallRef),
}

/// A promised model call. [`crate::Session::model_request`] has the messages.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelCall {
    /// Which attempt.
    pub call: CallRef,
    /// The model's full name.
    pub model: String,
    /// The attempt fails with `timeout` when it has no whole answer by then: the attempt's own limit, or the run's
    /// deadline if that comes first.
    pub give_up_at: TimeMs,
}

/// A promised tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOrder {
    /// Which attempt. Run and call, which all attempts share, are its key.
    pub call: CallRef,
    /// The tool, and what it is given.
    pub ask: Rc<ToolAsk>,
    /// What it goes on with; absent where it begins.
    pub resume: Option<Rc<Resumption>>,
    /// The attempt is [cut off](ToolOutcome::CutOff) when it has not returned by then: a tool's own limit, or the run's
    /// deadline if that comes first.
    pub give_up_at: TimeMs,
}

/// Why an [`Input::Accept`], an [`Input::Steer`] or an [`Input::Decided`] is not taken. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The caller must wait until runs have ended.
    #[error("the session has {} queued runs, its limit; wait until some have ended", limits::QUEUED_RUNS_MAX)]
    QueueFull,
    /// The session is a comparison, whose answers are no conversation, or was to become one after other runs: the
    /// caller starts another session.
    #[error("a comparison is the only run of its session; start another session")]
    Comparison,
    /// The session's texts take the memory that they may: the caller starts another session.
    #[error(
        "the session's conversation has reached {} bytes, its limit; start a new session",
        limits::CONVERSATION_BYTES_MAX
    )]
    SessionFull,
    /// The caller starts a run instead: none is under way that a message could join.
    #[error("no run is under way that can be steered: start one without \"steer\"")]
    NothingToSteer,
    /// The caller must wait until the model is called again.
    #[error(
        "the run has {} messages that its model has not read yet, the limit; wait until it is asked again",
        limits::UNREAD_STEERS_MAX
    )]
    TooManySteers,
    /// The session's runs have used up what they may spend together: the caller starts another session.
    #[error("the session's budget is used up; start a new session")]
    SessionBudgetExhausted,
    /// The same key and body came before: the caller gets the first answer.
    #[error("run {0} was accepted with this key")]
    Replayed(RunId),
    /// The caller must choose another key.
    #[error("the Idempotency-Key was used for run {0} with another body")]
    KeyConflict(RunId),
    /// Nobody was asked about that call, or not with that request.
    #[error("call {0} asks nobody")]
    NoRequest(CallId),
    /// The request was answered before, or withdrawn: its `approval.resolved` says how.
    #[error("the request about call {call} is closed")]
    RequestClosed {
        /// The run.
        run: RunId,
        /// The call.
        call: CallId,
        /// The request.
        request: Seq,
    },
    /// The caller decided about other arguments than those that are asked about.
    #[error("the digest is not that of the arguments that are asked about")]
    DigestMismatch,
    /// Somebody else must decide.
    #[error("whoever started or steered the run cannot approve this call")]
    OwnRequest,
    /// The request takes other decisions.
    #[error("the request takes {takes}")]
    WrongDecision {
        /// Which ones.
        takes: &'static str,
    },
    /// The edited arguments are none that the call may be made with.
    #[error("the call cannot be made with these arguments: {0}")]
    EditRefused(String),
    /// The answer is not what the server asks for.
    #[error("the answer does not fit what is asked for: {0}")]
    AnswerRefused(String),
}
