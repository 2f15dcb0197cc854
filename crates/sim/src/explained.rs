use std::collections::{BTreeMap, BTreeSet, VecDeque};

use longhaul_core::{
    CallId, Cause, Entry, FaultKind, FinalRule, Idempotency, Record, RunId, RunStatus, Seq, StopReason,
    TimeMs, Usage, limits::INTERRUPTIONS_MAX,
};
use serde_json::Value;

use crate::{
    clients::{Action, Answered, Post},
    invariants::Findings,
    outside::Outside,
    tools::CLOSED,
};

/// Attempts of one call that may have to be paid for, and fail, before its model is given up.
const PAID_FAILURES_MAX: usize = 4;
/// How long a model is borne, in milliseconds, and how long at most while another one follows.
const PATIENCE_MS: u64 = 15 * 60_000;
const FALLBACK_PATIENCE_MS: u64 = 60_000;
/// The longest wait of a back-off, in milliseconds.
const BACKOFF_MS_MAX: u64 = 60_000;

/// What the oracle works out from the journal alone, without the code that decides.
#[derive(Default)]
struct Account {
    accepted_at: TimeMs,
    key: Option<String>,
    lanes: usize,
    max_iterations: usize,
    deadline_ms: Option<u64>,
    total_tokens: Option<u64>,
    cost_max: Option<f64>,
    cost_usd: f64,
    /// The rest of the session's tokens, when the run was accepted.
    session_tokens: Option<u64>,
    /// What is set aside for attempts that nothing was heard of yet.
    reserved: BTreeMap<CallId, Usage>,
    /// Whether its last answer was asked for because a limit left no more.
    had_last: bool,
    answers: usize,
    tokens: u64,
    last_final: Option<FinalRule>,
    last_text: String,
    last_fault: Option<(FaultKind, CallId)>,
    /// Of each call, while one model is asked.
    failures: BTreeMap<CallId, Failures>,
    patience_ms: u64,
    /// The models that may still take the run over, and the one that is asked.
    fallbacks: VecDeque<String>,
    model: String,
    retry_at: BTreeMap<CallId, TimeMs>,
    interruptions: u32,
    was_cancelled: bool,
    ended_at: Option<TimeMs>,
    /// The tools that its answers asked for, with their arguments: answer by answer, and how many of them failed.
    asked: Vec<(Vec<String>, usize)>,
    /// Calls of tools that were made, and how many may be.
    tool_calls: u32,
    tool_calls_max: Option<u32>,
    /// What became of the tools whose calls end a run: each code, with its tool and what it says.
    tool_errors: Vec<(String, String, String)>,
    /// Whether a request to a person expired.
    has_expired: bool,
    /// Whether somebody said something that no call was made after.
    has_unread: bool,
    /// The schema of its result.
    output_schema: Option<Value>,
}

/// What one call went through with one model.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    paid: usize,
    first_at: TimeMs,
    last_at: TimeMs,
    /// How long the server asked to wait, the last time.
    wish_ms: u64,
}

