//! The platform's public prices, and what a run costs by them.

use std::fmt::Write;

/// Where the prices are from, and when they were looked up.
pub(crate) const SOURCE: &str = "developers.cloudflare.com/durable-objects/platform/pricing and \
    developers.cloudflare.com/workers/platform/pricing, Workers Paid, beyond what is included, as stored copies of them had them that were looked up on 2026-11-28";

/// USD for a million requests of the Worker.
pub(crate) const WORKER_REQUESTS: f64 = 0.30;
/// USD for a million requests of an object; an alarm is one.
pub(crate) const OBJECT_REQUESTS: f64 = 0.15;
/// USD for a million GB-seconds that objects are active.
pub(crate) const GB_SECONDS: f64 = 12.50;
/// USD for a million rows written.
pub(crate) const ROWS_WRITTEN: f64 = 1.00;
/// USD for a million rows read.
const ROWS_READ: f64 = 0.001;
/// What an object is billed as, however little it needs.
pub(crate) const GB: f64 = 0.128;

/// What a real model takes for an answer, in seconds: the object is active meanwhile.
pub(crate) const ANSWER_S: f64 = 2.0;
const ANSWERS: f64 = 6.0;
/// The post and one watcher.
const REQUESTS: f64 = 2.0;

/// What one run uses, as measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) written: f64,
    pub(crate) read: f64,
    /// Times that an alarm is set: each is delivered at most once.
    pub(crate) alarms: f64,
    /// The run's own time, beside the model's, in milliseconds.
    pub(crate) own_ms: f64,
}

impl Run {
    /// The parts of the price of a million such runs: what, how it is reckoned, USD.
    fn parts(&self) -> [(&'static str, String, f64); 5] {
        let seconds = ANSWERS * ANSWER_S + self.own_ms / 1e3;
        let requests = REQUESTS + self.alarms;
        [
            ("requests of the Worker", format!("{REQUESTS} × {WORKER_REQUESTS}"), REQUESTS * WORKER_REQUESTS),
            (
                "requests of the object, its alarms among them",
                format!("{requests:.1} × {OBJECT_REQUESTS}"),
                requests * OBJECT_REQUESTS,
            ),
            (
                "GB-seconds",
                format!("{GB} × ({ANSWERS} × {ANSWER_S} s + {:.3} s) × {GB_SECONDS}", self.own_ms / 1e3),
                GB * seconds * GB_SECONDS,
            ),
            ("rows written", format!("{:.1} × {ROWS_WRITTEN}", self.written), self.written * ROWS_WRITTEN),
            ("rows read", format!("{:.1} × {ROWS_READ}", self.read), self.read * ROWS_READ),
        ]
    }

    /// USD for a million such runs.
    pub(crate) fn usd(&self) -> f64 {
        self.parts().iter().map(|(_, _, usd)| usd).sum()
    }

    /// The arithmetic, as a Markdown table.
    pub(crate) fn arithmetic(&self, who: &str) -> String {
        let mut text = format!("| a million runs of {who} | reckoned | USD |\n|---|---|---|\n");
        for (what, how, usd) in self.parts() {
            writeln!(text, "| {what} | {how} | {usd:.2} |").expect("a text takes everything");
        }
        writeln!(text, "| together | | {:.2} |", self.usd()).expect("a text takes everything");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_the_sum_of_its_parts() {
        let run = Run { written: 10.0, read: 100.0, alarms: 2.0, own_ms: 0.0 };
        // 0.60 + 0.60 + 0.128 × 12 × 12.5 + 10 + 0.1
        assert!((run.usd() - 30.5).abs() < 1e-9, "{}", run.usd());
        let text = run.arithmetic("longhaul");
        assert!(text.contains("| rows written | 10.0 × 1 | 10.00 |"), "{text}");
        assert!(text.ends_with("| together | | 30.50 |\n"), "{text}");
    }
}
