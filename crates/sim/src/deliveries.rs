use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::{
    CallId, DeliveryState, Entry, INDEX_SINK, Record, Run, RunStatus, Session, TENANT_SINK, TimeMs, Usage,
};
use longhaul_host::{NEXUS_SINK, OTLP_SINK};
use longhaul_trace::{
    Origin, Span, SpanId, SpanStatus, Trace, encode_protobuf,
    index::{HourStats, ModelStats, Percentiles, StatsView, TraceSummary},
    nexus::NexusMode,
    redact,
};
use serde_json::json;

use crate::{
    invariants::Findings,
    nexus::{NexusSpan, NexusTrace, iso8601},
    outside::Outside,
    scenario::{OBJECT, Scenario},
    telemetry::SPANS_PER_ATTEMPT,
};

const HOUR_MS: u64 = 3_600_000;

/// What calls of a model came to in an hour: hour, model and the name of the counter.
type Counters = BTreeMap<(TimeMs, String, String), u64>;

/// A run that is over, as the journal tells it.
struct Told<'a> {
    run: &'a Run,
    trace: Trace,
    /// The sinks that get its trace.
    owed: BTreeSet<&'static str>,
}

/// What the sinks must have when the world is at rest.
impl Findings {
    pub(crate) fn one_trace_per_run(
        &mut self,
        scenario: &Scenario,
        outside: &Outside,
        journals: &[Vec<Record>],
    ) {
        let sessions: Vec<Session> =
            journals.iter().filter_map(|records| Session::replay(records).ok()).collect();
        if sessions.len() < journals.len() {
            return;
        }
        let mut told = Vec::new();
        for (session, records) in sessions.iter().zip(journals) {
            self.tell(scenario, session, records, &mut told);
        }
        self.otlp_agrees(scenario, outside, &told);
        self.nexus_agrees(scenario, outside, &told);
    }

