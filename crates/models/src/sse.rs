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
    /// be, and there may be very many events behind it.
    pub last_id: Rc<str>,
}

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SseError {
    /// A line is not UTF-8.
    #[error("the event stream is not UTF-8")]
    NotUtf8,
    /// A line or an event is over [`SSE_EVENT_BYTES_MAX`].
    #[error("an event of the stream is larger than {SSE_EVENT_BYTES_MAX} bytes")]
    TooLarge,
}

/// An incremental parser of server-sent events, as the WHATWG HTML standard interprets them.
///
/// Two departures, both on purpose: bytes that are not UTF-8 are an error rather than replaced, and sizes have a limit.
/// `retry` is ignored, since reconnecting is not this parser's matter. An event without its closing blank line at the
/// end of the stream is never dispatched, as the standard says.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    /// The last line ended with CR: a LF that follows belongs to that ending.
    after_cr: bool,
    /// The first line, which alone may begin with a byte order mark, is over.
    begun: bool,
    event: String,
    data: String,
    last_id: Rc<str>,
}

impl SseParser {
    /// A parser at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, however they were split, and hands over every event that they complete.
    ///
    /// After an error the stream is over: the events before it were handed over, and nothing behind it can be trusted.
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
            let line = mem::take(&mut self.line);
            self.end_line(&line, on_event)?;
            // The buffer is used again: a stream of tokens allocates once per event, not once per line.
            self.line = line;
            self.line.clear();
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

    fn end_line(&mut self, line: &[u8], on_event: &mut impl FnMut(SseEvent)) -> Result<(), SseError> {
        let mut line = str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        if !mem::replace(&mut self.begun, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(on_event);
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.data.len() + value.len() >= SSE_EVENT_BYTES_MAX {
                    return Err(SseError::TooLarge);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => self.last_id = Rc::from(value),
            // A comment (an empty field name), `retry`, and what the standard does not name.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, on_event: &mut impl FnMut(SseEvent)) {
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
    fn bytes_that_are_not_utf8_end_the_stream_after_the_events_before_them() {
        let mut seen = Vec::new();
        let result = SseParser::new().push(b"data: a\n\ndata: \xff\n\n", &mut |event| seen.push(event.data));
        assert_eq!(result, Err(SseError::NotUtf8));
        assert_eq!(seen, ["a"]);
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
