use longhaul_core::{FaultKind, Record, StopReason};

use super::{Story, called, ended, failed, open_settings};

/// What is in a journal of its own.
pub(crate) const REFUSALS: [FaultKind; 4] =
    [FaultKind::Unauthorized, FaultKind::UnknownModel, FaultKind::BadRequest, FaultKind::ContentRefused];

/// A session whose model's server says no: to the key, to the model, to the request and to its content. The last run is under way.
pub(crate) fn refusals() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    for (run, kind) in (1..).zip(REFUSALS) {
        story.row(1_000, vec![story.accepted(run, open_settings()), called(run, run, 1, 0)]);
        story.row(200, vec![(run, failed(run, 1, kind, None)), ended(run, StopReason::ModelRefused)]);
    }
    story.row(1_000, vec![story.accepted(5, open_settings()), called(5, 5, 1, 0)]);
    story.rows
}
