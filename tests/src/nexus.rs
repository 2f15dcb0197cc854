//! A Nexus of the tests' own: strict where the real one is lenient, and with the same gaps where it has some. Nothing
//! is idempotent, ids are its own, and the OTLP route makes a new trace of each POST.

mod export;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, Response};
use longhaul_sim::{NexusCheck as Check, is_nexus_time as is_time};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::http::{HttpServer, full};
use crate::wait::{eventually, now_ms};

pub use export::iso8601;

/// The one key that it takes.
pub const NEXUS_KEY: &str = "nxs_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Items of a list at most.
const LIMIT_MAX: usize = 200;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum NexusVerdict {
    /// Carries it out and answers.
    Serve,
    /// Answers with this status and does nothing.
    Refuse(u16),
    /// Carries it out and closes the connection without an answer.
    LoseAnswer,
    /// Carries it out, and answers after this time.
    Slowly(Duration),
    /// Does nothing and never answers.
    Hang,
    /// Carries it out and never answers.
    HangWhenDone,
}

/// A listening server.
pub struct NexusServer {
    http: HttpServer,
    state: Arc<Mutex<State>>,
}

/// One request to the server.
#[derive(Clone, Debug)]
pub struct NexusRequest {
    /// When it arrived, milliseconds since the epoch.
    pub at_ms: u64,
    /// `POST /api/v1/traces`: the method and the path with its query.
    pub line: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it was sent.
    pub text: String,
    /// The status that it got, or would have got if the answer had not been lost; 0 where it was not looked at.
    pub status: u16,
    /// The body of that answer.
    pub answer: Value,
}

/// A trace as the server keeps it.
#[derive(Clone, Debug)]
pub struct NexusTrace {
    /// The server's id.
    pub id: String,
    /// The agent's name.
    pub agent: String,
    /// The name.
    pub name: String,
    /// `running`, `success`, `error` or `timeout`.
    pub status: String,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    pub ended_at: Option<String>,
    /// Whatever the client said.
    pub metadata: Value,
    /// In the order in which they came.
    pub spans: Vec<NexusSpan>,
}

/// A span as the server keeps it.
#[derive(Clone, Debug)]
pub struct NexusSpan {
    /// The server's id.
    pub id: String,
    /// The server's id of the span above.
    pub parent_span_id: Option<String>,
    /// The name.
    pub name: String,
    /// `ok` or `error`.
    pub status: String,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    pub ended_at: Option<String>,
    /// Whatever the client said.
    pub input: Value,
    /// Whatever the client said.
    pub output: Value,
    /// A word for what went wrong.
    pub error: Value,
}

#[derive(Default)]
struct State {
    requests: Vec<NexusRequest>,
    traces: Vec<NexusTrace>,
    ids: u64,
}

/// A status and a body.
type Outcome = Result<(u16, Value), (u16, Value)>;

impl NexusServer {
    /// Starts on a free port of loopback; `verdict` is asked with the position of each request, from 0.
    pub async fn start(verdict: impl Fn(usize) -> NexusVerdict + Send + Sync + 'static) -> NexusServer {
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, verdict) = (Arc::clone(&state), Arc::new(verdict));
        let http = HttpServer::start(move |request| {
            let (state, verdict) = (Arc::clone(&shared), Arc::clone(&verdict));
            async move {
                let (verdict, (status, body)) = take(&state, &request, verdict.as_ref());
                match verdict {
                    NexusVerdict::Serve | NexusVerdict::Refuse(_) => {}
                    NexusVerdict::Slowly(delay) => sleep(delay).await,
                    NexusVerdict::LoseAnswer => return Err(io::Error::other("an answer lost on purpose")),
                    NexusVerdict::Hang | NexusVerdict::HangWhenDone => std::future::pending().await,
                }
                let response = Response::builder().status(status).header("content-type", "application/json");
                Ok(response.body(full(body.to_string())).expect("the headers are valid"))
            }
        })
        .await;
        NexusServer { http, state }
    }

    /// The value for `NEXUS_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.http.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<NexusRequest> {
        self.lock().requests.clone()
    }

    /// The first words of every request so far, without queries: `POST /api/v1/traces`.
    pub fn lines(&self) -> Vec<String> {
        let path = |line: &str| line.split('?').next().unwrap_or_default().to_owned();
        self.lock().requests.iter().map(|request| path(&request.line)).collect()
    }

    /// Every trace so far, in the order in which they were made.
    pub fn traces(&self) -> Vec<NexusTrace> {
        self.lock().traces.clone()
    }

    /// Waits until `count` requests have arrived.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<NexusRequest> {
        eventually(format!("request {count} to Nexus"), || async {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panics")
    }
}

