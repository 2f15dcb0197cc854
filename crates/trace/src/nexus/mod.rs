//! The Nexus sink: its variables, its two wire forms, and a delivery that goes on where a crash cut it off.
//!
//! Absent on purpose, as in the whole crate: sockets and a clock. [`NexusDelivery`] says which request comes next and
//! is told what came back.
//!
//! ```text
//! let mut delivery = NexusDelivery::new(&trace, &config, capture, &sent, certainty);
//! while let Some(request) = delivery.next_request() {
//!     match delivery.take(answer_to(request), now) {
//!         Progress::Sent { part, remote_id } => …,   // store it, durably, before the next request
//!         Progress::Continue => {}
//!         Progress::Failed(failure) => return …,     // drop the delivery; a later one goes on
//!     }
//! }
//! // Nothing is left to send: the sink has delivery.spans() spans.
//! ```
//!
//! Nothing is idempotent at Nexus. A part that may be there without our knowing is looked for before it is posted, so
//! that no trace and no span is there twice.

mod answer;
mod body;
mod config;
mod delivery;

pub use config::{NexusConfig, NexusMode};
pub use delivery::{Certainty, NEXUS_ANSWER_BYTES_MAX, NexusDelivery, NexusMethod, NexusRequest, Progress};
