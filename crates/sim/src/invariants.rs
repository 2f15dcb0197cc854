use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use longhaul_core::{
    CallId, Deadline, Delivery, DeliveryState, Entry, Life, Record, RunId, Seq, Session, TimeMs,
};
use longhaul_host::DeltaKind;
use longhaul_trace::{Origin, Trace, index::Param};

use crate::{
    clients::{Action, Answered},
    crashes::End,
    hook, nexus,
    outside::Outside,
    scenario::{API_KEY, OBJECT, RETENTION_MS, Scenario},
    speech::THOUGHT,
};

/// Answers of one run at most.
const ANSWERS_MAX: usize = 6;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number of the invariant in ARCHITECTURE.md.
    pub invariant: u8,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.detail)
    }
}

/// The oracle: what does not hold in a world at rest, whatever happened to it.
pub fn check(scenario: &Scenario, end: &End) -> Vec<Violation> {
    let mut found = Findings::default();
    if let Some(origin) = scenario.origin() {
        found.it_is_imported(origin, end);
        found.0.extend(end.outside.offences.iter().cloned());
        return found.0;
    }
    let outside = &end.outside;
    let erased = outside.disk.erased().iter().map(|rows| {
        let records = rows.iter().flat_map(|row| row.records.iter().cloned());
        records.collect::<Vec<_>>()
    });
    let present: Vec<Record> = outside.disk.records().cloned().collect();
    let mut journals: Vec<Vec<Record>> = erased.collect();
    if !(present.is_empty() && scenario.may_end_erased()) {
        journals.push(present);
    }
    for (incarnation, records) in journals.iter().enumerate() {
        let is_deleted = outside.deleted.contains(&incarnation);
        found.each_run_ends_once(records, is_deleted && outside.uncancelled_erasures > 0);
        if incarnation < outside.incarnation() && !is_deleted {
            found.each_end_was_delivered(records);
        }
        found.answers_are_few_and_in_order(records);
        found.positions_are_dense(records);
        found.each_part_is_sent_once(records);
    }
    let Some(records) = journals.last() else {
        found.report(1, "nothing was stored");
        return found.0;
    };
    for (incarnation, records) in journals.iter().enumerate() {
        found.the_journal_explains_each_end(records);
        found.calls_are_repeated_only_for_a_reason(outside, incarnation, records);
        found.requests_fit_the_window(outside, incarnation, records);
        found.messages_are_heard_once(outside, incarnation, records);
        found.nothing_is_spent_twice_or_unseen(records);
        found.tools_were_paid_for(outside, incarnation, records);
    }
    found.what_was_acknowledged_is_there(outside, &journals);
    found.what_was_said_is_there(outside, &journals);
    if !scenario.ends.is_empty() {
        found.runs_end_as_they_may(scenario, outside, records);
    }
    found.readers_agree(end);
    found.rest_is_rest(end, scenario);
    found.the_far_side_saw_what_is_allowed(outside, &journals);
    found.no_id_is_of_two_lives(&journals);
    found.one_trace_per_run(scenario, outside, &journals);
    found.the_index_agrees(scenario, outside, &journals);
    found.the_webhook_agrees(scenario, outside, &journals);
    found.the_tenant_knows(outside, &journals);
    found.tools_did_what_is_allowed(outside);
    for (incarnation, records) in journals.iter().enumerate() {
        let is_erased = incarnation < outside.incarnation();
        if !(is_erased && outside.uncancelled_erasures > 0) {
            found.each_tool_call_is_answered_once(outside, incarnation, records);
        }
    }
    found.requests_have_each_result_once(outside);
    found.large_results_are_kept_whole(outside);
    found.no_secret_is_kept(outside);
    found.thoughts_stay_apart(outside, &journals);
    for records in &journals {
        found.budgets_know_what_was_used(outside, records);
    }
    found.0.extend(outside.offences.iter().cloned());
    found.0
}

/// Whether a text has the deployment's credentials in it.
pub(crate) fn is_secret(text: &str) -> bool {
    [API_KEY, nexus::KEY, hook::SECRET].iter().any(|secret| text.contains(secret))
}

