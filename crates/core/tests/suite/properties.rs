use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::{
    Call, CallId, CallRef, CallState, Cause, Command, CommitError, Deadline, Effect, Entry, INDEX_SINK,
    Input, Message, Observed, Receipt, Record, Reserved, Role, Run, RunId, RunStatus, Seq, Session, TimeMs,
    ToolOutcome, Usage, estimated_tokens, limits,
};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, proptest},
};

use crate::{
    kit::{RETENTION_MS, Stage, answer, run},
    properties::deeds::{Deed, Delivered, Which, deed},
};

mod deeds;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_invariants(deeds in vec(deed(), 1..80)) {
        let mut world = World::new();
        for deed in deeds {
            world.perform(deed);
        }
        world.finish();
        world.audit();
    }
}

struct World {
    stage: Stage,
    /// Fed with the journal's rows alone, as they are stored.
    shadow: Session,
    ordered: Vec<CallRef>,
    ended: BTreeMap<RunId, RunStatus>,
    cancelled: BTreeSet<RunId>,
}

impl World {
    fn new() -> Self {
        Self {
            stage: Stage::new(),
            shadow: Session::default(),
            ordered: Vec::new(),
            ended: BTreeMap::new(),
            cancelled: BTreeSet::new(),
        }
    }

    fn perform(&mut self, deed: Deed) {
        match deed {
            Deed::Accept(mut run) => {
                if !self.stage.session.runs().is_empty() && !run.models.is_empty() {
                    (run.model, run.models) = ("m".to_owned(), Vec::new());
                }
                self.step(Input::Accept(*run));
            }
            Deed::Answer(which, answer) => {
                let Some(call) = self.pick(&which) else { return };
                self.step(Input::Answered {
                    call,
                    answer: *answer,
                    timing: self.stage.timing(),
                    observed: Observed::default(),
                });
            }
            Deed::Fail(which, fault) => {
                let Some(call) = self.pick(&which) else { return };
                self.step(Input::Failed {
                    call,
                    fault,
                    timing: self.stage.timing(),
                    observed: Observed::default(),
                });
            }
            Deed::Return(which, outcome) => {
                let Some(call) = self.pick(&which) else { return };
                self.step(Input::Returned {
                    call,
                    outcome,
                    timing: self.stage.timing(),
                    observed: Observed::default(),
                });
            }
            Deed::Reconcile(which, found) => {
                let Some(call) = self.pick(&which) else { return };
                self.step(Input::Reconciled { call, found, timing: self.stage.timing() });
            }
            Deed::Decide(call, decision) => {
                let waiting =
                    self.stage.session.open_runs().flat_map(Run::calls).find(|call| is_awaiting(call));
                let call = waiting.filter(|_| call > 5).map_or(CallId(call), |call| call.id);
                self.step(Input::Decided {
                    call,
                    request: None,
                    decision,
                    digest: None,
                    by: "ann".to_owned(),
                });
            }
            Deed::Steer(steer) => self.step(Input::Steer(steer)),
            Deed::Cancel => self.step(Input::Cancel { by: "ann".to_owned() }),
            Deed::Wake => {
                if let Some((at, _)) = self.stage.session.next_deadline(RETENTION_MS) {
                    self.stage.now = self.stage.now.max(at);
                }
                self.step(Input::Tick);
            }
            Deed::Tick => self.step(Input::Tick),
            Deed::Crash(cause) => self.crash(cause),
            Deed::Deliver { run, sink, outcome } => {
                let count = self.stage.session.runs().len();
                let run = if count == 0 { RunId(1) } else { self.stage.session.runs()[run.index(count)].id };
                let sink = sink.to_owned();
                self.step(match outcome {
                    Delivered::Part(part) => {
                        Input::PartSent { run, sink, part: part.to_owned(), remote_id: format!("r-{part}") }
                    }
                    Delivered::Whole => Input::Flushed { run, sink, event: None, receipt: Receipt::whole(3) },
                    Delivered::Failed(failure) => Input::FlushFailed { run, sink, event: None, failure },
                });
            }
            Deed::Clock(by) => self.stage.now = self.stage.now.saturating_add_signed(by).max(1_000),
            Deed::DiskFull => self.stage.journal.fails_before.set(true),
            Deed::Race => self.race(),
        }
    }

