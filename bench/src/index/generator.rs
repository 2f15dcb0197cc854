//! Runs as a deployment of some size has them: their journals, folded and written as the Worker does it.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use longhaul_core::{
    CallId, Cause, Entry, FaultKind, FinishReason, Message, Observed, Record, Role, RunId, RunStatus, Seq,
    StopReason, Timing, Usage,
};
use longhaul_trace::{
    Capture, Origin, Trace,
    index::{Statement, announce, record},
};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Value, json};

use super::database::sql_value;

/// The days over which the runs are spread, up to the end of the last one.
pub(crate) const DAYS: u64 = 90;
pub(crate) const DAY_MS: u64 = 24 * 3_600_000;
/// A word that is in the texts of half of the runs, of one in a thousand, and of none.
pub(crate) const WORDS: [(&str, &str); 3] =
    [("common", "harbour"), ("rare", "quokka"), ("absent", "xylograph")];
/// The model of one run in a thousand.
pub(crate) const RARE_MODEL: &str = "openai:model-9";
const MODELS: u64 = 10;
const AGENTS: u64 = 20;
/// Traces in one transaction: the Worker's have one, and only the time to generate is saved here.
const BATCH: u64 = 500;
/// Tenants beside the one that is measured, with a tenth of its runs each.
const OTHERS: [&str; 2] = ["aa-other", "zz-other"];
const TEXT: [&str; 24] = [
    "the",
    "tide",
    "report",
    "of",
    "this",
    "quarter",
    "and",
    "a",
    "customer",
    "asks",
    "for",
    "refund",
    "please",
    "summarise",
    "in",
    "three",
    "sentences",
    "why",
    "delivery",
    "was",
    "late",
    "again",
    "invoice",
    "number",
];

/// Who writes what where.
pub(crate) struct Plan<'a> {
    pub(crate) file: &'a Path,
    pub(crate) tenant: &'a str,
    pub(crate) traces: u64,
    pub(crate) capture: Capture,
    /// The end of the last day.
    pub(crate) until: u64,
}

/// Writes the runs into the tables, which must be there.
pub(crate) fn generate(plan: &Plan<'_>) -> Result<()> {
    let connection = Connection::open(plan.file).with_context(|| plan.file.display().to_string())?;
    connection.pragma_update(None, "synchronous", "off")?;
    let mut random = Random(7);
    let mut n = 0;
    while n < plan.traces {
        let transaction = connection.unchecked_transaction()?;
        let end = plan.traces.min(n + BATCH);
        for place in n..end {
            let at = plan.until - DAYS * DAY_MS + DAYS * DAY_MS / plan.traces * place;
            write(&connection, plan.tenant, &run(plan.tenant, place, at, &mut random)?, plan.capture)?;
            for other in OTHERS.into_iter().filter(|_| place % 10 == 0) {
                write(&connection, other, &run(other, place, at, &mut random)?, plan.capture)?;
            }
        }
        transaction.commit()?;
        n = end;
        eprintln!("index: {n} of {} traces", plan.traces);
    }
    Ok(())
}

fn write(connection: &Connection, tenant: &str, trace: &Trace, capture: Capture) -> Result<()> {
    let announced = announce(tenant, trace, capture);
    for Statement { sql, params } in announced.iter().chain(&record(tenant, trace, capture)) {
        let mut prepared = connection.prepare_cached(sql)?;
        prepared.execute(params_from_iter(params.iter().map(sql_value)))?;
    }
    Ok(())
}

/// One in fifty is open, one in twelve fails, one in fifty is cancelled; one in thirty survived a crash.
fn run(tenant: &str, place: u64, at: u64, random: &mut Random) -> Result<Trace> {
    let mut journal = Journal { records: Vec::new(), at };
    let model = match random.below(1_000) {
        0 => RARE_MODEL.to_owned(),
        share => format!("openai:model-{}", share * share / 1_000 * (MODELS - 1) / 1_000),
    };
    let model = model.as_str();
    journal.accepted(random, model);
    let calls = 1 + random.below(6);
    let outcome = random.below(600);
    for iteration in 1..=calls {
        if iteration == 1 && (200..220).contains(&outcome) {
            journal.push(Entry::RunResumed { cause: Cause::Crash, outstanding: Vec::new() });
        }
        if random.below(15) == 0 {
            journal.failed(random, model, iteration);
        }
        if iteration < calls || outcome >= 110 {
            journal.answered(random, model, iteration);
        }
    }
    match outcome {
        0..12 => journal.called(model, calls, 1),
        12..24 => journal.ended(RunStatus::Cancelled, StopReason::Cancelled, None),
        24..74 => {
            journal.failed(random, model, calls);
            journal.ended(RunStatus::Failed, StopReason::ModelUnavailable, None);
        }
        _ => {
            let result = random.text(1_500);
            journal.ended(RunStatus::Succeeded, StopReason::Done, Some(result));
        }
    }
    let object = format!("{tenant}/ses_{place:08}");
    Trace::of_run(Origin { object: &object, life: None }, RunId(1), &journal.records)
        .context("its run was accepted")
}

