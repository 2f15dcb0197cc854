//! The spans of what a run does beside asking models: its calls of tools, and its waits for a person.

use longhaul_core::{CallId, Entry, Record, RequestKind, TimeMs, ToolError, ToolOffer, Usage};
use serde_json::Value as Json;

use crate::{
    attributes,
    ids::{SpanId, TraceId, span_id, wait_span_id},
    span::{IN_DOUBT, INTERRUPTED, OTHER, Span, SpanKind, SpanStatus, ToolSpan, WaitSpan},
};

/// The codes that a tool's call can come to: a word beside them could have any number of values.
const CODES: [&str; 11] = [
    "invalid_arguments",
    "unknown_tool",
    "denied",
    "refused",
    "budget",
    "repeated",
    CANCELLED,
    "failed",
    "timeout",
    IN_DOUBT,
    "too_large",
];
const CANCELLED: &str = "cancelled";
/// What an attempt comes to that a server refused for want of a person's leave.
const UNAUTHORIZED: &str = "unauthorized";
/// Decisions that no person took.
const EXPIRED: &str = "expired";
const WITHDRAWN: &str = "withdrawn";

/// The run in which something is done.
pub(crate) struct Scene<'a> {
    pub(crate) session: &'a str,
    pub(crate) trace_id: TraceId,
    pub(crate) root_id: SpanId,
    /// Answers that the run has.
    pub(crate) iterations: u32,
}

