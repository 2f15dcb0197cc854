//! A session that a test drives by hand; its journal is what the core decided.

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};

use longhaul_core::{
    Budget, CallId, CallRef, Cause, Decision, Effect, Fault, FaultKind, FinishReason, Found, InDoubt, Input,
    Journal, Message, ModelAnswer, Moment, NewRun, Observed, Record, Role, RunId, RunSettings, Seq, Session,
    Timing, ToolCall, ToolOffer, ToolOutcome, Usage, WholeResult,
};
use longhaul_trace::{Origin, Trace};

pub(crate) const OBJECT: &str = "acme/ses_1";
/// Of a journal from before there were lives: the ids in these tests are those that such a session had.
pub(crate) const ORIGIN: Origin<'_> = Origin { object: OBJECT, life: None };
/// When the stage's clock begins, in milliseconds.
pub(crate) const START: u64 = 1_800_000_000_000;

#[derive(Default)]
pub(crate) struct Stage {
    session: Session,
    journal: Memory,
    /// Milliseconds since [`START`].
    pub(crate) clock: u64,
}

#[derive(Default)]
struct Memory(RefCell<Vec<Record>>);

impl Journal for Memory {
    type Error = Infallible;

    fn append(&self, records: &[Record], _: &[WholeResult]) -> Result<(), Infallible> {
        self.0.borrow_mut().extend_from_slice(records);
        Ok(())
    }

    fn result(&self, _: CallId) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Infallible> {
        Ok(self.0.borrow().iter().filter(|record| record.seq > after).take(limit).cloned().collect())
    }
}

impl Stage {
    pub(crate) fn accept(&mut self, task: &str) {
        self.accept_run(new_run(task));
    }

    pub(crate) fn accept_run(&mut self, run: NewRun) {
        self.feed(Input::Accept(run));
    }

    /// The call in flight answers after `ms`, its first chunk after half of that.
    pub(crate) fn answer(&mut self, text: &str, ms: u64) {
        self.answer_after("", text, ms);
    }

    /// The same after thoughts.
    pub(crate) fn answer_after(&mut self, thoughts: &str, text: &str, ms: u64) {
        let timing = self.spend(ms);
        let reasoning_tokens = (!thoughts.is_empty()).then_some(3);
        let answer = ModelAnswer {
            message: Message { thoughts: thoughts.to_owned(), ..Message::text(Role::Assistant, text) },
            finish_reason: FinishReason::Stop,
            usage: Usage {
                input_tokens: Some(10),
                output_tokens: Some(5),
                total_tokens: Some(15),
                cost_usd: Some(0.25),
                reasoning_tokens,
                ..Usage::default()
            },
            response_id: Some("resp_1".to_owned()),
            response_model: Some("tiny-2026".to_owned()),
        };
        if let Some(call) = self.outstanding() {
            self.feed(Input::Answered { call, answer, timing, observed: Observed::default() });
        }
    }

    pub(crate) fn fail(&mut self, kind: FaultKind, ms: u64) {
        let timing = Timing { first_chunk_at: None, ..self.spend(ms) };
        if let Some(call) = self.outstanding() {
            self.feed(Input::Failed {
                call,
                fault: Fault::new(kind, "it said no"),
                timing,
                observed: Observed::default(),
            });
        }
    }

    /// The object goes away and comes back after `ms`.
    pub(crate) fn crash(&mut self, ms: u64) {
        self.clock += ms;
        self.session = Session::replay(&*self.journal.0.borrow()).unwrap();
        self.feed(Input::Resume(Cause::Crash));
    }

    /// The model asks for tools: each with its name and its arguments.
    pub(crate) fn ask_for(&mut self, tools: &[(&str, &str)]) {
        let timing = self.spend(10);
        let tool_calls = tools.iter().enumerate().map(|(n, (name, arguments))| ToolCall {
            id: format!("t_{n}"),
            name: (*name).to_owned(),
            arguments: (*arguments).to_owned(),
        });
        let message = Message { tool_calls: tool_calls.collect(), ..Message::text(Role::Assistant, "") };
        let answer = ModelAnswer {
            message,
            finish_reason: FinishReason::ToolCalls,
            usage: Usage::default(),
            response_id: None,
            response_model: None,
        };
        if let Some(call) = self.outstanding() {
            self.feed(Input::Answered { call, answer, timing, observed: Observed::default() });
        }
    }