impl Findings {
    /// Each end has the entries before it that it needs, whatever world they came about in.
    pub(crate) fn the_journal_explains_each_end(&mut self, records: &[Record]) {
        let mut accounts: BTreeMap<RunId, Account> = BTreeMap::new();
        let (mut session_max, mut session_tokens) = (None, 0);
        for record in records {
            let run = record.run;
            if let (Entry::RunAccepted { settings, .. }, RunId(1)) = (&record.entry, run) {
                session_max = settings.session_budget.as_ref().and_then(|budget| budget.total_tokens);
            }
            if matches!(record.entry, Entry::ModelCalled { .. }) {
                let is_first = accounts.range(..run).all(|(_, earlier)| earlier.ended_at.is_some());
                self.expect(6, is_first, || format!("run {run} overtook another"));
            }
            let account = accounts.entry(run).or_default();
            match &record.entry {
                Entry::ModelCalled {
                    call, attempt, model, fallback_from, reserved, last, iteration, ..
                } => {
                    account.has_unread &= *attempt > 1;
                    account.lose(|known| known == *call);
                    account.reserved.extend(reserved.map(|reserved| (*call, reserved.usage())));
                    account.had_last |= *last && (*iteration as usize) < account.max_iterations;
                    if let Some(from) = fallback_from {
                        let is_due = account.is_given_up(*call) && account.model == *from;
                        let is_next = account.fallbacks.pop_front().as_ref() == Some(model);
                        self.expect(2, is_due && is_next, || format!("{model} took call {call} from {from}"));
                        account.failures.remove(call);
                        account.last_fault = None;
                        account.model.clone_from(model);
                    }
                    let is_its = account.lanes > 0 || account.model == *model;
                    self.expect(2, is_its, || format!("call {call} asks {model}, not {}", account.model));
                    let not_before = account.retry_at.remove(call).unwrap_or(0);
                    self.expect(2, record.at >= not_before, || {
                        format!("call {call} was made again at {}, not {not_before}", record.at)
                    });
                    let failures = account.failures.get(call).copied().unwrap_or_default();
                    self.expect(2, failures.paid < PAID_FAILURES_MAX, || {
                        format!("call {call} was paid for, and failed, {} times", failures.paid)
                    });
                }
                Entry::ModelFailed { call, retry_at, .. } => {
                    account.take(record);
                    let failures = account.failures.get(call).copied().unwrap_or_default();
                    let ends_at = failures.first_at.saturating_add(account.borne_ms());
                    let latest = ends_at.min(record.at + BACKOFF_MS_MAX.max(failures.wish_ms));
                    let is_borne = retry_at.is_none_or(|at| {
                        at >= record.at + failures.wish_ms && at <= latest && record.at < ends_at
                    });
                    self.expect(2, is_borne, || {
                        format!("call {call} is made again at {retry_at:?}: {failures:?}")
                    });
                }
                Entry::RunEnded { status, stop_reason, result, output, .. } => {
                    let wrong = account.wrong_output(*status, output.as_ref());
                    self.expect(3, wrong.is_none(), || format!("run {run}: {wrong:?}"));
                    let expected = account.result(*stop_reason);
                    self.expect(1, expected.is_none() || result.as_deref() == expected, || {
                        format!("run {run}: the result {result:?}, not {expected:?}")
                    });
                    account.session_tokens = session_max.map(|max: u64| max.saturating_sub(session_tokens));
                    self.expect(1, account.explains(*stop_reason, record.at), || {
                        format!("run {run}: nothing explains {stop_reason:?}")
                    });
                    account.lose(|_| true);
                    session_tokens += account.tokens;
                    account.ended_at = Some(record.at);
                }
                Entry::RunSteered { .. } => account.has_unread = true,
                _ => account.take(record),
            }
        }
        let keys: Vec<&String> = accounts.values().filter_map(|account| account.key.as_ref()).collect();
        let distinct: BTreeSet<&&String> = keys.iter().collect();
        self.expect(1, distinct.len() == keys.len(), || format!("a key has two runs: {keys:?}"));
    }

    /// What callers were told holds.
    pub(crate) fn what_was_acknowledged_is_there(&mut self, outside: &Outside, journals: &[Vec<Record>]) {
        let all = || journals.iter().flatten();
        let of_panics =
            |record: &&Record| matches!(record.entry, Entry::RunResumed { cause: Cause::Panic, .. });
        let panics = all().filter(of_panics).count();
        self.expect(7, panics <= outside.panics as usize, || format!("{panics} resumptions from a panic"));
        for answered in &outside.clients.answers {
            let Answered { action, run, head, incarnation, .. } = answered;
            // What was erased last has no journal where nothing came after it.
            let records = journals.get(*incarnation).map(Vec::as_slice).unwrap_or_default();
            match (action, run) {
                (Action::Post(post), Some(run)) => {
                    let is_there = records.iter().any(|record| is_of_post(record, post, *run, *head));
                    self.expect(1, is_there, || format!("{post:?} was answered with run {run}"));
                }
                (Action::Post(post), None) => {
                    let may_be = records.iter().any(|record| forbids(record, post));
                    self.expect(1, may_be, || format!("{post:?} was refused for no reason"));
                }
                (Action::Cancel, _) => {
                    self.all_was_over(records, *head);
                    self.no_call_begins(outside, answered, records);
                }
                _ => {}
            }
        }
        let is_keyless = |action: &Action| matches!(action, Action::Post(post) if !post.is_keyed);
        let answers = outside.clients.answers.iter();
        let posts = answers.filter(|it| it.run.is_some() && is_keyless(&it.action)).count();
        let of_posts =
            |record: &&Record| matches!(record.entry, Entry::RunAccepted { idempotency: None, .. });
        let runs = all().filter(of_posts).count();
        let most = posts + (outside.interruptions() + outside.lost_answers) as usize;
        self.expect(1, (posts..=most).contains(&runs), || {
            format!("{posts} posts without a key became {runs} runs")
        });
    }

