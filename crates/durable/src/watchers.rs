use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
};
use js_sys::JsString;
use longhaul_core::{Entry, Record, RunId, limits};
use longhaul_host::Delta;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use worker::{State, WebSocket};

use crate::{
    api::server_frames,
    backlog::{Backlog, Chunk, takes},
    tool::Progress,
};

/// Chunks that an SSE reader may lag behind. A slower one is let go, and comes back with its cursor.
const SSE_BACKLOG_MAX: usize = 1_024;
/// The code of a close after which a reader may come back: "try again later", of IANA's registry.
pub(crate) const CLOSE_TRY_AGAIN: u16 = 1013;
/// The tag of sockets that want every run.
const TAG_ALL: &str = "all";

/// Everybody who watches a session: hibernating sockets, SSE readers, and requests that wait for a run's end.
pub(crate) struct Watchers {
    state: Rc<State>,
    /// Whether a socket may be open. An object that wakes does not know, and asks the platform once; most runs are
    /// watched by nobody, and then a record costs no text and no call into JavaScript.
    may_have_sockets: Cell<bool>,
    sse: RefCell<Vec<SseWatcher>>,
    pub(crate) backlog: Backlog,
    /// One for each SSE stream that is open, whether it replays or tails.
    seats: Rc<()>,
    waiting: RefCell<Vec<(RunId, oneshot::Sender<()>)>>,
}

