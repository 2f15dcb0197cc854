//! An OTLP receiver at `/v1/traces`, for protobuf and JSON, that decodes with OpenTelemetry's own messages.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use hyper::body::Bytes;
use hyper::{HeaderMap, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;
use serde_json::Value;

use crate::http::{HttpServer, full};
use crate::wait::{eventually, now_ms};

/// What the receiver answers to a delivery.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// 200, the spans are taken.
    Accept,
    /// This status, with this `Retry-After` if any.
    Refuse(u16, Option<&'static str>),
    /// 200 with this JSON; the spans count as taken.
    Says(String),
    /// No answer, ever.
    Hang,
}

/// A listening receiver.
pub struct OtlpReceiver {
    http: HttpServer,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

/// One request to the receiver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// When it arrived, milliseconds since the epoch.
    pub at_ms: u64,
    /// All headers.
    pub headers: HeaderMap,
    /// The attributes of the resource.
    pub resource: BTreeMap<String, Value>,
    /// Its spans.
    pub spans: Vec<Span>,
    /// Whether it was answered with 200.
    pub accepted: bool,
    /// Why it could not be decoded, if so.
    pub malformed: Option<String>,
}

/// A span, with ids in hex.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits, or empty for the root.
    pub parent_id: String,
    /// The name.
    pub name: String,
    /// 1 internal, 3 client.
    pub kind: i32,
    /// Start, nanoseconds since the epoch.
    pub start_ns: u64,
    /// End, nanoseconds since the epoch.
    pub end_ns: u64,
    /// Attributes, as plain JSON values.
    pub attributes: BTreeMap<String, Value>,
    /// 0 unset, 1 ok, 2 error.
    pub status: i32,
}

impl Span {
    /// An attribute; null if it is absent.
    pub fn attribute(&self, key: &str) -> Value {
        self.attributes.get(key).cloned().unwrap_or(Value::Null)
    }
}

impl OtlpReceiver {
    /// Starts on a free port of loopback; `verdict` is asked with the position of each delivery, from 0.
    pub async fn start(verdict: impl Fn(usize) -> Verdict + Send + Sync + 'static) -> OtlpReceiver {
        let deliveries = Arc::new(Mutex::new(Vec::new()));
        let (record, verdict) = (Arc::clone(&deliveries), Arc::new(verdict));
        let http = HttpServer::start(move |request| {
            let (record, verdict) = (Arc::clone(&record), Arc::clone(&verdict));
            async move {
                let verdict = take(&record, &request, verdict.as_ref());
                let mut response = Response::builder();
                match verdict {
                    Verdict::Accept => {
                        let json = is_json(request.headers());
                        let content_type = if json { "application/json" } else { "application/x-protobuf" };
                        let body: &'static str = if json { "{}" } else { "" };
                        response = response.header("content-type", content_type);
                        Ok(response.body(full(body)).expect("a static response is valid"))
                    }
                    Verdict::Refuse(status, retry_after) => {
                        if let Some(after) = retry_after {
                            response = response.header("retry-after", after);
                        }
                        Ok(response.status(status).body(full("")).expect("a static response is valid"))
                    }
                    Verdict::Says(json) => {
                        response = response.header("content-type", "application/json");
                        Ok(response.body(full(json)).expect("a static header is valid"))
                    }
                    Verdict::Hang => std::future::pending().await,
                }
            }
        })
        .await;
        OtlpReceiver { http, deliveries }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.http.address)
    }

    /// Every request so far, refused ones included.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("no handler panics").clone()
    }

    /// The accepted requests so far.
    pub fn accepted(&self) -> Vec<Delivery> {
        self.deliveries().into_iter().filter(|delivery| delivery.accepted).collect()
    }

    /// Waits until a delivery with the root span of this trace was accepted; gives the accepted spans of the trace as
    /// a backend keeps them: one per id. A delivery that was repeated must have been the same.
    pub async fn wait_for_trace(&self, trace_id: &str) -> Vec<Span> {
        eventually(format!("the trace {trace_id}"), || async {
            Some(self.trace(trace_id)).filter(|spans| spans.iter().any(|span| span.parent_id.is_empty()))
        })
        .await
    }

    fn trace(&self, trace_id: &str) -> Vec<Span> {
        let deliveries = self.deliveries.lock().expect("no handler panics");
        let accepted = deliveries.iter().filter(|delivery| delivery.accepted);
        let mut kept: Vec<Span> = Vec::new();
        for span in accepted.flat_map(|delivery| &delivery.spans) {
            match kept.iter().find(|other| other.span_id == span.span_id) {
                Some(other) => assert_eq!(other, span, "one id, two spans"),
                None if span.trace_id == trace_id => kept.push(span.clone()),
                None => {}
            }
        }
        kept
    }

    /// Waits until `count` requests have arrived, refused ones included.
    pub async fn wait_for_deliveries(&self, count: usize) -> Vec<Delivery> {
        eventually(format!("delivery {count}"), || async {
            Some(self.deliveries()).filter(|deliveries| deliveries.len() >= count)
        })
        .await
    }
}

fn take(
    record: &Mutex<Vec<Delivery>>,
    request: &Request<Bytes>,
    verdict: &dyn Fn(usize) -> Verdict,
) -> Verdict {
    let (export, malformed) = match decode(request) {
        Ok(export) => (export, None),
        Err(error) => (ExportTraceServiceRequest::default(), Some(error)),
    };
    let resources = &export.resource_spans;
    let resource = resources.first().and_then(|first| first.resource.as_ref());
    let mut deliveries = record.lock().expect("no handler panics");
    let verdict = if malformed.is_some() { Verdict::Refuse(400, None) } else { verdict(deliveries.len()) };
    deliveries.push(Delivery {
        at_ms: now_ms(),
        headers: request.headers().clone(),
        resource: resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default(),
        spans: resources
            .iter()
            .flat_map(|one| &one.scope_spans)
            .flat_map(|scope| &scope.spans)
            .map(span)
            .collect(),
        accepted: matches!(verdict, Verdict::Accept | Verdict::Says(_)),
        malformed,
    });
    verdict
}

fn decode(request: &Request<Bytes>) -> Result<ExportTraceServiceRequest, String> {
    if request.uri().path() != "/v1/traces" {
        return Err(format!("no such route: {}", request.uri().path()));
    }
    if is_json(request.headers()) {
        serde_json::from_slice(request.body()).map_err(|error| error.to_string())
    } else {
        ExportTraceServiceRequest::decode(request.body().clone()).map_err(|error| error.to_string())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn span(span: &proto::Span) -> Span {
    Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        status: span.status.as_ref().map_or(0, |status| status.code),
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Value> {
    pairs.iter().map(|pair| (pair.key.clone(), plain(pair.value.as_ref()))).collect()
}

fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => Value::from(text.as_str()),
        Some(Any::BoolValue(flag)) => Value::from(*flag),
        Some(Any::IntValue(number)) => Value::from(*number),
        Some(Any::DoubleValue(number)) => Value::from(*number),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|value| plain(Some(value))).collect(),
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
