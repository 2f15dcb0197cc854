use crate::{entry::Entry, message::Usage, settings::Budget, state::run::Run};

/// What the runs of a session may spend together, and what they have spent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Purse {
    budget: Budget,
    /// Of the runs that are over: one that is open counts its own.
    tokens: u64,
    cost_usd: f64,
    /// Of all runs.
    tool_calls: u32,
}

impl Purse {
    /// That of a session whose runs may spend so much.
    pub(crate) fn of(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    pub(crate) fn evolve(&mut self, entry: &Entry) {
        match entry {
            Entry::ToolCalled { attempt: 1, tool_call_id: Some(_), .. } => self.tool_calls += 1,
            Entry::RunEnded { usage, .. } => {
                self.tokens = self.tokens.saturating_add(usage.total_tokens.unwrap_or(0));
                self.cost_usd += usage.cost_usd.unwrap_or(0.0);
            }
            Entry::RunAccepted { .. }
            | Entry::ModelCalled { .. }
            | Entry::ModelAnswered { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunSteered { .. }
            | Entry::RunResumed { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => {}
        }
    }

    /// Whether nothing is left, where this run is under way.
    pub(crate) fn is_spent(&self, open: Option<&Run>) -> bool {
        let used = open.map(|run| run.usage.clone()).unwrap_or_default();
        let all = Usage {
            total_tokens: Some(self.tokens.saturating_add(used.total_tokens.unwrap_or(0))),
            cost_usd: Some(self.cost_usd + used.cost_usd.unwrap_or(0.0)),
            ..Usage::default()
        };
        let has_no_calls_left = self.budget.tool_calls.is_some_and(|max| self.tool_calls >= max);
        has_no_calls_left || self.budget.exhausted_by(&all, 0).is_some()
    }

    /// What a run may spend: its own budget, and no more than the session has left. Its runs come one after the other, so
    /// the rest is that run's alone.
    pub(crate) fn limits(&self, run: &Run) -> Budget {
        let (own, all) = (run.spec.settings.budget, self.budget);
        let tokens = all.total_tokens.map(|max| max.saturating_sub(self.tokens));
        let cost_usd = all.cost_usd.map(|max| (max - self.cost_usd).max(0.0));
        let of_others = self.tool_calls.saturating_sub(run.tool_calls);
        let tool_calls = all.tool_calls.map(|max| max.saturating_sub(of_others));
        Budget {
            total_tokens: least(own.total_tokens, tokens),
            cost_usd: least(own.cost_usd, cost_usd),
            tool_calls: least(own.tool_calls, tool_calls),
            deadline_ms: own.deadline_ms,
        }
    }
}

fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one < other { one } else { other }),
        (one, other) => one.or(other),
    }
}
