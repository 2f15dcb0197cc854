use std::cell::Cell;

/// What the index shows of the session, as far as this memory knows.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Rows of runs that are being written.
    pub(crate) writes: Cell<u32>,
    /// Deletions of the session's rows, and their return: no other write begins beside them.
    pub(crate) changes: Cell<u32>,
    pub(crate) rows: Cell<Rows>,
}

/// Whether each run whose row was written still has it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    #[default]
    Whole,
    /// They were deleted, or may have been, because the session was to be erased.
    Missing,
    /// The same, and one attempt to list them again is under way or has failed: the next run's delivery tries again.
    StillMissing,
}

impl Listing {
    /// Whether rows may be written now.
    pub(crate) fn is_settled(&self) -> bool {
        self.changes.get() == 0
    }

    /// The session was erased: the next one of its name has no rows.
    pub(crate) fn start_anew(&self) {
        self.rows.set(Rows::Whole);
    }
}

/// Counts what is under way, while it lives.
pub(crate) struct UnderWay<'a>(&'a Cell<u32>);

impl<'a> UnderWay<'a> {
    pub(crate) fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
