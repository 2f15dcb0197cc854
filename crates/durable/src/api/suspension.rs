use longhaul_core::TimeMs;
use serde::Serialize;

use super::{problem::Problem, slots::POST_MS_MAX};

/// How long sessions that could not be cancelled are left alone, in milliseconds.
const RETRY_MS: u64 = 5_000;

/// A tenant that starts nothing until an operator lets it in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suspension {
    /// Since when.
    pub(crate) since: TimeMs,
    /// Who did it.
    pub(crate) by: String,
    /// Whether the sessions were listed once more, after every post that was on its way had arrived.
    pub(crate) is_listed_again: bool,
}

/// What the tenant's object does after it has asked its sessions to cancel their runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It looks again then.
    At(TimeMs),
    /// It lists the sessions once more, and asks them at once.
    ListAgain,
    /// Nothing: all runs are cancelled, and no further one can start.
    Rest,
}

impl Suspension {
    pub(crate) fn new(by: String, now: TimeMs) -> Self {
        Self { since: now, by, is_listed_again: false }
    }

    /// With so many sessions `left` that are not cancelled yet.
    pub(crate) fn next(&self, left: u64, now: TimeMs) -> Next {
        let all_arrived_at = self.since + POST_MS_MAX;
        match left {
            0 if self.is_listed_again => Next::Rest,
            0 if now >= all_arrived_at => Next::ListAgain,
            0 => Next::At(all_arrived_at),
            _ => Next::At(now + RETRY_MS),
        }
    }
}

/// When an alarm that dies is tried again, if the platform does not do it by itself.
pub(crate) fn retry_at(now: TimeMs) -> TimeMs {
    now + RETRY_MS
}

/// 403 for what a suspended tenant posts.
pub(crate) fn refused() -> Problem {
    Problem::suspended(
        "an operator has suspended this tenant: it starts nothing and decides nothing, and can read, cancel and delete; \
         whoever has a token with the scope `operator` lets it in again",
    )
}

/// Whether a tenant is suspended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Suspension"))]
pub(crate) struct SuspensionView<'a> {
    /// The tenant.
    tenant: &'a str,
    /// Whether it is.
    suspended: bool,
    /// Since when; null where it is not.
    since: Option<TimeMs>,
    /// Who suspended it; null where it is not.
    by: Option<&'a str>,
    /// How many of its sessions are still to be asked to cancel their runs.
    cancelling: u64,
}

impl<'a> SuspensionView<'a> {
    pub(crate) fn new(tenant: &'a str, suspension: Option<&'a Suspension>, cancelling: u64) -> Self {
        Self {
            tenant,
            suspended: suspension.is_some(),
            since: suspension.map(|suspension| suspension.since),
            by: suspension.map(|suspension| suspension.by.as_str()),
            cancelling,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_listed_once_more_when_every_post_has_arrived() {
        let mut suspension = Suspension::new("ops/ann".to_owned(), 1_000);
        let arrived = 1_000 + POST_MS_MAX;
        assert_eq!(suspension.next(3, 2_000), Next::At(2_000 + RETRY_MS), "they are asked again");
        assert_eq!(suspension.next(0, 2_000), Next::At(arrived));
        assert_eq!(suspension.next(0, arrived - 1), Next::At(arrived));
        assert_eq!(suspension.next(1, arrived), Next::At(arrived + RETRY_MS));
        assert_eq!(suspension.next(0, arrived), Next::ListAgain);
        suspension.is_listed_again = true;
        assert_eq!(suspension.next(1, arrived), Next::At(arrived + RETRY_MS));
        assert_eq!(suspension.next(0, arrived), Next::Rest);
    }
}
