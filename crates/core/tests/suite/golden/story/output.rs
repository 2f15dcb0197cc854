use longhaul_core::{Entry, FinalRule, Record, RunSettings, StopReason};
use serde_json::json;

use super::{Story, answered_bare, called, ended, open_settings};

/// A session whose results have a schema: one that does not fit at first, and one that never does.
pub(crate) fn output() -> Vec<Vec<Record>> {
    let mut story = Story::default();
    let schema = json!({"type": "object", "required": ["tides"]});
    let settings = || RunSettings { output_schema: Some(schema.clone()), ..open_settings() };
    let answer = |run, call, text: &str, rule: Option<FinalRule>| {
        let (_, mut answer) = answered_bare(run, call);
        if let Entry::ModelAnswered { message, r#final, output_error, .. } = &mut answer {
            text.clone_into(&mut message.content);
            *r#final = rule;
            *output_error = rule.is_none().then(|| "/tides is missing".to_owned());
        }
        (run, answer)
    };
    story.row(0, vec![story.accepted(1, settings()), called(1, 1, 1, 0)]);
    story.row(100, vec![answer(1, 1, "{}\nDONE", None), called(1, 2, 1, 0)]);
    let (_, mut end) = ended(1, StopReason::Done);
    if let Entry::RunEnded { result, output, .. } = &mut end {
        (*result, *output) = (Some("{\"tides\": 2}".to_owned()), Some(json!({"tides": 2})));
    }
    story.row(100, vec![answer(1, 2, "{\"tides\": 2}\nDONE", Some(FinalRule::Done)), (1, end)]);
    story.row(100, vec![story.accepted(2, settings()), called(2, 3, 1, 0)]);
    story.row(100, vec![answer(2, 3, "{}\nDONE", None), ended(2, StopReason::OutputInvalid)]);
    story.row(100, vec![story.accepted(3, open_settings()), called(3, 4, 1, 0)]);
    story.rows
}
