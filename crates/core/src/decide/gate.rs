//! The gate that each tool call passes which a model proposes: it is made, a person is asked, or the model is told why
//! it is not made.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    decide::{
        budget::afford,
        calls::{again, approved, begin, refuse, unknown_and},
        draft::Draft,
    },
    entry::Entry,
    ids::{CallId, RunId},
    limits,
    message::ToolCall,
    output::output_of,
    reading::{READ_RESULT, Reading},
    state::call::{Ask, CallState},
    tool::{Effect, Leave, Proposed, Question, RequestKind, ToolAsk, ToolError, ToolOffer, Verdict},
    views::tools::is_repeated,
};

/// Calls that a model is told of which asks for a result that it was not sent.
const RESULTS_NAMED: usize = 20;

/// Does what the rules say about a call that an answer asks for.
pub(crate) fn use_tool(d: &mut Draft<'_>, run: RunId, call: &ToolCall) {
    let offer = d.run(run).offer(&call.name).cloned();
    let arguments = serde_json::from_slice::<Value>(call.arguments.as_bytes());
    let ask = ToolAsk::new(
        call.id.clone(),
        named(&call.name),
        arguments.as_ref().cloned().unwrap_or_default(),
        offer.as_ref().map_or(Effect::Once, |offer| offer.effect),
    );
    let server = offer.as_ref().and_then(|offer| Some(offer.remote.as_ref()?.server.clone()));
    let ask = ToolAsk { server, ..ask };
    let pass = match &offer {
        _ if call.is_finish() => Pass::refuse(unfinished(d, run, call)),
        Some(offer) if arguments.is_ok() => pass(d, run, call, offer, &ask.arguments),
        Some(_) | None => Pass::refuse(unreadable(d, run, call)),
    };
    match pass {
        Pass::Make { rule, cost_usd } => {
            let ask = ToolAsk { leave: Some(Leave::Allow), rule, cost_usd, ..ask };
            begin(d, run, &Ask::Tool(Rc::new(ask)));
        }
        Pass::Ask(question) => {
            let expires_ms = offer.map_or(limits::APPROVAL_MS_DEFAULT, |offer| offer.expires_ms());
            let call = d.next_call();
            request(d, run, (call, 0), (RequestKind::Call, ask, question, expires_ms));
        }
        Pass::Refuse { why, rule } => refuse(d, run, (d.next_call(), 0), &ToolAsk { rule, ..ask }, why),
    }
}

/// A call that waited is made. One that a person let be made is judged once more: what forbids it by now is stronger.
pub(crate) fn use_again(d: &mut Draft<'_>, run: RunId, id: CallId) {
    let Some(call) = d.run(run).call(id).cloned() else { return };
    let Some(ask) = call.tool() else { return again(d, run, id) };
    let (is_ready, attempt) = (call.state == CallState::Ready, call.tries.attempt);
    let cost_usd = match is_ready {
        // The runtime asks, and no rule is about that.
        true if ask.is_listing() => Ok(None),
        true => pass_again(d, run, ask, attempt),
        false => afford(d, run, ask.cost_usd).map(|()| ask.cost_usd).map_err(|why| (why, None)),
    };
    match cost_usd {
        Ok(_) if attempt > 0 => again(d, run, id),
        Ok(cost_usd) => approved(d, run, id, cost_usd),
        Err((why, rule)) => {
            // One that was cut off may have happened.
            let why = if is_ready && attempt > 0 { unknown_and(&why) } else { why };
            refuse(d, run, (id, attempt), &ToolAsk { rule, ..ToolAsk::clone(ask) }, why);
        }
    }
}

