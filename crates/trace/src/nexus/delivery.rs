use std::fmt;

use longhaul_core::{SinkFailure, TimeMs};
use serde_json::Value as Json;
use vecmap::VecMap;

use crate::{
    content::Capture,
    fold::Trace,
    nexus::{
        answer::{id_of, is_span, is_trace, items},
        body,
        config::{NexusConfig, NexusMode},
    },
    span::Span,
    time::{iso8601, next_month},
};

/// What is to be read of an answer, in bytes: a trace with its spans is one. A longer one cannot be understood.
pub const NEXUS_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The part that is the trace itself; a span's part is its id in hex.
const TRACE_PART: &str = "trace";
/// Traces in one page of the list: as many as Nexus gives.
const PAGE_TRACES: usize = 200;
/// Pages that are read at most. They hold the traces of one agent that began within the same second.
const PAGES_MAX: u32 = 5;
/// After a new month has begun, deliveries are spread over this time, in milliseconds.
const QUOTA_SPREAD_MS: u64 = 3_600_000;
const HEX: [u8; 16] = *b"0123456789ABCDEF";

/// What is known of a delivery's earlier requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// There were none, or each has an answer that is in the journal.
    Certain,
    /// One may have been carried out without our knowing: a crash, an answer that was lost, a failure of the server.
    Uncertain,
}

/// How a delivery goes on after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The sink has this part: store that durably before the next request goes out.
    Sent {
        /// `trace`, or the id of a span in hex.
        part: String,
        /// What the sink calls it.
        remote_id: String,
    },
    /// There may be a next request.
    Continue,
    /// This delivery is over, and the next one is [`Certainty::Uncertain`].
    Failed(SinkFailure),
}

/// A request to Nexus. Its `Debug` does not show the headers: one holds the key.
#[derive(Clone, PartialEq, Eq)]
pub struct NexusRequest {
    /// What is asked.
    pub method: NexusMethod,
    /// An absolute URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON; empty in a GET.
    pub body: Vec<u8>,
}

/// The HTTP methods that a delivery needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NexusMethod {
    /// Looks something up.
    Get,
    /// Makes a trace or a span.
    Post,
}

/// One attempt to bring a run's trace to Nexus, without I/O: ask for the [next request](Self::next_request), send it,
/// and let it [take](Self::take) the answer, until there is no next one or it failed.
pub struct NexusDelivery<'a> {
    trace: &'a Trace,
    config: &'a NexusConfig,
    capture: Capture,
    /// Parts that the sink has, and what it calls them.
    sent: VecMap<String, String>,
    /// The spans below the root that are not known to be there: parents come out first, from the end.
    unsent: Vec<&'a Span>,
    /// The spans that the sink has in the end.
    count: usize,
    step: Step,
    if_missing: IfMissing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Look for the trace in this page of the list, from 1, which begins after that trace.
    FindTrace { page: u32, after: Option<String> },
    /// Look for the next span.
    FindSpan,
    /// Post the next part.
    Post,
    /// The one request of OTLP was carried out.
    Done,
}

/// What follows when a part is looked for and not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Post,
    /// The sink said that it has it, but not what it calls it: to post it again would make it twice.
    GiveUp,
}

impl<'a> NexusDelivery<'a> {
    /// A delivery of a run that has ended. `sent` is what the journal says the sink has.
    pub fn new(
        trace: &'a Trace,
        config: &'a NexusConfig,
        capture: Capture,
        sent: &VecMap<String, String>,
        certainty: Certainty,
    ) -> Self {
        let below_root = || trace.finished_spans().filter(|span| span.parent_span_id.is_some());
        let count = below_root().count() + 1;
        let is_unsent = |span: &&Span| !sent.contains_key(&span.span_id.to_string());
        // A trace has each span after the one that it is in.
        let mut unsent: Vec<&Span> = below_root().filter(is_unsent).collect();
        unsent.reverse();
        let (step, if_missing) = (Step::Post, IfMissing::Post);
        let mut delivery =
            Self { trace, config, capture, sent: sent.clone(), unsent, count, step, if_missing };
        if certainty == Certainty::Uncertain {
            delivery.look_up(IfMissing::Post);
        }
        delivery
    }

