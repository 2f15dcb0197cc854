//! How a command that waits for somebody else ends on the spot when a signal asks it to.
//!
//! A wait for an answer, or for a person at the terminal, cannot look for signals itself. A thread does it.

use std::{
    io::{self, IsTerminal},
    process,
    sync::{
        Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    process::{CommandError, Signal, interrupted},
    report,
};

/// How often it is looked whether somebody wants us to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is looked whether a reader of standard output has what it is told last.
const TOLD_LOOKS: u32 = 10;

/// Waits that a signal ends, and those among them that look for signals themselves.
static WAITS: AtomicUsize = AtomicUsize::new(0);
static HOLDS: AtomicUsize = AtomicUsize::new(0);
/// What is done before the end.
static LAST: Mutex<Option<LastAct>> = Mutex::new(None);

/// Returns whether everything is said.
type LastAct = Box<dyn FnOnce() -> bool + Send>;

/// As long as this lives a signal ends the process wherever it is.
#[must_use]
pub fn ends_on_signals() -> Count {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| drop(thread::spawn(watch)));
    Count::more(&WAITS)
}

fn watch() {
    loop {
        thread::sleep(LOOK);
        let is_meant = WAITS.load(Ordering::SeqCst) > 0 && HOLDS.load(Ordering::SeqCst) == 0;
        if let Some(signal) = interrupted().filter(|_| is_meant) {
            end(signal);
        }
    }
}

/// As long as this lives whoever holds it looks for signals.
#[must_use]
pub fn hold() -> Count {
    Count::more(&HOLDS)
}

/// As long as this lives, this is done before a signal ends the process. It returns whether everything is said.
#[must_use]
pub fn first(act: impl FnOnce() -> bool + Send + 'static) -> First {
    *last() = Some(Box::new(act));
    First
}

/// One more of a kind.
pub struct Count(&'static AtomicUsize);

impl Count {
    fn more(of: &'static AtomicUsize) -> Self {
        of.fetch_add(1, Ordering::SeqCst);
        Self(of)
    }

    /// It stays, until the process ends.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Something is to be done before the end.
pub struct First;

impl Drop for First {
    fn drop(&mut self) {
        *last() = None;
    }
}

fn last() -> MutexGuard<'static, Option<LastAct>> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(signal: Signal) -> ! {
    let act = last().take();
    if !act.is_some_and(|act| act()) {
        if io::stderr().is_terminal() {
            // The terminal has shown `^C` in the middle of a line.
            eprintln!();
        }
        let error = CommandError::Interrupted.into();
        report::failure(&error);
        // In a thread of its own: nobody may read what is told, and the main thread may hold standard output.
        let told = thread::spawn(move || report::tell(&report::failure_json(&error)).ok());
        for _ in 0..TOLD_LOOKS {
            if !told.is_finished() {
                thread::sleep(LOOK);
            }
        }
    }
    process::exit(signal.exit_code().into())
}
