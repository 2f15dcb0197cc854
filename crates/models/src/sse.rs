use std::{mem, rc::Rc};

use longhaul_core::limits::ANSWER_BYTES_MAX;
use thiserror::Error;

/// One event, and one line of it, in bytes: an event that is larger than an answer may be is refused.
pub const SSE_EVENT_BYTES_MAX: usize = ANSWER_BYTES_MAX;

/// An event of a stream of server-sent events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type: `message` where the stream names none.
    pub event: String,
    /// Its data lines, joined by line feeds.
    pub data: String,
    /// The last `id` that the stream sent, with this event or before it. Events share it: it may be as long as a line may
    /// be, and there may be very many events after it.
    pub last_id: Rc<str>,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SseError {
    /// A line or an event is over [`SSE_EVENT_BYTES_MAX`].
    #[error("an event of the stream is larger than {SSE_EVENT_BYTES_MAX} bytes")]
    TooLarge,
}

/// An incremental parser of server-sent events, as the WHATWG HTML standard interprets them, and as servers of models write
/// them.
///
/// Where the standard would lose what a server said, on purpose it does otherwise:
/// - Sizes have a limit.
/// - An event whose data is whole JSON, or `[DONE]`, is whole: a further `data:` line begins the next one, and the end of the
///   body needs no blank line before it.
/// - A field `error` is an event of that type, and a line of bare JSON is data.
///
/// `retry` is kept for whoever reconnects. Other data without its closing blank line at the end of
/// the stream is never dispatched, as the standard says.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    /// The last line ended with CR: a LF that follows belongs to that ending.
    after_cr: bool,
    /// The first line, which alone may begin with a byte order mark, is over.
    begun: bool,
    event: String,
    /// A type that came after whole data: the next line tells whose it is.
    next_event: Option<String>,
    data: String,
    extent: Extent,
    last_id: Rc<str>,
    retry_ms: Option<u64>,
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, however they were split, and hands over every event that they complete.
    ///
    /// After an error the stream is over: the events before it were handed over, and nothing after it can be trusted.
    pub fn push(&mut self, mut bytes: &[u8], on_event: &mut impl FnMut(SseEvent)) -> Result<(), SseError> {
        while let Some((&first, rest)) = bytes.split_first() {
            if mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = rest;
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                return self.extend_line(bytes);
            };
            self.extend_line(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            self.end_line(on_event)?;
        }
        Ok(())
    }

    /// What the stream said last of when to reconnect, in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// The body ended here, without a fault: hands over a last event that is whole.
    pub fn finish(mut self, on_event: &mut impl FnMut(SseEvent)) -> Result<(), SseError> {
        if !self.line.is_empty() {
            self.end_line(on_event)?;
        }
        if self.extent == Extent::Whole {
            self.dispatch(on_event);
        }
        Ok(())
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() > SSE_EVENT_BYTES_MAX {
            return Err(SseError::TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, on_event: &mut impl FnMut(SseEvent)) -> Result<(), SseError> {
        let line = mem::take(&mut self.line);
        self.take_line(&String::from_utf8_lossy(&line), on_event)?;
        // The buffer is used again: a stream of tokens allocates once per event, not once per line.
        self.line = line;
        self.line.clear();
        Ok(())
    }

    fn take_line(&mut self, line: &str, on_event: &mut impl FnMut(SseEvent)) -> Result<(), SseError> {
        // Some servers keep a connection alive with NUL.
        let mut line = line.trim_start_matches('\0');
        if !mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            if let Some(event) = self.next_event.take() {
                self.event = event;
            }
            self.dispatch(on_event);
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.extent.ends_before(value) {
                    self.dispatch(on_event);
                }
                if let Some(event) = self.next_event.take() {
                    self.event = event;
                }
                self.extend_data(value)
            }
            "error" => {
                self.dispatch(on_event);
                field.clone_into(&mut self.event);
                self.extend_data(value)
            }
            "event" if self.extent == Extent::Whole => {
                self.next_event = Some(value.to_owned());
                Ok(())
            }
            "event" => {
                value.clone_into(&mut self.event);
                Ok(())
            }
            "id" if !value.contains('\0') => {
                self.last_id = Rc::from(value);
                Ok(())
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
                Ok(())
            }
            "" | "id" | "retry" => Ok(()),
            // JSON over several lines of which only the first has a field, or none.
            _ if self.extent.is_open() => self.extend_data(line),
            _ if line.trim_start().starts_with('{') => {
                self.dispatch(on_event);
                self.extend_data(line)
            }
            // What the standard does not name.
            _ => Ok(()),
        }
    }

    fn extend_data(&mut self, value: &str) -> Result<(), SseError> {
        if self.data.len() + value.len() >= SSE_EVENT_BYTES_MAX {
            return Err(SseError::TooLarge);
        }
        self.data.push_str(value);
        self.data.push('\n');
        self.extent.extend(value);
        Ok(())
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(SseEvent)) {
        self.extent = Extent::default();
        let mut event = mem::take(&mut self.event);
        if self.data.is_empty() {
            return;
        }
        if event.is_empty() {
            "message".clone_into(&mut event);
        }
        let mut data = mem::take(&mut self.data);
        data.pop();
        on_event(SseEvent { event, data, last_id: Rc::clone(&self.last_id) });
    }
}

