use std::cell::{Cell, RefCell};

use futures::future::{AbortHandle, AbortRegistration};
use longhaul_core::TimeMs;

/// How far the erasure of a session has come whose retention is over.
#[derive(Debug, Default)]
pub(crate) struct Retiring {
    /// The session was taken out of the index, and nothing has happened in it since.
    is_unlisted: Cell<bool>,
    unlisting: RefCell<Option<AbortHandle>>,
    /// An idle session is not erased before this time.
    not_before: Cell<TimeMs>,
}

impl Retiring {
    /// Begins to take the session out of the index: what ends that early.
    pub(crate) fn begin(&self) -> AbortRegistration {
        let (handle, registration) = AbortHandle::new_pair();
        self.unlisting.replace(Some(handle));
        registration
    }

    /// The session is out of the index. What happens from now on takes that back.
    pub(crate) fn unlisted(&self) {
        self.is_unlisted.set(true);
    }

    /// Whether the session is out of the index, and nothing has happened since.
    pub(crate) fn is_unlisted(&self) -> bool {
        self.is_unlisted.get()
    }

    /// Nothing is tried before this time.
    pub(crate) fn postpone(&self, until: TimeMs) {
        self.not_before.set(until);
    }

    /// The time before which nothing is tried.
    pub(crate) fn not_before(&self) -> TimeMs {
        self.not_before.get()
    }

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