    fn pick(&self, which: &Which) -> Option<CallRef> {
        match which {
            Which::InFlight(place) => {
                let outstanding = self.stage.session.outstanding();
                (!outstanding.is_empty()).then(|| outstanding[place % outstanding.len()])
            }
            Which::Ordered(index) => (!self.ordered.is_empty()).then(|| *index.get(&self.ordered)),
            Which::Unknown(run, call, attempt) => {
                Some(CallRef { run: RunId(*run), call: CallId(*call), attempt: *attempt })
            }
        }
    }

    /// The object goes away and comes back: what was in flight is made again once, or never.
    fn crash(&mut self, cause: Cause) {
        self.stage.session = Session::replay(&self.stage.journal.all()).unwrap();
        assert_eq!(self.stage.session, self.shadow);
        let mut cut_off = self.stage.session.outstanding();
        // A tool is asked what became of its call, as often as it takes.
        cut_off.retain(|old| {
            let call = self.stage.session.run(old.run).and_then(|run| run.call(old.call));
            call.and_then(Call::tool).is_none_or(|ask| ask.tool != "post")
        });
        let (rows, ordered) = (self.stage.journal.row_count(), self.ordered.len());
        self.step(Input::Resume(cause));
        if self.stage.journal.row_count() == rows {
            return;
        }
        let outstanding = self.stage.session.outstanding();
        let made = &self.ordered[ordered..];
        for old in cut_off {
            assert!(!outstanding.contains(&old), "nobody will ever answer {old:?}");
            let again: Vec<u32> =
                made.iter().filter(|call| call.call == old.call).map(|call| call.attempt).collect();
            assert!(again.is_empty() || again == [old.attempt + 1], "{old:?} was made again as {again:?}");
        }
    }

    fn step(&mut self, event: Input) {
        let before = self.stage.session.clone();
        let is_cancel = matches!(event, Input::Cancel { .. });
        let expected = match &event {
            Input::Answered { call, .. } | Input::Failed { call, .. } => before.outstanding().contains(call),
            _ => true,
        };
        let Ok(step) = before.decide(event, self.stage.moment()) else { return };
        assert!(expected || step.is_ignored(), "nobody waited for this outcome");
        let (ignored, empty) = (step.is_ignored(), step.is_empty());

        let rows = self.stage.journal.row_count();
        let committed = match self.stage.session.commit(step, &self.stage.journal) {
            Ok(committed) => committed,
            Err(error) => {
                assert!(matches!(error, CommitError::Journal(_)));
                assert_eq!(self.stage.session, before, "a failed append changes nothing");
                assert_eq!(self.stage.journal.row_count(), rows);
                return;
            }
        };
        if ignored || empty {
            // To ask what became of a call changes nothing.
            let asks = committed.commands.iter().all(|command| matches!(command, Command::Reconcile(_)));
            assert!(committed.records.is_empty() && asks && (empty || committed.commands.is_empty()));
            assert_eq!((&self.stage.session, self.stage.journal.row_count()), (&before, rows));
            return;
        }
        assert_eq!(self.stage.journal.row_count(), rows + 1, "one step, one row");
        assert_eq!(self.stage.journal.last_row(), committed.records, "what is shown is what is stored");
        for record in &committed.records {
            self.shadow.replay_one(record).unwrap();
        }
        assert_eq!(self.shadow, self.stage.session, "replay equals live");
        if is_cancel {
            self.cancelled.extend(before.open_runs().map(|run| run.id));
        }
        self.check_commands(&committed.records, &committed.commands);
        self.check_session();
    }

