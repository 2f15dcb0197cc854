//! The journals that stand for this version: every entry, every variant, each optional field present and absent. Each
//! struct is written out, without a rest: whoever adds a field or a variant is led here by the compiler.

mod estimated;
mod imported;
mod output;
mod refusals;
mod servers;
mod settings;
mod spent;
mod steered;
mod told;

use std::collections::BTreeMap;

use longhaul_core::{
    CallId, Cause, Effect, Entry, Fallback, FaultKind, FinalRule, FinishReason, Gateway, INDEX_SINK,
    Idempotency, InDoubt, Leave, Life, Message, Observed, OnExpiry, Record, RequestKind, Role, RunError,
    RunId, RunSettings, RunStatus, Seq, StopReason, Timing, ToolCall, ToolError, ToolOffer, Usage, UserSpan,
};
use serde_json::{Value, json};

pub(crate) use estimated::estimated;
pub(crate) use imported::imported;
pub(crate) use output::output;
pub(crate) use refusals::{REFUSALS, refusals};
pub(crate) use servers::servers;
use settings::{bare_settings, full_settings, open_settings};
pub(crate) use spent::spent;
pub(crate) use steered::steered;
pub(crate) use told::told;

/// When the stories begin.
const BEGINNING: u64 = 1_790_000_000_000;

/// All variants of an enum, as the compiler knows them.
macro_rules! all {
    ($name:ident: $($variant:ident),+ $(,)?) => {{
        let all = [$($name::$variant),+];
        for one in all {
            match one { $($name::$variant)|+ => {} }
        }
        all
    }};
}

/// A session of many runs, one for each reason to end; one is under way and one is queued.
pub(crate) fn session() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    story.row(0, vec![story.accepted(1, full_settings()), called(1, 1, 1, 0)]);
    story.row(100, vec![(2, accepted_bare("What is a tide?"))]);
    let transient = [FaultKind::Connection, FaultKind::Timeout, FaultKind::RateLimited];
    for (fault, attempt) in transient.into_iter().zip(1..) {
        story.row(200, vec![(1, failed(1, attempt, fault, Some(400)))]);
        story.row(200, vec![called(1, attempt + 1, 1, 0)]);
    }
    story.row(1_000, vec![resumed(1, Cause::Crash, &[1]), called(1, 5, 1, 0)]);
    story.row(300, vec![answered_full(1, 1, 5, 1, None), (1, model_called(2, 1, 2, 2))]);
    let transient = [FaultKind::Truncated, FaultKind::ServerError, FaultKind::EmptyResponse];
    for (fault, attempt) in transient.into_iter().zip(1..) {
        story.row(200, vec![(1, failed(2, attempt, fault, Some(400)))]);
        story.row(200, vec![(1, model_called(2, attempt + 1, 2, 2))]);
    }
    // Earlier versions noted an eviction; later ones read it.
    story.row(1_000, vec![resumed(1, Cause::Eviction, &[]), (1, model_called(2, 5, 2, 2))]);
    story.row(1_000, vec![resumed(1, Cause::Panic, &[2]), (1, model_called(2, 6, 2, 2))]);
    let done = answered_full(1, 2, 6, 2, Some(FinalRule::Done));
    story.row(900, vec![done, ended_full(1), (2, model_called(3, 1, 1, 0))]);
    story.deliveries_of_the_first_run();
    story.row(50, vec![answered_bare(2, 3), ended(2, StopReason::MaxIterations)]);
    story.a_run_for_each_reason_to_end();
    story.tools();
    let last = story.runs + 1;
    story.row(60_000, vec![story.accepted(last, open_settings()), called(last, story.calls + 1, 1, 0)]);
    story.row(10, vec![(last + 1, accepted_bare("Still in the queue."))]);
    story.rows
}