/// Opens or ends the span that an entry tells of; one of a model changes nothing.
pub(crate) fn take(spans: &mut Vec<Span>, scene: &Scene<'_>, record: &Record, offers: &[ToolOffer]) {
    let at = record.at;
    let offered = |tool: &str| offers.iter().find(|offer| offer.name == tool);
    let described = |tool: &str| offered(tool).and_then(|offer| offer.description.as_deref());
    match &record.entry {
        Entry::ToolCalled {
            call,
            attempt,
            iteration,
            tool,
            server,
            arguments,
            effect,
            verdict,
            rule,
            cost_usd,
            tool_call_id,
        } => {
            let tool = ToolSpan {
                tool: tool.clone(),
                call: *call,
                attempt: *attempt,
                // The oldest journals do not say it.
                iteration: if *iteration == 0 { scene.iterations } else { *iteration },
                effect: *effect,
                tool_call_id: tool_call_id.clone(),
                latency_ms: None,
                arguments: Some(arguments.clone()),
                result: None,
            };
            let description = described(&tool.tool);
            let mut span = tool_span(scene, at, tool, description);
            span.attributes.extend(attributes::of_leave(*verdict, rule.as_deref()));
            span.attributes.extend(server.as_deref().map(attributes::of_server));
            if let Some(cost_usd) = *cost_usd {
                let usage = Usage { cost_usd: Some(cost_usd), ..Usage::default() };
                attributes::push_usage(&mut span.attributes, &usage);
                span.usage = Some(usage);
            }
            spans.push(span);
        }
        Entry::ToolAnswered {
            call,
            attempt,
            tool,
            result,
            error,
            rule,
            by,
            result_bytes,
            result_digest: _,
            latency_ms,
            tool_call_id,
            observed: _,
        } => {
            if by.as_deref().is_some_and(is_person) && answer_of_a_person(spans, *call, result.as_ref()) {
                return;
            }
            let known = spans.iter().rposition(|span| is_attempt(span, *call, *attempt));
            let place = known.unwrap_or_else(|| {
                // Nothing was done: the span says when and why.
                let (arguments, description) = (asked_before(spans, *call), described(tool));
                let tool = ToolSpan {
                    tool: tool.clone(),
                    call: *call,
                    attempt: *attempt,
                    iteration: scene.iterations,
                    effect: offered(tool).map(|offer| offer.effect),
                    tool_call_id: tool_call_id.clone(),
                    latency_ms: None,
                    arguments,
                    result: None,
                };
                spans.push(tool_span(scene, at, tool, description));
                spans.len() - 1
            });
            let span = &mut spans[place];
            if let (0, Some(rule)) = (attempt, rule) {
                span.attributes.extend(attributes::of_denial(rule));
            }
            let was_settled = span.ended_at.is_some() && span.error_type != Some(INTERRUPTED);
            answered(span, at, (*latency_ms, result.as_ref(), error.as_ref()));
            if !was_settled {
                span.attributes.extend(attributes::of_result(*result_bytes, by.as_deref()));
            }
        }
        Entry::ToolFailed { call, attempt, error, latency_ms, .. } => {
            if let Some(span) = spans.iter_mut().rfind(|span| is_attempt(span, *call, *attempt)) {
                answered(span, at, (*latency_ms, None, Some(error)));
            }
        }
        Entry::ToolsListed { call, attempt, error, latency_ms, .. } => {
            if let Some(span) = spans.iter_mut().rfind(|span| is_attempt(span, *call, *attempt)) {
                answered(span, at, (*latency_ms, None, error.as_ref()));
            }
        }
        // It did what it was to do: the call goes on in another attempt.
        Entry::ToolPending { call, attempt, latency_ms, .. } => {
            if let Some(span) = spans.iter_mut().rfind(|span| is_attempt(span, *call, *attempt)) {
                answered(span, at, (*latency_ms, None, None));
            }
        }
        Entry::ApprovalRequested {
            call,
            attempt,
            kind,
            tool,
            arguments,
            digest,
            summary,
            schema: _,
            url: _,
            rule,
            by_another,
            effect,
            expires_at,
            tool_call_id,
        } => {
            let kind = kind.unwrap_or_default();
            if kind == RequestKind::Authorize
                && let Some(span) = spans.iter_mut().rfind(|span| is_attempt(span, *call, *attempt))
                && span.ended_at.is_none()
            {
                span.refail(at, UNAUTHORIZED);
            }
            if kind == RequestKind::InDoubt
                && let Some(span) = spans.iter_mut().rfind(|span| is_attempt(span, *call, *attempt))
            {
                // Nobody knows what it did, whatever a person says of it later.
                span.refail(span.ended_at.unwrap_or(at), IN_DOUBT);
            }
            let nth = spans.iter().filter(|span| is_wait(span, *call)).count();
            let wait = WaitSpan {
                tool: tool.clone(),
                call: *call,
                seq: record.seq,
                kind,
                effect: *effect,
                digest: digest.clone(),
                rule: rule.clone(),
                by_another: *by_another,
                tool_call_id: tool_call_id.clone(),
                expires_at: *expires_at,
                summary: summary.clone(),
                arguments: arguments.clone(),
                decision: None,
                by: None,
                edited: None,
                reason: None,
                result: None,
            };
            spans.push(wait_span(scene, at, nth, wait));
        }
        Entry::ApprovalResolved { call, decision, arguments, input, reason, by } => {
            let open = |span: &&mut Span| span.ended_at.is_none() && is_wait(span, *call);
            if let Some(span) = spans.iter_mut().rev().find(open) {
                decided(span, at, (decision, by));
                if let Some(wait) = &mut span.wait {
                    wait.reason.clone_from(reason);
                    wait.edited.clone_from(arguments);
                    wait.result.clone_from(input);
                }
            }
        }
        Entry::RunAccepted { .. }
        | Entry::ModelCalled { .. }
        | Entry::ModelAnswered { .. }
        | Entry::ModelFailed { .. }
        | Entry::RunResumed { .. }
        | Entry::RunSteered { .. }
        | Entry::CancelRequested { .. }
        | Entry::RunEnded { .. }
        | Entry::TraceSent { .. }
        | Entry::TraceFlushed { .. }
        | Entry::TraceFailed { .. } => {}
    }
}

