//! OTLP over HTTP: a trace as the body of a request, in both encodings, and what the sink's answer means.

mod config;
mod request;
mod response;
mod wire;

pub use config::{OTLP_TIMEOUT_MS_MAX, OtlpConfig, Protocol};
pub use request::{REQUEST_BYTES_MAX, encode_json, encode_protobuf};
pub use response::{SINK_ANSWER_BYTES_MAX, SinkOutcome, classify, is_page};