/// A comparison of which one model answered, one failed, one waits and one is asked.
pub(crate) fn comparison() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let models = ["openai:tiny", "openai:small", "openai:large", "openai:huge"];
    let mut settings = open_settings();
    settings.sample_ratio = Some(0.25);
    let accepted = Entry::RunAccepted {
        task: "Which is the longest river?".to_owned(),
        agent: "default".to_owned(),
        model: models.join(","),
        models: models.iter().map(|model| (*model).to_owned()).collect(),
        max_iterations: 1,
        metadata: BTreeMap::new(),
        settings,
        sampled_out: true,
        idempotency: None,
        life: None,
        by: None,
    };
    let compared = |call: u32, attempt: u32| Entry::ModelCalled {
        call: CallId(call),
        attempt,
        iteration: 1,
        model: models[call as usize - 1].to_owned(),
        message_count: 1,
        dropped_messages: 0,
        fallback_from: None,
        reserved: None,
        last: false,
    };
    let calls = (1..=4).map(|call| (1, compared(call, 1)));
    story.row(0, std::iter::once((1, accepted)).chain(calls).collect());
    story.row(400, vec![answered_full(1, 1, 1, 1, None)]);
    story.row(10, vec![(1, failed(2, 1, FaultKind::Refused, None))]);
    story.row(10, vec![resumed(1, Cause::Crash, &[3, 4]), (1, compared(3, 2)), (1, compared(4, 2))]);
    story.row(10, vec![(1, failed(3, 2, FaultKind::RateLimited, Some(2_000)))]);
    story.rows
}

/// A session that says which life it is: its second run, which is under way, has no word of it.
pub(crate) fn life() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let (_, mut first) = story.accepted(1, open_settings());
    if let Entry::RunAccepted { life, .. } = &mut first {
        *life = Some(Life(0x0f1e_2d3c_4b5a_6978));
    }
    story.row(0, vec![(1, first), called(1, 1, 1, 0)]);
    story.row(900, vec![answered_bare(1, 1), ended(1, StopReason::MaxIterations)]);
    let (_, mut second) = story.accepted(2, open_settings());
    if let Entry::RunAccepted { life, sampled_out, .. } = &mut second {
        (*life, *sampled_out) = (None, false);
    }
    story.row(1_000, vec![(2, second), called(2, 2, 1, 0)]);
    story.rows
}

/// A session whose first model is given up, and whose second is asked.
pub(crate) fn fallback() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let fallback = |model: &str, context_tokens| Fallback { model: model.to_owned(), context_tokens };
    let settings = RunSettings {
        retry_patience_ms: Some(900_000),
        fallbacks: vec![fallback("openai:small", Some(8_000)), fallback("openai:large", None)],
        rates: Vec::new(),
        final_answer: false,
        session_budget: None,
        tenant_day: None,
        imported: None,
        ..open_settings()
    };
    story.row(0, vec![story.accepted(1, settings), called(1, 1, 1, 0)]);
    let mut begun = failed(1, 1, FaultKind::Connection, Some(400));
    if let Entry::ModelFailed { usage, begun, .. } = &mut begun {
        (*usage, *begun) = (Some(full_usage()), true);
    }
    story.row(200, vec![(1, begun)]);
    story.row(200, vec![called(1, 1, 2, 0)]);
    let mut taken_over = model_called(1, 3, 1, 0);
    if let Entry::ModelCalled { model, fallback_from, .. } = &mut taken_over {
        *fallback_from = Some(std::mem::replace(model, "openai:small".to_owned()));
    }
    let mut last = failed(1, 2, FaultKind::RateLimited, None);
    if let Entry::ModelFailed { usage, .. } = &mut last {
        *usage = Some(bare_usage());
    }
    story.row(60_000, vec![(1, last), (1, taken_over)]);
    story.row(200, vec![(1, failed(1, 3, FaultKind::ServerError, Some(61_000)))]);
    let mut again = model_called(1, 4, 1, 0);
    if let Entry::ModelCalled { model, .. } = &mut again {
        *model = "openai:small".to_owned();
    }
    story.row(200, vec![(1, again)]);
    story.rows
}

/// Reasons to end that came with tools.
const OF_TOOLS: [StopReason; 3] =
    [StopReason::ToolInDoubt, StopReason::LoopDetected, StopReason::ApprovalExpired];

