use crate::{
    ids::TimeMs,
    run::{DeliveryState, LaneState, Phase},
    session::Session,
};

/// Why a session is woken: its one alarm has many reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// A call is in flight, or may begin now: the alarm covers the loop.
    Work,
    /// A failed call is due again.
    Retry,
    /// A run's time is up.
    RunDeadline,
    /// A trace is due at a sink.
    Flush,
    /// The idle session is to be erased.
    Retention,
}

/// The earliest deadline of `session`, and its reason.
pub(crate) fn next(session: &Session, retention_ms: u64) -> Option<(TimeMs, Deadline)> {
    let erase = (!session.runs().is_empty())
        .then(|| (session.last_activity.saturating_add(retention_ms), Deadline::Retention));
    all(session).min_by_key(|(at, _)| *at).or(erase)
}

/// Every deadline of a session that is not idle.
pub(crate) fn all(session: &Session) -> impl Iterator<Item = (TimeMs, Deadline)> {
    let runs = session.open_runs().enumerate().flat_map(|(place, run)| {
        let work = match &run.phase {
            Phase::Calling(_) | Phase::Settled => Some((0, Deadline::Work)),
            Phase::BackingOff { until, .. } => Some((*until, Deadline::Retry)),
            Phase::Queued if place == 0 => Some((0, Deadline::Work)),
            Phase::Comparing | Phase::Queued | Phase::Ended { .. } => None,
        };
        let lanes = if run.phase == Phase::Comparing { run.lanes.as_slice() } else { &[] };
        let lanes = lanes.iter().filter_map(|lane| match lane.state {
            LaneState::Calling => Some((0, Deadline::Work)),
            LaneState::BackingOff(until) => Some((until, Deadline::Retry)),
            LaneState::Answered(_) | LaneState::Failed(_) => None,
        });
        let deadline = run.deadline_at().map(|at| (at, Deadline::RunDeadline));
        work.into_iter().chain(lanes).chain(deadline)
    });
    let flushes = session.owing_runs().flat_map(|run| run.deliveries.values()).filter_map(|delivery| {
        match delivery.state {
            DeliveryState::Due(at) => Some((at, Deadline::Flush)),
            DeliveryState::Flushed | DeliveryState::Parked => None,
        }
    });
    runs.chain(flushes)
}
