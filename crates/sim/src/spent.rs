//! The oracle of budgets: what was set aside, what was spent, and what the journal says of it, without the code that decides.

use std::collections::BTreeMap;

use longhaul_core::{Budget, CallId, Entry, Record, RunId, Usage};

use crate::{invariants::Findings, outside::Outside};

/// Sums of dollars are not exact.
const ROUNDING: f64 = 1e-6;

/// What a run did with its budget.
#[derive(Default)]
struct Account {
    budget: Budget,
    tokens: u64,
    cost_usd: f64,
    is_estimated: bool,
    /// What is set aside for attempts that nothing was heard of yet, and whether a death cuts them off.
    open: BTreeMap<CallId, Open>,
    /// Calls of tools.
    tool_calls: u32,
}

#[derive(Clone, Copy, Default)]
struct Open {
    tokens: u64,
    cost_usd: f64,
    /// A person is asked about it: a death does not cut it off.
    is_awaiting: bool,
}

impl Account {
    fn add(&mut self, usage: &Usage) {
        self.tokens += usage.total_tokens.unwrap_or(0);
        self.cost_usd += usage.cost_usd.unwrap_or(0.0);
        self.is_estimated |= usage.estimated;
    }

    /// Counts what was set aside for a call.
    fn close(&mut self, call: CallId, is_estimate: bool) {
        if let Some(open) = self.open.remove(&call) {
            self.tokens += open.tokens;
            self.cost_usd += open.cost_usd;
            self.is_estimated |= is_estimate;
        }
    }

    fn close_all(&mut self, is_meant: impl Fn(&Open) -> bool) {
        let meant: Vec<CallId> =
            self.open.iter().filter(|(_, open)| is_meant(open)).map(|(call, _)| *call).collect();
        meant.into_iter().for_each(|call| self.close(call, true));
    }

    /// Whether a call may be promised that needs so many dollars: beside others it fits, else anything is left.
    fn has_room(&self, cost_usd: f64) -> bool {
        let others: f64 = self.open.values().map(|open| open.cost_usd).sum();
        let is_left = |spent: f64, max: f64| spent < max;
        let by_dollars = self.budget.cost_usd.is_none_or(|max| match others > 0.0 {
            true => self.cost_usd + others + cost_usd <= max * (1.0 + ROUNDING),
            false => is_left(self.cost_usd, max),
        });
        by_dollars && self.budget.total_tokens.is_none_or(|max| self.tokens < max)
    }
}

