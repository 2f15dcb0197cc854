use serde_json::Value;

use crate::{
    decide::{
        after::Stop,
        calls::{refuse, unknown},
        draft::Draft,
        gate::{cancelled, withdraw},
    },
    entry::{Entry, StopReason},
    ids::{CallId, CallRef, RunId},
    input::Command,
    output::output_of,
    state::{call::Ask, round::Round, spec::RunSpec},
    views::result::result_of,
};

/// Ends a run. What is open of its tools' calls is settled in the same row, so that each has an answer.
pub(crate) fn end(d: &mut Draft<'_>, id: RunId, stop: Stop) {
    settle(d, id);
    let run = d.run(id);
    let (usage, iterations) = (run.usage_if_cut_off(), run.iterations);
    let result = stop.has_result.then(|| result_of(d.answers(id), &run.spec.settings.sentinel)).flatten();
    let (Stop { reason, error, .. }, output) = judged(&run.spec, stop, result.as_deref());
    let status = reason.status();
    d.write(id, Entry::RunEnded { status, stop_reason: reason, result, output, error, usage, iterations });
}

/// What a run that has a schema for its result gives as that; and how it ends, if a limit ends it and its result is none.
fn judged(spec: &RunSpec, stop: Stop, result: Option<&str>) -> (Stop, Option<Value>) {
    let Some(schema) = spec.output_schema().filter(|_| stop.has_result) else { return (stop, None) };
    let why = match result.map(|result| output_of(schema, result)) {
        Some(Ok(output)) => return (stop, Some(output)),
        Some(Err(why)) => why,
        None => "there is none".to_owned(),
    };
    match stop.reason {
        StopReason::Done
        | StopReason::FinishTool
        | StopReason::MaxIterations
        | StopReason::BudgetTokens
        | StopReason::BudgetCost
        | StopReason::BudgetToolCalls
        | StopReason::OutputInvalid => (stop.unfit(&why), None),
        StopReason::Deadline
        | StopReason::Cancelled
        | StopReason::EmptyResponse
        | StopReason::ModelRefused
        | StopReason::ModelUnavailable
        | StopReason::ToolFailed
        | StopReason::ToolInDoubt
        | StopReason::LoopDetected
        | StopReason::ApprovalExpired
        | StopReason::Denied => (stop, None),
    }
}

/// Ends a run of which calls are under way: nobody waits for them any more.
pub(crate) fn end_now(d: &mut Draft<'_>, run: RunId, stop: Stop) {
    let calls = d.run(run).in_flight();
    let aborted: Vec<CallRef> =
        calls.map(|call| CallRef { run, call: call.id, attempt: call.tries.attempt }).collect();
    end(d, run, stop);
    for call in aborted {
        d.order(Command::Abort(call));
    }
}

fn settle(d: &mut Draft<'_>, id: RunId) {
    let calls = d.run(id).calls().to_vec();
    for call in &calls {
        if let Ask::Tool(ask) = &call.ask
            && !call.is_settled()
        {
            if call.is_awaiting() {
                resolve(d, id, call.id, ("withdrawn", None, None, "system:end".to_owned()));
            }
            let is_under_way = call.is_in_flight() || call.resume.is_some();
            let may_have_happened = is_under_way || call.is_in_doubt();
            let is_in_doubt = may_have_happened && !ask.effect.may_repeat();
            let why = if is_in_doubt { unknown() } else { cancelled() };
            refuse(d, id, (call.id, call.tries.attempt), ask, why);
        }
    }
    // What the last answer asked for, and nobody has begun.
    if d.run(id).spec.settings.tools.is_empty() {
        return;
    }
    let (proposed, begun) = d.run(id).round().map_or((&[][..], 0), Round::proposed);
    let left = proposed.get(begun..).unwrap_or_default().to_vec();
    withdraw(d, id, left);
}

/// Closes a request to a person: the decision, the arguments that they gave instead, their reason, and who decided.
pub(crate) fn resolve(
    d: &mut Draft<'_>,
    run: RunId,
    call: CallId,
    (decision, arguments, reason, by): (&str, Option<Value>, Option<String>, String),
) {
    let decision = decision.to_owned();
    d.write(run, Entry::ApprovalResolved { call, decision, arguments, input: None, reason, by });
}
