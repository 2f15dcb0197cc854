use futures::{
    FutureExt,
    future::{Either, select},
};
use longhaul_core::{
    Deadline, DeliveryState, Entry, INDEX_SINK, Record, Run, RunId, Seq, Session, SinkFailure,
    limits::PAGE_EVENTS_MAX,
};
use longhaul_trace::{
    Trace,
    index::{Statement, announce, forget, list_again, record},
    trace_id,
};
use thiserror::Error;
use vecmap::VecMap;

use crate::{
    courier::{DELIVERY_TIMEOUT_MS, NO_ANSWER},
    flights::InFlight,
    listing::{Rows, UnderWay},
    memory::HostError,
    ports::Ports,
    runtime::Runtime,
    wire::{WireFault, WireRequest},
};

/// How often it is looked whether writes are still under way, in milliseconds.
const UNDER_WAY_POLL_MS: u64 = 20;
/// A session counts as late for its retention when this part of it is left: clocks are set.
const CLOCK_DRIFT: u64 = 24;
/// Rows that one request lists again.
const LISTED_AT_ONCE: usize = 50;

/// The index of traces still lists the session: the caller tries again later.
#[derive(Debug, Error)]
#[error("the index of traces did not answer")]
pub struct StillListed;

impl<P: Ports> Runtime<P> {
    /// A run that comes to a session as old as its retention finds it perhaps deleted from the index, by a process that
    /// did not live to erase it. Until that run's own row is written, its deliveries see to the rows of the others.
    pub(crate) fn note_gaps(&self, session: &Session) {
        let gap_ms = self.deployment.retention_ms / CLOCK_DRIFT * (CLOCK_DRIFT - 1);
        let is_late = |pair: &[Run]| {
            let is_written = is_in_state(&pair[1], |state| !matches!(state, DeliveryState::Due(_)));
            let idle_ms = pair[0].ended_at.map_or(0, |ended_at| pair[1].accepted_at.saturating_sub(ended_at));
            !is_written && idle_ms >= gap_ms
        };
        if self.deployment.index && session.runs().windows(2).any(is_late) {
            self.listing.rows.set(Rows::Missing);
        }
    }

