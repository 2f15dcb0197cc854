use longhaul_core::{CallId, Cause, Deadline, Entry, Record, Seq, Session, TimeMs, limits};

use super::Runtime;
use crate::{
    alarm::Due,
    live::Delta,
    memory::HostError,
    outbox::Closing,
    ports::{NotErased, Ports},
    storage::TROUBLE_WAIT_MS,
};

/// What the parts need of one another.
impl<P: Ports> Runtime<P> {
    /// Reads the session, which is replayed from the journal when it is not in memory.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn with_session<T>(&self, read: impl FnOnce(&Session) -> T) -> Result<T, HostError<P::Error>> {
        self.load()?;
        Ok(self.memory.read(read).expect("it was loaded just now"))
    }

    /// Reads the session where it is in memory, and right as far as is known; nothing is replayed.
    pub fn in_memory<T>(&self, read: impl FnOnce(&Session) -> T) -> Option<T> {
        if self.memory.is_in_doubt() { None } else { self.memory.read(read) }
    }

    /// Records after `after`, at most `limit`.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, HostError<P::Error>> {
        self.ports.read(after, limit).map_err(HostError::Storage)
    }

    /// The whole result of a tool's call as JSON, where its entry has not all of it.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn result(&self, call: CallId) -> Result<Option<String>, HostError<P::Error>> {
        self.ports.result(call).map_err(HostError::Storage)
    }

    /// The text so far of the calls in flight.
    pub fn live_deltas(&self) -> Vec<Delta> {
        self.flights.deltas()
    }

    /// Begins no delivery any more, because the session is about to be erased; until the guard is dropped.
    pub fn close(&self) -> Closing<'_> {
        self.outbox.close()
    }

    /// The alarm's handler began; where something was due, it covers the loop until it returns. That the session is old
    /// says nothing of the alarm: it may be armed for a later try, of which this object does not know.
    pub fn alarm_began(&self) {
        let now = self.ports.now();
        let is_for_now = |(at, reason)| at <= now && reason != Deadline::Retention;
        let next = self.next_deadline();
        if matches!(next, Ok(None)) {
            self.forget_abandoned();
        }
        let is_due = next.is_ok_and(|next| next.is_some_and(is_for_now));
        self.alarm.began(if is_due { Due::Now } else { Due::Later });
    }

    /// An import has kept something aside, which goes if nothing becomes of it.
    pub(crate) fn arm_for_import(&self) {
        self.alarm.set(&self.ports, self.ports.now() + limits::IMPORT_ABANDONED_MS);
    }

    /// The journal is another one: it is replayed, and what is due in it begins.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(crate) fn begin_anew(&self) -> Result<(), HostError<P::Error>> {
        self.memory.erase();
        self.drop_work();
        self.load()?;
        self.arm()?;
        self.signal.raise();
        Ok(())
    }

    /// Arms the alarm for a time soon, whatever is due: after a failure, or before a retry budget is used up.
    pub fn arm_for_trouble(&self) {
        let at = self.backoff.until().max(self.ports.now() + TROUBLE_WAIT_MS);
        self.alarm.set(&self.ports, at);
    }

    /// Erases everything: storage, alarm, memory. Commands under way are dropped. It begins at once, not when it is awaited:
    /// what is accepted after this call is of the next session.
    ///
    /// # Errors
    /// When the storage fails: then it is as it was, and the session goes on. It can be asked again.
    pub fn erase(&self) -> impl Future<Output = Result<(), NotErased>> {
        self.memory.erase();
        self.drop_work();
        self.listing.start_anew();
        // A loop that waits for the storage has nothing left to store.
        self.signal.raise();
        let erasing = self.ports.erase();
        // A run that is accepted before this is over needs an alarm of its own.
        self.alarm.forget();
        async move {
            let erased = erasing.await;
            match erased {
                Ok(()) => self.backoff.recovered(),
                Err(_) => {
                    self.backoff.failed(self.ports.now());
                    self.arm_for_trouble();
                }
            }
            erased
        }
    }

    /// The earliest deadline, and its reason.
    pub(crate) fn next_deadline(&self) -> Result<Option<(TimeMs, Deadline)>, HostError<P::Error>> {
        let retention_ms = self.deployment.retention_ms;
        let next = self.with_session(|session| session.next_deadline(retention_ms))?;
        Ok(next.map(|(at, reason)| match reason {
            // Nothing is delivered or erased now. If the erasure fails, or the process dies in it, the alarm finds what is
            // due.
            Deadline::Flush | Deadline::Retention if self.outbox.is_closing() => {
                (at.max(self.ports.now() + TROUBLE_WAIT_MS), reason)
            }
            Deadline::Retention => (at.max(self.retiring.not_before()), reason),
            _ => (at, reason),
        }))
    }

    /// Sees to it that the session is in memory, and that the journal has nothing that it does not know of.
    pub(super) fn load(&self) -> Result<(), HostError<P::Error>> {
        self.settle_doubt()?;
        if self.memory.is_empty() {
            self.memory.replay(&self.ports)?;
            self.drop_work();
            self.memory.read(|session| {
                self.note_gaps(session);
                self.report_untold(session);
            });
        }
        Ok(())
    }

    pub(super) fn settle_doubt(&self) -> Result<(), HostError<P::Error>> {
        let missed = self.memory.settle_doubt(&self.ports)?;
        if !missed.is_empty() {
            self.drop_work();
            self.ports.publish(&missed);
        }
        Ok(())
    }

    /// Remembers what deliveries need to know of new records.
    pub(super) fn note(&self, records: &[Record], survived: Option<Cause>) {
        self.retiring.cancel();
        if records.iter().any(|record| matches!(record.entry, Entry::RunAccepted { .. })) {
            self.memory.read(|session| self.note_gaps(session));
        }
        self.outbox.note(records, survived);
        self.memory.read(|session| self.report(session, records));
    }

    /// The storage failed, or holds what cannot be read: it is left alone for a while.
    pub(super) fn back_off(&self, error: &HostError<P::Error>) {
        // Memory is as it was before what failed; without an outcome to keep, the journal says as much.
        if self.unstored.is_empty() {
            self.forget(Cause::Crash);
        }
        match error {
            HostError::Storage(error) if !P::is_unreadable(error) => self.backoff.failed(self.ports.now()),
            _ => self.backoff.unreadable(self.ports.now()),
        }
    }

    /// Drops memory; the next use replays the journal.
    pub(super) fn forget(&self, cause: Cause) {
        self.memory.forget(cause);
        self.drop_work();
    }

    /// Commands of a memory that is gone: a replay promises them anew.
    fn drop_work(&self) {
        self.unstored.forget();
        self.flights.drop_all();
        self.outbox.forget();
        self.retiring.abort();
    }

    /// Work that was just promised must not outlive a crash unnoticed, nor be noticed late. The retention can wait for the
    /// end of a drive.
    pub(super) fn cover(&self) {
        let next = self.memory.read(|session| session.next_deadline(self.deployment.retention_ms)).flatten();
        if let Some((at, _)) = next.filter(|(_, reason)| *reason != Deadline::Retention) {
            self.alarm.cover(&self.ports, at.max(self.ports.now()));
        }
    }

    pub(super) fn arm(&self) -> Result<(), HostError<P::Error>> {
        match self.next_deadline()? {
            Some((at, _)) => self.alarm.arm(&self.ports, at.max(self.ports.now()).max(self.backoff.until())),
            // An empty session needs none. Its handler, if one runs, covers nothing that comes after it.
            None => self.alarm.forget(),
        }
        Ok(())
    }
}
