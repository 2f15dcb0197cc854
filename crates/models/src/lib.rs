//! Provider formats as pure codecs: a request to text, bytes to a model's answer.
//!
//! Absent from this crate, on purpose: sockets, a clock, randomness, JavaScript and the `worker` crate. Whoever has
//! the bytes pushes them into a [`Decoder`]; whoever has a status or a thrown error asks for the [`Fault`] that it
//! stands for. Absent as well: images. What a model thinks is kept apart from what it says.
//!
//! ```
//! use longhaul_models::{Decoder, Format};
//!
//! let mut decoder = Decoder::new(Format::Chat, Some("text/event-stream"));
//! let chunk = br#"data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#;
//! assert_eq!(decoder.push(chunk).unwrap(), "");           // the event has not ended yet
//! assert_eq!(decoder.push(b"\n\ndata: [DONE]\n\n").unwrap(), "Hello");
//! assert_eq!(decoder.finish().unwrap().message.content, "Hello");
//! ```
//!
//! The embedded [`scripted`] model is no model at all: it plays an answer that the task itself asked for, without any
//! network, in the same wire format.
//!
//! [`Fault`]: longhaul_core::Fault
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

// What only a format uses is left over in a build without it, and the linker drops it.
#![cfg_attr(not(all(feature = "anthropic", feature = "responses")), allow(dead_code))]

#[cfg(any(test, not(all(feature = "anthropic", feature = "responses"))))]
#[cfg_attr(test, allow(dead_code, reason = "tests look at all of it, whatever is used"))]
mod absent;
mod catalog;
mod chat;
mod codec;
mod content;
mod decimal;
mod decoder;
mod directive;
mod end_mark;
mod error;
mod finish;
mod form;
mod format;
mod known;
mod lenient;
#[cfg(feature = "anthropic")]
mod messages;
mod name;
mod object;
mod partial;
mod price;
mod prices;
#[cfg(feature = "responses")]
mod responses;
pub mod scripted;
mod sse;
mod think;
mod tools;
mod usage;
mod wire;
pub mod workers_ai;

#[cfg(not(feature = "anthropic"))]
use absent::messages;
#[cfg(not(feature = "responses"))]
use absent::responses;

pub use catalog::{PRICES_AS_OF, context_tokens};
pub use decimal::decimal;
pub use decoder::Decoder;
pub use error::{fault_of_status, redact, take_duration_ms, told_headers};
pub use form::RequestForm;
pub use format::Format;
pub use known::Known;
pub use name::{BUILT_IN_PREFIXES, ModelName, Provider, SCRIPTED_MODELS, UnknownModel, is_provider_name};
pub use price::{Long, Price};
pub use prices::{Prices, PricesError};
pub use scripted::{Script, ScriptOutcome};
pub use sse::{SSE_EVENT_BYTES_MAX, SseError, SseEvent, SseParser};

#[cfg(test)]
mod tests;
