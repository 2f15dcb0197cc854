use crate::{
    decide::{
        after::Stop,
        budget::usage_of_failure,
        calls::fall_back,
        draft::Draft,
        ending::end,
        follow::follow,
        gate::named,
        patience::{Remedy, remedy},
    },
    done::{FinalRule, final_rule, strip_sentinel},
    entry::{Entry, Observed, Timing},
    fault::{Fault, FaultKind},
    ids::CallRef,
    limits,
    message::{Message, ModelAnswer, Usage},
    output::output_of,
    state::{call::Ask, spec::RunSpec},
};

/// An attempt, as far as its span needs it.
pub(crate) struct Seen {
    pub(crate) timing: Timing,
    pub(crate) observed: Observed,
}

/// A model answered.
pub(crate) fn answered(d: &mut Draft<'_>, call: CallRef, answer: ModelAnswer, seen: Seen) {
    let Some(Ask::Model { iteration, .. }) = d.awaited(call).map(|call| call.ask) else { return d.ignore() };
    let spec = &d.run(call.run).spec;
    if let Some(fault) = fault_of(spec, &answer.message) {
        let usage = Some(answer.usage).filter(|usage| *usage != Usage::default()).map(Box::new);
        return failed(d, call, Fault { usage, ..fault }, seen);
    }
    let (rule, output_error) = ended_by(spec, &answer);
    let Seen { timing, observed } = seen;
    let entry = Entry::ModelAnswered {
        call: call.call,
        attempt: call.attempt,
        iteration,
        message: answer.message,
        finish_reason: answer.finish_reason,
        cost_usd: answer.usage.cost_usd,
        usage: answer.usage,
        latency_ms: timing.ended_at.saturating_sub(timing.started_at),
        r#final: rule,
        output_error,
        timing,
        response_id: answer.response_id,
        response_model: answer.response_model,
        observed,
    };
    d.write(call.run, entry);
    follow(d, call.run);
}

/// The rule by which an answer is final, and why it is none though it has a sentinel. Where the result has a schema, both rules
/// are of a result that fits.
fn ended_by(spec: &RunSpec, answer: &ModelAnswer) -> (Option<FinalRule>, Option<String>) {
    let Some(sentinel) = spec.sentinel() else { return (None, None) };
    let rule = final_rule(&answer.message, answer.finish_reason, sentinel);
    let (Some(found), Some(schema)) = (rule, spec.output_schema()) else { return (rule, None) };
    let text = spec.quoted_text(&answer.message);
    match output_of(schema, strip_sentinel(&text, sentinel).unwrap_or(&text)) {
        Ok(_) => (rule, None),
        // Of `finish` its own answer says so.
        Err(why) => (None, Some(why).filter(|_| found == FinalRule::Done)),
    }
}

/// A model's attempt failed: it is made again after a while, the next model takes the call over, or it has failed for good.
pub(crate) fn failed(d: &mut Draft<'_>, call: CallRef, fault: Fault, seen: Seen) {
    let awaited = d.awaited(call).filter(|call| call.model().is_some());
    let Some(awaited) = awaited else { return d.ignore() };
    let (run, tries, usage) = (d.run(call.run), awaited.tries, usage_of_failure(&awaited, &fault));
    let (remedy, why) = remedy(run, tries, &fault, d.moment());
    // A failed attempt may have cost what another one would need.
    let limits = d.limits(call.run);
    let spent = limits.exhausted_by(&run.usage_with(usage.as_ref()), 0);
    let spent = spent.filter(|_| remedy != Remedy::None && !run.spec.is_comparison());
    let entry = Entry::ModelFailed {
        call: call.call,
        attempt: call.attempt,
        error_type: fault.kind,
        message: with_reason(fault.message, why),
        retry_at: match (remedy, spent) {
            (Remedy::Again(at), None) => Some(at),
            (Remedy::Again(_) | Remedy::NextModel | Remedy::None, _) => None,
        },
        usage,
        begun: fault.begun,
        timing: seen.timing,
        observed: seen.observed,
    };
    d.write(call.run, entry);
    match (remedy, spent) {
        (_, Some(reason)) => {
            let stop = Stop::budget(d.run(call.run), &limits, reason);
            end(d, call.run, stop);
            follow(d, call.run);
        }
        (Remedy::Again(_), None) => {}
        (Remedy::NextModel, None) => fall_back(d, call.run, call.call),
        (Remedy::None, None) => follow(d, call.run),
    }
}

/// A message that ends with the reason why the call is not made again, cut before it where both are too long.
fn with_reason(message: String, why: Option<String>) -> String {
    let Some(why) = why else { return message };
    let room = limits::ERROR_CHARS_MAX.saturating_sub(why.chars().count() + "; ".len());
    if message.chars().count() <= room {
        return format!("{message}; {why}");
    }
    let kept: String = message.chars().take(room.saturating_sub(1)).collect();
    format!("{kept}…; {why}")
}

/// Why an answer is none that its run can go on with.
fn fault_of(spec: &RunSpec, message: &Message) -> Option<Fault> {
    if message.content.trim().is_empty() && message.tool_calls.is_empty() {
        return Some(Fault::new(FaultKind::EmptyResponse, "the model answered nothing"));
    }
    if !spec.settings.tools.is_empty() {
        return None;
    }
    let has_loop = spec.sentinel().is_some();
    let unknown = message.tool_calls.iter().find(|call| !(has_loop && call.is_finish()))?;
    let text = format!("the model called the tool \"{}\"; it was offered none", named(&unknown.name));
    Some(Fault::new(FaultKind::Malformed, text))
}
