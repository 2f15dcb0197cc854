use crate::{
    decide::{
        after::Stop,
        calls::{in_doubt, refuse},
        draft::Draft,
        gate::{cancelled, withdraw},
    },
    entry::Entry,
    ids::{CallId, RunId},
    state::call::{Ask, Call},
    views::result::result_of,
};

/// Ends a run. What is open of its tools' calls is settled in the same row, so that each has an answer.
pub(crate) fn end(d: &mut Draft<'_>, id: RunId, stop: Stop) {
    settle(d, id);
    let run = d.run(id);
    let (usage, iterations) = (run.usage.clone(), run.iterations);
    let result = stop.has_result.then(|| result_of(d.answers(id), &run.spec.settings.sentinel)).flatten();
    let Stop { reason, error, .. } = stop;
    let entry =
        Entry::RunEnded { status: reason.status(), stop_reason: reason, result, error, usage, iterations };
    d.write(id, entry);
}

fn settle(d: &mut Draft<'_>, id: RunId) {
    let calls = d.run(id).calls().to_vec();
    for call in &calls {
        if let Ask::Tool(ask) = &call.ask
            && !call.is_settled()
        {
            if call.is_awaiting() {
                resolve(d, id, call.id, ("withdrawn", None, "system:end".to_owned()));
            }
            let is_in_doubt = call.is_in_flight() && !ask.effect.may_repeat();
            let why = if is_in_doubt { in_doubt() } else { cancelled() };
            refuse(d, id, (call.id, call.tries.attempt), ask, why);
        }
    }
    // What the last answer asked for, and nobody has begun.
    if d.run(id).spec.settings.tools.is_empty() {
        return;
    }
    let asked = calls.iter().filter_map(Call::answer).filter(|answer| answer.rule.is_none());
    let proposed: Vec<_> = asked.flat_map(|answer| answer.tool_calls.clone()).collect();
    withdraw(d, id, proposed);
}

/// Writes what was decided about a call that waited for a person: the decision, its reason, and who decided.
pub(crate) fn resolve(
    d: &mut Draft<'_>,
    run: RunId,
    call: CallId,
    (decision, reason, by): (&str, Option<String>, String),
) {
    d.write(run, Entry::ApprovalResolved { call, decision: decision.to_owned(), reason, by });
}
