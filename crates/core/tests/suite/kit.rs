use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use longhaul_core::{
    Budget, CallId, CallRef, Cause, Command, CommitError, Committed, Deadline, Entry, Fault, FaultKind,
    FinishReason, Input, Journal, Judge, Message, ModelAnswer, Moment, NewRun, Observed, OfferJudge, Record,
    Refusal, RequestKind, Role, RunId, RunSettings, Seq, Session, TimeMs, Timing, ToolError, Usage,
    WholeResult, decode_row, encode_row,
};
use serde_json::json;
use thiserror::Error;

/// When every stage begins.
pub(crate) const START: TimeMs = 1_000_000;
/// The chance of every stage.
pub(crate) const SEED: u64 = 7;
/// The retention of every stage.
pub(crate) const RETENTION_MS: u64 = 1_000_000_000;

/// A journal in memory that keeps rows as text, as SQLite does.
#[derive(Debug, Default)]
pub(crate) struct MemoryJournal {
    rows: RefCell<Vec<(Seq, String)>>,
    results: RefCell<BTreeMap<CallId, String>>,
    /// The next append fails and stores nothing.
    pub(crate) fails_before: Cell<bool>,
}

#[derive(Debug, PartialEq, Error)]
#[error("the disk is full")]
pub(crate) struct DiskFull;

impl Journal for MemoryJournal {
    type Error = DiskFull;

    fn append(&self, records: &[Record], results: &[WholeResult]) -> Result<(), DiskFull> {
        if self.fails_before.take() {
            return Err(DiskFull);
        }
        self.rows.borrow_mut().push((records[0].seq, encode_row(records)));
        self.results.borrow_mut().extend(results.iter().map(|it| (it.call, it.json.clone())));
        Ok(())
    }

    fn result(&self, call: CallId) -> Result<Option<String>, DiskFull> {
        Ok(self.results.borrow().get(&call).cloned())
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, DiskFull> {
        let rows = self.rows.borrow();
        let records = rows.iter().flat_map(|(seq, text)| decode_row(*seq, text).unwrap());
        Ok(records.filter(|record| record.seq > after).take(limit).collect())
    }
}

impl MemoryJournal {
    pub(crate) fn all(&self) -> Vec<Record> {
        self.read(Seq(0), usize::MAX).unwrap()
    }

    /// The rows, as they are stored.
    pub(crate) fn stored(&self) -> Vec<(Seq, String)> {
        self.rows.borrow().clone()
    }

    pub(crate) fn row_count(&self) -> usize {
        self.rows.borrow().len()
    }

