use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    entry::{Budget, INDEX_SINK, Idempotency, RunError, RunSettings, RunStatus, StopReason},
    ids::{CallId, RunId, Seq, TimeMs},
    message::{FinishReason, Usage},
};

/// A run as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The position of its first entry.
    pub first_seq: Seq,
    /// When it became durable.
    pub accepted_at: TimeMs,
    /// When its first call was promised.
    pub started_at: Option<TimeMs>,
    /// When it ended.
    pub ended_at: Option<TimeMs>,
    /// What to do.
    pub task: String,
    /// The agent's name.
    pub agent: String,
    /// The model's full name; those of a comparison, joined by commas.
    pub model: String,
    /// What a comparison asks, in the order of its models; empty in any other run.
    pub lanes: Vec<Lane>,
    /// Answers at most.
    pub max_iterations: u32,
    /// The caller's labels.
    pub metadata: BTreeMap<String, Value>,
    /// How it was configured when it was accepted.
    pub settings: RunSettings,
    /// Whether head sampling spares the sinks its trace, unless something goes wrong.
    pub sampled_out: bool,
    /// The caller's key.
    pub idempotency: Option<Idempotency>,
    /// Where it stands.
    pub phase: Phase,
    /// Answers committed.
    pub iterations: u32,
    /// Attempts of calls, those that failed or were cut off included.
    pub attempts: u32,
    /// The sum over its calls.
    pub usage: Usage,
    /// Crashes and evictions that it survived.
    pub resumed: u32,
    /// What each sink has of its trace; filled when the run ends.
    pub deliveries: BTreeMap<String, Delivery>,
    /// Where its messages begin in the conversation.
    pub(crate) first_message: usize,
    /// Whether an attempt failed.
    pub(crate) has_failures: bool,
}

/// Where a run stands. Each variant holds what that state alone needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Another run of the session is before it.
    Queued,
    /// A call is in flight.
    Calling(InFlight),
    /// The calls of a comparison are under way, each in its lane.
    Comparing,
    /// A call failed and is made again at a time.
    BackingOff {
        /// The call, as its last attempt left it.
        call: InFlight,
        /// When the next attempt is due.
        until: TimeMs,
    },
    /// The call has its outcome; the next entry, of the same row, says what follows.
    Settled,
    // `Acting` (tool calls in flight) and `AwaitingApproval` come here with tools.
    /// Over.
    Ended {
        /// How.
        status: RunStatus,
        /// By which rule.
        stop_reason: StopReason,
        /// What came out.
        result: Option<String>,
        /// What went wrong.
        error: Option<RunError>,
    },
}

/// A model call and what it went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// The call.
    pub call: CallId,
    /// The latest attempt.
    pub attempt: u32,
    /// Which answer of the run it is to be, from 1.
    pub iteration: u32,
    /// Attempts that failed; crashes do not count.
    pub failures: u32,
    /// Attempts that a crash cut off.
    pub interruptions: u32,
    /// Messages of the conversation that its request leaves out, from the beginning.
    pub dropped_messages: u32,
}

/// One model of a comparison and its call.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// The model's full name.
    pub model: String,
    /// The call, as its last attempt left it.
    pub call: InFlight,
    /// Where it stands.
    pub state: LaneState,
}

/// Where a model of a comparison stands.
#[derive(Debug, Clone, PartialEq)]
pub enum LaneState {
    /// Its call is in flight; in a run that has ended it was cut off.
    Calling,
    /// Its call failed and is made again at this time; in a run that has ended it was given up.
    BackingOff(TimeMs),
    /// It answered.
    Answered(LaneAnswer),
    /// It failed for good.
    Failed(RunError),
}

/// An answer in a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneAnswer {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What the call used.
    pub usage: Usage,
    /// From the request to the whole answer, in milliseconds.
    pub latency_ms: u64,
    /// From the request to the first chunk of text, in milliseconds.
    pub time_to_first_chunk_ms: Option<u64>,
    /// Where its text is in the conversation.
    pub(crate) message: usize,
}

