//! The body of a message to the run under way.

use longhaul_core::Steer;
use serde_json::Value;

use super::{
    body::{Media, idempotency, json_body, read_task},
    fields::Fields,
    problem::{FieldErrors, Problem},
};

/// Whether a body joins the run under way.
pub(crate) fn is_steer(json: &Value) -> bool {
    json["steer"] == true
}

/// Reads the body of a message to the run under way.
///
/// # Errors
/// 413, 415, 400, or 422 with every field at fault.
pub(crate) fn steer(
    media: Media<'_>,
    body: &[u8],
    idempotency_key: Option<&str>,
    by: String,
) -> Result<Steer, Problem> {
    let json = json_body(media, body)?;
    let idempotency = idempotency_key.map(|key| idempotency(key, &json)).transpose()?;
    let mut errors = FieldErrors::default();
    let mut fields = Fields::of(json, "", &mut errors);
    let message = read_task(&mut fields);
    fields.take("steer");
    fields.refuse_rest("does not go with `steer`: the run under way keeps what it was started with");
    match message {
        Some(message) if errors.is_empty() => Ok(Steer { message, by, idempotency }),
        _ => Err(Problem::fields(errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::body::peeked;

    fn read(body: &str, key: Option<&str>) -> Result<Steer, Vec<String>> {
        let read = steer(Media::JSON, body.as_bytes(), key, "acme/ann".to_owned());
        read.map_err(|problem| problem.errors.iter().map(|error| error.pointer.clone()).collect())
    }

    #[test]
    fn a_message_is_a_task_and_nothing_else() {
        let message = read(r#"{"task":"Mind the moon.","steer":true}"#, Some("k")).unwrap();
        assert_eq!((message.message.as_str(), message.by.as_str()), ("Mind the moon.", "acme/ann"));
        assert!(message.idempotency.is_some());
        let faults = read(r#"{"task":" ","steer":true,"model":"m","metadata":null}"#, None).unwrap_err();
        assert_eq!(faults, ["/task", "/metadata", "/model"]);
        assert_eq!(read(r#"{"steer":true}"#, None).unwrap_err(), ["/task"]);
    }

    #[test]
    fn only_true_joins_a_run() {
        for (body, joins) in [
            (r#"{"steer":true}"#, true),
            ("\u{feff}{\"steer\":true}", true),
            (r#"{"steer":false}"#, false),
            (r#"{"steer":"true"}"#, false),
            (r#"{"task":"steer"}"#, false),
            ("[true]", false),
            ("{", false),
        ] {
            assert_eq!(is_steer(&peeked(body.as_bytes())), joins, "{body}");
        }
    }
}