/// What the rules and the limits say by now of a call that a person let be made: what it costs; or why it is not made, and by
/// which rule.
fn pass_again(
    d: &Draft<'_>,
    run: RunId,
    ask: &ToolAsk,
    attempt: u32,
) -> Result<Option<f64>, (ToolError, Option<String>)> {
    let gone = || Pass::refuse(ToolError::unknown_tool("there is no such tool any more"));
    match judge(d, run, &ask.tool, &ask.arguments).map_or_else(gone, passed) {
        Pass::Refuse { why, rule } => Err((why, rule)),
        Pass::Make { .. } | Pass::Ask(_) => {
            let counted = if attempt == 0 { count(d, run) } else { Ok(()) };
            counted.and_then(|()| cost(d, run, &ask.tool, &ask.arguments)).map_err(|why| (why, None))
        }
    }
}

/// Whether the run may make a further call.
fn count(d: &Draft<'_>, run: RunId) -> Result<(), ToolError> {
    match d.run(run).has_no_tool_calls_left(&d.limits(run)) {
        true => Err(ToolError::new("budget", "the run may make no further tool calls")),
        false => Ok(()),
    }
}

/// What a call costs that the run can afford.
fn cost(d: &Draft<'_>, run: RunId, tool: &str, arguments: &Value) -> Result<Option<f64>, ToolError> {
    let it = d.run(run);
    let Some(offer) = it.offer(tool) else { return Ok(None) };
    let proposed = Proposed { run, agent: &it.spec.agent, offer, arguments };
    let cost_usd = d.judge().cost_usd(&proposed).map_err(ToolError::failed)?;
    afford(d, run, cost_usd)?;
    Ok(cost_usd)
}

/// What the rules say of a tool's call with these arguments; `None` where the run is not offered the tool.
pub(crate) fn judge(d: &Draft<'_>, run: RunId, tool: &str, arguments: &Value) -> Option<Verdict> {
    let it = d.run(run);
    let proposed = Proposed { run, agent: &it.spec.agent, offer: it.offer(tool)?, arguments };
    Some(d.judge().judge(&proposed))
}

/// What the limits say of a call, and then the rules.
fn pass(d: &Draft<'_>, run: RunId, call: &ToolCall, offer: &ToolOffer, arguments: &Value) -> Pass {
    let it = d.run(run);
    if call.arguments.len() > limits::TOOL_ARGUMENTS_BYTES_MAX {
        let text = format!("the arguments have more than {} bytes", limits::TOOL_ARGUMENTS_BYTES_MAX);
        return Pass::refuse(ToolError::invalid_arguments(text));
    }
    if is_repeated(it, call) {
        let text =
            "the same call was made before, and no other since. It is not made again: use what it gave";
        return Pass::refuse(ToolError::new("repeated", text));
    }
    if let Err(why) = count(d, run) {
        return Pass::refuse(why);
    }
    if offer.name == READ_RESULT {
        // The runtime's own, which no rule is about.
        let made = || Pass::Make { rule: None, cost_usd: None };
        return may_read(d, run, arguments).map_or_else(Pass::refuse, |()| made());
    }
    let judged = judge(d, run, &offer.name, arguments);
    match judged.map_or_else(|| Pass::refuse(unreadable(d, run, call)), passed) {
        Pass::Make { rule, .. } => match cost(d, run, &offer.name, arguments) {
            Ok(cost_usd) => Pass::Make { rule, cost_usd },
            Err(why) => Pass::refuse(why),
        },
        other @ (Pass::Ask(_) | Pass::Refuse { .. }) => other,
    }
}

/// Whether a model may read what it asks for: a result that stands in the request that it answered, and no other.
fn may_read(d: &Draft<'_>, run: RunId, arguments: &Value) -> Result<(), ToolError> {
    let reading = Reading::of(arguments)?;
    let others = d.earlier_runs().iter().filter(|other| other.id != run);
    let sent = &d.run(run).sent;
    let all = others.chain([d.run(run)]).flat_map(|run| &run.results);
    let there: Vec<CallId> = all.filter(|result| sent.contains(&result.place)).map(|it| it.call).collect();
    if there.contains(&reading.call) {
        return Ok(());
    }
    let names: Vec<String> = there.iter().rev().take(RESULTS_NAMED).rev().map(CallId::to_string).collect();
    let text = format!(
        "you were sent no result of call {}; those that you were sent last are of the calls {}",
        reading.call,
        names.join(", ")
    );
    Err(ToolError::invalid_arguments(text))
}

