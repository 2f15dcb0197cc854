//! What the Rust of a run costs, as counts that are the same on every machine: allocations of simulated runs, and work that
//! somebody else counts the instructions of. `cargo xtask test --only work` runs it.
//!
//! Without an argument it prints the allocations. With `fold`, `step`, `request` or `trace` and a number of messages it does that
//! work once, on a conversation of that length, inside of `measured`.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::RefCell,
    collections::BTreeMap,
    convert::Infallible,
    env,
    error::Error,
    hint::black_box,
    io::{self, Write},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use longhaul_core::{
    CallId, CallRef, FinishReason, Input, Journal, Message, ModelAnswer, Moment, NewRun, Observed, Record,
    Role, RunId, Seq, Session, StopReason, Timing, Usage, WholeResult, decode_row, encode_row,
};
use longhaul_models::{Format, RequestForm};
use longhaul_sim::{Life, ModelPlan, Outside, Scenario, ToolPlan};
use longhaul_trace::{Capture, Origin, Resource, Trace, encode_protobuf};

/// Answers of a run.
const TURNS: usize = 6;
/// The text of an answer, in bytes.
const ANSWER_BYTES: usize = 400;

/// The system's allocator, counted.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED_BYTES: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    ALLOCATED_BYTES.fetch_add(bytes as u64, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: each method is the system allocator's, with the arguments that it got.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let Some(work) = arguments.next() else { return print_allocations() };
    let messages = arguments.next().ok_or("say how many messages there are")?.parse()?;
    let mut talk = Talk::of(messages)?;
    match work.as_str() {
        "fold" => measured(&mut || talk.fold()),
        "step" => measured(&mut || talk.step()),
        "request" => measured(&mut || talk.request()),
        "trace" => measured(&mut || talk.trace()),
        other => Err(format!("there is no work {other}").into()),
    }
}

/// What is counted: an instruction counter looks for this name.
#[inline(never)]
fn measured(work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    work()
}

/// The allocations of a simulated run: the second of its kind, because the first one fills what is kept for ever.
fn print_allocations() -> Result<(), Box<dyn Error>> {
    let acting = (1..TURNS).fold(ToolPlan::default(), |plan, turn| {
        plan.ask(turn, if turn.is_multiple_of(2) { &["look"] } else { &["book"] })
    });
    for (name, tools) in [("simulated", ToolPlan::default()), ("simulated_acting", acting)] {
        let model = ModelPlan { done_at: Some(TURNS), ..ModelPlan::default() };
        let scenario = Scenario::new("costs", StopReason::Done).model(model).tools(tools);
        let mut counts = (0, 0);
        for _ in 0..2 {
            let mut life = Life::new(&scenario, Outside::new(&scenario), &[]);
            let before = (ALLOCATIONS.load(Relaxed), ALLOCATED_BYTES.load(Relaxed));
            life.run();
            counts = (ALLOCATIONS.load(Relaxed) - before.0, ALLOCATED_BYTES.load(Relaxed) - before.1);
            assert_eq!(life.end().model.requests.len(), TURNS, "each answer is asked for once");
        }
        let mut out = io::stdout().lock();
        writeln!(out, "cost: {name}.allocations {}", counts.0)?;
        writeln!(out, "cost: {name}.allocated_bytes {}", counts.1)?;
    }
    Ok(())
}

/// A session that waits for an answer, with its journal.
struct Talk {
    session: Session,
    journal: Rows,
    now: u64,
}

/// Rows as text, as SQLite keeps them.
#[derive(Default)]
struct Rows(RefCell<Vec<(Seq, String)>>);

impl Journal for Rows {
    type Error = Infallible;

    fn append(&self, records: &[Record], _: &[WholeResult]) -> Result<(), Infallible> {
        let seq = records.first().map_or(Seq(0), |record| record.seq);
        self.0.borrow_mut().push((seq, encode_row(records)));
        Ok(())
    }