    /// After a cancel was acknowledged no call of a run begins that was accepted before.
    fn no_call_begins(&mut self, outside: &Outside, cancel: &Answered, records: &[Record]) {
        let is_before = |record: &&Record| record.seq <= cancel.head;
        let known: BTreeSet<RunId> = records.iter().filter(is_before).map(|record| record.run).collect();
        let mut later = outside.model.requests.iter().skip(cancel.model_requests);
        let begun = later.find(|it| it.incarnation == cancel.incarnation && known.contains(&it.run));
        self.expect(8, begun.is_none(), || format!("a cancel was acknowledged, and then came {begun:?}"));
    }

    /// A cancel was acknowledged when the journal had this head.
    fn all_was_over(&mut self, records: &[Record], head: Seq) {
        let (mut accepted, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for record in records.iter().filter(|record| record.seq <= head) {
            match record.entry {
                Entry::RunAccepted { .. } => accepted.insert(record.run),
                Entry::RunEnded { .. } => ended.insert(record.run),
                _ => false,
            };
        }
        self.expect(8, accepted == ended, || {
            format!("a cancel was acknowledged, and only {ended:?} of {accepted:?} were over")
        });
    }
}

/// The seconds that a refusal asks to wait, by its words.
fn wish_s(message: &str) -> u64 {
    let after = message.split(", wait ").nth(1).unwrap_or_default();
    after.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

/// Whether a run was in the journal when its post was answered with it.
fn is_of_post(record: &Record, post: &Post, run: RunId, head: Seq) -> bool {
    let Entry::RunAccepted { task, idempotency, .. } = &record.entry else { return false };
    let key = idempotency.as_ref().map(|own| &*own.key);
    record.run == run
        && record.seq <= head
        && *task == post.task()
        && key == post.is_keyed.then_some(post.key)
}

/// Whether a run stands in the way of a post: one of the two is a comparison, or it has the same key and another body.
fn forbids(record: &Record, post: &Post) -> bool {
    let Entry::RunAccepted { models, idempotency, settings, .. } = &record.entry else { return false };
    let differs = |own: &Idempotency| own.key == post.key && own.body != post.body();
    let conflicts = post.is_keyed && idempotency.as_ref().is_some_and(differs);
    !models.is_empty() || !post.models.is_empty() || conflicts || settings.session_budget.is_some()
}

impl Account {
    fn take(&mut self, record: &Record) {
        match &record.entry {
            Entry::RunAccepted { model, models, max_iterations, settings, idempotency, .. } => {
                self.accepted_at = record.at;
                self.key = idempotency.as_ref().map(|own| own.key.clone());
                self.lanes = models.len();
                self.max_iterations = *max_iterations as usize;
                self.deadline_ms = settings.budget.deadline_ms;
                self.total_tokens = settings.budget.total_tokens;
                self.cost_max = settings.budget.cost_usd;
                self.tool_calls_max = settings.budget.tool_calls;
                self.output_schema.clone_from(&settings.output_schema);
                self.patience_ms = settings.retry_patience_ms.unwrap_or(PATIENCE_MS);
                self.fallbacks = settings.fallbacks.iter().map(|fallback| fallback.model.clone()).collect();
                self.model.clone_from(model);
            }
            Entry::ModelAnswered { call, message, usage, r#final, .. } => {
                self.answers += 1;
                self.last_text.clone_from(&message.content);
                self.reserved.remove(call);
                self.spend(usage);
                self.last_final = *r#final;
                self.last_fault = None;
                let asked = message.tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments));
                self.asked.push((asked.collect(), 0));
            }
            Entry::ToolCalled { call, attempt, cost_usd, tool_call_id, .. } => {
                self.tool_calls += u32::from(*attempt == 1 && tool_call_id.is_some());
                self.lose(|known| known == *call);
                let cost = cost_usd.map(|cost| Usage { cost_usd: Some(cost), ..Usage::default() });
                self.reserved.extend(cost.map(|cost| (*call, cost)));
            }
            Entry::ToolFailed { call, .. } | Entry::ToolAnswered { call, error: None, .. } => {
                self.lose(|known| known == *call);
            }
            Entry::ToolAnswered { call, tool, error: Some(error), .. } => {
                self.lose(|known| known == *call);
                if let Some((_, failed)) = self.asked.last_mut() {
                    *failed += 1;
                }
                let (code, message) = (error.code().to_owned(), error.message().to_owned());
                self.tool_errors.push((code, tool.clone(), message));
            }
            Entry::ApprovalResolved { decision, .. } => self.has_expired |= decision == "expired",
            Entry::ModelFailed { call, error_type, retry_at, usage, begun, message, .. } => {
                self.reserved.remove(call);
                usage.iter().for_each(|usage| self.spend(usage));
                let first = Failures { first_at: record.at, ..Failures::default() };
                let failures = self.failures.entry(*call).or_insert(first);
                let is_paid = matches!(
                    error_type,
                    FaultKind::Truncated | FaultKind::Timeout | FaultKind::EmptyResponse
                );
                failures.paid += usize::from(is_paid || *begun);
                failures.last_at = record.at;
                failures.wish_ms = 1_000 * wish_s(message);
                match retry_at {
                    Some(at) => drop(self.retry_at.insert(*call, *at)),
                    None => self.last_fault = Some((*error_type, *call)),
                }
            }
            Entry::RunResumed { .. } => {
                self.interruptions += 1;
                self.lose(|_| true);
            }
            Entry::CancelRequested { .. } => self.was_cancelled = true,
            _ => {}
        }
    }

