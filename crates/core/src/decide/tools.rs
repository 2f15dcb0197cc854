use serde_json::Value;

use crate::{
    decide::{
        calls::{again, in_doubt, refuse},
        draft::Draft,
        ending::resolve,
        follow::follow,
    },
    entry::{Entry, Timing},
    ids::{CallId, CallRef, RunId},
    input::{Decision, ToolOutcome},
    state::call::{Ask, Call},
    tool::ToolError,
};

/// A tool returned, or was stopped.
pub(crate) fn returned(d: &mut Draft<'_>, call: CallRef, outcome: ToolOutcome, timing: Timing) {
    let Some(Ask::Tool(ask)) = d.awaited(call).map(|call| call.ask) else { return d.ignore() };
    let (result, error) = match outcome {
        // A null reads as nothing, in the journal as for the model.
        ToolOutcome::Done(value) => (Some(value).filter(|value| *value != Value::Null), None),
        ToolOutcome::Failed(message) => (None, Some(ToolError::new("failed", message))),
        ToolOutcome::CutOff if ask.effect.may_repeat() => {
            (None, Some(ToolError::new("timeout", "the tool did not return in time")))
        }
        ToolOutcome::CutOff => (None, Some(in_doubt())),
    };
    let entry = Entry::ToolAnswered {
        call: call.call,
        attempt: call.attempt,
        tool: ask.tool.clone(),
        result,
        error,
        latency_ms: timing.ended_at.saturating_sub(timing.started_at),
        tool_call_id: Some(ask.tool_call_id.clone()),
    };
    d.write(call.run, entry);
    follow(d, call.run);
}

/// A person decided about a call of the run under way. Whoever comes second changes nothing.
pub(crate) fn decided(d: &mut Draft<'_>, id: CallId, decision: Decision, by: String) {
    let Some(run) = d.open_runs().next() else { return d.ignore() };
    let (run_id, call) = (run.id, run.call(id).filter(|call| call.is_awaiting()).cloned());
    let Some(call) = call else { return d.ignore() };
    match decision {
        Decision::Approve => {
            resolve(d, run_id, id, ("approved", None, by));
            again(d, run_id, id);
        }
        Decision::Deny { reason } => deny(d, run_id, &call, ("denied", reason, by)),
    }
    follow(d, run_id);
}

/// A call that waits for a person is not made: the decision, its reason, and who decided.
pub(crate) fn deny(
    d: &mut Draft<'_>,
    run: RunId,
    call: &Call,
    (decision, reason, by): (&str, Option<String>, String),
) {
    let told = reason.as_deref().unwrap_or("no reason was given");
    let text = format!("the call was not made. This is final, do not ask again: {told}");
    resolve(d, run, call.id, (decision, reason, by));
    if let Ask::Tool(ask) = &call.ask {
        refuse(d, run, (call.id, call.tries.attempt), ask, ToolError::new("denied", text));
    }
}