    fn race(&mut self) {
        let (head, moment) = (self.stage.session.head(), self.stage.moment());
        let loser = self.stage.session.decide(Input::Cancel { by: "ann".to_owned() }, moment).unwrap();
        self.step(Input::Accept(run("the winner")));
        if self.stage.session.head() == head {
            return;
        }
        let (before, rows) = (self.stage.session.clone(), self.stage.journal.row_count());
        let error = self.stage.session.commit(loser, &self.stage.journal).unwrap_err();
        assert!(matches!(error, CommitError::Stale { .. }), "{error}");
        assert_eq!((&self.stage.session, self.stage.journal.row_count()), (&before, rows));
    }

    fn check_commands(&mut self, records: &[Record], commands: &[Command]) {
        let mut promised = records.iter().filter_map(|record| match record.entry {
            Entry::ModelCalled { call, attempt, message_count, .. } => {
                Some((CallRef { run: record.run, call, attempt }, message_count))
            }
            _ => None,
        });
        for command in commands {
            match command {
                Command::CallModel(order) => {
                    let (call, message_count) =
                        promised.next().expect("each call is promised in the same row");
                    assert_eq!(order.call, call);
                    assert!(order.give_up_at > self.stage.now, "a call has time to run");
                    assert!(!self.cancelled.contains(&call.run), "a cancelled run makes no call");
                    let request = self.stage.session.model_request(call).expect("the call is in flight");
                    let system = usize::from(request.system.is_some());
                    assert_eq!(message_count as usize, request.messages.len() + system);
                    let last = request.messages.last().unwrap().role;
                    assert!(matches!(last, Role::User | Role::Tool), "{last:?}");
                    check_results(&request.messages);
                    assert_eq!(order.model, request.model);
                    check_window(&self.stage.session, call);
                    self.ordered.push(call);
                }
                Command::CallTool(order) | Command::ReadResult(order) => {
                    assert!(order.give_up_at > self.stage.now, "a call has time to run");
                    assert!(!self.cancelled.contains(&order.call.run), "a cancelled run makes no call");
                    assert!(self.stage.session.outstanding().contains(&order.call), "it is promised");
                    self.ordered.push(order.call);
                }
                Command::Reconcile(order) => {
                    assert!(self.stage.session.outstanding().contains(&order.call), "it was promised");
                }
                Command::Abort(call) => assert!(self.ordered.contains(call)),
            }
        }
        assert_eq!(promised.next(), None, "each promise is ordered");
    }

    fn check_session(&mut self) {
        let session = &self.stage.session;
        for run in session.runs() {
            let is_stuck = !run.calls().is_empty() && run.calls().iter().all(Call::is_settled);
            assert!(!(run.is_open() && is_stuck), "a row never ends between an answer and what follows it");
            let most = run.spec.max_iterations;
            assert!(run.iterations <= most && most <= limits::ITERATIONS_MAX);
            if run.spec.is_comparison() {
                check_comparison(session, run);
            } else {
                let models = run.in_flight().filter(|call| call.model().is_some()).count();
                assert!(models <= 1, "only a comparison has several models' calls in flight");
                let is_equipped = !run.spec.settings.tools.is_empty();
                assert!(
                    is_equipped || run.in_flight().count() <= 1,
                    "tools are called where they are offered"
                );
            }
            if let Some(status) = self.ended.get(&run.id) {
                assert_eq!(*status, run.status(), "an end never changes");
            }
            if !run.is_open() {
                self.ended.insert(run.id, run.status());
            }
        }
        let (_, reason) = session.next_deadline(0).expect("a session with runs is woken some day");
        let open: Vec<_> = session.open_runs().collect();
        let owed = !session.deliveries_due(TimeMs::MAX).is_empty();
        assert_eq!(reason == Deadline::Retention, open.is_empty() && !owed);
        assert!(open.iter().skip(1).all(|run| run.is_queued()), "one run at a time");
        assert!(session.outstanding().iter().all(|call| call.run == open[0].id), "the oldest goes first");
    }

