//! The real clock.

use std::time::{SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the time of a measurement is the real one")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Microseconds since the epoch: processes of one machine compare them.
pub(crate) fn now_us() -> u64 {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
