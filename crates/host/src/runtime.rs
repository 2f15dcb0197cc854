use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    panic::AssertUnwindSafe,
};

use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
    task::AtomicWaker,
};
use longhaul_core::{
    CallRef, Cause, Command, CommitError, Deadline, Entry, Fault, FaultKind, INDEX_SINK, Input, ModelCall,
    Moment, Observed, Record, Refusal, ReplayError, RunId, Seq, Session, TimeMs, Timing,
};
use thiserror::Error;
use vecmap::{VecMap, VecSet};

use crate::{
    index::Listing,
    invocation::HANDOVER_AFTER_MS,
    live::{Delta, Live},
    ports::Ports,
    retention::Retiring,
    services::Services,
    trouble::{TROUBLE_WAIT_MS, Trouble},
};

/// Panics that one invocation survives before it leaves the rest to the alarm.
const PANICS_PER_DRIVE_MAX: u32 = 3;
/// Records per read of a replay.
const REPLAY_PAGE: usize = 1_000;

/// A session in its object: memory, commands under way, and the loop that drives them.
///
/// Requests call [`submit`](Self::submit) and read through [`with_session`](Self::with_session); the request that
/// started work and the alarm both await one shared [`drive`](Self::drive).
pub struct Runtime<P: Ports> {
    pub(crate) ports: P,
    pub(crate) services: Services,
    session: RefCell<Option<Session>>,
    /// What the open runs went through and were not yet resumed from; `None` in an object that was never away.
    survived: Cell<Option<Cause>>,
    pub(crate) pending: RefCell<VecDeque<Command>>,
    pub(crate) flights: RefCell<VecMap<CallRef, AbortHandle>>,
    delivering: RefCell<VecMap<(RunId, String), AbortHandle>>,
    pub(crate) live: RefCell<Live>,
    /// Runs whose end this memory saw, none of whose deliveries has gone out unaccounted for.
    pub(crate) witnessed: RefCell<VecSet<RunId>>,
    announcements: RefCell<Announcements>,
    /// Erasures under way: no delivery begins meanwhile.
    closing: Cell<u32>,
    pub(crate) listing: Listing,
    pub(crate) retiring: Retiring,
    /// An idle session is not erased before this time.
    pub(crate) erase_not_before: Cell<TimeMs>,
    wake: AtomicWaker,
    woken: Cell<bool>,
    alarm: Cell<AlarmState>,
    trouble: Trouble,
    ignored: Cell<u64>,
    /// The head that memory had when an append failed, until it is known that it was not stored.
    in_doubt: Cell<Option<Seq>>,
}

/// While it lives, a session begins no delivery: see [`Runtime::close`].
#[derive(Debug)]
#[must_use = "deliveries go on as soon as it is dropped"]
pub struct Closing<'a>(&'a Cell<u32>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// Open runs that the index of traces does not show yet.
#[derive(Debug, Default)]
struct Announcements {
    due: VecSet<RunId>,
    /// They are tried again with the run's next step.
    failed: VecSet<RunId>,
}

/// What is known of the object's one alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AlarmState {
    Unknown,
    Armed(TimeMs),
    /// The handler runs of an alarm that was due: the platform delivers it again if the process dies.
    Running,
}

/// Why the runtime could not do what was asked.
#[derive(Debug, Error)]
pub enum HostError<E: std::error::Error + 'static> {
    /// The caller must act: see [`Refusal`].
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The storage failed: nothing changed, the caller may try again.
    #[error("storage: {0}")]
    Storage(E),
    /// The journal contradicts itself: the operator must act.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// The storage could not be erased, and says why: the caller tries again later.
#[derive(Debug, Error)]
#[error("the storage was not erased: {0}")]
pub struct NotErased(String);

/// A command's outcome, or `None` where it was aborted.
type Flight<'a> = LocalBoxFuture<'a, Option<Input>>;
/// What is under way: the loop awaits whichever lands first.
pub(crate) type Flights<'a> = FuturesUnordered<Flight<'a>>;

