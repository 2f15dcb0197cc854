use std::fmt;

use longhaul_core::TimeMs;
use serde_json::{Map, Value};

use super::{outside::BEGINNING, world::World};

/// Characters of a value in a line.
const VALUE_CHARS_MAX: usize = 160;
/// Fields that a line does not show: they are in it already, or say little of a test.
const UNSHOWN: [&str; 12] = [
    "seq",
    "run",
    "at",
    "type",
    "life",
    "settings",
    "metadata",
    "message_count",
    "latency_ms",
    "usage",
    "digest",
    "by",
];

/// The journal, an entry a line, with the deaths between them.
impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (deaths, log) = self.see(|outside| (outside.deaths.clone(), outside.log.clone()));
        let mut deaths = deaths.into_iter().peekable();
        writeln!(f, "the journal, in seconds of the test's clock:")?;
        let events = self.events();
        for event in &events {
            let seq = event["seq"].as_u64().unwrap_or_default();
            while let Some((_, at, how)) = deaths.next_if(|(head, _, _)| head.0 < seq) {
                writeln!(f, "{:>10.3}      the process died: {how}", seconds(at))?;
            }
            let at = seconds(event["at"].as_u64().unwrap_or_default());
            let name = event["type"].as_str().unwrap_or_default();
            let run = event["run"].as_u64().unwrap_or_default();
            writeln!(f, "{at:>10.3} {seq:>4} run {run} {name}{}", Fields(event.as_object()))?;
        }
        for (_, at, how) in deaths {
            writeln!(f, "{:>10.3}      the process died: {how}", seconds(at))?;
        }
        if events.is_empty() {
            writeln!(f, "  it is empty")?;
        }
        if !log.is_empty() {
            writeln!(f, "the log, its last warnings:")?;
            log.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a test lasts less than 2^53 milliseconds")]
fn seconds(at: TimeMs) -> f64 {
    at.saturating_sub(BEGINNING) as f64 / 1_000.0
}

/// The fields of an event, those that say something.
struct Fields<'a>(Option<&'a Map<String, Value>>);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.into_iter().flatten();
        let shown = shown.filter(|(name, value)| !UNSHOWN.contains(&name.as_str()) && !value.is_null());
        for (name, value) in shown {
            let text = match value {
                Value::String(text) => format!("{text:?}"),
                other => other.to_string(),
            };
            let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
            let rest = if cut.len() < text.len() { "…" } else { "" };
            write!(f, " {name}={cut}{rest}")?;
        }
        Ok(())
    }
}
