//! What becomes of a tool's call: it returned, it failed, it was cut off.

use std::rc::Rc;

use crate::{
    backoff::TOOL_RETRY,
    decide::{
        after::Stop,
        budget::afford,
        calls::{Told, again, answer, listed, refuse, unknown},
        draft::Draft,
        ending::end_now,
        follow::follow,
        gate::{judge, request},
        outcome::Seen,
    },
    entry::{Entry, Observed, StopReason, Timing},
    ids::{CallRef, RunId, TimeMs},
    input::{Command, Found, Pending, ToolOrder, ToolOutcome, Wait},
    limits,
    state::call::{Call, Recovery},
    tool::{InDoubt, Question, RequestKind, ToolAsk, ToolError, Verdict},
};

/// Who speaks where a tool said what became of a call that was cut off.
const RECONCILE: &str = "system:reconcile";

/// A tool returned, or was stopped.
pub(crate) fn returned(d: &mut Draft<'_>, call: CallRef, outcome: ToolOutcome, seen: Seen) {
    let Some((awaited, ask)) = awaited(d, call) else { return d.ignore() };
    let Seen { timing, observed } = seen;
    let latency_ms = took(timing);
    let told = |outcome, observed| Told { observed, ..Told::new(outcome, latency_ms) };
    match outcome {
        ToolOutcome::Done(value) => answer(d, call, &ask, told(Ok(value), observed)),
        ToolOutcome::Failed(error) => answer(d, call, &ask, told(Err(error), observed)),
        ToolOutcome::Retry { message, after_ms } => {
            let failure = Failure { error: ToolError::failed(message), after_ms, latency_ms, observed };
            failed(d, call, (&awaited, &ask), failure);
        }
        ToolOutcome::Fatal(message) => {
            answer(d, call, &ask, told(Err(ToolError::failed(message.clone())), observed));
            end_now(d, call.run, Stop::tool_failed(StopReason::ToolFailed, &message));
        }
        ToolOutcome::Listed(it) => listed(d, call, &ask, (Ok(*it), latency_ms, observed)),
        ToolOutcome::Pending(pending) => wait(d, call, &ask, (*pending, latency_ms, observed)),
        ToolOutcome::Unauthorized { message, .. }
            if awaited.tries.authorizations >= limits::AUTHORIZATIONS_MAX =>
        {
            answer(d, call, &ask, told(Err(ToolError::failed(message)), observed));
        }
        ToolOutcome::Unauthorized { url, message } => {
            let question = Question { summary: Some(message), url: Some(url), ..Question::default() };
            let about = (RequestKind::Authorize, ToolAsk::clone(&ask), question, limits::APPROVAL_MS_DEFAULT);
            request(d, call.run, (call.call, call.attempt), about);
        }
        ToolOutcome::CutOff => match d.run(call.run).recovery(&awaited) {
            Recovery::Reconcile => reconcile(d, call.run, &awaited),
            Recovery::OutcomeUnknown => doubt(d, call.run, &awaited),
            Recovery::Again | Recovery::GiveUp => {
                let error = ToolError::new("timeout", "the tool did not return in time");
                let failure = Failure { error, after_ms: None, latency_ms, observed };
                failed(d, call, (&awaited, &ask), failure);
            }
        },
    }
    follow(d, call.run);
}

/// A tool said what became of a call that was cut off.
pub(crate) fn reconciled(d: &mut Draft<'_>, call: CallRef, found: Found, timing: Timing) {
    let asked = awaited(d, call).filter(|(it, _)| d.run(call.run).recovery(it) == Recovery::Reconcile);
    let Some((awaited, ask)) = asked else { return d.ignore() };
    let latency_ms = took(timing);
    match found {
        Found::Done(value) => {
            let by = Some(RECONCILE.to_owned());
            answer(d, call, &ask, Told { by, ..Told::new(Ok(value), latency_ms) });
        }
        Found::NotDone if d.run(call.run).is_late(d.now()) => {
            let why = ToolError::new("cancelled", "the call was not made: the run's time is up");
            answer(d, call, &ask, Told::new(Err(why), latency_ms));
        }
        Found::NotDone => match afford(d, call.run, ask.cost_usd) {
            Ok(()) => again(d, call.run, call.call),
            Err(why) => answer(d, call, &ask, Told::new(Err(why), latency_ms)),
        },
        Found::Unknown => doubt(d, call.run, &awaited),
    }
    follow(d, call.run);
}

/// Asks a tool what became of a call.
pub(crate) fn reconcile(d: &mut Draft<'_>, run: RunId, call: &Call) {
    let Some(ask) = call.tool() else { return };
    let give_up_at = d.now().saturating_add(limits::TOOL_TIMEOUT_MS);
    let call = CallRef { run, call: call.id, attempt: call.tries.attempt };
    d.order(Command::Reconcile(ToolOrder { call, ask: ask.clone(), resume: None, give_up_at }));
}

