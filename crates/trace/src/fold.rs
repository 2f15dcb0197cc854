use std::{borrow::Borrow, collections::BTreeMap};

use longhaul_core::{
    CallId, Entry, Life, Record, Run, RunId, RunStatus, StopReason, TimeMs, Transcript, Usage, UserSpan,
    left_out, model_request, sent_messages,
};
use serde_json::Value as Json;

use crate::{
    acts::{self, Scene},
    attributes,
    ids::{Origin, SpanId, TraceId, span_id, trace_id, user_span_id},
    provider::provider_of,
    span::{INTERRUPTED, ModelSpan, OTHER, Span, SpanEvent, SpanKind, SpanStatus},
};

/// Characters of the task in the name of a trace.
const NAME_CHARS: usize = 60;
/// The `error.type` of an attempt that was in flight when its run failed.
const ABORTED: &str = "aborted";

/// The one trace of a run, as far as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Its id, the same in every replay.
    pub trace_id: TraceId,
    /// The session's id.
    pub session: String,
    /// The run.
    pub run: RunId,
    /// The agent's name.
    pub agent: String,
    /// The model's full name, with its provider's prefix.
    pub model: String,
    /// The latest model that took the run over.
    pub answered_by: Option<String>,
    /// What was to be done.
    pub task: String,
    /// A title for lists: `agent: ` and the first characters of the task.
    pub name: String,
    /// Where the run stands.
    pub status: RunStatus,
    /// The rule that ended it; `None` while it is open.
    pub stop_reason: Option<StopReason>,
    /// When the run was accepted.
    pub started_at: TimeMs,
    /// When its first call was promised, of a model or of a server for its tools; `None` while it is queued.
    pub called_at: Option<TimeMs>,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<TimeMs>,
    /// Crashes and evictions that it survived.
    pub resumed: u32,
    /// The sum over its calls.
    pub usage: Usage,
    /// Answers committed.
    pub iterations: u32,
    /// Attempts of its calls, those that failed or were cut off included.
    pub attempts: u32,
    /// The caller's labels.
    pub metadata: BTreeMap<String, Json>,
    /// The root, then calls and waits in the order in which they were promised.
    pub spans: Vec<Span>,
    /// What came out of the run.
    pub(crate) result: Option<String>,
    /// The system messages of the run's calls: another one from the call on that leaves messages out.
    pub(crate) systems: Vec<String>,
    /// What is sent in place of results, by their places in the conversation.
    pub(crate) lines: BTreeMap<usize, String>,
    /// Holds the conversation that the spans point into.
    pub(crate) transcript: Transcript,
}

impl Trace {
    /// Folds the trace of `run`; `None` when it was never accepted.
    ///
    /// `records` are in order, and of the session that is the `origin`. Those of other runs
    /// make no spans; they may be left out, and a call's input then lacks what the earlier runs said.
    pub fn of_run(
        origin: Origin<'_>,
        run: RunId,
        records: impl IntoIterator<Item: Borrow<Record>>,
    ) -> Option<Self> {
        let mut fold = Fold::new(origin, run);
        for record in records {
            let record: &Record = record.borrow();
            fold.take(record);
            if record.run == run && matches!(record.entry, Entry::RunEnded { .. }) {
                break;
            }
        }
        fold.finish()
    }

    /// The spans that ended: those that an exporter sends.
    pub fn finished_spans(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.ended_at.is_some())
    }
}

struct Fold<'a> {
    session: &'a str,
    life: Option<Life>,
    run: RunId,
    trace_id: TraceId,
    root_id: SpanId,
    /// The core's own fold over the records seen: conversation, usage and status are its business.
    runs: Vec<Run>,
    transcript: Transcript,
    systems: Vec<String>,
    lines: BTreeMap<usize, String>,
    calls: Vec<Span>,
    events: Vec<SpanEvent>,
}

impl<'a> Fold<'a> {
    fn new(origin: Origin<'a>, run: RunId) -> Self {
        let trace_id = trace_id(origin, run);
        let object = origin.object;
        Self {
            session: object.rsplit_once('/').map_or(object, |(_, session)| session),
            life: origin.life,
            run,
            trace_id,
            root_id: span_id(trace_id, None),
            runs: Vec::new(),
            transcript: Transcript::default(),
            systems: Vec::new(),
            lines: BTreeMap::new(),
            calls: Vec::new(),
            events: Vec::new(),
        }
    }

