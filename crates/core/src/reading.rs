//! `read_result`, a tool that the runtime has of its own: it gives a piece of a result that a model was sent shortened.

use serde_json::{Value, json};

use crate::{
    given::text_of,
    ids::CallId,
    limits::RESULT_KEPT_BYTES_MAX,
    message::FINISH_TOOL,
    tool::{Effect, ToolError, ToolOffer},
};

/// The tool's name.
pub(crate) const READ_RESULT: &str = "read_result";
/// The tools that the runtime has of its own: no tool of an agent has such a name.
pub const OWN_TOOLS: [&str; 2] = [FINISH_TOOL, READ_RESULT];
/// What it does, for the model.
const DESCRIPTION: &str = "Reads the result of an earlier call, where a line in brackets says that it, or bytes of it, are \
                           left out. The pieces fit together: the next one begins where this one ends.";

/// What a call of `read_result` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The call whose result it is.
    pub call: CallId,
    /// The first byte.
    offset: usize,
    /// How many bytes.
    length: usize,
}

impl Reading {
    /// What a run is offered.
    pub(crate) fn offer() -> ToolOffer {
        let whole = |description: &str, minimum: u64| json!({"type": "integer", "minimum": minimum, "description": description});
        let properties = json!({
            "call": whole("The number of the call, as the line in brackets says it.", 1),
            "offset": whole("The first byte; 0 unless this says otherwise.", 0),
            "length": whole("Bytes, at most 32768, which is what you get unless this says otherwise.", 1),
        });
        let parameters = json!({
            "type": "object", "properties": properties, "required": ["call"], "additionalProperties": false,
        });
        ToolOffer {
            description: Some(DESCRIPTION.to_owned()),
            parameters: Some(parameters),
            may_repeat: true,
            ..ToolOffer::new(READ_RESULT, Effect::Read)
        }
    }

    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// When they do not fit, with what is wrong, for the model.
    pub fn of(arguments: &Value) -> Result<Self, ToolError> {
        let wrong = |text: String| ToolError::invalid_arguments(text);
        let Value::Object(members) = arguments else {
            return Err(wrong("the arguments must be a JSON object".to_owned()));
        };
        if let Some(name) = members.keys().find(|name| !["call", "offset", "length"].contains(&name.as_str()))
        {
            return Err(wrong(format!("/{name} is not in the schema of this tool")));
        }
        let number = |name: &str, otherwise: Option<u64>, minimum: u64| {
            let given = members.get(name).map_or(otherwise, Value::as_u64).filter(|given| *given >= minimum);
            given.ok_or_else(|| wrong(format!("/{name} must be a whole number from {minimum} on")))
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let call = u32::try_from(number("call", None, 1)?).unwrap_or(u32::MAX);
        let offset = size(number("offset", Some(0), 0)?);
        let length = size(number("length", Some(RESULT_KEPT_BYTES_MAX as u64), 1)?);
        Ok(Self { call: CallId(call), offset, length: length.min(RESULT_KEPT_BYTES_MAX) })
    }

    /// The piece that is asked for, of a result as JSON or else as the conversation has it. Both ends are moved back to the
    /// beginning of a character, so that pieces which follow each other give the whole.
    ///
    /// # Errors
    /// When the result has no such piece, for the model.
    pub fn piece(self, whole: Option<&str>, told: &str) -> Result<String, ToolError> {
        let whole = whole.and_then(|json| serde_json::from_slice::<Value>(json.as_bytes()).ok());
        let text = whole.as_ref().map_or(told.into(), text_of);
        if self.offset >= text.len() {
            let message = format!("the result of call {} has {} bytes", self.call, text.len());
            return Err(ToolError::invalid_arguments(message));
        }
        let from = text.floor_char_boundary(self.offset);
        let to = text.floor_char_boundary(self.offset.saturating_add(self.length));
        // A length within one character gives that one.
        let to = if to > from { to } else { text.ceil_char_boundary(from + 1) };
        Ok(text[from..to].to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(arguments: Value) -> Reading {
        Reading::of(&arguments).expect("it fits")
    }

    #[test]
    fn arguments_are_read_and_what_is_wrong_is_said() {
        let all = Reading { call: CallId(2), offset: 0, length: RESULT_KEPT_BYTES_MAX };
        assert_eq!(reading(json!({"call": 2})), all);
        assert_eq!(reading(json!({"call": 2, "offset": 0, "length": 900_000})), all);
        assert_eq!(
            reading(json!({"call": 2, "offset": 5, "length": 1})),
            Reading { offset: 5, length: 1, ..all }
        );
        for (arguments, told) in [
            (json!([2]), "must be a JSON object"),
            (json!({}), "/call must be a whole number from 1 on"),
            (json!({"call": 0}), "/call must be"),
            (json!({"call": "2"}), "/call must be"),
            (json!({"call": 2, "offset": -1}), "/offset must be a whole number from 0 on"),
            (json!({"call": 2, "length": 0}), "/length must be"),
            (json!({"call": 2, "to": 7}), "/to is not in the schema"),
        ] {
            let error = Reading::of(&arguments).expect_err("it does not fit");
            assert!(error.code() == "invalid_arguments" && error.message().contains(told), "{error:?}");
        }
    }

    #[test]
    fn pieces_that_follow_each_other_give_the_whole() {
        let text = "aé😀z".repeat(40);
        let json = Value::from(text.as_str()).to_string();
        for length in [4, 5, 7, 64, 1_000] {
            let (mut offset, mut read) = (0, String::new());
            while offset < text.len() {
                let piece = reading(json!({"call": 1, "offset": offset, "length": length}));
                read += &piece.piece(Some(&json), "head and tail").expect("there is more");
                offset += length;
            }
            assert_eq!(read, text);
        }
        let within = reading(json!({"call": 1, "offset": 4, "length": 1}));
        assert_eq!(within.piece(Some(&json), ""), Ok("😀".to_owned()), "a piece is never empty");
        let after = reading(json!({"call": 1, "offset": text.len()}));
        let error = after.piece(Some(&json), "").expect_err("there is no more");
        assert_eq!(error.message(), "the result of call 1 has 320 bytes");
    }

    #[test]
    fn what_is_no_text_is_read_as_json_and_a_small_result_as_it_was_told() {
        let all = reading(json!({"call": 1}));
        assert_eq!(all.piece(Some(r#"{"hits":[1,2]}"#), ""), Ok(r#"{"hits":[1,2]}"#.to_owned()));
        assert_eq!(all.piece(None, "told"), Ok("told".to_owned()));
    }
}
