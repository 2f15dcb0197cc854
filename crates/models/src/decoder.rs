use std::mem;

use longhaul_core::{Fault, FaultKind, ModelAnswer, limits::RESPONSE_BYTES_MAX};
use serde_json::Value;

use crate::{
    error::{fault, reported_fault},
    name::Provider,
    openai,
    partial::Partial,
    sse::{SseError, SseEvent, SseParser},
    workers_ai,
};

/// Reads one answer with a status of 200, whether it comes as a stream of events or as one JSON document.
///
/// Push the body as it comes, then [`Decoder::finish`]. A fault is final: every later call repeats it.
#[derive(Debug)]
pub struct Decoder {
    provider: Provider,
    body: Body,
    partial: Partial,
    received_bytes: usize,
    /// The server declared a stream of events.
    declared: bool,
    fault: Option<Fault>,
}

#[derive(Debug)]
enum Body {
    /// White space only, so far.
    Blank {
        /// How much of a byte order mark has come.
        mark_bytes: usize,
    },
    Events {
        parser: SseParser,
        seen: u64,
    },
    Document(Vec<u8>),
}

impl Decoder {
    /// A decoder for an answer of this provider. The content type is a hint: the first byte decides between events and
    /// a document, because servers ignore `stream` and mislabel their answers. HTML is refused.
    pub fn new(provider: Provider, content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        Self {
            provider,
            body: Body::Blank { mark_bytes: 0 },
            partial: Partial::default(),
            received_bytes: 0,
            declared: content_type.contains("text/event-stream"),
            fault: content_type.contains("html").then(html),
        }
    }

    /// Takes the next bytes and returns the text that they complete, which may be empty.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, Fault> {
        let before = self.partial.text().len();
        let taken = match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.take(bytes),
        };
        match taken {
            Ok(()) => Ok(self.partial.text()[before..].to_owned()),
            Err(fault) => {
                self.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    /// The answer's text so far. A document has none before its end.
    pub fn text(&self) -> &str {
        self.partial.text()
    }

    /// Whether the answer is all there, though its usage and its end may still come.
    pub fn is_whole(&self) -> bool {
        self.partial.is_whole()
    }

    /// Whether the server said that nothing more comes. The caller may stop reading, and need not wait for servers
    /// that keep the connection open.
    pub fn has_ended(&self) -> bool {
        self.partial.has_ended()
    }

    /// The whole answer, once the body has ended.
    pub fn finish(mut self) -> Result<ModelAnswer, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match mem::replace(&mut self.body, Body::Blank { mark_bytes: 0 }) {
            Body::Blank { .. } => {
                Err(fault(FaultKind::EmptyResponse, "the model's server answered with an empty body"))
            }
            Body::Events { .. } if self.partial.is_whole() => self.partial.finish(),
            Body::Events { seen: 0, .. } if !self.declared => {
                Err(fault(FaultKind::Malformed, "the model's answer is neither a stream of events nor JSON"))
            }
            Body::Events { .. } => {
                Err(fault(FaultKind::Truncated, "the model's answer broke off before its end"))
            }
            Body::Document(bytes) => self.finish_document(&bytes),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        self.received_bytes = self.received_bytes.saturating_add(bytes.len());
        if self.received_bytes > RESPONSE_BYTES_MAX {
            let message =
                format!("the response of the model's server is larger than {RESPONSE_BYTES_MAX} bytes");
            return Err(fault(FaultKind::TooLarge, &message));
        }
        if let Body::Blank { mark_bytes } = &mut self.body {
            let Some(rest) = without_mark(bytes, mark_bytes)? else { return Ok(()) };
            bytes = rest;
            let Some(start) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(());
            };
            bytes = &bytes[start..];
            self.body = match bytes[0] {
                b'<' => return Err(html()),
                // The fields `data`, `event`, `id` and `retry`, a comment, or a byte order mark.
                b'd' | b'e' | b'i' | b'r' | b':' | 0xef => Body::Events { parser: SseParser::new(), seen: 0 },
                // What is declared as events may begin with a field that the standard does not name.
                first if self.declared && !matches!(first, b'{' | b'[' | b'n') => {
                    Body::Events { parser: SseParser::new(), seen: 0 }
                }
                _ => Body::Document(Vec::new()),
            };
        }
        match &mut self.body {
            Body::Blank { .. } => Ok(()),
            Body::Document(document) => {
                document.extend_from_slice(bytes);
                Ok(())
            }
            Body::Events { parser, seen } => {
                let mut outcome = Ok(());
                let parsed = parser.push(bytes, &mut |event| {
                    *seen += 1;
                    if outcome.is_ok() {
                        outcome = take_event(self.provider, &mut self.partial, &event);
                    }
                });
                // Whatever follows the end is not read.
                if self.partial.has_ended() { outcome } else { outcome.and(parsed.map_err(fault_of_sse)) }
            }
        }
    }

    fn finish_document(mut self, bytes: &[u8]) -> Result<ModelAnswer, Fault> {
        let document: Value = serde_json::from_slice(bytes).map_err(|error| {
            let (kind, message) = match error.is_eof() {
                true => (FaultKind::Truncated, "the model's answer broke off before its end"),
                false => (FaultKind::Malformed, "the model's answer is not JSON"),
            };
            fault(kind, message)
        })?;
        if document.is_null() {
            return self.partial.finish();
        }
        if let Some(fault) = reported_fault(&document) {
            return Err(fault);
        }
        if !document.is_object() || !absorb(self.provider, &mut self.partial, &document)? {
            return Err(fault(FaultKind::Malformed, "the model's answer is JSON of an unknown shape"));
        }
        self.partial.finish()
    }
}

