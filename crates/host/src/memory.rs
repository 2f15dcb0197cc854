use std::cell::{Cell, RefCell};

use longhaul_core::{
    Cause, CommitError, Committed, Input, Journal, Judge, Moment, Record, Refusal, ReplayError, Seq, Session,
};
use thiserror::Error;

/// Records per read of a replay.
const REPLAY_PAGE: usize = 1_000;

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

/// The session as this process has it in memory: replayed from the journal when it is not there, and never trusted
/// further than the journal is known.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    session: RefCell<Option<Session>>,
    /// What the open runs went through and were not yet resumed from; `None` in an object that was never away.
    survived: Cell<Option<Cause>>,
    /// The head that memory had when an append failed, until it is known that it was not stored.
    in_doubt: Cell<Option<Seq>>,
}

impl Memory {
    /// A failed append may still have been stored. Reads past the head of that moment before anything is decided. Where
    /// rows appear, memory is dropped, and the rows are returned: watchers must hear of them.
    ///
    /// # Errors
    /// When the journal cannot be read: the doubt remains.
    pub(crate) fn settle_doubt<J: Journal>(&self, journal: &J) -> Result<Vec<Record>, HostError<J::Error>> {
        let Some(head) = self.in_doubt.get() else { return Ok(Vec::new()) };
        let missed = journal.read(head, REPLAY_PAGE).map_err(HostError::Storage)?;
        self.in_doubt.set(None);
        if !missed.is_empty() {
            self.forget(Cause::Crash);
        }
        Ok(missed)
    }

    /// Replays the session from the journal.
    ///
    /// # Errors
    /// When the journal cannot be read, or contradicts itself.
    pub(crate) fn replay<J: Journal>(&self, journal: &J) -> Result<(), HostError<J::Error>> {
        let mut session = Session::default();
        loop {
            let page = journal.read(session.head(), REPLAY_PAGE).map_err(HostError::Storage)?;
            if page.is_empty() {
                break;
            }
            for record in page {
                session.absorb(record)?;
            }
        }
        if session.open_runs().next().is_some() && self.survived.get().is_none() {
            self.survived.set(Some(Cause::Crash));
        }
        self.session.replace(Some(session));
        Ok(())
    }

    /// Whether there is no session here.
    pub(crate) fn is_empty(&self) -> bool {
        self.session.borrow().is_none()
    }