    fn take(&mut self, record: &Record) {
        if !self.replay(record) || record.run != self.run {
            return;
        }
        match &record.entry {
            Entry::ModelCalled { call, .. } => {
                self.close_open(Some(*call), |span| span.fail(record.at, INTERRUPTED));
                self.open_call(record);
            }
            Entry::ModelAnswered { call, attempt, observed, .. }
            | Entry::ModelFailed { call, attempt, observed, .. } => {
                let answer = self.transcript.messages().len().checked_sub(1);
                if let Some(span) = self.open_span(*call, *attempt) {
                    settle(span, &record.entry, answer);
                    span.attributes.extend(observed.gateway.as_ref().and_then(attributes::of_gateway));
                    let call_id = span.span_id;
                    self.nest((*call, *attempt), call_id, &observed.spans);
                }
            }
            Entry::RunResumed { cause, outstanding } => {
                self.close_open(None, |span| span.fail(record.at, INTERRUPTED));
                let attributes = attributes::of_resumption(*cause, outstanding.len());
                self.events.push(SpanEvent { name: "run.resumed", at: record.at, attributes });
            }
            Entry::RunSteered { by, .. } => {
                // What was said is in the input of the next call.
                let attributes = vec![attributes::steered_by(by)];
                self.events.push(SpanEvent { name: "run.steered", at: record.at, attributes });
            }
            Entry::RunEnded { status: RunStatus::Cancelled, .. } => {
                self.close_waits(record.at);
                self.close_open(None, |span| span.cancel(record.at));
            }
            Entry::RunEnded { .. } => {
                self.close_waits(record.at);
                self.close_open(None, |span| span.fail(record.at, ABORTED));
            }
            Entry::ToolCalled { call, .. } => {
                self.close_open(Some(*call), |span| span.fail(record.at, INTERRUPTED));
                self.act(record);
            }
            Entry::ToolAnswered { call, attempt, observed, .. }
            | Entry::ToolFailed { call, attempt, observed, .. }
            | Entry::ToolsListed { call, attempt, observed, .. }
            | Entry::ToolPending { call, attempt, observed, .. } => {
                self.act(record);
                self.nest(
                    (*call, *attempt),
                    span_id(self.trace_id, Some((*call, *attempt))),
                    &observed.spans,
                );
            }
            Entry::ApprovalRequested { .. } | Entry::ApprovalResolved { .. } => self.act(record),
            Entry::RunAccepted { .. }
            | Entry::CancelRequested { .. }
            | Entry::TraceSent { .. }
            | Entry::TraceFlushed { .. }
            | Entry::TraceFailed { .. } => {}
        }
    }

    /// Feeds the core's fold. Whether it took the record: not one of a run whose acceptance was not among the records,
    /// and no second acceptance of a run.
    fn replay(&mut self, record: &Record) -> bool {
        let mut entry = record.entry.clone();
        // From the end: a record is about one of the latest runs.
        let known = self.runs.iter_mut().rev().find(|run| run.id == record.run);
        match (known, Run::accepted(record)) {
            (Some(run), None) => {
                let messages = self.transcript.messages().len();
                self.transcript.take(run, &mut entry);
                run.evolve((record.seq, record.at), &record.entry, messages);
                true
            }
            (None, Some(run)) => {
                self.transcript.accept(&run, &mut entry);
                self.runs.push(run);
                true
            }
            (Some(_), Some(_)) | (None, None) => false,
        }
    }

