use std::sync::Once;

use longhaul_host::Telemetry;
use tracing::Level;
use worker::{console_error, console_log, console_warn};

use crate::platform::now_ms;

/// Sends `tracing` events to the console, each as one line of JSON, and keeps the spans of agents for their traces.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An agent's own subscriber, set before, stays.
        tracing::subscriber::set_global_default(Telemetry::new(write, now_ms)).unwrap_or_default();
    });
}

fn write(level: Level, line: &str) {
    match level {
        Level::ERROR => console_error!("{line}"),
        Level::WARN => console_warn!("{line}"),
        _ => console_log!("{line}"),
    }
}
