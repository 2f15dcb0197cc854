use crate::{
    ids::{CallId, TimeMs},
    state::{
        call::{Ask, Call, CallError},
        fact::CallFact,
        spec::RunSpec,
    },
};

/// Calls that a run makes side by side: one of a model, several of models, or those of tools that one answer asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Round {
    /// In the order in which they were first promised.
    pub calls: Vec<Call>,
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
    /// Nothing: the conversation has all that it is to hear.
    Nothing,
}

impl Round {
    /// Takes what an entry says of one of its calls that was decided at `at`.
    pub(crate) fn take(&mut self, at: TimeMs, id: CallId, fact: CallFact, messages: usize) {
        let Some(call) = self.calls.iter_mut().find(|call| call.id == id) else { return };
        call.evolve(at, fact, messages);
        if call.is_settled() {
            self.latest = Some(id);
        }
    }

    /// Whether a new call is made side by side with these: tools for one answer, or the models of a comparison.
    pub(crate) fn takes(&self, ask: &Ask, spec: &RunSpec) -> bool {
        match (self.calls.first().map(|call| &call.ask), ask) {
            (Some(Ask::Model { .. }), Ask::Model { .. }) => spec.sentinel().is_none(),
            (Some(Ask::Tool(_)), Ask::Tool(_)) => true,
            (Some(Ask::Model { .. } | Ask::Tool(_)) | None, Ask::Model { .. } | Ask::Tool(_)) => false,
        }
    }

    /// A further attempt says nothing again, and tools' results speak for themselves.
    pub(crate) fn opening(&self, id: CallId, spec: &RunSpec) -> Opening {
        let is_known = self.calls.iter().any(|call| call.id == id);
        let is_of_tools = self.calls.iter().any(|call| call.model().is_none());
        let has_loop = spec.sentinel().is_some();
        if is_known || is_of_tools || !has_loop { Opening::Nothing } else { Opening::Continue }
    }

    /// The failure that came last.
    pub(crate) fn failure(&self) -> Option<&CallError> {
        let latest = self.calls.iter().find(|call| Some(call.id) == self.latest);
        latest.and_then(Call::error).or_else(|| self.calls.iter().find_map(Call::error))
    }
}