/// A session whose models call tools about which people are asked.
pub(crate) fn tools() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let offers = vec![
        ToolOffer::new("look", Effect::Read),
        ToolOffer {
            remote: None,
            name: "pay".to_owned(),
            effect: Effect::Once,
            approval_ms: Some(60_000),
            description: Some("Pays.".to_owned()),
            parameters: Some(json!({"type": "object"})),
            timeout_ms: Some(5_000),
            alone: true,
            may_repeat: true,
            reconciles: true,
            in_doubt: InDoubt::Ask,
            on_expiry: OnExpiry::Fail,
        },
    ];
    let mut settings = RunSettings { tools: offers, ..open_settings() };
    settings.budget.tool_calls = Some(5);
    let mut accepted = story.accepted(1, settings).1;
    if let Entry::RunAccepted { by, .. } = &mut accepted {
        *by = Some("acme/ann".to_owned());
    }
    story.row(0, vec![(1, accepted), called(1, 1, 1, 0)]);
    let asked = |name: &str, id: &str| ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: r#"{"cents": 7}"#.to_owned(),
    };
    let (_, mut answer) = answered_bare(1, 1);
    if let Entry::ModelAnswered { message, .. } = &mut answer {
        message.tool_calls = vec![asked("look", "a"), asked("pay", "b")];
    }
    let look = |attempt| Entry::ToolCalled {
        server: None,
        call: CallId(2),
        attempt,
        iteration: 1,
        tool: "look".to_owned(),
        arguments: json!({"cents": 7}),
        effect: Some(Effect::Read),
        verdict: Some(Leave::Allow),
        rule: None,
        cost_usd: None,
        tool_call_id: Some("a".to_owned()),
    };
    story.row(100, vec![(1, answer), (1, look(1))]);
    let error = ToolError::failed("no network");
    let failed = Entry::ToolFailed {
        call: CallId(2),
        attempt: 1,
        tool: "look".to_owned(),
        error: error.clone(),
        retry_at: Some(BEGINNING + 300),
        latency_ms: 9,
        observed: Observed::default(),
    };
    story.row(100, vec![(1, failed)]);
    story.row(100, vec![(1, look(2))]);
    let answered =
        |call, attempt, tool: &str, (result, error, by): (Option<Value>, Option<ToolError>, Option<&str>)| {
            Entry::ToolAnswered {
                call: CallId(call),
                attempt,
                tool: tool.to_owned(),
                result_bytes: result.as_ref().map(|value| value.to_string().len() as u64),
                result,
                rule: error.is_some().then(|| "/rules/0".to_owned()),
                error,
                by: by.map(str::to_owned),
                latency_ms: 9,
                tool_call_id: Some(if call == 2 { "a" } else { "b" }.to_owned()),
                result_digest: by.map(|_| "d2".to_owned()),
                observed: Observed { gateway: None, spans: by.map_or_else(Vec::new, |_| user_spans()) },
            }
        };
    let asked = |attempt, kind, whole: bool| Entry::ApprovalRequested {
        schema: None,
        url: None,
        call: CallId(3),
        attempt,
        kind,
        tool: "pay".to_owned(),
        arguments: json!({"cents": 7}),
        digest: whole.then(|| "d1".to_owned()),
        summary: whole.then(|| "Pays 7 cents".to_owned()),
        rule: whole.then(|| "/rules/0".to_owned()),
        by_another: whole,
        effect: Some(Effect::Once),
        expires_at: Some(BEGINNING + 60_000),
        tool_call_id: Some("b".to_owned()),
    };
    let row = vec![(1, answered(2, 2, "look", (None, Some(error), None))), (1, asked(0, None, true))];
    story.row(100, row);
    let resolved = |decision: &str, arguments| Entry::ApprovalResolved {
        input: None,
        call: CallId(3),
        decision: decision.to_owned(),
        arguments,
        reason: None,
        by: "acme/lead".to_owned(),
    };
    let pay = |attempt| Entry::ToolCalled {
        server: None,
        call: CallId(3),
        attempt,
        iteration: 1,
        tool: "pay".to_owned(),
        arguments: json!({"cents": 6}),
        effect: Some(Effect::Once),
        verdict: Some(Leave::Approved),
        rule: Some("/rules/0".to_owned()),
        cost_usd: None,
        tool_call_id: Some("b".to_owned()),
    };
    story.row(100, vec![(1, resolved("edited", Some(json!({"cents": 6})))), (1, pay(1))]);
    let in_doubt = asked(1, Some(RequestKind::InDoubt), false);
    let resumed = Entry::RunResumed { cause: Cause::Crash, outstanding: Vec::new() };
    story.row(100, vec![(1, resumed), (1, in_doubt)]);
    story.row(100, vec![(1, resolved("retried", None)), (1, pay(2))]);
    story.row(100, vec![(1, asked(2, Some(RequestKind::InDoubt), false))]);
    let settled = answered(3, 2, "pay", (Some(json!({"paid": true})), None, Some("acme/lead")));
    let row = vec![(1, resolved("settled", None)), (1, settled), (1, model_called(4, 1, 2, 0))];
    story.row(100, row);
    story.calls = 4;
    story.row(100, vec![(1, failed_for_good(4)), ended(1, StopReason::ModelRefused)]);
    for reason in OF_TOOLS {
        let (run, call) = (story.runs + 1, story.calls + 1);
        story.row(100, vec![(run, accepted_bare("Again.")), called(run, call, 1, 0)]);
        story.row(100, vec![(run, failed_for_good(call)), ended(run, reason)]);
    }
    let (run, call) = (story.runs + 1, story.calls + 1);
    story.row(100, vec![(run, accepted_bare("Go on.")), called(run, call, 1, 0)]);
    story.rows
}

