//! What time brings: what is due begins; and after a restart what was cut off is made again.

use crate::{
    decide::{
        after::{Stop, time_up},
        approve::expire,
        calls::{again, refuse},
        draft::Draft,
        ending::end,
        follow::follow,
        gate::use_again,
        tools::{doubt, reconcile},
    },
    entry::{Cause, Entry, Observed, Timing},
    ids::{CallId, RunId},
    state::{
        call::{Ask, Call, Recovery},
        run::Run,
    },
    tool::ToolError,
};

/// Begins what is due.
pub(crate) fn tick(d: &mut Draft<'_>) {
    let now = d.now();
    let is_over = |run: &&Run| run.is_late(now) && run.in_flight().next().is_none();
    let late: Vec<RunId> = d.open_runs().filter(is_over).map(|run| run.id).collect();
    for id in late {
        let stop = time_up(d.run(id));
        end(d, id, stop);
    }
    let Some(first) = d.open_runs().next().map(|run| run.id) else { return };
    for call in calls(d, first, |call| call.is_expired(now)) {
        expire(d, first, &call);
    }
    for call in due(d, first) {
        again(d, first, call);
    }
    follow(d, first);
}

/// The object was away. That it was evicted while its run waited is no event of the run.
pub(crate) fn resume(d: &mut Draft<'_>, cause: Cause) {
    let Some(run) = d.open_runs().next() else { return };
    let id = run.id;
    if run.in_flight().next().is_some() {
        recover(d, id, cause);
    } else if run.is_queued() || !run.calls().iter().all(Call::is_settled) {
        tick(d);
    } else {
        // Nothing was cut off but what should have followed in the same row.
        write_resumed(d, id, cause, Vec::new());
        follow(d, id);
    }
}

/// Makes the calls again that were cut off and may be, and those that fell due meanwhile.
fn recover(d: &mut Draft<'_>, id: RunId, cause: Cause) {
    let cut_off = calls(d, id, Call::is_in_flight);
    if d.run(id).is_late(d.now()) {
        write_resumed(d, id, cause, Vec::new());
        let stop = time_up(d.run(id));
        end(d, id, stop);
        return follow(d, id);
    }
    let (repeated, given_up): (Vec<Call>, Vec<Call>) =
        cut_off.into_iter().partition(|call| d.run(id).recovery(call) == Recovery::Again);
    let repeated: Vec<CallId> = repeated.iter().map(|call| call.id).collect();
    write_resumed(d, id, cause, repeated.clone());
    // What was cut off may have cost what it needs to be made again.
    if let Some(stop) = spent_by_models(d, id) {
        end(d, id, stop);
        return follow(d, id);
    }
    for call in &given_up {
        if d.run(id).is_open() {
            give_up(d, id, call);
        }
    }
    if d.run(id).is_open() {
        let due = due(d, id);
        repeated.into_iter().chain(due).for_each(|call| use_again(d, id, call));
    }
    follow(d, id);
}

/// How a run ends whose limits leave the call of its model nothing. Those of a comparison have shares of their own.
fn spent_by_models(d: &Draft<'_>, id: RunId) -> Option<Stop> {
    let (run, limits) = (d.run(id), d.limits(id));
    let is_of_model = run.in_flight().any(|call| call.model().is_some()) && !run.spec.is_comparison();
    let reason = run.exhausts(&limits, d.now()).filter(|_| is_of_model)?;
    Some(Stop::budget(run, &limits, reason))
}

/// A call that was cut off is not made again.
fn give_up(d: &mut Draft<'_>, id: RunId, call: &Call) {
    let error = call.cut_off_too_often();
    match &call.ask {
        Ask::Tool(ask) => match d.run(id).recovery(call) {
            Recovery::Reconcile => reconcile(d, id, call),
            Recovery::OutcomeUnknown => doubt(d, id, call),
            Recovery::Again | Recovery::GiveUp => {
                refuse(d, id, (call.id, call.tries.attempt), ask, ToolError::failed(error.message));
            }
        },
        // The only call of its run takes the run with it.
        Ask::Model { .. } if d.run(id).calls().len() == 1 => end(d, id, Stop::failed(&error)),
        Ask::Model { .. } => {
            let at = d.now();
            let entry = Entry::ModelFailed {
                call: call.id,
                attempt: call.tries.attempt,
                error_type: error.kind,
                message: error.message,
                retry_at: None,
                usage: None,
                begun: false,
                timing: Timing { started_at: at, ended_at: at, first_chunk_at: None },
                observed: Observed::default(),
            };
            d.write(id, entry);
        }
    }
}

fn write_resumed(d: &mut Draft<'_>, run: RunId, cause: Cause, outstanding: Vec<CallId>) {
    d.write(run, Entry::RunResumed { cause, outstanding });
}

/// The models' calls that failed and are to be made again by now; none after the deadline. Tools wait for room.
fn due(d: &Draft<'_>, run: RunId) -> Vec<CallId> {
    let now = d.now();
    let is_late = d.run(run).is_late(now);
    calls(d, run, |call| !is_late && call.model().is_some() && call.is_due(now))
        .iter()
        .map(|call| call.id)
        .collect()
}

fn calls(d: &Draft<'_>, run: RunId, is_meant: impl Fn(&Call) -> bool) -> Vec<Call> {
    d.run(run).calls().iter().filter(|call| is_meant(call)).cloned().collect()
}
