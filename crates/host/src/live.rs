use longhaul_core::{CallRef, limits::DELTA_FRAME_BYTES_MAX};
use serde::Serialize;
use vecmap::VecMap;

/// Text of a frame at most, as JSON: the rest is for its other fields, and for what SSE writes around it.
const FRAME_TEXT_BYTES_MAX: usize = DELTA_FRAME_BYTES_MAX - 256;

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
    /// Adds text, and gives the frames that say so.
    pub(crate) fn extend(&mut self, call: CallRef, text: &str) -> Vec<Delta> {
        let so_far = self.calls.entry(call).or_default();
        let (offset, mut frames) = (so_far.utf16_units, Vec::new());
        so_far.content.push_str(text);
        so_far.utf16_units += frames_of(call, offset, text, &mut frames);
        frames
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

    /// What a joiner gets first: each call's text so far, from offset 0.
    pub(crate) fn catch_up(&self) -> Vec<Delta> {
        let mut frames = Vec::new();
        for (call, text) in &self.calls {
            frames_of(*call, 0, &text.content, &mut frames);
        }
        frames
    }
}

/// A text in frames of at most [`DELTA_FRAME_BYTES_MAX`], each of whole characters; how long it is in UTF-16 code units.
fn frames_of(call: CallRef, offset: usize, text: &str, frames: &mut Vec<Delta>) -> usize {
    let (mut begun, mut json_bytes) = (0, 0);
    let (mut frame_offset, mut end_offset) = (offset, offset);
    for (at, character) in text.char_indices() {
        let bytes = json_bytes_of(character);
        if json_bytes + bytes > FRAME_TEXT_BYTES_MAX {
            frames.push(delta(call, frame_offset, text[begun..at].to_owned()));
            (begun, json_bytes, frame_offset) = (at, 0, end_offset);
        }
        json_bytes += bytes;
        end_offset += character.len_utf16();
    }
    if begun < text.len() {
        frames.push(delta(call, frame_offset, text[begun..].to_owned()));
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
        assert_eq!(live.extend(call, "a😀"), [delta(call, 0, "a😀".into())]);
        assert_eq!(live.extend(call, "b"), [delta(call, 3, "b".into())]);
        assert_eq!(live.extend(call, ""), []);
        assert_eq!(live.catch_up(), vec![delta(call, 0, "a😀b".into())]);
        live.forget(call);
        assert_eq!(live.catch_up(), vec![]);
    }

    /// Clients have limits for a frame, of 1 MiB and less.
    #[test]
    fn api_06_text_comes_in_frames_that_clients_take() {
        let call = CallRef { run: RunId(u32::MAX), call: CallId(u32::MAX), attempt: u32::MAX };
        for piece in ["tide ", "\u{1}", "😀\"", "\n", "é"] {
            let text = piece.repeat(1024 * 1024 / piece.len());
            let mut live = Live::default();
            let told = [live.extend(call, "x"), live.extend(call, &text), live.extend(call, "y")].concat();
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
