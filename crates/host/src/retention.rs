use std::cell::{Cell, RefCell};

use futures::{
    FutureExt,
    future::{AbortHandle, Abortable},
};
use longhaul_core::{Deadline, Input};

use crate::{
    ports::Ports,
    runtime::{Flights, HostError, Runtime},
};

/// The wait before an idle session is erased whose index did not answer, in milliseconds.
const UNLIST_WAIT_MS: u64 = 3_600_000;

/// How far the erasure of a session has come whose retention is over.
#[derive(Debug, Default)]
pub(crate) struct Retiring {
    /// The session was taken out of the index, and nothing has happened in it since.
    is_unlisted: Cell<bool>,
    unlisting: RefCell<Option<AbortHandle>>,
}

impl Retiring {
    /// Something happened in the session: it is not idle.
    pub(crate) fn cancel(&self) {
        self.is_unlisted.set(false);
    }

    /// The memory is gone that the erasure belongs to.
    pub(crate) fn abort(&self) {
        self.is_unlisted.set(false);
        if let Some(handle) = self.unlisting.take() {
            handle.abort();
        }
    }
}

/// The end of a session that has been idle for its retention. Its two requests, to the index and to the storage, are
/// flights of the loop like others: posts, cancels and deadlines are heard beside them.
impl<P: Ports> Runtime<P> {
    /// Begins the next step of the erasure, where the retention is over and nothing is under way. What was seen before an
    /// await is looked at again after it.
    pub(crate) fn retire<'a>(&'a self, flights: &Flights<'a>) -> Result<(), HostError<P::Error>> {
        if !flights.is_empty() || !self.retention_is_over()? {
            return Ok(());
        }
        if !self.retiring.is_unlisted.get() {
            flights.push(self.unlist_idle().boxed_local());
            return Ok(());
        }
        // It begins in this turn, in which the session is idle.
        let erasing = self.erase();
        let erased = async move {
            if let Err(error) = erasing.await {
                tracing::error!(session = self.services.session, %error, "the idle session is erased later");
            }
            None
        };
        flights.push(erased.boxed_local());
        Ok(())
    }

    async fn unlist_idle(&self) -> Option<Input> {
        let (handle, registration) = AbortHandle::new_pair();
        self.retiring.unlisting.replace(Some(handle));
        match Abortable::new(self.unlist(), registration).await {
            // What happens from now on takes it back; what happened meanwhile is looked at before anything is erased.
            Ok(Ok(())) => self.retiring.is_unlisted.set(true),
            Ok(Err(error)) => {
                tracing::warn!(session = self.services.session, %error, "the idle session is erased later");
                self.erase_not_before.set(self.ports.now() + UNLIST_WAIT_MS);
            }
            // The session was erased meanwhile, or is read anew.
            Err(_) => {}
        }
        None
    }

    fn retention_is_over(&self) -> Result<bool, HostError<P::Error>> {
        let now = self.ports.now();
        Ok(matches!(self.next_deadline()?, Some((at, Deadline::Retention)) if at <= now))
    }
}
