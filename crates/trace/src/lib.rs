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
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

// A new entry or state must be looked at wherever one is told from another: the compiler then shows where.
#![warn(clippy::wildcard_enum_match_arm)]
// What only a sink uses is left over in a build without it, and the linker drops it.
#![cfg_attr(not(all(feature = "nexus", feature = "otlp", feature = "webhooks")), allow(dead_code))]

#[cfg(any(test, not(all(feature = "nexus", feature = "otlp", feature = "webhooks"))))]
#[cfg_attr(test, allow(unreachable_pub, dead_code, reason = "tests look at all of it, whatever is exported"))]
mod absent;
mod acts;
mod attributes;
mod config;
mod content;
mod fold;
mod ids;
pub mod index;
mod list;
#[cfg(feature = "nexus")]
pub mod nexus;
#[cfg(feature = "otlp")]
mod otlp;
mod provider;
pub mod redact;
mod resource;
mod span;
mod time;
mod view;
mod waits;
#[cfg(feature = "webhooks")]
mod webhook;

#[cfg(not(feature = "nexus"))]
pub use absent::nexus;
#[cfg(not(feature = "otlp"))]
pub use absent::otlp::OtlpConfig;
#[cfg(not(feature = "webhooks"))]
pub use absent::webhook::WebhookConfig;
pub use config::{ConfigError, ConfigErrors};
pub use content::{CONTENT_BYTES_MAX, Capture, Content, PREVIEW_CHARS, Turn, UnknownCapture};
pub use fold::Trace;
pub use ids::{Origin, SpanId, TraceId, span_id, trace_id};
#[cfg(feature = "otlp")]
pub use otlp::{
    OTLP_TIMEOUT_MS_MAX, OtlpConfig, Protocol, REQUEST_BYTES_MAX, SINK_ANSWER_BYTES_MAX, SinkOutcome,
    classify, encode_json, encode_protobuf, is_page,
};
pub use resource::Resource;
pub use span::{Attribute, ModelSpan, Span, SpanEvent, SpanKind, SpanStatus, ToolSpan, Value, WaitSpan};
pub use time::iso8601;
pub use view::{SpanView, TraceView, VIEW_CONTENT_BYTES_MAX};
#[cfg(feature = "webhooks")]
pub use webhook::{WEBHOOK_ANSWER_BYTES_MAX, WebhookConfig, is_gone, webhook_id};