    fn run(&self) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.id == self.run)
    }

    /// A tool is called or answers, a person is asked or decides.
    fn act(&mut self, record: &Record) {
        let Some(run) = self.runs.iter().rev().find(|run| run.id == self.run) else { return };
        let scene = Scene {
            session: self.session,
            trace_id: self.trace_id,
            root_id: self.root_id,
            iterations: run.iterations,
        };
        acts::take(&mut self.calls, &scene, record, &run.spec.settings.tools);
    }

    fn open_call(&mut self, record: &Record) {
        let Entry::ModelCalled {
            call,
            attempt,
            iteration,
            model,
            fallback_from,
            message_count,
            dropped_messages,
            reserved: _,
            last: _,
        } = &record.entry
        else {
            return;
        };
        let (call, attempt) = (*call, *attempt);
        let promised = self.run().and_then(|run| Some((run, run.call(call)?)));
        let sent = promised.map(|(run, call)| sent_messages(run, call, &self.transcript));
        let system = promised.and_then(|(run, call)| model_request(run, call, &self.transcript)?.system);
        let system = system.map(|text| {
            if self.systems.last() != Some(&text) {
                self.systems.push(text);
            }
            self.systems.len() - 1
        });
        let lines = self.run().map_or_else(Vec::new, |run| left_out(run, &self.transcript));
        let left_out = lines.iter().map(|(place, _)| *place).collect();
        self.lines.extend(lines);
        let spec = self.run().map(|run| &run.spec);
        let provider = provider_of(model);
        let name = match spec {
            Some(spec) if spec.is_comparison() => format!("inference:{}", provider.last_part()),
            Some(_) | None => format!("chat {}", provider.model),
        };
        let call = ModelSpan {
            model: model.clone(),
            call,
            attempt,
            iteration: *iteration,
            message_count: *message_count,
            dropped_messages: *dropped_messages,
            latency_ms: None,
            time_to_first_chunk_ms: None,
            system,
            sent: sent.unwrap_or_default(),
            answer: None,
            finish_reason: None,
            left_out,
        };
        let settings = spec.map(|spec| &spec.settings);
        let mut list = attributes::of_call(self.session, model, settings, &call);
        list.extend(fallback_from.as_deref().map(attributes::fallback_from));
        let ids = (span_id(self.trace_id, Some((call.call, attempt))), Some(self.root_id));
        let span = Span::begun(ids, name, record.at, list);
        self.calls.push(Span { kind: SpanKind::Client, model: Some(call), ..span });
    }

    /// Spans of the agent's own code, below the attempt in which they were opened.
    fn nest(&mut self, attempt: (CallId, u32), parent: SpanId, opened: &[UserSpan]) {
        let (call, attempt) = attempt;
        let ids: Vec<SpanId> =
            (0..opened.len()).map(|place| user_span_id(self.trace_id, (call, attempt), place)).collect();
        for (span, id) in opened.iter().zip(&ids) {
            let above = span.parent.and_then(|place| ids.get(usize::try_from(place).ok()?));
            // How long the attempt took was measured beside its spans: it begins with the first of them at the latest.
            if above.is_none()
                && let Some(attempt) = self.calls.iter_mut().rfind(|span| span.span_id == parent)
            {
                attempt.started_at = attempt.started_at.min(span.started_at);
            }
            let ids = (*id, Some(*above.unwrap_or(&parent)));
            let attributes = attributes::of_fields(&span.fields);
            let mut nested = Span::begun(ids, span.name.clone(), span.started_at, attributes);
            if span.is_error {
                // An event of level `ERROR` came.
                nested.fail(span.ended_at, OTHER);
            } else {
                nested.end(span.ended_at, SpanStatus::Unset);
            }
            self.calls.push(nested);
        }
    }

    fn open_span(&mut self, call: CallId, attempt: u32) -> Option<&mut Span> {
        self.calls.iter_mut().rev().find(|span| {
            let is_meant = |model: &ModelSpan| model.call == call && model.attempt == attempt;
            span.ended_at.is_none() && span.model.as_ref().is_some_and(is_meant)
        })
    }

    /// Ends the attempts without an outcome: of one call, or of all. No crash cuts off a wait for a person.
    fn close_open(&mut self, only: Option<CallId>, end: impl Fn(&mut Span)) {
        for span in self.calls.iter_mut().filter(|span| span.ended_at.is_none() && span.wait.is_none()) {
            if only.is_none() || only == span.call() {
                end(span);
            }
        }
    }

    /// Ends the waits of a run that is over.
    fn close_waits(&mut self, at: TimeMs) {
        let waits = self.calls.iter_mut().filter(|span| span.ended_at.is_none() && span.wait.is_some());
        waits.for_each(|span| span.cancel(at));
    }

    fn finish(self) -> Option<Trace> {
        let run = self.run()?;
        let spec = &run.spec;
        let finish_reason = self.calls.iter().rev().find_map(|span| span.model.as_ref()?.finish_reason);
        let attributes = attributes::of_run(self.session, self.life, run, finish_reason);
        let name = format!("invoke_agent {}", spec.agent);
        let mut root = Span {
            events: self.events.clone(),
            usage: Some(run.usage.clone()),
            ..Span::begun((self.root_id, None), name, run.accepted_at, attributes)
        };
        let mut end = None;
        if let (Some(ending), Some(at)) = (run.ending(), run.ended_at) {
            match ending.status {
                RunStatus::Succeeded => root.end(at, SpanStatus::Ok),
                RunStatus::Cancelled => root.end(at, SpanStatus::Unset),
                RunStatus::Failed | RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => {
                    root.fail(at, ending.stop_reason.as_str());
                }
            }
            root.error_message = ending.error.as_ref().map(|error| error.message.clone());
            end = Some((ending.stop_reason, ending.result.clone()));
        }
        let (stop_reason, result) = end.map_or((None, None), |(reason, result)| (Some(reason), result));
        let task = self.transcript.task(run).to_owned();
        Some(Trace {
            trace_id: self.trace_id,
            session: self.session.to_owned(),
            run: self.run,
            agent: spec.agent.clone(),
            model: spec.model.clone(),
            answered_by: run.answered_by().map(str::to_owned),
            name: format!("agent: {}", task.chars().take(NAME_CHARS).collect::<String>()),
            task,
            status: run.status(),
            stop_reason,
            started_at: root.started_at,
            called_at: run.begun_at,
            ended_at: root.ended_at,
            resumed: run.resumed,
            usage: run.usage.clone(),
            iterations: run.iterations,
            attempts: run.attempts,
            metadata: spec.metadata.clone(),
            spans: std::iter::once(root).chain(self.calls).collect(),
            result,
            systems: self.systems,
            lines: self.lines,
            transcript: self.transcript,
        })
    }
}