    fn tell<'a>(
        &mut self,
        scenario: &Scenario,
        session: &'a Session,
        records: &[Record],
        told: &mut Vec<Told<'a>>,
    ) {
        let origin = Origin { object: OBJECT, life: session.life() };
        // One that is open here was erased before its end: nobody gets its trace.
        for run in session.runs().iter().filter(|run| !run.is_open()) {
            let own = records.iter().filter(|record| record.seq >= run.first_seq);
            let mut own: Vec<Record> = own.cloned().collect();
            // A server's ids leave only where they look like such.
            redact::records(&mut own, &|_| None);
            let Some(trace) = Trace::of_run(origin, run.id, own) else {
                self.report(9, format!("run {} has no trace", run.id));
                continue;
            };
            let of_calls = trace.finished_spans().filter(|span| span.model.is_some()).count();
            let promised = run.attempts as usize;
            self.expect(9, of_calls == promised, || {
                format!("run {}: {of_calls} spans of {promised}", run.id)
            });
            let is_deed = |span: &&Span| span.tool.is_some() || span.wait.is_some();
            let (of_deeds, expected) = (trace.finished_spans().filter(is_deed).count(), deeds(run, records));
            self.expect(9, of_deeds == expected, || {
                format!("run {}: {of_deeds} spans of tools and people, not {expected}", run.id)
            });
            let of_users = trace.finished_spans().count() - of_calls - of_deeds - 1;
            let expected = user_spans(scenario, run, records);
            self.expect(9, of_users == expected, || format!("run {}: {of_users} user spans", run.id));
            let owed = owed(scenario, run, records);
            let sinks: BTreeSet<&str> = run.deliveries.keys().map(String::as_str).collect();
            self.expect(9, sinks == owed, || format!("run {} goes to {sinks:?}, not {owed:?}", run.id));
            told.push(Told { run, trace, owed });
        }
    }

    fn otlp_agrees(&mut self, scenario: &Scenario, outside: &Outside, told: &[Told<'_>]) {
        let deployment = scenario.deployment();
        let mut expected = Vec::new();
        for Told { run, trace, .. } in told.iter().filter(|told| told.owed.contains(OTLP_SINK)) {
            let body = encode_protobuf(trace, &deployment.resource, deployment.capture);
            let taken = outside.sink.taken().filter(|taken| *taken == body).count();
            // A sink may have a trace whose delivery was never written down: a death came between.
            let is_owed = is_flushed(run, OTLP_SINK) && !scenario.deletes();
            self.expect(9, !is_owed || taken >= 1, || format!("run {}: no trace", run.id));
            let most = 1 + (outside.interruptions() + outside.lost_replies) as usize;
            self.expect(9, taken <= most, || format!("run {}: {taken} deliveries", run.id));
            expected.push(body);
        }
        let strange = outside.sink.deliveries.iter().filter(|sent| !expected.contains(&sent.body)).count();
        self.expect(9, strange == 0, || format!("{strange} deliveries differ from the journal's trace"));
    }

    /// Nothing is idempotent there: each trace and each span was posted once, whatever died.
    fn nexus_agrees(&mut self, scenario: &Scenario, outside: &Outside, told: &[Told<'_>]) {
        for request in &outside.nexus.requests {
            if let Some(fault) = &request.fault {
                self.report(9, format!("Nexus refuses {}: {fault}", request.line));
            }
        }
        let mut known = 0;
        let mode = scenario.nexus.as_ref().map_or(NexusMode::Native, |plan| plan.mode);
        for Told { run, trace, .. } in told.iter().filter(|told| told.owed.contains(NEXUS_SINK)) {
            let of_run = outside.nexus.traces.iter().filter(|remote| is_of(remote, trace));
            let remotes: Vec<&NexusTrace> = of_run.collect();
            known += remotes.len();
            self.expect(9, remotes.len() <= 1, || format!("run {}: {} traces", run.id, remotes.len()));
            let is_whole = is_flushed(run, NEXUS_SINK);
            let Some(remote) = remotes.first() else {
                self.expect(9, !is_whole, || format!("run {} is not at Nexus", run.id));
                continue;
            };
            let (here, there) = (spans_here(trace, mode), spans_there(remote));
            let is_right = if is_whole { here == there } else { is_part(&there, &here) };
            self.expect(9, is_right, || format!("run {}: {there:#?} at Nexus, not {here:#?}", run.id));
            let times = (&*remote.started_at, remote.ended_at.as_deref());
            let ended_at = trace.ended_at.map(iso8601);
            let expected = (&*iso8601(trace.started_at), ended_at.as_deref());
            self.expect(9, times == expected, || format!("run {}: {times:?} at Nexus", run.id));
            let parts = run.deliveries.get(NEXUS_SINK).map_or(0, |delivery| delivery.sent.len());
            let expected = if mode == NexusMode::Native { there.len() + 1 } else { 0 };
            self.expect(9, !is_whole || parts == expected, || format!("run {}: {parts} parts", run.id));
        }
        let strange = outside.nexus.traces.len() - known;
        self.expect(9, strange == 0, || format!("{strange} traces at Nexus that nobody owed"));
    }

    /// The index has one row for each run of a session that is there, none of one that is gone, and each run's calls
    /// were counted once.
    pub(crate) fn the_index_agrees(
        &mut self,
        scenario: &Scenario,
        outside: &Outside,
        journals: &[Vec<Record>],
    ) {
        if scenario.index.is_none() {
            return self.expect(9, outside.index.asked.is_empty(), || "there is no index".to_owned());
        }
        let answers = match outside.index.answers() {
            Ok(answers) => answers,
            Err(error) => return self.report(9, format!("the index does not answer: {error}")),
        };
        let Ok(present) = Session::replay(outside.disk.records()) else { return };
        let rows = answers.traces.len();
        self.expect(9, rows == present.runs().len(), || format!("{rows} rows in the index"));
        let origin = Origin { object: OBJECT, life: present.life() };
        for run in present.runs() {
            let id = longhaul_trace::trace_id(origin, run.id).to_string();
            let own = answers.traces.iter().find(|row| row.trace_id == id);
            let differences = own.map(|row| differences(row, run));
            self.expect(9, differences.as_ref().is_some_and(Vec::is_empty), || {
                format!("run {} in the index: {differences:?}", run.id)
            });
        }
        let mut certain = Vec::new();
        let mut uncertain = Vec::new();
        for records in journals {
            let Ok(session) = Session::replay(records) else { return };
            for run in session.runs() {
                let counters = counters_of(run, records);
                if is_flushed(run, INDEX_SINK) {
                    certain.push(counters);
                } else {
                    // Its session was erased before the outcome was written down.
                    uncertain.push(counters);
                }
            }
        }
        let counted = counters_in(&answers.hourly);
        // Percentiles do not add up.
        let has_same_times = match (&with_calls(&answers.hourly)[..], &with_calls(&answers.daily)[..]) {
            ([hours], [days]) => times(hours) == times(days),
            _ => true,
        };
        self.expect(9, has_same_times && totals(&answers.hourly) == totals(&answers.daily), || {
            format!("the hours and the days of the index differ: {answers:?}")
        });
        let again = outside.index.recounts();
        let certain_once = certain.iter().map(|counters| (counters, 1));
        let maybe = uncertain.iter().map(|counters| (counters, 0));
        let runs: Vec<(&Counters, u64)> = certain_once.chain(maybe).collect();
        let is_right = adds_up(&runs, again, &Counters::new(), &counted);
        self.expect(9, is_right, || {
            format!("the index counts {counted:?}; the journal {certain:?}, and maybe {uncertain:?}")
        });
    }
}

/// How many spans of tools' calls and of people a run has: each promise, each request, and each call that was refused.
fn deeds(run: &Run, records: &[Record]) -> usize {
    let mut promised = BTreeSet::new();
    let own = records.iter().filter(|record| record.run == run.id);
    let counts = own.filter(|record| match &record.entry {
        Entry::ToolCalled { call, attempt, .. } | Entry::ToolAnswered { call, attempt, .. } => {
            promised.insert((*call, *attempt))
        }
        Entry::ApprovalRequested { .. } => true,
        _ => false,
    });
    counts.count()
}

/// How many spans of the deployment's own code a run has: an attempt that was cut off has none.
fn user_spans(scenario: &Scenario, run: &Run, records: &[Record]) -> usize {
    let has_outcome = |record: &&Record| {
        let entry = &record.entry;
        record.run == run.id && matches!(entry, Entry::ModelAnswered { .. } | Entry::ModelFailed { .. })
    };
    let of_attempt = if scenario.has_user_spans { SPANS_PER_ATTEMPT } else { 0 };
    records.iter().filter(has_outcome).count() * of_attempt
}

/// The sinks that a run's trace is owed to: with sampling perhaps the index alone.
fn owed(scenario: &Scenario, run: &Run, records: &[Record]) -> BTreeSet<&'static str> {
    let mut owed = BTreeSet::new();
    if run.is_open() {
        return owed;
    }
    let went_wrong = records.iter().filter(|record| record.run == run.id).any(|record| match &record.entry {
        Entry::ModelFailed { .. } | Entry::RunResumed { .. } => true,
        Entry::RunEnded { status, .. } => *status == RunStatus::Failed,
        _ => false,
    });
    let is_spared = run.spec.settings.sample_ratio == Some(0.0) && !went_wrong;
    owed.extend(scenario.index.as_ref().map(|_| INDEX_SINK));
    owed.extend(scenario.tenant.as_ref().map(|_| TENANT_SINK));
    owed.extend(scenario.otlp.as_ref().filter(|_| !is_spared).map(|_| OTLP_SINK));
    owed.extend(scenario.nexus.as_ref().filter(|_| !is_spared).map(|_| NEXUS_SINK));
    owed
}

