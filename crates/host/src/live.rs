use longhaul_core::{CallRef, estimated_tokens, limits::DELTA_FRAME_BYTES_MAX};
use serde::Serialize;
use vecmap::VecMap;

/// Text of a frame at most, as JSON: the rest is for its other fields, and for what SSE writes around it.
const FRAME_TEXT_BYTES_MAX: usize = DELTA_FRAME_BYTES_MAX - 256;

/// New text of a call in flight, as a frame between events. It is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Delta {
    /// What it is.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub kind: DeltaKind,
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

/// Which of a model's texts goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum DeltaKind {
    /// What it thinks before it answers.
    #[serde(rename = "model.thought")]
    Thought,
    /// Its answer.
    #[serde(rename = "model.delta")]
    Answer,
}

impl DeltaKind {
    /// The word for it, which is the name of the frame.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thought => "model.thought",
            Self::Answer => "model.delta",
        }
    }
}

/// The texts so far of each call in flight, for those who join late.
#[derive(Debug, Default)]
pub(crate) struct Live {
    calls: VecMap<CallRef, Texts>,
}

#[derive(Debug, Default)]
struct Texts {
    thoughts: Text,
    answer: Text,
}

#[derive(Debug, Default)]
struct Text {
    content: String,
    utf16_units: usize,
}

impl Live {
    /// Adds text, and gives the frames that say so.
    pub(crate) fn extend(&mut self, call: CallRef, kind: DeltaKind, text: &str) -> Vec<Delta> {
        let texts = self.calls.entry(call).or_default();
        let so_far = match kind {
            DeltaKind::Thought => &mut texts.thoughts,
            DeltaKind::Answer => &mut texts.answer,
        };
        let (offset, mut frames) = (so_far.utf16_units, Vec::new());
        so_far.content.push_str(text);
        so_far.utf16_units += frames_of((call, kind), offset, text, &mut frames);
        frames
    }

    /// How long the texts so far are together, in bytes.
    pub(crate) fn bytes(&self, call: CallRef) -> usize {
        self.calls.get(&call).map_or(0, |texts| texts.thoughts.content.len() + texts.answer.content.len())
    }

    /// The tokens that the texts so far count as.
    pub(crate) fn estimated_tokens(&self, call: CallRef) -> u64 {
        let texts = self.calls.get(&call).into_iter().flat_map(|texts| [&texts.thoughts, &texts.answer]);
        let begun = texts.filter(|text| !text.content.is_empty());
        begun.map(|text| estimated_tokens(&text.content)).sum()
    }

    pub(crate) fn forget(&mut self, call: CallRef) {
        self.calls.remove(&call);
    }

    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }

    /// What a joiner gets first: each call's texts so far, from offset 0, thoughts before the answer.
    pub(crate) fn catch_up(&self) -> Vec<Delta> {
        let mut frames = Vec::new();
        for (call, texts) in &self.calls {
            frames_of((*call, DeltaKind::Thought), 0, &texts.thoughts.content, &mut frames);
            frames_of((*call, DeltaKind::Answer), 0, &texts.answer.content, &mut frames);
        }
        frames
    }
}

/// A text in frames of at most [`DELTA_FRAME_BYTES_MAX`], each of whole characters; how long it is in UTF-16 code units.
fn frames_of(of: (CallRef, DeltaKind), offset: usize, text: &str, frames: &mut Vec<Delta>) -> usize {
    let (mut begun, mut json_bytes) = (0, 0);
    let (mut frame_offset, mut end_offset) = (offset, offset);
    for (at, character) in text.char_indices() {
        let bytes = json_bytes_of(character);
        if json_bytes + bytes > FRAME_TEXT_BYTES_MAX {
            frames.push(delta(of, frame_offset, text[begun..at].to_owned()));
            (begun, json_bytes, frame_offset) = (at, 0, end_offset);
        }
        json_bytes += bytes;
        end_offset += character.len_utf16();
    }
    if begun < text.len() {
        frames.push(delta(of, frame_offset, text[begun..].to_owned()));
    }
    end_offset - offset
}