impl<P: Ports> Runtime<P> {
    /// A runtime over an object. It reads nothing until it is asked.
    pub fn new(ports: P, services: Services) -> Self {
        Self {
            ports,
            services,
            session: RefCell::new(None),
            survived: Cell::new(None),
            pending: RefCell::default(),
            flights: RefCell::default(),
            delivering: RefCell::default(),
            live: RefCell::default(),
            witnessed: RefCell::default(),
            announcements: RefCell::default(),
            closing: Cell::new(0),
            listing: Listing::default(),
            retiring: Retiring::default(),
            erase_not_before: Cell::new(0),
            wake: AtomicWaker::new(),
            woken: Cell::new(false),
            alarm: Cell::new(AlarmState::Unknown),
            trouble: Trouble::default(),
            ignored: Cell::new(0),
            in_doubt: Cell::new(None),
        }
    }

    /// The ports that it runs on.
    pub fn ports(&self) -> &P {
        &self.ports
    }

    /// What the deployment is configured with.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Reads the session, which is replayed from the journal when it is not in memory.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn with_session<T>(&self, read: impl FnOnce(&Session) -> T) -> Result<T, HostError<P::Error>> {
        let session = self.take_session()?;
        let value = read(&session);
        self.session.replace(Some(session));
        Ok(value)
    }

    /// Reads the session where it is in memory, and right as far as is known; nothing is replayed.
    pub fn in_memory<T>(&self, read: impl FnOnce(&Session) -> T) -> Option<T> {
        self.session.borrow().as_ref().filter(|_| self.in_doubt.get().is_none()).map(read)
    }

    /// Records behind `after`, at most `limit`.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, HostError<P::Error>> {
        self.ports.read(after, limit).map_err(HostError::Storage)
    }

    /// The text so far of the calls in flight.
    pub fn live_deltas(&self) -> Vec<Delta> {
        self.live.borrow().catch_up()
    }

    /// Decides and commits an event, tells the audience, arms the alarm, and queues the commands for
    /// [`drive`](Self::drive). The new records are returned.
    ///
    /// # Errors
    /// When the event is refused or could not be stored: then nothing changed.
    pub fn submit(&self, event: Input) -> Result<Vec<Record>, HostError<P::Error>> {
        if matches!(event, Input::Decided { .. }) {
            self.resume_first()?;
        }
        let mut session = self.take_session()?;
        // Only a resumption makes the calls again that were in flight: another event, that comes first, leaves it due.
        let resumes = matches!(event, Input::Resume(_)) || session.open_runs().next().is_none();
        let moment = Moment { now: self.ports.now(), seed: self.ports.seed() };
        let decided = session.decide(event, moment);
        let committed = decided.map_err(HostError::from).and_then(|step| {
            if step.is_ignored() {
                self.ignored.set(self.ignored.get() + 1);
                tracing::debug!(ignored = self.ignored.get(), "a late outcome was ignored");
            }
            session.commit(step, &self.ports).map_err(|error| match error {
                CommitError::Journal(error) => HostError::Storage(error),
                CommitError::Stale { .. } => unreachable!("the step was decided on this session just now"),
            })
        });
        let head = session.head();
        self.session.replace(Some(session));
        if matches!(committed, Err(HostError::Storage(_))) {
            self.in_doubt.set(Some(head));
            if self.settle_doubt().is_err() || self.session.borrow().is_none() {
                self.arm_for_trouble();
                self.wake();
            }
        }
        let committed = committed?;
        for command in committed.commands {
            match command {
                Command::Abort(call) => self.abort(call),
                other => self.pending.borrow_mut().push_back(other),
            }
        }
        if !committed.records.is_empty() {
            self.trouble.over();
            self.note(&committed.records);
            if resumes {
                self.survived.set(None);
            }
            self.ports.publish(&committed.records);
            self.cover();
        }
        self.wake();
        Ok(committed.records)
    }

    /// A decision promises a call: a resumption that came after it would take that for one that was cut off.
    fn resume_first(&self) -> Result<(), HostError<P::Error>> {
        self.with_session(|_| ())?;
        if let Some(cause) = self.survived.get() {
            self.submit(Input::Resume(cause))?;
            self.survived.set(None);
        }
        Ok(())
    }

    /// What the storage said it did not take may be there all the same. Until the journal has said whether it is, nothing
    /// is decided; a memory that does not know of it is of no use, and watchers hear of it.
    fn settle_doubt(&self) -> Result<(), HostError<P::Error>> {
        let Some(head) = self.in_doubt.get() else { return Ok(()) };
        let missed = self.read(head, REPLAY_PAGE)?;
        self.in_doubt.set(None);
        if !missed.is_empty() {
            self.forget(Cause::Crash);
            self.ports.publish(&missed);
        }
        Ok(())
    }

    /// Remembers what deliveries need to know of new records.
    fn note(&self, records: &[Record]) {
        self.retiring.cancel();
        let mut announcements = self.announcements.borrow_mut();
        for record in records {
            if matches!(record.entry, Entry::RunAccepted { .. }) {
                self.session.borrow().iter().for_each(|session| self.note_gaps(session));
            }
            let is_new = match &record.entry {
                Entry::RunAccepted { .. } => true,
                // A run that was queued begins.
                Entry::ModelCalled { attempt: 1, iteration: 1, .. } => true,
                // The memory is gone that knew whether it was shown.
                Entry::ModelCalled { .. } if self.survived.get().is_some() => true,
                Entry::RunEnded { .. } => {
                    self.witnessed.borrow_mut().insert(record.run);
                    false
                }
                _ => announcements.failed.remove(&record.run),
            };
            if is_new && self.services.index {
                announcements.due.insert(record.run);
            }
        }
    }

    /// Whether there is anything to drive now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn has_work(&self) -> Result<bool, HostError<P::Error>> {
        let now = self.ports.now();
        // In trouble it is the alarm that tries again: however many ask, the storage is left alone until then.
        Ok(self.trouble.until() <= now && self.next_deadline()?.is_some_and(|(at, _)| at <= now))
    }

    /// Begins no delivery any more, because the session is about to be erased; until the guard is dropped.
    pub fn close(&self) -> Closing<'_> {
        self.closing.set(self.closing.get() + 1);
        Closing(&self.closing)
    }

    /// The alarm's handler began. Where something was due, the platform covers the loop until it returns: a process that
    /// dies meanwhile is woken again. One that came out of turn covers nothing, and whatever is armed is armed anew.
    pub fn alarm_began(&self) {
        let now = self.ports.now();
        let is_due = self.next_deadline().map_or(true, |next| next.is_some_and(|(at, _)| at <= now));
        self.alarm.set(if is_due { AlarmState::Running } else { AlarmState::Unknown });
    }

    /// Arms the alarm for a time soon, whatever is due: after a failure, or before a retry budget is used up.
    pub fn arm_for_trouble(&self) {
        let at = self.trouble.until().max(self.ports.now() + TROUBLE_WAIT_MS);
        self.ports.set_alarm(at);
        self.alarm.set(AlarmState::Armed(at));
    }

    /// Performs commands until nothing is due, then arms the alarm for what comes next. At most one call of this
    /// may be under way; whoever comes second awaits the first.
    ///
    /// # Errors
    /// When the journal cannot be read or written; the alarm is then armed to try again.
    pub async fn drive(&self) -> Result<(), HostError<P::Error>> {
        let began = self.ports.now();
        for _ in 0..PANICS_PER_DRIVE_MAX {
            // Boxed: inlined here, the compiler makes a jump table of it that is no valid wasm.
            let driving = self.drive_until_idle(began).boxed_local();
            let driven = AssertUnwindSafe(driving).catch_unwind().await;
            match driven.map(|driven| driven.and_then(|()| self.arm())) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    tracing::error!(session = self.services.session, %error, "the session could not be driven");
                    // Memory is as it was before what failed; without an outcome to keep, the journal says as much.
                    if !self.trouble.has_outcomes() {
                        self.forget(Cause::Crash);
                    }
                    match &error {
                        HostError::Storage(error) if !P::is_unreadable(error) => {
                            self.trouble.failed(self.ports.now());
                        }
                        _ => self.trouble.lasts(self.ports.now()),
                    }
                    self.arm_for_trouble();
                    return Err(error);
                }
                Err(_) => {
                    tracing::error!(
                        session = self.services.session,
                        "a panic while driving; the session is replayed"
                    );
                    self.forget(Cause::Panic);
                }
            }
        }
        self.trouble.failed(self.ports.now());
        self.arm_for_trouble();
        Ok(())
    }

    /// Erases everything: storage, alarm, memory. Commands under way are dropped. It begins at once, not when it is awaited:
    /// what is accepted after this call is of the next session.
    ///
    /// # Errors
    /// When the storage fails: then it is as it was, and the session goes on. It can be asked again.
    pub fn erase(&self) -> impl Future<Output = Result<(), NotErased>> {
        self.forget(Cause::Crash);
        self.in_doubt.set(None);
        self.survived.set(None);
        self.listing.start_anew();
        // A loop that waits for the storage has nothing left to store.
        self.wake();
        let erasing = self.ports.erase();
        // A run that is accepted before this is over needs an alarm of its own.
        self.alarm.set(AlarmState::Unknown);
        async move {
            let erased = erasing.await;
            match erased {
                Ok(()) => self.trouble.over(),
                Err(_) => {
                    self.trouble.failed(self.ports.now());
                    self.arm_for_trouble();
                }
            }
            erased.map_err(NotErased)
        }
    }

    /// `began` is when the invocation did.
    async fn drive_until_idle(&self, began: TimeMs) -> Result<(), HostError<P::Error>> {
        let mut flights: Flights<'_> = FuturesUnordered::new();
        loop {
            self.advance(&flights, began)?;
            if flights.is_empty() && !self.trouble.has_outcomes() {
                break;
            }
            if let Some(event) = self.next_event(&mut flights).await? {
                self.trouble.keep(event);
            }
        }
        Ok(())
    }

    /// Stores what came, begins what is due, and launches what was promised. Where the storage fails while something is
    /// in flight or yet to be stored, the loop lives on and tries again: what is lost with it would be paid for twice.
    fn advance<'a>(&'a self, flights: &Flights<'a>, began: TimeMs) -> Result<(), HostError<P::Error>> {
        let now = self.ports.now();
        if now < self.trouble.until() {
            return Ok(());
        }
        let advanced = self
            .store_outcomes()
            .and_then(|()| self.begin_due())
            .and_then(|()| if self.hands_over(began)? { Ok(()) } else { self.launch(flights, began) });
        let is_young = now.saturating_sub(began) < HANDOVER_AFTER_MS;
        match advanced {
            Err(HostError::Storage(error))
                if !flights.is_empty() || (is_young && self.trouble.has_outcomes()) =>
            {
                tracing::error!(session = self.services.session, %error, "the storage takes nothing; it is asked again");
                self.trouble.failed(now);
                Ok(())
            }
            advanced => advanced,
        }
    }

    fn store_outcomes(&self) -> Result<(), HostError<P::Error>> {
        while let Some(outcome) = self.trouble.outcome() {
            self.submit(outcome)?;
            self.trouble.stored();
        }
        Ok(())
    }

    /// Lets the core begin what is due: a retry, a queued run, what a restart left open.
    fn begin_due(&self) -> Result<(), HostError<P::Error>> {
        self.with_session(|_| ())?;
        let event = self.survived.get().map_or(Input::Tick, Input::Resume);
        self.submit(event).map(|_| ())
    }

    /// Launches what was promised, what is due at sinks, and the end of a session that is idle for too long.
    fn launch<'a>(&'a self, flights: &Flights<'a>, began: TimeMs) -> Result<(), HostError<P::Error>> {
        self.launch_calls(flights, began)?;
        if self.is_closing() {
            return Ok(());
        }
        self.mend_listing(flights)?;
        self.launch_announcements(flights);
        self.launch_deliveries(flights)?;
        self.retire(flights)
    }

    fn launch_calls<'a>(&'a self, flights: &Flights<'a>, began: TimeMs) -> Result<(), HostError<P::Error>> {
        while let Some(command) = self.next_command(began)? {
            match command {
                Command::CallModel(order) => flights.push(self.model_flight(order)?),
                Command::CallTool(order) => {
                    let call = order.call;
                    let returned = async move { self.call_tool(&order).await };
                    flights.push(self.flight(call, returned));
                }
                Command::Abort(_) => {}
            }
        }
        Ok(())
    }

    fn launch_announcements<'a>(&'a self, flights: &Flights<'a>) {
        if !self.listing.is_settled() {
            return;
        }
        for run in std::mem::take(&mut self.announcements.borrow_mut().due) {
            let announced = async move {
                if !self.announce(run).await {
                    self.announcements.borrow_mut().failed.insert(run);
                }
                None
            };
            flights.push(announced.boxed_local());
        }
    }

    fn launch_deliveries<'a>(&'a self, flights: &Flights<'a>) -> Result<(), HostError<P::Error>> {
        let now = self.ports.now();
        let due = self.with_session(|session| {
            let due = session.deliveries_due(now).into_iter();
            due.map(|(run, sink)| (run, sink.to_owned())).collect::<Vec<_>>()
        })?;
        for key in due {
            let must_wait = key.1 == INDEX_SINK && !self.listing.is_settled();
            if must_wait || self.delivering.borrow().contains_key(&key) {
                continue;
            }
            let (handle, registration) = AbortHandle::new_pair();
            self.delivering.borrow_mut().insert(key.clone(), handle);
            let landed = async move {
                let outcome = Abortable::new(self.deliver(key.0, &key.1), registration).await.ok()?;
                // Where it was aborted another one may be under way.
                self.delivering.borrow_mut().remove(&key);
                Some(outcome)
            };
            flights.push(landed.boxed_local());
        }
        Ok(())
    }

    fn model_flight(&self, order: ModelCall) -> Result<Flight<'_>, HostError<P::Error>> {
        let call = order.call;
        let has_neighbours =
            self.with_session(|session| session.run(call.run).is_some_and(|run| run.calls().len() > 1))?;
        let called = async move {
            let called = self.call_model(&order);
            // The journal's replay, which answers a panic, would repeat the calls beside this one too.
            if has_neighbours {
                let caught = AssertUnwindSafe(called).catch_unwind().await;
                caught.unwrap_or_else(|_| self.panicked(call))
            } else {
                called.await
            }
        };
        Ok(self.flight(call, called))
    }

    /// A call on its way, until it lands or is aborted.
    fn flight<'a>(&'a self, call: CallRef, called: impl Future<Output = Input> + 'a) -> Flight<'a> {
        let (handle, registration) = AbortHandle::new_pair();
        self.flights.borrow_mut().insert(call, handle);
        let landed = async move {
            let outcome = Abortable::new(called, registration).await.ok()?;
            // Where it was aborted, another session may have a call of this number.
            self.flights.borrow_mut().remove(&call);
            self.live.borrow_mut().forget(call);
            Some(outcome)
        };
        landed.boxed_local()
    }

    /// The outcome of a comparison's call that panicked: a fault like another, which harms no other call.
    fn panicked(&self, call: CallRef) -> Input {
        let session = self.services.session.as_str();
        tracing::error!(session, run = call.run.0, call = call.call.0, "a call panicked");
        let now = self.ports.now();
        Input::Failed {
            call,
            fault: Fault::new(FaultKind::Connection, "the call panicked"),
            timing: Timing { started_at: now, ended_at: now, first_chunk_at: None },
            observed: Observed::default(),
        }
    }

    /// Waits for an outcome, for a request that woke the loop, or for the next thing that falls due meanwhile.
    async fn next_event(&self, flights: &mut Flights<'_>) -> Result<Option<Input>, HostError<P::Error>> {
        // Whoever woke the loop until here has queued commands that were just launched.
        self.woken.set(false);
        let now = self.ports.now();
        let due = self.with_session(|session| session.next_deadline_after(now))?;
        let again = Some(self.trouble.until()).filter(|at| *at > now);
        let due_in = due.into_iter().chain(again).min().map(|at| at - now);
        let woken = futures::future::poll_fn(|cx| {
            self.wake.register(cx.waker());
            if self.woken.take() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        let alarm = async {
            match due_in {
                Some(ms) => self.ports.sleep(ms).await,
                None => futures::future::pending().await,
            }
        };
        let interruption = select(Box::pin(woken), Box::pin(alarm));
        if flights.is_empty() {
            interruption.await;
            return Ok(None);
        }
        Ok(match select(flights.next(), interruption).await {
            Either::Left((event, _)) => event.flatten(),
            Either::Right(_) => None,
        })
    }

    fn abort(&self, call: CallRef) {
        self.pending.borrow_mut().retain(|command| match command {
            Command::CallModel(order) => order.call != call,
            Command::CallTool(order) => order.call != call,
            Command::Abort(_) => true,
        });
        if let Some(handle) = self.flights.borrow_mut().remove(&call) {
            handle.abort();
        }
        self.live.borrow_mut().forget(call);
    }

    /// The session out of its cell, from memory or from the journal. A panic before it is put back leaves the cell
    /// empty, so that a half-changed session is never used.
    fn take_session(&self) -> Result<Session, HostError<P::Error>> {
        self.settle_doubt()?;
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        let session = self.replay()?;
        self.drop_work();
        if session.open_runs().next().is_some() && self.survived.get().is_none() {
            self.survived.set(Some(Cause::Crash));
        }
        self.note_gaps(&session);
        Ok(session)
    }

    fn replay(&self) -> Result<Session, HostError<P::Error>> {
        let mut session = Session::default();
        loop {
            let page = self.read(session.head(), REPLAY_PAGE)?;
            if page.is_empty() {
                return Ok(session);
            }
            for record in page {
                session.absorb(record)?;
            }
        }
    }

    /// Drops memory; the next use replays the journal.
    fn forget(&self, cause: Cause) {
        self.session.take();
        self.drop_work();
        self.survived.set(Some(cause));
    }

    /// Commands of a memory that is gone: a replay promises them anew.
    fn drop_work(&self) {
        self.pending.borrow_mut().clear();
        self.trouble.forget();
        for (_, handle) in std::mem::take(&mut *self.flights.borrow_mut()) {
            handle.abort();
        }
        for (_, handle) in std::mem::take(&mut *self.delivering.borrow_mut()) {
            handle.abort();
        }
        self.witnessed.borrow_mut().clear();
        self.announcements.take();
        self.retiring.abort();
        self.live.borrow_mut().clear();
    }

    /// Whether the session is about to be erased because somebody deletes it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get() > 0
    }

    pub(crate) fn next_deadline(&self) -> Result<Option<(TimeMs, Deadline)>, HostError<P::Error>> {
        let retention_ms = self.services.retention_ms;
        let next = self.with_session(|session| session.next_deadline(retention_ms))?;
        Ok(next.map(|(at, reason)| match reason {
            // Nothing is delivered or erased now. If the erasure fails, or the process dies in it, the alarm finds what is
            // due.
            Deadline::Flush | Deadline::Retention if self.is_closing() => {
                (at.max(self.ports.now() + TROUBLE_WAIT_MS), reason)
            }
            Deadline::Retention => (at.max(self.erase_not_before.get()), reason),
            _ => (at, reason),
        }))
    }

    /// Work that was just promised must not outlive a crash unnoticed, nor be noticed late: an alarm covers it, or a
    /// running handler does. The retention can wait for the end of a drive.
    fn cover(&self) {
        let now = self.ports.now();
        let next = self.session.borrow().as_ref().and_then(|s| s.next_deadline(self.services.retention_ms));
        let Some((at, _)) = next.filter(|(_, reason)| *reason != Deadline::Retention) else { return };
        let at = at.max(now);
        let is_covered = match self.alarm.get() {
            AlarmState::Running => true,
            AlarmState::Armed(armed) => armed <= at,
            AlarmState::Unknown => false,
        };
        if !is_covered {
            self.ports.set_alarm(at);
            self.alarm.set(AlarmState::Armed(at));
        }
    }

    fn arm(&self) -> Result<(), HostError<P::Error>> {
        let Some((at, _)) = self.next_deadline()? else { return Ok(()) };
        let at = at.max(self.ports.now()).max(self.trouble.until());
        if self.alarm.get() != AlarmState::Armed(at) {
            self.ports.set_alarm(at);
            self.alarm.set(AlarmState::Armed(at));
        }
        Ok(())
    }

    fn wake(&self) {
        self.woken.set(true);
        self.wake.wake();
    }
}
