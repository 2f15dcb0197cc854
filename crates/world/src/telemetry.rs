use std::{cell::Cell, sync::OnceLock};

use longhaul_core::TimeMs;
use longhaul_host::Telemetry;
use tracing::{Dispatch, Level, dispatcher, subscriber::NoSubscriber};

/// While there is one subscriber alone, `tracing` asks only that of the thread which meets a span first, and a thread
/// without one would switch the span off for all.
static OTHERS: OnceLock<[Dispatch; 2]> = OnceLock::new();

thread_local! {
    static CLOCK: Cell<TimeMs> = const { Cell::new(0) };
    static LOG: Cell<fn(Level, &str)> = const { Cell::new(|_, _| {}) };
    static DISPATCH: Dispatch = Dispatch::new(Telemetry::new(|level, line| LOG.get()(level, line), clock));
}

/// Runs code whose `tracing` goes to the runtime's subscriber, which reads the time as [`set_clock`] said it last. Its log
/// goes line by line to `log`.
pub fn with_telemetry<T>(log: fn(Level, &str), run: impl FnOnce() -> T) -> T {
    OTHERS.get_or_init(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::default())));
    LOG.set(log);
    let dispatch = DISPATCH.with(Dispatch::clone);
    dispatcher::with_default(&dispatch, run)
}

/// Sets this thread's clock.
pub fn set_clock(now: TimeMs) {
    CLOCK.set(now);
}

/// What this thread's clock says.
pub fn clock() -> TimeMs {
    CLOCK.get()
}
