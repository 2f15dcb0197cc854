use std::borrow::Cow;

use crate::done::strip_sentinel;

/// The result of a run whose models said `answers`, the latest first: that one without its sentinel line, or the one
/// before it where nothing else is left. `None` where none was said.
pub(crate) fn result_of<'a>(answers: impl Iterator<Item = Cow<'a, str>>, sentinel: &str) -> Option<String> {
    let texts: Vec<String> = answers
        .take(2)
        .map(|answer| strip_sentinel(&answer, sentinel).unwrap_or_else(|| answer.trim()).to_owned())
        .collect();
    let said = texts.iter().find(|text| !text.is_empty()).or(texts.first());
    said.cloned()
}
