use crate::{
    backoff::{MODEL_RETRY, SINK_RETRY},
    compare::LaneOutcome,
    context::{Extent, Sent, held_bytes, session_full},
    done::{FinalRule, final_rule, is_finish},
    entry::{Cause, Entry, Idempotency, Observed, RunError, StopReason, Timing},
    event::{CallRef, Command, Event, ModelCall, Moment, NewRun, Refusal, SinkFailure},
    fault::{Fault, FaultKind},
    ids::{CallId, Life, RunId, TimeMs},
    limits,
    message::{ModelAnswer, Usage, said},
    run::{DeliveryState, InFlight, Phase, Run},
    session::{Session, last_answer, result_of},
    step::Step,
};

/// Attempts of one call that may fail before its run does; crashes do not count.
const FAILURES_MAX: u32 = 4;
/// How long a sink may be down before a trace is parked, in milliseconds.
const SINK_PATIENCE_MS: u64 = 24 * 3_600_000;

impl Session {
    /// What `event` changes. Pure: nothing is stored, nothing in memory changes.
    ///
    /// A late or doubled outcome (an older attempt, an unknown call) gives an empty step that
    /// [is ignored](Step::is_ignored).
    ///
    /// # Errors
    /// When an [`Event::Accept`] is refused; no other event is.
    pub fn decide(&self, event: Event, moment: Moment) -> Result<Step, Refusal> {
        let mut draft = Draft::new(self, moment);
        match event {
            Event::Accept(run) => draft.accept(run)?,
            Event::Cancel { by } => draft.cancel(&by),
            Event::Answered { call, answer, timing, observed } => {
                draft.answered(call, answer, Seen { timing, observed })
            }
            Event::Failed { call, fault, timing, observed } => {
                draft.failed(call, fault, Seen { timing, observed })
            }
            Event::Resume(cause) => draft.resume(cause),
            Event::Tick => draft.tick(),
            Event::Sent { run, sink, part, remote_id } => draft.sent(run, sink, part, remote_id),
            Event::Flushed { run, sink, spans } => draft.flushed(run, sink, spans),
            Event::FlushFailed { run, sink, failure } => draft.flush_failed(run, sink, failure),
        }
        Ok(draft.step)
    }
}

/// An attempt, as far as its span needs it.
struct Seen {
    timing: Timing,
    observed: Observed,
}

/// A step in the making.
pub(crate) struct Draft<'a> {
    pub(crate) session: &'a Session,
    pub(crate) moment: Moment,
    pub(crate) step: Step,
    /// Runs that this step ends.
    ended: Vec<RunId>,
    /// The conversation, with what this step adds to it.
    pub(crate) conversation: Extent,
    /// What the session takes in memory, with what this step adds.
    pub(crate) bytes: usize,
    calls: u32,
}

impl<'a> Draft<'a> {
    fn new(session: &'a Session, moment: Moment) -> Self {
        let step = Step::new(session.head);
        let Session { conversation, bytes, calls, .. } = *session;
        Self { session, moment, step, ended: Vec::new(), conversation, bytes, calls }
    }

    fn accept(&mut self, new: NewRun) -> Result<(), Refusal> {
        if let Some(key) = &new.idempotency {
            self.refuse_known_key(key)?;
        }
        let comes_late = !new.models.is_empty() && !self.session.runs.is_empty();
        if comes_late || self.session.runs.first().is_some_and(Run::is_comparison) {
            return Err(Refusal::Comparison);
        }
        if self.is_full() {
            return Err(Refusal::SessionFull);
        }
        let waiting = self.session.open_runs().count();
        if waiting > limits::QUEUED_RUNS_MAX {
            return Err(Refusal::QueueFull);
        }
        let id =
            RunId(u32::try_from(self.session.runs.len() + 1).expect("a session has fewer than 2^32 runs"));
        let affordable = new.settings.budget.exhausted_by(&Usage::default(), 0).is_none();
        let first = self.first_calls(id, &new);
        let sampled_out = is_sampled_out(new.settings.sample_ratio, self.moment.seed);
        let life = self.session.runs.is_empty().then_some(Life(self.moment.seed));
        let NewRun { task, agent, model, models, max_iterations, metadata, settings, idempotency } = new;
        self.write(
            id,
            Entry::RunAccepted {
                task,
                agent,
                model,
                models,
                max_iterations,
                metadata,
                settings,
                sampled_out,
                idempotency,
                life,
            },
        );
        if waiting == 0 && affordable {
            for (entry, command) in first {
                self.write(id, entry);
                self.step.order(command);
            }
        }
        Ok(())
    }