fn failed_for_good(call: u32) -> Entry {
    failed(call, 1, FaultKind::Refused, None)
}

/// A journal in the making.
#[derive(Default)]
struct Story {
    rows: Vec<Vec<Record>>,
    seq: u64,
    elapsed_ms: u64,
    runs: u32,
    calls: u32,
}

impl Story {
    fn row(&mut self, after_ms: u64, entries: Vec<(u32, Entry)>) {
        self.elapsed_ms += after_ms;
        let at = BEGINNING + self.elapsed_ms;
        let mut records = Vec::new();
        for (run, entry) in entries {
            self.seq += 1;
            match &entry {
                Entry::RunAccepted { .. } => self.runs = run,
                Entry::ModelCalled { call, .. } | Entry::ToolCalled { call, .. } => {
                    self.calls = self.calls.max(call.0)
                }
                _ => {}
            }
            records.push(Record { seq: Seq(self.seq), run: RunId(run), at, entry });
        }
        self.rows.push(records);
    }

    fn accepted(&self, run: u32, settings: RunSettings) -> (u32, Entry) {
        let metadata: BTreeMap<String, Value> =
            [("customer", json!("42")), ("weight", json!(0.1)), ("paid", json!(true)), ("none", json!(null))]
                .map(|(key, value)| (key.to_owned(), value))
                .into();
        let accepted = Entry::RunAccepted {
            task: "Write a \"haiku\" about tides.\n潮".to_owned(),
            agent: "poet".to_owned(),
            model: "openai:tiny".to_owned(),
            models: Vec::new(),
            max_iterations: 6,
            metadata,
            settings,
            sampled_out: run > 1,
            idempotency: Some(Idempotency { key: format!("6b86b273{run}"), body: "d4735e3a".to_owned() }),
            life: None,
            by: None,
        };
        (run, accepted)
    }

    /// A trace that is taken in parts, late, at last, and never.
    fn deliveries_of_the_first_run(&mut self) {
        let failed = |sink: &str, status, attempt, retry_at: Option<u64>| Entry::TraceFailed {
            sink: sink.to_owned(),
            status,
            attempt,
            retry_at: retry_at.map(|ms| BEGINNING + ms),
            event: None,
        };
        let flushed = |sink: &str, attempt| Entry::TraceFlushed {
            sink: sink.to_owned(),
            spans: 9,
            attempt,
            rejected: 0,
            message: None,
            event: None,
        };
        let sent = |part: &str, id: &str| Entry::TraceSent {
            sink: "nexus".to_owned(),
            part: part.to_owned(),
            remote_id: id.to_owned(),
        };
        for entry in [
            flushed(INDEX_SINK, 1),
            failed("otlp", Some(503), 1, Some(9_000)),
            sent("trace", "t_1"),
            sent("00f067aa0ba902b7", "s_1"),
            failed("nexus", None, 1, Some(9_500)),
            flushed("otlp", 2),
            failed("nexus", Some(401), 2, None),
        ] {
            self.row(20, vec![(1, entry)]);
        }
    }

