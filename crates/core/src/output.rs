//! The structured result of a run: what its model gives as JSON, in `finish` or before the sentinel.

use serde_json::{Value, json};

use crate::{
    limits::OUTPUT_BYTES_MAX,
    message::FINISH_TOOL,
    schema::{misfits, told_misfits},
    settings::RunSettings,
    tool::{Effect, ToolOffer},
};

/// The built-in tool that ends a run, which is offered beside other tools, and where the result has a schema. Nobody performs
/// its calls.
pub(crate) fn finish_offer(settings: &RunSettings) -> Option<ToolOffer> {
    let (parameters, description) = match &settings.output_schema {
        Some(schema) => (
            schema.clone(),
            "Ends the run. Its arguments are the result. Call it alone, when the task is complete.",
        ),
        None if settings.tools.is_empty() => return None,
        None => {
            let result = json!({"type": "string", "description": "The result."});
            let schema = json!({"type": "object", "properties": {"result": result}, "required": ["result"]});
            (schema, "Ends the run with its result. Call it alone, when the task is complete.")
        }
    };
    let (parameters, description) = (Some(parameters), Some(description.to_owned()));
    Some(ToolOffer { parameters, description, ..ToolOffer::new(FINISH_TOOL, Effect::Read) })
}

/// What a text is as JSON, where that fits the schema; else why it is no result, for the model.
pub(crate) fn output_of(schema: &Value, text: &str) -> Result<Value, String> {
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(format!("it has more than {OUTPUT_BYTES_MAX} bytes"));
    }
    let value = parsed(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let misfits = misfits(schema, &value);
    if misfits.is_empty() { Ok(value) } else { Err(told_misfits(&misfits)) }
}

/// A text as JSON; a code fence around all of it is none of it.
pub(crate) fn parsed(text: &str) -> serde_json::Result<Value> {
    serde_json::from_slice(unfenced(text.trim()).as_bytes())
}

fn unfenced(text: &str) -> &str {
    const FENCE: &str = "```";
    let inner = text.strip_prefix(FENCE).and_then(|text| text.strip_suffix(FENCE));
    inner.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_a_result_where_all_of_it_is_json_that_fits() {
        let schema = json!({"type": "object", "required": ["a"]});
        for text in [r#"{"a":1}"#, " {\"a\": 1}\n", "```json\n{\"a\":1}\n```", "```\n{\"a\":1}```"] {
            assert_eq!(output_of(&schema, text), Ok(json!({"a": 1})), "{text}");
        }
        for (text, why) in [
            ("{}", "/a is missing"),
            ("[]", "it must be an object, not an array"),
            ("", "it is no JSON: EOF"),
            ("Here it is: {\"a\":1}", "it is no JSON: "),
            ("{\"a\":1} {\"a\":1}", "it is no JSON: trailing characters"),
            ("```json\n{\"a\":1}", "it is no JSON: "),
        ] {
            let told = output_of(&schema, text).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
        let of = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert!(output_of(&schema, &of(OUTPUT_BYTES_MAX)).is_ok());
        assert!(output_of(&schema, &of(OUTPUT_BYTES_MAX + 1)).unwrap_err().contains("more than"));
    }
}
