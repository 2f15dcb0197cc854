use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    compare::{evolve_lane, lane},
    context::{Extent, held_bytes, system_message},
    deadline::{self, Deadline},
    done,
    entry::{Entry, Record},
    event::CallRef,
    ids::{CallId, Life, RunId, Seq, TimeMs},
    journal::Journal,
    message::{Message, Role, said},
    run::{Delivery, DeliveryState, InFlight, LaneAnswer, LaneState, Phase, Run},
    step::{CommitError, Committed, Step},
};

/// What the loop says to a model whose answer was not final.
pub const CONTINUE: &str = "Continue.";

/// A session: its runs, one at a time in the order of acceptance, and the conversation that they share.
///
/// It is a fold over the journal and nothing else. Drive it like this:
/// [`decide`](Self::decide), [`commit`](Self::commit), perform the commands, feed each outcome back as an event;
/// after a restart [`replay`](Self::replay) and [`Event::Resume`](crate::Event::Resume).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    pub(crate) head: Seq,
    /// What its first run was accepted with.
    pub(crate) life: Option<Life>,
    pub(crate) runs: Vec<Run>,
    /// Runs before this index have ended.
    pub(crate) first_open: usize,
    /// Runs whose traces are due at some sink: what a turn costs does not depend on how many there were before it.
    pub(crate) owing: Vec<RunId>,
    pub(crate) messages: Vec<Message>,
    /// How long the conversation is.
    pub(crate) conversation: Extent,
    /// Where in it the runs that began have their first messages, in order.
    pub(crate) starts: Vec<Extent>,
    /// What its texts take in memory.
    pub(crate) bytes: usize,
    pub(crate) calls: u32,
    pub(crate) last_activity: TimeMs,
}

/// The conversation as the API shows it: each message with its run.
pub type Conversation<'a> = Vec<(RunId, &'a Message)>;

/// What a model call sends.
#[derive(Debug, Clone)]
pub struct ModelRequest<'a> {
    /// The model's full name, with its provider's prefix.
    pub model: &'a str,
    /// The agent's instructions and the DONE rule.
    pub system: Option<String>,
    /// The conversation so far, oldest first.
    pub messages: &'a [Message],
    /// The run's task.
    pub task: &'a str,
    /// The line that ends the run; `None` in a comparison, which has no loop.
    pub sentinel: Option<&'a str>,
    /// Which answer of the run this is to be, from 1.
    pub iteration: u32,
    /// The attempt of the call, from 1.
    pub attempt: u32,
    /// Tokens of the answer at most.
    pub max_output_tokens: Option<u32>,
    /// The sampling temperature.
    pub temperature: Option<f64>,
}

/// A journal that contradicts itself. The operator must restore it: the session refuses to go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplayError {
    /// A position is missing or doubled.
    #[error("the journal goes from {head} to {found}")]
    Gap {
        /// The last good position.
        head: Seq,
        /// What came next.
        found: Seq,
    },
    /// An entry belongs to a run that was never accepted.
    #[error("entry {seq} belongs to run {run}, which was not accepted")]
    UnknownRun {
        /// The entry.
        seq: Seq,
        /// Its run.
        run: RunId,
    },
}