    /// The last row, as it was stored.
    pub(crate) fn last_row(&self) -> Vec<Record> {
        self.rows.borrow().last().map_or_else(Vec::new, |(seq, text)| decode_row(*seq, text).unwrap())
    }
}

/// A session with its journal and its clock; it checks after each step that a replay agrees.
pub(crate) struct Stage {
    pub(crate) judge: Box<dyn Judge>,
    pub(crate) session: Session,
    pub(crate) journal: MemoryJournal,
    pub(crate) now: TimeMs,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            judge: Box::new(OfferJudge),
            session: Session::default(),
            journal: MemoryJournal::default(),
            now: START,
        }
    }

    /// A stage whose first run waits for its first answer.
    pub(crate) fn started(run: NewRun) -> Self {
        let mut stage = Self::new();
        stage.accept(run);
        stage
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.now, seed: SEED }
    }

    /// Decides and commits, and says in lines what came out.
    pub(crate) fn send(&mut self, event: Input) -> Vec<String> {
        let step = match self.session.decide_by(event, self.moment(), &*self.judge) {
            Ok(step) => step,
            Err(refusal) => return vec![format!("refused: {refusal}")],
        };
        let (ignored, empty) = (step.is_ignored(), step.is_empty());
        let rows = self.journal.row_count();
        let committed = self.session.commit(step, &self.journal).expect("the journal works");
        assert_eq!(self.journal.row_count() - rows, usize::from(!empty), "one step is one row");
        assert_eq!(Session::replay(&self.journal.all()).unwrap(), self.session);
        if ignored {
            assert!(committed.records.is_empty() && committed.commands.is_empty());
            return vec!["ignored".to_owned()];
        }
        lines(&committed, self.now)
    }

    pub(crate) fn accept(&mut self, run: NewRun) -> Vec<String> {
        self.send(Input::Accept(run))
    }

    pub(crate) fn refusal(&self, run: NewRun) -> Refusal {
        self.session.decide(Input::Accept(run), self.moment()).expect_err("the run is refused")
    }

    /// The one call in flight.
    pub(crate) fn flight(&self) -> CallRef {
        let outstanding = self.session.outstanding();
        assert_eq!(outstanding.len(), 1, "one call is in flight");
        outstanding[0]
    }

    /// One of several calls in flight.
    pub(crate) fn flight_of(&self, call: u32) -> CallRef {
        let outstanding = self.session.outstanding();
        *outstanding.iter().find(|flight| flight.call.0 == call).expect("the call is in flight")
    }

    /// One of several calls in flight brings `text`.
    pub(crate) fn answer_to(&mut self, call: u32, text: &str) -> Vec<String> {
        let (call, timing) = (self.flight_of(call), self.timing());
        self.send(Input::Answered { call, answer: answer(text), timing, observed: Observed::default() })
    }

    /// One of several calls in flight fails.
    pub(crate) fn fail_call(&mut self, call: u32, kind: FaultKind) -> Vec<String> {
        let (call, timing, fault) = (self.flight_of(call), self.timing(), Fault::new(kind, "no luck"));
        self.send(Input::Failed { call, fault, timing, observed: Observed::default() })
    }

    /// The call in flight brings `answer`.
    pub(crate) fn answer_with(&mut self, answer: ModelAnswer) -> Vec<String> {
        self.send(Input::Answered {
            call: self.flight(),
            answer,
            timing: self.timing(),
            observed: Observed::default(),
        })
    }

    /// The call in flight brings `text`, naturally ended.
    pub(crate) fn answer(&mut self, text: &str) -> Vec<String> {
        self.answer_with(answer(text))
    }

    pub(crate) fn fail(&mut self, kind: FaultKind) -> Vec<String> {
        self.fail_with(Fault::new(kind, "no luck"))
    }

    pub(crate) fn fail_with(&mut self, fault: Fault) -> Vec<String> {
        self.send(Input::Failed {
            call: self.flight(),
            fault,
            timing: self.timing(),
            observed: Observed::default(),
        })
    }

    pub(crate) fn cancel(&mut self) -> Vec<String> {
        self.send(Input::Cancel { by: "ann".to_owned() })
    }

    /// Time passes until the session wants to be woken, and it is.
    pub(crate) fn wake(&mut self) -> Vec<String> {
        let (at, _) = self.deadline();
        self.now = self.now.max(at);
        self.send(Input::Tick)
    }

    /// As [`fail`](Self::fail), without a replay of all that came before: for many of them.
    pub(crate) fn fail_quickly(&mut self, kind: FaultKind) -> Vec<String> {
        let (call, timing, fault) = (self.flight(), self.timing(), Fault::new(kind, "no luck"));
        self.send_quickly(Input::Failed { call, fault, timing, observed: Observed::default() })
    }

    /// As [`wake`](Self::wake), in the same way.
    pub(crate) fn wake_quickly(&mut self) {
        let (at, _) = self.deadline();
        self.now = self.now.max(at);
        self.send_quickly(Input::Tick);
    }

    fn send_quickly(&mut self, event: Input) -> Vec<String> {
        let step = self.session.decide(event, self.moment()).expect("only an Accept is refused");
        lines(&self.session.commit(step, &self.journal).expect("the journal works"), self.now)
    }

    /// The object goes away and comes back.
    pub(crate) fn restart(&mut self, cause: Cause) -> Vec<String> {
        self.session = Session::replay(&self.journal.all()).unwrap();
        self.send(Input::Resume(cause))
    }

    pub(crate) fn deadline(&self) -> (TimeMs, Deadline) {
        self.session.next_deadline(RETENTION_MS).expect("the session is not empty")
    }

    pub(crate) fn timing(&self) -> Timing {
        Timing { started_at: self.now - 5, ended_at: self.now, first_chunk_at: None }
    }

    pub(crate) fn result(&self, run: u32) -> Option<String> {
        let ended = self.journal.all().into_iter().filter(|record| record.run == RunId(run));
        ended.into_iter().find_map(|record| match record.entry {
            Entry::RunEnded { result, .. } => Some(result),
            _ => None,
        })?
    }
}