/// Gives an attempt its outcome, with the times at which it really ran. `answer` is the place of its message.
fn settle(span: &mut Span, outcome: &Entry, answer: Option<usize>) {
    match outcome {
        Entry::ModelAnswered {
            finish_reason,
            usage,
            latency_ms,
            r#final,
            timing,
            response_id,
            response_model,
            ..
        } => {
            span.started_at = timing.started_at;
            span.end(timing.ended_at, SpanStatus::Ok);
            span.usage = Some(usage.clone());
            let first_chunk_ms = timing.first_chunk_at.map(|at| at.saturating_sub(timing.started_at));
            if let Some(model) = &mut span.model {
                model.latency_ms = Some(*latency_ms);
                model.time_to_first_chunk_ms = first_chunk_ms;
                model.answer = answer;
                model.finish_reason = Some(attributes::finish_reason_word(*finish_reason));
            }
            let response = attributes::Response {
                finish_reason: *finish_reason,
                rule: *r#final,
                id: response_id.as_deref(),
                model: response_model.as_deref(),
                first_chunk_ms,
            };
            span.attributes.extend(attributes::of_answer(&response, usage));
        }
        Entry::ModelFailed { error_type, message, timing, usage, .. } => {
            span.started_at = timing.started_at;
            if let Some(usage) = usage {
                attributes::push_usage(&mut span.attributes, usage);
                span.usage = Some(usage.clone());
            }
            span.fail(timing.ended_at, error_type.as_str());
            span.error_message = Some(message.clone());
            if let (Some(model), Some(at)) = (&mut span.model, timing.first_chunk_at) {
                let first_chunk_ms = at.saturating_sub(timing.started_at);
                model.time_to_first_chunk_ms = Some(first_chunk_ms);
                span.attributes.push(attributes::time_to_first_chunk(first_chunk_ms));
            }
        }
        Entry::RunAccepted { .. }
        | Entry::ModelCalled { .. }
        | Entry::ToolCalled { .. }
        | Entry::ToolAnswered { .. }
        | Entry::ToolFailed { .. }
        | Entry::ToolsListed { .. }
        | Entry::ToolPending { .. }
        | Entry::ApprovalRequested { .. }
        | Entry::ApprovalResolved { .. }
        | Entry::RunResumed { .. }
        | Entry::RunSteered { .. }
        | Entry::CancelRequested { .. }
        | Entry::RunEnded { .. }
        | Entry::TraceSent { .. }
        | Entry::TraceFlushed { .. }
        | Entry::TraceFailed { .. } => {}
    }
}