/// How many bytes a character has in a text of JSON.
fn json_bytes_of(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

fn delta((call, kind): (CallRef, DeltaKind), offset: usize, text: String) -> Delta {
    Delta { kind, run: call.run.0, call: call.call.0, attempt: call.attempt, offset, text }
}

#[cfg(test)]
mod tests {
    use longhaul_core::{CallId, RunId};

    use super::*;

    #[test]
    fn offsets_are_contiguous_as_javascript_counts() {
        let call = CallRef { run: RunId(1), call: CallId(1), attempt: 1 };
        for kind in [DeltaKind::Answer, DeltaKind::Thought] {
            let of = (call, kind);
            let mut live = Live::default();
            assert_eq!(live.extend(call, kind, "a😀"), [delta(of, 0, "a😀".into())]);
            assert_eq!(live.extend(call, kind, "b"), [delta(of, 3, "b".into())]);
            assert_eq!(live.extend(call, kind, ""), []);
            assert_eq!(live.catch_up(), vec![delta(of, 0, "a😀b".into())]);
            live.forget(call);
            assert_eq!(live.catch_up(), vec![]);
        }
    }

    #[test]
    fn thoughts_are_told_apart_from_the_answer_and_before_it() {
        let call = |call| CallRef { run: RunId(1), call: CallId(call), attempt: 1 };
        let (answer, thought) = (DeltaKind::Answer, DeltaKind::Thought);
        let mut live = Live::default();
        live.extend(call(1), thought, "hm");
        live.extend(call(2), answer, "two");
        assert_eq!(live.extend(call(1), answer, "one"), [delta((call(1), answer), 0, "one".into())]);
        let first = [delta((call(1), thought), 0, "hm".into()), delta((call(1), answer), 0, "one".into())];
        let second = delta((call(2), answer), 0, "two".into());
        assert_eq!(live.catch_up(), [&first[..], std::slice::from_ref(&second)].concat());
        assert_eq!((live.bytes(call(1)), live.bytes(call(2))), (5, 3));
        let tokens = [1, 2, 3].map(|id| live.estimated_tokens(call(id)));
        assert_eq!(tokens, [estimated_tokens("hm") + estimated_tokens("one"), estimated_tokens("two"), 0]);
        live.forget(call(1));
        assert_eq!(live.catch_up(), [second]);
        let frame = serde_json::to_value(&first[0]).unwrap();
        let fields = serde_json::json!({"type": thought.as_str(), "run": 1, "call": 1, "attempt": 1, "offset": 0, "text": "hm"});
        assert_eq!(frame, fields);
        assert_eq!(serde_json::to_value(answer).unwrap(), answer.as_str());
    }

    /// Clients have limits for a frame, of 1 MiB and less.
    #[test]
    fn api_06_text_comes_in_frames_that_clients_take() {
        let call = CallRef { run: RunId(u32::MAX), call: CallId(u32::MAX), attempt: u32::MAX };
        for piece in ["tide ", "\u{1}", "😀\"", "\n", "é"] {
            let text = piece.repeat(1024 * 1024 / piece.len());
            let mut live = Live::default();
            let told =
                ["x", text.as_str(), "y"].map(|text| live.extend(call, DeltaKind::Thought, text)).concat();
            let whole = format!("x{text}y");
            for frames in [told, live.catch_up()] {
                let mut offset = 0;
                for frame in &frames {
                    assert!(serde_json::to_string(frame).unwrap().len() <= DELTA_FRAME_BYTES_MAX);
                    assert_eq!(frame.offset, offset);
                    offset += frame.text.encode_utf16().count();
                }
                assert_eq!(frames.into_iter().map(|frame| frame.text).collect::<String>(), whole);
            }
        }
    }
}
