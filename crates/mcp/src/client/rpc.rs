//! One JSON-RPC message to a server, and what comes back for it: as JSON, or as events.

use std::{cell::RefCell, pin::pin};

use futures::{
    StreamExt,
    future::{Either, pending, select},
};
use longhaul_models::{SseEvent, SseParser};
use serde_json::{Value, json};

use super::{Challenge, Client, challenge::challenge_of};
use crate::{
    limits::{
        ANSWER_BYTES_MAX, LISTEN_WITHIN_MS, MESSAGE_BYTES_MAX, RESUMES_MAX, RETRY_MS_DEFAULT, RETRY_MS_MAX,
    },
    wire::{Reply, Request, Wire},
};

/// What came back for a message.
#[derive(Debug)]
pub(super) enum Said {
    /// The result.
    Result(Value),
    /// A JSON-RPC error, and the HTTP status that it came with.
    Error { status: u16, code: i64, message: String, data: Value },
    /// The server asks a person before it answers; only in the era of sessions.
    Asked(Asked),
    /// The server took a message that has no answer.
    Taken,
    /// It wants a token, another one, or one with more rights.
    Unauthorized(Challenge),
    /// It does not take the message now.
    Busy { message: String, after_ms: Option<u64> },
    /// It did not take the message: an HTTP status without a JSON-RPC error.
    Refused { status: u16, message: String },
    /// No whole answer came. The server may have got the message all the same.
    Lost(String),
    /// What came is no answer.
    Nonsense(String),
}

/// A server's request to a person in the middle of a call.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its id, to answer it by.
    pub(super) id: Value,
    pub(super) params: Value,
    /// Where the stream is to be gone on with.
    pub(super) last_event_id: Option<String>,
}

/// What an exchange needs beside the client.
pub(super) struct Exchange<'a> {
    /// The headers of the era, beside those of the deployment.
    pub(super) headers: Vec<(String, String)>,
    /// The id of the request; `Null` for a notification or a response.
    pub(super) id: Value,
    /// Whether a stream that breaks off is gone on with, and requests of the server are answered.
    pub(super) has_session: bool,
    pub(super) message: &'a Value,
    /// Where the stream of its answer is to be gone on with, as far as it was read.
    pub(super) last_id: RefCell<Option<String>>,
}

impl<'a> Exchange<'a> {
    /// One that has no answer, outside of sessions.
    pub(super) fn of(message: &'a Value) -> Self {
        Self {
            headers: Vec::new(),
            id: Value::Null,
            has_session: false,
            message,
            last_id: RefCell::default(),
        }
    }
}

/// What is known of a stream of events.
#[derive(Default)]
struct Stream {
    parser: SseParser,
    bytes: usize,
    last_id: Option<String>,
}

/// How a stream ended that brought no answer.
struct Broken {
    why: String,
    retry_ms: Option<u64>,
    last_id: Option<String>,
}