    fn refuse_known_key(&self, key: &Idempotency) -> Result<(), Refusal> {
        let known = |run: &&Run| run.idempotency.as_ref().is_some_and(|earlier| earlier.key == key.key);
        match self.session.runs.iter().find(known) {
            None => Ok(()),
            Some(run) if run.idempotency.as_ref() == Some(key) => Err(Refusal::Replayed(run.id)),
            Some(run) => Err(Refusal::KeyConflict(run.id)),
        }
    }

    /// The first call of a run that is accepted in an idle session, or a comparison's first calls: promised in the same
    /// row.
    fn first_calls(&mut self, run: RunId, new: &NewRun) -> Vec<(Entry, Command)> {
        let deadline = new.settings.budget.deadline_ms.map(|ms| self.moment.now.saturating_add(ms));
        let give_up_at = give_up_at(self.moment.now, new.settings.model_timeout_ms, deadline);
        let (models, sent) = if new.models.is_empty() {
            let sent = self.to_send_at_first(&new.settings, new.max_iterations, &new.task);
            (std::slice::from_ref(&new.model), sent)
        } else {
            (new.models.as_slice(), Sent::compared(&new.settings))
        };
        let Sent { dropped_messages, message_count } = sent;
        let calls = (self.calls + 1..).map(CallId).zip(models);
        let promise = |(call, model): (CallId, &String)| {
            let model = model.clone();
            let entry = Entry::ModelCalled {
                call,
                attempt: 1,
                iteration: 1,
                model: model.clone(),
                message_count,
                dropped_messages,
            };
            let call = CallRef { run, call, attempt: 1 };
            (entry, Command::CallModel(ModelCall { call, model, give_up_at }))
        };
        calls.map(promise).collect()
    }

    fn cancel(&mut self, by: &str) {
        let open: Vec<&Run> = self.session.open_runs().collect();
        for run in open {
            self.write(run.id, Entry::CancelRequested { by: by.to_owned() });
            self.end(run, StopReason::Cancelled, None, None, &run.usage, run.iterations);
            for flight in run.in_flight() {
                self.step.order(Command::Abort(call_ref(run.id, flight)));
            }
        }
    }

