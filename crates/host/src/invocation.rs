use longhaul_core::TimeMs;

/// How long one invocation drives before it hands over at a step boundary: an alarm may last 15 minutes.
const HANDOVER_AFTER_MS: u64 = 10 * 60_000;
/// How long one invocation may last, the last call included: the platform ends an alarm's handler after 15 minutes, and
/// with it whatever is in flight.
const INVOCATION_MS_MAX: u64 = 14 * 60_000 + 30_000;
/// An invocation of this age begins any call; an older one leaves a call to the next that it may not live to finish.
const FRESH_MS: u64 = 30_000;

/// One invocation of the alarm's handler, or of a request: what it still begins, for the platform does not let it live for
/// ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invocation {
    began: TimeMs,
}

impl Invocation {
    /// One that begins now.
    pub(crate) fn new(now: TimeMs) -> Self {
        Self { began: now }
    }

    /// Whether it has lasted so long that the rest is for a fresh one.
    pub(crate) fn is_old(self, now: TimeMs) -> bool {
        self.age(now) >= HANDOVER_AFTER_MS
    }

    /// Whether the next call, which may last until `give_up_at`, is for a fresh invocation, because this one may not live to
    /// see its end.
    pub(crate) fn leaves(self, now: TimeMs, give_up_at: TimeMs) -> bool {
        self.age(now) >= FRESH_MS && give_up_at > self.ends_at()
    }

    /// When its last call must be over.
    pub(crate) fn ends_at(self) -> TimeMs {
        self.began.saturating_add(INVOCATION_MS_MAX)
    }

    fn age(self, now: TimeMs) -> u64 {
        now.saturating_sub(self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_may_outlast_it_is_left_to_the_next_unless_it_is_fresh() {
        let invocation = Invocation::new(1_000);
        let end = invocation.ends_at();
        assert!(!invocation.leaves(1_000, end + 1), "no other would do better");
        assert!(invocation.leaves(1_000 + FRESH_MS, end + 1));
        assert!(!invocation.leaves(1_000 + FRESH_MS, end));
    }

    #[test]
    fn it_is_old_after_ten_minutes_and_not_when_the_clock_is_set_back() {
        let invocation = Invocation::new(1_000);
        assert!(!invocation.is_old(0) && !invocation.is_old(600_999));
        assert!(invocation.is_old(601_000));
    }
}
