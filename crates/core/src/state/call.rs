use std::rc::Rc;

use crate::{
    done::FinalRule,
    entry::RunError,
    fault::FaultKind,
    ids::{CallId, TimeMs},
    limits,
    message::{FinishReason, ToolCall, Usage},
    settings::Reserved,
    tool::{Request, RequestKind, Resumption, ToolAsk},
};

/// Something that a run waits for: of a model, of a tool, of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// Who is asked what.
    pub ask: Ask,
    /// What it went through.
    pub tries: Tries,
    /// Where it stands.
    pub state: CallState,
    /// Messages of the conversation that its request leaves out, from the beginning. Of a model's call alone.
    pub dropped_messages: u32,
    /// What it goes on with, where it waits at a server.
    pub resume: Option<Rc<Resumption>>,
    /// What was set aside for its latest attempt.
    pub reserved: Option<Reserved>,
    /// Whether that is still set aside: the attempt is not counted yet.
    pub(crate) is_reserved: bool,
    /// Where its answer is in the conversation.
    pub(crate) message: Option<usize>,
}

/// Who is asked what.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// A model, for an answer.
    Model {
        /// The model's full name.
        model: String,
        /// Which answer of the run it is to be, from 1.
        iteration: u32,
        /// Whether it is the last one, in which the model may call no tools.
        is_last: bool,
    },
    /// A tool, for a result.
    Tool(Rc<ToolAsk>),
}

/// What a call went through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// The latest attempt, from 1.
    pub attempt: u32,
    /// Attempts that failed, of the model that is asked now; crashes do not count.
    pub failures: u32,
    /// Those among them that may have to be paid for.
    pub paid_failures: u32,
    /// When the first of them failed.
    pub first_failure_at: Option<TimeMs>,
    /// Attempts that a crash cut off; of a call that waits at its server, since it last said so.
    pub interruptions: u32,
    /// How often a person was asked to let its server be used.
    pub authorizations: u32,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq)]
pub enum CallState {
    /// It is promised, and has no outcome; in a run that has ended it was cut off.
    InFlight,
    /// It failed and is made again at this time; in a run that has ended it was given up.
    Retrying {
        /// When.
        at: TimeMs,
    },
    /// Nothing runs: an input settles it.
    Awaiting {
        /// Who has to decide.
        whom: Party,
        /// Until when.
        until: Option<TimeMs>,
        /// What they are asked.
        request: Rc<Request>,
    },
    /// A person let it be made: it begins as soon as there is room beside the others.
    Ready,
    /// Nothing more comes of it.
    Settled(Settled),
}

/// Who decides about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Somebody with the right to approve it.
    Person,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The model answered.
    Answered(Answer),
    /// The model's call failed for good.
    Failed(CallError),
    /// The tool's call has its message.
    Returned {
        /// Whether it says what went wrong.
        is_error: bool,
    },
}

/// A model's answer, but for its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What the call used.
    pub usage: Usage,
    /// From the request to the whole answer, in milliseconds.
    pub latency_ms: u64,
    /// From the request to the first chunk of text, in milliseconds.
    pub time_to_first_chunk_ms: Option<u64>,
    /// The rule by which it ends the run.
    pub rule: Option<FinalRule>,
    /// Why it is no structured result, though it says that it is one.
    pub(crate) output_error: Option<Rc<str>>,
    /// The tools that it asks for.
    pub(crate) tool_calls: Vec<ToolCall>,
}

/// Why a model's call failed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The fault.
    pub kind: FaultKind,
    /// For a person.
    pub message: String,
}

/// What becomes of a call that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// It is made again.
    Again,
    /// It was cut off too often.
    GiveUp,
    /// Its tool is asked what became of it.
    Reconcile,
    /// It may have done something, and must not do it twice.
    OutcomeUnknown,
}

impl From<CallError> for RunError {
    fn from(error: CallError) -> Self {
        Self { code: error.kind.as_str().to_owned(), message: error.message }
    }
}

impl Call {
    pub(crate) fn new(id: CallId, ask: Ask) -> Self {
        let state = CallState::InFlight;
        let tries = Tries::default();
        let (dropped_messages, reserved, is_reserved) = (0, None, false);
        Self { id, ask, tries, state, dropped_messages, resume: None, reserved, is_reserved, message: None }
    }

    /// What is set aside for the attempt that is not counted yet.
    pub(crate) fn open_reservation(&self) -> Option<Reserved> {
        self.reserved.filter(|_| self.is_reserved)
    }

