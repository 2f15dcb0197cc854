use longhaul_core::{Fault, FaultKind, limits::ERROR_CHARS_MAX};
use serde_json::Value;

/// The fault that an answer with a status other than 200 to 299 stands for.
///
/// `body` is quoted only where it is JSON with a message in it. A 401 is not quoted at all: its text often repeats the
/// key. Elsewhere the caller, who knows the key, passes the fault through [`redact`].
pub fn fault_of_status(status: u16, body: &[u8], retry_after_ms: Option<u64>) -> Fault {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = match message_of(&body) {
        Some(_) if status == 401 => {
            format!("the model's server answered {status}: it does not accept the key")
        }
        Some(message) => format!("the model's server answered {status}: {message}"),
        None => format!("the model's server answered {status}"),
    };
    Fault { retry_after_ms, ..fault(FaultKind::of_status(status), &message) }
}

/// The fault without the secret: every occurrence is replaced, and so is a beginning of it that a cut left at the end.
pub fn redact(mut fault: Fault, secret: &str) -> Fault {
    const REDACTED: &str = "[redacted]";
    /// A shorter beginning says nothing.
    const TAIL_BYTES_MIN: usize = 4;
    if secret.is_empty() {
        return fault;
    }
    fault.message = fault.message.replace(secret, REDACTED);
    let text = fault.message.trim_end_matches(CUT);
    let tail = (TAIL_BYTES_MIN..secret.len())
        .rev()
        .filter(|length| secret.is_char_boundary(*length))
        .find(|length| text.ends_with(&secret[..*length]));
    if let Some(length) = tail {
        fault.message = format!("{}{REDACTED}", &text[..text.len() - length]);
    }
    fault
}

/// A fault with a message that is fit to be kept: no control characters, at most [`ERROR_CHARS_MAX`] characters.
pub(crate) fn fault(kind: FaultKind, message: &str) -> Fault {
    let mut visible =
        message.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !c.is_control());
    let mut text: String = visible.by_ref().take(ERROR_CHARS_MAX).collect();
    if visible.next().is_some() {
        text.pop();
        text.push(CUT);
    }
    Fault::new(kind, text)
}

/// The fault that an answer reports in its own text, where there is a status of 200 and an error all the same.
pub(crate) fn reported_fault(answer: &Value) -> Option<Fault> {
    let error = match &answer["error"] {
        // vLLM's older form: the answer is the error.
        Value::Null if answer["object"] == "error" || answer["type"] == "error" => answer,
        // Null on success; some servers send an empty string or `false`.
        Value::Null | Value::Bool(_) => return None,
        Value::String(text) if text.is_empty() => return None,
        error => error,
    };
    let message = message_of(answer).unwrap_or("an error without a message");
    Some(fault(kind_of_error(error), &format!("the model's server reported in its answer: {message}")))
}

/// The kind of an error object: by its status if it has one, by its type if that is well known. Anything else that
/// goes wrong behind a 200 is the server's own trouble.
fn kind_of_error(error: &Value) -> FaultKind {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let status = [&error["code"], &error["status"], &error["status_code"]]
        .into_iter()
        .filter_map(number)
        .filter_map(|status| u16::try_from(status).ok())
        .find(|status| (400..600).contains(status));
    if let Some(status) = status {
        return FaultKind::of_status(status);
    }
    let word = error["type"].as_str().unwrap_or_default();
    if word.contains("rate_limit") {
        FaultKind::RateLimited
    } else if word.contains("invalid_request") || word.contains("BadRequest") {
        FaultKind::Refused
    } else {
        FaultKind::ServerError
    }
}

/// The message in any of the shapes that servers wrap it in.
fn message_of(body: &Value) -> Option<&str> {
    let error = &body["error"];
    let shapes = [
        &error["message"],
        error,
        &body["errors"][0]["message"],
        &body["message"],
        &body["detail"],
        // Workers AI, as an AI Gateway passes it on.
        &body["description"],
    ];
    shapes.into_iter().find_map(|value| value.as_str().filter(|text| !text.trim().is_empty()))
}