/// A place among the watchers.
pub(crate) struct Seat(#[expect(dead_code, reason = "what counts is that it is held")] Rc<()>);

struct SseWatcher {
    sender: mpsc::Sender<Rc<Chunk>>,
    /// The reader's end: what waits for a reader that is let go is dropped at once.
    queue: Rc<RefCell<mpsc::Receiver<Rc<Chunk>>>>,
    /// Bytes that were sent and not taken.
    backlog: Rc<Cell<usize>>,
    run: Option<RunId>,
    deltas: bool,
}

impl SseWatcher {
    /// Whether the reader is still one: a chunk is the same for all readers, however many there are. `waiting` is what
    /// waits for all readers, the chunk included.
    fn send(&mut self, chunk: &Rc<Chunk>, waiting: usize) -> bool {
        let (own, bytes) = (self.backlog.get(), chunk.text.len());
        // Who has taken everything gets it: it is there already, for all of them.
        let fits = own == 0 || takes(own, waiting.saturating_sub(bytes), bytes);
        if fits && self.sender.try_send(Rc::clone(chunk)).is_ok() {
            self.backlog.set(own + bytes);
            return true;
        }
        empty(&self.queue);
        false
    }
}

/// What an SSE reader is yet to get.
pub(crate) struct Chunks {
    queue: Rc<RefCell<mpsc::Receiver<Rc<Chunk>>>>,
    backlog: Rc<Cell<usize>>,
}

impl Chunks {
    /// The next chunk; `None` when the reader was let go.
    pub(crate) async fn next(&mut self) -> Option<Rc<Chunk>> {
        let chunk = poll_fn(|context| self.queue.borrow_mut().poll_next_unpin(context)).await?;
        self.backlog.set(self.backlog.get().saturating_sub(chunk.text.len()));
        Some(chunk)
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        empty(&self.queue);
    }
}

/// Nothing more comes through a queue, and what is in it is dropped.
fn empty(queue: &RefCell<mpsc::Receiver<Rc<Chunk>>>) {
    let mut queue = queue.borrow_mut();
    queue.close();
    while queue.try_recv().is_ok() {}
}

impl Watchers {
    pub(crate) fn new(state: Rc<State>) -> Self {
        let may_have_sockets = Cell::new(true);
        let (sse, seats, waiting) = (RefCell::default(), Rc::new(()), RefCell::default());
        Self { state, may_have_sockets, sse, backlog: Backlog::default(), seats, waiting }
    }

    /// What waits for all readers together, in bytes.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let sockets = if self.has_sockets() { self.state.get_websockets() } else { Vec::new() };
        self.backlog.bytes() + sockets.iter().map(buffered_bytes).sum::<usize>()
    }

    /// Whether another watcher may come.
    pub(crate) fn has_room(&self) -> bool {
        self.state.get_websockets().len() + Rc::strong_count(&self.seats) - 1 < limits::WATCHERS_MAX
    }

    /// The place of an SSE stream, until it is dropped.
    pub(crate) fn seat(&self) -> Seat {
        Seat(Rc::clone(&self.seats))
    }

    /// Takes the server's end of a WebSocket, so that it survives hibernation.
    pub(crate) fn accept(&self, socket: &WebSocket, run: Option<RunId>) {
        let tag = run.map_or_else(|| TAG_ALL.to_owned(), run_tag);
        self.state.accept_websocket_with_tags(socket, &[tag.as_str()]);
        self.may_have_sockets.set(true);
    }

    /// A reader of SSE; the channel's end is the stream's.
    pub(crate) fn subscribe(&self, run: Option<RunId>, deltas: bool) -> Chunks {
        let (sender, receiver) = mpsc::channel(SSE_BACKLOG_MAX);
        let (queue, backlog) = (Rc::new(RefCell::new(receiver)), Rc::new(Cell::new(0)));
        let chunks = Chunks { queue: Rc::clone(&queue), backlog: Rc::clone(&backlog) };
        self.sse.borrow_mut().push(SseWatcher { sender, queue, backlog, run, deltas });
        chunks
    }

    /// Completes when the run ends; fails when the session is erased.
    pub(crate) fn end_of(&self, run: RunId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(|(_, sender)| !sender.is_canceled());
        waiting.push((run, sender));
        receiver
    }

    /// New records, in order.
    pub(crate) fn publish(&self, records: &[Record]) {
        if self.has_sockets() || !self.sse.borrow().is_empty() {
            let texts: Vec<String> = records.iter().map(event_text).collect();
            self.publish_to_sockets(records, &texts);
            self.publish_to_sse(records, &texts);
        }
        for record in records.iter().filter(|record| matches!(record.entry, Entry::RunEnded { .. })) {
            let ended =
                self.waiting.borrow_mut().extract_if(.., |(run, _)| *run == record.run).collect::<Vec<_>>();
            for (_, sender) in ended {
                // A waiter that went away needs no answer.
                sender.send(()).unwrap_or_default();
            }
        }
    }

    /// Whether somebody reads the text of calls in flight.
    pub(crate) fn want_deltas(&self) -> bool {
        self.has_sockets() || self.sse.borrow().iter().any(|watcher| watcher.deltas)
    }

    /// New text of a call in flight.
    pub(crate) fn publish_delta(&self, delta: &Delta) {
        self.publish_frame(RunId(delta.run), delta.kind.as_str(), delta);
    }

    /// What a tool says of its progress.
    pub(crate) fn publish_progress(&self, progress: &Progress) {
        self.publish_frame(RunId(progress.run), Progress::WORD, progress);
    }

    /// A frame between events. Its text is made where somebody reads it.
    fn publish_frame(&self, run: RunId, word: &str, frame: &impl Serialize) {
        if !self.want_deltas() {
            return;
        }
        let has_sockets = self.has_sockets();
        let mut sse = self.sse.borrow_mut();
        let text = server_frames::text(frame);
        if has_sockets {
            self.send_to_sockets(run, &text);
        }
        let chunk = Chunk::new(frame_event(word, &text), &self.backlog);
        let waiting = self.waiting_bytes();
        let wants = |watcher: &SseWatcher| watcher.deltas && watcher.run.is_none_or(|wanted| wanted == run);
        sse.retain_mut(|watcher| !wants(watcher) || watcher.send(&chunk, waiting));
    }

    /// The session is erased: everybody goes.
    pub(crate) fn dismiss(&self) {
        self.dismiss_readers(1001, "the session was erased");
        self.waiting.borrow_mut().clear();
    }

    /// It is not known what is stored: each reader is to come back with its cursor.
    pub(crate) fn dismiss_for_now(&self) {
        self.dismiss_readers(CLOSE_TRY_AGAIN, "the storage is in trouble: come back with your cursor");
    }

    fn dismiss_readers(&self, code: u16, reason: &str) {
        for socket in self.state.get_websockets() {
            close(&socket, code, reason);
        }
        self.sse.borrow_mut().clear();
    }

    fn has_sockets(&self) -> bool {
        if self.may_have_sockets.get() && self.state.get_websockets().is_empty() {
            self.may_have_sockets.set(false);
        }
        self.may_have_sockets.get()
    }

    fn publish_to_sockets(&self, records: &[Record], texts: &[String]) {
        if self.has_sockets() {
            for (record, text) in records.iter().zip(texts) {
                self.send_to_sockets(record.run, text);
            }
        }
    }

    fn send_to_sockets(&self, run: RunId, text: &str) {
        let all = self.state.get_websockets_with_tag(TAG_ALL);
        let of_run = self.state.get_websockets_with_tag(&run_tag(run));
        let frame = JsString::from(text);
        let mut waiting = self.waiting_bytes();
        for socket in all.iter().chain(&of_run).filter(|socket| is_open(socket)) {
            if takes(buffered_bytes(socket), waiting, text.len()) {
                send(socket, &frame);
                waiting += text.len();
            } else {
                close(socket, CLOSE_TRY_AGAIN, "too slow: come back with your cursor");
            }
        }
    }

    fn publish_to_sse(&self, records: &[Record], texts: &[String]) {
        let mut sse = self.sse.borrow_mut();
        if sse.is_empty() {
            return;
        }
        // What is stored at once is shown at once; a run's stream ends with its terminal event.
        let together = |a: &Record, b: &Record| a.run == b.run && !matches!(a.entry, Entry::RunEnded { .. });
        let mut texts = texts.iter();
        for group in records.chunk_by(together) {
            let events = group.iter().zip(texts.by_ref()).map(|(record, text)| sse_event(record, text));
            let chunk = Chunk::new(events.collect(), &self.backlog);
            let waiting = self.waiting_bytes();
            let of_run = group.first().map(|record| record.run);
            let ends = group.iter().any(|record| matches!(record.entry, Entry::RunEnded { .. }));
            sse.retain_mut(|watcher| match watcher.run {
                Some(run) if Some(run) != of_run => true,
                Some(_) if ends => {
                    // Dropping the sender after its last event ends the stream; a full channel ends it too.
                    watcher.send(&chunk, waiting);
                    false
                }
                _ => watcher.send(&chunk, waiting),
            });
        }
    }
}

