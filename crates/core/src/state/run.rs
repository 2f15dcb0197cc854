use std::{collections::BTreeMap, ops::Range, rc::Rc};

use serde_json::Value;

use crate::{
    entry::{
        Entry, INDEX_SINK, Idempotency, RUN_FAILED, Record, RunError, RunStatus, StopReason, TENANT_SINK,
        TRACE_PARKED,
    },
    ids::{CallId, RunId, Seq, TimeMs},
    message::Usage,
    output::parsed,
    settings::{Budget, Fallback, Rate},
    state::{
        call::{Answer, Ask, Call, CallError, CallState, Recovery, Settled},
        delivery::{self, Delivery, DeliveryState, Notice},
        round::{Opening, Round},
        spec::RunSpec,
        steer::Steers,
    },
    tool::{Repeats, ToolError, ToolOffer},
};

/// A run as the journal tells it, but for its texts, which are in the [`Transcript`](crate::Transcript): cheap to copy.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The position of its first entry.
    pub first_seq: Seq,
    /// What it was accepted with.
    pub spec: Rc<RunSpec>,
    /// When it became durable.
    pub accepted_at: TimeMs,
    /// When its first call was promised, of a model or of a server for its tools.
    pub begun_at: Option<TimeMs>,
    /// When its first call of a model was promised: its messages are in the conversation from then on.
    pub started_at: Option<TimeMs>,
    /// When it ended.
    pub ended_at: Option<TimeMs>,
    /// The position of the entry that says so.
    pub ended_seq: Option<Seq>,
    /// Where it stands.
    pub phase: Phase,
    /// Answers committed.
    pub iterations: u32,
    /// Attempts of its models' calls, those that failed or were cut off included.
    pub attempts: u32,
    /// The sum over its calls.
    pub usage: Usage,
    /// Crashes and evictions that it survived.
    pub resumed: u32,
    /// What each sink has of its trace; filled when the run ends.
    pub deliveries: BTreeMap<String, Delivery>,
    /// Its events that [`WEBHOOK_SINK`](crate::WEBHOOK_SINK) gets.
    pub notices: Vec<Notice>,
    /// Whether it was accepted elsewhere: its calls were counted there, and paid for.
    pub is_imported: bool,
    /// Where its messages begin in the conversation.
    pub(crate) first_message: usize,
    /// Whether an attempt failed.
    has_failures: bool,
    /// How many models took it over from the one before.
    fallen_back: usize,
    /// Calls of tools that were made, however often.
    pub tool_calls: u32,
    /// Answers in a row, up to the last one whose tools have all returned and that a further one followed, all of whose
    /// tool calls failed.
    failed_answers: u32,
    /// The tool call that was asked for last.
    pub(crate) repeats: Option<Repeats>,
    /// Requests to people that are closed.
    closed_requests: Vec<(CallId, Seq)>,
    /// What people said to it while it was under way.
    pub(crate) steers: Steers,
    /// What its tools gave, as they gave it.
    pub(crate) results: Vec<ToolResult>,
    /// Where in the conversation the messages are that its model was sent which answered last.
    pub(crate) sent: Range<usize>,
}

/// A result of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToolResult {
    pub(crate) call: CallId,
    /// Where its message is in the conversation.
    pub(crate) place: usize,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// It has called nobody yet.
    Queued,
    /// It has calls.
    Open(Round),
    /// Over.
    Ended(Rc<Ending>),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The status.
    pub status: RunStatus,
    /// The rule that ended it.
    pub stop_reason: StopReason,
    /// What came out.
    pub result: Option<String>,
    /// Whether that is JSON which fits the run's schema.
    has_output: bool,
    /// What went wrong.
    pub error: Option<RunError>,
    /// Its last calls, as the end left them.
    calls: Vec<Call>,
}

