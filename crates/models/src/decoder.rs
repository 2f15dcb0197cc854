use std::mem;

use longhaul_core::{Fault, FaultKind, ModelAnswer, limits::RESPONSE_BYTES_MAX};
use serde_json::Value;

use crate::{
    error::{fault, reported_fault},
    format::Format,
    lenient::{self, Parsed},
    partial::Partial,
    sse::{SseError, SseEvent, SseParser},
};

/// What is quoted of an event that is no JSON, in characters.
const QUOTED_CHARS_MAX: usize = 80;

/// Reads one answer with a status of 200, whether it comes as a stream of events or as one JSON document.
///
/// Push the body as it comes, then [`Decoder::finish`]. A fault is final: every later call repeats it.
#[derive(Debug)]
pub struct Decoder {
    body: Body,
    reading: Reading,
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
    Events(SseParser),
    Document(Vec<u8>),
}

/// What was read, and what its events were.
#[derive(Debug)]
struct Reading {
    format: Format,
    partial: Partial,
    events: u64,
    chunks: u64,
    /// The first one that was no JSON object.
    odd: Option<String>,
}

impl Decoder {
    /// A decoder for an answer in this format. The content type is a hint: the first byte decides between events and
    /// a document, because servers ignore `stream` and mislabel their answers. HTML is refused.
    pub fn new(format: Format, content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        Self {
            body: Body::Blank { mark_bytes: 0 },
            reading: Reading { format, partial: Partial::default(), events: 0, chunks: 0, odd: None },
            received_bytes: 0,
            declared: content_type.contains("text/event-stream"),
            fault: content_type.contains("html").then(html),
        }
    }

