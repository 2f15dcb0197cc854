//! One session, very large: a long history, long messages, many watchers, a full queue, a full disk. It boots, answers
//! or refuses clearly, never loops, and what a turn costs does not grow with what was said before.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod full;
mod history;
mod lazy;
mod memory;
mod queue;
mod size;
mod watchers;

use std::io::{self, Write};

/// Printed past the capture of the test runner.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("stdout takes a line");
}

/// Bytes as MiB, for a line of figures.
fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