fn is_flushed(run: &Run, sink: &str) -> bool {
    run.deliveries.get(sink).is_some_and(|delivery| delivery.state == DeliveryState::Flushed)
}

/// Whether a trace at Nexus is this one, in whichever mode it came.
fn is_of(remote: &NexusTrace, trace: &Trace) -> bool {
    let (metadata, id, run) = (&remote.metadata, trace.trace_id.to_string(), trace.run.0.to_string());
    let life = trace.spans.first().and_then(|root| root.attribute("longhaul.life"));
    let is_exported = metadata["gen_ai.conversation.id"] == trace.session
        && metadata["longhaul.run"] == run
        && metadata.get("longhaul.life").cloned() == life.map(|life| json!(life));
    metadata["longhaul_trace_id"] == id || is_exported
}

/// The spans as they are to be at Nexus, each with those that it is in, sorted.
fn spans_here(trace: &Trace, mode: NexusMode) -> Vec<Vec<String>> {
    let mut by_id: BTreeMap<SpanId, &Span> = BTreeMap::new();
    // The root is Nexus's trace, and in OTLP mode a span besides.
    let is_shown = |span: &&Span| mode == NexusMode::Otlp || span.parent_span_id.is_some();
    by_id.extend(trace.finished_spans().filter(is_shown).map(|span| (span.span_id, span)));
    let line = |span: &Span| {
        let name = match &span.model {
            Some(call) if mode == NexusMode::Native && !span.name.starts_with("inference:") => {
                format!("llm-call-{}", call.iteration)
            }
            _ => span.name.clone(),
        };
        let status = if span.status == SpanStatus::Error { "error" } else { "ok" };
        let ended_at = span.ended_at.map(iso8601).unwrap_or_default();
        format!("{name} {status} {} {ended_at}", iso8601(span.started_at))
    };
    let mut spans: Vec<Vec<String>> = by_id
        .values()
        .map(|span| {
            let above = |span: &&Span| by_id.get(&span.parent_span_id?).copied();
            std::iter::successors(Some(*span), above).map(line).collect()
        })
        .collect();
    spans.sort();
    spans
}