/// Stands where a message was cut.
const CUT: char = '…';

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_quoted_with_the_message_of_a_json_body() {
        let fault = fault_of_status(429, br#"{"error":{"message":"slow\ndown\u0007"}}"#, Some(2_000));
        assert_eq!(fault.kind, FaultKind::RateLimited);
        assert_eq!(fault.message, "the model's server answered 429: slow down");
        assert_eq!(fault.retry_after_ms, Some(2_000));
        for (body, message) in [
            (r#"{"error":"no such model"}"#, "the model's server answered 404: no such model"),
            (
                r#"{"errors":[{"code":7000,"message":"no route"}]}"#,
                "the model's server answered 404: no route",
            ),
            (r#"{"message":"gone"}"#, "the model's server answered 404: gone"),
            (r#"{"detail":"Not Found"}"#, "the model's server answered 404: Not Found"),
            (
                r#"{"internalCode":5007,"description":"No such model","name":"x"}"#,
                "the model's server answered 404: No such model",
            ),
            (r#"{"error":{"message":" "}}"#, "the model's server answered 404"),
            ("<html>secret</html>", "the model's server answered 404"),
            ("", "the model's server answered 404"),
            ("\"text\"", "the model's server answered 404"),
        ] {
            let fault = fault_of_status(404, body.as_bytes(), None);
            assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Refused, message));
        }
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let body = json!({"error": {"message": "ü".repeat(2 * ERROR_CHARS_MAX)}}).to_string();
        let fault = fault_of_status(500, body.as_bytes(), None);
        assert_eq!(fault.message.chars().count(), ERROR_CHARS_MAX);
        assert!(fault.message.ends_with("ü…"));
    }

    #[test]
    fn a_key_is_never_repeated() {
        let body = br#"{"error":{"message":"Incorrect API key provided: sk-secret"}}"#;
        assert_eq!(
            fault_of_status(401, body, None).message,
            "the model's server answered 401: it does not accept the key"
        );
        let fault = redact(fault_of_status(400, body, None), "sk-secret");
        assert_eq!(fault.message, "the model's server answered 400: Incorrect API key provided: [redacted]");
        let body = json!({"error": format!("{}sk-secret", "x".repeat(ERROR_CHARS_MAX - 40))}).to_string();
        let fault = redact(fault_of_status(400, body.as_bytes(), None), "sk-secret");
        assert!(!fault.message.contains("sk-"), "{}", fault.message);
        assert_eq!(redact(Fault::new(FaultKind::Refused, "x"), "").message, "x");
    }

    #[test]
    fn an_error_inside_an_answer_has_a_kind() {
        for (answer, kind) in [
            (json!({"error": {"message": "x", "code": 429}}), FaultKind::RateLimited),
            (json!({"error": {"message": "x", "code": "503"}}), FaultKind::ServerError),
            (json!({"error": {"message": "x", "type": "rate_limit_exceeded"}}), FaultKind::RateLimited),
            (json!({"error": {"message": "x", "type": "invalid_request_error"}}), FaultKind::Refused),
            (json!({"error": {"message": "x", "code": "server_error"}}), FaultKind::ServerError),
            (json!({"error": "x"}), FaultKind::ServerError),
            (json!({"object": "error", "message": "x", "code": 400}), FaultKind::Refused),
        ] {
            let fault = reported_fault(&answer).unwrap();
            assert_eq!(fault.kind, kind, "{answer}");
            assert_eq!(fault.message, "the model's server reported in its answer: x");
        }
        for fine in [json!({}), json!({"error": null}), json!({"error": ""}), json!([1]), json!(3)] {
            assert_eq!(reported_fault(&fine), None, "{fine}");
        }
    }
}
