use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use longhaul_core::{Input, TimeMs};

/// The wait before the loop tries again what the storage did not take, in milliseconds. It doubles with each failure.
pub(crate) const TROUBLE_WAIT_MS: u64 = 2_000;
/// The longest such wait, in milliseconds.
pub(crate) const TROUBLE_WAIT_MS_MAX: u64 = 5 * 60_000;

/// When a storage that takes nothing is asked again.
#[derive(Debug, Default)]
pub(crate) struct StorageBackoff {
    failures: Cell<u32>,
    until: Cell<TimeMs>,
}

impl StorageBackoff {
    /// The storage failed.
    pub(crate) fn failed(&self, now: TimeMs) {
        let wait = TROUBLE_WAIT_MS.checked_shl(self.failures.get()).unwrap_or(TROUBLE_WAIT_MS_MAX);
        self.failures.set(self.failures.get().saturating_add(1).min(16));
        self.until.set(now + wait.min(TROUBLE_WAIT_MS_MAX));
    }

    /// The storage has what this version cannot read: only a deployment, which makes a new memory, changes that.
    pub(crate) fn unreadable(&self, now: TimeMs) {
        self.until.set(now + TROUBLE_WAIT_MS_MAX);
    }

    /// The storage works.
    pub(crate) fn recovered(&self) {
        self.failures.set(0);
        self.until.set(0);
    }

    /// Before this time the storage is not asked again; 0 when there is no trouble.
    pub(crate) fn until(&self) -> TimeMs {
        self.until.get()
    }
}

/// Outcomes that are still to be stored: what was paid for is not asked for again.
#[derive(Debug, Default)]
pub(crate) struct Unstored(RefCell<VecDeque<Input>>);

impl Unstored {
    /// An outcome stays here until it is stored.
    pub(crate) fn keep(&self, outcome: Input) {
        self.0.borrow_mut().push_back(outcome);
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The oldest outcome.
    pub(crate) fn next_unstored(&self) -> Option<Input> {
        self.0.borrow().front().cloned()
    }

    /// The oldest one is stored.
    pub(crate) fn stored(&self) {
        self.0.borrow_mut().pop_front();
    }

    /// The memory is gone that waited for the outcomes.
    pub(crate) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap_and_begins_anew() {
        let backoff = StorageBackoff::default();
        let waits: Vec<u64> = (0..10)
            .map(|_| {
                backoff.failed(1_000);
                (backoff.until() - 1_000) / 1_000
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        backoff.recovered();
        assert_eq!(backoff.until(), 0);
        backoff.failed(0);
        assert_eq!(backoff.until(), TROUBLE_WAIT_MS);
    }

    #[test]
    fn an_outcome_stays_until_it_is_stored() {
        let unstored = Unstored::default();
        unstored.keep(Input::Tick);
        assert!(unstored.next_unstored().is_some() && unstored.next_unstored().is_some());
        unstored.stored();
        assert!(unstored.is_empty());
    }
}