/// The JSON of a record as the API shows it.
pub(crate) fn event_text(record: &Record) -> String {
    serde_json::to_string(&record.public_event()).expect("a record has string keys and finite numbers only")
}

/// The JSON of a frame of text in flight.
pub(crate) fn delta_text(delta: &Delta) -> String {
    server_frames::text(delta)
}

/// A frame of text in flight as an event of SSE.
pub(crate) fn delta_event(delta: &Delta, text: &str) -> String {
    frame_event(delta.kind.as_str(), text)
}

fn frame_event(word: &str, text: &str) -> String {
    format!("event: {word}\ndata: {text}\n\n")
}

/// A record as an event of SSE.
pub(crate) fn sse_event(record: &Record, text: &str) -> String {
    format!("id: {}\nevent: {}\ndata: {text}\n\n", record.seq, record.entry.type_name())
}

/// Sends a text frame. A socket that is gone is no error: its close event follows.
pub(crate) fn send(socket: &WebSocket, frame: &JsString) {
    let raw: &web_sys::WebSocket = socket.as_ref();
    if let Err(error) = raw.unchecked_ref::<TextSocket>().send(frame) {
        tracing::debug!(?error, "a watcher is gone");
    }
}

/// Bytes that were sent to a socket and have not left.
pub(crate) fn buffered_bytes(socket: &WebSocket) -> usize {
    let raw: &web_sys::WebSocket = socket.as_ref();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count; the cast saturates"
    )]
    let bytes = |amount: f64| amount as usize;
    raw.unchecked_ref::<TextSocket>().buffered_amount().map_or(0, bytes)
}

/// Whether nobody has closed a socket.
pub(crate) fn is_open(socket: &WebSocket) -> bool {
    socket.as_ref().ready_state() == web_sys::WebSocket::OPEN
}

/// Closes a socket, unless it is closed already.
pub(crate) fn close(socket: &WebSocket, code: u16, reason: &str) {
    if let Err(error) = socket.close(Some(code), Some(reason)) {
        tracing::debug!(%error, "a watcher was gone already");
    }
}

fn run_tag(run: RunId) -> String {
    format!("run:{run}")
}

#[wasm_bindgen]
extern "C" {
    /// A socket that sends a string which JavaScript already has: a frame is converted once for all watchers.
    type TextSocket;
    #[wasm_bindgen(method, catch)]
    fn send(this: &TextSocket, frame: &JsString) -> Result<(), JsValue>;
    /// Bytes that were sent and have not left; a platform that does not count them has `undefined`.
    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    fn buffered_amount(this: &TextSocket) -> Option<f64>;
}
