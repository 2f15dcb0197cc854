use longhaul_core::CallRef;
use serde::Serialize;
use vecmap::VecMap;

/// New text of a call in flight, as a frame between events. It is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "model.delta")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Delta {
    /// The run.
    pub run: u32,
    /// The call.
    pub call: u32,
    /// The attempt.
    pub attempt: u32,
    /// Where the text belongs, in UTF-16 code units, as JavaScript counts. A new attempt begins at 0.
    pub offset: usize,
    /// The text.
    pub text: String,
}

/// The text so far of each call in flight, for those who join late.
#[derive(Debug, Default)]
pub(crate) struct Live {
    calls: VecMap<CallRef, Text>,
}

#[derive(Debug, Default)]
struct Text {
    content: String,
    utf16_units: usize,
}

impl Live {
    pub(crate) fn extend(&mut self, call: CallRef, text: String) -> Delta {
        let so_far = self.calls.entry(call).or_default();
        let offset = so_far.utf16_units;
        so_far.content.push_str(&text);
        so_far.utf16_units += text.encode_utf16().count();
        delta(call, offset, text)
    }

    /// How long the text so far is, in bytes.
    pub(crate) fn bytes(&self, call: CallRef) -> usize {
        self.calls.get(&call).map_or(0, |text| text.content.len())
    }

    pub(crate) fn forget(&mut self, call: CallRef) {
        self.calls.remove(&call);
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }

    /// What a joiner gets first: each call's text so far, at offset 0.
    pub(crate) fn catch_up(&self) -> Vec<Delta> {
        self.calls.iter().map(|(call, text)| delta(*call, 0, text.content.clone())).collect()
    }
}

fn delta(call: CallRef, offset: usize, text: String) -> Delta {
    Delta { run: call.run.0, call: call.call.0, attempt: call.attempt, offset, text }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{CallId, RunId};

    use super::*;

    #[test]
    fn offsets_are_contiguous_as_javascript_counts() {
        let call = CallRef { run: RunId(1), call: CallId(1), attempt: 1 };
        let mut live = Live::default();
        assert_eq!(live.extend(call, "a😀".into()).offset, 0);
        assert_eq!(live.extend(call, "b".into()).offset, 3);
        assert_eq!(live.catch_up(), vec![delta(call, 0, "a😀b".into())]);
        live.forget(call);
        assert_eq!(live.catch_up(), vec![]);
    }
}