/// How much of a JSON text has come: told from each character once, however many pieces it comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Extent {
    /// White space only.
    #[default]
    Blank,
    /// Inside of so many brackets, and perhaps of a string there.
    Open { depth: u32, string: InString },
    /// An object or a list, and nothing after it.
    Whole,
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InString {
    No,
    Yes,
    Escaped,
}

impl Extent {
    fn extend(&mut self, text: &str) {
        for byte in text.bytes() {
            *self = self.and(byte);
        }
        // A line ends here, which is white space to JSON.
    }

    fn and(self, byte: u8) -> Self {
        let open = |depth, string| Self::Open { depth, string };
        match (self, byte) {
            (Self::Other, _) => self,
            (Self::Blank, b'{' | b'[') => open(1, InString::No),
            (Self::Blank | Self::Whole, byte) if byte.is_ascii_whitespace() => self,
            (Self::Blank | Self::Whole, _) => Self::Other,
            (Self::Open { depth, string: InString::Escaped }, _) => open(depth, InString::Yes),
            (Self::Open { depth, string: InString::Yes }, b'\\') => open(depth, InString::Escaped),
            (Self::Open { depth, string: InString::Yes }, b'"') => open(depth, InString::No),
            (Self::Open { string: InString::Yes, .. }, _) => self,
            (Self::Open { depth, .. }, b'"') => open(depth, InString::Yes),
            (Self::Open { depth, .. }, b'{' | b'[') => open(depth.saturating_add(1), InString::No),
            (Self::Open { depth: 1, .. }, b'}' | b']') => Self::Whole,
            (Self::Open { depth, .. }, b'}' | b']') => open(depth - 1, InString::No),
            (Self::Open { .. }, _) => self,
        }
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Whether an event with this data is over before a further line of data.
    fn ends_before(self, line: &str) -> bool {
        let begins = || line.trim_start().starts_with('{') || line.trim() == "[DONE]";
        self == Self::Whole || self == Self::Other && begins()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &[u8]) -> Vec<(String, String, String)> {
        let mut events = Vec::new();
        SseParser::new()
            .push(stream, &mut |event| events.push((event.event, event.data, event.last_id.to_string())))
            .unwrap();
        events
    }

    fn data(stream: &[u8]) -> Vec<String> {
        events(stream).into_iter().map(|(_, data, _)| data).collect()
    }

    #[test]
    fn lines_end_with_cr_lf_or_both() {
        for stream in [
            "data: a\ndata: b\n\ndata: c\n\n",
            "data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n",
            "data: a\rdata: b\r\rdata: c\r\r",
        ] {
            assert_eq!(data(stream.as_bytes()), ["a\nb", "c"], "{stream:?}");
        }
        assert_eq!(data(b"data: a\r\n\ndata: b\n\r\n"), ["a", "b"]);
    }

    #[test]
    fn a_crlf_that_is_split_is_one_line_end() {
        let mut parser = SseParser::new();
        let mut seen = Vec::new();
        for part in [b"data: a\r".as_slice(), b"\ndata: b\r", b"\n\r", b"\n"] {
            parser.push(part, &mut |event| seen.push(event.data)).unwrap();
        }
        assert_eq!(seen, ["a\nb"]);
    }

    #[test]
    fn the_examples_of_the_standard() {
        assert_eq!(data(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        let second =
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
        assert_eq!(
            events(second),
            [
                ("message".to_owned(), "first event".to_owned(), "1".to_owned()),
                ("message".to_owned(), "second event".to_owned(), String::new()),
            ]
        );
        assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn fields_other_than_data_event_and_id_are_ignored() {
        let stream = b"retry: 5\nfoo: bar\n:comment\nevent: e\nid: 7\ndata: x\n\nid: a\0b\ndata: y\n\n";
        assert_eq!(
            events(stream),
            [
                ("e".to_owned(), "x".to_owned(), "7".to_owned()),
                ("message".to_owned(), "y".to_owned(), "7".to_owned()),
            ]
        );
        assert_eq!(data(b"event: only\n\ndata: x\n\n"), ["x"], "an event without data is none");
        assert_eq!(events(b"event: only\n\ndata: x\n\n")[0].0, "message");
    }

    #[test]
    fn one_byte_order_mark_at_the_start_is_skipped() {
        assert_eq!(data("\u{feff}data: x\n\n".as_bytes()), ["x"]);
        assert!(data("\u{feff}\u{feff}data: x\n\n".as_bytes()).is_empty());
        assert!(data("\n\u{feff}data: x\n\n".as_bytes()).is_empty());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(data(b"data: a\n\ndata: b\xff\n\n"), ["a", "b\u{fffd}"]);
    }

    fn to_the_end(stream: &str) -> Vec<(String, String)> {
        let mut events = Vec::new();
        let mut parser = SseParser::new();
        let mut on_event = |event: SseEvent| events.push((event.event, event.data));
        parser.push(stream.as_bytes(), &mut on_event).unwrap();
        parser.finish(&mut on_event).unwrap();
        events
    }

    #[test]
    fn whole_json_is_an_event_without_its_blank_line() {
        let two =
            [("message".to_owned(), "{\"a\":\"}\"}".to_owned()), ("message".to_owned(), "[DONE]".to_owned())];
        for stream in [
            "data: {\"a\":\"}\"}\n\ndata: [DONE]\n\n",
            "data: {\"a\":\"}\"}\ndata: [DONE]\n",
            "data: {\"a\":\"}\"}\r\ndata: [DONE]",
            "data: {\"a\":\"}\"}\rdata: [DONE]\r",
            "{\"a\":\"}\"}\ndata: [DONE]",
        ] {
            assert_eq!(to_the_end(stream), two, "{stream:?}");
        }
        assert_eq!(to_the_end("data: null\ndata: {}\n"), [null(), braces()]);
        assert_eq!(to_the_end("data: null\n\0\0data: {}\n"), [null(), braces()]);
        assert_eq!(to_the_end("data: {\"a\":"), [], "half of it is none");
        assert_eq!(to_the_end("data: half"), []);
    }

    fn null() -> (String, String) {
        ("message".to_owned(), "null".to_owned())
    }

    fn braces() -> (String, String) {
        ("message".to_owned(), "{}".to_owned())
    }

    #[test]
    fn json_may_go_over_lines_without_a_field() {
        for stream in
            ["data: {\n  \"a\": 1\n}\n\n", "{\n  \"a\": 1\n}", "data: {\ndata:   \"a\": 1\ndata: }\n\n"]
        {
            let events = to_the_end(stream);
            assert_eq!(events.len(), 1, "{stream:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&events[0].1).unwrap()["a"], 1);
        }
    }

    #[test]
    fn an_error_field_is_an_event_of_that_type() {
        let error = ("error".to_owned(), "{\"code\":400}".to_owned());
        let done = ("message".to_owned(), "[DONE]".to_owned());
        for stream in [
            "error: {\"code\":400}\n\ndata: [DONE]\n\n",
            "error: {\"code\":400}\ndata: [DONE]",
            "event: error\ndata: {\"code\":400}\ndata: [DONE]",
        ] {
            assert_eq!(to_the_end(stream), [error.clone(), done.clone()], "{stream:?}");
        }
        let named = to_the_end("event: a\ndata: {}\nevent: b\ndata: {}\n\ndata: {}\nevent: c\n\n");
        assert_eq!(named.iter().map(|(event, _)| event.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_line_and_an_event_have_a_limit() {
        let line = vec![b'x'; SSE_EVENT_BYTES_MAX + 1];
        assert_eq!(SseParser::new().push(&line, &mut |_| ()), Err(SseError::TooLarge));
        let half = format!("data: {}\n", "x".repeat(SSE_EVENT_BYTES_MAX / 2));
        let mut parser = SseParser::new();
        parser.push(half.as_bytes(), &mut |_| ()).unwrap();
        assert_eq!(parser.push(half.as_bytes(), &mut |_| ()), Err(SseError::TooLarge));
    }
}