    /// Takes the next bytes and returns the text that they complete, which may be empty.
    pub fn push(&mut self, bytes: &[u8]) -> Result<String, Fault> {
        let before = self.text().len();
        let taken = match self.fault.take() {
            Some(fault) => Err(fault),
            None => self.take(bytes),
        };
        match taken {
            Ok(()) => Ok(self.text()[before..].to_owned()),
            Err(fault) => {
                let fault = self.reading.partial.told_of(fault);
                self.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    /// A fault of the connection within the answer, with what was known by then.
    pub fn broken_off(&self, fault: Fault) -> Fault {
        Fault { begun: self.received_bytes > 0, ..self.reading.partial.told_of(fault) }
    }

    /// The answer's text so far. A document has none before its end.
    pub fn text(&self) -> &str {
        self.reading.partial.text()
    }

    /// Whether the answer is all there, though its usage and its end may still come.
    pub fn is_whole(&self) -> bool {
        self.reading.partial.is_whole()
    }

    /// Whether the server said that nothing more comes. The caller may stop reading, and need not wait for servers
    /// that keep the connection open.
    pub fn has_ended(&self) -> bool {
        self.reading.partial.has_ended()
    }

    /// The whole answer, once the body has ended. A body that broke off has a fault of its own and does not come here.
    pub fn finish(mut self) -> Result<ModelAnswer, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match mem::replace(&mut self.body, Body::Blank { mark_bytes: 0 }) {
            Body::Blank { .. } => {
                Err(fault(FaultKind::EmptyResponse, "the model's server answered with an empty body"))
            }
            Body::Events(parser) => {
                let finished = self.reading.finish_events(parser);
                finished.map_err(|fault| self.reading.partial.told_of(fault))?;
                self.reading.finish_stream(self.declared)
            }
            Body::Document(bytes) => self.reading.finish_document(&bytes, self.declared),
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
                // The fields `data`, `event`, `error`, `id` and `retry`, a comment, or a byte order mark.
                b'd' | b'e' | b'i' | b'r' | b':' | 0xef => Body::Events(SseParser::new()),
                // What is declared as events may begin with a field that the standard does not name.
                first if self.declared && !matches!(first, b'{' | b'[' | b'n') => {
                    Body::Events(SseParser::new())
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
            Body::Events(parser) => self.reading.take_events(parser, bytes),
        }
    }
}

impl Reading {
    fn take_events(&mut self, parser: &mut SseParser, bytes: &[u8]) -> Result<(), Fault> {
        let mut outcome = Ok(());
        let parsed = parser.push(bytes, &mut |event| {
            if outcome.is_ok() {
                outcome = self.take_event(&event);
            }
        });
        // Whatever follows the end is not read.
        if self.partial.has_ended() { outcome } else { outcome.and(parsed.map_err(fault_of_sse)) }
    }

    /// Takes the events that the end of the body completes.
    fn finish_events(&mut self, parser: SseParser) -> Result<(), Fault> {
        let mut outcome = Ok(());
        let parsed = parser.finish(&mut |event| {
            if outcome.is_ok() {
                outcome = self.take_event(&event);
            }
        });
        outcome.and(parsed.map_err(fault_of_sse))
    }

    fn take_event(&mut self, event: &SseEvent) -> Result<(), Fault> {
        if self.partial.has_ended() {
            return Ok(());
        }
        self.events += 1;
        let data = event.data.trim();
        if data.eq_ignore_ascii_case("[DONE]") {
            self.partial.end();
            return Ok(());
        }
        let is_error = event.event == "error";
        let parsed = match lenient::parse(data) {
            Ok(parsed) if parsed.value.is_object() => parsed,
            _ if is_error => Parsed { value: serde_json::json!({ "error": data }), mended: false },
            Err(_) if data.starts_with('{') => {
                return Err(fault(FaultKind::Truncated, "an event of the model's stream is not whole JSON"));
            }
            // A value that is no object, or a word that keeps the connection alive, has no text of the answer to lose.
            Ok(_) | Err(_) => {
                self.odd.get_or_insert_with(|| data.chars().take(QUOTED_CHARS_MAX).collect());
                return Ok(());
            }
        };
        self.chunks += 1;
        if let Some(fault) = reported_fault(&parsed.value) {
            return Err(fault);
        }
        if is_error {
            let error = serde_json::json!({ "error": parsed.value });
            let silent =
                || fault(FaultKind::ServerError, "the model's server reported an error in its stream");
            return Err(reported_fault(&error).unwrap_or_else(silent));
        }
        self.partial.begin_chunk(parsed.mended);
        // A chunk of an unknown shape (a ping, a filter's result) is no fault: the stream must end properly anyway.
        self.absorb(&parsed.value)?;
        Ok(())
    }

    fn finish_stream(self, declared: bool) -> Result<ModelAnswer, Fault> {
        if self.partial.is_whole_at_the_end() {
            return self.partial.finish();
        }
        if self.events == 0 && !declared {
            let message = "the model's answer is neither a stream of events nor JSON";
            return Err(fault(FaultKind::Malformed, message));
        }
        match self.odd {
            Some(odd) if self.chunks == 0 => {
                let message = format!("no event of the model's stream is a JSON object; it said: {odd}");
                Err(fault(FaultKind::Malformed, &message))
            }
            _ => {
                let broken = fault(FaultKind::Truncated, "the model's answer broke off before its end");
                Err(self.partial.told_of(broken))
            }
        }
    }

    fn finish_document(mut self, bytes: &[u8], declared: bool) -> Result<ModelAnswer, Fault> {
        let text = String::from_utf8_lossy(bytes);
        match lenient::parse(&text) {
            Ok(Parsed { value: Value::Null, .. }) => self.partial.finish(),
            Ok(document) => {
                self.absorb_document(&document).map_err(|fault| self.partial.told_of(fault))?;
                self.partial.finish()
            }
            Err(error) if error.is_eof() => {
                Err(fault(FaultKind::Truncated, "the model's answer broke off before its end"))
            }
            // Several documents, one a line, or events after a first line without a field.
            Err(_) => {
                let mut parser = SseParser::new();
                let taken = self.take_events(&mut parser, bytes);
                let taken = taken.and_then(|()| self.finish_events(parser));
                if self.chunks == 0 {
                    return Err(fault(FaultKind::Malformed, "the model's answer is not JSON"));
                }
                taken?;
                self.finish_stream(declared)
            }
        }
    }

    /// Takes a whole answer, or a list of chunks.
    fn absorb_document(&mut self, document: &Parsed) -> Result<(), Fault> {
        let parts = document.value.as_array().map_or(std::slice::from_ref(&document.value), Vec::as_slice);
        let mut is_known = false;
        for part in parts.iter().filter(|part| part.is_object()) {
            if let Some(fault) = reported_fault(part) {
                return Err(fault);
            }
            self.partial.begin_chunk(document.mended);
            is_known |= self.absorb(part)?;
        }
        match is_known {
            true => Ok(()),
            false => Err(fault(FaultKind::Malformed, "the model's answer is JSON of an unknown shape")),
        }
    }

    /// Takes a chunk or a whole answer. Whether its shape is known.
    fn absorb(&mut self, response: &Value) -> Result<bool, Fault> {
        self.format.absorb(&mut self.partial, response)
    }
}

/// Some servers put it before their JSON.
const BYTE_ORDER_MARK: [u8; 3] = *b"\xef\xbb\xbf";

/// The bytes after a byte order mark at the very beginning, however it is split; `None` while it may go on.
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

fn fault_of_sse(error: SseError) -> Fault {
    match error {
        SseError::TooLarge => fault(FaultKind::TooLarge, &error.to_string()),
    }
}

fn html() -> Fault {
    fault(FaultKind::Malformed, "the model's server answered with HTML; is its base URL right?")
}

#[cfg(test)]
mod tests;
