//! What the model server does with a call.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use hyper::Response;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::dialect::Dialect;
use crate::http::{Body, ByHand, Hangup, full, streamed};

/// A gate that a test holds shut to keep a call in flight. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A gate that is shut.
    pub fn shut() -> Gate {
        Gate(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(&self) {
        let mut open = self.0.subscribe();
        // The sender lives in `self`, so the only way out is an open gate.
        open.wait_for(|open| *open).await.expect("the gate outlives its waiters");
    }
}

/// What the model server does with one call; the default of every part is the plain, quick, honest answer.
#[derive(Clone)]
pub struct Reply {
    kind: Kind,
    before: Option<Gate>,
    midway: Option<Gate>,
    thoughts: String,
    chunks: usize,
    chunk_delay: Duration,
    usage: Option<(u64, u64)>,
    finish_reason: &'static str,
    gateway_log_id: Option<String>,
}

#[derive(Clone)]
enum Kind {
    Answer(String),
    Half(String),
    Given { status: u16, headers: Vec<(&'static str, String)>, pieces: Vec<Bytes>, end: End },
    ByHand(ByHand),
    NoResponse,
    Hang,
}

/// What comes after the last byte of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    BreaksOff,
    Stalls,
}

impl Reply {
    /// An answer of one chunk, with 10 input and 5 output tokens.
    pub fn says(text: impl Into<String>) -> Reply {
        Reply::of(Kind::Answer(text.into()))
    }

    /// The answer of `turn` of `turns`; the last one says DONE.
    pub fn turn(turn: usize, turns: usize) -> Reply {
        let done = if turn >= turns { "\nDONE" } else { "" };
        Reply::says(format!("Answer {turn}.{done}"))
    }

    /// A stream that breaks off after `text`: the connection is closed in the middle of the body.
    pub fn breaks_off_after(text: impl Into<String>) -> Reply {
        Reply::of(Kind::Half(text.into()))
    }

    /// An error status with a JSON error as OpenAI's API words it.
    pub fn status(status: u16) -> Reply {
        Reply::error(status, &format!("status {status} of the test"))
    }

    /// An error status with a JSON error of this message.
    pub fn error(status: u16, message: &str) -> Reply {
        let body = json!({"error": {"message": message, "type": "test_error"}});
        Reply::given(status, [body.to_string()]).header("content-type", "application/json")
    }

    /// The status 429 with a `Retry-After` of this text.
    pub fn too_many(retry_after: impl Into<String>) -> Reply {
        Reply::status(429).header("retry-after", retry_after)
    }

    /// An HTML page with status 200, as a captive portal or a wrong base URL gives.
    pub fn html() -> Reply {
        Reply::body("text/html; charset=utf-8", "<!doctype html><h1>Welcome</h1>")
    }

    /// These bytes with status 200, whatever was asked for.
    pub fn body(content_type: &str, body: impl Into<Bytes>) -> Reply {
        Reply::pieces([body]).header("content-type", content_type)
    }

    /// A body in these pieces with status 200 and no content type; each piece is sent by itself.
    pub fn pieces(pieces: impl IntoIterator<Item: Into<Bytes>>) -> Reply {
        Reply::given(200, pieces)
    }

    /// These pieces of a body with this status, and no header but those that are added.
    pub fn given(status: u16, pieces: impl IntoIterator<Item: Into<Bytes>>) -> Reply {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Reply::of(Kind::Given { status, headers: Vec::new(), pieces, end: End::Whole })
    }

    /// These bytes go over the socket in place of an HTTP response; then the connection is closed.
    pub fn by_hand(bytes: impl Into<Bytes>) -> Reply {
        Reply::of(Kind::ByHand(ByHand { bytes: bytes.into(), hangup: Hangup::Close }))
    }

    /// The same, but the connection is reset.
    pub fn by_hand_then_reset(bytes: impl Into<Bytes>) -> Reply {
        Reply::of(Kind::ByHand(ByHand { bytes: bytes.into(), hangup: Hangup::Reset }))
    }

    /// One more header of a reply that has a status or a body of its own. Panics for any other reply.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        let Kind::Given { headers, .. } = &mut self.kind else { panic!("this reply has no headers") };
        headers.push((name, value.into()));
        self
    }

    /// The connection is closed after the body of such a reply, which has not ended.
    pub fn breaks_off(self) -> Reply {
        self.ending(End::BreaksOff)
    }

    /// Nothing comes after the body of such a reply, which has not ended, and the connection stays open.
    pub fn stalls(self) -> Reply {
        self.ending(End::Stalls)
    }

    /// The connection is closed without a response.
    pub fn no_response() -> Reply {
        Reply::of(Kind::NoResponse)
    }

    /// No answer, ever.
    pub fn hang() -> Reply {
        Reply::of(Kind::Hang)
    }

    /// Not a byte is sent before the gate opens.
    pub fn held_by(mut self, gate: &Gate) -> Reply {
        self.before = Some(gate.clone());
        self
    }

    /// The first chunk is sent, the others wait for the gate (in streams only).
    pub fn paused_by(mut self, gate: &Gate) -> Reply {
        self.midway = Some(gate.clone());
        self
    }

    /// What the model thinks before, in as many chunks as the text (in streams only).
    pub fn thinking(mut self, thoughts: impl Into<String>) -> Reply {
        self.thoughts = thoughts.into();
        self
    }

    /// Cuts the text into this many chunks (in streams only).
    pub fn in_chunks(mut self, chunks: usize) -> Reply {
        self.chunks = chunks.max(1);
        self
    }

    /// The wait between two chunks.
    pub fn every_ms(mut self, delay_ms: u64) -> Reply {
        self.chunk_delay = Duration::from_millis(delay_ms);
        self
    }

    /// The tokens that the answer says it used.
    pub fn using(mut self, input_tokens: u64, output_tokens: u64) -> Reply {
        self.usage = Some((input_tokens, output_tokens));
        self
    }

    /// An answer that does not say what it used.
    pub fn without_usage(mut self) -> Reply {
        self.usage = None;
        self
    }

    /// The reason why the model stopped (`stop` if nothing else is said).
    pub fn finished_by(mut self, finish_reason: &'static str) -> Reply {
        self.finish_reason = finish_reason;
        self
    }

    /// The log that the AI Gateway keeps of this call, for calls that go through one (those of the `AI` binding with
    /// the option `gateway`).
    pub fn logged_as(mut self, gateway_log_id: impl Into<String>) -> Reply {
        self.gateway_log_id = Some(gateway_log_id.into());
        self
    }

    fn ending(mut self, how: End) -> Reply {
        let Kind::Given { end, .. } = &mut self.kind else { panic!("this reply has no body of its own") };
        *end = how;
        self
    }

    fn of(kind: Kind) -> Reply {
        let chunk_delay = Duration::ZERO;
        Reply {
            kind,
            before: None,
            midway: None,
            thoughts: String::new(),
            chunks: 1,
            chunk_delay,
            usage: Some((10, 5)),
            finish_reason: "stop",
            gateway_log_id: None,
        }
    }

    /// Plays the reply; `finished` is dropped when the last byte is handed over or the client has gone.
    pub(crate) async fn play(
        self,
        dialect: Dialect,
        request: &Value,
        finished: impl Finish,
    ) -> io::Result<Response<Body>> {
        if let Some(gate) = &self.before {
            gate.passed().await;
        }
        let log_id =
            self.gateway_log_id.as_deref().map(|id| id.parse().expect("a log's id is a valid header"));
        let mut response = self.respond(dialect, request, finished).await?;
        if let Some(id) = log_id {
            response.headers_mut().insert("cf-aig-log-id", id);
        }
        Ok(response)
    }

    async fn respond(
        self,
        dialect: Dialect,
        request: &Value,
        finished: impl Finish,
    ) -> io::Result<Response<Body>> {
        let stream = request["stream"].as_bool().unwrap_or(false);
        match self.kind.clone() {
            Kind::NoResponse => {
                finished.finish();
                Err(io::Error::other("no response, as the test asked"))
            }
            Kind::Hang => std::future::pending().await,
            Kind::ByHand(bytes) => {
                finished.finish();
                Err(io::Error::other(bytes))
            }
            Kind::Given { status, headers, pieces, end } => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                let body = match (end, pieces.as_slice()) {
                    (End::Whole, [] | [_]) => {
                        finished.finish();
                        full(pieces.concat())
                    }
                    _ => streamed(self.paced(pieces, end, finished)),
                };
                Ok(response.body(body).expect("the headers of a reply are valid"))
            }
            Kind::Answer(text) if !stream => {
                finished.finish();
                let body = dialect.whole(&text, self.usage, self.finish_reason).to_string();
                Ok(typed("application/json", full(body)))
            }
            Kind::Answer(text) => {
                let usage = self.usage.filter(|_| dialect.streams_usage(request));
                let mut events = self.begun(&text, dialect, usage);
                events.extend(dialect.tail(&text, usage, self.finish_reason));
                Ok(typed("text/event-stream", streamed(self.paced(events, End::Whole, finished))))
            }
            Kind::Half(text) => {
                let events = self.begun(&text, dialect, self.usage);
                Ok(typed("text/event-stream", streamed(self.paced(events, End::BreaksOff, finished))))
            }
        }
    }

    /// A stream up to the last piece of the text. What comes before the first piece comes with it.
    fn begun(&self, text: &str, dialect: Dialect, usage: Option<(u64, u64)>) -> Vec<String> {
        let pieces = |text: &str, event: &dyn Fn(&str) -> String| -> Vec<String> {
            let characters: Vec<char> = text.chars().collect();
            let size = characters.len().div_ceil(self.chunks).max(1);
            characters.chunks(size).map(|chunk| event(&String::from_iter(chunk))).collect()
        };
        let mut events = pieces(&self.thoughts, &|piece| dialect.thought(piece));
        events.extend(pieces(text, &|piece| dialect.delta(piece)));
        match events.first_mut() {
            Some(first) => first.insert_str(0, &dialect.head(usage)),
            None => events.push(dialect.head(usage)),
        }
        events
    }

    fn paced<P: Into<Bytes> + Send + 'static, F: Finish>(
        &self,
        pieces: Vec<P>,
        end: End,
        finished: F,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<P, F> {
        let (midway, delay) = (self.midway.clone(), self.chunk_delay);
        let pieces = stream::iter(pieces.into_iter().enumerate()).then(move |(index, piece)| {
            let gate = midway.clone().filter(|_| index == 1);
            async move {
                if let Some(gate) = gate {
                    gate.passed().await;
                }
                if index > 0 && !delay.is_zero() {
                    sleep(delay).await;
                }
                Ok(piece.into())
            }
        });
        let end = stream::once(async move {
            // A pause lets the chunks go out: an error right after them would take them along.
            yield_now().await;
            match end {
                End::Whole => {
                    finished.finish();
                    Ok(Bytes::new())
                }
                End::BreaksOff => {
                    finished.finish();
                    Err(io::Error::other("a body cut off, as the test asked"))
                }
                // Dropped with the body when the client hangs up, and `finished` with it.
                End::Stalls => std::future::pending().await,
            }
        });
        pieces.chain(end)
    }
}

/// Told when a reply is complete; dropped untold when the client went away before.
pub(crate) trait Finish: Send + 'static {
    fn finish(self);
}

fn typed(content_type: &str, body: Body) -> Response<Body> {
    Response::builder().header("content-type", content_type).body(body).expect("a static header is valid")
}
