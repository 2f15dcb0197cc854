use std::collections::BTreeMap;

use vecmap::VecMap;

use crate::{
    entry::Entry,
    ids::{Seq, TimeMs},
};

/// What one sink has of a run's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The parts that a sink has which takes a trace in several requests, and what it calls them.
    pub sent: VecMap<String, String>,
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

impl Delivery {
    /// A delivery of a run that ended at `at`.
    pub(crate) fn due(at: TimeMs) -> Self {
        Self { sent: VecMap::new(), attempts: 0, state: DeliveryState::Due(at) }
    }

    /// When it is due; `None` where nothing more comes of it.
    pub(crate) fn due_at(&self) -> Option<TimeMs> {
        match self.state {
            DeliveryState::Due(at) => Some(at),
            DeliveryState::Flushed | DeliveryState::Parked => None,
        }
    }
}

/// An event that is owed to [`WEBHOOK_SINK`](crate::WEBHOOK_SINK).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its position.
    pub event: Seq,
    /// When it happened.
    pub at: TimeMs,
    /// What became of it.
    pub delivery: Delivery,
}

impl Notice {
    /// One that nobody has been told of.
    pub(crate) fn new(event: Seq, at: TimeMs) -> Self {
        Self { event, at, delivery: Delivery::due(at) }
    }
}

/// Takes an entry about a delivery. One of a sink that is owed nothing changes nothing.
pub(crate) fn evolve(deliveries: &mut BTreeMap<String, Delivery>, notices: &mut [Notice], entry: &Entry) {
    match entry {
        Entry::TraceSent { sink, part, remote_id } => {
            if let Some(delivery) = owed(deliveries, notices, sink, None) {
                delivery.sent.insert(part.clone(), remote_id.clone());
            }
        }
        Entry::TraceFlushed { sink, attempt, event, .. } => {
            if let Some(delivery) = owed(deliveries, notices, sink, *event) {
                (delivery.attempts, delivery.state) = (*attempt, DeliveryState::Flushed);
            }
        }
        Entry::TraceFailed { sink, attempt, retry_at, event, .. } => {
            if let Some(delivery) = owed(deliveries, notices, sink, *event) {
                delivery.attempts = *attempt;
                delivery.state = retry_at.map_or(DeliveryState::Parked, DeliveryState::Due);
            }
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
        | Entry::RunResumed { .. }
        | Entry::RunSteered { .. }
        | Entry::CancelRequested { .. }
        | Entry::RunEnded { .. } => {}
    }
}

fn owed<'a>(
    deliveries: &'a mut BTreeMap<String, Delivery>,
    notices: &'a mut [Notice],
    sink: &str,
    event: Option<Seq>,
) -> Option<&'a mut Delivery> {
    match event {
        None => deliveries.get_mut(sink),
        Some(event) => notices.iter_mut().find(|it| it.event == event).map(|it| &mut it.delivery),
    }
}
