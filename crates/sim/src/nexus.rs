use std::{collections::BTreeMap, rc::Rc};

use futures::{FutureExt, StreamExt};
use longhaul_host::{HttpRequest, Method, WireFault, WireResponse};
use longhaul_trace::nexus::{NexusConfig, NexusMode};
use serde_json::{Map, Value, json};

pub use check::{Check, is_time};

use crate::world::World;

mod calendar;
mod check;
mod export;

pub(crate) use calendar::iso8601;

/// Where Nexus is.
pub(crate) const BASE_URL: &str = "http://nexus.test";
/// The key that it takes.
pub(crate) const KEY: &str = "nxs_simulated";
/// The agent of every world.
const AGENT: &str = "my poet";
/// How long it takes to answer, in milliseconds.
const LATENCY_MS: u64 = 15;
/// Items of a list at most.
const LIMIT_MAX: usize = 200;

/// How Nexus is used, and what it does with requests, in order; those after the plan are carried out.
#[derive(Debug, Clone)]
pub struct NexusPlan {
    /// How traces are sent.
    pub mode: NexusMode,
    /// What it does.
    pub replies: Vec<NexusReply>,
}

/// What Nexus does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NexusReply {
    /// It carries it out and says so.
    Serve,
    /// It does nothing and answers with this status.
    Status(u16),
    /// It carries it out and answers with this status.
    DoneBut(u16),
    /// It carries it out, and the answer is lost.
    Lost,
    /// It cannot be reached.
    Refused,
    /// It does nothing and says nothing, ever.
    Hang,
    /// It carries it out and says nothing, ever.
    HangWhenDone,
}

/// Nexus, strict where the real one is lenient, and with the same gaps where it has some: nothing is idempotent, ids
/// are its own, and the OTLP route makes a new trace of each request. It outlives every process that sends to it.
#[derive(Debug, Clone)]
pub struct NexusServer {
    plan: NexusPlan,
    /// What came, in order.
    pub requests: Vec<Rc<NexusRequest>>,
    /// The traces, in the order in which they were made.
    pub traces: Vec<NexusTrace>,
    ids: u64,
}

/// A request as Nexus saw it.
#[derive(Debug, PartialEq, Eq)]
pub struct NexusRequest {
    /// `POST /api/v1/traces`: the method and the path with its query.
    pub line: String,
    /// The body as it was sent.
    pub body: Vec<u8>,
    /// What was wrong with it: the status and the body of the refusal that is its sender's fault.
    pub fault: Option<String>,
}

/// A trace as Nexus keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct NexusTrace {
    /// Its own id.
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

/// A span as Nexus keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct NexusSpan {
    /// Its own id.
    pub id: String,
    /// Its own id of the span above.
    pub parent_span_id: Option<String>,
    /// The name.
    pub name: String,
    /// `ok` or `error`.
    pub status: String,
    /// ISO 8601.
    pub started_at: String,
    /// ISO 8601.
    pub ended_at: Option<String>,
}

/// A status and a body: an answer, or a refusal.
type Answer = (u16, Value);

impl NexusPlan {
    /// Its own protocol, with these replies to the first requests.
    pub fn native(replies: &[NexusReply]) -> Self {
        Self { mode: NexusMode::Native, replies: replies.to_vec() }
    }

    /// The OTLP route, with these replies to the first requests.
    pub fn otlp(replies: &[NexusReply]) -> Self {
        Self { mode: NexusMode::Otlp, replies: replies.to_vec() }
    }

    /// The variables of a deployment that sends to it.
    pub(crate) fn config(&self) -> Option<NexusConfig> {
        let mode = match self.mode {
            NexusMode::Native => "native",
            NexusMode::Otlp => "otlp",
        };
        let variables = [
            ("NEXUS_API_KEY", KEY),
            ("NEXUS_URL", BASE_URL),
            ("NEXUS_AGENT_ID", AGENT),
            ("NEXUS_MODE", mode),
        ];
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        NexusConfig::parse(&lookup).expect("the variables are valid")
    }
}

impl NexusServer {
    pub(crate) fn new(plan: NexusPlan) -> Self {
        Self { plan, requests: Vec::new(), traces: Vec::new(), ids: 0 }
    }

