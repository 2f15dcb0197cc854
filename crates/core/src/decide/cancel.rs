use crate::{
    decide::{after::Stop, draft::Draft, ending::end_now},
    entry::{Entry, StopReason},
    ids::RunId,
};

/// All runs that are open end, and nobody waits for their calls any more.
pub(crate) fn cancel(d: &mut Draft<'_>, by: &str) {
    let open: Vec<RunId> = d.open_runs().map(|run| run.id).collect();
    for run in open {
        d.write(run, Entry::CancelRequested { by: by.to_owned() });
        end_now(d, run, Stop::plain(StopReason::Cancelled));
    }
}
