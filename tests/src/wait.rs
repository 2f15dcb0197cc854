//! Waiting for a condition, with a deadline that is far beyond what a slow machine needs.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for a thing that should happen at once. Only a failure ever takes this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// Polls `probe` until it gives a value. Panics with `what` when [`PATIENCE`] is used up.
pub async fn eventually<T, F>(what: impl Display, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        sleep(POLL).await;
    }
}

/// Awaits `future`. Panics with `what` when [`PATIENCE`] is used up.
pub async fn in_time<T>(what: impl Display, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("gave up waiting for {what}"),
    }
}

/// The wall clock in milliseconds since the epoch, to compare with the times that the server reports.
#[expect(clippy::disallowed_methods, reason = "tests watch a real server in real time")]
pub fn now_ms() -> u64 {
    let since_epoch =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since_epoch.as_millis()).expect("milliseconds fit 64 bits")
}
