//! Watchers of the event stream: a WebSocket and server-sent events.

use futures::{SinkExt, StreamExt};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::api::Api;
use crate::wait::in_time;

/// One frame from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A numbered event of the journal.
    Event(Value),
    /// A piece of an answer in the making (`model.delta`).
    Delta(Value),
    /// A piece of what a model thinks before it answers (`model.thought`).
    Thought(Value),
    /// What a tool says of its progress (`tool.progress`).
    Progress(Value),
    /// The end of the replay, with the last `seq` of it.
    CaughtUp(u64),
    /// The answer to `ping`.
    Pong,
    /// An error that the server found in a frame of ours.
    Error(Value),
    /// Anything else.
    Other(String),
}

impl Frame {
    fn of(text: &str) -> Frame {
        if text == "pong" {
            return Frame::Pong;
        }
        let Ok(value) = serde_json::from_str::<Value>(text) else { return Frame::Other(text.into()) };
        match value["type"].as_str() {
            _ if value["seq"].is_u64() && value["run"].is_u64() => Frame::Event(value),
            Some("model.delta") => Frame::Delta(value),
            Some("model.thought") => Frame::Thought(value),
            Some("tool.progress") => Frame::Progress(value),
            Some("caught_up") => Frame::CaughtUp(value["seq"].as_u64().expect("caught_up has a seq")),
            Some("error") => Frame::Error(value),
            _ => Frame::Other(text.into()),
        }
    }
}

/// An open WebSocket.
pub struct WsWatcher {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The headers of the 101.
    pub headers: HeaderMap,
    close_code: Option<u16>,
}