    fn answered(&mut self, call: CallRef, answer: ModelAnswer, seen: Seen) {
        let Some((run, flight)) = self.awaited(call) else { return self.ignore() };
        if answer.message.content.trim().is_empty() && answer.message.tool_calls.is_empty() {
            let fault = Fault::new(FaultKind::EmptyResponse, "the model answered nothing");
            return self.failed(call, fault, seen);
        }
        let rule = if run.is_comparison() {
            None
        } else {
            final_rule(&answer.message, answer.finish_reason, &run.settings.sentinel)
        };
        let tool = answer.message.tool_calls.iter().find(|call| run.is_comparison() || !is_finish(call));
        if let (None, Some(tool)) = (rule, tool) {
            let name = tool.name.chars().filter(|c| !c.is_control()).take(limits::NAME_BYTES_MAX);
            let text =
                format!("the model called the tool \"{}\"; it was offered none", name.collect::<String>());
            return self.failed(call, Fault::new(FaultKind::Malformed, text), seen);
        }
        let usage = run.usage.plus(&answer.usage);
        let result = said(answer.message.clone()).content;
        self.conversation = self.conversation.and(&result);
        self.write_answer(call, flight, answer, seen, rule);
        if run.is_comparison() {
            return self.lane_settled(run, flight.call, &usage, LaneOutcome::Answered);
        }
        let stop = match rule {
            Some(FinalRule::Done) => Some(StopReason::Done),
            Some(FinalRule::FinishTool) => Some(StopReason::FinishTool),
            None if flight.iteration >= run.max_iterations => Some(StopReason::MaxIterations),
            None => run.exhausted_budget(&usage, self.moment.now),
        };
        if stop.is_none() && !self.is_full() {
            return self.call(run, CallId(self.calls + 1), 1, flight.iteration + 1);
        }
        let error = stop.is_none().then(session_full);
        let result = result_of(self.session, run, &result);
        let reason = stop.unwrap_or(StopReason::ModelRefused);
        self.end(run, reason, Some(result), error, &usage, flight.iteration);
        self.begin_next();
    }

    fn write_answer(
        &mut self,
        call: CallRef,
        flight: InFlight,
        answer: ModelAnswer,
        seen: Seen,
        rule: Option<FinalRule>,
    ) {
        let Seen { timing, observed } = seen;
        self.write(
            call.run,
            Entry::ModelAnswered {
                call: call.call,
                attempt: call.attempt,
                iteration: flight.iteration,
                message: answer.message,
                finish_reason: answer.finish_reason,
                usage: answer.usage,
                latency_ms: timing.ended_at.saturating_sub(timing.started_at),
                r#final: rule,
                timing,
                response_id: answer.response_id,
                response_model: answer.response_model,
                observed,
            },
        );
    }

    fn failed(&mut self, call: CallRef, fault: Fault, seen: Seen) {
        let Some((run, flight)) = self.awaited(call) else { return self.ignore() };
        let failures = flight.failures + 1;
        let late = run.is_late(self.moment.now);
        let again = fault.kind.is_transient() && failures < FAILURES_MAX && !late;
        let retry_at = again
            .then(|| self.moment.now + MODEL_RETRY.wait_ms(failures, fault.retry_after_ms, self.moment.seed));
        self.write(
            run.id,
            Entry::ModelFailed {
                call: call.call,
                attempt: call.attempt,
                error_type: fault.kind,
                message: fault.message.clone(),
                retry_at,
                timing: seen.timing,
                observed: seen.observed,
            },
        );
        if again {
            return;
        }
        if run.is_comparison() {
            return self.lane_settled(run, flight.call, &run.usage, LaneOutcome::Failed(fault));
        }
        if late {
            self.end_for_budget(run, StopReason::Deadline);
        } else {
            let reason = reason_of(fault.kind);
            let error = RunError { code: fault.kind.as_str().to_owned(), message: fault.message };
            self.end(run, reason, None, Some(error), &run.usage, run.iterations);
        }
        self.begin_next();
    }

    fn resume(&mut self, cause: Cause) {
        let Some(run) = self.session.open_runs().next() else { return };
        match &run.phase {
            Phase::Calling(flight) => self.resume_call(run, *flight, cause),
            Phase::Comparing if run.in_flight().next().is_some() => self.resume_comparison(run, cause),
            Phase::Settled => {
                self.write_resumed(run.id, cause, Vec::new());
                self.call(run, CallId(self.calls + 1), 1, run.iterations + 1);
            }
            // Nothing was cut off: that the object was evicted while its run waited is no event of the run.
            Phase::Comparing | Phase::Queued | Phase::BackingOff { .. } | Phase::Ended { .. } => self.tick(),
        }
    }

