use longhaul_core::{
    TimeMs,
    limits::{CLIENT_FRAME_BYTES_MAX, SOCKET_FRAMES_MAX, SOCKET_UNKNOWN_FRAMES_MAX},
};
use serde_json::{Value, json};

/// How long the frames of a socket are counted before the count begins anew, in milliseconds.
const WINDOW_MS: TimeMs = 60_000;

/// What a WebSocket's reader says. `ping` never comes here: the platform answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Cancel the session's runs.
    Cancel,
    /// Nothing that the API knows, and what is wrong with it.
    Unknown(&'static str),
}

impl Frame {
    /// A frame of text that has more characters than [`CLIENT_FRAME_BYTES_MAX`], or more bytes.
    pub(crate) const TOO_LARGE: Self = Self::Unknown("the frame is too large");
    /// A frame of bytes.
    pub(crate) const BINARY: Self = Self::Unknown("frames are text");

    /// Reads a text frame.
    pub(crate) fn read(text: &str) -> Self {
        if text.len() > CLIENT_FRAME_BYTES_MAX {
            return Self::TOO_LARGE;
        }
        match serde_json::from_slice::<Value>(text.as_bytes()) {
            Ok(frame) if frame == json!({"type": "cancel"}) => Self::Cancel,
            _ => Self::Unknown("send `ping` or {\"type\":\"cancel\"}"),
        }
    }
}

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Cancel,
    /// An error frame says what is wrong.
    Refuse(&'static str),
    /// The socket is closed, for this reason.
    Close(&'static str),
}

/// How many frames a socket's reader has sent within a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FrameCount {
    /// When the minute began.
    pub(crate) since: TimeMs,
    pub(crate) frames: u32,
    /// Those among them that nobody knows.
    pub(crate) unknown: u32,
}

impl FrameCount {
    /// Counts a frame, and says what happens to it.
    pub(crate) fn take(&mut self, frame: Frame, now: TimeMs) -> Verdict {
        if now.saturating_sub(self.since) >= WINDOW_MS {
            *self = Self { since: now, ..Self::default() };
        }
        self.frames += 1;
        self.unknown += u32::from(matches!(frame, Frame::Unknown(_)));
        if self.unknown > SOCKET_UNKNOWN_FRAMES_MAX {
            return Verdict::Close("too many frames that nobody knows");
        }
        if self.frames > SOCKET_FRAMES_MAX {
            return Verdict::Close("too many frames");
        }
        match frame {
            Frame::Cancel => Verdict::Cancel,
            Frame::Unknown(detail) => Verdict::Refuse(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUNK: Frame = Frame::BINARY;

    fn verdicts(count: &mut FrameCount, frame: Frame, now: TimeMs, times: u32) -> Vec<Verdict> {
        (0..times).map(|_| count.take(frame, now)).collect()
    }

    #[test]
    fn only_a_cancel_is_known_however_it_is_spelled() {
        for text in [r#"{"type":"cancel"}"#, " { \"type\" : \"\\u0063ancel\" } "] {
            assert_eq!(Frame::read(text), Frame::Cancel, "{text}");
        }
        let longest = format!("{{\"type\":\"cancel\"}}{}", " ".repeat(CLIENT_FRAME_BYTES_MAX - 17));
        assert_eq!(Frame::read(&longest), Frame::Cancel);
        assert_eq!(Frame::read(&(longest + " ")), Frame::TOO_LARGE);
        for text in ["", "x", "ping ", "null", r#"{"type":"cancel","run":1}"#, r#"["cancel"]"#] {
            assert!(matches!(Frame::read(text), Frame::Unknown(_)), "{text}");
        }
    }

    #[test]
    fn the_ninth_unknown_frame_of_a_minute_closes_and_a_new_minute_begins_anew() {
        let mut count = FrameCount::default();
        let refused = verdicts(&mut count, JUNK, 1_000_000, SOCKET_UNKNOWN_FRAMES_MAX);
        assert!(refused.iter().all(|verdict| matches!(verdict, Verdict::Refuse(_))), "{refused:?}");
        let mut later = count;
        assert_eq!(later.take(Frame::Cancel, 1_000_000), Verdict::Cancel, "what is known is taken");
        assert!(matches!(later.take(JUNK, 1_000_000 + WINDOW_MS - 1), Verdict::Close(_)));
        assert!(matches!(count.take(JUNK, 1_000_000 + WINDOW_MS), Verdict::Refuse(_)));
    }

    #[test]
    fn frames_that_are_known_are_bounded_too() {
        let mut count = FrameCount::default();
        let taken = verdicts(&mut count, Frame::Cancel, 5, SOCKET_FRAMES_MAX);
        assert!(taken.iter().all(|verdict| *verdict == Verdict::Cancel));
        assert!(matches!(count.take(Frame::Cancel, 5), Verdict::Close(_)));
        assert!(matches!(count.take(Frame::Cancel, 5), Verdict::Close(_)), "and stays so");
    }

    /// A clock that goes back must not open a new minute, nor break.
    #[test]
    fn a_clock_that_goes_back_counts_on() {
        let mut count = FrameCount::default();
        verdicts(&mut count, JUNK, 1_000_000, SOCKET_UNKNOWN_FRAMES_MAX);
        assert!(matches!(count.take(JUNK, 10), Verdict::Close(_)));
    }
}