impl WsWatcher {
    /// Opens a socket; `Err` is the status of a refusal.
    pub async fn open(api: &Api, path: &str, headers: &[(&str, &str)]) -> Result<WsWatcher, u16> {
        let url = api.url(path).replacen("http://", "ws://", 1);
        let mut request = url.into_client_request().expect("a test's URL is valid");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a test's header name is valid");
            request
                .headers_mut()
                .insert(name, HeaderValue::from_str(value).expect("a test's header value is valid"));
        }
        if let Some(token) = api.token() {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a test's token is valid");
            request.headers_mut().insert("authorization", value);
        }
        match in_time("the upgrade", connect_async(request)).await {
            Ok((socket, response)) => {
                let headers = response.headers().clone();
                Ok(WsWatcher { socket, headers, close_code: None })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// The next frame; `None` when the server has closed the socket.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            match in_time("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(Frame::of(&text)),
                Some(Ok(Message::Close(frame))) => {
                    self.close_code = frame.map(|frame| frame.code.into());
                    return None;
                }
                None | Some(Err(_)) => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code with which the server closed the socket, once [`next`](Self::next) has seen it.
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// Writes a short text frame that many times, and reads nothing meanwhile.
    pub async fn flood(&mut self, text: &str, count: usize) {
        let length =
            u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("the frame is short");
        // RFC 6455, section 5.2: a whole text frame, masked, with the mask 0.
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        let stream = self.socket.get_mut();
        in_time("the flood", stream.write_all(&frame.repeat(count))).await.expect("the socket is open");
    }

    /// Reads until `wanted` accepts a frame; gives all frames up to it. Panics if the socket closes before.
    pub async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the socket closed after {frames:#?}"));
            let last = wanted(&frame);
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Reads until the event that ends `run`; gives all frames up to it.
    pub async fn until_ended(&mut self, run: u64) -> Vec<Frame> {
        self.until(|frame| matches!(frame, Frame::Event(event) if event["type"] == "run.ended" && event["run"] == run)).await
    }

    /// Sends a text frame.
    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the socket is open");
    }

    /// Sends a binary frame.
    pub async fn send_bytes(&mut self, bytes: &'static [u8]) {
        self.socket.send(Message::binary(bytes)).await.expect("the socket is open");
    }
}

/// The events among frames.
pub fn events(frames: &[Frame]) -> Vec<Value> {
    let event = |frame: &Frame| if let Frame::Event(event) = frame { Some(event.clone()) } else { None };
    frames.iter().filter_map(event).collect()
}

/// The `model.delta` frames among frames.
pub fn deltas(frames: &[Frame]) -> Vec<Value> {
    let delta = |frame: &Frame| if let Frame::Delta(delta) = frame { Some(delta.clone()) } else { None };
    frames.iter().filter_map(delta).collect()
}

/// The `model.thought` frames among frames.
pub fn thoughts(frames: &[Frame]) -> Vec<Value> {
    let thought = |frame: &Frame| if let Frame::Thought(value) = frame { Some(value.clone()) } else { None };
    frames.iter().filter_map(thought).collect()
}

/// The text of an attempt's frames, after a check that each begins where the text so far ends.
#[track_caller]
pub fn joined(frames: &[Value], call: u64, attempt: u64) -> String {
    let mut text = String::new();
    for frame in frames.iter().filter(|frame| frame["call"] == call && frame["attempt"] == attempt) {
        assert_eq!(frame["offset"], text.encode_utf16().count(), "not contiguous: {frame}");
        text.push_str(frame["text"].as_str().expect("a frame has a text"));
    }
    text
}

/// An open stream of server-sent events.
pub struct SseWatcher {
    response: Response,
    buffer: Vec<u8>,
    /// How much of the buffer has no event's end in it: an event of megabytes comes in many chunks.
    searched: usize,
}

/// One server-sent event; fields that it has not are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SseEvent {
    /// `id:`.
    pub id: String,
    /// `event:`.
    pub event: String,
    /// `data:`, its lines joined.
    pub data: String,
}

impl SseEvent {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

impl SseWatcher {
    /// Opens a stream; expects 200 and the right content type.
    pub async fn open(api: &Api, path: &str, headers: &[(&str, &str)]) -> SseWatcher {
        let request = api.request(Method::GET, path, headers).header("accept", "text/event-stream");
        let response = in_time("the head of the stream", request.send()).await.expect("the server answers");
        let content_type = response.headers().get("content-type").map(|value| value.as_bytes().to_vec());
        let status = response.status().as_u16();
        assert_eq!(
            status,
            200,
            "{path}: {}",
            if status == 200 { String::new() } else { response.text().await.unwrap_or_default() }
        );
        assert!(
            content_type.is_some_and(|value| value.starts_with(b"text/event-stream")),
            "{path}: no event stream"
        );
        SseWatcher { response, buffer: Vec::new(), searched: 0 }
    }

    /// The next event with data; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Option<SseEvent> {
        loop {
            while let Some(end) = end_of_event(&self.buffer, self.searched) {
                let block: Vec<u8> = self.buffer.drain(..end).collect();
                self.searched = 0;
                let event = parse(&String::from_utf8(block).expect("the stream is UTF-8"));
                if !event.data.is_empty() {
                    return Some(event);
                }
            }
            self.searched = self.buffer.len().saturating_sub(1);
            let chunk = in_time("a server-sent event", self.response.chunk()).await.ok()??;
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// Everything up to the end of the stream.
    pub async fn rest(mut self) -> Vec<SseEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// Where the first event's blank line ends, sought from a place on.
fn end_of_event(buffer: &[u8], from: usize) -> Option<usize> {
    let mut place = from;
    loop {
        place += buffer[place..].iter().position(|byte| *byte == b'\n')? + 1;
        if buffer.get(place) == Some(&b'\n') {
            return Some(place + 1);
        }
    }
}

fn parse(block: &str) -> SseEvent {
    let mut event = SseEvent::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = value.into(),
            "event" => event.event = value.into(),
            "data" if event.data.is_empty() => event.data = value.into(),
            "data" => event.data = format!("{}\n{value}", event.data),
            _ => {}
        }
    }
    event
}
