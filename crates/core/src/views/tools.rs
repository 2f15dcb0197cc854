//! Which of an answer's tools may begin now.

use crate::{
    ids::{CallId, TimeMs},
    limits,
    message::ToolCall,
    state::{
        call::{Call, CallState},
        run::Run,
    },
    tool::Repeats,
};

/// A call of a tool that may begin.
#[derive(Debug, PartialEq)]
pub(crate) enum NextTool<'a> {
    /// One that waited, for a retry or for room.
    Again(CallId),
    /// One that the answer proposes, and that nothing was done about.
    New(&'a ToolCall),
}

/// The first call that may begin; `None` where none may, or none is left. At most [`limits::TOOLS_AT_ONCE`] are under way,
/// and a tool that works alone waits for all before it, as all after it wait for it.
pub(crate) fn next_tool(run: &Run, now: TimeMs) -> Option<NextTool<'_>> {
    let round = run.round()?;
    let (proposed, begun) = round.proposed();
    let calls = if begun == 0 { &[] } else { round.calls.as_slice() };
    if run.is_late(now) || calls.iter().filter(|call| call.is_in_flight()).count() >= limits::TOOLS_AT_ONCE {
        return None;
    }
    let waits = |call: &Call| call.tool().is_some() && (call.state == CallState::Ready || call.is_due(now));
    let known = calls.iter().enumerate().find(|(place, call)| waits(call) && has_way(run, calls, *place));
    if let Some((_, call)) = known {
        return Some(NextTool::Again(call.id));
    }
    let next = proposed.get(begun)?;
    // Where it would end the run, nothing is under way.
    let ends = is_loop(run, next) && !calls.iter().all(Call::is_settled);
    (!ends && has_way(run, calls, begun)).then_some(NextTool::New(next))
}

/// Whether the same call was asked for so often in a row that the run ends.
pub(crate) fn is_loop(run: &Run, call: &ToolCall) -> bool {
    !may_repeat(run, call) && Repeats::with(run.repeats.as_ref(), call) >= limits::SAME_CALLS_END
}

/// Whether the same call was asked for so often in a row that it is not made.
pub(crate) fn is_repeated(run: &Run, call: &ToolCall) -> bool {
    !may_repeat(run, call) && Repeats::with(run.repeats.as_ref(), call) > limits::SAME_CALLS_MAX
}

fn may_repeat(run: &Run, call: &ToolCall) -> bool {
    run.offer(&call.name).is_some_and(|offer| offer.may_repeat)
}

/// Whether no barrier is before the call at `place`.
fn has_way(run: &Run, calls: &[Call], place: usize) -> bool {
    let works_alone = |tool: &str| run.offer(tool).is_some_and(|offer| offer.alone);
    let is_alone = |call: &Call| call.tool().is_some_and(|ask| works_alone(&ask.tool));
    let (proposed, _) = run.round().map_or((&[][..], 0), |round| round.proposed());
    let own = proposed.get(place).is_some_and(|call| works_alone(&call.name));
    calls.iter().take(place).all(|call| call.is_settled() || !own && !is_alone(call))
}