    fn resume_call(&mut self, run: &Run, flight: InFlight, cause: Cause) {
        if flight.interruptions >= limits::INTERRUPTIONS_MAX {
            let text = format!("call {} was cut off {} times", flight.call, flight.interruptions + 1);
            let error = RunError { code: FaultKind::Interrupted.as_str().to_owned(), message: text };
            self.write_resumed(run.id, cause, Vec::new());
            self.end(run, StopReason::ModelUnavailable, None, Some(error), &run.usage, run.iterations);
            self.begin_next();
        } else if run.is_late(self.moment.now) {
            self.write_resumed(run.id, cause, Vec::new());
            self.end_for_budget(run, StopReason::Deadline);
            self.begin_next();
        } else {
            self.write_resumed(run.id, cause, vec![flight.call]);
            self.call(run, flight.call, flight.attempt + 1, flight.iteration);
        }
    }

    /// Begins what is due.
    fn tick(&mut self) {
        let now = self.moment.now;
        let late: Vec<&Run> = self
            .session
            .open_runs()
            .filter(|run| run.in_flight().next().is_none() && run.is_late(now))
            .collect();
        for run in late {
            if run.phase == Phase::Comparing {
                self.end_late_comparison(run);
            } else {
                self.end_for_budget(run, StopReason::Deadline);
            }
        }
        let waiting = self.session.open_runs().find(|run| !self.ended.contains(&run.id));
        if let Some(run) = waiting.filter(|run| run.phase == Phase::Comparing) {
            self.tick_comparison(run);
        } else if let Some((run, Phase::BackingOff { call, until })) = waiting.map(|run| (run, &run.phase)) {
            if *until <= now {
                self.call(run, call.call, call.attempt + 1, call.iteration);
            }
        } else {
            self.begin_next();
        }
    }

    fn sent(&mut self, run: RunId, sink: String, part: String, remote_id: String) {
        if self.owed(run, &sink).is_none() {
            return self.ignore();
        }
        self.write(run, Entry::TraceSent { sink, part, remote_id });
    }

    fn flushed(&mut self, run: RunId, sink: String, spans: u32) {
        let Some((attempts, _)) = self.owed(run, &sink) else { return self.ignore() };
        self.write(run, Entry::TraceFlushed { sink, spans, attempt: attempts + 1 });
    }

    fn flush_failed(&mut self, run: RunId, sink: String, failure: SinkFailure) {
        let Some((attempts, ended_at)) = self.owed(run, &sink) else { return self.ignore() };
        let attempt = attempts + 1;
        let (status, retry_at) = match failure {
            SinkFailure::Permanent { status } => (status, None),
            SinkFailure::Quota { status, resumes_at } => (Some(status), Some(resumes_at)),
            SinkFailure::Transient { status, retry_after_ms } => {
                let at = self.moment.now + SINK_RETRY.wait_ms(attempt, retry_after_ms, self.moment.seed);
                (status, (at < ended_at.saturating_add(SINK_PATIENCE_MS)).then_some(at))
            }
        };
        self.write(run, Entry::TraceFailed { sink, status, attempt, retry_at });
    }

    /// The first run in the queue begins, unless one is under way.
    fn begin_next(&mut self) {
        let open: Vec<&Run> = self.session.open_runs().filter(|run| !self.ended.contains(&run.id)).collect();
        for run in open {
            if run.phase != Phase::Queued {
                return;
            }
            match run.exhausted_budget(&Usage::default(), self.moment.now) {
                Some(reason) => self.end_for_budget(run, reason),
                None if self.is_full() => {
                    self.end(run, StopReason::ModelRefused, None, Some(session_full()), &run.usage, 0);
                }
                None => return self.call(run, CallId(self.calls + 1), 1, 1),
            }
        }
    }

