//! What was counted, for people.

use std::fmt::{self, Display};

use crate::ledger::Sums;
use crate::plan::Moment;
use crate::round::Death;

/// Adds up rounds; shown as markdown.
#[derive(Default)]
pub(crate) struct Table {
    sums: Sums,
    rounds: usize,
    deaths: Vec<Death>,
}

impl Table {
    /// Adds a round.
    pub(crate) fn add(&mut self, sums: Sums, deaths: Vec<Death>) {
        self.rounds += 1;
        self.sums.sessions += sums.sessions;
        self.sums.runs += sums.runs;
        self.sums.ended += sums.ended;
        self.sums.at_otlp += sums.at_otlp;
        self.sums.at_nexus += sums.at_nexus;
        self.sums.at_index += sums.at_index;
        self.sums.calls += sums.calls;
        self.sums.again += sums.again;
        self.sums.cut_off += sums.cut_off;
        self.sums.resumed += sums.resumed;
        self.sums.sent_again += sums.sent_again;
        self.sums.lost_answers += sums.lost_answers;
        self.deaths.extend(deaths);
    }

    /// The kills so far.
    pub(crate) fn kills(&self) -> usize {
        self.deaths.len()
    }

    /// The times from the start of workerd to the first call, in words.
    pub(crate) fn latency(&self) -> String {
        let mut times: Vec<u64> = self.deaths.iter().filter_map(|death| death.resumed_ms).collect();
        times.sort_unstable();
        let (Some(min), Some(max)) = (times.first(), times.last()) else {
            return "none was timed".to_owned();
        };
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        format!("min {min} ms, median {} ms, p95 {} ms, max {max} ms of {}", at(50), at(95), times.len())
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let Sums { sessions, runs, calls, again, resumed, .. } = self.sums;
        format!(
            "{} kills in {} rounds: {sessions} sessions, {runs} runs, {calls} calls, {again} made again, {resumed} \
             resumes; unattended, from the start of workerd to the first call: {}",
            self.kills(),
            self.rounds,
            self.latency()
        )
    }
}

impl Sums {
    /// What is missing: an end, or a trace at one of the sinks.
    fn lost(&self) -> usize {
        [self.ended, self.at_otlp, self.at_nexus, self.at_index]
            .iter()
            .map(|there| self.runs.abs_diff(*there))
            .sum()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| killed when | kills | the moment came | calls cut off for certain | timed resumes |")?;
        writeln!(f, "|---|---:|---:|---:|---:|")?;
        for moment in Moment::ALL {
            let own: Vec<&Death> = self.deaths.iter().filter(|death| death.moment == moment).collect();
            let met = own.iter().filter(|death| death.met).count();
            let in_flight: usize = own.iter().map(|death| death.in_flight).sum();
            let timed = own.iter().filter(|death| death.resumed_ms.is_some()).count();
            writeln!(f, "| {} | {} | {met} | {in_flight} | {timed} |", moment.shown(), own.len())?;
        }
        let sums = &self.sums;
        let rows = [
            ("kills by SIGKILL", self.kills().to_string()),
            (
                "rounds, each with storage of its own, 20 sessions at once and up to 5 kills",
                self.rounds.to_string(),
            ),
            (
                "sessions, their runs, those that ended as they should",
                in_words([sums.sessions, sums.runs, sums.ended]),
            ),
            ("whole traces at OTLP, at Nexus, in D1", in_words([sums.at_otlp, sums.at_nexus, sums.at_index])),
            ("calls that the model had", sums.calls.to_string()),
            ("attempts that a kill cut off, some before the model had them", sums.cut_off.to_string()),
            ("calls made again after them, under the same key", sums.again.to_string()),
            ("`run.resumed`", sums.resumed.to_string()),
            ("traces that OTLP was sent again, with the same ids", sums.sent_again.to_string()),
            (
                "POSTs that were accepted and got no 202, and gave the same session when they were sent again",
                sums.lost_answers.to_string(),
            ),
            ("lost: ends, answers, traces", sums.lost().to_string()),
            (
                "doubled beyond the rule: answers, calls, runs, traces",
                sums.again.saturating_sub(sums.cut_off).to_string(),
            ),
            ("from the start of workerd to the first call made again, unattended", self.latency()),
        ];
        writeln!(f, "\n| what | count |\n|---|---:|")?;
        rows.iter().try_for_each(|(what, count)| writeln!(f, "| {what} | {count} |"))
    }
}

fn in_words(counts: [usize; 3]) -> String {
    counts.map(|count| count.to_string()).join(", ")
}