    /// The request to make now; `None` when the sink has everything.
    pub fn next_request(&self) -> Option<NexusRequest> {
        let trace_path = self.remote_trace().map(|id| format!("/api/v1/traces/{}", encoded(id)));
        match &self.step {
            Step::Done => None,
            Step::FindTrace { after, .. } => Some(self.get(&self.list_path(after.as_deref()))),
            Step::FindSpan => self.next_span().and(trace_path).map(|path| self.get(&path)),
            #[cfg(feature = "otlp")]
            Step::Post if self.config.mode == NexusMode::Otlp => {
                let service_name = self.config.agent_id.clone();
                let resource = crate::resource::Resource { service_name, attributes: Vec::new() };
                Some(self.post("/v1/traces", crate::otlp::encode_json(self.trace, &resource, self.capture)))
            }
            Step::Post => {
                let Some(trace_path) = trace_path else {
                    let body = body::of_trace(self.trace, &self.config.agent_id, self.capture);
                    return Some(self.post("/api/v1/traces", body));
                };
                let span = self.next_span()?;
                let parent = span.parent_span_id.and_then(|id| self.sent.get(&id.to_string()));
                let body = body::of_span(self.trace, span, parent, self.capture);
                Some(self.post(&[&trace_path, "/spans"].concat(), body))
            }
        }
    }

    /// Takes the status and the body of the answer to the last request; `None` when no whole answer came. `now` is
    /// the wall clock.
    pub fn take(&mut self, answer: Option<(u16, &[u8])>, now: TimeMs) -> Progress {
        let Some((status, body)) = answer else {
            return Progress::Failed(SinkFailure::Transient { status: None, retry_after_ms: None });
        };
        if let Some(failure) = self.refusal(status, now) {
            return Progress::Failed(failure);
        }
        let answer = serde_json::from_slice::<Json>(body).unwrap_or_default();
        if self.step == Step::Post {
            return self.posted(&answer);
        }
        let Some(items) = items(&answer) else {
            // Who cannot read what is there posts nothing.
            return Progress::Failed(SinkFailure::Transient { status: Some(status), retry_after_ms: None });
        };
        match items.iter().find(|item| self.is_sought(item)) {
            Some(_) if self.config.mode != NexusMode::Native => self.done(),
            Some(item) => match self.id_in(item) {
                Some(id) => self.adopt(id),
                None => Progress::Failed(SinkFailure::Permanent { status: Some(status) }),
            },
            None => self.missing(items, status),
        }
    }

    /// The spans that the sink has in the end; the root, which is Nexus's trace, counts as one.
    pub fn spans(&self) -> u32 {
        u32::try_from(self.count).unwrap_or(u32::MAX)
    }

    fn posted(&mut self, answer: &Json) -> Progress {
        if self.config.mode != NexusMode::Native {
            return self.done();
        }
        match self.id_in(answer) {
            Some(id) => self.adopt(id),
            None => {
                self.look_up(IfMissing::GiveUp);
                Progress::Continue
            }
        }
    }

    /// The next part is there, under this id.
    fn adopt(&mut self, id: &str) -> Progress {
        let span = match self.remote_trace() {
            None => None,
            Some(_) => self.unsent.pop(),
        };
        let part = span.map_or_else(|| TRACE_PART.to_owned(), |span| span.span_id.to_string());
        self.sent.insert(part.clone(), id.to_owned());
        self.step = Step::Post;
        Progress::Sent { part, remote_id: id.to_owned() }
    }

    fn done(&mut self) -> Progress {
        self.step = Step::Done;
        Progress::Continue
    }