fn take(
    state: &Mutex<State>,
    request: &Request<Bytes>,
    verdict: &dyn Fn(usize) -> NexusVerdict,
) -> (NexusVerdict, (u16, Value)) {
    let mut state = state.lock().expect("no handler panics");
    let verdict = verdict(state.requests.len());
    let (status, answer) = match verdict {
        NexusVerdict::Refuse(status) => (status, json!({"error": "as the test asked"})),
        NexusVerdict::Hang => (0, Value::Null),
        _ => state.handle(request).unwrap_or_else(|refused| refused),
    };
    state.requests.push(NexusRequest {
        at_ms: now_ms(),
        line: format!("{} {}", request.method(), request.uri()),
        headers: request.headers().clone(),
        text: String::from_utf8_lossy(request.body()).into_owned(),
        status,
        answer: answer.clone(),
    });
    (verdict, (status, answer))
}

impl State {
    fn handle(&mut self, request: &Request<Bytes>) -> Outcome {
        let path = request.uri().path();
        if !is_authorized(request.headers(), path) {
            return Err((401, json!({"error": "Invalid API key"})));
        }
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method(), steps.as_slice()) {
            (&Method::POST, ["v1", "traces"]) => self.export(request),
            (&Method::POST, ["api", "v1", "traces"]) => self.make_trace(&object(request)?),
            (&Method::POST, ["api", "v1", "traces", id, "spans"]) => {
                let at = self.find(id)?;
                self.make_span(at, &object(request)?)
            }
            (&Method::PATCH, ["api", "v1", "traces", id]) => {
                let at = self.find(id)?;
                self.change_trace(at, &object(request)?)
            }
            (&Method::GET, ["api", "v1", "traces"]) => self.list(request.uri().query().unwrap_or_default()),
            (&Method::GET, ["api", "v1", "traces", id]) => {
                let trace = &self.traces[self.find(id)?];
                let mut shown = summary(trace);
                shown["spans"] = trace.spans.iter().map(detail).collect();
                Ok((200, shown))
            }
            _ => Err((404, json!({"error": "Not found"}))),
        }
    }

    fn make_trace(&mut self, body: &Map<String, Value>) -> Outcome {
        let mut check = Check::new(body);
        let trace = NexusTrace {
            id: self.new_id(),
            agent: check.text("agent_id"),
            name: check.text("name"),
            status: check.one_of("status", &["running", "success", "error", "timeout"]),
            started_at: check.time("started_at"),
            ended_at: check.later_time("ended_at"),
            metadata: body.get("metadata").cloned().unwrap_or_default(),
            spans: Vec::new(),
        };
        check.finish()?;
        let answer = json!({ "trace_id": trace.id });
        self.traces.push(trace);
        Ok((201, answer))
    }

    fn make_span(&mut self, at: usize, body: &Map<String, Value>) -> Outcome {
        let mut check = Check::new(body);
        let parent_span_id = check.optional("parent_span_id");
        let span = NexusSpan {
            id: self.new_id(),
            name: check.text("name"),
            status: check.one_of("status", &["ok", "error"]),
            started_at: check.time("started_at"),
            ended_at: check.later_time("ended_at"),
            input: body.get("input").cloned().unwrap_or_default(),
            output: body.get("output").cloned().unwrap_or_default(),
            error: body.get("error").cloned().unwrap_or_default(),
            parent_span_id,
        };
        let trace = &mut self.traces[at];
        if span.parent_span_id.as_ref().is_some_and(|id| !trace.spans.iter().any(|known| known.id == *id)) {
            check.fault("parent_span_id", "no span of this trace");
        }
        check.finish()?;
        let answer = json!({ "span_id": span.id });
        trace.spans.push(span);
        Ok((201, answer))
    }

    fn change_trace(&mut self, at: usize, body: &Map<String, Value>) -> Outcome {
        let mut check = Check::new(body);
        let status = body
            .contains_key("status")
            .then(|| check.one_of("status", &["running", "success", "error", "timeout"]));
        let ended_at = body.contains_key("ended_at").then(|| check.time("ended_at"));
        if status.is_none() && ended_at.is_none() {
            check.fault("status", "nothing to change");
        }
        check.finish()?;
        let trace = &mut self.traces[at];
        trace.status = status.unwrap_or_else(|| trace.status.clone());
        trace.ended_at = ended_at.or_else(|| trace.ended_at.clone());
        Ok((200, json!({ "trace_id": trace.id })))
    }

    /// Newest first. Times are compared as texts, as the real server does it.
    fn list(&self, query: &str) -> Outcome {
        let parameters: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, decoded(value)))
            .collect();
        let given = |key: &str| parameters.get(key).map(String::as_str);
        let invalid =
            |field: &str| Err((400, json!({"error": "Invalid query", "fields": {field: "invalid"}})));
        let limit = given("limit").map_or(Ok(50), str::parse).unwrap_or(0);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return invalid("limit");
        }
        for key in ["since", "until"] {
            if given(key).is_some_and(|time| !is_time(time)) {
                return invalid(key);
            }
        }
        let statuses: &[&str] = match given("status") {
            None => &["running", "success", "error", "timeout"],
            Some("ok") => &["success"],
            Some("error") => &["error", "timeout"],
            Some(_) => return invalid("status"),
        };
        let key = |trace: &NexusTrace| (trace.started_at.clone(), trace.id.clone());
        let cursor = match given("after").map(|after| self.find(after)) {
            Some(Err(_)) => return invalid("after"),
            Some(Ok(at)) => Some(key(&self.traces[at])),
            None => None,
        };
        let mut found: Vec<&NexusTrace> = self.traces.iter().collect();
        found.retain(|trace| {
            given("agent_id").is_none_or(|agent| trace.agent == agent)
                && statuses.contains(&trace.status.as_str())
                && given("since").is_none_or(|since| trace.started_at.as_str() >= since)
                && given("until").is_none_or(|until| trace.started_at.as_str() <= until)
                && cursor.as_ref().is_none_or(|cursor| key(trace) < *cursor)
        });
        found.sort_by_key(|trace| std::cmp::Reverse(key(trace)));
        Ok((200, found.into_iter().take(limit).map(summary).collect()))
    }

    /// A new trace of each POST, whatever was there before.
    fn export(&mut self, request: &Request<Bytes>) -> Outcome {
        let body = Value::Object(object(request)?);
        let traces =
            export::traces(&body, || self.new_id()).map_err(|error| (400, json!({ "error": error })))?;
        self.traces.extend(traces);
        Ok((200, json!({})))
    }

    fn find(&self, id: &str) -> Result<usize, (u16, Value)> {
        let found = self.traces.iter().position(|trace| trace.id == id);
        found.ok_or_else(|| (404, json!({"error": "Trace not found"})))
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("5ca1ab1e-0000-4000-8000-{:012x}", self.ids)
    }
}

