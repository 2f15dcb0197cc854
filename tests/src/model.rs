//! A model server: OpenAI's two formats at `/v1/chat/completions` and `/v1/responses`, Anthropic's at `/v1/messages`, and
//! Workers AI's shape at `/ai` for the stand-in of the `AI` binding. It records every call and answers as the test's script
//! says.

use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use serde_json::Value;

use crate::dialect::Dialect;
use crate::http::{HttpServer, full};
use crate::reply::{Finish, Reply};
use crate::wait::{eventually, now_ms};

/// A session's life in hex.
const LIFE_CHARS: usize = 16;

/// A listening model server.
pub struct ModelServer {
    http: HttpServer,
    calls: Arc<Mutex<Vec<Call>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A call as the model server saw it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Position among all calls, from 0.
    pub index: usize,
    /// When it arrived, milliseconds since the epoch.
    pub at_ms: u64,
    /// The `Idempotency-Key` header; empty if there was none.
    pub key: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The JSON body.
    pub body: Value,
    /// Arrivals of this key so far, this one included.
    pub arrival: usize,
    /// Whether the last byte of the answer was handed over.
    pub finished: bool,
    /// Whether the client went away before that.
    pub disconnected: bool,
}

impl Call {
    /// Which turn of its run asks: one more than the assistant messages since the run's task.
    pub fn turn(&self) -> usize {
        let messages = self.messages();
        let is_task = |message: &Value| message["role"] == "user" && message["content"] != "Continue.";
        let task = messages.iter().rposition(is_task).unwrap_or_default();
        messages[task..].iter().filter(|message| message["role"] == "assistant").count() + 1
    }

    /// Which call it is, as `<session>/<run>/<call>`: what its key says beside the session's life.
    pub fn place(&self) -> String {
        let Some((life, rest)) = self.key.split_once('-').filter(|(life, _)| life.len() == LIFE_CHARS) else {
            return self.key.clone();
        };
        assert!(life.bytes().all(|byte| byte.is_ascii_hexdigit()), "the key {:?}", self.key);
        let parts: Vec<&str> = rest.rsplitn(3, '-').collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/")
    }

    /// Its run, as `<session>/<run>`.
    pub fn run(&self) -> String {
        let place = self.place();
        place.rsplit_once('/').map_or(place.clone(), |(run, _)| run.to_owned())
    }

    /// The messages that the model was given.
    pub fn messages(&self) -> Vec<Value> {
        let input = if self.body["input"].is_object() { &self.body["input"] } else { &self.body };
        input["messages"].as_array().cloned().unwrap_or_default()
    }
}

impl ModelServer {
    /// Starts on a free port of loopback; `script` says what happens to each call.
    pub async fn start(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> ModelServer {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, lines, script) = (Arc::clone(&calls), Arc::clone(&asked), Arc::new(script));
        let http = HttpServer::start(move |request| {
            lines.lock().expect("no handler panics").push(line(&request));
            let (record, script) = (Arc::clone(&record), Arc::clone(&script));
            async move {
                let Some(dialect) = Dialect::of(&request) else {
                    return Ok(Response::builder()
                        .status(404)
                        .body(full("no such route"))
                        .expect("a bare response is valid"));
                };
                let call = enter(&record, &request);
                let leave = Leave { calls: record, index: call.index, finished: false };
                let input = if dialect == Dialect::WorkersAi { &call.body["input"] } else { &call.body };
                script(&call).play(dialect, input, leave).await
            }
        })
        .await;
        ModelServer { http, calls, asked }
    }

    /// The value for `OPENAI_BASE_URL`, and for a `base_url` of `PROVIDERS`.
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.origin())
    }

    /// The server's origin, without a path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.http.address)
    }

    /// Every request so far, also one that is no call: its method, its `Host` and its path.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no handler panics").clone()
    }

    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no handler panics").clone()
    }

    /// The calls of a session so far, in order of arrival.
    pub fn calls_of(&self, session: &str) -> Vec<Call> {
        let calls = self.calls.lock().expect("no handler panics");
        let is_of = |call: &&Call| call.place().split('/').next() == Some(session);
        calls.iter().filter(is_of).cloned().collect()
    }

    /// Waits until `count` calls have arrived and gives them.
    pub async fn wait_for_calls(&self, count: usize) -> Vec<Call> {
        let calls = || self.calls();
        eventually(format!("model call {count}"), || async {
            Some(calls()).filter(|calls| calls.len() >= count)
        })
        .await
    }
}

/// Marks its call as finished, or as disconnected when it is dropped before that.
struct Leave {
    calls: Arc<Mutex<Vec<Call>>>,
    index: usize,
    finished: bool,
}

impl Finish for Leave {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut calls = self.calls.lock().expect("no handler panics");
        let call = &mut calls[self.index];
        call.finished = self.finished;
        call.disconnected = !self.finished;
    }
}

fn enter(calls: &Mutex<Vec<Call>>, request: &Request<Bytes>) -> Call {
    let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
    let header = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    let key = header.unwrap_or_default().to_owned();
    let mut calls = calls.lock().expect("no handler panics");
    let arrival = calls.iter().filter(|call| call.key == key).count() + 1;
    let call = Call {
        index: calls.len(),
        at_ms: now_ms(),
        key,
        headers: request.headers().clone(),
        body,
        arrival,
        finished: false,
        disconnected: false,
    };
    calls.push(call.clone());
    call
}

fn line(request: &Request<Bytes>) -> String {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("{} {host} {}", request.method(), request.uri())
}
