use std::{cell::RefCell, rc::Rc, time::Duration};

use longhaul_core::TimeMs;
use serde::Serialize;
use serde_json::Value;

/// A request to a fake host, as it arrived there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// Names and values, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
    /// When it arrived, in milliseconds since 1970.
    pub at: TimeMs,
}

impl HttpRequest {
    /// A header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |(own, _): &&(String, String)| own.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// Its `Idempotency-Key`: a far side that keeps them does two requests of one key once.
    pub fn idempotency_key(&self) -> Option<&str> {
        self.header("idempotency-key")
    }

    /// The path, with the query.
    pub fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// The body as text; what is no UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What a fake host does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) kind: AnswerKind,
    pub(super) after: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerKind {
    Whole { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    Lost,
    Hang,
}

impl Answer {
    fn of(kind: AnswerKind) -> Self {
        Self { kind, after: Duration::from_millis(20) }
    }

    /// Status 200 with a value as JSON.
    ///
    /// # Panics
    /// When it is none that JSON can say.
    #[track_caller]
    pub fn json(value: impl Serialize) -> Self {
        let body =
            serde_json::to_vec(&value).expect("the answer of a fake host is a value that JSON can say");
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::of(AnswerKind::Whole { status: 200, headers, body })
    }

    /// Status 200 with a text.
    pub fn text(text: impl Into<String>) -> Self {
        let headers = vec![("content-type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Self::of(AnswerKind::Whole { status: 200, headers, body: text.into().into_bytes() })
    }

    /// Another status, without a body.
    pub fn status(status: u16) -> Self {
        Self::of(AnswerKind::Whole { status, headers: Vec::new(), body: Vec::new() })
    }

    /// The request arrived, and the connection breaks before its answer comes.
    pub fn lost() -> Self {
        Self::of(AnswerKind::Lost)
    }

    /// The request arrived, and no answer comes, ever.
    pub fn hangs() -> Self {
        Self::of(AnswerKind::Hang)
    }

    /// The same answer with another status.
    #[must_use]
    pub fn with_status(mut self, new: u16) -> Self {
        if let AnswerKind::Whole { status, .. } = &mut self.kind {
            *status = new;
        }
        self
    }

    /// The same answer with a header: `location`, `retry-after`.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let AnswerKind::Whole { headers, .. } = &mut self.kind {
            headers.push((name.to_ascii_lowercase(), value.into()));
        }
        self
    }

    /// How long the host takes, on the test's clock: 20 ms unless this says otherwise.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }
}

type Code = Rc<RefCell<dyn FnMut(&HttpRequest) -> Answer>>;

/// The fake hosts, and what arrived there. They outlive every process.
#[derive(Default)]
pub(super) struct Hosts {
    hosts: Vec<(String, Code)>,
    pub(super) requests: Vec<HttpRequest>,
}

impl Hosts {
    pub(super) fn add(&mut self, prefix: &str, code: impl FnMut(&HttpRequest) -> Answer + 'static) {
        self.hosts.retain(|(known, _)| known != prefix);
        self.hosts.push((prefix.to_owned(), Rc::new(RefCell::new(code))));
    }

    /// The host of an address: of several, the one that says most of it.
    pub(super) fn find(&self, url: &str) -> Option<Code> {
        let its = self.hosts.iter().filter(|(prefix, _)| begins(url, prefix));
        its.max_by_key(|(prefix, _)| prefix.len()).map(|(_, code)| Rc::clone(code))
    }

    /// Where there are fakes, for whoever missed one.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.hosts.iter().map(|(prefix, _)| prefix.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// Whether an address is one of these: `https://a.example` is not the beginning of `https://a.example.org`.
pub(super) fn begins(url: &str, prefix: &str) -> bool {
    let Some(rest) = url.strip_prefix(prefix) else { return false };
    prefix.ends_with(['/', '?', '=']) || rest.is_empty() || rest.starts_with(['/', '?', '#'])
}