impl<W: Wire> Client<'_, W> {
    /// Sends a message, and reads what comes back for it.
    pub(super) async fn exchange(&self, exchange: &Exchange<'_>) -> Said {
        let body = exchange.message.to_string().into_bytes();
        let mut headers = self.headers.to_vec();
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        headers.push(("accept".to_owned(), "application/json, text/event-stream".to_owned()));
        headers.extend(exchange.headers.iter().cloned());
        let request = Request { method: "POST", url: self.url.to_owned(), headers, body };
        match self.wire.send(request).await {
            Ok(reply) => self.read(reply, exchange).await,
            Err(why) => Said::Lost(format!("no answer came: {why}")),
        }
    }

    /// Goes on with a stream that broke off (the era of sessions alone).
    pub(super) async fn resume(&self, exchange: &Exchange<'_>, last_id: &str) -> Said {
        match self.reopen(exchange, last_id).await {
            Ok(reply) => self.read(reply, exchange).await,
            Err(said) => said,
        }
    }

    async fn reopen(&self, exchange: &Exchange<'_>, last_id: &str) -> Result<Reply, Said> {
        self.open_stream(exchange, Some(last_id)).await
    }

    async fn open_stream(&self, exchange: &Exchange<'_>, last_id: Option<&str>) -> Result<Reply, Said> {
        let mut headers = self.headers.to_vec();
        headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
        headers.extend(last_id.map(|id| ("last-event-id".to_owned(), id.to_owned())));
        headers.extend(exchange.headers.iter().cloned());
        let request = Request { method: "GET", url: self.url.to_owned(), headers, body: Vec::new() };
        self.wire.send(request).await.map_err(|why| Said::Lost(format!("no answer came: {why}")))
    }

    async fn read(&self, reply: Reply, exchange: &Exchange<'_>) -> Said {
        if let Some(session) = reply.header("mcp-session-id") {
            self.known.borrow_mut().session = Some(session.to_owned());
        }
        let status = reply.status;
        let is_stream = reply.header("content-type").is_some_and(|it| it.starts_with("text/event-stream"));
        match status {
            200..300 if is_stream => self.read_stream(reply, exchange).await,
            200..300 if exchange.id.is_null() => Said::Taken,
            300..400 => {
                Said::Refused { status, message: format!("it redirects ({status}), which is not followed") }
            }
            _ => read_whole(reply, exchange).await,
        }
    }

    /// Reads events until the answer comes; where the server has sessions, over as many connections as it takes.
    async fn read_stream(&self, reply: Reply, exchange: &Exchange<'_>) -> Said {
        let mut reply = reply;
        let mut seen: Option<String> = None;
        for _ in 0..=RESUMES_MAX {
            let broken = match self.read_events(reply, exchange).await {
                Ok(said) => return said,
                Err(broken) => broken,
            };
            seen = broken.last_id.or(seen);
            let Some(last_id) = seen.as_deref().filter(|_| exchange.has_session) else {
                return Said::Lost(broken.why);
            };
            let wait_ms = broken.retry_ms.unwrap_or(RETRY_MS_DEFAULT).min(RETRY_MS_MAX);
            self.wire.sleep(wait_ms).await;
            reply = match self.reopen(exchange, last_id).await {
                Ok(reply) if reply.status == 200 => reply,
                Ok(reply) => {
                    return Said::Lost(format!(
                        "the stream broke off, and is not gone on with ({})",
                        reply.status
                    ));
                }
                Err(said) => return said,
            };
        }
        Said::Lost("the stream broke off again and again".to_owned())
    }

    /// Sends a request of a session, and listens to what the server says beside its answer: some ask a person there.
    pub(super) async fn exchange_and_listen(&self, exchange: &Exchange<'_>) -> Said {
        let Some(beside) = self.open_beside(exchange).await else { return self.exchange(exchange).await };
        let listen = async {
            // An answer to no request: nothing but a request of the server's ends it.
            let other = Exchange { headers: exchange.headers.clone(), ..Exchange::of(exchange.message) };
            match self.read_events(beside, &Exchange { has_session: true, ..other }).await {
                Ok(Said::Asked(asked)) => asked,
                Ok(_) | Err(_) => pending().await,
            }
        };
        match select(pin!(self.exchange(exchange)), pin!(listen)).await {
            Either::Left((said, _)) => said,
            // What comes of the call comes where it was made.
            Either::Right((asked, _)) => {
                Said::Asked(Asked { last_event_id: exchange.last_id.borrow().clone(), ..asked })
            }
        }
    }

    /// The stream of what a server says beside its answers. Many have none, and some say nothing before there is something to say.
    async fn open_beside(&self, exchange: &Exchange<'_>) -> Option<Reply> {
        if self.known.borrow().is_silent {
            return None;
        }
        let opened = pin!(self.open_stream(exchange, None));
        let reply = match select(opened, self.wire.sleep(LISTEN_WITHIN_MS)).await {
            Either::Left((opened, _)) => opened.ok()?,
            Either::Right(_) => return None,
        };
        self.known.borrow_mut().is_silent = reply.status == 405;
        Some(reply).filter(|reply| reply.status == 200)
    }

    async fn read_events(&self, mut reply: Reply, exchange: &Exchange<'_>) -> Result<Said, Broken> {
        let mut stream = Stream::default();
        loop {
            let chunk = match reply.body.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(why)) => return Err(stream.broken(&why)),
                None => {
                    let (last_id, retry_ms) = (stream.last_id.clone(), stream.parser.retry_ms());
                    let mut events = Vec::new();
                    // A last event that is too large is none.
                    stream.parser.finish(&mut |event| events.push(event)).ok();
                    return match self.take_events(&events, exchange).await {
                        Some(said) => Ok(said),
                        None => {
                            let why = "the stream ended without the answer".to_owned();
                            Err(Broken { why, retry_ms, last_id: last_of(&events).or(last_id) })
                        }
                    };
                }
            };
            stream.bytes += chunk.len();
            let mut events = Vec::new();
            let pushed = stream.parser.push(&chunk, &mut |event| events.push(event));
            stream.last_id = last_of(&events).or(stream.last_id.take());
            exchange.last_id.borrow_mut().clone_from(&stream.last_id);
            if let Some(said) = self.take_events(&events, exchange).await {
                return Ok(said);
            }
            if pushed.is_err() || stream.bytes > ANSWER_BYTES_MAX {
                return Ok(Said::Nonsense(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
        }
    }

    /// The answer, where one of the events is it. What else they say is answered, or passed over.
    async fn take_events(&self, events: &[SseEvent], exchange: &Exchange<'_>) -> Option<Said> {
        for event in events.iter().filter(|event| !event.data.is_empty()) {
            let Ok(message) = serde_json::from_slice::<Value>(event.data.as_bytes()) else { continue };
            let method = message["method"].as_str();
            match (method, message.get("id").filter(|id| !id.is_null())) {
                (None, Some(id)) if *id == exchange.id => return Some(answer_of(200, &message)),
                (Some("elicitation/create"), Some(id)) if exchange.has_session => {
                    let last_event_id = Some(event.last_id.to_string()).filter(|id| !id.is_empty());
                    let (id, params) = (id.clone(), message["params"].clone());
                    return Some(Said::Asked(Asked { id, params, last_event_id }));
                }
                (Some(method), Some(id)) if exchange.has_session => {
                    self.answer_server(method, id, exchange).await;
                }
                // A notification, or what is not for this request.
                (_, _) => {}
            }
        }
        None
    }

    /// Answers a request of the server: it may ask whether anybody is there.
    async fn answer_server(&self, method: &str, id: &Value, exchange: &Exchange<'_>) {
        let message = match method {
            "ping" => json!({"jsonrpc": "2.0", "id": id, "result": {}}),
            _ => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "not supported"}}),
        };
        self.respond(&message, exchange.headers.clone()).await;
    }

    /// Sends what has no answer. Whether the server takes it changes nothing.
    pub(super) async fn respond(&self, message: &Value, headers: Vec<(String, String)>) -> Said {
        let exchange = Exchange { headers, ..Exchange::of(message) };
        Box::pin(self.exchange(&exchange)).await
    }
}