/// Nobody knows what became of a call that must not be made twice: the tool declares who is told.
pub(crate) fn doubt(d: &mut Draft<'_>, run: RunId, call: &Call) {
    let Some(ask) = call.tool() else { return };
    let offer = d.run(run).offer(&ask.tool);
    let (in_doubt, expires_ms) =
        offer.map_or((InDoubt::Tell, 0), |offer| (offer.in_doubt, offer.expires_ms()));
    match in_doubt {
        InDoubt::Ask => {
            // To have it made again takes who could approve it.
            let question = match judge(d, run, &ask.tool, &ask.arguments) {
                Some(Verdict::Ask(question)) => Question { rule: None, ..question },
                Some(Verdict::Allow { .. } | Verdict::Deny { .. } | Verdict::Invalid(_)) | None => {
                    Question::default()
                }
            };
            let about = (RequestKind::InDoubt, ToolAsk::clone(ask), question, expires_ms);
            request(d, run, (call.id, call.tries.attempt), about);
        }
        InDoubt::Tell => refuse(d, run, (call.id, call.tries.attempt), ask, unknown()),
        InDoubt::Fail => {
            refuse(d, run, (call.id, call.tries.attempt), ask, unknown());
            let text = format!("a call of {} was cut off; whether it did anything is unknown", ask.tool);
            end_now(d, run, Stop::tool_failed(StopReason::ToolInDoubt, &text));
        }
    }
}

/// A call goes on at its server: it is looked after later, or when a person has answered.
fn wait(
    d: &mut Draft<'_>,
    call: CallRef,
    ask: &ToolAsk,
    (pending, latency_ms, observed): (Pending, u64, Observed),
) {
    let Pending { handle, is_repeatable: repeatable, wait } = pending;
    let (retry_at, question) = match wait {
        Wait::Poll { after_ms } => (Some(d.now().saturating_add(after_ms)), None),
        Wait::Input { message, schema, url } => {
            (None, Some(Question { summary: Some(message), schema, url, ..Question::default() }))
        }
    };
    let CallRef { run, call, attempt } = call;
    let tool = ask.tool.clone();
    d.write(
        run,
        Entry::ToolPending { call, attempt, tool, retry_at, handle, repeatable, latency_ms, observed },
    );
    if let Some(question) = question {
        let about = (RequestKind::Input, ask.clone(), question, limits::APPROVAL_MS_DEFAULT);
        request(d, run, (call, attempt), about);
    }
}

/// The call of which an attempt is in flight, and what it asks; `None` for one of a model.
fn awaited(d: &Draft<'_>, call: CallRef) -> Option<(Call, Rc<ToolAsk>)> {
    let awaited = d.awaited(call)?;
    let ask = awaited.tool()?.clone();
    Some((awaited, ask))
}

fn took(timing: Timing) -> u64 {
    timing.ended_at.saturating_sub(timing.started_at)
}

/// How an attempt failed that may be made again.
struct Failure {
    error: ToolError,
    after_ms: Option<u64>,
    latency_ms: u64,
    observed: Observed,
}

/// An attempt failed: another one is made later, or the model is told.
fn failed(d: &mut Draft<'_>, call: CallRef, (awaited, ask): (&Call, &ToolAsk), failure: Failure) {
    let Failure { error, after_ms, latency_ms, observed } = failure;
    let Some(at) = retry_at(d, call.run, awaited, after_ms) else {
        return answer(d, call, ask, Told { observed, ..Told::new(Err(error), latency_ms) });
    };
    let entry = Entry::ToolFailed {
        call: call.call,
        attempt: call.attempt,
        tool: ask.tool.clone(),
        error,
        retry_at: Some(at),
        latency_ms,
        observed,
    };
    d.write(call.run, entry);
}

/// When a call whose attempt failed now is made again; `None` where it is not.
fn retry_at(d: &Draft<'_>, run: RunId, call: &Call, after_ms: Option<u64>) -> Option<TimeMs> {
    let (now, tries) = (d.now(), call.tries);
    let wait_ms = TOOL_RETRY.wait_ms(tries.failures + 1, after_ms, d.seed());
    let at = now.saturating_add(wait_ms);
    let ends_at = tries.first_failure_at.unwrap_or(now).saturating_add(limits::TOOL_PATIENCE_MS);
    let is_in_time = at <= ends_at && d.run(run).deadline_at().is_none_or(|deadline| at < deadline);
    (is_in_time && tries.failures + 1 < limits::TOOL_ATTEMPTS_MAX).then_some(at)
}