fn tool_span(scene: &Scene<'_>, at: TimeMs, tool: ToolSpan, description: Option<&str>) -> Span {
    let ids = (span_id(scene.trace_id, Some((tool.call, tool.attempt))), Some(scene.root_id));
    let attributes = attributes::of_tool(scene.session, &tool, description);
    // MCP's semantic convention names a request after its method.
    let (name, kind) = match tool.is_listing() {
        true => (tool.tool.clone(), SpanKind::Client),
        false => (["execute_tool ", &tool.tool].concat(), SpanKind::Internal),
    };
    let span = Span::begun(ids, name, at, attributes);
    Span { kind, tool: Some(Box::new(tool)), ..span }
}

fn wait_span(scene: &Scene<'_>, at: TimeMs, nth: usize, wait: WaitSpan) -> Span {
    let ids = (wait_span_id(scene.trace_id, wait.call, nth), Some(scene.root_id));
    let attributes = attributes::of_wait(scene.session, &wait);
    let span = Span::begun(ids, format!("await_approval {}", wait.tool), at, attributes);
    Span { wait: Some(Box::new(wait)), ..span }
}

/// Gives an attempt its outcome. One that a crash cut off has ended, and learns what it came to.
fn answered(
    span: &mut Span,
    at: TimeMs,
    (latency_ms, result, error): (u64, Option<&Json>, Option<&ToolError>),
) {
    let was_open = span.ended_at.is_none();
    if !was_open && span.error_type != Some(INTERRUPTED) {
        return;
    }
    let ended_at = span.ended_at.unwrap_or(at);
    let Some(error) = error else {
        span.succeed(ended_at);
        if let Some(tool) = &mut span.tool {
            tool.result = result.cloned();
            // Of one that was cut off, it is how long it took to find out.
            tool.latency_ms = was_open.then_some(latency_ms);
        }
        if was_open {
            // It may have waited for its turn: the time that it took is counted from its end.
            span.started_at = span.started_at.max(ended_at.saturating_sub(latency_ms));
        }
        return;
    };
    let (code, message) = coded(error);
    if code == CANCELLED {
        if was_open {
            span.cancel(at);
        }
        return;
    }
    if was_open && latency_ms > 0 {
        span.started_at = span.started_at.max(at.saturating_sub(latency_ms));
    }
    span.refail(ended_at, code);
    span.error_message = Some(message.to_owned());
}

/// Gives a wait the result that a person gave its call: nobody knows what the tool did, so its own span stays as it is.
/// Whether there is such a wait.
fn answer_of_a_person(spans: &mut [Span], call: CallId, result: Option<&Json>) -> bool {
    let latest = spans.iter_mut().rev().find(|span| is_wait(span, call));
    let Some(wait) = latest.and_then(|span| span.wait.as_mut()) else { return false };
    wait.result = result.cloned();
    true
}

/// Whether somebody decided, not the runtime.
fn is_person(by: &str) -> bool {
    !by.starts_with("system:")
}

/// Ends a wait with what was decided. A denial is an answer like any other.
fn decided(span: &mut Span, at: TimeMs, (decision, by): (&str, &str)) {
    match decision {
        WITHDRAWN => span.cancel(at),
        EXPIRED => span.fail(at, EXPIRED),
        _ => span.end(at, SpanStatus::Ok),
    }
    span.attributes.extend(attributes::of_decision(decision, by));
    if let Some(wait) = &mut span.wait {
        (wait.decision, wait.by) = (Some(decision.to_owned()), Some(by.to_owned()));
    }
}

/// The arguments that a person was shown of a call that was not made.
fn asked_before(spans: &[Span], call: CallId) -> Option<Json> {
    let waits = spans.iter().rev().filter_map(|span| span.wait.as_ref());
    waits.filter(|wait| wait.call == call).map(|wait| wait.arguments.clone()).next()
}

fn coded(error: &ToolError) -> (&'static str, &str) {
    let known = CODES.into_iter().find(|known| *known == error.code());
    (known.unwrap_or(OTHER), error.message())
}

fn is_attempt(span: &Span, call: CallId, attempt: u32) -> bool {
    span.tool.as_ref().is_some_and(|tool| tool.call == call && tool.attempt == attempt)
}

fn is_wait(span: &Span, call: CallId) -> bool {
    span.wait.as_ref().is_some_and(|wait| wait.call == call)
}