    fn result(&self, _: CallId) -> Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn read(&self, _: Seq, _: usize) -> Result<Vec<Record>, Infallible> {
        Ok(Vec::new())
    }
}

impl Talk {
    /// Runs of six answers until the conversation has that many messages, the run of the last one under way.
    fn of(messages: usize) -> Result<Self, Box<dyn Error>> {
        let mut talk = Self { session: Session::default(), journal: Rows::default(), now: 1_000_000 };
        while talk.session.messages().len() < messages {
            match talk.session.outstanding().first().copied() {
                None => talk.send(Input::Accept(new_run()?))?,
                Some(call) => talk.answer(call)?,
            }
        }
        if talk.session.outstanding().is_empty() {
            talk.send(Input::Accept(new_run()?))?;
        }
        Ok(talk)
    }

    fn send(&mut self, input: Input) -> Result<(), Box<dyn Error>> {
        self.now += 1_000;
        let step = self.session.decide(input, Moment { now: self.now, seed: 7 })?;
        drop(black_box(self.session.commit(step, &self.journal)?));
        Ok(())
    }

    fn answer(&mut self, call: CallRef) -> Result<(), Box<dyn Error>> {
        let is_last = (call.call.0 as usize).is_multiple_of(TURNS);
        let text = "word ".repeat(ANSWER_BYTES / 5) + if is_last { "\nDONE" } else { "" };
        let usage = Usage { input_tokens: Some(100), output_tokens: Some(80), ..Usage::default() };
        let answer = ModelAnswer {
            message: Message::text(Role::Assistant, text),
            finish_reason: FinishReason::Stop,
            usage,
            response_id: Some("chatcmpl-1".to_owned()),
            response_model: Some("tiny".to_owned()),
        };
        self.send(Input::Answered { call, answer, timing: Timing::default(), observed: Observed::default() })
    }

    fn flight(&self) -> Result<CallRef, Box<dyn Error>> {
        Ok(self.session.outstanding().first().copied().ok_or("a call is in flight")?)
    }

    /// A session is made of its journal's rows.
    fn fold(&self) -> Result<(), Box<dyn Error>> {
        let mut session = Session::default();
        for (seq, text) in self.journal.0.borrow().iter() {
            for record in decode_row(*seq, text)? {
                session.absorb(record)?;
            }
        }
        black_box(session);
        Ok(())
    }

    /// An answer comes: what follows is decided, written and remembered.
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        let call = self.flight()?;
        self.answer(call)
    }

    /// The call's request is written.
    fn request(&self) -> Result<(), Box<dyn Error>> {
        let request = self.session.model_request(self.flight()?).ok_or("the call has a request")?;
        black_box(Format::Chat.body("tiny", &request, RequestForm::usual(Format::Chat, "tiny")));
        Ok(())
    }

    /// The trace of the first run is folded from the journal's records and written as OTLP.
    fn trace(&self) -> Result<(), Box<dyn Error>> {
        let mut records = Vec::new();
        for (seq, text) in self.journal.0.borrow().iter() {
            records.extend(decode_row(*seq, text)?);
        }
        let origin = Origin { object: "tenant/session", life: None };
        let trace = Trace::of_run(origin, RunId(1), &records).ok_or("the run has a trace")?;
        black_box(encode_protobuf(&trace, &Resource::default(), Capture::Preview));
        Ok(())
    }
}

fn new_run() -> Result<NewRun, Box<dyn Error>> {
    Ok(NewRun {
        task: "Write a haiku about tides.".to_owned(),
        agent: "poet".to_owned(),
        model: "openai:tiny".to_owned(),
        models: Vec::new(),
        max_iterations: 6,
        metadata: BTreeMap::new(),
        settings: serde_json::from_str(r#"{"sentinel": "DONE", "model_timeout_ms": 60000}"#)?,
        idempotency: None,
        by: None,
    })
}