impl Session {
    /// The session that `records`, all from the first on, tell of.
    ///
    /// # Errors
    /// When positions are missing or an entry has no run.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, ReplayError> {
        let mut session = Self::default();
        for record in records {
            session.replay_one(record)?;
        }
        Ok(session)
    }

    /// Takes one more stored record.
    ///
    /// # Errors
    /// As [`replay`](Self::replay); the session is then as it was.
    pub fn replay_one(&mut self, record: &Record) -> Result<(), ReplayError> {
        self.absorb(record.clone())
    }

    /// Takes one more stored record, and its texts as they are: a replay never holds them twice.
    ///
    /// # Errors
    /// As [`replay`](Self::replay); the session is then as it was.
    pub fn absorb(&mut self, record: Record) -> Result<(), ReplayError> {
        let (seq, run) = (record.seq, record.run);
        if seq != self.head.next() {
            return Err(ReplayError::Gap { head: self.head, found: seq });
        }
        let known = if matches!(record.entry, Entry::RunAccepted { .. }) {
            usize::try_from(run.0).is_ok_and(|n| n == self.runs.len() + 1)
        } else {
            self.run(run).is_some()
        };
        if !known {
            return Err(ReplayError::UnknownRun { seq, run });
        }
        self.evolve(record);
        Ok(())
    }

    /// Stores the step's entries, then takes them into memory, then hands out what must be done.
    ///
    /// # Errors
    /// When the journal did not take the entries or the step is stale; memory is then unchanged.
    pub fn commit<J: Journal>(
        &mut self,
        step: Step,
        journal: &J,
    ) -> Result<Committed, CommitError<J::Error>> {
        if step.base != self.head {
            return Err(CommitError::Stale { base: step.base, head: self.head });
        }
        if !step.records.is_empty() {
            journal.append(&step.records).map_err(CommitError::Journal)?;
        }
        for record in &step.records {
            self.evolve(record.clone());
        }
        Ok(Committed { records: step.records, commands: step.commands })
    }

    /// The position of the last entry; 0 in an empty session.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// What every id that leaves the session is derived from, beside its name: no two lives of a name share one. `None` in
    /// an empty session, and in one whose journal is older than this.
    pub fn life(&self) -> Option<Life> {
        self.life
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// One run.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        let index = usize::try_from(id.0).ok()?.checked_sub(1)?;
        self.runs.get(index)
    }

    /// Runs that are not over, in the order in which they will run.
    pub fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs[self.first_open..].iter().filter(|run| run.is_open())
    }

    /// The conversation, oldest first, each message with its run.
    pub fn conversation(&self) -> Conversation<'_> {
        let mut owners = self.runs.iter().filter(|run| run.started_at.is_some()).peekable();
        let mut owner = RunId(1);
        let mut shown = Vec::with_capacity(self.messages.len());
        for (index, message) in self.messages.iter().enumerate() {
            while let Some(run) = owners.next_if(|run| run.first_message <= index) {
                owner = run.id;
            }
            shown.push((owner, message));
        }
        shown
    }

    /// The messages of the conversation, oldest first; after a comparison's task, its answers as they came.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The text of an answer in a comparison.
    pub fn lane_text(&self, answer: &LaneAnswer) -> &str {
        self.messages.get(answer.message).map_or("", |message| &message.content)
    }

    /// The request of a call in flight; `None` for a call that has its outcome.
    pub fn model_request(&self, call: CallRef) -> Option<ModelRequest<'_>> {
        let run = self.run(call.run)?;
        let flight = run.in_flight().find(|f| f.call == call.call && f.attempt == call.attempt)?;
        Some(ModelRequest {
            model: run.model_of(call.call),
            system: system_of(run, flight),
            messages: self.messages.get(self.sent_messages(call)?)?,
            task: &run.task,
            sentinel: (!run.is_comparison()).then_some(&run.settings.sentinel),
            iteration: flight.iteration,
            attempt: flight.attempt,
            max_output_tokens: run.settings.max_output_tokens,
            temperature: run.settings.temperature,
        })
    }

    /// The calls that were promised and have no outcome: what a restart makes again.
    pub fn outstanding(&self) -> Vec<CallRef> {
        self.open_runs()
            .flat_map(|run| {
                run.in_flight().map(|f| CallRef { run: run.id, call: f.call, attempt: f.attempt })
            })
            .collect()
    }

    /// Traces that are due at `now`: run and sink. A delivery has no entry until it has an outcome, because sending
    /// a trace twice is harmless; the host remembers which ones are under way.
    pub fn deliveries_due(&self, now: TimeMs) -> Vec<(RunId, &str)> {
        let due = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Due(at) if at <= now);
        self.owing_runs()
            .flat_map(|run| run.deliveries.iter().map(move |(sink, delivery)| (run.id, sink, delivery)))
            .filter(|(_, _, delivery)| due(delivery))
            .map(|(run, sink, _)| (run, sink.as_str()))
            .collect()
    }

    /// Runs whose traces are due at some sink, now or later.
    pub(crate) fn owing_runs(&self) -> impl Iterator<Item = &Run> {
        self.owing.iter().filter_map(|run| self.run(*run))
    }

    /// The earliest time at which the session must be woken, and why. An idle session is woken to be erased
    /// `retention_ms` after its last entry; an empty one never.
    pub fn next_deadline(&self, retention_ms: u64) -> Option<(TimeMs, Deadline)> {
        deadline::next(self, retention_ms)
    }

    /// The next time after `now` at which something falls due, whatever is due already: what a host that is busy
    /// must not sleep through.
    pub fn next_deadline_after(&self, now: TimeMs) -> Option<TimeMs> {
        deadline::all(self).map(|(at, _)| at).filter(|at| *at > now).min()
    }

    /// Live and replay share this one function.
    fn evolve(&mut self, mut record: Record) {
        self.head = record.seq;
        self.last_activity = record.at;
        self.bytes += held_bytes(&record.entry);
        match &mut record.entry {
            Entry::RunAccepted { life, .. } => {
                if self.runs.is_empty() {
                    self.life = *life;
                }
                return self.runs.push(accepted(record));
            }
            Entry::ModelCalled { call, .. } => {
                self.extend_conversation(record.run, *call);
                self.calls = self.calls.max(call.0);
            }
            Entry::ModelAnswered { message, .. } => {
                let nothing = Message::text(message.role, "");
                self.say(said(std::mem::replace(message, nothing)));
            }
            _ => {}
        }
        let messages = self.messages.len();
        let run = self.run_mut(record.run);
        match &mut record.entry {
            Entry::ModelCalled { call, attempt, iteration, dropped_messages, .. } => {
                run.attempts += 1;
                run.started_at.get_or_insert(record.at);
                run.phase = if run.is_comparison() {
                    Phase::Comparing
                } else {
                    let flight = next_flight(&run.phase, *call, *attempt, *iteration);
                    Phase::Calling(InFlight { dropped_messages: *dropped_messages, ..flight })
                };
                evolve_lane(run, &record.entry, messages);
            }
            Entry::ModelAnswered { iteration, usage, .. } => {
                run.iterations = *iteration;
                run.usage = run.usage.plus(usage);
                if !run.is_comparison() {
                    run.phase = Phase::Settled;
                }
                evolve_lane(run, &record.entry, messages);
            }
            Entry::ModelFailed { .. } if run.is_comparison() => {
                run.has_failures = true;
                evolve_lane(run, &record.entry, messages);
            }
            Entry::ModelFailed { retry_at, .. } => {
                run.has_failures = true;
                run.phase = match (&run.phase, retry_at) {
                    (Phase::Calling(call), Some(until)) => Phase::BackingOff {
                        call: InFlight { failures: call.failures + 1, ..*call },
                        until: *until,
                    },
                    _ => Phase::Settled,
                }
            }
            Entry::RunResumed { .. } => {
                run.resumed += 1;
                if let Phase::Calling(call) = &mut run.phase {
                    call.interruptions += 1;
                }
                for lane in run.lanes.iter_mut().filter(|lane| lane.state == LaneState::Calling) {
                    lane.call.interruptions += 1;
                }
            }
            Entry::RunEnded { status, stop_reason, result, error, .. } => {
                run.ended_at = Some(record.at);
                run.phase = Phase::Ended {
                    status: *status,
                    stop_reason: *stop_reason,
                    result: result.take(),
                    error: error.take(),
                };
                let due =
                    Delivery { sent: BTreeMap::new(), attempts: 0, state: DeliveryState::Due(record.at) };
                run.deliveries = run.owed_sinks().map(|sink| (sink.clone(), due.clone())).collect();
                self.note_owing(record.run);
                self.first_open +=
                    self.runs[self.first_open..].iter().take_while(|run| !run.is_open()).count();
            }
            Entry::TraceSent { sink, part, remote_id } => {
                if let Some(delivery) = run.deliveries.get_mut(sink) {
                    delivery.sent.insert(part.clone(), remote_id.clone());
                }
            }
            Entry::TraceFlushed { sink, attempt, .. } => {
                if let Some(delivery) = run.deliveries.get_mut(sink) {
                    (delivery.attempts, delivery.state) = (*attempt, DeliveryState::Flushed);
                }
                self.note_owing(record.run);
            }
            Entry::TraceFailed { sink, attempt, retry_at, .. } => {
                if let Some(delivery) = run.deliveries.get_mut(sink) {
                    delivery.attempts = *attempt;
                    delivery.state = retry_at.map_or(DeliveryState::Parked, DeliveryState::Due);
                }
                self.note_owing(record.run);
            }
            Entry::RunAccepted { .. }
            | Entry::CancelRequested { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalResolved { .. } => {}
        }
    }

    /// A new call begins with a user's message: the task, or `Continue.`; a further attempt adds nothing.
    fn extend_conversation(&mut self, run: RunId, call: CallId) {
        let at = self.messages.len();
        let run = self.run_mut(run);
        let at_first = run.phase == Phase::Queued;
        let spoken = match &run.phase {
            Phase::Queued => {
                run.first_message = at;
                run.task.clone()
            }
            Phase::Comparing => return,
            Phase::Calling(flight) | Phase::BackingOff { call: flight, .. } if flight.call == call => return,
            _ => CONTINUE.to_owned(),
        };
        if at_first {
            self.starts.push(self.conversation);
        }
        self.say(Message::text(Role::User, spoken));
    }

    fn note_owing(&mut self, run: RunId) {
        let is_due = |delivery: &Delivery| matches!(delivery.state, DeliveryState::Due(_));
        if self.run_mut(run).deliveries.values().any(is_due) {
            if !self.owing.contains(&run) {
                self.owing.push(run);
            }
        } else {
            self.owing.retain(|owing| *owing != run);
        }
    }

    fn say(&mut self, message: Message) {
        self.conversation = self.conversation.and(&message.content);
        self.messages.push(message);
    }

    fn run_mut(&mut self, id: RunId) -> &mut Run {
        let index = id.0 as usize - 1;
        self.runs.get_mut(index).expect("replay checks, and decide knows, that the entry's run was accepted")
    }
}