    /// Promises an attempt of a call. Budgets were checked: nothing is spent between an answer and a retry but time.
    pub(crate) fn call(&mut self, run: &Run, call: CallId, attempt: u32, iteration: u32) {
        let Sent { dropped_messages, message_count } = self.to_send(run, call);
        self.calls = self.calls.max(call.0);
        let model = run.model_of(call).to_owned();
        self.write(
            run.id,
            Entry::ModelCalled {
                call,
                attempt,
                iteration,
                model: model.clone(),
                message_count,
                dropped_messages,
            },
        );
        self.step.order(Command::CallModel(ModelCall {
            call: CallRef { run: run.id, call, attempt },
            model,
            give_up_at: give_up_at(self.moment.now, run.settings.model_timeout_ms, run.deadline_at()),
        }));
    }

    fn end_for_budget(&mut self, run: &Run, reason: StopReason) {
        let result = last_answer(self.session, run).map(|answer| result_of(self.session, run, answer));
        self.end(run, reason, result, None, &run.usage, run.iterations);
    }

    pub(crate) fn end(
        &mut self,
        run: &Run,
        stop_reason: StopReason,
        result: Option<String>,
        error: Option<RunError>,
        usage: &Usage,
        iterations: u32,
    ) {
        self.ended.push(run.id);
        let error = error.or_else(|| budget_error(stop_reason));
        self.write(
            run.id,
            Entry::RunEnded {
                status: stop_reason.status(),
                stop_reason,
                result,
                error,
                usage: usage.clone(),
                iterations,
            },
        );
    }

    pub(crate) fn write_resumed(&mut self, run: RunId, cause: Cause, outstanding: Vec<CallId>) {
        self.write(run, Entry::RunResumed { cause, outstanding });
    }

    pub(crate) fn write(&mut self, run: RunId, entry: Entry) {
        self.bytes += held_bytes(&entry);
        self.step.write(run, self.moment, entry);
    }

    fn ignore(&mut self) {
        self.step.ignored = true;
    }

    /// The run that waits for exactly this attempt.
    fn awaited(&self, call: CallRef) -> Option<(&'a Run, InFlight)> {
        let run = self.session.run(call.run)?;
        let flight = run.in_flight().find(|f| f.call == call.call && f.attempt == call.attempt)?;
        Some((run, flight))
    }

    /// A delivery that has no final outcome: its attempts so far, and when its run ended.
    fn owed(&self, run: RunId, sink: &str) -> Option<(u32, TimeMs)> {
        let run = self.session.run(run)?;
        let delivery = run.deliveries.get(sink)?;
        matches!(delivery.state, DeliveryState::Due(_))
            .then(|| (delivery.attempts, run.ended_at.unwrap_or_default()))
    }
}

/// Head sampling: decided once, when the run is accepted.
fn is_sampled_out(ratio: Option<f64>, seed: u64) -> bool {
    // The upper 53 bits of the seed, as a number from 0 to 1.
    let chance = (seed >> 11) as f64 / (1_u64 << 53) as f64;
    ratio.is_some_and(|ratio| chance >= ratio)
}

/// The rule by which a run ends whose call failed for good.
pub(crate) fn reason_of(kind: FaultKind) -> StopReason {
    match kind {
        FaultKind::EmptyResponse => StopReason::EmptyResponse,
        kind if kind.is_transient() => StopReason::ModelUnavailable,
        _ => StopReason::ModelRefused,
    }
}

fn call_ref(run: RunId, flight: InFlight) -> CallRef {
    CallRef { run, call: flight.call, attempt: flight.attempt }
}

fn give_up_at(now: TimeMs, timeout_ms: u64, deadline: Option<TimeMs>) -> TimeMs {
    let timeout = now.saturating_add(timeout_ms);
    deadline.map_or(timeout, |at| at.min(timeout))
}

fn budget_error(reason: StopReason) -> Option<RunError> {
    let message = match reason {
        StopReason::BudgetTokens => "budget.total_tokens is used up",
        StopReason::BudgetCost => "budget.cost_usd is used up",
        StopReason::Deadline => "budget.deadline_ms has passed",
        _ => return None,
    };
    Some(RunError { code: reason.as_str().to_owned(), message: message.to_owned() })
}