    fn a_run_for_each_reason_to_end(&mut self) {
        let reasons = all!(StopReason: Done, FinishTool, MaxIterations, BudgetTokens, BudgetCost, BudgetToolCalls,
            Deadline, Cancelled, EmptyResponse, ModelRefused, ModelUnavailable, ToolFailed, ToolInDoubt, LoopDetected,
            ApprovalExpired, OutputInvalid, Denied);
        // The later ones are in the journal of tools.
        let is_elsewhere = |it: &StopReason| OF_TOOLS.contains(it) || *it == StopReason::OutputInvalid;
        let reasons = reasons.into_iter().filter(|reason| !is_elsewhere(reason));
        let faults = all!(FaultKind: Connection, Truncated, Timeout, RateLimited, ServerError, EmptyResponse,
            Refused, Unauthorized, UnknownModel, BadRequest, ContentRefused, Malformed, TooLarge, NotConfigured,
            Interrupted, Aborted);
        let faults: Vec<_> = faults.into_iter().filter(|fault| !REFUSALS.contains(fault)).collect();
        let finishes = all!(FinishReason: Stop, Length, ToolCalls, ContentFilter, Other);
        for (index, reason) in reasons.enumerate() {
            let (run, call) = (self.runs + 1, self.calls + 1);
            self.row(1_000, vec![(run, accepted_bare("Again.")), called(run, call, 1, 0)]);
            let mut row = vec![match reason {
                StopReason::Cancelled => (run, Entry::CancelRequested { by: "ann".to_owned() }),
                StopReason::FinishTool => finished(run, call),
                _ if reason.status() == RunStatus::Failed => {
                    (run, failed(call, 1, faults[index % faults.len()], None))
                }
                _ => answered_bare(run, call),
            }];
            row.push(ended(run, reason));
            self.row(500, row);
        }
        for finish_reason in finishes {
            let (run, call) = (self.runs + 1, self.calls + 1);
            self.row(1_000, vec![(run, accepted_bare("How do you end?")), called(run, call, 1, 0)]);
            let (_, mut answer) = answered_bare(run, call);
            if let Entry::ModelAnswered { finish_reason: stored, .. } = &mut answer {
                *stored = finish_reason;
            }
            self.row(500, vec![(run, answer), ended(run, StopReason::MaxIterations)]);
        }
        for fault in faults {
            let (run, call) = (self.runs + 1, self.calls + 1);
            self.row(1_000, vec![(run, accepted_bare("What went wrong?")), called(run, call, 1, 0)]);
            self.row(500, vec![(run, failed(call, 1, fault, None)), ended(run, StopReason::ModelRefused)]);
        }
    }

    /// Entries that no version has written yet, but that each can read.
    fn tools(&mut self) {
        let (run, call) = (self.runs + 1, self.calls + 1);
        let tool = "search".to_owned();
        let arguments = json!({"query": "tides", "limit": 3});
        self.row(1_000, vec![(run, accepted_bare("Use a tool.")), called(run, call, 1, 0)]);
        self.row(100, vec![answered_bare(run, call)]);
        let (first, second) = (CallId(call + 1), CallId(call + 2));
        let resolved = |call, decision: &str, reason: Option<&str>| Entry::ApprovalResolved {
            input: None,
            call,
            decision: decision.to_owned(),
            reason: reason.map(str::to_owned),
            by: "ann".to_owned(),
            arguments: None,
        };
        let answered = |call, result, error| Entry::ToolAnswered {
            call,
            tool: "search".to_owned(),
            result,
            error,
            attempt: 0,
            latency_ms: 40,
            tool_call_id: None,
            rule: None,
            by: None,
            result_bytes: None,
            result_digest: None,
            observed: Observed::default(),
        };
        for entry in [
            Entry::ApprovalRequested {
                schema: None,
                url: None,
                call: first,
                tool: tool.clone(),
                arguments: arguments.clone(),
                effect: None,
                expires_at: None,
                tool_call_id: None,
                attempt: 0,
                kind: None,
                digest: None,
                summary: None,
                rule: None,
                by_another: false,
            },
            resolved(first, "approve", None),
            Entry::ToolCalled {
                server: None,
                call: first,
                attempt: 0,
                tool: tool.clone(),
                arguments: arguments.clone(),
                effect: None,
                tool_call_id: None,
                iteration: 0,
                verdict: None,
                rule: None,
                cost_usd: None,
            },
            answered(first, Some(json!({"found": ["ebb", 1, null]})), None),
            Entry::ToolCalled {
                server: None,
                call: second,
                attempt: 0,
                tool: tool.clone(),
                arguments: Value::Null,
                effect: None,
                tool_call_id: None,
                iteration: 0,
                verdict: None,
                rule: None,
                cost_usd: None,
            },
            answered(second, None, Some(ToolError::Text("no network".to_owned()))),
            Entry::ApprovalRequested {
                schema: None,
                url: None,
                call: second,
                tool,
                arguments,
                effect: None,
                expires_at: None,
                tool_call_id: None,
                attempt: 0,
                kind: None,
                digest: None,
                summary: None,
                rule: None,
                by_another: false,
            },
            resolved(second, "deny", Some("not today")),
        ] {
            self.row(100, vec![(run, entry)]);
        }
        self.row(10, vec![ended(run, StopReason::Denied)]);
    }
}

