use futures::{FutureExt, future::Abortable};
use longhaul_core::{Deadline, Input};

use crate::{flights::InFlight, memory::HostError, ports::Ports, runtime::Runtime};

/// The wait before an idle session is erased whose index did not answer, in milliseconds.
const UNLIST_WAIT_MS: u64 = 3_600_000;

/// The end of a session that has been idle for its retention. Its two requests, to the index and to the storage, are
/// flights of the loop like others: posts, cancels and deadlines are heard beside them.
impl<P: Ports> Runtime<P> {
    /// Begins the next step of the erasure, where the retention is over and nothing is under way. What was seen before an
    /// await is looked at again after it.
    pub(crate) fn retire<'a>(&'a self, flights: &InFlight<'a>) -> Result<(), HostError<P::Error>> {
        if !flights.is_empty() || !self.retention_is_over()? {
            return Ok(());
        }
        if !self.retiring.is_unlisted() {
            flights.push(self.unlist_idle().boxed_local());
            return Ok(());
        }
        // It begins in this turn, in which the session is idle.
        let erasing = self.erase();
        let erased = async move {
            if let Err(error) = erasing.await {
                tracing::error!(session = self.deployment.session, %error, "the idle session is erased later");
            }
            None
        };
        flights.push(erased.boxed_local());
        Ok(())
    }

    async fn unlist_idle(&self) -> Option<Input> {
        match Abortable::new(self.unlist(), self.retiring.begin()).await {
            // What happens from now on takes it back; what happened meanwhile is looked at before anything is erased.
            Ok(Ok(())) => self.retiring.unlisted(),
            Ok(Err(error)) => {
                tracing::warn!(session = self.deployment.session, %error, "the idle session is erased later");
                self.retiring.postpone(self.ports.now() + UNLIST_WAIT_MS);
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
