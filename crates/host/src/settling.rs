use futures::future::{Either, select};
use longhaul_core::{Session, SinkFailure, Spent};
use thiserror::Error;

use crate::{
    courier::{Courier, DELIVERY_TIMEOUT_MS, NO_ANSWER},
    ports::Ports,
    runtime::Runtime,
    wire::{WireFault, WireRequest},
};

/// The tenant does not know yet what the session has cost: the caller tries again later.
#[derive(Debug, Error)]
#[error("the tenant's object did not answer")]
pub struct Unsettled;

/// What a tenant's object is told: how much of the spending limit a session's runs have taken.
impl<P: Ports> Runtime<P> {
    /// Tells whatever the tenant does not know, before the session is erased. A run that is accepted meanwhile must be told
    /// of as well: `end_runs` ends it. Nothing happens between the end of this and what the caller does next.
    ///
    /// # Errors
    /// When the tenant's object did not answer: then nothing may be erased.
    pub async fn settle(&self, end_runs: impl Fn()) -> Result<(), Unsettled> {
        let mut told = None;
        loop {
            end_runs();
            let spent = self.with_session(Session::unsettled).map_err(|_| Unsettled)?;
            // What else was stored meanwhile costs nothing.
            let is_known = |told: &Spent, spent: &Spent| Spent { head: spent.head, ..*told } == *spent;
            match spent {
                Some(spent) if told.is_none_or(|told| !is_known(&told, &spent)) => {
                    match self.courier().settle(spent).await {
                        // Without the binding nobody counts.
                        Ok(()) | Err(SinkFailure::Permanent { .. }) => told = Some(spent),
                        Err(SinkFailure::Transient { .. } | SinkFailure::Quota { .. }) => {
                            return Err(Unsettled);
                        }
                    }
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}

impl<P: Ports> Courier<'_, P> {
    /// Tells a session's tenant what its runs have cost.
    pub(crate) async fn settle(&self, spent: Spent) -> Result<(), SinkFailure> {
        let sent = Box::pin(self.deployment.send(self.ports, WireRequest::Settle(spent)));
        Err(match select(sent, self.ports.sleep(DELIVERY_TIMEOUT_MS)).await {
            Either::Left((Ok(response), _)) if response.status < 300 => return Ok(()),
            Either::Left((Ok(response), _)) => {
                SinkFailure::Transient { status: Some(response.status), retry_after_ms: None }
            }
            Either::Left((Err(WireFault::NotConfigured(_)), _)) => SinkFailure::Permanent { status: None },
            Either::Left((
                Err(WireFault::Connection(_) | WireFault::Unreadable(_) | WireFault::Binding(_)),
                _,
            ))
            | Either::Right(_) => NO_ANSWER,
        })
    }
}