fn accepted_bare(task: &str) -> Entry {
    Entry::RunAccepted {
        task: task.to_owned(),
        agent: "default".to_owned(),
        model: "openai:tiny".to_owned(),
        models: Vec::new(),
        max_iterations: 1,
        metadata: BTreeMap::new(),
        settings: bare_settings(),
        sampled_out: false,
        idempotency: None,
        life: None,
        by: None,
    }
}

fn called(run: u32, call: u32, attempt: u32, dropped_messages: u32) -> (u32, Entry) {
    (run, model_called(call, attempt, 1, dropped_messages))
}

fn model_called(call: u32, attempt: u32, iteration: u32, dropped_messages: u32) -> Entry {
    let message_count = 2 * iteration;
    let model = "openai:tiny".to_owned();
    let (call, fallback_from) = (CallId(call), None);
    let (reserved, last) = (None, false);
    Entry::ModelCalled {
        call,
        attempt,
        iteration,
        model,
        message_count,
        dropped_messages,
        fallback_from,
        reserved,
        last,
    }
}

fn failed(call: u32, attempt: u32, error_type: FaultKind, wait_ms: Option<u64>) -> Entry {
    let observed = match (wait_ms, attempt % 2) {
        (None, _) => Observed { gateway: None, spans: Vec::new() },
        (Some(_), 0) => Observed { gateway: None, spans: user_spans() },
        (Some(_), _) => {
            let gateway = Gateway { id: "gw".to_owned(), log_id: (attempt == 1).then(|| "log-1".to_owned()) };
            Observed { gateway: Some(gateway), spans: Vec::new() }
        }
    };
    let first_chunk_at = wait_ms.map(|_| BEGINNING + 100);
    Entry::ModelFailed {
        call: CallId(call),
        attempt,
        error_type,
        message: format!("it was {}", error_type.as_str()),
        retry_at: wait_ms.map(|ms| BEGINNING + ms),
        usage: None,
        begun: false,
        timing: Timing { started_at: BEGINNING, ended_at: BEGINNING + 195, first_chunk_at },
        observed,
    }
}

fn resumed(run: u32, cause: Cause, outstanding: &[u32]) -> (u32, Entry) {
    let _ = all!(Cause: Crash, Eviction, Panic);
    (run, Entry::RunResumed { cause, outstanding: outstanding.iter().copied().map(CallId).collect() })
}

