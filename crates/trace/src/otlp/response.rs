use longhaul_core::{SinkFailure, limits};
use prost::Message;
use serde_json::Value;

use crate::otlp::wire::{ExportTracePartialSuccess, ExportTraceServiceResponse};

/// What is read of a sink's answer, in bytes. A longer one counts by its status alone.
pub const SINK_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What a sink did with a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkOutcome {
    /// It has the trace; sending it again would change nothing.
    Taken {
        /// Spans that it rejected for good.
        rejected_spans: u64,
        /// What it says about that, at most [`limits::ERROR_CHARS_MAX`] characters.
        message: Option<String>,
    },
    /// It does not have the trace.
    Failed(SinkFailure),
}

/// Reads a sink's answer: its status, its body (of which [`SINK_ANSWER_BYTES_MAX`] bytes matter), its
/// `Content-Type`, and its `Retry-After` in milliseconds from now.
///
/// Only 429, 502, 503 and 504 are worth another attempt, as OTLP says. A connection that failed has no answer and is
/// transient too; the caller says so without this function.
pub fn classify(
    status: u16,
    body: &[u8],
    content_type: Option<&str>,
    retry_after_ms: Option<u64>,
) -> SinkOutcome {
    match status {
        // Whatever answers so is no receiver of traces: a web app that knows every path, a page to log in.
        200..=299 if is_page(body, content_type) => {
            SinkOutcome::Failed(SinkFailure::Permanent { status: Some(status) })
        }
        200..=299 => {
            let partial = partial_success(body, content_type).unwrap_or_default();
            let message: String = partial.error_message.chars().take(limits::ERROR_CHARS_MAX).collect();
            SinkOutcome::Taken {
                rejected_spans: u64::try_from(partial.rejected_spans).unwrap_or(0),
                message: (!message.is_empty()).then_some(message),
            }
        }
        429 | 502 | 503 | 504 => {
            SinkOutcome::Failed(SinkFailure::Transient { status: Some(status), retry_after_ms })
        }
        _ => SinkOutcome::Failed(SinkFailure::Permanent { status: Some(status) }),
    }
}

/// Whether an answer is a page for people.
pub fn is_page(body: &[u8], content_type: Option<&str>) -> bool {
    let body = body.trim_ascii_start();
    let looks_so = body.first() == Some(&b'<')
        && body.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'!');
    content_type.is_some_and(|media| media.to_ascii_lowercase().contains("html")) || looks_so
}

/// The part of the answer that says what was rejected. A success whose body cannot be read is a success.
fn partial_success(body: &[u8], content_type: Option<&str>) -> Option<ExportTracePartialSuccess> {
    if body.len() > SINK_ANSWER_BYTES_MAX {
        return None;
    }
    let is_json = match content_type {
        Some(media) => media.to_ascii_lowercase().contains("json"),
        None => body.first() == Some(&b'{'),
    };
    if is_json {
        let answer: Value = serde_json::from_slice(body).ok()?;
        let partial = answer.get("partialSuccess")?;
        // 64-bit integers are texts in OTLP's JSON; some sinks send numbers.
        let rejected = &partial["rejectedSpans"];
        let rejected_spans = rejected.as_i64().or_else(|| rejected.as_str()?.parse().ok());
        return Some(ExportTracePartialSuccess {
            rejected_spans: rejected_spans.unwrap_or(0),
            error_message: partial["errorMessage"].as_str().unwrap_or_default().to_owned(),
        });
    }
    ExportTraceServiceResponse::decode(body).ok()?.partial_success
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rejected_spans: u64, message: Option<&str>) -> SinkOutcome {
        SinkOutcome::Taken { rejected_spans, message: message.map(str::to_owned) }
    }

    #[test]
    fn only_four_statuses_are_worth_another_attempt() {
        for status in 100..=599 {
            let expected = match status {
                200..=299 => taken(0, None),
                429 | 502 | 503 | 504 => SinkOutcome::Failed(SinkFailure::Transient {
                    status: Some(status),
                    retry_after_ms: Some(7_000),
                }),
                _ => SinkOutcome::Failed(SinkFailure::Permanent { status: Some(status) }),
            };
            assert_eq!(classify(status, b"", None, Some(7_000)), expected, "{status}");
        }
    }

    #[test]
    fn a_partial_success_is_read_in_both_encodings() {
        let json = Some("application/json; charset=utf-8");
        let table: &[(&[u8], Option<&str>, SinkOutcome)] = &[
            (
                br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#,
                json,
                taken(3, Some("too old")),
            ),
            (br#"{"partialSuccess":{"rejectedSpans":3}}"#, json, taken(3, None)),
            (br#"{"partialSuccess":{"rejectedSpans":3}}"#, None, taken(3, None)),
            (br#"{"partialSuccess":{"rejectedSpans":-1,"errorMessage":""}}"#, json, taken(0, None)),
            (br#"{"partialSuccess":null}"#, json, taken(0, None)),
            (br#"{"partialSuccess":{}}"#, json, taken(0, None)),
            (b"{}", json, taken(0, None)),
            (b"not json", json, taken(0, None)),
            (b"", Some("application/x-protobuf"), taken(0, None)),
            (b"\x0a\x0b\x08\x03\x12\x07too old", Some("application/x-protobuf"), taken(3, Some("too old"))),
            (b"\x0a\x0b\x08\x03\x12\x07too old", None, taken(3, Some("too old"))),
            (b"\x0a\xff", Some("application/x-protobuf"), taken(0, None)),
        ];
        for (body, content_type, expected) in table {
            assert_eq!(classify(200, body, *content_type, None), *expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn ot_01_a_web_page_is_no_receipt() {
        let page = b"<!doctype html><html><body><div id=app></div></body></html>";
        let failed = SinkOutcome::Failed(SinkFailure::Permanent { status: Some(200) });
        assert_eq!(classify(200, page, Some("text/html; charset=utf-8"), None), failed);
        assert_eq!(classify(200, b"", Some("text/html"), None), failed);
        assert_eq!(classify(200, page, None, None), failed);
        assert_eq!(classify(200, b"<\x01", Some("application/x-protobuf"), None), taken(0, None));
    }

    #[test]
    fn a_long_answer_counts_by_its_status_and_a_long_message_is_cut() {
        let body =
            format!(r#"{{"partialSuccess":{{"rejectedSpans":1,"errorMessage":"{}"}}}}"#, "x".repeat(1_000));
        let cut = "x".repeat(limits::ERROR_CHARS_MAX);
        assert_eq!(classify(200, body.as_bytes(), None, None), taken(1, Some(&cut)));
        let body = format!("{body}{}", " ".repeat(SINK_ANSWER_BYTES_MAX));
        assert_eq!(classify(200, body.as_bytes(), None, None), taken(0, None));
    }
}
