//! What a person decides about a call that waits for them, and what becomes of one about which nobody decides.

use serde_json::Value;

use crate::{
    decide::{
        after::Stop,
        calls::{Told, answer, refuse, unknown},
        draft::Draft,
        ending::{end_now, resolve},
        follow::follow,
        gate::judge,
    },
    entry::{Entry, StopReason},
    ids::{CallId, CallRef, RunId, Seq},
    input::{Decision, Refusal},
    limits,
    schema::{misfits, told_misfits},
    state::call::Call,
    tool::{OnExpiry, Request, RequestKind, ToolAsk, ToolError, Verdict},
};

/// Who decides where nobody did in time.
const EXPIRY: &str = "system:expiry";

/// What somebody decides, and about what.
pub(crate) struct Decided {
    pub(crate) call: CallId,
    pub(crate) request: Option<Seq>,
    pub(crate) decision: Decision,
    pub(crate) digest: Option<String>,
    pub(crate) by: String,
}

/// A person decided about a call that waits for them.
pub(crate) fn decided(d: &mut Draft<'_>, decided: Decided) -> Result<(), Refusal> {
    let Decided { call: id, request, decision, digest, by } = decided;
    let (run, call) = asked_about(d, id, request)?;
    let (Some((request, _)), Some(ask)) = (call.request(), call.tool()) else {
        return Err(Refusal::NoRequest(id));
    };
    if request.by_another && d.run(run).is_of(&by) {
        return Err(Refusal::OwnRequest);
    }
    if digest.is_some() && request.digest.is_some() && digest != request.digest {
        return Err(Refusal::DigestMismatch);
    }
    match (request.kind, decision) {
        (RequestKind::Call, Decision::Approve { arguments: None }) => {
            resolve(d, run, id, ("approved", None, None, by));
        }
        (RequestKind::Call, Decision::Approve { arguments: Some(edited) }) => {
            match judge(d, run, &ask.tool, &edited) {
                // The rules may ask more of these arguments than of those that were shown.
                Some(Verdict::Ask(question)) if question.by_another && d.run(run).is_of(&by) => {
                    return Err(Refusal::OwnRequest);
                }
                Some(Verdict::Allow { .. } | Verdict::Ask(_)) => {}
                Some(Verdict::Deny { reason: why, .. } | Verdict::Invalid(why)) => {
                    return Err(Refusal::EditRefused(why));
                }
                None => return Err(Refusal::EditRefused("there is no such tool any more".to_owned())),
            }
            resolve(d, run, id, ("edited", Some(edited), None, by));
        }
        (RequestKind::Call, Decision::Deny { reason }) => deny(d, run, &call, ("denied", reason, by)),
        (RequestKind::InDoubt, Decision::Settle { result }) => {
            resolve(d, run, id, ("settled", None, None, by.clone()));
            let call = CallRef { run, call: id, attempt: call.tries.attempt };
            answer(d, call, ask, Told { by: Some(by), ..Told::new(Ok(result), 0) });
        }
        (RequestKind::InDoubt, Decision::Retry) => {
            resolve(d, run, id, ("retried", None, None, by));
        }
        (RequestKind::Input, Decision::Answer { input }) => answered(d, (run, id), (request, input), by)?,
        (RequestKind::Input, Decision::Deny { reason }) => resolve(d, run, id, ("denied", None, reason, by)),
        (RequestKind::Authorize, Decision::Retry) => resolve(d, run, id, ("authorized", None, None, by)),
        (RequestKind::Authorize, Decision::Deny { reason }) => deny(d, run, &call, ("denied", reason, by)),
        (RequestKind::Input, Decision::Approve { .. } | Decision::Settle { .. } | Decision::Retry) => {
            return Err(Refusal::WrongDecision { takes: "answer or deny" });
        }
        (
            RequestKind::Authorize,
            Decision::Approve { .. } | Decision::Settle { .. } | Decision::Answer { .. },
        ) => {
            return Err(Refusal::WrongDecision {
                takes: "retry, after the page at its url was visited, or deny",
            });
        }
        (RequestKind::Call, Decision::Settle { .. } | Decision::Retry | Decision::Answer { .. }) => {
            return Err(Refusal::WrongDecision { takes: "approve or deny" });
        }
        (
            RequestKind::InDoubt,
            Decision::Approve { .. } | Decision::Deny { .. } | Decision::Answer { .. },
        ) => {
            return Err(Refusal::WrongDecision { takes: "settle or retry" });
        }
    }
    follow(d, run);
    Ok(())
}