/// What becomes of a call.
enum Pass {
    Make { rule: Option<String>, cost_usd: Option<f64> },
    Ask(Question),
    Refuse { why: ToolError, rule: Option<String> },
}

impl Pass {
    /// No rule of the deployment says so.
    fn refuse(why: ToolError) -> Self {
        Self::Refuse { why, rule: None }
    }
}

/// What the rules say.
fn passed(verdict: Verdict) -> Pass {
    match verdict {
        Verdict::Allow { rule } => Pass::Make { rule, cost_usd: None },
        Verdict::Ask(question) => Pass::Ask(question),
        Verdict::Deny { reason, rule } => {
            let text = format!("the call was not made, and is not allowed: {reason}");
            Pass::Refuse { why: ToolError::new("refused", text), rule }
        }
        Verdict::Invalid(text) => Pass::refuse(ToolError::invalid_arguments(text)),
    }
}

/// Tells the model that what it asked for is not done, because its run ends.
pub(crate) fn withdraw(d: &mut Draft<'_>, run: RunId, proposed: Vec<ToolCall>) {
    for call in proposed {
        let ask = ToolAsk::new(call.id, named(&call.name), Value::Null, Effect::Once);
        refuse(d, run, (d.next_call(), 0), &ask, cancelled());
    }
}

/// What the model is told of a call that was not made before its run ended.
pub(crate) fn cancelled() -> ToolError {
    ToolError::new("cancelled", "the call was not made: its run ended")
}

/// What a model calls a tool, as far as it is kept.
pub(crate) fn named(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(limits::NAME_BYTES_MAX).collect()
}

/// Asks a person about a call: the first entry of one that was not made, a further one of a call in doubt.
pub(crate) fn request(
    d: &mut Draft<'_>,
    run: RunId,
    (call, attempt): (CallId, u32),
    (kind, ask, question, expires_ms): (RequestKind, ToolAsk, Question, u64),
) {
    let expires_at = d.now().saturating_add(question.expires_ms.unwrap_or(expires_ms));
    let entry = Entry::ApprovalRequested {
        call,
        attempt,
        kind: Some(kind).filter(|kind| *kind != RequestKind::Call),
        tool: ask.tool,
        arguments: ask.arguments,
        digest: question.digest,
        summary: question.summary,
        schema: question.schema,
        url: question.url,
        rule: question.rule,
        by_another: question.by_another,
        effect: Some(ask.effect),
        expires_at: Some(d.run(run).deadline_at().map_or(expires_at, |at| at.min(expires_at))),
        tool_call_id: Some(ask.tool_call_id),
    };
    d.write(run, entry);
}

/// Why a call of `finish` ends no run.
fn unfinished(d: &Draft<'_>, run: RunId, call: &ToolCall) -> ToolError {
    let run = d.run(run);
    let is_alone = run.round().is_some_and(|round| round.proposed().0.iter().all(ToolCall::is_finish));
    let schema = run.spec.output_schema().filter(|_| is_alone);
    match schema.map(|schema| output_of(schema, &call.arguments)) {
        Some(Err(why)) => ToolError::invalid_arguments(format!("the result does not fit its schema: {why}")),
        Some(Ok(_)) | None => {
            ToolError::new("refused", "finish ends the run only where it is the only call of an answer")
        }
    }
}

fn unreadable(d: &Draft<'_>, run: RunId, call: &ToolCall) -> ToolError {
    let offers = &d.run(run).spec.settings.tools;
    if offers.iter().any(|offer| offer.name == call.name) {
        ToolError::invalid_arguments("the arguments are no JSON")
    } else {
        let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
        ToolError::unknown_tool(format!("there is no such tool; there are: {}", names.join(", ")))
    }
}