pub(crate) fn run(task: &str) -> NewRun {
    NewRun {
        task: task.to_owned(),
        agent: "poet".to_owned(),
        model: "m".to_owned(),
        models: Vec::new(),
        max_iterations: 6,
        metadata: BTreeMap::new(),
        settings: RunSettings {
            servers: Vec::new(),
            instructions: None,
            sentinel: "DONE".to_owned(),
            budget: Budget::default(),
            model_timeout_ms: 60_000,
            max_output_tokens: None,
            temperature: None,
            context_tokens: None,
            sinks: Vec::new(),
            webhook_events: Vec::new(),
            gateway_id: None,
            openai_server: None,
            sample_ratio: None,
            tools: Vec::new(),
            retry_patience_ms: None,
            fallbacks: Vec::new(),
            output_schema: None,
            rates: Vec::new(),
            final_answer: false,
            session_budget: None,
            tenant_day: None,
            imported: None,
        },
        idempotency: None,
        by: None,
    }
}

pub(crate) fn run_with(task: &str, change: impl FnOnce(&mut NewRun)) -> NewRun {
    let mut run = run(task);
    change(&mut run);
    run
}

pub(crate) fn run_with_budget(task: &str, budget: Budget) -> NewRun {
    run_with(task, |run| run.settings.budget = budget)
}

pub(crate) fn answer(text: &str) -> ModelAnswer {
    ModelAnswer {
        message: Message::text(Role::Assistant, text),
        finish_reason: FinishReason::Stop,
        usage: Usage::default(),
        response_id: None,
        response_model: None,
    }
}

/// Each record and then each command as a line; times are told from `now` on.
pub(crate) fn lines(committed: &Committed, now: TimeMs) -> Vec<String> {
    let commands = committed.commands.iter().map(|command| match command {
        Command::CallModel(order) => {
            format!("> call {} until +{}", attempt(order.call), order.give_up_at - now)
        }
        Command::CallTool(order) => {
            let ask = &order.ask;
            let on = order.resume.as_ref().map_or_else(String::new, |resume| {
                let reaction = resume.reaction.as_ref().map(|it| format!(" with {it:?}")).unwrap_or_default();
                format!(" on {}{reaction}", resume.handle)
            });
            format!("> {} {} {}{on}", ask.tool, ask.arguments, attempt(order.call))
        }
        Command::ReadResult(order) => {
            format!("> reads {} {}", order.ask.arguments, attempt(order.call))
        }
        Command::Reconcile(order) => format!("> what became of {} {}", order.ask.tool, attempt(order.call)),
        Command::Abort(call) => format!("> abort {}", attempt(*call)),
    });
    committed
        .records
        .iter()
        .map(|record| format!("{} {}", record.run, line(record, now)))
        .chain(commands)
        .collect()
}

/// What a failed commit says when the journal was at fault.
pub(crate) fn is_disk_full(error: &CommitError<DiskFull>) -> bool {
    matches!(error, CommitError::Journal(DiskFull))
}

fn attempt(call: CallRef) -> String {
    format!("{}:{}.{}", call.run, call.call, call.attempt)
}