    /// Whatever happened: from here on a quiet world brings every run to its end and every trace to its sink.
    fn finish(&mut self) {
        self.stage.journal.fails_before.set(false);
        self.perform(Deed::Crash(Cause::Crash));
        let is_over = |session: &Session| {
            session.next_deadline(RETENTION_MS).is_none_or(|(_, reason)| reason == Deadline::Retention)
        };
        for _ in 0..1_000 {
            if is_over(&self.stage.session) {
                break;
            }
            let due = self
                .stage
                .session
                .deliveries_due(self.stage.now)
                .first()
                .map(|(run, sink)| (*run, (*sink).to_owned()));
            let outstanding = self.stage.session.outstanding();
            let is_of_tool = |call: &CallRef| {
                let run = self.stage.session.run(call.run).unwrap();
                run.call(call.call).unwrap().model().is_none()
            };
            if let Some((run, sink)) = due {
                self.step(Input::Flushed { run, sink, event: None, receipt: Receipt::whole(3) });
            } else if outstanding.is_empty() {
                self.perform(Deed::Wake);
            } else if outstanding.first().is_some_and(is_of_tool) {
                self.perform(Deed::Return(Which::InFlight(0), ToolOutcome::Done("seen".into())));
            } else {
                self.perform(Deed::Answer(Which::InFlight(0), answer("the end\nDONE").into()));
            }
        }
        assert!(is_over(&self.stage.session), "the session comes to its end");
        let head = self.stage.session.head();
        self.perform(Deed::Wake);
        self.perform(Deed::Crash(Cause::Crash));
        assert_eq!(self.stage.session.head(), head, "after the end nothing grows");
    }

    /// The whole journal, as a reader who was not there sees it.
    fn audit(&self) {
        let records = self.stage.journal.all();
        let mut session = Session::default();
        let mut runs: BTreeMap<RunId, Told> = BTreeMap::new();
        let mut calls: BTreeMap<CallId, (RunId, u32, bool)> = BTreeMap::new();
        let (mut tools, mut waiting) = (BTreeSet::new(), BTreeSet::new());
        // What nobody did, as the tool says; and the arguments that a person let pass.
        let (mut undone, mut approved) = (BTreeSet::new(), BTreeMap::new());
        for (index, record) in records.iter().enumerate() {
            assert_eq!(record.seq, Seq(index as u64 + 1), "positions are dense");
            session.replay_one(record).expect("each prefix replays");
            let told = runs.entry(record.run).or_default();
            told.take(record);
            if let Entry::ToolCalled { call, .. } | Entry::ToolAnswered { call, .. } = &record.entry {
                tools.insert(*call);
            }
            match &record.entry {
                Entry::ModelCalled { call, attempt, .. } => {
                    let known = calls.entry(*call).or_insert((record.run, 0, false));
                    assert_eq!((known.0, known.1 + 1, known.2), (record.run, *attempt, false), "{call}");
                    known.1 = *attempt;
                }
                Entry::ModelAnswered { call, attempt, .. } => {
                    assert_eq!(
                        calls.insert(*call, (record.run, *attempt, true)),
                        Some((record.run, *attempt, false))
                    );
                }
                Entry::ModelFailed { call, attempt, .. } => {
                    assert_eq!(calls[call], (record.run, *attempt, false));
                }
                Entry::ToolCalled { call, attempt, effect, tool, arguments, .. } => {
                    let known = calls.entry(*call).or_insert((record.run, 0, false));
                    assert_eq!((known.0, known.1 + 1, known.2), (record.run, *attempt, false), "{call}");
                    let happens_once = *effect == Some(Effect::Once) && tool != "post";
                    let is_free = *attempt == 1 || undone.remove(call);
                    assert!(is_free || !happens_once, "{call} is made once");
                    assert!(approved.get(call).is_none_or(|shown| *shown == arguments), "{call} was edited");
                    assert!(!waiting.contains(&(record.run, *call)), "{call} was not approved");
                    known.1 = *attempt;
                }
                Entry::ToolAnswered { call, attempt, .. } => {
                    let known = calls.entry(*call).or_insert((record.run, 0, false));
                    assert_eq!(*known, (record.run, *attempt, false), "{call} has one answer");
                    assert!(!waiting.contains(&(record.run, *call)), "{call} was not decided");
                    known.2 = true;
                }
                Entry::ToolFailed { call, .. } => drop(undone.insert(*call)),
                Entry::ApprovalRequested { call, arguments, .. } => {
                    approved.insert(*call, arguments);
                    assert!(
                        waiting.insert((record.run, *call)) && !calls.contains_key(call),
                        "{call} is asked for once"
                    );
                }
                Entry::ApprovalResolved { call, arguments, .. } => {
                    if let Some(edited) = arguments {
                        approved.insert(*call, edited);
                    }
                    assert!(waiting.remove(&(record.run, *call)), "{call} is decided once")
                }
                Entry::RunEnded { .. } => {
                    let mut own = calls.iter().filter(|(_, (run, ..))| *run == record.run);
                    let is_tool = |call: &CallId| tools.contains(call);
                    assert!(
                        own.all(|(call, (.., answered))| !is_tool(call) || *answered),
                        "all are answered"
                    );
                    let waits = waiting.iter().any(|(run, _)| *run == record.run);
                    assert!(!waits, "nobody waits for a decision about a run that is over");
                }
                _ => {}
            }
        }
        assert!(runs.values().all(|told| told.ended), "every run ends");
        assert_eq!(
            calls.values().map(|(_, attempts, _)| *attempts as usize).sum::<usize>(),
            self.ordered.len()
        );
        assert_eq!(session, self.stage.session);
    }
}

