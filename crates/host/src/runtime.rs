use std::panic::AssertUnwindSafe;

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use longhaul_core::{Cause, Deadline, Entry, Input, Moment, Record, Seq, Session, TimeMs};

use crate::{
    alarm::{Alarm, Due},
    deployment::Deployment,
    flights::{Flights, InFlight},
    invocation::Invocation,
    listing::Listing,
    live::Delta,
    memory::{HostError, Memory},
    outbox::{Closing, Outbox},
    ports::{NotErased, Ports},
    retiring::Retiring,
    signal::Signal,
    storage::{StorageBackoff, TROUBLE_WAIT_MS, Unstored},
};

/// Panics that one invocation survives before it leaves the rest to the alarm.
const PANICS_PER_DRIVE_MAX: u32 = 3;

/// A session in its object: memory, commands under way, and the loop that drives them.
///
/// Requests call [`submit`](Self::submit) and read through [`with_session`](Self::with_session); the request that
/// started work and the alarm both await one shared [`drive`](Self::drive).
pub struct Runtime<P: Ports> {
    pub(crate) ports: P,
    pub(crate) deployment: Deployment,
    pub(crate) flights: Flights,
    pub(crate) outbox: Outbox,
    pub(crate) listing: Listing,
    pub(crate) retiring: Retiring,
    memory: Memory,
    alarm: Alarm,
    signal: Signal,
    backoff: StorageBackoff,
    unstored: Unstored,
}

impl<P: Ports> Runtime<P> {
    /// A runtime over an object. It reads nothing until it is asked.
    pub fn new(ports: P, deployment: Deployment) -> Self {
        Self {
            ports,
            deployment,
            flights: Flights::default(),
            outbox: Outbox::default(),
            listing: Listing::default(),
            retiring: Retiring::default(),
            memory: Memory::default(),
            alarm: Alarm::default(),
            signal: Signal::default(),
            backoff: StorageBackoff::default(),
            unstored: Unstored::default(),
        }
    }

    /// The ports that it runs on.
    pub fn ports(&self) -> &P {
        &self.ports
    }

    /// What the deployment is configured with.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Decides and commits an event, tells the audience, arms the alarm, and queues the commands for
    /// [`drive`](Self::drive). The new records are returned.
    ///
    /// # Errors
    /// When the event is refused or could not be stored: then nothing changed.
    pub fn submit(&self, event: Input) -> Result<Vec<Record>, HostError<P::Error>> {
        self.load()?;
        if matches!(event, Input::Decided { .. }) {
            self.resume_first()?;
        }
        let survived = self.memory.survived();
        let moment = Moment { now: self.ports.now(), seed: self.ports.seed() };
        let committed = self.memory.commit(&self.ports, event, moment);
        if self.memory.is_in_doubt() && (self.settle_doubt().is_err() || self.memory.is_empty()) {
            self.arm_for_trouble();
            self.signal.raise();
        }
        let committed = committed?;
        committed.commands.into_iter().for_each(|command| self.flights.take(command));
        if !committed.records.is_empty() {
            self.backoff.recovered();
            self.note(&committed.records, survived);
            self.ports.publish(&committed.records);
            self.cover();
        }
        self.signal.raise();
        Ok(committed.records)
    }

    /// A decision promises a call: a resumption that came after it would take that for one that was cut off.
    fn resume_first(&self) -> Result<(), HostError<P::Error>> {
        if let Some(cause) = self.memory.survived() {
            self.submit(Input::Resume(cause))?;
            self.memory.resumed();
        }
        Ok(())
    }