    /// Whether an append failed of which is not known whether it was stored.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt.get().is_some()
    }

    /// Reads the session, where it is here. A panic of `read` leaves the memory empty, so that a half-changed session is
    /// never used.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Session) -> T) -> Option<T> {
        let session = self.session.take()?;
        let value = read(&session);
        self.session.replace(Some(session));
        Some(value)
    }

    /// Decides an event and stores what it changes. The session must be here.
    ///
    /// # Errors
    /// When the event is refused or could not be stored: then nothing changed, as far as is known.
    pub(crate) fn commit<J: Journal>(
        &self,
        journal: &J,
        event: Input,
        (moment, judge): (Moment, &dyn Judge),
    ) -> Result<Committed, HostError<J::Error>> {
        let mut session = self.session.take().expect("it was replayed before anything is decided");
        // Only a resumption makes the calls again that were in flight: another event, that comes first, leaves it due.
        let resumes = matches!(event, Input::Resume(_)) || session.open_runs().next().is_none();
        let head = session.head();
        let committed = session.decide_by(event, moment, judge).map_err(HostError::from).and_then(|step| {
            if step.is_ignored() {
                tracing::debug!("a late outcome was ignored");
            }
            session.commit(step, journal).map_err(|error| match error {
                CommitError::Journal(error) => HostError::Storage(error),
                CommitError::Stale { .. } => unreachable!("the step was decided on this session just now"),
            })
        });
        self.session.replace(Some(session));
        match &committed {
            Err(HostError::Storage(_)) => self.in_doubt.set(Some(head)),
            Ok(committed) if resumes && !committed.records.is_empty() => self.survived.set(None),
            _ => {}
        }
        committed
    }

    /// What the open runs went through and were not yet resumed from.
    pub(crate) fn survived(&self) -> Option<Cause> {
        self.survived.get()
    }

    /// Nothing is to be resumed from any more.
    pub(crate) fn resumed(&self) {
        self.survived.set(None);
    }

    /// Drops the session; the next use replays the journal.
    pub(crate) fn forget(&self, cause: Cause) {
        self.session.take();
        self.survived.set(Some(cause));
    }

    /// The storage is erased: nothing was survived, and nothing is in doubt.
    pub(crate) fn erase(&self) {
        self.session.take();
        self.survived.set(None);
        self.in_doubt.set(None);
    }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{CallId, RunId, WholeResult, decode_row};

    use super::*;

    const ACCEPTED: &str = r#"[{"type":"run.accepted","at":0,"run":1,"task":"t","agent":"default","model":"m",
        "max_iterations":6,"metadata":{},"settings":{"sentinel":"DONE","model_timeout_ms":1000}}]"#;

    /// A journal in memory, and what the next appends come to.
    #[derive(Default)]
    struct Fake {
        records: RefCell<Vec<Record>>,
        fate: Cell<Fate>,
    }

    #[derive(Default, Clone, Copy)]
    enum Fate {
        #[default]
        Stored,
        /// It is not stored, and fails.
        Failed,
        /// It is stored, and seems to fail.
        AnswerLost,
    }

    #[derive(Debug, Error)]
    #[error("the disk failed")]
    struct DiskFailed;

    impl Journal for Fake {
        type Error = DiskFailed;

        fn append(&self, records: &[Record], _: &[WholeResult]) -> Result<(), DiskFailed> {
            if !matches!(self.fate.get(), Fate::Failed) {
                self.records.borrow_mut().extend_from_slice(records);
            }
            if matches!(self.fate.get(), Fate::Stored) { Ok(()) } else { Err(DiskFailed) }
        }

        fn result(&self, _: CallId) -> Result<Option<String>, DiskFailed> {
            Ok(None)
        }

        fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, DiskFailed> {
            let records = self.records.borrow();
            Ok(records.iter().filter(|record| record.seq > after).take(limit).cloned().collect())
        }
    }

    fn with_a_run() -> (Memory, Fake) {
        let journal = Fake::default();
        journal.records.replace(decode_row(Seq(1), ACCEPTED).expect("it is a row"));
        let memory = Memory::default();
        memory.replay(&journal).expect("the journal is sound");
        (memory, journal)
    }

    fn cancel(memory: &Memory, journal: &Fake) -> Result<Committed, HostError<DiskFailed>> {
        memory.commit(
            journal,
            Input::Cancel { by: "tenant".to_owned() },
            (Moment { now: 1, seed: 0 }, &longhaul_core::OfferJudge),
        )
    }

    fn is_open(memory: &Memory) -> Option<bool> {
        memory.read(|session| session.run(RunId(1)).is_some_and(longhaul_core::Run::is_open))
    }

    #[test]
    fn an_append_that_failed_changes_nothing() {
        let (memory, journal) = with_a_run();
        journal.fate.set(Fate::Failed);
        assert!(matches!(cancel(&memory, &journal), Err(HostError::Storage(DiskFailed))));
        assert!(memory.is_in_doubt());
        assert_eq!(memory.settle_doubt(&journal).expect("it can be read"), []);
        assert_eq!((memory.is_in_doubt(), is_open(&memory)), (false, Some(true)));
    }

    #[test]
    fn an_append_that_seemed_to_fail_costs_the_memory_that_does_not_know_of_it() {
        let (memory, journal) = with_a_run();
        journal.fate.set(Fate::AnswerLost);
        assert!(cancel(&memory, &journal).is_err());
        let missed = memory.settle_doubt(&journal).expect("it can be read");
        let names: Vec<&str> = missed.iter().map(|record| record.entry.type_name()).collect();
        assert_eq!(names, ["cancel.requested", "run.ended"]);
        assert!(memory.is_empty() && memory.survived() == Some(Cause::Crash));
        memory.replay(&journal).expect("the journal is sound");
        assert_eq!(is_open(&memory), Some(false));
    }

    #[test]
    fn what_was_survived_is_known_until_it_is_resumed_from() {
        let (memory, journal) = with_a_run();
        assert_eq!(memory.survived(), Some(Cause::Crash), "a run was open");
        memory.forget(Cause::Panic);
        memory.replay(&journal).expect("the journal is sound");
        assert_eq!(memory.survived(), Some(Cause::Panic));
        let resumed = memory.commit(
            &journal,
            Input::Resume(Cause::Panic),
            (Moment { now: 1, seed: 0 }, &longhaul_core::OfferJudge),
        );
        assert!(!resumed.expect("it is stored").records.is_empty());
        assert_eq!(memory.survived(), None);
        memory.erase();
        assert!(memory.is_empty());
    }

    #[test]
    fn a_panic_of_a_reader_leaves_no_half_changed_session() {
        let (memory, _) = with_a_run();
        let reading =
            std::panic::AssertUnwindSafe(|| memory.read(|_| std::panic::panic_any("at the wrong time")));
        assert!(std::panic::catch_unwind(reading).is_err());
        assert!(memory.is_empty());
    }
}