    fn take(&mut self, request: HttpRequest) -> (NexusReply, Answer) {
        let reply = self.plan.replies.get(self.requests.len()).copied().unwrap_or(NexusReply::Serve);
        let line = request.url.strip_prefix(BASE_URL).unwrap_or_default().to_owned();
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
        };
        let outcome = match reply {
            NexusReply::Status(_) | NexusReply::Refused | NexusReply::Hang => Ok((0, Value::Null)),
            _ => self.handle(method, &line, &request),
        };
        let fault = outcome.as_ref().err().map(|(status, body)| format!("{status} {body}"));
        let line = format!("{method} {line}");
        self.requests.push(Rc::new(NexusRequest { line, body: request.body, fault }));
        let (status, body) = outcome.unwrap_or_else(|refusal| refusal);
        match reply {
            NexusReply::Status(status) | NexusReply::DoneBut(status) => {
                (reply, (status, json!({"error": "as the scenario asked"})))
            }
            _ => (reply, (status, body)),
        }
    }

    fn handle(&mut self, method: &str, line: &str, request: &HttpRequest) -> Result<Answer, Answer> {
        let is_authorized = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("authorization") && value.strip_prefix("Bearer ") == Some(KEY)
        };
        if !request.headers.iter().any(is_authorized) {
            return Err((401, json!({"error": "Invalid API key"})));
        }
        let (path, query) = line.split_once('?').unwrap_or((line, ""));
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, steps.as_slice()) {
            ("POST", ["v1", "traces"]) => self.export(&object(request)?),
            ("POST", ["api", "v1", "traces"]) => self.make_trace(&object(request)?),
            ("POST", ["api", "v1", "traces", id, "spans"]) => {
                let at = self.find(id)?;
                self.make_span(at, &object(request)?)
            }
            ("GET", ["api", "v1", "traces"]) => self.list(query),
            ("GET", ["api", "v1", "traces", id]) => {
                let trace = &self.traces[self.find(id)?];
                let mut shown = summary(trace);
                shown["spans"] = trace.spans.iter().map(detail).collect();
                Ok((200, shown))
            }
            _ => Err((404, json!({"error": "Not found"}))),
        }
    }

    fn make_trace(&mut self, body: &Map<String, Value>) -> Result<Answer, Answer> {
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

    fn make_span(&mut self, at: usize, body: &Map<String, Value>) -> Result<Answer, Answer> {
        let mut check = Check::new(body);
        let span = NexusSpan {
            id: self.new_id(),
            parent_span_id: check.optional("parent_span_id"),
            name: check.text("name"),
            status: check.one_of("status", &["ok", "error"]),
            started_at: check.time("started_at"),
            ended_at: check.later_time("ended_at"),
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

    /// Newest first. Times are compared as texts, as the real server does it.
    fn list(&self, query: &str) -> Result<Answer, Answer> {
        let parameters: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key, value.replace("%20", " ").replace("%3A", ":")))
            .collect();
        let given = |key: &str| parameters.get(key).map(String::as_str);
        let limit = given("limit").map_or(Ok(50), str::parse).unwrap_or(0);
        let times = [given("since"), given("until")];
        if !(1..=LIMIT_MAX).contains(&limit) || !times.into_iter().flatten().all(is_time) {
            return Err((400, json!({"error": "Invalid query"})));
        }
        let key = |trace: &NexusTrace| (trace.started_at.clone(), trace.id.clone());
        let cursor = match given("after") {
            Some(after) => Some(key(&self.traces[self.find(after)?])),
            None => None,
        };
        let mut found: Vec<&NexusTrace> = self.traces.iter().collect();
        found.retain(|trace| {
            given("agent_id").is_none_or(|agent| trace.agent == agent)
                && given("since").is_none_or(|since| trace.started_at.as_str() >= since)
                && given("until").is_none_or(|until| trace.started_at.as_str() <= until)
                && cursor.as_ref().is_none_or(|cursor| key(trace) < *cursor)
        });
        found.sort_by_key(|trace| std::cmp::Reverse(key(trace)));
        Ok((200, found.into_iter().take(limit).map(summary).collect()))
    }

    /// A new trace of each request, whatever was there before.
    fn export(&mut self, body: &Map<String, Value>) -> Result<Answer, Answer> {
        let made = export::traces(body, || self.new_id());
        self.traces.extend(made.map_err(|error| (400, json!({ "error": error })))?);
        Ok((200, json!({})))
    }

    fn find(&self, id: &str) -> Result<usize, Answer> {
        let found = self.traces.iter().position(|trace| trace.id == id);
        found.ok_or_else(|| (404, json!({"error": "Trace not found"})))
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("5ca1ab1e-0000-4000-8000-{:012x}", self.ids)
    }
}

/// Serves one request.
pub(crate) async fn serve(world: Rc<World>, request: HttpRequest) -> Result<WireResponse, WireFault> {
    let (reply, (status, body)) = world.outside.borrow_mut().nexus.take(request);
    world.sleep(LATENCY_MS).await;
    match reply {
        NexusReply::Serve | NexusReply::Status(_) | NexusReply::DoneBut(_) => {}
        NexusReply::Lost => return Err(WireFault::Connection("the connection was reset".to_owned())),
        NexusReply::Refused => return Err(WireFault::Connection("connection refused".to_owned())),
        NexusReply::Hang | NexusReply::HangWhenDone => futures::future::pending().await,
    }
    let text = body.to_string();
    let body = async move { Ok(text.into_bytes()) }.into_stream().boxed_local();
    let content_type = Some("application/json".to_owned());
    Ok(WireResponse { content_type, ..WireResponse::new(status, body) })
}

fn object(request: &HttpRequest) -> Result<Map<String, Value>, Answer> {
    let is_json = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type") && value.split(';').next() == Some("application/json")
    };
    if !request.headers.iter().any(is_json) {
        return Err((415, json!({"error": "JSON only"})));
    }
    serde_json::from_slice(&request.body).map_err(|error| (400, json!({"error": error.to_string()})))
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
    })
}
