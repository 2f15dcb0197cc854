use std::cell::{Cell, RefCell};

use longhaul_core::{Cause, Entry, Record, RunId};
use vecmap::VecSet;

/// What deliveries need to know that is in no journal: it goes with the memory.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Open runs that the index of traces does not show yet, or not as they are.
    unannounced: RefCell<VecSet<RunId>>,
    /// The same, of which an announcement failed: they are tried again with the run's next step.
    failed: RefCell<VecSet<RunId>>,
    /// Runs that ended in this process, with no delivery of unknown outcome.
    witnessed: RefCell<VecSet<RunId>>,
    /// Erasures under way: no delivery begins meanwhile.
    closing: Cell<u32>,
}

/// While it lives, a session begins no delivery: see [`Runtime::close`](crate::Runtime::close).
#[derive(Debug)]
#[must_use = "deliveries go on as soon as it is dropped"]
pub struct Closing<'a>(&'a Cell<u32>);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Outbox {
    /// Remembers new records; `survived` is what the open runs had gone through before them.
    pub(crate) fn note(&self, records: &[Record], survived: Option<Cause>) {
        for record in records {
            let is_new = match &record.entry {
                Entry::RunAccepted { .. } => true,
                // A run that was queued begins.
                Entry::ModelCalled { attempt: 1, iteration: 1, .. } => true,
                // Another model took it over: whoever looks for that one finds the run.
                Entry::ModelCalled { fallback_from: Some(_), .. } => true,
                // The memory is gone that knew whether it was shown.
                Entry::ModelCalled { .. } if survived.is_some() => true,
                // A call waits for a person, or no longer: whoever looks for those finds it.
                Entry::ApprovalRequested { .. } | Entry::ApprovalResolved { .. } => true,
                Entry::RunEnded { .. } => {
                    self.witnessed.borrow_mut().insert(record.run);
                    false
                }
                _ => self.failed.borrow_mut().remove(&record.run),
            };
            if is_new {
                self.unannounced.borrow_mut().insert(record.run);
            }
        }
    }

    /// The runs that are to be announced now.
    pub(crate) fn take_unannounced(&self) -> VecSet<RunId> {
        std::mem::take(&mut self.unannounced.borrow_mut())
    }

    /// A run was not shown.
    pub(crate) fn announcement_failed(&self, run: RunId) {
        self.failed.borrow_mut().insert(run);
    }

    /// Whether no request for this run's trace is unaccounted for; from now on there may be one.
    pub(crate) fn take_witnessed(&self, run: RunId) -> bool {
        self.witnessed.borrow_mut().remove(&run)
    }

    /// Begins no delivery any more, until the guard is dropped.
    pub(crate) fn close(&self) -> Closing<'_> {
        self.closing.set(self.closing.get() + 1);
        Closing(&self.closing)
    }

    /// Whether somebody deletes the session.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get() > 0
    }

    /// The memory is gone that all this belongs to.
    pub(crate) fn forget(&self) {
        self.unannounced.borrow_mut().clear();
        self.failed.borrow_mut().clear();
        self.witnessed.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{CallId, Seq};

    use super::*;

    fn record(run: u32, entry: Entry) -> Record {
        Record { seq: Seq(1), at: 0, run: RunId(run), entry }
    }

    fn called(attempt: u32) -> Entry {
        Entry::ModelCalled {
            call: CallId(1),
            attempt,
            iteration: 1,
            model: "m".to_owned(),
            message_count: 2,
            dropped_messages: 0,
            fallback_from: None,
            reserved: None,
            last: false,
        }
    }

    fn unannounced(outbox: &Outbox) -> Vec<u32> {
        outbox.take_unannounced().iter().map(|run| run.0).collect()
    }

    #[test]
    fn a_run_is_announced_as_it_begins_and_again_after_a_death() {
        let outbox = Outbox::default();
        outbox.note(&[record(1, called(1))], None);
        assert_eq!(unannounced(&outbox), [1]);
        outbox.note(&[record(1, called(2))], None);
        assert!(unannounced(&outbox).is_empty());
        outbox.note(&[record(1, called(3))], Some(Cause::Crash));
        assert_eq!(unannounced(&outbox), [1]);
        let mut taken_over = called(4);
        if let Entry::ModelCalled { fallback_from, .. } = &mut taken_over {
            *fallback_from = Some("l".to_owned());
        }
        outbox.note(&[record(1, taken_over)], None);
        assert_eq!(unannounced(&outbox), [1], "under another model's name");
    }

    #[test]
    fn a_run_is_announced_when_a_call_of_it_waits_for_a_person_and_when_somebody_has_decided() {
        let outbox = Outbox::default();
        for text in [
            r#"[{"type":"approval.requested","at":0,"run":1,"call":2,"tool":"pay","arguments":{}}]"#,
            r#"[{"type":"approval.resolved","at":0,"run":1,"call":2,"decision":"denied","reason":null,"by":"acme"}]"#,
        ] {
            outbox.note(&longhaul_core::decode_row(Seq(1), text).expect("it is a row"), None);
            assert_eq!(unannounced(&outbox), [1], "{text}");
        }
    }

    #[test]
    fn an_announcement_that_failed_comes_with_the_next_step() {
        let outbox = Outbox::default();
        outbox.announcement_failed(RunId(1));
        assert!(unannounced(&outbox).is_empty());
        outbox.note(&[record(2, called(2)), record(1, called(2))], None);
        assert_eq!(unannounced(&outbox), [1]);
        outbox.note(&[record(1, called(3))], None);
        assert!(unannounced(&outbox).is_empty(), "once");
    }

    #[test]
    fn an_end_is_witnessed_once_and_by_the_memory_that_saw_it() {
        let ended = || {
            let text = r#"[{"type":"run.ended","at":0,"run":1,"status":"succeeded","stop_reason":"done","usage":{},"iterations":1}]"#;
            longhaul_core::decode_row(Seq(1), text).expect("it is a row")
        };
        let outbox = Outbox::default();
        outbox.note(&ended(), None);
        assert!(outbox.take_witnessed(RunId(1)) && !outbox.take_witnessed(RunId(1)));
        outbox.note(&ended(), None);
        outbox.forget();
        assert!(!outbox.take_witnessed(RunId(1)));
    }

    #[test]
    fn it_is_closed_as_long_as_anybody_erases() {
        let outbox = Outbox::default();
        let (first, second) = (outbox.close(), outbox.close());
        drop(first);
        assert!(outbox.is_closing());
        drop(second);
        assert!(!outbox.is_closing());
    }
}