impl Findings {
    /// A call begins while anything is left, and beside others only if what it needs fits; what was set aside and never heard
    /// of counts, marked; and the end says what was spent.
    pub(crate) fn nothing_is_spent_twice_or_unseen(&mut self, records: &[Record]) {
        let mut accounts: BTreeMap<RunId, Account> = BTreeMap::new();
        let mut session = (Budget::default(), 0_u64);
        for record in records {
            let run = record.run;
            let account = accounts.entry(run).or_default();
            match &record.entry {
                Entry::RunAccepted { settings, .. } => {
                    account.budget = settings.budget;
                    if run == RunId(1) {
                        session.0 = settings.session_budget.as_deref().copied().unwrap_or_default();
                    }
                }
                Entry::ModelCalled { call, reserved, .. } => {
                    account.close(*call, true);
                    let is_side_by_side = account.open.values().any(|open| open.tokens > 0);
                    self.expect(3, is_side_by_side || account.has_room(0.0), || {
                        format!("call {call} of run {run} began when nothing was left")
                    });
                    let of_session = session.0.total_tokens;
                    self.expect(3, of_session.is_none_or(|max| session.1 + account.tokens < max), || {
                        format!("call {call} of run {run} began when the session had nothing left")
                    });
                    account.open.extend(reserved.map(|reserved| {
                        let tokens = reserved.input_tokens + reserved.output_tokens;
                        let cost_usd = reserved.cost_usd.unwrap_or(0.0);
                        (*call, Open { tokens, cost_usd, is_awaiting: false })
                    }));
                }
                Entry::ModelAnswered { call, usage, .. } => {
                    account.open.remove(call);
                    account.add(usage);
                }
                Entry::ModelFailed { call, usage, begun, error_type, .. } => {
                    let open = account.open.remove(call);
                    let used = usage.clone().unwrap_or_default();
                    let is_paid = *begun || error_type.may_be_paid_for();
                    let least = open.filter(|_| is_paid && used.estimated).map_or(0, |open| open.tokens);
                    self.expect(3, used.total_tokens.unwrap_or(0) >= least, || {
                        format!("call {call}: {used:?} is less than the {least} that were set aside")
                    });
                    account.add(&used);
                }
                Entry::ToolCalled { call, attempt, cost_usd, .. } => {
                    account.close(*call, true);
                    account.tool_calls += u32::from(*attempt == 1);
                    let cost = cost_usd.unwrap_or(0.0);
                    self.expect(3, account.has_room(cost), || {
                        format!("call {call} of run {run} costs {cost}, for which there is no room")
                    });
                    let most = account.budget.tool_calls;
                    self.expect(3, most.is_none_or(|max| account.tool_calls <= max), || {
                        format!("run {run} made {} calls of tools", account.tool_calls)
                    });
                    if cost_usd.is_some() {
                        let open = Open { tokens: 0, cost_usd: cost, is_awaiting: false };
                        account.open.insert(*call, open);
                    }
                }
                Entry::ToolAnswered { call, error, .. } => {
                    let is_estimate = error
                        .as_ref()
                        .is_some_and(|error| ["in_doubt", "timeout", "cancelled"].contains(&error.code()));
                    account.close(*call, is_estimate);
                }
                Entry::ToolFailed { call, .. } => account.close(*call, true),
                Entry::ApprovalRequested { call, .. } => {
                    if let Some(open) = account.open.get_mut(call) {
                        open.is_awaiting = true;
                    }
                }
                Entry::RunResumed { .. } => account.close_all(|open| !open.is_awaiting),
                Entry::RunEnded { usage, .. } => {
                    account.close_all(|_| true);
                    let is_near = (usage.cost_usd.unwrap_or(0.0) - account.cost_usd).abs() < ROUNDING;
                    let is_same = usage.total_tokens.unwrap_or(0) == account.tokens
                        && usage.estimated == account.is_estimated;
                    self.expect(3, is_near && is_same, || {
                        format!(
                            "run {run} says that it used {usage:?}, not {} tokens and {} USD, estimated {}",
                            account.tokens, account.cost_usd, account.is_estimated
                        )
                    });
                    session.1 += account.tokens;
                }
                _ => {}
            }
        }
    }

    /// Where nothing is estimated, the runs paid for exactly the calls that the tools saw.
    pub(crate) fn tools_were_paid_for(&mut self, outside: &Outside, incarnation: usize, records: &[Record]) {
        for record in records {
            let Entry::RunEnded { usage, .. } = &record.entry else { continue };
            let models: f64 = records
                .iter()
                .filter(|other| other.run == record.run)
                .filter_map(|other| match &other.entry {
                    Entry::ModelAnswered { usage, .. } => usage.cost_usd,
                    Entry::ModelFailed { usage, .. } => usage.as_ref()?.cost_usd,
                    _ => None,
                })
                .sum();
            let its = outside.tools.performed.iter();
            let its = its.filter(|it| it.incarnation == incarnation && it.run == record.run);
            let invoice: f64 = its.map(|it| outside.tools.cost_usd(&it.tool).unwrap_or(0.0)).sum();
            let paid = usage.cost_usd.unwrap_or(0.0) - models;
            self.expect(3, usage.estimated || (paid - invoice).abs() < ROUNDING, || {
                format!("run {} paid {paid} USD for tools, whose invoice is {invoice}", record.run)
            });
        }
    }
}