    /// Begins to list again what was deleted, where the session goes on after all.
    pub(crate) fn mend_listing<'a>(&'a self, flights: &InFlight<'a>) -> Result<(), HostError<P::Error>> {
        if self.listing.rows.get() != Rows::Missing || !self.listing.is_settled() {
            return Ok(());
        }
        let next = self.with_session(|session| session.next_deadline(self.deployment.retention_ms))?;
        if matches!(next, Some((at, Deadline::Retention)) if at <= self.ports.now()) {
            return Ok(());
        }
        self.listing.rows.set(Rows::StillMissing);
        let under_way = UnderWay::new(&self.listing.changes);
        let listed = async move {
            if self.list_again().await.is_err() {
                tracing::warn!(
                    session = self.deployment.session,
                    "earlier runs are missing in the index of traces"
                );
            }
            drop(under_way);
            None
        };
        flights.push(listed.boxed_local());
        Ok(())
    }

    /// Writes the rows again of the runs that had one. Their calls are counted already.
    async fn list_again(&self) -> Result<(), SinkFailure> {
        let _under_way = UnderWay::new(&self.listing.writes);
        let had_row = |run: &&Run| is_in_state(run, |state| *state == DeliveryState::Flushed);
        let listed = self.with_session(|session| {
            let runs = session.runs().iter().filter(had_row).map(|run| run.id).collect::<Vec<_>>();
            (self.deployment.origin(session), runs)
        });
        let (origin, runs) = listed.map_err(|_| NO_ANSWER)?;
        let mut open: VecMap<RunId, Vec<Record>> = VecMap::new();
        let mut statements = Vec::new();
        let mut after = Seq::default();
        loop {
            let page = self.read(after, PAGE_EVENTS_MAX).map_err(|_| NO_ANSWER)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in page.into_iter().filter(|record| runs.binary_search(&record.run).is_ok()) {
                let (run, is_end) = (record.run, matches!(record.entry, Entry::RunEnded { .. }));
                if matches!(record.entry, Entry::RunAccepted { .. }) {
                    open.insert(run, Vec::new());
                }
                if let Some(records) = open.get_mut(&run) {
                    records.push(record);
                }
                let records = if is_end { open.remove(&run) } else { None };
                if let Some(trace) = records.and_then(|records| self.sendable_trace(origin, run, records)) {
                    statements.push(list_again(self.deployment.tenant(), &trace, self.deployment.capture));
                }
            }
            if statements.len() >= LISTED_AT_ONCE {
                self.write_index(std::mem::take(&mut statements)).await?;
            }
        }
        self.write_index(statements).await?;
        self.listing.rows.set(Rows::Whole);
        Ok(())
    }

    /// Writes a finished run into the index of traces, and before it what is missing there of earlier runs.
    pub(crate) async fn deliver_index(&self, trace: &Trace) -> Result<(), SinkFailure> {
        let _under_way = UnderWay::new(&self.listing.writes);
        if self.listing.rows.get() != Rows::Whole {
            self.list_again().await?;
        }
        let (tenant, capture) = (self.deployment.tenant(), self.deployment.capture);
        let is_imported =
            self.with_session(|session| session.run(trace.run).is_some_and(|run| run.is_imported));
        self.write_index(match is_imported {
            // Its calls were counted where they were made.
            Ok(true) => vec![list_again(tenant, trace, capture)],
            Ok(false) | Err(_) => record(tenant, trace, capture),
        })
        .await
    }

    /// Shows an open run in the index of traces. Nothing depends on it: the run's end is written anyway. Whether it
    /// was shown.
    pub(crate) async fn announce(&self, run: RunId) -> bool {
        let Ok(Some(trace)) = self.own_trace(run) else { return true };
        if trace.ended_at.is_some() {
            return true;
        }
        let _under_way = UnderWay::new(&self.listing.writes);
        self.write_index(announce(self.deployment.tenant(), &trace, self.deployment.capture)).await.is_ok()
    }

    /// Takes the session's runs out of the index of traces, before its storage is erased.
    ///
    /// # Errors
    /// When the index did not answer: nothing else was changed.
    pub async fn unlist(&self) -> Result<(), StillListed> {
        if !self.deployment.index {
            return Ok(());
        }
        let _under_way = UnderWay::new(&self.listing.changes);
        // A write that is under way could land after the deletion. Each ends after its timeout at the latest.
        while self.listing.writes.get() > 0 {
            self.ports.sleep(UNDER_WAY_POLL_MS).await;
        }
        self.listing.rows.set(Rows::Missing);
        let runs = self.with_session(|session| {
            let origin = self.deployment.origin(session);
            let runs = session.runs().iter();
            runs.map(|run| (run.accepted_at, trace_id(origin, run.id))).collect::<Vec<_>>()
        });
        let runs = runs.map_err(|_| StillListed)?;
        self.write_index(forget(self.deployment.tenant(), &runs)).await.map_err(|_| StillListed)
    }

    async fn write_index(&self, statements: Vec<Statement>) -> Result<(), SinkFailure> {
        if statements.is_empty() {
            return Ok(());
        }
        let sent = Box::pin(self.deployment.send(&self.ports, WireRequest::Index(statements)));
        match select(sent, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((Ok(_), _)) => Ok(()),
            Either::Left((Err(error), _)) => {
                tracing::warn!(session = self.deployment.session, %error, "the index of traces did not take a write");
                Err(match error {
                    WireFault::NotConfigured(_) => SinkFailure::Permanent { status: None },
                    WireFault::Connection(_) | WireFault::Unreadable(_) | WireFault::Binding(_) => NO_ANSWER,
                })
            }
            Either::Right(_) => Err(NO_ANSWER),
        }
    }
}

fn is_in_state(run: &Run, is_right: impl FnOnce(&DeliveryState) -> bool) -> bool {
    run.deliveries.get(INDEX_SINK).is_some_and(|delivery| is_right(&delivery.state))
}
