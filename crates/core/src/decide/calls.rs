//! Promising calls: each as an entry, and as the command that it promises.

use std::rc::Rc;

use serde_json::Value;

use crate::{
    decide::{budget::reserve, draft::Draft},
    entry::{Entry, Observed},
    given::Given,
    ids::{CallId, CallRef, RunId, TimeMs},
    input::{Command, Listed, ModelCall, ToolOrder},
    journal::WholeResult,
    limits,
    reading::READ_RESULT,
    settings::Fallback,
    state::{
        call::{Ask, Call},
        run::Run,
    },
    tool::{Dropped, ToolAsk, ToolError, ToolOffer},
    views::request::window,
};

/// A call that was not made before.
pub(crate) fn begin(d: &mut Draft<'_>, run: RunId, ask: &Ask) {
    let id = d.next_call();
    promise(d, run, id, (ask, None), 1);
}

/// A further attempt of a call.
pub(crate) fn again(d: &mut Draft<'_>, run: RunId, id: CallId) {
    let Some(Call { ask, tries, .. }) = d.run(run).call(id).cloned() else { return };
    promise(d, run, id, (&ask, None), tries.attempt + 1);
}

/// The first attempt of a tool's call that a person let be made.
pub(crate) fn approved(d: &mut Draft<'_>, run: RunId, id: CallId, cost_usd: Option<f64>) {
    let Some(ask) = d.run(run).call(id).and_then(Call::tool).cloned() else { return };
    let ask = Ask::Tool(Rc::new(ToolAsk { cost_usd, ..ToolAsk::clone(&ask) }));
    promise(d, run, id, (&ask, None), 1);
}

/// A further attempt of a call, by the next model that may take the run over.
pub(crate) fn fall_back(d: &mut Draft<'_>, run: RunId, id: CallId) {
    let Some(Call { ask: Ask::Model { model, iteration, is_last }, tries, .. }) =
        d.run(run).call(id).cloned()
    else {
        return;
    };
    let Some(next) = d.run(run).next_fallback().cloned() else { return };
    let ask = Ask::Model { model: next.model.clone(), iteration, is_last };
    promise(d, run, id, (&ask, Some((model, next))), tries.attempt + 1);
}

/// That anything is left was checked. What the attempt may spend is set aside in the entry that promises it.
fn promise(
    d: &mut Draft<'_>,
    id: RunId,
    call: CallId,
    (ask, taken_over): (&Ask, Option<(String, Fallback)>),
    attempt: u32,
) {
    let (run, now) = (d.run(id), d.now());
    let promised = CallRef { run: id, call, attempt };
    let (entry, command) = match ask {
        Ask::Model { model, iteration, is_last } => {
            let context_tokens =
                taken_over.as_ref().map_or(run.context_tokens(), |(_, next)| next.context_tokens);
            let asked = (call, model.as_str(), context_tokens);
            let window = window(run, asked, &d.transcript().starts, d.length());
            let reserved = reserve(d, id, (call, model, *is_last), window);
            let entry = Entry::ModelCalled {
                call,
                attempt,
                iteration: *iteration,
                model: model.clone(),
                fallback_from: taken_over.map(|(from, _)| from),
                message_count: window.message_count,
                dropped_messages: window.dropped_messages,
                reserved,
                last: *is_last,
            };
            let give_up_at = give_up_at(run, now, run.spec.settings.model_timeout_ms);
            (entry, Command::CallModel(ModelCall { call: promised, model: model.clone(), give_up_at }))
        }
        Ask::Tool(ask) => {
            let entry = Entry::ToolCalled {
                call,
                attempt,
                iteration: run.iterations,
                tool: ask.tool.clone(),
                server: ask.server.clone(),
                arguments: ask.arguments.clone(),
                effect: Some(ask.effect),
                verdict: ask.leave,
                rule: ask.rule.clone(),
                cost_usd: ask.cost_usd,
                tool_call_id: Some(ask.tool_call_id.clone()).filter(|_| !ask.is_listing()),
            };
            let timeout_ms = match ask.is_listing() {
                true => Some(limits::LISTING_TIMEOUT_MS),
                false => run.offer(&ask.tool).and_then(|offer| offer.timeout_ms),
            };
            let give_up_at = give_up_at(run, now, timeout_ms.unwrap_or(limits::TOOL_TIMEOUT_MS));
            let resume = run.call(call).and_then(|call| call.resume.clone());
            let order = ToolOrder { call: promised, ask: ask.clone(), resume, give_up_at };
            let is_own = ask.tool == READ_RESULT;
            (entry, if is_own { Command::ReadResult(order) } else { Command::CallTool(order) })
        }
    };
    d.write(id, entry);
    d.order(command);
}