#[derive(Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    pub(crate) fn report(&mut self, invariant: u8, detail: impl Into<String>) {
        self.0.push(Violation { invariant, detail: detail.into() });
    }

    pub(crate) fn expect(&mut self, invariant: u8, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.report(invariant, detail());
        }
    }

    /// A run may be erased before its end where the storage takes no cancellation.
    fn each_run_ends_once(&mut self, records: &[Record], may_be_open: bool) {
        let mut open: BTreeMap<RunId, bool> = BTreeMap::new();
        for record in records {
            let run = record.run;
            match &record.entry {
                Entry::RunAccepted { .. } => {
                    self.expect(1, open.insert(run, true).is_none(), || format!("run {run} began twice"));
                }
                Entry::RunEnded { status, stop_reason, .. } => {
                    self.expect(1, open.insert(run, false) == Some(true), || {
                        format!("run {run} ended twice")
                    });
                    self.expect(1, stop_reason.status() == *status, || format!("run {run}: {status:?}"));
                }
                // Events are told as they happen.
                Entry::TraceFlushed { event: Some(_), .. } | Entry::TraceFailed { event: Some(_), .. } => {
                    self.expect(1, open.contains_key(&run), || format!("run {run}: an event of nobody"));
                }
                Entry::TraceSent { .. } | Entry::TraceFlushed { .. } | Entry::TraceFailed { .. } => {
                    self.expect(1, open.get(&run) == Some(&false), || format!("run {run}: an early trace"));
                }
                entry => {
                    let what = entry.type_name();
                    self.expect(1, open.get(&run) == Some(&true), || {
                        format!("run {run}: {what} after its end")
                    });
                }
            }
        }
        for (run, _) in open.iter().filter(|(_, is_open)| **is_open && !may_be_open) {
            self.report(1, format!("run {run} has not ended"));
        }
    }

    /// Nothing is erased, unless somebody deletes it, before each end has reached the sinks that it is owed to, or was given
    /// up on after a day.
    fn each_end_was_delivered(&mut self, records: &[Record]) {
        let Ok(session) = Session::replay(records) else { return };
        for run in session.runs() {
            self.expect(1, !run.is_open(), || format!("run {} was erased before its end", run.id));
            let is_due = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Due(_));
            let untold = run.notices.iter().find(|notice| is_due(&notice.delivery));
            self.expect(1, untold.is_none(), || format!("run {} was erased before {untold:?}", run.id));
            let waiting = run.deliveries.iter().find(|(_, delivery)| is_due(delivery));
            self.expect(1, waiting.is_none(), || {
                format!("run {} was erased before its end was delivered: {waiting:?}", run.id)
            });
        }
    }

    /// A run's answers come one after the other; those of a comparison side by side, one for each model.
    fn answers_are_few_and_in_order(&mut self, records: &[Record]) {
        let lanes = Lanes::of(records);
        let mut answers: BTreeMap<Lane, usize> = BTreeMap::new();
        let mut latest: BTreeMap<Lane, Option<(CallId, u32)>> = BTreeMap::new();
        for record in records {
            let run = record.run;
            match &record.entry {
                Entry::ModelCalled { call, attempt, .. } => {
                    latest.insert(lanes.lane(run, *call), Some((*call, *attempt)));
                }
                Entry::ModelAnswered { call, attempt, iteration, .. } => {
                    let lane = lanes.lane(run, *call);
                    let count = answers.entry(lane).or_default();
                    *count += 1;
                    let most = if lanes.models(run) == 0 { ANSWERS_MAX } else { 1 };
                    let is_next = usize::try_from(*iteration) == Ok(*count) && *count <= most;
                    self.expect(3, is_next, || format!("run {run}: answer {iteration} of {call}"));
                    let awaited = latest.insert(lane, None).flatten();
                    let is_awaited = awaited == Some((*call, *attempt));
                    self.expect(6, is_awaited, || format!("call {call}: attempt {attempt} came late"));
                }
                // A call that is given up after a crash was awaited until then.
                Entry::ModelFailed { call, attempt, .. } => {
                    let awaited = latest.insert(lanes.lane(run, *call), None).flatten();
                    let is_awaited = awaited == Some((*call, *attempt));
                    self.expect(6, is_awaited, || format!("call {call}: attempt {attempt} failed late"));
                }
                _ => {}
            }
        }
        for (run, models) in &lanes.0 {
            let called = latest.keys().filter(|lane| lane.0 == *run).count();
            self.expect(3, called <= *models, || format!("run {run}: {called} calls of {models} models"));
        }
    }

    fn positions_are_dense(&mut self, records: &[Record]) {
        let is_dense = records.iter().zip(1..).all(|(record, seq)| record.seq == Seq(seq));
        self.expect(4, is_dense, || "the journal has a gap".to_owned());
    }

    fn runs_end_as_they_may(&mut self, scenario: &Scenario, outside: &Outside, records: &[Record]) {
        for (run, allowed) in (1..).map(RunId).zip(&scenario.ends) {
            let reason = records.iter().find_map(|record| match &record.entry {
                Entry::RunEnded { stop_reason, .. } if record.run == run => Some(*stop_reason),
                _ => None,
            });
            let may = if outside.interruptions() == 0 { &allowed[..1] } else { allowed };
            // A lost answer is one failure more, which may be one too many; the journal explains that.
            let is_one = |reason| may.contains(&reason) || outside.lost_replies > 0;
            let is_right = reason.map_or(outside.uncancelled_erasures > 0, is_one);
            self.expect(1, is_right, || format!("run {run} ended with {reason:?}, not {may:?}"));
        }
        let accepted =
            records.iter().filter(|record| matches!(record.entry, Entry::RunAccepted { .. })).count();
        self.expect(1, accepted == scenario.ends.len(), || format!("{accepted} runs were accepted"));
        let acknowledged = &outside.clients.acknowledged;
        self.expect(1, acknowledged.len() == accepted, || format!("acknowledged: {acknowledged:?}"));
    }

    /// Each attempt after the first has a failure before it, or a resumption.
    fn calls_are_repeated_only_for_a_reason(
        &mut self,
        outside: &Outside,
        incarnation: usize,
        records: &[Record],
    ) {
        let lanes = Lanes::of(records);
        let mut attempts: BTreeMap<(RunId, CallId), u32> = BTreeMap::new();
        let mut reason: BTreeMap<Lane, bool> = BTreeMap::new();
        let mut given_up: BTreeSet<(RunId, CallId)> = BTreeSet::new();
        // How often a crash repeated what was in flight: the one call, or each of a comparison's.
        let mut unexplained: BTreeMap<CallId, u32> = BTreeMap::new();
        for record in records {
            let run = record.run;
            match &record.entry {
                Entry::ModelCalled { call, attempt, fallback_from, .. } => {
                    let before = attempts.insert((run, *call), *attempt).unwrap_or(0);
                    self.expect(2, *attempt == before + 1, || format!("call {call}: attempt {attempt}"));
                    let had_reason = reason.insert(lanes.lane(run, *call), false) == Some(true);
                    // Another model takes over what failed for good.
                    let was_given_up = given_up.remove(&(run, *call)) && fallback_from.is_some();
                    let has_reason = *attempt == 1 || had_reason || was_given_up;
                    self.expect(2, has_reason, || format!("call {call} was repeated for no reason"));
                }
                Entry::ModelFailed { call, retry_at: Some(_), .. } => {
                    reason.insert(lanes.lane(run, *call), true);
                }
                Entry::ModelFailed { call, retry_at: None, .. } => {
                    given_up.insert((run, *call));
                }
                Entry::RunResumed { outstanding, .. } => {
                    for call in outstanding.iter().filter(|call| attempts.contains_key(&(run, **call))) {
                        let lane = lanes.lane(run, *call);
                        *unexplained.entry(lane.1).or_default() += 1;
                        reason.insert(lane, true);
                    }
                }
                _ => {}
            }
        }
        let is_cancel = |record: &&Record| matches!(record.entry, Entry::CancelRequested { .. });
        let cancelled: BTreeSet<RunId> = records.iter().filter(is_cancel).map(|record| record.run).collect();
        let interruptions = outside.interruptions();
        for (call, repeats) in unexplained {
            self.expect(2, repeats <= interruptions, || {
                format!("{interruptions} interruptions repeated calls {repeats} times (lane {call})")
            });
        }
        for ((run, call), attempts) in attempts {
            let requests = outside.model.requests_in(incarnation, run, call);
            let promised = attempts as usize;
            self.expect(2, requests <= promised, || {
                format!("call {call}: {promised} attempts, {requests} requests")
            });
            // An attempt may be promised and never leave, but only where something cut it off.
            let missing = promised.saturating_sub(requests);
            let excuses = interruptions as usize + usize::from(cancelled.contains(&run));
            self.expect(9, missing <= excuses, || format!("call {call}: {missing} attempts that nobody saw"));
        }
    }

    /// A part that a sink has is written down once, and only while the sink is owed the trace.
    fn each_part_is_sent_once(&mut self, records: &[Record]) {
        let mut parts = BTreeSet::new();
        let mut settled = BTreeSet::new();
        for record in records {
            let run = record.run;
            match &record.entry {
                Entry::TraceSent { sink, part, remote_id } => {
                    let is_new = parts.insert((run, sink, part)) && parts.insert((run, sink, remote_id));
                    self.expect(9, is_new, || format!("run {run}: {sink} has {part} twice"));
                    self.expect(9, !settled.contains(&(run, sink, None)), || {
                        format!("run {run}: {part} came late")
                    });
                }
                Entry::TraceFlushed { sink, event, .. }
                | Entry::TraceFailed { sink, event, retry_at: None, .. } => {
                    self.expect(9, settled.insert((run, sink, *event)), || {
                        format!("run {run}: {sink} settled twice")
                    });
                }
                _ => {}
            }
        }
    }

    fn readers_agree(&mut self, end: &End) {
        let mut watcher = end.outside.watcher.clone();
        if end.outside.has_dismissed {
            watcher.reconnect(&end.outside.disk);
        }
        let heard = watcher.records;
        let last: Vec<Record> = end.outside.disk.records().cloned().collect();
        self.expect(4, heard == last, || {
            format!("the watcher heard {} records of {}", heard.len(), last.len())
        });
        for (index, (guest, _)) in end.outside.guests.iter().enumerate() {
            let mut guest = guest.clone();
            guest.reconnect(&end.outside.disk);
            self.expect(4, guest.records == last, || {
                format!("watcher {index} heard {} records of {}", guest.records.len(), last.len())
            });
        }
        match Session::replay(&last) {
            Err(error) => self.report(5, format!("the journal cannot be replayed: {error}")),
            Ok(replayed) => {
                let agrees = end.memory.as_ref().is_none_or(|memory| *memory == replayed);
                self.expect(5, agrees, || "the memory differs from a replay".to_owned());
            }
        }
    }

    fn rest_is_rest(&mut self, end: &End, scenario: &Scenario) {
        let outside = &end.outside;
        let Ok(session) = Session::replay(outside.disk.records()) else { return };
        self.expect(7, session.outstanding().is_empty(), || "a call is outstanding".to_owned());
        let expected: Option<TimeMs> = match session.next_deadline(RETENTION_MS) {
            Some((at, Deadline::Retention)) => Some(at),
            None => None,
            // A sink whose quota ends with the month: the world rests before that, and the alarm is set for it.
            Some((at, Deadline::Flush)) if at > outside.now.saturating_add(scenario.rest_horizon_ms) => {
                Some(at)
            }
            Some((_, reason)) => return self.report(7, format!("{reason:?} is still due")),
        };
        let armed = outside.disk.alarm;
        self.expect(7, armed == expected, || format!("the alarm is at {armed:?}, not at {expected:?}"));
        let is_gone = session.runs().is_empty();
        let incarnation = outside.incarnation();
        // Whoever posts again without a key, because the answer was lost, may find that the first has used the budget up.
        let is_used_up =
            |it: &Answered| matches!(&it.action, Action::Post(it) if it.session_tokens.is_some());
        let is_posted = |it: &Answered| it.incarnation == incarnation && (it.run.is_some() || is_used_up(it));
        let is_there = !scenario.waits_for_retention() && outside.clients.answers.iter().any(is_posted);
        self.expect(7, is_gone != is_there, || format!("erased: {is_gone}"));
    }

    fn the_far_side_saw_what_is_allowed(&mut self, outside: &Outside, journals: &[Vec<Record>]) {
        let lives: Vec<Option<Life>> = journals.iter().map(|records| life_of(records)).collect();
        // A model's server that honours keys gives the answer of the first request to each that has its key.
        let mut bodies = BTreeMap::new();
        for request in &outside.model.requests {
            let key = &request.key;
            self.expect(2, !request.after_answer, || format!("{key} was requested after its answer"));
            self.expect(8, !request.after_end, || format!("{key} was requested after its run's end"));
            let life = lives.get(request.incarnation).copied().flatten();
            let expected = life.map(|life| format!("{life}-s1-{}-{}", request.run, request.call));
            // After a tilde: which fallback it is.
            let of_call = key.split('~').next().map(str::to_owned);
            self.expect(2, expected == of_call, || format!("the key {key:?}, not {expected:?}"));
            let (incarnation, body) = *bodies.entry(key).or_insert((request.incarnation, &request.body));
            self.expect(2, *body == request.body, || format!("{key} has two bodies"));
            self.expect(2, incarnation == request.incarnation, || format!("{key} is of two lives"));
        }
        let open_max = outside.model.open_max;
        let models = |records: &Vec<Record>| Lanes::of(records).0.values().copied().max().unwrap_or(0);
        let most = journals.iter().map(models).max().unwrap_or(0).max(1);
        self.expect(6, open_max <= most, || format!("{open_max} calls were open at once"));
    }

    /// No id that leaves a session is one of an earlier session of its name.
    fn no_id_is_of_two_lives(&mut self, journals: &[Vec<Record>]) {
        let mut owners = BTreeMap::new();
        for (incarnation, records) in journals.iter().enumerate() {
            let origin = Origin { object: OBJECT, life: life_of(records) };
            let runs: BTreeSet<RunId> = records.iter().map(|record| record.run).collect();
            for trace in runs.into_iter().filter_map(|run| Trace::of_run(origin, run, records)) {
                let spans = trace.spans.iter().map(|span| span.span_id.to_string());
                for id in spans.chain([trace.trace_id.to_string()]) {
                    let owner = *owners.entry(id.clone()).or_insert((incarnation, trace.run));
                    let is_own = owner == (incarnation, trace.run);
                    self.expect(9, is_own, || format!("{id} is of two lives, or of two runs"));
                }
            }
        }
    }

    fn no_secret_is_kept(&mut self, outside: &Outside) {
        let erased = outside.disk.erased().iter().flatten();
        let is_kept = erased.chain(outside.disk.rows()).any(|row| is_secret(&row.text));
        self.expect(10, !is_kept, || "the journal holds the credentials".to_owned());
        let mut heard: BTreeMap<_, String> = BTreeMap::new();
        for delta in &outside.watcher.deltas {
            let text = heard.entry((delta.kind, delta.run, delta.call, delta.attempt)).or_default();
            if delta.offset == 0 {
                text.push('\n');
            }
            text.push_str(&delta.text);
        }
        let is_heard = heard.values().any(|text| is_secret(text));
        self.expect(10, !is_heard, || "a watcher heard the credentials".to_owned());
        let to_otlp = outside.sink.deliveries.iter().map(|delivery| &delivery.body);
        let to_hook = outside.hook.told.iter().map(|told| &told.body);
        let to_nexus = outside.nexus.requests.iter().map(|request| &request.body);
        let mut sent = to_otlp.chain(to_hook).chain(to_nexus);
        let is_sent = sent.any(|body| is_secret(&String::from_utf8_lossy(body)));
        self.expect(10, !is_sent, || "a trace holds the credentials".to_owned());
        let statements = outside.index.committed.iter().flat_map(|list| list.iter());
        let is_listed = statements.flat_map(|statement| &statement.params).any(|param| match param {
            Param::Text(text) => is_secret(text),
            _ => false,
        });
        self.expect(10, !is_listed, || "the index holds the credentials".to_owned());
    }

    /// In a run with a budget each answer counts, and each attempt that may have to be paid for: as estimated, and marked,
    /// where the server does not count. Elsewhere nothing is estimated.
    fn budgets_know_what_was_used(&mut self, outside: &Outside, records: &[Record]) {
        let Some(counts) = outside.model.counts() else { return };
        let (mut asking, mut of_session) = (BTreeSet::new(), false);
        for record in records {
            let (usage, is_paid) = match &record.entry {
                Entry::RunAccepted { settings, .. } => {
                    of_session |= record.run == RunId(1) && settings.session_budget.is_some();
                    if of_session || settings.budget.counts_usage() {
                        asking.insert(record.run);
                    }
                    continue;
                }
                Entry::ModelAnswered { usage, .. } => (Some(usage), true),
                Entry::ModelFailed { usage, begun, error_type, .. } => {
                    (usage.as_ref(), *begun || error_type.may_be_paid_for())
                }
                _ => continue,
            };
            let is_estimated = usage.is_some_and(|usage| usage.estimated);
            let total = usage.and_then(|usage| usage.total_tokens).unwrap_or(0);
            let holds = match asking.contains(&record.run) {
                false => !is_estimated && (counts || total == 0),
                true if !is_paid => !is_estimated,
                // What was cut off before its count came is estimated too.
                true => total > 0 && (is_estimated || counts),
            };
            let what = || format!("run {}: {} used {usage:?}", record.run, record.entry.type_name());
            self.expect(3, holds, what);
        }
    }

    /// What a model thinks is in no answer, no result and no request, and is heard as thoughts alone.
    fn thoughts_stay_apart(&mut self, outside: &Outside, journals: &[Vec<Record>]) {
        for record in journals.iter().flatten() {
            let (run, said) = match &record.entry {
                Entry::ModelAnswered { message, .. } => (record.run, Some(&message.content)),
                Entry::RunEnded { result, .. } => (record.run, result.as_ref()),
                _ => continue,
            };
            let is_apart = said.is_none_or(|text| !text.contains(THOUGHT) && !text.contains("needs a look"));
            self.expect(4, is_apart, || format!("run {run}: {} has thoughts", record.entry.type_name()));
        }
        for request in &outside.model.requests {
            let is_apart = !String::from_utf8_lossy(&request.body).contains(THOUGHT);
            self.expect(4, is_apart, || format!("request {} has thoughts", request.key));
        }
        for delta in &outside.watcher.deltas {
            let has = |words: &[&str]| words.iter().any(|words| delta.text.contains(words));
            let is_apart = match delta.kind {
                DeltaKind::Answer => !has(&[THOUGHT, "the sea?", "needs a look"]),
                DeltaKind::Thought => !has(&["Verse"]),
            };
            self.expect(4, is_apart, || format!("{}: {:?}", delta.kind.as_str(), delta.text));
        }
    }
}

