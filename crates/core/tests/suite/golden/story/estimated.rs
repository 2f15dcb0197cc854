use longhaul_core::{Budget, Entry, FaultKind, Record, RunSettings, Usage};

use super::{Story, answered_bare, called, failed, full_usage, open_settings};

/// A session whose run has a budget and whose model does not count: estimates, and what an answer cost.
pub(crate) fn estimated() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let budget =
        Budget { total_tokens: Some(5_000), cost_usd: Some(1.5), deadline_ms: None, tool_calls: None };
    let settings = RunSettings { budget, ..open_settings() };
    story.row(0, vec![story.accepted(1, settings), called(1, 1, 1, 0)]);
    let estimate = Usage { estimated: true, ..full_usage() };
    let mut cut_off = failed(1, 1, FaultKind::Truncated, Some(400));
    if let Entry::ModelFailed { usage, .. } = &mut cut_off {
        *usage = Some(estimate.clone());
    }
    story.row(200, vec![(1, cut_off)]);
    story.row(200, vec![called(1, 1, 2, 0)]);
    let (run, mut answer) = answered_bare(1, 1);
    if let Entry::ModelAnswered { attempt, usage, cost_usd, .. } = &mut answer {
        (*attempt, *cost_usd, *usage) = (2, estimate.cost_usd, estimate);
    }
    story.row(300, vec![(run, answer), called(1, 2, 1, 0)]);
    story.rows
}
