use longhaul_core::{Entry, FinalRule, Idempotency, Record, StopReason};

use super::{Story, answered_bare, called, ended, model_called, open_settings};

/// A session whose runs were steered: what was said too late, what was heard, and what is unread.
pub(crate) fn steered() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let said = |message: &str, idempotency| Entry::RunSteered {
        message: message.to_owned(),
        by: "acme/ann".to_owned(),
        idempotency,
    };
    story.row(0, vec![story.accepted(1, open_settings()), called(1, 1, 1, 0)]);
    story.row(100, vec![(1, said("Too late.", None))]);
    story.row(300, vec![answered_bare(1, 1), ended(1, StopReason::MaxIterations)]);
    let (_, mut second) = story.accepted(2, open_settings());
    if let Entry::RunAccepted { max_iterations, .. } = &mut second {
        *max_iterations = 6;
    }
    story.row(1_000, vec![(2, second), called(2, 2, 1, 0)]);
    let key = Idempotency { key: "ab".to_owned(), body: "cd".to_owned() };
    story.row(100, vec![(2, said("Mind the \"moon\".", Some(key)))]);
    story.row(100, vec![(2, said("潮", None))]);
    let (_, mut done) = answered_bare(2, 2);
    if let Entry::ModelAnswered { r#final, .. } = &mut done {
        *r#final = Some(FinalRule::Done);
    }
    story.row(300, vec![(2, done), (2, model_called(3, 1, 2, 0))]);
    story.row(100, vec![(2, said("Unread.", None))]);
    story.rows
}