/// Some servers put it before their JSON.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// The bytes behind a byte order mark at the very beginning, however it is split; `None` while it may go on.
/// `mark_bytes` counts what has come of it, and is its length once there is no more to look for.
fn without_mark<'a>(mut bytes: &'a [u8], mark_bytes: &mut usize) -> Result<Option<&'a [u8]>, Fault> {
    while let Some(expected) = BYTE_ORDER_MARK.get(*mark_bytes) {
        match bytes.split_first() {
            None => return Ok(None),
            Some((byte, rest)) if byte == expected => {
                *mark_bytes += 1;
                bytes = rest;
            }
            Some(_) if *mark_bytes == 0 => *mark_bytes = BYTE_ORDER_MARK.len(),
            Some(_) => return Err(fault(FaultKind::Malformed, "the model's answer is not UTF-8")),
        }
    }
    Ok(Some(bytes))
}

fn take_event(provider: Provider, partial: &mut Partial, event: &SseEvent) -> Result<(), Fault> {
    if partial.has_ended() {
        return Ok(());
    }
    let data = event.data.trim();
    if data == "[DONE]" {
        partial.end();
        return Ok(());
    }
    let is_error = event.event == "error";
    let chunk = match serde_json::from_slice::<Value>(data.as_bytes()) {
        Ok(chunk) if chunk.is_object() => chunk,
        _ if is_error => serde_json::json!({ "error": data }),
        _ if data.is_empty() => return Ok(()),
        _ => return Err(fault(FaultKind::Malformed, "an event of the model's stream is not a JSON object")),
    };
    if let Some(fault) = reported_fault(&chunk) {
        return Err(fault);
    }
    if is_error {
        return Err(fault(FaultKind::ServerError, "the model's server reported an error in its stream"));
    }
    // A chunk of an unknown shape (a ping, a filter's result) is no fault: the stream must end properly anyway.
    absorb(provider, partial, &chunk)?;
    Ok(())
}

fn absorb(provider: Provider, partial: &mut Partial, response: &Value) -> Result<bool, Fault> {
    match provider {
        Provider::WorkersAi => workers_ai::absorb(partial, response),
        Provider::OpenAi | Provider::Scripted => openai::absorb(partial, response),
    }
}

fn fault_of_sse(error: SseError) -> Fault {
    let kind = match error {
        SseError::NotUtf8 => FaultKind::Malformed,
        SseError::TooLarge => FaultKind::TooLarge,
    };
    fault(kind, &error.to_string())
}