    /// Whether it asks for the last answer, in which the model may call no tools.
    pub fn is_last(&self) -> bool {
        matches!(self.ask, Ask::Model { is_last: true, .. })
    }

    /// The model that is asked, if it is one.
    pub fn model(&self) -> Option<&str> {
        match &self.ask {
            Ask::Model { model, .. } => Some(model),
            Ask::Tool(_) => None,
        }
    }

    /// Another model takes it over: what the one before it went through is no fault of its own.
    pub(crate) fn fall_back(&mut self, to: String) {
        if let Ask::Model { model, .. } = &mut self.ask {
            *model = to;
        }
        (self.tries.failures, self.tries.paid_failures, self.tries.first_failure_at) = (0, 0, None);
    }

    /// Whether it is promised, and has no outcome.
    pub fn is_in_flight(&self) -> bool {
        self.state == CallState::InFlight
    }

    /// Whether nothing more comes of it.
    pub fn is_settled(&self) -> bool {
        matches!(self.state, CallState::Settled(_))
    }

    /// The model's answer.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.state {
            CallState::Settled(Settled::Answered(answer)) => Some(answer),
            CallState::Settled(Settled::Failed(_) | Settled::Returned { .. })
            | CallState::InFlight
            | CallState::Retrying { .. }
            | CallState::Ready
            | CallState::Awaiting { .. } => None,
        }
    }

    /// Why the model's call failed for good.
    pub fn error(&self) -> Option<&CallError> {
        match &self.state {
            CallState::Settled(Settled::Failed(error)) => Some(error),
            CallState::Settled(Settled::Answered(_) | Settled::Returned { .. })
            | CallState::InFlight
            | CallState::Retrying { .. }
            | CallState::Ready
            | CallState::Awaiting { .. } => None,
        }
    }

    /// Whether the tool's call has its message, and that says what went wrong.
    pub(crate) fn is_tool_error(&self) -> bool {
        self.state == CallState::Settled(Settled::Returned { is_error: true })
    }

    /// Whether a failed attempt is to be made again by now.
    pub(crate) fn is_due(&self, now: TimeMs) -> bool {
        matches!(self.state, CallState::Retrying { at } if at <= now)
    }

    /// Whether a person is asked.
    pub(crate) fn is_awaiting(&self) -> bool {
        matches!(self.state, CallState::Awaiting { .. })
    }

    /// Whether a person is asked what became of it.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.request().is_some_and(|(request, _)| request.kind == RequestKind::InDoubt)
    }

    /// What a person is asked, and until when.
    pub fn request(&self) -> Option<(&Request, Option<TimeMs>)> {
        match &self.state {
            CallState::Awaiting { request, until, whom: Party::Person } => Some((request, *until)),
            CallState::InFlight | CallState::Retrying { .. } | CallState::Ready | CallState::Settled(_) => {
                None
            }
        }
    }

    /// The tool that is asked, if it is one.
    pub fn tool(&self) -> Option<&Rc<ToolAsk>> {
        match &self.ask {
            Ask::Tool(ask) => Some(ask),
            Ask::Model { .. } => None,
        }
    }

    /// Whether the time of a request to a person is over.
    pub(crate) fn is_expired(&self, now: TimeMs) -> bool {
        matches!(self.state, CallState::Awaiting { until: Some(at), .. } if at <= now)
    }

    /// What becomes of it after it was cut off.
    ///
    /// `reconciles` says whether its tool can be asked what became of it.
    pub(crate) fn recovery(&self, reconciles: bool) -> Recovery {
        let is_cut_off_for_ever = self.tries.interruptions >= limits::INTERRUPTIONS_MAX;
        let is_repeatable = self.resume.as_ref().is_some_and(|resume| resume.is_repeatable);
        match &self.ask {
            Ask::Tool(_) if is_repeatable && !is_cut_off_for_ever => Recovery::Again,
            Ask::Tool(ask) if !ask.effect.may_repeat() && reconciles && !is_cut_off_for_ever => {
                Recovery::Reconcile
            }
            Ask::Tool(ask) if !ask.effect.may_repeat() => Recovery::OutcomeUnknown,
            Ask::Tool(_) | Ask::Model { .. } if is_cut_off_for_ever => Recovery::GiveUp,
            Ask::Tool(_) | Ask::Model { .. } => Recovery::Again,
        }
    }

    /// Why it is given up.
    pub(crate) fn cut_off_too_often(&self) -> CallError {
        let message = format!("call {} was cut off {} times", self.id, self.tries.interruptions + 1);
        CallError { kind: FaultKind::Interrupted, message }
    }
}
