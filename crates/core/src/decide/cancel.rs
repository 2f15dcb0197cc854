use crate::{
    decide::{after::Stop, draft::Draft, ending::end},
    entry::{Entry, StopReason},
    ids::{CallRef, RunId},
    input::Command,
};

/// All runs that are open end, and nobody waits for their calls any more.
pub(crate) fn cancel(d: &mut Draft<'_>, by: &str) {
    let open: Vec<RunId> = d.open_runs().map(|run| run.id).collect();
    for run in open {
        let calls = d.run(run).in_flight();
        let aborted: Vec<CallRef> =
            calls.map(|call| CallRef { run, call: call.id, attempt: call.tries.attempt }).collect();
        d.write(run, Entry::CancelRequested { by: by.to_owned() });
        end(d, run, Stop::plain(StopReason::Cancelled));
        for call in aborted {
            d.order(Command::Abort(call));
        }
    }
}