fn html() -> Fault {
    fault(FaultKind::Malformed, "the model's server answered with HTML; is its base URL right?")
}

#[cfg(test)]
mod tests {
    use longhaul_core::{FinishReason, limits::ANSWER_BYTES_MAX};

    use super::*;

    fn decode(provider: Provider, content_type: Option<&str>, body: &str) -> Result<ModelAnswer, Fault> {
        let mut decoder = Decoder::new(provider, content_type);
        decoder.push(body.as_bytes())?;
        decoder.finish()
    }

    fn kind(content_type: Option<&str>, body: &str) -> FaultKind {
        decode(Provider::OpenAi, content_type, body).unwrap_err().kind
    }

    const STREAM: &str = concat!(
        "data: {\"id\":\"r\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        ": keep-alive\n\n",
        "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n",
        "data: {\"id\":\"r\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"id\":\"r\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_byte_order_mark_is_skipped_however_it_is_split() {
        let body = "\u{feff}{\"choices\":[{\"message\":{\"content\":\"x\"}}]}".as_bytes();
        for parts in [vec![body], vec![&body[..1], &body[1..]], body.chunks(1).collect()] {
            let mut decoder = Decoder::new(Provider::OpenAi, None);
            for part in &parts {
                decoder.push(part).unwrap();
            }
            assert_eq!(decoder.finish().unwrap().message.content, "x", "{} parts", parts.len());
        }
        let mut decoder = Decoder::new(Provider::OpenAi, None);
        decoder.push(&body[..2]).unwrap();
        assert_eq!(decoder.push(b"{}").unwrap_err().kind, FaultKind::Malformed);
    }

    #[test]
    fn a_stream_is_read_delta_by_delta() {
        let mut decoder = Decoder::new(Provider::OpenAi, Some("text/event-stream; charset=utf-8"));
        let deltas: Vec<String> = STREAM
            .as_bytes()
            .chunks(7)
            .map(|part| decoder.push(part).unwrap())
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(deltas, ["Hel", "lo"]);
        assert_eq!((decoder.text(), decoder.has_ended()), ("Hello", true));
        let answer = decoder.finish().unwrap();
        assert_eq!((answer.message.content.as_str(), answer.finish_reason), ("Hello", FinishReason::Stop));
        assert_eq!((answer.usage.input_tokens, answer.usage.total_tokens), (Some(3), Some(5)));
        assert_eq!((answer.response_id.as_deref(), answer.response_model.as_deref()), (Some("r"), Some("m")));
    }