/// The spans that are at Nexus, in the same form.
fn spans_there(remote: &NexusTrace) -> Vec<Vec<String>> {
    let line = |span: &NexusSpan| {
        let ended_at = span.ended_at.as_deref().unwrap_or_default();
        format!("{} {} {} {ended_at}", span.name, span.status, span.started_at)
    };
    let above = |span: &&NexusSpan| {
        let parent = span.parent_span_id.as_ref()?;
        remote.spans.iter().find(|other| other.id == *parent)
    };
    let chain = |span| std::iter::successors(Some(span), above).map(line).collect();
    let mut spans: Vec<Vec<String>> = remote.spans.iter().map(chain).collect();
    spans.sort();
    spans
}

/// Whether the whole has each item of the part, as often.
fn is_part<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    let count = |of: &[T], item: &T| of.iter().filter(|other| *other == item).count();
    part.iter().all(|item| count(part, item) <= count(whole, item))
}

/// What a run's row says otherwise than its journal.
fn differences(row: &TraceSummary, run: &Run) -> Vec<&'static str> {
    let reason = run.ending().map(|ending| ending.stop_reason.as_str());
    // No column tells cached tokens and those of reasoning apart, and none has an estimate.
    let counted = run.usage.counted().cloned().unwrap_or_default();
    let columns = Usage { cached_input_tokens: None, reasoning_tokens: None, ..counted };
    let same = [
        ("session", row.session == "s1"),
        ("run", row.run == u64::from(run.id.0)),
        ("status", serde_json::to_value(run.status()).is_ok_and(|status| status == row.status)),
        ("stop_reason", row.stop_reason.as_deref() == reason),
        ("model", row.model == run.spec.model),
        ("answered_by", row.answered_by.as_deref() == run.answered_by()),
        ("iterations", row.iterations == u64::from(run.iterations)),
        ("attempts", row.attempts == u64::from(run.attempts)),
        ("resumed", row.resumed == u64::from(run.resumed)),
        ("usage", row.usage == columns),
        ("accepted_at", row.accepted_at == run.accepted_at),
        // A trace does not end before it begins, whatever the clock did.
        ("ended_at", row.ended_at == run.ended_at.map(|at| at.max(run.accepted_at))),
    ];
    same.iter().filter(|(_, is_same)| !is_same).map(|(column, _)| *column).collect()
}

