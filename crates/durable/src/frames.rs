use std::rc::Rc;

use js_sys::{Array, JsString, Promise};
use longhaul_core::limits::{CLIENT_FRAME_BYTES_MAX, CLOSED_SOCKET_PAUSE_MS, SOCKET_ERROR_BACKLOG_BYTES_MAX};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{State, WebSocket};

use crate::{
    api::{
        frames::{Frame, FrameCount, Verdict},
        server_frames::{self, FrameError},
    },
    platform::now_ms,
    watchers::{buffered_bytes, close, is_open, send},
};

/// The code of a close for a reader that sends what it should not: "policy violation" (RFC 6455, section 7.4.1).
const CLOSE_POLICY: u16 = 1008;

/// What the readers of an object's sockets send, counted for each socket. The count is the socket's attachment, which
/// outlives the object's memory.
pub(crate) struct Frames {
    state: Rc<State>,
}

impl Frames {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state }
    }

    /// Takes a frame; whose it is that cancels the session's runs. All else is done here.
    pub(crate) fn cancels(&self, socket: &WebSocket, message: &JsValue) -> Option<Reader> {
        if !is_open(socket) {
            self.pause();
            return None;
        }
        let (mut count, reader) = known_of(socket);
        let verdict = count.take(read(message), now_ms());
        remember(socket, count, &reader);
        match verdict {
            Verdict::Cancel if reader.may_cancel => return Some(reader),
            Verdict::Cancel => refuse(socket, "the token does not have the scope `run`"),
            Verdict::Refuse(detail) => refuse(socket, detail),
            Verdict::Close(reason) => close(socket, CLOSE_POLICY, reason),
        }
        None
    }

    /// A socket that was closed is closed for us; what its reader has sent already, and goes on sending, is delivered all
    /// the same, one frame after the other. While the object takes no event the platform reads no further frame, and
    /// the reader's connection stands still: so a flood costs next to nothing, whatever it sends.
    fn pause(&self) {
        let pause = SCHEDULER.with(|timers| timers.wait().bind(timers, CLOSED_SOCKET_PAUSE_MS));
        let gated: &Gated = self.state.as_raw().unchecked_ref();
        if let Err(error) = gated.block_concurrency_while(&pause) {
            tracing::error!(?error, "the object cannot pause");
        }
    }
}

/// Whose a socket is.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// As the journal names them; `None` for a socket of an earlier version, which knew the tenant alone.
    pub(crate) by: Option<String>,
    pub(crate) may_cancel: bool,
}

/// Remembers whose a new socket is.
pub(crate) fn introduce(socket: &WebSocket, reader: &Reader) {
    remember(socket, FrameCount::default(), reader);
}

fn known_of(socket: &WebSocket) -> (FrameCount, Reader) {
    let attached: &Attached = socket.as_ref().unchecked_ref();
    let known = attached.deserialize_attachment().unwrap_or_default();
    let unknown = Reader { by: None, may_cancel: true };
    let Some(known) = known.dyn_ref::<Array>() else { return (FrameCount::default(), unknown) };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers, which `remember` put there"
    )]
    let number = |index| known.get(index).as_f64().unwrap_or_default() as u64;
    let small = |index| u32::try_from(number(index)).unwrap_or(u32::MAX);
    let count = FrameCount { since: number(0), frames: small(1), unknown: small(2) };
    (count, Reader { by: known.get(3).as_string(), may_cancel: known.get(4).as_bool().unwrap_or(true) })
}

fn remember(socket: &WebSocket, count: FrameCount, reader: &Reader) {
    let FrameCount { since, frames, unknown } = count;
    let known = Array::of5(
        &JsValue::from(since as f64),
        &frames.into(),
        &unknown.into(),
        &reader.by.as_deref().into(),
        &reader.may_cancel.into(),
    );
    let attached: &Attached = socket.as_ref().unchecked_ref();
    if let Err(error) = attached.serialize_attachment(&known) {
        tracing::error!(?error, "a socket's frames are not counted");
    }
}

/// Reads what the platform delivers. What is too large stays outside of our memory, which never shrinks.
fn read(message: &JsValue) -> Frame {
    match message.dyn_ref::<JsString>() {
        None => Frame::BINARY,
        Some(text) if text.length() as usize > CLIENT_FRAME_BYTES_MAX => Frame::TOO_LARGE,
        Some(text) => Frame::read(&String::from(text)),
    }
}

/// Says what is wrong with a frame, unless the reader does not take what it is sent.
pub(crate) fn refuse(socket: &WebSocket, detail: &str) {
    if buffered_bytes(socket) <= SOCKET_ERROR_BACKLOG_BYTES_MAX {
        send(socket, &JsString::from(server_frames::text(&FrameError::new(detail))));
    }
}

#[wasm_bindgen]
extern "C" {
    type Gated;
    #[wasm_bindgen(method, catch, js_name = blockConcurrencyWhile)]
    fn block_concurrency_while(this: &Gated, callback: &JsValue) -> Result<Promise, JsValue>;

    /// A socket as the platform keeps it: with a small value of ours.
    type Attached;
    #[wasm_bindgen(method, catch, js_name = serializeAttachment)]
    fn serialize_attachment(this: &Attached, value: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = deserializeAttachment)]
    fn deserialize_attachment(this: &Attached) -> Result<JsValue, JsValue>;

    /// The platform's timers as promises.
    type Scheduler;
    #[wasm_bindgen(thread_local_v2, js_name = scheduler)]
    static SCHEDULER: Scheduler;
    #[wasm_bindgen(method, getter)]
    fn wait(this: &Scheduler) -> Wait;

    type Wait;
    #[wasm_bindgen(method)]
    fn bind(this: &Wait, timers: &Scheduler, ms: u32) -> JsValue;
}
