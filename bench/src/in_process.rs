//! A model server that answers at once. It reads nothing of a request but its key: what it costs is the same for a
//! short and for a long conversation.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use futures::stream;
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, yield_now},
    time::Instant,
};

/// Answers of one run; the last one says DONE.
pub(crate) const TURNS: u64 = 6;

/// What stands between the parts of a key.
const SEPARATORS: [char; 2] = ['/', '-'];

/// How the model answers.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Pieces that an answer is streamed in, each a chunk of its own on the wire. At least 1.
    pub(crate) pieces: usize,
    /// The call of each session whose first arrival is never answered.
    pub(crate) held: Option<u64>,
}

/// A listening model server; dropping it closes the port.
pub(crate) struct ModelServer {
    base_url: String,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// A request as the model server saw it.
#[derive(Clone)]
pub(crate) struct Arrival {
    /// `<life>-<session>-<run>-<call>`, as the `Idempotency-Key` says; the bare JavaScript object says `<session>/1/<call>`.
    pub(crate) key: String,
    /// When its head was there.
    pub(crate) head_at: Instant,
    /// When its last byte was there.
    pub(crate) whole_at: Instant,
    /// When the answer was handed over.
    pub(crate) answered_at: Option<Instant>,
}

#[derive(Default)]
struct Seen {
    arrivals: Mutex<Vec<Arrival>>,
    count: watch::Sender<usize>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl ModelServer {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let seen = Arc::new(Seen::default());
        let record = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let record = Arc::clone(&record);
                // A peer that delays its acknowledgements must not delay the next answer.
                socket.set_nodelay(true).ok();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&record), manner, request));
                    // An error is a peer that was killed.
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service).await.ok();
                });
            }
        });
        Ok(Self { base_url, seen, accepting })
    }

    /// The value for `OPENAI_BASE_URL`.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How many requests have arrived.
    pub(crate) fn count(&self) -> usize {
        *self.seen.count.borrow()
    }

    /// Waits for that many requests in all, and gives them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Arrival> {
        let mut seen = self.seen.count.subscribe();
        seen.wait_for(|so_far| *so_far >= count).await.expect("the sender lives in self");
        self.seen.arrivals.lock().expect("no handler panics").clone()
    }

    /// Forgets what has arrived.
    pub(crate) fn forget(&self) {
        self.seen.arrivals.lock().expect("no handler panics").clear();
        self.seen.count.send_replace(0);
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Arrival {
    fn session(&self) -> &str {
        self.key.rsplitn(3, SEPARATORS).last().unwrap_or_default()
    }

    fn call(&self) -> u64 {
        self.key.rsplit(SEPARATORS).next().and_then(|call| call.parse().ok()).unwrap_or_default()
    }

    /// Whether `self` is the session's next call after `before`.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        self.session() == before.session() && self.call() == before.call() + 1
    }
}

async fn answer(
    seen: Arc<Seen>,
    manner: Manner,
    request: Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let head_at = Instant::now();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    let arrival = Arrival { key, head_at, whole_at: Instant::now(), answered_at: None };
    let call = arrival.call();
    let (index, is_first) = {
        let mut arrivals = seen.arrivals.lock().expect("no handler panics");
        let is_first = manner.held.is_none() || !arrivals.iter().any(|before| before.key == arrival.key);
        arrivals.push(arrival);
        (arrivals.len() - 1, is_first)
    };
    seen.count.send_modify(|count| *count += 1);
    if manner.held == Some(call) && is_first {
        std::future::pending::<()>().await;
    }
    let pieces = pieces(call.is_multiple_of(TURNS), manner.pieces);
    if let Some(arrival) = seen.arrivals.lock().expect("no handler panics").get_mut(index) {
        arrival.answered_at = Some(Instant::now());
    }
    let response = Response::builder().header("content-type", "text/event-stream");
    Ok(response.body(streamed(pieces)).expect("a static header is valid"))
}

/// The events of an answer of some 200 bytes, one text for each chunk on the wire.
fn pieces(is_last: bool, count: usize) -> Vec<String> {
    let text =
        "The tide comes in, the tide goes out, and neither asks who watches from the shore. ".repeat(2);
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let mut pieces: Vec<String> = Vec::new();
    for piece in words.chunks(words.len().div_ceil(count)) {
        pieces
            .push(event(json!([{"index": 0, "delta": {"content": piece.concat()}, "finish_reason": null}])));
    }
    let last = pieces.last_mut().expect("an answer has words");
    if is_last {
        last.push_str(&event(json!([{"index": 0, "delta": {"content": "\nDONE"}, "finish_reason": null}])));
    }
    last.push_str(&event(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])));
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    last.push_str(&format!(
        "data: {}\n\n",
        json!({"id": "c", "model": "tiny", "choices": [], "usage": usage})
    ));
    last.push_str("data: [DONE]\n\n");
    pieces
}

fn event(choices: Value) -> String {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": "tiny", "choices": choices});
    format!("data: {chunk}\n\n")
}

fn streamed(pieces: Vec<String>) -> Body {
    let frames = stream::unfold(pieces.into_iter().enumerate(), |mut pieces| async move {
        let (index, piece) = pieces.next()?;
        if index > 0 {
            // Lets the piece before go out by itself.
            yield_now().await;
        }
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), pieces))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}