struct Journal {
    records: Vec<Record>,
    at: u64,
}

impl Journal {
    fn push(&mut self, entry: Entry) {
        let seq = Seq(self.records.len() as u64 + 1);
        self.records.push(Record { seq, run: RunId(1), at: self.at, entry });
    }

    fn accepted(&mut self, random: &mut Random, model: &str) {
        let label = |key: &str, value: Value| (key.to_owned(), value);
        let metadata = BTreeMap::from([
            label("customer", format!("{}", random.below(500)).into()),
            label("environment", ["production", "staging"][usize::from(random.below(5) == 0)].into()),
            label("priority", random.below(4).into()),
        ]);
        let settings = serde_json::from_value(json!({"sentinel": "DONE", "model_timeout_ms": 120_000}))
            .expect("all else has a default");
        let task = random.text(400);
        self.push(Entry::RunAccepted {
            task,
            agent: format!("agent-{}", random.below(AGENTS)),
            model: model.to_owned(),
            models: Vec::new(),
            max_iterations: 6,
            metadata,
            settings,
            sampled_out: false,
            idempotency: None,
            by: None,
            life: None,
        });
    }

    fn called(&mut self, model: &str, iteration: u64, attempt: u32) {
        let number = u32::try_from(iteration).unwrap_or(u32::MAX);
        self.push(Entry::ModelCalled {
            call: CallId(number),
            attempt,
            iteration: number,
            model: model.to_owned(),
            message_count: 2 * number,
            dropped_messages: 0,
            fallback_from: None,
            reserved: None,
            last: false,
        });
    }

    fn failed(&mut self, random: &mut Random, model: &str, iteration: u64) {
        const KINDS: [FaultKind; 3] = [FaultKind::Timeout, FaultKind::RateLimited, FaultKind::EmptyResponse];
        self.called(model, iteration, 1);
        let timing = self.spend(random.latency_ms());
        self.push(Entry::ModelFailed {
            call: CallId(u32::try_from(iteration).unwrap_or(u32::MAX)),
            attempt: 1,
            error_type: KINDS[usize::try_from(random.below(3)).unwrap_or(0)],
            message: "it did not answer".to_owned(),
            retry_at: Some(self.at + 1_000),
            usage: None,
            begun: false,
            timing: Timing { first_chunk_at: None, ..timing },
            observed: Observed::default(),
        });
        self.at += 1_000;
    }

    fn answered(&mut self, random: &mut Random, model: &str, iteration: u64) {
        let failures =
            self.records.last().is_some_and(|last| matches!(last.entry, Entry::ModelFailed { .. }));
        let attempt = 1 + u32::from(failures);
        self.called(model, iteration, attempt);
        let timing = self.spend(random.latency_ms());
        let (input, output) = (200 + random.below(2_000), 50 + random.below(500));
        let number = u32::try_from(iteration).unwrap_or(u32::MAX);
        self.push(Entry::ModelAnswered {
            call: CallId(number),
            attempt,
            iteration: number,
            message: Message::text(Role::Assistant, "An answer."),
            finish_reason: FinishReason::Stop,
            usage: Usage {
                input_tokens: Some(input),
                output_tokens: Some(output),
                total_tokens: Some(input + output),
                cost_usd: Some((input + 4 * output) as f64 / 1e7),
                ..Usage::default()
            },
            cost_usd: None,
            latency_ms: timing.ended_at - timing.started_at,
            r#final: None,
            output_error: None,
            timing,
            response_id: None,
            response_model: None,
            observed: Observed::default(),
        });
    }

    fn ended(&mut self, status: RunStatus, stop_reason: StopReason, result: Option<String>) {
        self.push(Entry::RunEnded {
            status,
            stop_reason,
            result,
            output: None,
            error: None,
            usage: Usage::default(),
            iterations: 0,
        });
    }

    fn spend(&mut self, ms: u64) -> Timing {
        let started_at = self.at;
        self.at += ms;
        Timing { started_at, ended_at: self.at, first_chunk_at: Some(started_at + ms / 5) }
    }
}

/// The same numbers each time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From a fifth of a second to half a minute, the short ones more often.
    fn latency_ms(&mut self) -> u64 {
        let share = self.below(1_000);
        200 + share * share * share / 35_000
    }

    /// Words of about `chars` characters, half of that to one and a half times, most of which are in any text.
    fn text(&mut self, chars: u64) -> String {
        let length = chars / 2 + self.below(chars);
        let mut text = String::new();
        let [(_, common), (_, rare), _] = WORDS;
        // Near the front, so that a preview has them as well.
        for (word, one_in) in [(common, 2), (rare, 1_000)] {
            if self.below(one_in) == 0 {
                text.push_str(word);
                text.push(' ');
            }
        }
        while (text.len() as u64) < length {
            text.push_str(TEXT[usize::try_from(self.next() % TEXT.len() as u64).unwrap_or(0)]);
            text.push(' ');
        }
        text
    }
}