fn is_awaiting(call: &Call) -> bool {
    matches!(call.state, CallState::Awaiting { .. })
}

/// Each tool call of an answer is followed by its result, in the same order.
fn check_results(messages: &[Message]) {
    let mut awaited: Vec<&str> = Vec::new();
    for message in messages {
        if message.role == Role::Tool {
            assert_eq!(message.tool_call_id.as_deref(), Some(awaited.remove(0)));
        } else {
            assert!(awaited.is_empty(), "a call without a result");
            awaited = message.tool_calls.iter().map(|call| call.id.as_str()).collect();
        }
    }
    assert!(awaited.is_empty(), "a call without a result");
}

/// Each model of a comparison has one call, and hears the task and nothing else.
fn check_comparison(session: &Session, run: &Run) {
    let in_flight: Vec<CallId> = run.in_flight().map(|call| call.id).collect();
    let distinct: BTreeSet<CallId> = in_flight.iter().copied().collect();
    assert_eq!(distinct.len(), in_flight.len(), "a call is in flight once");
    assert!(run.calls().len() <= run.spec.models.len());
    assert_eq!(session.runs().len(), 1, "a comparison is alone in its session");
    for (own, model) in run.calls().iter().zip(&run.spec.models) {
        let call = CallRef { run: run.id, call: own.id, attempt: own.tries.attempt };
        let request = session.model_request(call);
        assert_eq!(request.is_some(), in_flight.contains(&call.call) && run.is_open());
        if let Some(request) = request {
            assert_eq!((request.model, own.model()), (model.as_str(), Some(model.as_str())));
            assert_eq!(*request.messages, [Message::text(Role::User, session.transcript().task(run))]);
        }
    }
}

