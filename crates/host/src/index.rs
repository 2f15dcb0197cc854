use std::cell::Cell;

use futures::future::{Either, select};
use longhaul_core::{RunId, SinkFailure};
use longhaul_trace::{
    Trace,
    index::{Statement, announce, forget, record},
    trace_id,
};
use thiserror::Error;

use crate::{
    deliver::{DELIVERY_TIMEOUT_MS, NO_ANSWER, span_count},
    ports::Ports,
    runtime::Runtime,
    wire::{WireFault, WireRequest},
};

/// How often it is looked whether writes are still under way, in milliseconds.
const UNDER_WAY_POLL_MS: u64 = 20;

/// The index of traces still lists the session: the caller tries again later.
#[derive(Debug, Error)]
#[error("the index of traces did not answer")]
pub struct StillListed;

impl<P: Ports> Runtime<P> {
    /// Writes a finished run into the index of traces.
    pub(crate) async fn deliver_index(&self, trace: &Trace) -> Result<u32, SinkFailure> {
        let _under_way = UnderWay::new(&self.index_writes);
        self.write_index(record(self.services.tenant(), trace, self.services.capture)).await?;
        Ok(span_count(trace))
    }

    /// Shows an open run in the index of traces. Nothing depends on it: the run's end is written anyway. Whether it
    /// was shown.
    pub(crate) async fn announce(&self, run: RunId) -> bool {
        let Ok(Some(trace)) = self.own_trace(run) else { return true };
        if trace.ended_at.is_some() {
            return true;
        }
        let _under_way = UnderWay::new(&self.index_writes);
        self.write_index(announce(self.services.tenant(), &trace, self.services.capture)).await.is_ok()
    }

    /// Takes the session's runs out of the index of traces, before its storage is erased.
    ///
    /// # Errors
    /// When the index did not answer: nothing else was changed.
    pub async fn unlist(&self) -> Result<(), StillListed> {
        if !self.services.index {
            return Ok(());
        }
        // A write that is under way could land behind the deletion. Each ends after its timeout at the latest.
        while self.index_writes.get() > 0 {
            self.ports.sleep(UNDER_WAY_POLL_MS).await;
        }
        let object = &self.services.object;
        let runs = self.with_session(|session| {
            let runs = session.runs().iter();
            runs.map(|run| (run.accepted_at, trace_id(object, run.id))).collect::<Vec<_>>()
        });
        let runs = runs.map_err(|_| StillListed)?;
        self.write_index(forget(self.services.tenant(), &runs)).await.map_err(|_| StillListed)
    }

    async fn write_index(&self, statements: Vec<Statement>) -> Result<(), SinkFailure> {
        if statements.is_empty() {
            return Ok(());
        }
        let sent = self.ports.send(WireRequest::Index(statements));
        match select(sent, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((Ok(_), _)) => Ok(()),
            Either::Left((Err(error), _)) => {
                tracing::warn!(session = self.services.session, %error, "the index of traces did not take a write");
                Err(match error {
                    WireFault::NotConfigured(_) => SinkFailure::Permanent { status: None },
                    WireFault::Connection(_) | WireFault::Binding(_) => NO_ANSWER,
                })
            }
            Either::Right(_) => Err(NO_ANSWER),
        }
    }
}

/// Counts a write while it is under way.
struct UnderWay<'a>(&'a Cell<u32>);

impl<'a> UnderWay<'a> {
    fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
