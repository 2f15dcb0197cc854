use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, UNIX_EPOCH},
};

use futures::stream::LocalBoxStream;
use longhaul_core::{Spent, TimeMs};
use longhaul_trace::index::Statement;
use thiserror::Error;

/// A request that leaves the object.
#[derive(Debug, Clone)]
pub enum WireRequest {
    /// An HTTP POST.
    Http(HttpRequest),
    /// `env.AI.run(model, input, options)`.
    WorkersAi {
        /// The model, with its `@cf/` prefix.
        model: String,
        /// The input, as JSON text.
        input: Vec<u8>,
        /// The AI Gateway that the call goes through.
        gateway: Option<GatewayRequest>,
        /// Headers for the gateway and the upstream.
        headers: Vec<(String, String)>,
    },
    /// Statements for the D1 database of the index, in one transaction. The answer has status 200 and no body.
    Index(Vec<Statement>),
    /// What the session's runs have cost, for its tenant's object. The answer has no body.
    Settle(Spent),
}

/// An HTTP request.
#[derive(Clone)]
pub struct HttpRequest {
    /// What is asked.
    pub method: Method,
    /// An absolute URL.
    pub url: String,
    /// Names and values; some are secrets.
    pub headers: Vec<(String, String)>,
    /// The bytes, in the format that the headers name.
    pub body: Vec<u8>,
}

/// The HTTP methods that models and sinks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; the body is empty.
    Get,
    /// Makes something.
    Post,
    /// Changes something.
    Patch,
}

/// What an AI Gateway is told of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    /// The gateway's id.
    pub id: String,
    /// Labels of its log entry: at most five, which is the gateway's limit.
    pub metadata: Vec<(&'static str, String)>,
}

/// The head of an answer, and its body as it arrives.
pub struct WireResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After`, as it was sent.
    pub retry_after: Option<String>,
    /// Of a refusal: which of the [`RESET_HEADERS`](crate::RESET_HEADERS) it has, as they were sent.
    pub resets: Vec<(&'static str, String)>,
    /// The AI Gateway's id of its log entry.
    pub gateway_log_id: Option<String>,
    /// The body.
    pub body: Body,
    /// When the latest piece that the body gave had arrived, where that is another time than now: pieces that nobody
    /// watches may be handed over together.
    pub arrived_at: Rc<Cell<Option<TimeMs>>>,
}

impl WireResponse {
    /// A response of which nothing else is known.
    pub fn new(status: u16, body: Body) -> Self {
        Self {
            status,
            content_type: None,
            retry_after: None,
            resets: Vec::new(),
            gateway_log_id: None,
            body,
            arrived_at: Rc::default(),
        }
    }
}

/// A body in chunks, in the order of arrival.
pub type Body = LocalBoxStream<'static, Result<Vec<u8>, WireFault>>;

/// Why a request brought no answer, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireFault {
    /// The far side cannot be reached or hung up. Worth a retry.
    #[error("{0}")]
    Connection(String),
    /// The Workers AI binding threw; the text has Cloudflare's error code.
    #[error("{0}")]
    Binding(String),
    /// An answer came in a coding that cannot be undone.
    #[error("{0}")]
    Unreadable(String),
    /// The binding or the server is not configured in this deployment.
    #[error("{0}")]
    NotConfigured(String),
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header values may be credentials.
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpRequest").field("headers", &names).field("body_bytes", &self.body.len()).finish()
    }
}

/// The wait that a `Retry-After` asks for (RFC 9110, section 10.2.3: seconds, or an HTTP date), in milliseconds.
pub fn retry_after_ms(value: &str, now: TimeMs) -> Option<u64> {
    let value = value.trim();
    // Digits alone, however many.
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(UNIX_EPOCH + Duration::from_millis(now)).unwrap_or_default();
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example
        assert_eq!(retry_after_ms("120", now), Some(120_000));
        assert_eq!(retry_after_ms(" Sun, 06 Nov 1994 08:50:07 GMT ", now), Some(30_000));
        assert_eq!(
            retry_after_ms("Sun, 06 Nov 1994 08:49:30 GMT", now),
            Some(0),
            "a date in the past is now"
        );
        assert_eq!(retry_after_ms("soon", now), None);
        assert_eq!(retry_after_ms("-1", now), None);
        assert_eq!(retry_after_ms("+3", now), None);
        assert_eq!(retry_after_ms("", now), None);
        assert_eq!(retry_after_ms(&"9".repeat(100), now), Some(u64::MAX));
    }
}