/// What the first row of a journal says.
fn life_of(records: &[Record]) -> Option<Life> {
    match records.first().map(|record| &record.entry) {
        Some(Entry::RunAccepted { life, .. }) => *life,
        _ => None,
    }
}

/// Where calls follow one another: a run, or a call of a comparison.
type Lane = (RunId, CallId);

/// The comparisons of a journal, and how many models each has.
struct Lanes(BTreeMap<RunId, usize>);

impl Lanes {
    fn of(records: &[Record]) -> Self {
        let compared = records.iter().filter_map(|record| match &record.entry {
            Entry::RunAccepted { models, .. } if !models.is_empty() => Some((record.run, models.len())),
            _ => None,
        });
        Self(compared.collect())
    }

    fn models(&self, run: RunId) -> usize {
        self.0.get(&run).copied().unwrap_or(0)
    }

    fn lane(&self, run: RunId, call: CallId) -> Lane {
        (run, if self.models(run) == 0 { CallId(0) } else { call })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_world::Disk;

    use crate::crashes::run_clean;

    type Change = fn(&mut End);

    /// The invariants that the oracle finds broken in a world without faults that was changed behind its back.
    fn found(change: impl FnOnce(&mut End)) -> Vec<u8> {
        let scenario = Scenario::named("all sinks").unwrap();
        let mut end = run_clean(&scenario).unwrap().end;
        change(&mut end);
        check(&scenario, &end).into_iter().map(|violation| violation.invariant).collect()
    }

    /// The same journal with its records changed, one row each.
    fn rewrite(end: &mut End, change: impl FnOnce(&mut Vec<Record>)) {
        let mut records: Vec<Record> = end.outside.disk.records().cloned().collect();
        change(&mut records);
        let mut disk = Disk::default();
        disk.alarm = end.outside.disk.alarm;
        for record in &records {
            assert!(disk.append(std::slice::from_ref(record), &[]));
        }
        end.outside.disk = disk;
    }

    #[test]
    fn the_oracle_sees_each_invariant_broken() {
        assert!(found(|_| {}).is_empty(), "nothing was changed");
        let broken: [(u8, Change); 26] = [
            (1, |end| end.outside.clients.acknowledged.clear()),
            (1, |end| rewrite(end, |records| records.retain(|r| !matches!(r.entry, Entry::RunEnded { .. })))),
            (2, |end| end.outside.model.requests[0].after_answer = true),
            (2, |end| end.outside.model.requests.extend(end.outside.model.requests.clone())),
            (3, |end| rewrite(end, |records| set_iteration(records, 7))),
            (4, |end| drop(end.outside.watcher.records.pop())),
            (4, |end| rewrite(end, |records| drop(records.remove(1)))),
            (5, |end| end.memory = Some(Session::default())),
            (6, |end| end.outside.model.open_max = 2),
            (7, |end| end.outside.disk.alarm = None),
            (7, |end| rewrite(end, |records| drop(records.pop()))),
            (8, |end| end.outside.model.requests[0].after_end = true),
            (9, |end| end.outside.index.committed.clear()),
            (9, |end| drop(end.outside.index.committed.pop())),
            (9, |end| count_again(&mut end.outside)),
            (9, |end| end.outside.nexus.traces.clear()),
            (9, |end| end.outside.nexus.traces.extend(end.outside.nexus.traces.clone())),
            (9, |end| drop(end.outside.nexus.traces[0].spans.pop())),
            (9, |end| end.outside.nexus.traces[0].spans.extend_from_within(..1)),
            (9, |end| end.outside.nexus.traces[0].spans[1].parent_span_id = None),
            (9, |end| {
                end.outside.nexus.traces[0].spans[0].started_at = "2027-01-15T07:59:59.000Z".to_owned()
            }),
            (9, |end| end.outside.nexus.traces[0].metadata = serde_json::Value::Null),
            (9, |end| rewrite(end, send_one_part_again)),
            (9, |end| end.outside.sink.deliveries.clear()),
            (9, |end| end.outside.sink.deliveries[0].body.push(0)),
            (10, |end| end.outside.sink.deliveries[0].body.extend(API_KEY.as_bytes())),
        ];
        for (index, (invariant, change)) in broken.into_iter().enumerate() {
            let found = found(change);
            assert!(found.contains(&invariant), "change {index} breaks {invariant}, found {found:?}");
        }
    }

    /// The calls of the run are counted for another one too.
    fn count_again(outside: &mut Outside) {
        let mut counted = outside.index.committed[1][0].clone();
        counted.params[2] = Param::Text("another".to_owned());
        outside.index.committed.push([counted].into());
    }

    fn send_one_part_again(records: &mut Vec<Record>) {
        for record in records {
            if let Entry::TraceSent { part, .. } = &mut record.entry {
                *part = "trace".to_owned();
            }
        }
    }

    fn set_iteration(records: &mut [Record], to: u32) {
        for record in records {
            if let Entry::ModelAnswered { iteration, .. } = &mut record.entry {
                *iteration = to;
            }
        }
    }
}
