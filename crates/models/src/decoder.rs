use std::mem;

use longhaul_core::{Fault, FaultKind, ModelAnswer, limits::RESPONSE_BYTES_MAX};
use serde_json::Value;

use crate::{
    error::{self, fault, reported_fault},
    format::Format,
    lenient::{self, Parsed},
    partial::{BROKE_OFF, Partial},
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
    /// It declared a page.
    is_page: bool,
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
    /// What the first one of an unknown shape said: why, where no answer comes.
    foreign: Option<Fault>,
    /// The last one was of an unknown shape, and said something.
    ends_foreign: bool,
}

impl Decoder {
    /// A decoder for an answer in this format. The content type is a hint: the first byte decides between events and
    /// a document, because servers ignore `stream` and mislabel their answers, also as HTML. A page is refused.
    pub fn new(format: Format, content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        Self {
            body: Body::Blank { mark_bytes: 0 },
            reading: Reading {
                format,
                partial: Partial::default(),
                events: 0,
                chunks: 0,
                odd: None,
                foreign: None,
                ends_foreign: false,
            },
            received_bytes: 0,
            declared: content_type.contains("text/event-stream"),
            is_page: content_type.contains("html"),
            fault: None,
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

    /// The thoughts so far: they are no part of the text.
    pub fn thoughts(&self) -> &str {
        self.reading.partial.thoughts()
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
            Body::Blank { .. } if self.is_page => Err(html()),
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
        let mut data = bare(&event.data);
        // Some proxies lose the line end between two events.
        while let Some((first, rest)) = lenient::split(data) {
            self.take_data(first, event)?;
            data = bare(rest);
        }
        self.take_data(data, event)
    }

    fn take_data(&mut self, data: &str, event: &SseEvent) -> Result<(), Fault> {
        if self.partial.has_ended() {
            return Ok(());
        }
        let is_end = data.trim_matches('"').eq_ignore_ascii_case("[DONE]");
        if is_end || event.event == "done" && matches!(data, "" | "{}") {
            return self.partial.end_stream();
        }
        match lenient::parse(data) {
            Ok(Parsed { value: Value::Array(parts), mended }) if parts.iter().any(Value::is_object) => {
                let mut parts = parts.into_iter().filter(Value::is_object);
                parts.try_for_each(|value| self.take_chunk(Parsed { value, mended }, event))
            }
            Ok(parsed) if parsed.value.is_object() => self.take_chunk(parsed, event),
            _ if event.event == "error" => {
                self.take_chunk(Parsed { value: serde_json::json!({ "error": data }), mended: false }, event)
            }
            Err(_) if data.starts_with('{') => {
                Err(fault(FaultKind::Truncated, "an event of the model's stream is not whole JSON"))
            }
            // A value that is no object, or a word that keeps the connection alive, has no text of the answer to lose.
            Ok(_) | Err(_) => {
                self.odd.get_or_insert_with(|| quoted(data));
                Ok(())
            }
        }
    }

    fn take_chunk(&mut self, mut chunk: Parsed, event: &SseEvent) -> Result<(), Fault> {
        self.chunks += 1;
        let is_error = event.event == "error";
        // Some servers say the type of an event in its line alone.
        let has_type = self.format == Format::Chat || event.event == "message" || is_error;
        if !has_type && chunk.value["type"].is_null() {
            chunk.value["type"] = event.event.as_str().into();
        }
        if let Some(fault) = reported_fault(&chunk.value) {
            return Err(fault);
        }
        if is_error {
            let error = serde_json::json!({ "error": chunk.value });
            let silent =
                || fault(FaultKind::ServerError, "the model's server reported an error in its stream");
            return Err(reported_fault(&error).unwrap_or_else(silent));
        }
        self.partial.begin_chunk(chunk.mended);
        // A chunk of an unknown shape (a ping, a filter's result) is no fault: the stream must end properly anyway.
        let told = if self.absorb(&chunk.value)? { None } else { error::foreign_fault(&chunk.value) };
        self.ends_foreign = told.is_some();
        self.foreign = self.foreign.take().or(told);
        Ok(())
    }

    fn finish_stream(self, declared: bool) -> Result<ModelAnswer, Fault> {
        if self.partial.is_whole_at_the_end() {
            let answer = self.partial.finish();
            return answer.map_err(|fault| match self.foreign {
                Some(told) if fault.kind == FaultKind::EmptyResponse => Fault { usage: fault.usage, ..told },
                Some(_) | None => fault,
            });
        }
        if self.events == 0 && !declared {
            let message = "the model's answer is neither a stream of events nor JSON";
            return Err(fault(FaultKind::Malformed, message));
        }
        // What the server said last, or in the place of an answer, is why there is none.
        let broken = self.partial.told_of(fault(FaultKind::Truncated, BROKE_OFF));
        if let Some(told) = self.foreign.filter(|_| self.ends_foreign || !broken.begun) {
            return Err(self.partial.told_of(told));
        }
        match self.odd {
            Some(odd) if self.chunks == 0 => {
                let message = format!("no event of the model's stream is a JSON object; it said: {odd}");
                Err(fault(FaultKind::Malformed, &message))
            }
            _ => Err(broken),
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
            Err(error) if error.is_eof() => Err(fault(FaultKind::Truncated, BROKE_OFF)),
            // Several documents, one a line, or events after a first line without a field.
            Err(_) => {
                let mut parser = SseParser::new();
                let taken = self.take_events(&mut parser, bytes);
                let taken = taken.and_then(|()| self.finish_events(parser));
                if self.chunks == 0 {
                    let message = format!("the model's answer is not JSON; it said: {}", quoted(&text));
                    return Err(fault(FaultKind::Malformed, &message));
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
        if is_known {
            return Ok(());
        }
        let told = parts.iter().find_map(error::foreign_fault);
        let strange = || fault(FaultKind::Malformed, "the model's answer is JSON of an unknown shape");
        Err(told.unwrap_or_else(strange))
    }

    /// Takes a chunk or a whole answer. Whether its shape is known.
    fn absorb(&mut self, response: &Value) -> Result<bool, Fault> {
        self.format.absorb(&mut self.partial, response)
    }
}

/// An event's data without what was put around it twice: a framework's `data: ` before another one's.
fn bare(data: &str) -> &str {
    let data = data.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    data.strip_prefix("data:").map_or(data, bare)
}

/// The beginning of what a server said, for an error.
fn quoted(text: &str) -> String {
    text.trim().chars().take(QUOTED_CHARS_MAX).collect()
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