    /// The result of a run that ends with its last answer: without its last line where that says DONE.
    fn result(&self, reason: StopReason) -> Option<&str> {
        let is_of_answer = matches!(reason, StopReason::Done | StopReason::MaxIterations) && self.lanes == 0;
        let text = self.last_text.trim();
        is_of_answer.then(|| text.strip_suffix("\nDONE").unwrap_or(text))
    }

    /// What is wrong with what a run has as its structured result.
    fn wrong_output(&self, status: RunStatus, output: Option<&Value>) -> Option<String> {
        match (&self.output_schema, output) {
            (None, None) => None,
            (None, Some(output)) => Some(format!("{output} has no schema")),
            (Some(_), None) => (status == RunStatus::Succeeded).then(|| "there is none".to_owned()),
            (Some(schema), Some(output)) => {
                // The schemas of all worlds are of one required member.
                let named = schema["required"][0].as_str().and_then(|name| output.get(name));
                named.is_none().then(|| format!("{output} does not fit"))
            }
        }
    }

    /// Whether a limit of its work is reached.
    fn is_at_a_limit(&self) -> bool {
        let is_last = self.answers == self.max_iterations && self.last_final.is_none();
        let has_spent = self.has_spent_tokens() || self.has_spent_dollars();
        is_last || has_spent || self.tool_calls_max.is_some_and(|most| self.tool_calls >= most)
    }

    /// Whether the tools of three answers in a row failed, and what the last of them asked for.
    fn failed_last(&self) -> Option<&[String]> {
        let has_failed =
            |(asked, failed): &&(Vec<String>, usize)| !asked.is_empty() && *failed == asked.len();
        let latest = self.asked.iter().rev().take(3).take_while(has_failed).count();
        (latest == 3).then(|| self.asked.last().map(|(asked, _)| asked.as_slice()))?
    }

    fn spend(&mut self, usage: &Usage) {
        self.tokens += usage.total_tokens.unwrap_or(0);
        self.cost_usd += usage.cost_usd.unwrap_or(0.0);
    }

    /// Counts what was set aside for some attempts.
    fn lose(&mut self, is_meant: impl Fn(CallId) -> bool) {
        let (lost, kept) =
            std::mem::take(&mut self.reserved).into_iter().partition(|(call, _)| is_meant(*call));
        self.reserved = kept;
        let lost: BTreeMap<CallId, Usage> = lost;
        lost.values().for_each(|usage| self.spend(usage));
    }

    /// How long faults of the model that is asked are borne.
    fn borne_ms(&self) -> u64 {
        if self.fallbacks.is_empty() { self.patience_ms } else { self.patience_ms.min(FALLBACK_PATIENCE_MS) }
    }