/// A person answered what the server of a tool asks for.
fn answered(
    d: &mut Draft<'_>,
    (run, call): (RunId, CallId),
    (request, input): (&Request, Value),
    by: String,
) -> Result<(), Refusal> {
    if input.to_string().len() > limits::TOOL_ARGUMENTS_BYTES_MAX {
        let text = format!("it has more than {} bytes", limits::TOOL_ARGUMENTS_BYTES_MAX);
        return Err(Refusal::AnswerRefused(text));
    }
    if !input.is_object() {
        return Err(Refusal::AnswerRefused("it is no object".to_owned()));
    }
    let found = request.schema.as_ref().map_or_else(Vec::new, |schema| misfits(schema, &input));
    if !found.is_empty() {
        return Err(Refusal::AnswerRefused(told_misfits(&found)));
    }
    let (decision, arguments, reason) = ("answered".to_owned(), None, None);
    d.write(run, Entry::ApprovalResolved { call, decision, arguments, input: Some(input), reason, by });
    Ok(())
}

/// A person let the deployment use a server: what waits for that goes on.
pub(crate) fn authorized(d: &mut Draft<'_>, server: &str, by: &str) {
    let waits = |call: &Call| {
        let is_asked = call.request().is_some_and(|(request, _)| request.kind == RequestKind::Authorize);
        is_asked && call.tool().is_some_and(|ask| ask.server.as_deref() == Some(server))
    };
    let Some(run) = d.open_runs().find(|run| run.calls().iter().any(waits)) else { return d.ignore() };
    let (run, calls) = (run.id, run.calls().iter().filter(|call| waits(call)).map(|call| call.id));
    for call in calls.collect::<Vec<_>>() {
        resolve(d, run, call, ("authorized", None, None, by.to_owned()));
    }
    follow(d, run);
}

/// The call that a decision is about, with its run.
fn asked_about(d: &Draft<'_>, id: CallId, request: Option<Seq>) -> Result<(RunId, Call), Refusal> {
    let open = d.open_runs().find_map(|run| Some((run.id, run.call(id)?.clone())));
    if let Some((run, call)) = open
        && let Some((asked, _)) = call.request()
        && request.is_none_or(|request| request == asked.seq)
    {
        return Ok((run, call));
    }
    let closed = d.earlier_runs().iter().find_map(|run| Some((run.id, run.closed_request(id, request)?)));
    Err(closed.map_or(Refusal::NoRequest(id), |(run, request)| Refusal::RequestClosed {
        run,
        call: id,
        request,
    }))
}

/// Nobody decided in time.
pub(crate) fn expire(d: &mut Draft<'_>, run: RunId, call: &Call) {
    let (Some((request, _)), Some(ask)) = (call.request(), call.tool()) else { return };
    let on_expiry = d.run(run).offer(&ask.tool).map_or(OnExpiry::Deny, |offer| offer.on_expiry);
    let by = EXPIRY.to_owned();
    match (request.kind, on_expiry) {
        (RequestKind::InDoubt, _) => {
            resolve(d, run, call.id, ("expired", None, None, by));
            refuse(d, run, (call.id, call.tries.attempt), ask, unknown());
        }
        // It goes on, and its server is told.
        (RequestKind::Input, _) => resolve(d, run, call.id, ("expired", None, None, by)),
        (RequestKind::Authorize, _) => deny(d, run, call, ("expired", None, by)),
        (RequestKind::Call, OnExpiry::Approve) if needs_person(d, run, ask) => {
            deny(d, run, call, ("expired", None, by));
        }
        (RequestKind::Call, OnExpiry::Approve) => resolve(d, run, call.id, ("approved", None, None, by)),
        (RequestKind::Call, OnExpiry::Deny) => deny(d, run, call, ("expired", None, by)),
        (RequestKind::Call, OnExpiry::Fail) => {
            deny(d, run, call, ("expired", None, by));
            let text = format!("nobody decided in time about a call of {}", ask.tool);
            end_now(d, run, Stop::tool_failed(StopReason::ApprovalExpired, &text));
        }
    }
}

/// Whether a rule of the deployment asks a person: a tool that lets its calls be made after a while does not answer that.
fn needs_person(d: &Draft<'_>, run: RunId, ask: &ToolAsk) -> bool {
    matches!(judge(d, run, &ask.tool, &ask.arguments), Some(Verdict::Ask(question)) if question.needs_person)
}

/// A call that waits for a person is not made: the decision, its reason, and who decided.
fn deny(d: &mut Draft<'_>, run: RunId, call: &Call, (decision, reason, by): (&str, Option<String>, String)) {
    let told = reason.as_deref().unwrap_or("no reason was given");
    let text = format!("the call was not made. This is final, do not ask again: {told}");
    resolve(d, run, call.id, (decision, None, reason, by));
    if let Some(ask) = call.tool() {
        refuse(d, run, (call.id, call.tries.attempt), ask, ToolError::new("denied", text));
    }
}
