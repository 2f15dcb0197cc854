use crate::{
    ids::TimeMs,
    state::{
        call::{Call, CallState},
        run::{Phase, Run},
        session::Session,
    },
};

/// Why a session is woken: its one alarm has many reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// A call is in flight, or may begin now: the alarm covers the loop.
    Work,
    /// A failed call is due again.
    Retry,
    /// The time of a request to a person is over.
    Expiry,
    /// A run's time is up.
    RunDeadline,
    /// A trace, or an event, is due at a sink.
    Flush,
    /// The idle session is to be erased.
    Retention,
}

impl Session {
    /// The earliest time at which the session must be woken, and why. An idle session is woken to be erased
    /// `retention_ms` after its last entry; an empty one never.
    ///
    /// It may change with every [`commit`](Self::commit), and with nothing else: after each of them whoever drives the
    /// session asks again and arms its one alarm anew. A time that has passed means that
    /// [`Input::Tick`](crate::Input::Tick) is due now. After a restart, [`Input::Resume`](crate::Input::Resume) comes first.
    pub fn next_deadline(&self, retention_ms: u64) -> Option<(TimeMs, Deadline)> {
        let erase = (!self.runs().is_empty())
            .then(|| (self.ledger.last_activity.saturating_add(retention_ms), Deadline::Retention));
        self.deadlines().min_by_key(|(at, _)| *at).or(erase)
    }

    /// The next time after `now` at which something falls due, whatever is due already: what a host that is busy
    /// must not sleep through. It may change when [`next_deadline`](Self::next_deadline) may.
    pub fn next_deadline_after(&self, now: TimeMs) -> Option<TimeMs> {
        self.deadlines().map(|(at, _)| at).filter(|at| *at > now).min()
    }

    /// Every deadline of a session that is not idle.
    fn deadlines(&self) -> impl Iterator<Item = (TimeMs, Deadline)> {
        let runs = self.open_runs().enumerate().flat_map(|(place, run)| {
            let begins = (run.is_queued() && place == 0).then_some((0, Deadline::Work));
            let deadline = run.deadline_at().map(|at| (at, Deadline::RunDeadline));
            begins.into_iter().chain(run.due()).chain(deadline)
        });
        let flushes = self.owing_runs().flat_map(Run::owed).map(|at| (at, Deadline::Flush));
        runs.chain(flushes)
    }
}

impl Run {
    fn due(&self) -> impl Iterator<Item = (TimeMs, Deadline)> {
        let calls = match &self.phase {
            Phase::Open(round) => round.calls.as_slice(),
            Phase::Queued | Phase::Ended(_) => &[],
        };
        // With all calls settled there is something to decide: no row ends there that this version writes.
        let is_stuck = !calls.is_empty() && calls.iter().all(Call::is_settled);
        calls.iter().filter_map(Call::due).chain(is_stuck.then_some((0, Deadline::Work)))
    }
}

impl Call {
    /// The whole table: when a call must be looked after.
    fn due(&self) -> Option<(TimeMs, Deadline)> {
        match self.state {
            CallState::InFlight => Some((0, Deadline::Work)),
            CallState::Retrying { at } => Some((at, Deadline::Retry)),
            CallState::Ready => Some((0, Deadline::Work)),
            CallState::Awaiting { until, .. } => until.map(|at| (at, Deadline::Expiry)),
            CallState::Settled(_) => None,
        }
    }
}