    #[test]
    fn a_stream_is_whole_with_a_reason_or_with_done() {
        let body = STREAM.split("data: [DONE]").next().unwrap();
        assert!(decode(Provider::OpenAi, None, body).is_ok());
        let half = &STREAM[..STREAM.find("\"lo\"").unwrap()];
        for content_type in [None, Some("text/event-stream")] {
            assert_eq!(kind(content_type, half), FaultKind::Truncated);
        }
        assert_eq!(
            kind(None, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"),
            FaultKind::Truncated
        );
        let done =
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\ndata: not read\n\n";
        assert_eq!(decode(Provider::OpenAi, None, done).unwrap().finish_reason, FinishReason::Stop);
        assert_eq!(kind(Some("text/event-stream"), ": hi\n\n"), FaultKind::Truncated);
    }

    #[test]
    fn a_server_that_ignores_stream_is_read_as_well() {
        let body = r#" {"id":"r","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
        for content_type in [Some("application/json"), Some("text/event-stream"), None] {
            let answer = decode(Provider::OpenAi, content_type, body).unwrap();
            assert_eq!((answer.message.content.as_str(), answer.usage.total_tokens), ("Hi", Some(2)));
        }
        assert_eq!(kind(None, &body[..40]), FaultKind::Truncated);
    }

    #[test]
    fn an_empty_answer_is_a_fault_of_its_own() {
        for body in [
            "",
            " \r\n",
            "null",
            r#"{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"message":{"content":" \n"},"finish_reason":"length"}]}"#,
            "data: [DONE]\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\" \"},\"finish_reason\":\"stop\"}]}\n\n",
        ] {
            assert_eq!(kind(None, body), FaultKind::EmptyResponse, "{body:?}");
        }
        let workers_ai = decode(Provider::WorkersAi, None, r#"{"response":""}"#);
        assert_eq!(workers_ai.unwrap_err().kind, FaultKind::EmptyResponse);
    }

    #[test]
    fn what_is_no_answer_is_malformed() {
        for (content_type, body) in [
            (Some("text/html; charset=utf-8"), "<html></html>"),
            (Some("text/html"), ""),
            (None, "\n<!doctype html>"),
            (None, "Bad gateway"),
            (None, "error code: 502"),
            (Some("application/json"), "{]"),
            (Some("application/json"), "{\"ok\":true}"),
            (Some("application/json"), "[1]"),
            (Some("text/event-stream"), "data: nonsense\n\n"),
            (Some("text/event-stream"), "data: [1]\n\n"),
        ] {
            assert_eq!(kind(content_type, body), FaultKind::Malformed, "{body:?}");
        }
        let mut decoder = Decoder::new(Provider::OpenAi, None);
        assert_eq!(decoder.push(b"data: \xff\n\n").unwrap_err().kind, FaultKind::Malformed);
    }

    #[test]
    fn an_error_in_an_answer_is_its_fault() {
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"oom\",\"code\":503}}\n\n";
        let fault = decode(Provider::OpenAi, None, stream).unwrap_err();
        assert_eq!((fault.kind, fault.message.ends_with("oom")), (FaultKind::ServerError, true));
        assert_eq!(kind(None, r#"{"error":{"message":"x","code":429}}"#), FaultKind::RateLimited);
        assert_eq!(kind(None, "event: error\ndata: overloaded\n\n"), FaultKind::ServerError);
        assert_eq!(kind(None, "event: error\ndata: {\"hint\":1}\n\n"), FaultKind::ServerError);
    }

    #[test]
    fn too_much_is_a_fault_that_stays() {
        let mut decoder = Decoder::new(Provider::OpenAi, None);
        let megabyte = vec![b'{'; 1024 * 1024];
        let pushes: Vec<_> = (0..10).map(|_| decoder.push(&megabyte)).collect();
        assert!(pushes[..8].iter().all(Result::is_ok));
        assert_eq!(pushes[8].as_ref().unwrap_err().kind, FaultKind::TooLarge);
        assert_eq!(pushes[8], pushes[9]);
        assert_eq!(decoder.finish().unwrap_err().kind, FaultKind::TooLarge);

        let text = "x".repeat(ANSWER_BYTES_MAX / 2);
        let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
        let mut decoder = Decoder::new(Provider::OpenAi, None);
        assert_eq!(decoder.push(event.as_bytes()).unwrap().len(), text.len());
        let mut decoder = Decoder::new(Provider::WorkersAi, None);
        decoder.push(event.as_bytes()).unwrap();
        decoder.push(b"data: {\"response\":\"x\"}\n\n").unwrap();
        let fault = decoder.push(event.as_bytes()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::TooLarge);
    }

    #[test]
    fn workers_ai_streams_in_three_shapes() {
        let own = "data: {\"response\":\"Hel\",\"p\":\"abc\"}\n\ndata: {\"response\":\"lo\"}\n\ndata: {\"response\":\"\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n";
        let responses = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"content\":[{\"text\":\"Hello\"}]}],\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";
        for stream in [own, STREAM, responses] {
            let answer = decode(Provider::WorkersAi, None, stream).unwrap();
            assert_eq!(
                (answer.message.content.as_str(), answer.usage.total_tokens),
                ("Hello", Some(5)),
                "{stream}"
            );
        }
        let half = &own[..own.find("data: [DONE]").unwrap()];
        assert_eq!(decode(Provider::WorkersAi, None, half).unwrap_err().kind, FaultKind::Truncated);
    }
}
