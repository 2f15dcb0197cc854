use crate::{
    ids::{CallId, TimeMs},
    message::{FINISH_TOOL, ToolCall},
    state::{
        call::{Ask, Call, CallError, CallState, Settled},
        fact::CallFact,
        spec::RunSpec,
    },
};

/// Calls that a run makes side by side: one of a model, several of models, or those of tools that one answer asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// In the order in which they were first promised.
    pub calls: Vec<Call>,
    /// What the answer asks for whose tools these are. The calls are those that were begun, in its order: what comes after
    /// them is for later.
    pub(crate) proposed: Vec<ToolCall>,
    /// The one that settled last.
    latest: Option<CallId>,
}

/// What a new call of a model says to it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The run's task.
    Task,
    /// That it may go on.
    Continue,
    /// What people said meanwhile.
    Steered,
    /// Nothing: the conversation has all that it is to hear.
    Nothing,
}

impl Round {
    /// A round without calls yet, of what an answer proposes.
    pub(crate) fn of_tools(proposed: Vec<ToolCall>) -> Self {
        Self { calls: Vec::new(), proposed, latest: None }
    }

    /// Takes what an entry says of one of its calls that was decided at `at`.
    pub(crate) fn take(&mut self, at: TimeMs, id: CallId, fact: CallFact, messages: usize) {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return };
        call.evolve(at, fact, messages);
        if call.is_settled() {
            self.latest = Some(id);
        }
    }

    /// Whether these are calls of tools, all of which went wrong.
    pub(crate) fn is_failure_of_tools(&self) -> bool {
        !self.calls.is_empty() && self.calls.iter().all(Call::is_tool_error)
    }

    /// Whether these ask servers for their tools: nothing was said yet.
    fn is_of_listings(&self) -> bool {
        self.calls.iter().any(|call| call.tool().is_some_and(|ask| ask.is_listing()))
    }

    /// Whether these are calls of `finish` alone.
    pub(crate) fn is_of_finish(&self) -> bool {
        self.calls.iter().all(|call| call.tool().is_some_and(|ask| ask.tool == FINISH_TOOL))
    }

    /// What the answer asks for that a call of a tool belongs to, or may still be begun, and how much of it was begun.
    pub(crate) fn proposed(&self) -> (&[ToolCall], usize) {
        match self.calls.iter().find_map(Call::answer).filter(|answer| answer.rule.is_none()) {
            Some(answer) => (&answer.tool_calls, 0),
            None => (&self.proposed, self.calls.len()),
        }
    }

    /// The same, of an answer whose tools are begun now.
    pub(crate) fn take_proposed(&mut self) -> Vec<ToolCall> {
        let calls = self.calls.iter_mut().map(|call| &mut call.state);
        let answers = calls.filter_map(|state| match state {
            CallState::Settled(Settled::Answered(answer)) => Some(std::mem::take(&mut answer.tool_calls)),
            CallState::Settled(Settled::Failed(_) | Settled::Returned { .. })
            | CallState::InFlight
            | CallState::Retrying { .. }
            | CallState::Ready
            | CallState::Awaiting { .. } => None,
        });
        answers.flatten().collect()
    }

    /// Whether a new call is made side by side with these: tools for one answer, or the models of a comparison.
    pub(crate) fn takes(&self, ask: &Ask, spec: &RunSpec) -> bool {
        match (self.calls.first().map(|call| &call.ask), ask) {
            (Some(Ask::Model { .. }), Ask::Model { .. }) => spec.sentinel().is_none(),
            (Some(Ask::Tool(_)), Ask::Tool(_)) => true,
            (Some(Ask::Model { .. } | Ask::Tool(_)) | None, Ask::Model { .. } | Ask::Tool(_)) => false,
        }
    }

    /// A further attempt says nothing again, and tools' results speak for themselves. `has_unread` says whether people said
    /// something meanwhile.
    pub(crate) fn opening(&self, id: CallId, spec: &RunSpec, has_unread: bool) -> Opening {
        let is_known = self.calls.iter().any(|call| call.id == id);
        let is_of_tools = self.calls.iter().any(|call| call.model().is_none());
        let has_loop = spec.sentinel().is_some();
        if is_known || !has_loop {
            Opening::Nothing
        } else if self.is_of_listings() {
            Opening::Task
        } else if has_unread {
            Opening::Steered
        } else if is_of_tools {
            Opening::Nothing
        } else {
            Opening::Continue
        }
    }

    /// The failure that came last.
    pub(crate) fn failure(&self) -> Option<&CallError> {
        let latest = self.calls.iter().find(|call| Some(call.id) == self.latest);
        latest.and_then(Call::error).or_else(|| self.calls.iter().find_map(Call::error))
    }
}