/// What one sink has of a run's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The parts that a sink has which takes a trace in several requests, and what it calls them.
    pub sent: BTreeMap<String, String>,
    /// Attempts that have an outcome.
    pub attempts: u32,
    /// What comes next.
    pub state: DeliveryState,
}

/// Whether a sink still has to get a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be sent at this time or later.
    Due(TimeMs),
    /// The sink has it.
    Flushed,
    /// Given up; the journal says why.
    Parked,
}

impl Run {
    /// The status of `api.md`.
    pub fn status(&self) -> RunStatus {
        match &self.phase {
            Phase::Queued => RunStatus::Queued,
            Phase::Calling(_) | Phase::Settled => RunStatus::Running,
            Phase::Comparing => {
                let is_open = |lane: &Lane| !lane.is_settled();
                let waits = |lane: &Lane| matches!(lane.state, LaneState::BackingOff(_));
                if self.lanes.iter().filter(|lane| is_open(lane)).all(waits) {
                    RunStatus::Waiting
                } else {
                    RunStatus::Running
                }
            }
            Phase::BackingOff { .. } => RunStatus::Waiting,
            Phase::Ended { status, .. } => *status,
        }
    }

    /// Whether the run is not over.
    pub fn is_open(&self) -> bool {
        !self.status().is_terminal()
    }

    /// Whether the run asks several models once each, side by side.
    pub fn is_comparison(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// The calls whose outcomes the run waits for: one, or a comparison's several.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> {
        let one = match self.phase {
            Phase::Calling(call) => Some(call),
            _ => None,
        };
        let lanes = if self.phase == Phase::Comparing { self.lanes.as_slice() } else { &[] };
        let several = lanes.iter().filter(|lane| lane.state == LaneState::Calling).map(|lane| lane.call);
        one.into_iter().chain(several)
    }

    /// The model of one of its calls.
    pub fn model_of(&self, call: CallId) -> &str {
        self.lanes.iter().find(|lane| lane.call.call == call).map_or(&self.model, |lane| &lane.model)
    }

    /// The sinks that get its trace, now that it has ended: all, or with sampling perhaps only the index.
    pub(crate) fn owed_sinks(&self) -> impl Iterator<Item = &String> {
        let went_wrong = self.status() == RunStatus::Failed || self.resumed > 0 || self.has_failures;
        let is_kept = !self.sampled_out || went_wrong;
        self.settings.sinks.iter().filter(move |sink| is_kept || *sink == INDEX_SINK)
    }

    /// When the run ends for lack of time, whatever it does then.
    pub fn deadline_at(&self) -> Option<TimeMs> {
        self.settings.budget.deadline_ms.map(|ms| self.accepted_at.saturating_add(ms))
    }

    /// Whether the run's deadline has passed.
    pub(crate) fn is_late(&self, now: TimeMs) -> bool {
        self.deadline_at().is_some_and(|at| at <= now)
    }

    /// The budget that forbids another call, after `usage` was spent.
    pub(crate) fn exhausted_budget(&self, usage: &Usage, now: TimeMs) -> Option<StopReason> {
        self.settings.budget.exhausted_by(usage, now.saturating_sub(self.accepted_at))
    }
}

impl Lane {
    /// Whether nothing more comes of it.
    pub fn is_settled(&self) -> bool {
        matches!(self.state, LaneState::Answered(_) | LaneState::Failed(_))
    }

    /// Whether it has an answer.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.state, LaneState::Answered(_))
    }
}

impl Budget {
    /// The part that forbids another call, after `usage` and `elapsed_ms` were spent.
    pub(crate) fn exhausted_by(&self, usage: &Usage, elapsed_ms: u64) -> Option<StopReason> {
        if self.deadline_ms.is_some_and(|max| elapsed_ms >= max) {
            Some(StopReason::Deadline)
        } else if self.total_tokens.is_some_and(|max| usage.total_tokens.unwrap_or(0) >= max) {
            Some(StopReason::BudgetTokens)
        } else if self.cost_usd.is_some_and(|max| usage.cost_usd.unwrap_or(0.0) >= max) {
            Some(StopReason::BudgetCost)
        } else {
            None
        }
    }
}