/// What a run waits for, in one word: what the rules of the loop go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stand<'a> {
    /// For the runs before it.
    Queued,
    /// For a call that is in flight.
    InFlight,
    /// For a time, or a person.
    Waiting,
    /// For nothing: its deadline passed while it waited.
    TimeUp,
    /// For nothing: its model answered, or one of several did.
    Answered(&'a Answer),
    /// For nothing: its model failed for good, or all of several did; this is the last failure.
    Failed(&'a CallError),
    /// For nothing: its tools have returned.
    Returned,
    /// It is over.
    Over,
}

impl Ending {
    /// The result as JSON, where it fits the run's schema. It is kept as a text.
    pub fn output(&self) -> Option<Value> {
        parsed(self.result.as_deref().filter(|_| self.has_output)?).ok()
    }
}

impl Run {
    /// The run that a `run.accepted` makes; `None` for any other entry.
    pub fn accepted(record: &Record) -> Option<Self> {
        Some(Self {
            id: record.run,
            first_seq: record.seq,
            spec: Rc::new(RunSpec::of(&record.entry)?),
            accepted_at: record.at,
            begun_at: None,
            started_at: None,
            ended_at: None,
            ended_seq: None,
            phase: Phase::Queued,
            iterations: 0,
            attempts: 0,
            usage: Usage::default(),
            resumed: 0,
            deliveries: BTreeMap::new(),
            notices: Vec::new(),
            is_imported: false,
            first_message: 0,
            has_failures: false,
            fallen_back: 0,
            tool_calls: 0,
            failed_answers: 0,
            repeats: None,
            closed_requests: Vec::new(),
            steers: Steers::default(),
            results: Vec::new(),
            sent: 0..0,
        })
    }

    /// Takes the entry at `seq` that was decided at `at`, when the conversation had `messages` messages.
    pub fn evolve(&mut self, (seq, at): (Seq, TimeMs), entry: &Entry, messages: usize) {
        self.count(at, entry, messages);
        if self.tells_of(entry) {
            self.notices.push(Notice::new(seq, at));
        }
        match entry {
            Entry::RunResumed { .. } => self.interrupt(),
            Entry::RunEnded { status, stop_reason, result, output, error, .. } => {
                let calls = self.take_calls();
                self.steers.unread.clear();
                self.phase = Phase::Ended(Rc::new(Ending {
                    status: *status,
                    stop_reason: *stop_reason,
                    result: result.clone(),
                    has_output: output.is_some(),
                    error: error.clone(),
                    calls,
                }));
                (self.ended_at, self.ended_seq) = (Some(at), Some(seq));
                self.deliveries =
                    self.owed_sinks().map(|sink| (sink.to_owned(), Delivery::due(at))).collect();
            }
            Entry::TraceSent { .. } | Entry::TraceFlushed { .. } | Entry::TraceFailed { .. } => {
                delivery::evolve(&mut self.deliveries, &mut self.notices, entry);
            }
            Entry::ModelCalled { .. }
            | Entry::ModelAnswered { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolAnswered { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalResolved { .. } => self.take_call((seq, at), entry, messages),
            Entry::ToolsListed { offers, server, error, .. } => {
                self.take_call((seq, at), entry, messages);
                let spec = Rc::make_mut(&mut self.spec);
                spec.settings.tools.extend_from_slice(offers);
                spec.absent_servers.extend(error.is_some().then(|| server.clone()));
            }
            Entry::RunSteered { .. } if self.is_open() => self.steers.take(entry),
            Entry::RunSteered { .. } | Entry::RunAccepted { .. } | Entry::CancelRequested { .. } => {}
        }
    }

    /// What was due elsewhere was sent there, or is not known to have been: it is not sent again. The index here does not
    /// list the run.
    pub(crate) fn owe_index_alone(&mut self) {
        self.notices.clear();
        for (sink, delivery) in &mut self.deliveries {
            if sink == INDEX_SINK {
                *delivery = Delivery::due(0);
            } else if delivery.due_at().is_some() {
                delivery.state = DeliveryState::Parked;
            }
        }
    }

    /// Whether somebody outside is told of an entry.
    fn tells_of(&self, entry: &Entry) -> bool {
        let tells = |event: &str| self.spec.settings.webhook_events.iter().any(|name| name == event);
        let is_news = matches!(entry, Entry::ApprovalRequested { .. } | Entry::RunEnded { .. });
        let is_failure = matches!(entry, Entry::RunEnded { status: RunStatus::Failed, .. });
        // One of an event is of the webhook itself.
        let is_parked = matches!(entry, Entry::TraceFailed { retry_at: None, event: None, .. });
        is_news && tells(entry.type_name())
            || is_failure && tells(RUN_FAILED)
            || is_parked && tells(TRACE_PARKED)
    }

    /// What is still to be delivered: when.
    pub(crate) fn owed(&self) -> impl Iterator<Item = TimeMs> {
        let traces = self.deliveries.values();
        traces.chain(self.notices.iter().map(|notice| &notice.delivery)).filter_map(Delivery::due_at)
    }

    /// What is counted whatever the calls are.
    fn count(&mut self, at: TimeMs, entry: &Entry, messages: usize) {
        match entry {
            Entry::ModelCalled { call, fallback_from, .. } => {
                if self.opening(*call) == Opening::Steered {
                    self.steers.unread.clear();
                }
                self.count_reservations(|known| known.id == *call, true);
                self.attempts += 1;
                self.fallen_back += usize::from(fallback_from.is_some());
                self.begun_at.get_or_insert(at);
                if self.started_at.is_none() {
                    (self.started_at, self.first_message) = (Some(at), messages);
                }
            }
            Entry::ModelAnswered { iteration, usage, .. } => {
                self.iterations = *iteration;
                self.usage = self.usage.plus(usage);
            }
            Entry::ModelFailed { usage, .. } => {
                self.has_failures = true;
                self.usage = self.usage_with(usage.as_ref());
            }
            Entry::RunResumed { .. } => {
                self.resumed += 1;
                self.count_reservations(Call::is_in_flight, true);
            }
            Entry::RunEnded { .. } => self.count_reservations(|_| true, true),
            Entry::ToolCalled { call, attempt, tool_call_id, .. } => {
                self.begun_at.get_or_insert(at);
                self.tool_calls += u32::from(*attempt == 1 && tool_call_id.is_some());
                self.count_reservations(|known| known.id == *call, true);
            }
            Entry::ToolFailed { call, .. } => self.count_reservations(|known| known.id == *call, true),
            Entry::ToolAnswered { call, error, .. } => {
                let is_estimate = error.as_ref().is_some_and(ToolError::is_uncertain);
                self.count_reservations(|known| known.id == *call, is_estimate);
            }
            Entry::ApprovalResolved { call, .. } => {
                let request = self.call(*call).and_then(Call::request).map(|(request, _)| request.seq);
                self.closed_requests.extend(request.map(|seq| (*call, seq)));
            }
            Entry::RunAccepted { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::RunSteered { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => {}
        }
    }

    /// Counts what is set aside for some of its calls, of which nothing else will tell what was used; those of tools that
    /// answered cost what was said.
    fn count_reservations(&mut self, is_meant: impl Fn(&Call) -> bool, is_estimate: bool) {
        let Phase::Open(round) = &mut self.phase else { return };
        for call in round.calls.iter_mut().filter(|call| is_meant(call)) {
            if let Some(reserved) = call.open_reservation() {
                call.is_reserved = false;
                self.usage = self.usage.plus(&Usage { estimated: is_estimate, ..reserved.usage() });
            }
        }
    }

    /// What it used if what is under way is cut off now.
    pub(crate) fn usage_if_cut_off(&self) -> Usage {
        let open = self.calls().iter().filter_map(Call::open_reservation);
        open.fold(self.usage.clone(), |usage, reserved| usage.plus(&reserved.usage()))
    }

    /// US dollars that are set aside for its calls under way.
    pub(crate) fn reserved_usd(&self) -> f64 {
        self.calls().iter().filter_map(Call::open_reservation).filter_map(|reserved| reserved.cost_usd).sum()
    }

    /// What a model of it costs, where that is known.
    pub(crate) fn rate(&self, model: &str) -> Option<&Rate> {
        self.spec.settings.rates.iter().find(|rate| rate.model == model)
    }

    fn take_call(&mut self, (seq, at): (Seq, TimeMs), entry: &Entry, messages: usize) {
        let Some((id, fact)) = entry.call_fact(seq) else { return };
        if let Some(ask) = entry.ask().filter(|_| self.call(id).is_none()) {
            self.open(id, ask, messages);
        }
        if let Phase::Open(round) = &mut self.phase {
            round.take(at, id, fact, messages);
        }
        let Some(call) = self.call(id) else { return };
        match entry {
            Entry::ModelAnswered { .. } => self.sent = self.first_sent(call)..messages,
            Entry::ToolAnswered { result: Some(_), .. } => {
                self.results.extend(call.message.map(|place| ToolResult { call: id, place }));
            }
            Entry::ToolAnswered { .. }
            | Entry::ModelCalled { .. }
            | Entry::ModelFailed { .. }
            | Entry::ToolCalled { .. }
            | Entry::ToolFailed { .. }
            | Entry::ToolsListed { .. }
            | Entry::ToolPending { .. }
            | Entry::ApprovalRequested { .. }
            | Entry::ApprovalResolved { .. }
            | Entry::RunAccepted { .. }
            | Entry::RunSteered { .. }
            | Entry::RunResumed { .. }
            | Entry::CancelRequested { .. }
            | Entry::RunEnded { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => {}
        }
    }

    /// A call that is asked side by side with those of the round joins it; any other begins a new one.
    fn open(&mut self, id: CallId, ask: Ask, messages: usize) {
        let is_of_tool = matches!(ask, Ask::Tool(_));
        let mut round = match &mut self.phase {
            Phase::Open(round) if round.takes(&ask, &self.spec) => std::mem::take(round),
            Phase::Open(round) => {
                self.failed_answers = match round.is_failure_of_tools() {
                    true => self.failed_answers + 1,
                    // What the tools of this answer make of it is not known yet.
                    false if is_of_tool => self.failed_answers,
                    false => 0,
                };
                let proposed = if is_of_tool { round.take_proposed() } else { Vec::new() };
                Round::of_tools(proposed)
            }
            Phase::Queued => Round::default(),
            Phase::Ended(_) => return,
        };
        if let Some(asked) = round.proposed.get(round.calls.len()) {
            self.repeats = Some(Repeats::after(self.repeats.as_ref(), asked));
        }
        // A tool's message has its place from the start: the results stay in the order of the calls.
        let is_listing = matches!(&ask, Ask::Tool(ask) if ask.is_listing());
        let message = (is_of_tool && !is_listing).then_some(messages);
        round.calls.push(Call { message, ..Call::new(id, ask) });
        self.phase = Phase::Open(round);
    }

    /// A death cut off what was in flight.
    fn interrupt(&mut self) {
        let Phase::Open(round) = &mut self.phase else { return };
        for call in round.calls.iter_mut().filter(|call| call.is_in_flight()) {
            call.tries.interruptions += 1;
        }
    }

    /// The calls of a run that ends, without the copies of what they asked for.
    fn take_calls(&mut self) -> Vec<Call> {
        let Phase::Open(round) = &mut self.phase else { return Vec::new() };
        let mut calls = std::mem::take(&mut round.calls);
        calls.retain(|call| call.model().is_some());
        for call in &mut calls {
            if let CallState::Settled(Settled::Answered(answer)) = &mut call.state {
                answer.tool_calls = Vec::new();
            }
        }
        calls
    }

    /// Where in the conversation the messages begin that a call sends: its run's own are always among them.
    pub(crate) fn first_sent(&self, call: &Call) -> usize {
        usize::try_from(call.dropped_messages).unwrap_or(usize::MAX).min(self.first_message)
    }

    /// The offer of a tool.
    pub fn offer(&self, tool: &str) -> Option<&ToolOffer> {
        self.spec.settings.tools.iter().find(|offer| offer.name == tool)
    }

    /// What becomes of a call of the run that was cut off.
    pub(crate) fn recovery(&self, call: &Call) -> Recovery {
        let offer = call.tool().and_then(|ask| self.offer(&ask.tool));
        call.recovery(offer.is_some_and(|offer| offer.reconciles))
    }

    /// Its latest calls, where they are open, with what the answer proposes whose tools they are, and how much of that was
    /// begun.
    pub(crate) fn round(&self) -> Option<&Round> {
        match &self.phase {
            Phase::Open(round) => Some(round),
            Phase::Queued | Phase::Ended(_) => None,
        }
    }

    /// Answers in a row all of whose tool calls failed, the latest included.
    pub(crate) fn failed_answers(&self) -> u32 {
        self.failed_answers + u32::from(self.round().is_some_and(Round::is_failure_of_tools))
    }

    /// The closed request about a call: the one at `request`, or the last one.
    pub(crate) fn closed_request(&self, call: CallId, request: Option<Seq>) -> Option<Seq> {
        let mut closed = self.closed_requests.iter().rev();
        closed.find(|(id, seq)| *id == call && request.is_none_or(|it| it == *seq)).map(|(_, seq)| *seq)
    }

    /// Whether somebody said something to it that no call has sent yet.
    pub(crate) fn has_unread(&self) -> bool {
        !self.steers.unread.is_empty()
    }

    /// Whether somebody has a part in what the run does: they started or steered it.
    pub(crate) fn is_of(&self, who: &str) -> bool {
        self.spec.by.as_deref() == Some(who) || self.steers.is_by(who)
    }

    /// The keys that its acceptance and the messages to it came with.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Idempotency> {
        self.spec.idempotency.iter().chain(self.steers.keys())
    }

    /// Whether nothing happens until a person decides.
    pub fn waits_for_people(&self) -> bool {
        let mut open = self.calls().iter().filter(|call| !call.is_settled()).peekable();
        self.is_open() && open.peek().is_some() && open.all(Call::is_awaiting)
    }

    /// What it used, and `more`.
    pub(crate) fn usage_with(&self, more: Option<&Usage>) -> Usage {
        more.map_or_else(|| self.usage.clone(), |more| self.usage.plus(more))
    }

    /// The latest model that took it over; `None` while it is with the one that it was accepted with.
    pub fn answered_by(&self) -> Option<&str> {
        self.fallback().map(|fallback| fallback.model.as_str()).filter(|model| *model != self.spec.model)
    }

    /// The model that its next call asks: the one that it was accepted with, or the latest that took it over.
    pub fn model(&self) -> &str {
        self.fallback().map_or(&self.spec.model, |fallback| &fallback.model)
    }

    /// The context window of that model.
    pub(crate) fn context_tokens(&self) -> Option<u64> {
        self.fallback().map_or(self.spec.settings.context_tokens, |fallback| fallback.context_tokens)
    }

    /// The model that took it over last.
    fn fallback(&self) -> Option<&Fallback> {
        self.spec.settings.fallbacks.get(self.fallen_back.checked_sub(1)?)
    }

    /// The model that takes it over where the one that is asked now cannot answer.
    pub(crate) fn next_fallback(&self) -> Option<&Fallback> {
        self.spec.settings.fallbacks.get(self.fallen_back)
    }

    /// How many models took it over from the one before.
    pub fn fallen_back(&self) -> usize {
        self.fallen_back
    }

    /// Where it stands, in the API's words. The one place that says so.
    pub fn status(&self) -> RunStatus {
        match &self.phase {
            Phase::Queued => RunStatus::Queued,
            Phase::Open(round) if round.calls.iter().any(Call::is_in_flight) => RunStatus::Running,
            Phase::Open(round) if round.calls.iter().all(Call::is_settled) => RunStatus::Running,
            Phase::Open(_) => RunStatus::Waiting,
            Phase::Ended(ending) => ending.status,
        }
    }

    /// Whether the run is not over.
    pub fn is_open(&self) -> bool {
        self.ending().is_none()
    }

    /// Whether the run has called nobody yet.
    pub fn is_queued(&self) -> bool {
        self.phase == Phase::Queued
    }

    /// How it ended.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.phase {
            Phase::Ended(ending) => Some(ending),
            Phase::Queued | Phase::Open(_) => None,
        }
    }

    /// Its latest calls, side by side; of a run that is over those of models, as the end left them.
    pub fn calls(&self) -> &[Call] {
        match &self.phase {
            Phase::Queued => &[],
            Phase::Open(round) => &round.calls,
            Phase::Ended(ending) => &ending.calls,
        }
    }

    /// One of them.
    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls().iter().find(|call| call.id == id)
    }

    /// The calls whose outcomes the run waits for.
    pub fn in_flight(&self) -> impl Iterator<Item = &Call> {
        let calls = if self.is_open() { self.calls() } else { &[] };
        calls.iter().filter(|call| call.is_in_flight())
    }

    /// What it waits for.
    pub(crate) fn stand(&self, now: TimeMs) -> Stand<'_> {
        let round = match &self.phase {
            Phase::Queued => return Stand::Queued,
            Phase::Ended(_) => return Stand::Over,
            Phase::Open(round) => round,
        };
        let waits = !round.calls.iter().all(Call::is_settled);
        if round.calls.iter().any(Call::is_in_flight) {
            Stand::InFlight
        } else if waits && !self.is_late(now) {
            Stand::Waiting
        } else if let Some(answer) = round.calls.iter().find_map(Call::answer) {
            Stand::Answered(answer)
        } else if waits {
            Stand::TimeUp
        } else {
            round.failure().map_or(Stand::Returned, Stand::Failed)
        }
    }

    /// What a model's call says first.
    pub(crate) fn opening(&self, id: CallId) -> Opening {
        match &self.phase {
            Phase::Queued => Opening::Task,
            Phase::Open(round) => round.opening(id, &self.spec, self.has_unread()),
            Phase::Ended(_) => Opening::Nothing,
        }
    }

    /// The sinks that get its trace, now that it has ended: all, or with sampling perhaps only the index. A tenant with a
    /// spending limit gets what it cost, whatever the sampling.
    fn owed_sinks(&self) -> impl Iterator<Item = &str> {
        let went_wrong = self.status() == RunStatus::Failed || self.resumed > 0 || self.has_failures;
        let is_kept = !self.spec.sampled_out || went_wrong;
        let settings = &self.spec.settings;
        let traced = settings.sinks.iter().map(String::as_str);
        traced
            .filter(move |sink| is_kept || *sink == INDEX_SINK)
            .chain(self.tenant_day().map(|_| TENANT_SINK))
    }

    /// When the run ends for lack of time, whatever it does then.
    pub fn deadline_at(&self) -> Option<TimeMs> {
        self.spec.settings.budget.deadline_ms.map(|ms| self.accepted_at.saturating_add(ms))
    }

    /// Whether the run's deadline has passed.
    pub(crate) fn is_late(&self, now: TimeMs) -> bool {
        self.deadline_at().is_some_and(|at| at <= now)
    }

    /// Whether it has committed all answers that it may.
    pub(crate) fn is_last_answer(&self) -> bool {
        self.iterations >= self.spec.max_iterations
    }

    /// Whether its latest call of a model was for the last answer.
    pub(crate) fn had_last_call(&self) -> bool {
        self.calls().iter().any(Call::is_last)
    }

    /// Which of these limits forbids another call.
    pub(crate) fn exhausts(&self, limits: &Budget, now: TimeMs) -> Option<StopReason> {
        limits.exhausted_by(&self.usage, now.saturating_sub(self.accepted_at))
    }

    /// Whether they take no further call of a tool.
    pub(crate) fn has_no_tool_calls_left(&self, limits: &Budget) -> bool {
        limits.tool_calls.is_some_and(|max| self.tool_calls >= max)
    }
}
