mod parts;

use std::{cell::Cell, panic::AssertUnwindSafe};

use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use longhaul_core::{Cause, Input, Moment, Record};

use crate::{
    alarm::Alarm,
    deployment::Deployment,
    flights::{Flights, InFlight},
    invocation::Invocation,
    listing::Listing,
    memory::{HostError, Memory},
    outbox::Outbox,
    ports::Ports,
    retiring::Retiring,
    signal::Signal,
    storage::{StorageBackoff, Unstored},
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
    pub(crate) imports: Cell<u64>,
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
            imports: Cell::default(),
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
        if matches!(event, Input::Decided { .. } | Input::Authorized { .. }) {
            self.resume_first()?;
        }
        let survived = self.memory.survived();
        let moment = Moment { now: self.ports.now(), seed: self.ports.seed() };
        let committed = self.memory.commit(&self.ports, event, (moment, &*self.deployment.judge));
        if self.memory.is_in_doubt() {
            let is_settled = self.settle_doubt().is_ok();
            if !is_settled {
                // An eviction would take the doubt with it, and nobody would tell them what they have missed.
                self.ports.dismiss_for_now();
            }
            if !is_settled || self.memory.is_empty() {
                self.arm_for_trouble();
                self.signal.raise();
            }
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
        let due = match self.with_session(|session| session.next_deadline_after(now)) {
            // What is under way must not be lost with the loop: nobody would call again what memory takes for called.
            Err(HostError::Storage(error)) if !flights.is_empty() => {
                tracing::error!(session = self.deployment.session, %error, "the storage is not read; it is asked again");
                self.backoff.failed(now);
                None
            }
            due => due?,
        };
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