    fn is_sought(&self, item: &Json) -> bool {
        match self.next_span() {
            _ if self.step != Step::FindSpan => is_trace(item, self.trace),
            // One span at most is there that we do not know: that tells two apart which look alike.
            Some(span) => is_span(item, span) && !self.sent.values().any(|id| self.id_in(item) == Some(id)),
            None => false,
        }
    }

    fn missing(&mut self, items: &[Json], status: u16) -> Progress {
        if let Step::FindTrace { page, .. } = self.step
            && page < PAGES_MAX
            && items.len() >= PAGE_TRACES
            && let Some(last) = items.last().and_then(|item| self.id_in(item))
        {
            self.step = Step::FindTrace { page: page + 1, after: Some(last.to_owned()) };
            return Progress::Continue;
        }
        match self.if_missing {
            IfMissing::Post => {
                self.step = Step::Post;
                Progress::Continue
            }
            IfMissing::GiveUp => Progress::Failed(SinkFailure::Permanent { status: Some(status) }),
        }
    }

    fn look_up(&mut self, if_missing: IfMissing) {
        self.if_missing = if_missing;
        self.step = match self.remote_trace() {
            None => Step::FindTrace { page: 1, after: None },
            Some(_) => Step::FindSpan,
        };
    }

    /// Why a status other than a success is none.
    fn refusal(&self, status: u16, now: TimeMs) -> Option<SinkFailure> {
        match status {
            200..=299 => None,
            429 => {
                let [a, b, c, d, ..] = self.trace.trace_id.0;
                let spread_ms = u64::from(u32::from_be_bytes([a, b, c, d])) % QUOTA_SPREAD_MS;
                Some(SinkFailure::Quota { status, resumes_at: next_month(now) + spread_ms })
            }
            408 | 500.. => Some(SinkFailure::Transient { status: Some(status), retry_after_ms: None }),
            _ => Some(SinkFailure::Permanent { status: Some(status) }),
        }
    }

    /// What the sink calls the trace. In OTLP mode nothing is known of what it made.
    fn remote_trace(&self) -> Option<&str> {
        let id = self.sent.get(TRACE_PART).filter(|_| self.config.mode == NexusMode::Native)?;
        Some(id)
    }

    /// What the next part is called in an answer, or in an item of a list.
    fn id_in<'b>(&self, answer: &'b Json) -> Option<&'b str> {
        id_of(answer, if self.remote_trace().is_none() { "trace_id" } else { "span_id" })
    }

    fn next_span(&self) -> Option<&'a Span> {
        self.unsent.last().copied()
    }

    /// The traces of this agent that began in the second in which this one did. A window that is wider than the
    /// moment finds it also where times are kept without milliseconds.
    fn list_path(&self, after: Option<&str>) -> String {
        let second = self.trace.started_at / 1_000 * 1_000;
        let (since, until) = (iso8601(second), iso8601(second + 1_000));
        let agent_id = encoded(&self.config.agent_id);
        let (then, after) = after.map_or(("", String::new()), |id| ("&after=", encoded(id)));
        format!(
            "/api/v1/traces?agent_id={agent_id}&since={since}&until={until}&limit={PAGE_TRACES}{then}{after}"
        )
    }

    fn get(&self, path: &str) -> NexusRequest {
        self.request(NexusMethod::Get, path, Vec::new())
    }

    fn post(&self, path: &str, body: Vec<u8>) -> NexusRequest {
        let mut request = self.request(NexusMethod::Post, path, body);
        request.headers.push(("content-type", "application/json".to_owned()));
        request
    }

    fn request(&self, method: NexusMethod, path: &str, body: Vec<u8>) -> NexusRequest {
        let authorization = format!("Bearer {}", self.config.api_key);
        let url = format!("{}{path}", self.config.url);
        NexusRequest { method, url, headers: vec![("authorization", authorization)], body }
    }
}

impl fmt::Debug for NexusRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A text for a URL's path or query.
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url.push(byte.into()),
            _ => {
                url.push('%');
                url.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
            }
        }
    }
    url
}