fn is_authorized(headers: &HeaderMap, path: &str) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let api_key = header("x-api-key").filter(|_| path == "/v1/traces");
    api_key.or(bearer) == Some(NEXUS_KEY)
}

fn object(request: &Request<Bytes>) -> Result<Map<String, Value>, (u16, Value)> {
    let media = request.headers().get("content-type").and_then(|value| value.to_str().ok());
    if media.and_then(|media| media.split(';').next()) != Some("application/json") {
        return Err((415, json!({"error": "JSON only"})));
    }
    serde_json::from_slice(request.body()).map_err(|error| (400, json!({"error": error.to_string()})))
}

/// A trace in a list: without its name, as the real server has it.
fn summary(trace: &NexusTrace) -> Value {
    json!({
        "id": trace.id,
        "agent_name": trace.agent,
        "status": trace.status,
        "started_at": trace.started_at,
        "ended_at": trace.ended_at,
        "span_count": trace.spans.len(),
        "metadata": trace.metadata,
    })
}

fn detail(span: &NexusSpan) -> Value {
    json!({
        "id": span.id,
        "name": span.name,
        "parent_span_id": span.parent_span_id,
        "status": span.status,
        "started_at": span.started_at,
        "ended_at": span.ended_at,
        "input": span.input,
        "output": span.output,
        "error": span.error,
    })
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).expect("a percent sign is followed by two digits");
        bytes.push(u8::from_str_radix(hex, 16).expect("a percent sign is followed by two digits"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("a query is UTF-8")
}
