use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use longhaul_core::{Input, TimeMs};

/// The wait before the loop tries again what the storage did not take, in milliseconds. It doubles with each failure.
pub(crate) const TROUBLE_WAIT_MS: u64 = 2_000;
/// The longest such wait, in milliseconds.
pub(crate) const TROUBLE_WAIT_MS_MAX: u64 = 5 * 60_000;

/// A storage that takes nothing: when it is asked again, and what it is still to get.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    failures: Cell<u32>,
    until: Cell<TimeMs>,
    outcomes: RefCell<VecDeque<Input>>,
}

impl Trouble {
    /// An outcome stays here until it is stored: what was paid for is not asked for again.
    pub(crate) fn keep(&self, outcome: Input) {
        self.outcomes.borrow_mut().push_back(outcome);
    }

    /// Whether an outcome is still to be stored.
    pub(crate) fn has_outcomes(&self) -> bool {
        !self.outcomes.borrow().is_empty()
    }

    /// The oldest outcome that is still to be stored.
    pub(crate) fn outcome(&self) -> Option<Input> {
        self.outcomes.borrow().front().cloned()
    }

    /// It is stored.
    pub(crate) fn stored(&self) {
        self.outcomes.borrow_mut().pop_front();
    }

    /// The memory is gone that waited for the outcomes.
    pub(crate) fn forget(&self) {
        self.outcomes.borrow_mut().clear();
    }

    /// The storage failed.
    pub(crate) fn failed(&self, now: TimeMs) {
        let wait = TROUBLE_WAIT_MS.checked_shl(self.failures.get()).unwrap_or(TROUBLE_WAIT_MS_MAX);
        self.failures.set(self.failures.get().saturating_add(1).min(16));
        self.until.set(now + wait.min(TROUBLE_WAIT_MS_MAX));
    }

    /// The storage has what this version cannot read: only a deployment, which makes a new memory, changes that.
    pub(crate) fn lasts(&self, now: TimeMs) {
        self.until.set(now + TROUBLE_WAIT_MS_MAX);
    }

    /// The storage works.
    pub(crate) fn over(&self) {
        self.failures.set(0);
        self.until.set(0);
    }

    /// Before this time the storage is not asked again; 0 when there is no trouble.
    pub(crate) fn until(&self) -> TimeMs {
        self.until.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap_and_begins_anew() {
        let trouble = Trouble::default();
        let waits: Vec<u64> = (0..10)
            .map(|_| {
                trouble.failed(1_000);
                (trouble.until() - 1_000) / 1_000
            })
            .collect();
        assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        trouble.over();
        assert_eq!(trouble.until(), 0);
        trouble.failed(0);
        assert_eq!(trouble.until(), TROUBLE_WAIT_MS);
    }
}
