//! The clients: they post, cancel and read, and try again whatever the kill broke off.

use std::time::Duration;

use futures::StreamExt;
use longhaul_tests::api::started;
use longhaul_tests::oracle::of_type;
use longhaul_tests::wait::in_time;
use longhaul_tests::{Api, Post};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::plan::{Kind, Moment, Story};
use crate::scene::{Trap, told};

/// The sinks that take every trace.
pub(crate) const SINKS: [&str; 3] = ["index", "nexus", "otlp"];

/// A break between two attempts while the server is up and yet breaks off: only a kill under way does that.
const AGAIN: Duration = Duration::from_millis(10);

/// What all clients share.
#[derive(Clone)]
pub(crate) struct Line {
    /// A client of the server.
    pub(crate) api: Api,
    /// Told of the moments that a client makes.
    pub(crate) trap: Trap<Moment>,
    /// Whether the server is there for its clients.
    pub(crate) up: watch::Receiver<bool>,
}

/// A story after its end.
pub(crate) struct Told {
    /// The story.
    pub(crate) story: Story,
    /// Its runs.
    pub(crate) posts: Vec<Post>,
    /// The events as the reader saw them, over all of its connections.
    pub(crate) events: Vec<Value>,
    /// POSTs whose 202 was lost, and which the server had accepted.
    pub(crate) replayed: usize,
    /// POSTs without a key that were broken off: nobody knows whether they were accepted.
    pub(crate) unknown: usize,
}

enum Answered {
    Whole(u16, bool, Value),
    BrokenOff,
}

enum Stream {
    Events(Response, Vec<u8>),
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Line {
    /// Lives a story to its end: each run has ended, and each sink has its trace.
    pub(crate) async fn live(mut self, story: Story) -> Told {
        let mut told = Told { story, posts: Vec::new(), events: Vec::new(), replayed: 0, unknown: 0 };
        for run in 1..=told.story.runs {
            let post = self.post(&mut told, run).await;
            told.posts.push(post);
        }
        let mut cancels = told.story.kind == Kind::Cancelled;
        let mut stream = None;
        while !is_over(&told) {
            let Some(open) = &mut stream else {
                stream = self.read(&told).await;
                continue;
            };
            let Some(event) = open.next().await else {
                stream = None;
                continue;
            };
            assert_eq!(event["seq"], told.events.len() + 1, "a gap, or twice the same: {event}");
            if let Some(moment) = Moment::seen(&event) {
                self.trap.meet(moment);
            }
            let is_called = event["type"] == "model.called";
            told.events.push(event);
            if cancels && is_called {
                self.cancel(&told.posts[0].session).await;
                cancels = false;
            }
        }
        told
    }

    async fn post(&mut self, told: &mut Told, run: u64) -> Post {
        let (body, key) = (told.story.body(run), told.story.key(run));
        let (path, moment) = match told.posts.first() {
            None => (told.story.path().to_owned(), Moment::PostGoes),
            Some(first) => (format!("/v1/sessions/{}/runs", first.session), Moment::FurtherPostGoes),
        };
        let mut broken_off = 0;
        loop {
            self.is_up().await;
            self.trap.meet(moment);
            match self.ask(&path, key.as_deref(), Some(&body)).await {
                Answered::Whole(status, replayed, body) => {
                    assert_eq!(status, 202, "{path}: {body}");
                    assert!(!replayed || broken_off > 0, "the first answer is no replay");
                    told.replayed += usize::from(replayed);
                    let post = started(body);
                    assert_eq!(post.run, run);
                    return post;
                }
                Answered::BrokenOff => {
                    broken_off += 1;
                    told.unknown += usize::from(key.is_none());
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn cancel(&mut self, session: &str) {
        loop {
            self.is_up().await;
            self.trap.meet(Moment::CancelGoes);
            match self.ask(&format!("/v1/sessions/{session}/cancel"), None, None).await {
                Answered::Whole(status, _, body) => return assert_eq!(status, 202, "{body}"),
                Answered::BrokenOff => sleep(AGAIN).await,
            }
        }
    }

    async fn ask(&self, path: &str, key: Option<&str>, body: Option<&Value>) -> Answered {
        let mut request = self.api.request(Method::POST, path, &[]);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let Ok(response) = request.send().await else { return Answered::BrokenOff };
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotent-replayed");
        match response.json().await {
            Ok(body) => Answered::Whole(status, replayed, body),
            Err(error) if error.is_decode() && !*self.up.borrow() => Answered::BrokenOff,
            Err(error) if error.is_decode() => panic!("{path}: {status} {error}"),
            Err(_) => Answered::BrokenOff,
        }
    }

    /// Every other session is read over a WebSocket.
    async fn read(&mut self, told: &Told) -> Option<Stream> {
        self.is_up().await;
        let (session, last) = (&told.posts[0].session, told.events.len());
        let path = format!("/v1/sessions/{session}/events");
        if told.story.number.is_multiple_of(2) {
            let url = self.api.url(&format!("{path}?after={last}")).replacen("http://", "ws://", 1);
            match connect_async(url).await {
                Ok((socket, _)) => return Some(Stream::Socket(Box::new(socket))),
                Err(Error::Http(refusal)) => panic!("{path} after {last}: {}", refusal.status()),
                Err(_) => {}
            }
        } else {
            let headers = [("accept", "text/event-stream"), ("last-event-id", &last.to_string())];
            if let Ok(response) = self.api.request(Method::GET, &path, &headers).send().await {
                assert_eq!(response.status().as_u16(), 200, "{path} after {last}");
                return Some(Stream::Events(response, Vec::new()));
            }
        }
        sleep(AGAIN).await;
        None
    }

    async fn is_up(&mut self) {
        told("the server to be up", &mut self.up, |up| *up).await;
    }
}

impl Stream {
    /// The next event of the journal; `None` when the stream is broken off.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let text = in_time("the next event", self.next_text()).await?;
            // Frames without a number are not of the journal; a comment is no JSON.
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            if value["seq"].is_u64() && value["run"].is_u64() {
                return Some(value);
            }
        }
    }

    async fn next_text(&mut self) -> Option<String> {
        match self {
            Stream::Socket(socket) => match socket.next().await? {
                Ok(Message::Text(text)) => Some(text.to_string()),
                Ok(Message::Close(_)) | Err(_) => None,
                Ok(_) => Some(String::new()),
            },
            Stream::Events(response, buffer) => loop {
                if let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = buffer.drain(..end + 2).collect();
                    let block = String::from_utf8(block).expect("the stream is UTF-8");
                    let data = block.lines().find_map(|line| line.strip_prefix("data:"));
                    return Some(data.unwrap_or_default().trim_start().to_owned());
                }
                buffer.extend_from_slice(&response.chunk().await.ok()??);
            },
        }
    }
}

fn is_over(told: &Told) -> bool {
    let runs = told.posts.len();
    of_type(&told.events, "run.ended").len() == runs
        && of_type(&told.events, "trace.flushed").len() == runs * SINKS.len()
}