impl Stream {
    fn broken(&self, why: &str) -> Broken {
        let (retry_ms, last_id) = (self.parser.retry_ms(), self.last_id.clone());
        Broken { why: format!("the stream broke off: {why}"), retry_ms, last_id }
    }
}

fn last_of(events: &[SseEvent]) -> Option<String> {
    events.last().map(|event| event.last_id.to_string()).filter(|id| !id.is_empty())
}

/// Reads an answer that comes in one piece, or a refusal.
async fn read_whole(mut reply: Reply, exchange: &Exchange<'_>) -> Said {
    let status = reply.status;
    let is_json = reply.header("content-type").is_some_and(|it| it.starts_with("application/json"));
    let challenge = challenge_of(status, reply.header("www-authenticate"));
    let after_ms = reply.header("retry-after").and_then(|it| it.trim().parse::<u64>().ok());
    let after_ms = after_ms.map(|seconds| seconds.saturating_mul(1_000));
    let mut read = Vec::new();
    while let Some(chunk) = reply.body.next().await {
        match chunk {
            Ok(chunk) if read.len() + chunk.len() <= MESSAGE_BYTES_MAX => read.extend_from_slice(&chunk),
            Ok(_) => return Said::Nonsense(format!("the answer has more than {MESSAGE_BYTES_MAX} bytes")),
            Err(why) => return Said::Lost(format!("the answer broke off: {why}")),
        }
    }
    let json = Some(&read).filter(|_| is_json).and_then(|read| serde_json::from_slice::<Value>(read).ok());
    match (status, json) {
        (401 | 403, _) => Said::Unauthorized(challenge),
        (429 | 503, _) => Said::Busy { message: format!("it does not take it now ({status})"), after_ms },
        (_, Some(message)) if message.get("error").is_some() => answer_of(status, &message),
        (200..300, Some(message)) if message["id"] == exchange.id => answer_of(status, &message),
        (200..300, Some(_)) => Said::Nonsense("the answer is for another request".to_owned()),
        (200..300, None) => Said::Nonsense("the answer is no JSON-RPC".to_owned()),
        (500.., None) => Said::Lost(format!("it answered {status}")),
        (_, _) => Said::Refused { status, message: format!("it answered {status}") },
    }
}

fn answer_of(status: u16, message: &Value) -> Said {
    if let Some(error) = message.get("error") {
        let code = error["code"].as_i64().unwrap_or_default();
        let said = error["message"].as_str().unwrap_or("no message");
        return Said::Error { status, code, message: shown(said), data: error["data"].clone() };
    }
    match message.get("result") {
        Some(result) if result.is_object() => Said::Result(result.clone()),
        _ => Said::Nonsense("the answer has neither a result nor an error".to_owned()),
    }
}

/// A text of a server's, for a person and a model: cut, and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(TEXT_CHARS_MAX).collect()
}

/// What is kept of a server's own words, in characters.
const TEXT_CHARS_MAX: usize = 2_000;
