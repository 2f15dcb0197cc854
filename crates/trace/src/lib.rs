//! One trace per run, folded from the journal, and its exporters as encoders.
//!
//! Absent from this crate, on purpose: sockets, a clock, randomness and JavaScript. Whoever has the records of a
//! session has its traces; ids and times come from the journal alone, so a replay gives the same trace and sending
//! it twice is harmless.
//!
//! ```text
//! let trace = Trace::of_run(origin, run, records)?;             // fold
//! let page = serde_json::to_string(&trace.view())?;             // GET …/runs/{run}/trace
//! let body = encode_protobuf(&trace, &resource, capture);       // POST to an OTLP sink
//! let outcome = classify(status, &answer, content_type, None);  // what the sink's answer means
//! ```
//!
//! An exporter is a module that reads a [`Trace`] and gives bytes, with the reading of its sink's answers beside it:
//! [`encode_protobuf`] and [`encode_json`] live in `otlp`. The next ones (the Nexus protocol, a row of the index of
//! traces) are modules beside that one; [`Trace::content`] gives them what was said.

// A new entry or state must be looked at wherever one is told from another: the compiler then shows where.
#![warn(clippy::wildcard_enum_match_arm)]

mod acts;
mod attributes;
mod content;
mod fold;
mod ids;
pub mod index;
pub mod nexus;
mod otlp;
mod provider;
pub mod redact;
mod span;
mod time;
mod view;
mod waits;
mod webhook;

pub use content::{CONTENT_BYTES_MAX, Capture, Content, PREVIEW_CHARS, Turn, UnknownCapture};
pub use fold::Trace;
pub use ids::{Origin, SpanId, TraceId, span_id, trace_id};
pub use otlp::{
    ConfigError, ConfigErrors, OTLP_TIMEOUT_MS_MAX, OtlpConfig, Protocol, REQUEST_BYTES_MAX, Resource,
    SINK_ANSWER_BYTES_MAX, SinkOutcome, classify, encode_json, encode_protobuf, is_page,
};
pub use span::{Attribute, ModelSpan, Span, SpanEvent, SpanKind, SpanStatus, ToolSpan, Value, WaitSpan};
pub use view::{SpanView, TraceView, VIEW_CONTENT_BYTES_MAX};
pub use webhook::{WEBHOOK_ANSWER_BYTES_MAX, WebhookConfig, is_gone, webhook_id};