    /// The first tool in flight comes back after `ms`.
    pub(crate) fn tool_returns(&mut self, outcome: ToolOutcome, ms: u64) {
        self.tool_returns_with(outcome, ms, Observed::default());
    }

    /// The same, with what its code was seen to do.
    pub(crate) fn tool_returns_with(&mut self, outcome: ToolOutcome, ms: u64, observed: Observed) {
        let timing = Timing { first_chunk_at: None, ..self.spend(ms) };
        if let Some(call) = self.outstanding() {
            self.feed(Input::Returned { call, outcome, timing, observed });
        }
    }

    /// What a tool finds out about its call that was cut off.
    pub(crate) fn reconciled(&mut self, found: Found, ms: u64) {
        let timing = Timing { first_chunk_at: None, ..self.spend(ms) };
        if let Some(call) = self.outstanding() {
            self.feed(Input::Reconciled { call, found, timing });
        }
    }

    pub(crate) fn decide(&mut self, call: u32, decision: Decision) {
        self.feed(Input::Decided {
            call: CallId(call),
            request: None,
            decision,
            digest: None,
            by: "acme/ann".to_owned(),
        });
    }

    pub(crate) fn cancel(&mut self) {
        self.feed(Input::Cancel { by: "acme".to_owned() });
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.clock += ms;
        self.feed(Input::Tick);
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.journal.0.borrow().clone()
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.session.runs().iter().map(|run| run.id)
    }

    pub(crate) fn trace(&self, run: u32) -> Trace {
        Trace::of_run(ORIGIN, RunId(run), self.records()).unwrap()
    }

    /// What the call in flight sends: the system message and the others.
    pub(crate) fn request(&self) -> (Option<String>, Vec<String>) {
        let request = self.outstanding().and_then(|call| self.session.model_request(call)).unwrap();
        let messages = request.messages.iter().map(|message| message.content.clone());
        (request.system, messages.collect())
    }

    fn outstanding(&self) -> Option<CallRef> {
        self.session.outstanding().first().copied()
    }

    fn spend(&mut self, ms: u64) -> Timing {
        let started_at = START + self.clock;
        self.clock += ms;
        Timing { started_at, ended_at: START + self.clock, first_chunk_at: Some(started_at + ms / 2) }
    }

    /// A refused event changes nothing, and a test that counts on it sees that.
    fn feed(&mut self, input: Input) {
        let moment = Moment { now: START + self.clock, seed: 7 };
        if let Ok(step) = self.session.decide(input, moment) {
            let committed = self.session.commit(step, &self.journal).unwrap();
            drop(committed);
        }
    }
}

pub(crate) fn new_run(task: &str) -> NewRun {
    NewRun {
        task: task.to_owned(),
        agent: "poet".to_owned(),
        model: "openai:tiny".to_owned(),
        models: Vec::new(),
        max_iterations: 6,
        metadata: BTreeMap::from([("customer".to_owned(), "42".into())]),
        settings: RunSettings {
            servers: Vec::new(),
            instructions: Some("Be brief.".to_owned()),
            sentinel: "DONE".to_owned(),
            budget: Budget::default(),
            model_timeout_ms: 120_000,
            max_output_tokens: Some(256),
            temperature: Some(0.5),
            context_tokens: None,
            sinks: vec!["otlp".to_owned()],
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

/// A run that is offered a tool of each effect, and one that a person has to approve.
pub(crate) fn with_tools(task: &str) -> NewRun {
    let mut run = new_run(task);
    let search =
        ToolOffer { description: Some("Finds pages.".to_owned()), ..ToolOffer::new("search", Effect::Read) };
    let refund = ToolOffer { approval_ms: Some(600_000), ..ToolOffer::new("refund", Effect::Once) };
    let post = ToolOffer { reconciles: true, ..ToolOffer::new("post", Effect::Once) };
    let ship = ToolOffer { in_doubt: InDoubt::Ask, ..ToolOffer::new("ship", Effect::Once) };
    run.settings.tools = vec![search, ToolOffer::new("pay", Effect::Once), refund, post, ship];
    run
}

/// A run with all that can happen to one that succeeds: a crash, a retry, two answers.
pub(crate) fn eventful() -> Stage {
    let mut stage = Stage::default();
    stage.accept("Write a haiku about tides.");
    stage.crash(40);
    stage.fail(FaultKind::ServerError, 100);
    stage.wait(30_000);
    stage.answer("Salt breath, in and out.", 200);
    stage.answer("The moon lets go of the sea.\n\nDONE", 300);
    stage
}