/// What the attempts of a run came to. One that somebody cancelled does not count.
fn counters_of(run: &Run, records: &[Record]) -> Counters {
    let mut sums = Counters::new();
    let mut open: BTreeMap<CallId, TimeMs> = BTreeMap::new();
    let mut models: BTreeMap<CallId, &str> = BTreeMap::new();
    let mut count = |model: Option<&&str>, at: TimeMs, counter: &str, by: u64| {
        let key = (at - at % HOUR_MS, model.copied().unwrap_or_default().to_owned(), counter.to_owned());
        *sums.entry(key).or_default() += by;
    };
    let tokens = |usage: &Usage| {
        [
            ("input_tokens", usage.input_tokens),
            ("output_tokens", usage.output_tokens),
            ("total_tokens", usage.total_tokens),
        ]
    };
    for record in records.iter().filter(|record| record.run == run.id) {
        match &record.entry {
            Entry::ModelCalled { call, model, .. } => {
                // A fallback leaves what came before it to the model that was asked then.
                models.insert(*call, model);
                open.insert(*call, record.at);
            }
            Entry::ModelAnswered { call, usage, timing, .. } => {
                open.remove(call);
                for (counter, by) in usage.counted().into_iter().flat_map(tokens) {
                    count(models.get(call), timing.started_at, counter, by.unwrap_or(0));
                }
                count(models.get(call), timing.started_at, "answered", 1);
            }
            // A call that is given up was cut off before: that is its outcome.
            Entry::ModelFailed { call, error_type, timing, usage, .. } if open.remove(call).is_some() => {
                for (counter, by) in usage.iter().filter_map(Usage::counted).flat_map(tokens) {
                    count(models.get(call), timing.started_at, counter, by.unwrap_or(0));
                }
                count(models.get(call), timing.started_at, &format!("error.{}", error_type.as_str()), 1);
            }
            Entry::RunResumed { .. } => {
                for (call, at) in std::mem::take(&mut open) {
                    count(models.get(&call), at, "error.interrupted", 1);
                }
            }
            Entry::RunEnded { status, .. } if *status != RunStatus::Cancelled => {
                for (call, at) in std::mem::take(&mut open) {
                    count(models.get(&call), at, "error.aborted", 1);
                }
            }
            _ => {}
        }
    }
    sums.retain(|_, sum| *sum > 0);
    sums
}

/// The sums of each model, whatever the hours.
fn totals(stats: &[StatsView]) -> Counters {
    let mut sums = Counters::new();
    for ((_, model, counter), count) in counters_in(stats) {
        *sums.entry((0, model, counter)).or_default() += count;
    }
    sums
}

/// The parts of a time in which models were called.
fn with_calls(parts: &[StatsView]) -> Vec<&StatsView> {
    parts.iter().filter(|part| !part.models.is_empty()).collect()
}

/// How long each model's answers took, and their first chunks.
fn times(stats: &StatsView) -> Vec<(Percentiles, Percentiles)> {
    let of_model = |model: &ModelStats| (model.total.latency_ms(), model.total.time_to_first_chunk_ms());
    stats.models.iter().map(of_model).collect()
}

/// The same as the index has it.
fn counters_in(stats: &[StatsView]) -> Counters {
    let mut sums = Counters::new();
    for model in stats.iter().flat_map(|part| &part.models) {
        for HourStats { at, counters } in &model.hours {
            let usage = counters.usage();
            let plain = [
                ("answered", Some(counters.answered())),
                ("input_tokens", usage.input_tokens),
                ("output_tokens", usage.output_tokens),
                ("total_tokens", usage.total_tokens),
            ];
            let plain = plain.into_iter().map(|(counter, count)| (counter.to_owned(), count.unwrap_or(0)));
            let errors = counters.errors().iter().map(|(error, count)| (format!("error.{error}"), *count));
            let all = plain.chain(errors).filter(|(_, count)| *count > 0);
            sums.extend(all.map(|(counter, count)| ((*at, model.model.clone(), counter), count)));
        }
    }
    sums
}

/// Whether the counters come from the runs, each counted at least so often, and at most once and `again` times more.
fn adds_up(runs: &[(&Counters, u64)], again: u64, sum: &Counters, counted: &Counters) -> bool {
    let Some(((own, least), rest)) = runs.split_first() else { return sum == counted };
    (*least..=1 + again).any(|times| {
        let mut sum = sum.clone();
        (0..times).for_each(|_| add(&mut sum, own));
        adds_up(rest, again, &sum, counted)
    })
}

fn add(sum: &mut Counters, counters: &Counters) {
    for (key, count) in counters {
        *sum.entry(key.clone()).or_default() += count;
    }
}