/// What a call sends begins with a run, has all of its own messages, and as many of the others as the window holds.
fn check_window(session: &Session, call: CallRef) {
    let (run, conversation) = (session.run(call.run).unwrap(), session.conversation());
    let sent = session.sent_messages(call).unwrap();
    let dropped = sent.start;
    let owner = |place: usize| conversation[place].0;
    let own = conversation.iter().position(|(owner, _)| *owner == run.id).unwrap();
    assert!(dropped <= own && conversation[own..].iter().all(|(owner, _)| *owner == run.id));
    assert!(dropped == 0 || owner(dropped - 1) != owner(dropped), "a run is left out whole");
    if run.spec.is_comparison() {
        return assert_eq!(sent, 0..1);
    }
    assert_eq!(sent.end, conversation.len());
    let system = session.model_request(call).unwrap().system.unwrap();
    assert_eq!(system.contains("left out"), dropped > 0);
    let settings = &run.spec.settings;
    let fallback = run.fallen_back().checked_sub(1).map(|place| &settings.fallbacks[place]);
    let window = fallback.map_or(settings.context_tokens, |fallback| fallback.context_tokens);
    let Some(window) = window else { return assert_eq!(dropped, 0) };
    let arguments = |message: &Message| {
        message.tool_calls.iter().map(|call| estimated_tokens(&call.arguments)).sum::<u64>()
    };
    let tokens_of = |message: &Message| estimated_tokens(&message.content) + arguments(message);
    let tokens =
        |from: usize| conversation[from..].iter().map(|(_, message)| tokens_of(message)).sum::<u64>();
    let answer = run.spec.settings.max_output_tokens.map_or((window / 4).min(1_024), u64::from);
    let offered = settings.tools.iter().map(|tool| {
        let schema = tool.parameters.as_ref().map_or_else(String::new, ToString::to_string);
        let described = tool.description.as_deref().map_or(0, estimated_tokens);
        described + estimated_tokens(&tool.name) + estimated_tokens(&schema)
    });
    let around = estimated_tokens(&system) + answer + offered.sum::<u64>();
    let is_sendable = |from: usize| tokens(from) + around <= window;
    assert!(is_sendable(dropped) || dropped == own, "what is sent fits while anything can be left out");
    if dropped > 0 {
        let earlier = conversation.iter().position(|(other, _)| *other == owner(dropped - 1)).unwrap();
        assert!(!is_sendable(earlier), "nothing is left out that would fit");
    }
}

/// A run as the journal tells it.
#[derive(Default)]
struct Told {
    models: Vec<String>,
    /// The models of a comparison that answered.
    answered: BTreeSet<String>,
    model_of: BTreeMap<CallId, String>,
    /// The model that the run stays with, and those that may take it over.
    asked: Option<String>,
    fallbacks: Vec<String>,
    patience_ms: u64,
    /// Of each call and model: failures that may have to be paid for, and when the first failure of any kind came.
    failures: BTreeMap<(CallId, String), (u32, TimeMs)>,
    sampled_out: bool,
    /// Something went wrong in it: it is kept whatever the sampling says.
    has_trouble: bool,
    ended: bool,
    answers: u32,
    usage: Usage,
    /// What is set aside for attempts that have no end yet.
    reserved: BTreeMap<CallId, Reserved>,
    /// Sinks that have its trace, or never will.
    settled: BTreeSet<String>,
}

impl Told {
    /// Whoever is cut off counts as what was set aside.
    fn count_what_was_cut_off(&mut self) {
        for reserved in std::mem::take(&mut self.reserved).into_values() {
            self.usage = self.usage.plus(&reserved.usage());
        }
    }