    /// Whether a call's model may be given up by what it came to last.
    fn is_given_up(&self, call: CallId) -> bool {
        let Some((kind, failed)) = self.last_fault else { return false };
        let Failures { paid, first_at, last_at, wish_ms } =
            self.failures.get(&call).copied().unwrap_or_default();
        let ends_at = first_at.saturating_add(self.borne_ms());
        let deadline_at = self.deadline_ms.map_or(TimeMs::MAX, |ms| self.accepted_at.saturating_add(ms));
        let asks_too_much = wish_ms > 0 && (last_at + wish_ms > ends_at || last_at + wish_ms >= deadline_at);
        // Another model may be in time where the wait would outlast the run.
        let is_pressed = !self.fallbacks.is_empty() && deadline_at <= last_at + BACKOFF_MS_MAX;
        let is_spent = paid >= PAID_FAILURES_MAX || last_at >= ends_at || asks_too_much || is_pressed;
        failed == call && (!kind.is_transient() || is_spent)
    }

    /// Whether a limit of tokens leaves no further answer.
    fn has_spent_tokens(&self) -> bool {
        let mut limits = [self.total_tokens, self.session_tokens].into_iter().flatten();
        self.had_last || limits.any(|most| self.tokens >= most)
    }

    /// Whether a limit of dollars leaves none.
    fn has_spent_dollars(&self) -> bool {
        self.had_last || self.cost_max.is_some_and(|most| self.cost_usd >= most * (1.0 - 1e-6))
    }

    fn explains(&self, reason: StopReason, now: TimeMs) -> bool {
        let is_late = self.deadline_ms.is_some_and(|ms| now >= self.accepted_at.saturating_add(ms));
        let failed_with = |is_right: fn(FaultKind) -> bool| {
            // What is refused here is always the model: another one takes the call, while there is one.
            let is_last = self.fallbacks.is_empty() || is_late;
            self.last_fault.is_some_and(|(kind, call)| is_last && is_right(kind) && self.is_given_up(call))
        };
        let explained = match reason {
            StopReason::Done if self.lanes > 0 => self.answers > 0,
            StopReason::Done => {
                let is_spent = self.has_spent_tokens() || self.has_spent_dollars();
                let is_last = self.answers == self.max_iterations || is_spent || is_late;
                self.last_final == Some(FinalRule::Done) && (is_last || !self.has_unread)
            }
            StopReason::MaxIterations => self.answers == self.max_iterations && self.last_final.is_none(),
            StopReason::BudgetTokens => self.has_spent_tokens(),
            StopReason::BudgetCost => self.has_spent_dollars(),
            StopReason::Deadline => is_late,
            StopReason::Cancelled => self.was_cancelled,
            StopReason::EmptyResponse => failed_with(|kind| kind == FaultKind::EmptyResponse),
            StopReason::ModelRefused => failed_with(|kind| !kind.is_transient()),
            StopReason::ModelUnavailable => {
                failed_with(|kind| kind.is_transient() && kind != FaultKind::EmptyResponse)
                    || self.interruptions > INTERRUPTIONS_MAX
            }
            StopReason::ToolFailed => {
                self.failed_last().is_some() || self.tool_errors.iter().any(|(_, _, said)| said == CLOSED)
            }
            StopReason::LoopDetected => {
                let asked: Vec<&String> = self.asked.iter().flat_map(|(asked, _)| asked).collect();
                asked.windows(5).any(|five| five.iter().all(|one| *one == five[0]))
            }
            StopReason::ToolInDoubt => {
                self.tool_errors.iter().any(|(code, tool, _)| code == "in_doubt" && tool == "burn")
            }
            StopReason::ApprovalExpired => self.has_expired,
            StopReason::FinishTool => self.last_final == Some(FinalRule::FinishTool),
            StopReason::OutputInvalid => {
                let is_of_finish = |asked: &[String]| asked.iter().all(|call| call.starts_with("finish "));
                self.output_schema.is_some()
                    && (self.is_at_a_limit() || self.failed_last().is_some_and(is_of_finish))
            }
            StopReason::BudgetToolCalls => self.tool_calls_max.is_some_and(|most| self.tool_calls >= most),
            _ => false,
        };
        explained && (self.was_cancelled == (reason == StopReason::Cancelled))
    }
}