fn answered_full(run: u32, call: u32, attempt: u32, iteration: u32, rule: Option<FinalRule>) -> (u32, Entry) {
    let log_id = (attempt > 1).then(|| "log-2".to_owned());
    let text =
        if rule.is_some() { "Tide comes in,\nTide goes out.\n\nFINIS\n" } else { "潮 \"low\"\nand high" };
    let answered = Entry::ModelAnswered {
        call: CallId(call),
        attempt,
        iteration,
        message: Message::text(Role::Assistant, text),
        finish_reason: FinishReason::Stop,
        usage: full_usage(),
        cost_usd: None,
        latency_ms: 700,
        r#final: rule,
        output_error: None,
        timing: Timing {
            started_at: BEGINNING,
            ended_at: BEGINNING + 700,
            first_chunk_at: Some(BEGINNING + 40),
        },
        response_id: Some("resp-1".to_owned()),
        response_model: Some("tiny-2".to_owned()),
        observed: Observed {
            gateway: rule.is_none().then(|| Gateway { id: "gw".to_owned(), log_id }),
            spans: if attempt == 1 { Vec::new() } else { user_spans() },
        },
    };
    (run, answered)
}

/// A span in another one.
fn user_spans() -> Vec<UserSpan> {
    let fields = [("rows", json!(3)), ("query", json!("tides")), ("hit", json!(false))];
    let outer = UserSpan {
        name: "retrieve".to_owned(),
        parent: None,
        started_at: BEGINNING + 10,
        ended_at: BEGINNING + 90,
        is_error: false,
        fields: BTreeMap::new(),
    };
    let inner = UserSpan {
        name: "query".to_owned(),
        parent: Some(0),
        started_at: BEGINNING + 20,
        ended_at: BEGINNING + 80,
        is_error: true,
        fields: fields.map(|(key, value)| (key.to_owned(), value)).into(),
    };
    vec![outer, inner]
}

fn answered_bare(run: u32, call: u32) -> (u32, Entry) {
    let answered = Entry::ModelAnswered {
        call: CallId(call),
        attempt: 1,
        iteration: 1,
        message: Message::text(Role::Assistant, "Water."),
        finish_reason: FinishReason::Length,
        usage: bare_usage(),
        cost_usd: None,
        latency_ms: 0,
        r#final: None,
        output_error: None,
        timing: Timing { started_at: BEGINNING, ended_at: BEGINNING, first_chunk_at: None },
        response_id: None,
        response_model: None,
        observed: Observed { gateway: None, spans: Vec::new() },
    };
    (run, answered)
}

/// An answer that says nothing but calls `finish`.
fn finished(run: u32, call: u32) -> (u32, Entry) {
    let _ = all!(FinalRule: Done, FinishTool);
    let (_, mut answer) = answered_bare(run, call);
    if let Entry::ModelAnswered { message, finish_reason, r#final, .. } = &mut answer {
        let arguments = "{\"result\":\"finished\"}".to_owned();
        message.content.clear();
        message.tool_calls = vec![ToolCall { id: "c1".to_owned(), name: "finish".to_owned(), arguments }];
        (*finish_reason, *r#final) = (FinishReason::ToolCalls, Some(FinalRule::FinishTool));
    }
    (run, answer)
}

fn full_usage() -> Usage {
    Usage {
        input_tokens: Some(40),
        output_tokens: Some(17),
        total_tokens: Some(57),
        cost_usd: Some(0.181_059_910_265_113_9),
        cached_input_tokens: Some(8),
        cache_write_tokens: None,
        reasoning_tokens: Some(3),
        estimated: false,
    }
}

fn bare_usage() -> Usage {
    Usage {
        input_tokens: None,
        output_tokens: None,
        total_tokens: None,
        cost_usd: None,
        cached_input_tokens: None,
        cache_write_tokens: None,
        reasoning_tokens: None,
        estimated: false,
    }
}

fn ended_full(run: u32) -> (u32, Entry) {
    let ended = Entry::RunEnded {
        status: RunStatus::Succeeded,
        stop_reason: StopReason::Done,
        result: Some("Tide comes in,\nTide goes out.".to_owned()),
        output: None,
        error: None,
        usage: full_usage(),
        iterations: 2,
    };
    (run, ended)
}

fn ended(run: u32, stop_reason: StopReason) -> (u32, Entry) {
    let status = stop_reason.status();
    let error = || RunError { code: stop_reason.as_str().to_owned(), message: "no luck".to_owned() };
    let ended = Entry::RunEnded {
        status,
        stop_reason,
        result: (status == RunStatus::Succeeded).then(|| "Water.".to_owned()),
        output: None,
        error: (status == RunStatus::Failed).then(error),
        usage: bare_usage(),
        iterations: 1,
    };
    (run, ended)
}