    /// Whether there is anything to drive now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn has_work(&self) -> Result<bool, HostError<P::Error>> {
        let now = self.ports.now();
        // In trouble it is the alarm that tries again: however many ask, the storage is left alone until then.
        Ok(self.backoff.until() <= now && self.next_deadline()?.is_some_and(|(at, _)| at <= now))
    }

    /// Performs commands until nothing is due, then arms the alarm for what comes next. At most one call of this
    /// may be under way; whoever comes second awaits the first.
    ///
    /// # Errors
    /// When the journal cannot be read or written; the alarm is then armed to try again.
    pub async fn drive(&self) -> Result<(), HostError<P::Error>> {
        let invocation = Invocation::new(self.ports.now());
        for _ in 0..PANICS_PER_DRIVE_MAX {
            // Boxed: inlined here, the compiler makes a jump table of it that is no valid wasm.
            let driving = self.drive_until_idle(invocation).boxed_local();
            let driven = AssertUnwindSafe(driving).catch_unwind().await;
            match driven.map(|driven| driven.and_then(|()| self.arm())) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    tracing::error!(session = self.deployment.session, %error, "the session could not be driven");
                    self.back_off(&error);
                    self.arm_for_trouble();
                    return Err(error);
                }
                Err(_) => {
                    tracing::error!(
                        session = self.deployment.session,
                        "a panic while driving; the session is replayed"
                    );
                    self.forget(Cause::Panic);
                }
            }
        }
        self.backoff.failed(self.ports.now());
        self.arm_for_trouble();
        Ok(())
    }

    async fn drive_until_idle(&self, invocation: Invocation) -> Result<(), HostError<P::Error>> {
        let mut flights = FuturesUnordered::new();
        loop {
            self.advance(&flights, invocation)?;
            if flights.is_empty() && self.unstored.is_empty() {
                return Ok(());
            }
            if let Some(event) = self.next_event(&mut flights).await? {
                self.unstored.keep(event);
            }
        }
    }

    /// Stores what came, begins what is due, and launches what was promised. Where the storage fails while something is
    /// in flight or yet to be stored, the loop lives on and tries again: what is lost with it would be paid for twice.
    fn advance<'a>(
        &'a self,
        flights: &InFlight<'a>,
        invocation: Invocation,
    ) -> Result<(), HostError<P::Error>> {
        let now = self.ports.now();
        if now < self.backoff.until() {
            return Ok(());
        }
        let advanced = self.store_outcomes().and_then(|()| self.begin_due()).and_then(|()| {
            if self.hands_over(invocation)? { Ok(()) } else { self.launch(flights, invocation) }
        });
        match advanced {
            Err(HostError::Storage(error))
                if !flights.is_empty() || !(invocation.is_old(now) || self.unstored.is_empty()) =>
            {
                tracing::error!(session = self.deployment.session, %error, "the storage takes nothing; it is asked again");
                self.backoff.failed(now);
                Ok(())
            }
            advanced => advanced,
        }
    }

    fn store_outcomes(&self) -> Result<(), HostError<P::Error>> {
        while let Some(outcome) = self.unstored.next_unstored() {
            self.submit(outcome)?;
            self.unstored.stored();
        }
        Ok(())
    }

    /// Lets the core begin what is due: a retry, a queued run, what a restart left open.
    fn begin_due(&self) -> Result<(), HostError<P::Error>> {
        self.load()?;
        let event = self.memory.survived().map_or(Input::Tick, Input::Resume);
        self.submit(event).map(|_| ())
    }

    /// Waits for an outcome, for a request that woke the loop, or for the next thing that falls due meanwhile.
    async fn next_event(&self, flights: &mut InFlight<'_>) -> Result<Option<Input>, HostError<P::Error>> {
        // Whoever woke the loop until here has queued commands that were just launched.
        self.signal.lower();
        let now = self.ports.now();
        let due = self.with_session(|session| session.next_deadline_after(now))?;
        let again = Some(self.backoff.until()).filter(|at| *at > now);
        let due_in = due.into_iter().chain(again).min().map(|at| at - now);
        let timer = async {
            match due_in {
                Some(ms) => self.ports.sleep(ms).await,
                None => futures::future::pending().await,
            }
        };
        let interruption = select(Box::pin(self.signal.wait()), Box::pin(timer));
        if flights.is_empty() {
            interruption.await;
            return Ok(None);
        }
        Ok(match select(flights.next(), interruption).await {
            Either::Left((event, _)) => event.flatten(),
            Either::Right(_) => None,
        })
    }
}

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

    /// The text so far of the calls in flight.
    pub fn live_deltas(&self) -> Vec<Delta> {
        self.flights.deltas()
    }

    /// Begins no delivery any more, because the session is about to be erased; until the guard is dropped.
    pub fn close(&self) -> Closing<'_> {
        self.outbox.close()
    }

    /// The alarm's handler began: see [`Alarm::began`].
    pub fn alarm_began(&self) {
        let now = self.ports.now();
        let is_due = self.next_deadline().map_or(true, |next| next.is_some_and(|(at, _)| at <= now));
        self.alarm.began(if is_due { Due::Now } else { Due::Later });
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
    fn load(&self) -> Result<(), HostError<P::Error>> {
        self.settle_doubt()?;
        if self.memory.is_empty() {
            self.memory.replay(&self.ports)?;
            self.drop_work();
            self.memory.read(|session| self.note_gaps(session));
        }
        Ok(())
    }

    fn settle_doubt(&self) -> Result<(), HostError<P::Error>> {
        let missed = self.memory.settle_doubt(&self.ports)?;
        if !missed.is_empty() {
            self.drop_work();
            self.ports.publish(&missed);
        }
        Ok(())
    }

    /// Remembers what deliveries need to know of new records.
    fn note(&self, records: &[Record], survived: Option<Cause>) {
        self.retiring.cancel();
        if records.iter().any(|record| matches!(record.entry, Entry::RunAccepted { .. })) {
            self.memory.read(|session| self.note_gaps(session));
        }
        self.outbox.note(records, survived);
    }

    /// The storage failed, or holds what cannot be read: it is left alone for a while.
    fn back_off(&self, error: &HostError<P::Error>) {
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
    fn forget(&self, cause: Cause) {
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
    fn cover(&self) {
        let next = self.memory.read(|session| session.next_deadline(self.deployment.retention_ms)).flatten();
        if let Some((at, _)) = next.filter(|(_, reason)| *reason != Deadline::Retention) {
            self.alarm.cover(&self.ports, at.max(self.ports.now()));
        }
    }

    fn arm(&self) -> Result<(), HostError<P::Error>> {
        if let Some((at, _)) = self.next_deadline()? {
            self.alarm.arm(&self.ports, at.max(self.ports.now()).max(self.backoff.until()));
        }
        Ok(())
    }
}
