use longhaul_core::{Entry, Record, RunSettings, Seq, StopReason};

use super::{BEGINNING, Story, answered_bare, called, ended, open_settings};

/// A session whose events go to a webhook: one was taken late, one is due.
pub(crate) fn told() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let settings = || RunSettings {
        webhook_events: vec!["approval.requested".to_owned(), "run.ended".to_owned()],
        ..open_settings()
    };
    let event = Some(Seq(4));
    story.row(0, vec![story.accepted(1, settings()), called(1, 1, 1, 0)]);
    story.row(900, vec![answered_bare(1, 1), ended(1, StopReason::MaxIterations)]);
    let sink = || "webhook".to_owned();
    let failed = Entry::TraceFailed {
        sink: sink(),
        status: Some(503),
        attempt: 1,
        retry_at: Some(BEGINNING + 2_000),
        event,
    };
    story.row(100, vec![(1, failed)]);
    let flushed =
        Entry::TraceFlushed { sink: sink(), spans: 0, attempt: 2, rejected: 0, message: None, event };
    story.row(1_000, vec![(1, flushed)]);
    story.row(1_000, vec![story.accepted(2, settings()), called(2, 2, 1, 0)]);
    story.row(900, vec![answered_bare(2, 2), ended(2, StopReason::MaxIterations)]);
    story.row(1_000, vec![story.accepted(3, settings()), called(3, 3, 1, 0)]);
    story.rows
}