    fn take(&mut self, record: &Record) {
        let sink = match &record.entry {
            Entry::TraceSent { sink, .. }
            | Entry::TraceFlushed { sink, .. }
            | Entry::TraceFailed { sink, .. } => Some(sink),
            _ => None,
        };
        assert_eq!(self.ended, sink.is_some(), "only a trace comes after the end: {record:?}");
        if let Some(sink) = sink {
            assert!(!self.settled.contains(sink), "{sink} is left alone: {record:?}");
            assert!(!self.sampled_out || self.has_trouble || sink == INDEX_SINK, "spared: {record:?}");
        }
        match &record.entry {
            Entry::RunAccepted { models, sampled_out, settings, .. } => {
                (self.models, self.sampled_out) = (models.clone(), *sampled_out);
                self.fallbacks = settings.fallbacks.iter().map(|fallback| fallback.model.clone()).collect();
                self.patience_ms = settings.retry_patience_ms.unwrap_or(limits::RETRY_PATIENCE_MS_DEFAULT);
            }
            Entry::ModelCalled { call, model, fallback_from, reserved, .. } => {
                assert!(!self.reserved.contains_key(call), "an attempt has an end before the next");
                self.reserved.extend(reserved.map(|reserved| (*call, reserved)));
                let first = self.asked.get_or_insert_with(|| model.clone());
                if let Some(from) = fallback_from {
                    assert_eq!((&*first, self.model_of.get(call)), (from, Some(from)), "it was given up");
                    assert_eq!(self.fallbacks.first(), Some(model), "they come in order");
                    self.fallbacks.remove(0);
                    self.model_of.insert(*call, model.clone());
                    *first = model.clone();
                }
                let known = self.model_of.entry(*call).or_insert_with(|| model.clone());
                assert_eq!(known, model, "a call keeps its model");
                assert!(!self.models.is_empty() || model == first, "the run stays with its model");
            }
            Entry::ModelAnswered { call, iteration, usage, .. } => {
                self.answers += 1;
                self.reserved.remove(call);
                // Those of a call beside it count on.
                self.failures.retain(|(id, _), _| id != call);
                self.usage = self.usage.plus(usage);
                if self.models.is_empty() {
                    assert_eq!(*iteration, self.answers);
                } else {
                    let is_first = self.answered.insert(self.model_of[call].clone());
                    assert!(is_first && *iteration == 1, "one answer per model");
                }
            }
            Entry::ModelFailed { call, error_type, begun, retry_at, usage, .. } => {
                self.has_trouble = true;
                self.reserved.remove(call);
                self.usage = usage.iter().fold(self.usage.clone(), |sum, usage| sum.plus(usage));
                let model = self.model_of[call].clone();
                let (paid, first_at) = self.failures.entry((*call, model)).or_insert((0, record.at));
                let is_paid = ["truncated", "timeout", "empty_response"].contains(&error_type.as_str());
                *paid += u32::from(*begun || is_paid);
                if let Some(at) = retry_at {
                    assert!(*paid < 4 && error_type.is_transient(), "{record:?}");
                    let patience = if self.fallbacks.is_empty() { self.patience_ms } else { 60_000 };
                    assert!(*at <= *first_at + patience.min(self.patience_ms), "{record:?}");
                }
            }
            Entry::RunResumed { .. } => {
                self.has_trouble = true;
                self.count_what_was_cut_off();
            }
            Entry::RunEnded { status, stop_reason, usage, iterations, result, .. } => {
                self.ended = true;
                self.count_what_was_cut_off();
                self.has_trouble |= *status == RunStatus::Failed;
                assert_eq!((*status, usage), (stop_reason.status(), &self.usage));
                if self.models.is_empty() {
                    assert_eq!(*iterations, self.answers);
                } else {
                    assert_eq!((*iterations, result), (self.answers.min(1), &None));
                    let is_good = *status == RunStatus::Succeeded;
                    assert!(is_good == (self.answers > 0) || *status == RunStatus::Cancelled);
                }
            }
            Entry::TraceFlushed { sink, .. } | Entry::TraceFailed { sink, retry_at: None, .. } => {
                self.settled.insert(sink.clone());
            }
            _ => {}
        }
        let answers_max = if self.models.is_empty() { 6 } else { self.models.len() };
        assert!(self.answers as usize <= answers_max);
        let of_models: BTreeSet<&String> = self.model_of.values().collect();
        assert!(self.models.is_empty() || of_models.len() == self.model_of.len(), "one call per model");
    }
}