fn line(record: &Record, now: TimeMs) -> String {
    let name = record.entry.type_name();
    let later = |at: &Option<TimeMs>| at.map_or("never".to_owned(), |at| format!("+{}", at - now));
    match &record.entry {
        Entry::RunAccepted { task, .. } => format!("{name} {task}"),
        Entry::ModelCalled {
            call,
            attempt,
            iteration,
            message_count,
            dropped_messages,
            model,
            fallback_from,
            ..
        } => {
            let dropped = match dropped_messages {
                0 => String::new(),
                count => format!(", {count} dropped"),
            };
            let taken =
                fallback_from.as_ref().map_or_else(String::new, |from| format!(", {model} for {from}"));
            format!("{name} {call}.{attempt} iteration {iteration}, {message_count} messages{dropped}{taken}")
        }
        Entry::ModelAnswered { call, attempt, iteration, r#final, .. } => {
            format!("{name} {call}.{attempt} iteration {iteration}, {}", word(r#final))
        }
        Entry::ModelFailed { call, attempt, error_type, retry_at, .. } => {
            format!("{name} {call}.{attempt} {}, again {}", error_type.as_str(), later(retry_at))
        }
        Entry::RunResumed { cause, outstanding } => format!("{name} {}, {}", word(cause), word(outstanding)),
        Entry::RunSteered { message, by, .. } => format!("{name} {message} by {by}"),
        Entry::CancelRequested { by } => format!("{name} {by}"),
        Entry::RunEnded { stop_reason, result, error, iterations, .. } => {
            let error = error.as_ref().map_or("no error", |error| error.code.as_str());
            format!("{name} {} {result:?}, {error}, {iterations} answers", stop_reason.as_str())
        }
        Entry::TraceFlushed { attempt, event: Some(event), .. } => format!("{name} {event} {attempt}"),
        Entry::TraceFlushed { sink, spans, attempt, .. } => format!("{name} {sink} {attempt}, {spans} spans"),
        Entry::TraceFailed { sink, status, attempt, retry_at, event } => {
            let sink = event.map_or_else(|| sink.clone(), |event| event.to_string());
            format!("{name} {sink} {attempt}, {}, again {}", word(status), later(retry_at))
        }
        Entry::TraceSent { sink, part, remote_id } => format!("{name} {sink} {part} {remote_id}"),
        Entry::ToolCalled { call, attempt, tool, .. } => format!("{name} {call}.{attempt} {tool}"),
        Entry::ToolAnswered { call, attempt, result, error, .. } => {
            format!("{name} {call}.{attempt} {}", error.as_ref().map_or_else(|| word(result), code))
        }
        Entry::ToolFailed { call, attempt, error, retry_at, .. } => {
            format!("{name} {call}.{attempt} {}, again {}", code(error), later(retry_at))
        }
        Entry::ToolsListed { call, attempt, server, count, dropped, error, .. } => {
            let dropped: Vec<&str> = dropped.iter().map(|it| it.name.as_str()).collect();
            let said = error.as_ref().map_or_else(|| format!("{count}, without {dropped:?}"), code);
            format!("{name} {call}.{attempt} {server} {said}")
        }
        Entry::ToolPending { call, attempt, retry_at, .. } => {
            format!("{name} {call}.{attempt}, again {}", later(retry_at))
        }
        Entry::ApprovalRequested { call, kind: Some(RequestKind::InDoubt), expires_at, .. } => {
            format!("{name} {call} in doubt until {}", later(expires_at))
        }
        Entry::ApprovalRequested { call, kind: Some(kind), expires_at, .. } => {
            format!("{name} {call} {} until {}", word(kind), later(expires_at))
        }
        Entry::ApprovalRequested { call, tool, expires_at, .. } => {
            format!("{name} {call} {tool} until {}", later(expires_at))
        }
        Entry::ApprovalResolved { call, decision, by, .. } => format!("{name} {call} {decision} by {by}"),
    }
}

fn code(error: &ToolError) -> String {
    match error {
        ToolError::Coded { code, .. } => code.clone(),
        ToolError::Text(text) => panic!("nothing writes the error {text} any more"),
    }
}

fn word(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).unwrap().replace('"', "")
}

/// An attempt in which its code opened a span.
pub(crate) fn seen(name: &str) -> Observed {
    let span = json!({"name": name, "started_at": 110, "ended_at": 120});
    serde_json::from_value(json!({"spans": [span]})).unwrap()
}