/// The system message of a call; a comparison has no loop to be told of.
fn system_of(run: &Run, flight: InFlight) -> Option<String> {
    if run.is_comparison() {
        return run.settings.instructions.clone();
    }
    Some(system_message(&run.settings, run.max_iterations, flight.dropped_messages))
}

/// The result of a run that ends with `answer`: without its sentinel line, or the answer before it where nothing
/// else is left.
pub(crate) fn result_of(session: &Session, run: &Run, answer: &str) -> String {
    let text = |content: &str| match done::strip_sentinel(content, &run.settings.sentinel) {
        Some(stripped) => stripped.to_owned(),
        None => content.trim().to_owned(),
    };
    let current = text(answer);
    if current.is_empty() { last_answer(session, run).map(text).unwrap_or_default() } else { current }
}

/// The run's latest committed answer.
pub(crate) fn last_answer<'a>(session: &'a Session, run: &Run) -> Option<&'a str> {
    if run.iterations == 0 {
        return None;
    }
    let messages = session.messages.get(run.first_message..)?;
    messages.iter().rev().find(|m| m.role == Role::Assistant).map(|m| m.content.as_str())
}

fn accepted(record: Record) -> Run {
    let Entry::RunAccepted {
        task,
        agent,
        model,
        models,
        max_iterations,
        metadata,
        settings,
        sampled_out,
        idempotency,
        life: _,
    } = record.entry
    else {
        unreachable!("evolve calls this for run.accepted alone")
    };
    Run {
        id: record.run,
        first_seq: record.seq,
        accepted_at: record.at,
        started_at: None,
        ended_at: None,
        task,
        agent,
        model,
        lanes: models.iter().map(|model| lane(model)).collect(),
        max_iterations,
        metadata,
        settings,
        sampled_out,
        idempotency,
        phase: Phase::Queued,
        iterations: 0,
        attempts: 0,
        usage: crate::message::Usage::default(),
        resumed: 0,
        deliveries: BTreeMap::new(),
        first_message: 0,
        has_failures: false,
    }
}

/// A call's next attempt keeps count of what the earlier ones went through.
pub(crate) fn next_flight(phase: &Phase, call: CallId, attempt: u32, iteration: u32) -> InFlight {
    match phase {
        Phase::Calling(before) | Phase::BackingOff { call: before, .. } if before.call == call => {
            InFlight { attempt, ..*before }
        }
        _ => InFlight { call, attempt, iteration, failures: 0, interruptions: 0, dropped_messages: 0 },
    }
}
