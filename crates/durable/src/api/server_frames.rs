use longhaul_core::Seq;
use serde::Serialize;

/// The replay is over; what follows is new.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename = "caught_up")]
pub(crate) struct CaughtUp {
    /// The last event of the replay.
    pub(crate) seq: Seq,
}

/// A client's frame was not understood; the socket stays open. The ninth such frame within a minute closes it (1008).
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename = "error")]
pub(crate) struct FrameError<'a> {
    /// A word for programs.
    #[cfg_attr(test, schemars(extend("const" = "unknown_frame")))]
    code: &'static str,
    /// What to send instead.
    detail: &'a str,
}

impl<'a> FrameError<'a> {
    pub(crate) fn new(detail: &'a str) -> Self {
        Self { code: "unknown_frame", detail }
    }
}

/// A frame as text.
pub(crate) fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("a frame has string keys and finite numbers only")
}
