//! What the person at the terminal sees: one line per step, with the time it took.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::process::CommandError;

/// Whether standard output is for a program: JSON alone. What people read goes to standard error then.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on standard output has JSON alone.
pub fn speak_json() {
    IS_JSON.store(true, Ordering::Relaxed);
}

/// Whether standard output has JSON alone.
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// A line for people.
pub fn say(line: impl fmt::Display) {
    if is_json() {
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
}

/// A line for programs, where one listens.
///
/// # Errors
/// When nobody reads it any more.
pub fn tell(value: &Value) -> io::Result<()> {
    if !is_json() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{value}")?;
    stdout.flush()
}

/// The steps under way at a terminal, one line each.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Measures real time, for people only.
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "a terminal shows real time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since its start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A duration as a person reads it: `12 ms`, `3.4 s`, `2 min 05 s`.
pub struct Took(pub Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.as_millis() {
            ms @ 0..1_000 => format!("{ms} ms"),
            1_000..60_000 => format!("{:.1} s", self.0.as_secs_f64()),
            _ => format!("{} min {:02} s", self.0.as_secs() / 60, self.0.as_secs() % 60),
        };
        f.pad(&text)
    }
}

/// A step under way. On a terminal it is a spinner that shows the last line of output; elsewhere one line
/// at the start, so that a log tells what a slow step is.
pub struct Progress {
    title: String,
    spinner: Option<ProgressBar>,
    stopwatch: Stopwatch,
}

impl Progress {
    /// Shows that the step has begun.
    pub fn start(title: &str) -> Self {
        let spinner = io::stderr().is_terminal().then(|| {
            let spinner = SPINNERS.add(ProgressBar::new_spinner());
            let style =
                ProgressStyle::with_template("  {spinner} {prefix:<18} {elapsed:>4}  {wide_msg:.dim}");
            spinner.set_style(style.expect("the template is a literal"));
            spinner.set_prefix(title.to_owned());
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        if spinner.is_none() {
            say(format_args!("  > {title}"));
        }
        Self { title: title.to_owned(), spinner, stopwatch: Stopwatch::start() }
    }

    /// Shows what the step is doing now.
    pub fn line(&self, line: &str) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(line.trim().to_owned());
        }
    }

    /// Ends the step with its result, and returns the time it took.
    pub fn finish(self, mark: Mark, note: &str) -> Duration {
        self.finish_with(mark, note, || ())
    }

    /// Ends the step well, or not.
    pub fn end(self, is_well: bool) {
        self.finish(if is_well { Mark::Ok } else { Mark::Failed }, "");
    }

    /// The same, and tells more of it: no line of another step comes between.
    pub fn finish_with(self, mark: Mark, note: &str, more: impl FnOnce()) -> Duration {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        let took = self.stopwatch.elapsed();
        SPINNERS.suspend(|| {
            print_done(mark, &self.title, note, took);
            more();
        });
        took
    }
}

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Well.
    Ok,
    /// With an error.
    Failed,
    /// It was not begun.
    Skipped,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "✓",
            Self::Failed => "✗",
            Self::Skipped => "-",
        })
    }
}

/// The line of a step that has ended.
pub fn done(mark: Mark, title: &str, note: &str, took: Duration) {
    SPINNERS.suspend(|| print_done(mark, title, note, took));
}

fn print_done(mark: Mark, title: &str, note: &str, took: Duration) {
    say(format_args!("  {mark} {title:<18} {:>12}  {note}", Took(took)));
}

/// Tells why something failed, with what the failed command had to say.
pub fn failure(error: &anyhow::Error) {
    if let Some(output) = said(error) {
        eprintln!("{output}");
    }
    eprintln!("error: {error:#}");
}

/// The same for programs: `{"error", "output"}`. The second is what a failed command had to say, or null.
pub fn failure_json(error: &anyhow::Error) -> Value {
    json!({"error": format!("{error:#}"), "output": said(error)})
}

fn said(error: &anyhow::Error) -> Option<String> {
    let Some(CommandError::Failed { output, .. }) = error.downcast_ref() else { return None };
    let lines: Vec<&str> = news(output).collect();
    Some(lines.join("\n")).filter(|text| !text.is_empty())
}

/// What a failed command had to say of its failure: no progress, and nothing of the tests that passed.
fn news(output: &str) -> impl Iterator<Item = &str> {
    // The Rust test harness, with `--show-output`: all that the good tests printed, then all that the others did.
    let mut is_of_good_tests = false;
    output.lines().filter(move |line| {
        is_of_good_tests = *line == "successes:" || is_of_good_tests && *line != "failures:";
        !is_of_good_tests && is_news(line)
    })
}

/// Whether a line of a failed command is more than a report of progress.
fn is_news(line: &str) -> bool {
    const PROGRESS: [&str; 9] = [
        "Blocking ",
        "Checking ",
        "Compiling ",
        "Documenting ",
        "Downloaded ",
        "Downloading ",
        "Finished ",
        "Fresh ",
        "Running ",
    ];
    let is_progress =
        line.starts_with("   ") && PROGRESS.iter().any(|verb| line.trim_start().starts_with(verb));
    let is_passing_test = line.starts_with("test ") && line.ends_with(" ... ok");
    !is_progress && !is_passing_test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown = |ms| Took(Duration::from_millis(ms)).to_string();
        assert_eq!(shown(7), "7 ms");
        assert_eq!(shown(3_440), "3.4 s");
        assert_eq!(shown(125_000), "2 min 05 s");
    }

    #[test]
    fn a_failure_shows_what_is_wrong_and_no_progress() {
        let output =
            "test a ... ok\nsuccesses:\n\n---- a stdout ----\nfine\n\nfailures:\n---- b stdout ----\nwhy";
        assert_eq!(news(output).collect::<Vec<_>>(), ["failures:", "---- b stdout ----", "why"]);
        assert!(!is_news("   Compiling serde v1.0.0") && !is_news("test a::b ... ok"));
        assert!(is_news("error[E0308]: mismatched types") && is_news("test a::b ... FAILED"));
        assert!(is_news("    let compiling = 1;"));
    }
}