/// Answers the call of a tool without its result: the model is told why.
pub(crate) fn refuse(
    d: &mut Draft<'_>,
    run: RunId,
    (call, attempt): (CallId, u32),
    ask: &ToolAsk,
    why: ToolError,
) {
    answer(d, CallRef { run, call, attempt }, ask, Told::new(Err(why), 0));
}

/// What came of a tool's call.
pub(crate) struct Told {
    pub(crate) outcome: Result<Value, ToolError>,
    /// Who says so, where it is not the tool.
    pub(crate) by: Option<String>,
    pub(crate) latency_ms: u64,
    /// What was seen around the attempt.
    pub(crate) observed: Observed,
}

impl Told {
    /// What the tool itself says.
    pub(crate) fn new(outcome: Result<Value, ToolError>, latency_ms: u64) -> Self {
        Self { outcome, by: None, latency_ms, observed: Observed::default() }
    }
}

/// Answers the call of a tool.
pub(crate) fn answer(d: &mut Draft<'_>, call: CallRef, ask: &ToolAsk, told: Told) {
    let Told { outcome, by, latency_ms, observed } = told;
    if ask.is_listing() {
        return listed(d, call, ask, (outcome.map(|_| Listed::default()), latency_ms, observed));
    }
    let (given, error) = match outcome.and_then(|value| Given::of(call.call, value)) {
        Ok(given) => (given, None),
        Err(error) => (Given::default(), Some(error)),
    };
    let Given { result, bytes, digest, whole } = given;
    let is_refused = error.as_ref().is_some_and(|error| error.code() == "refused");
    let entry = Entry::ToolAnswered {
        call: call.call,
        attempt: call.attempt,
        tool: ask.tool.clone(),
        result_bytes: bytes,
        result_digest: digest,
        result,
        error,
        rule: ask.rule.clone().filter(|_| is_refused),
        by,
        latency_ms,
        tool_call_id: Some(ask.tool_call_id.clone()),
        observed,
    };
    d.write(call.run, entry);
    if let Some(json) = whole {
        d.keep(WholeResult { call: call.call, json });
    }
}

/// What came of asking a server for its tools. What the run has no room for is left out, and so is what has the name of another
/// one.
pub(crate) fn listed(
    d: &mut Draft<'_>,
    call: CallRef,
    ask: &ToolAsk,
    (outcome, latency_ms, observed): (Result<Listed, ToolError>, u64, Observed),
) {
    let (listed, error) = match outcome {
        Ok(listed) => (listed, None),
        Err(error) => (Listed::default(), Some(error)),
    };
    let Listed { tools, mut dropped, changed, digest } = listed;
    let mut offers: Vec<ToolOffer> = Vec::new();
    let known = d.run(call.run).spec.settings.tools.as_slice();
    for offer in tools {
        let why = if known.len() + offers.len() >= limits::OFFERED_TOOLS_MAX {
            "the run has as many tools as a model takes"
        } else if known.iter().chain(&offers).any(|other| other.name == offer.name) {
            "another tool has this name"
        } else {
            offers.push(offer);
            continue;
        };
        let name = offer.remote.map_or(offer.name, |remote| remote.tool);
        dropped.push(Dropped { name, why: why.to_owned() });
    }
    let entry = Entry::ToolsListed {
        call: call.call,
        attempt: call.attempt,
        server: ask.server.clone().unwrap_or_default(),
        count: u32::try_from(offers.len()).unwrap_or(u32::MAX),
        dropped,
        changed,
        digest,
        error,
        offers,
        latency_ms,
        observed,
    };
    d.write(call.run, entry);
}

const UNKNOWN: &str = "the call was cut off; whether it did anything is unknown. It is not made again";

/// The same of one that a person would have made again, and of which something forbids it.
pub(crate) fn unknown_and(why: &ToolError) -> ToolError {
    ToolError::new("in_doubt", format!("{UNKNOWN}: {}", why.message()))
}

/// What the model is told of a call that was cut off and must not be made twice.
pub(crate) fn unknown() -> ToolError {
    ToolError::new("in_doubt", UNKNOWN)
}

fn give_up_at(run: &Run, now: TimeMs, timeout_ms: u64) -> TimeMs {
    let timeout = now.saturating_add(timeout_ms);
    run.deadline_at().map_or(timeout, |at| at.min(timeout))
}
