//! What a tool gave, and how much of it its entry holds.

use std::{borrow::Cow, io};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    ids::CallId,
    limits::{RESULT_HEAD_BYTES, RESULT_KEPT_BYTES_MAX, TOOL_RESULT_BYTES_MAX},
    tool::ToolError,
};

/// What the line between head and tail takes at most, in bytes.
const LINE_BYTES_MAX: usize = 256;
/// The tail of a result that is not kept whole, in bytes.
const TAIL_BYTES: usize = RESULT_KEPT_BYTES_MAX - RESULT_HEAD_BYTES - LINE_BYTES_MAX;

/// The result of a call: what its entry says of it, and the whole where that is more.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Given {
    /// All of it, or its head and tail. A null reads as nothing, in the journal as for the model.
    pub(crate) result: Option<Value>,
    /// What all of it takes as JSON.
    pub(crate) bytes: Option<u64>,
    /// The digest of all of it as JSON, where that is stored beside the entry.
    pub(crate) digest: Option<String>,
    /// All of it as JSON, to be stored beside the entry.
    pub(crate) whole: Option<String>,
}

impl Given {
    /// Takes what a tool gave in a call; an error where it is too large to be kept.
    pub(crate) fn of(call: CallId, value: Value) -> Result<Self, ToolError> {
        if value == Value::Null {
            return Ok(Self::default());
        }
        let bytes = json_bytes(&value);
        if bytes > TOOL_RESULT_BYTES_MAX {
            return Err(ToolError::too_large(format!(
                "the tool did its work; its result of {bytes} bytes is not kept, {TOOL_RESULT_BYTES_MAX} is the most"
            )));
        }
        let length = value.as_str().map_or(bytes, str::len);
        let bytes = Some(bytes as u64);
        if length <= RESULT_KEPT_BYTES_MAX {
            return Ok(Self { result: Some(value), bytes, ..Self::default() });
        }
        let json = value.to_string();
        let result = Some(Value::String(head_and_tail(call, &text_of(&value))));
        Ok(Self { result, bytes, digest: Some(digest(&json)), whole: Some(json) })
    }
}

/// A result as a model reads it: a text without its quotes, anything else as JSON.
pub(crate) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Cow::Owned(value.to_string())
        }
    }
}

/// The beginning and the end of a long text, and between them a line that says what is missing.
fn head_and_tail(call: CallId, text: &str) -> String {
    let head = &text[..text.floor_char_boundary(RESULT_HEAD_BYTES)];
    let until = text.ceil_char_boundary(text.len() - TAIL_BYTES);
    let (from, all) = (head.len(), text.len());
    format!(
        "{head}\n[The result of call {call} has {all} bytes. Bytes {from} to {until} are left out here.]\n{}",
        &text[until..]
    )
}

pub(crate) fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// Lower-case hex digits.
pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How long a value is as JSON, which is not made for it.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A value has texts as keys, and counting does not fail.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(value: Value) -> Given {
        Given::of(CallId(7), value).expect("it is small enough")
    }

    #[test]
    fn a_small_result_is_in_its_entry_whole() {
        assert_eq!(given(Value::Null), Given::default());
        let kept = json!({"hits": [1, 2]});
        let all = Given { result: Some(kept.clone()), bytes: Some(14), ..Given::default() };
        assert_eq!(given(kept), all);
        // What counts is the text that the model reads, not how JSON writes it.
        let text = "\n".repeat(RESULT_KEPT_BYTES_MAX);
        let kept = given(Value::from(text.as_str()));
        assert_eq!((kept.result, kept.whole), (Some(Value::from(text)), None));
        assert_eq!(kept.bytes, Some(2 * RESULT_KEPT_BYTES_MAX as u64 + 2));
    }

    #[test]
    fn of_a_larger_one_the_entry_has_head_and_tail_and_the_digest_of_the_whole() {
        let text = format!("begin{}end", "é".repeat(RESULT_KEPT_BYTES_MAX));
        let large = given(Value::from(text.as_str()));
        let shown = large.result.as_ref().and_then(Value::as_str).expect("it is a text");
        assert!(shown.len() <= RESULT_KEPT_BYTES_MAX, "{}", shown.len());
        assert!(shown.starts_with("begin") && shown.ends_with("end"));
        let line = shown.lines().nth(1).expect("there is a line between");
        assert_eq!(line, "[The result of call 7 has 65544 bytes. Bytes 24575 to 57609 are left out here.]");
        let whole = large.whole.expect("it is stored");
        assert_eq!(whole, format!("\"{text}\""));
        assert_eq!(large.bytes, Some(whole.len() as u64));
        assert_eq!(large.digest, Some(digest(&whole)));
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn json_is_cut_as_a_text() {
        let rows: Vec<Value> = (0..5_000).map(|n| json!({"row": n})).collect();
        let large = given(Value::from(rows.clone()));
        let shown = large.result.as_ref().and_then(Value::as_str).expect("it is a text");
        assert!(shown.starts_with(r#"[{"row":0},"#) && shown.ends_with(r#"{"row":4999}]"#));
        assert_eq!(large.whole, Some(Value::from(rows).to_string()));
    }

    #[test]
    fn one_beyond_the_limit_is_not_kept() {
        // A text as JSON has two quotes.
        let most = TOOL_RESULT_BYTES_MAX - 2;
        assert!(Given::of(CallId(1), Value::from("x".repeat(most))).is_ok());
        let error = Given::of(CallId(1), Value::from("x".repeat(most + 1))).unwrap_err();
        assert_eq!(error.code(), "too_large");
        assert!(error.message().contains("1048577 bytes"), "{}", error.message());
    }
}
