//! The run of an agent as a state machine: events in, entries and commands out.
//!
//! Absent from this crate, on purpose: async, a clock, randomness, HTTP, JavaScript and SQL. Time and seeds come
//! in as arguments ([`Moment`]); storage is a synchronous trait ([`Journal`]) that the caller implements.
//!
//! ```text
//! let step = session.decide(event, moment)?;          // pure: what would change
//! let committed = session.commit(step, &journal)?;    // append, then memory, then the commands come out
//! // perform each command; its outcome is the next event
//! ```
//!
//! All of crash recovery is [`Session::replay`] followed by [`Event::Resume`].

mod backoff;
mod compare;
mod context;
mod deadline;
mod decide;
mod decode;
mod done;
mod entry;
mod event;
mod fault;
mod ids;
mod journal;
pub mod limits;
mod markdown;
mod message;
mod run;
mod session;
mod step;

pub use backoff::{MODEL_RETRY, RetryPolicy, SINK_RETRY, full_jitter_ms};
pub use context::estimated_tokens;
pub use deadline::Deadline;
pub use done::{FinalRule, final_rule, strip_sentinel};
pub use entry::{
    Budget, Cause, Entry, Gateway, INDEX_SINK, Idempotency, Observed, PRIVATE_FIELDS, PublicEvent, Record,
    RunError, RunSettings, RunStatus, StopReason, Timing, UserSpan,
};
pub use event::{CallRef, Command, Event, ModelCall, Moment, NewRun, Refusal, SinkFailure};
pub use fault::{Fault, FaultKind};
pub use ids::{CallId, Life, RunId, Seq, TimeMs};
pub use journal::{DecodeError, Journal, decode_row, encode_row};
pub use message::{FinishReason, Message, ModelAnswer, Role, ToolCall, Usage};
pub use run::{Delivery, DeliveryState, InFlight, Lane, LaneAnswer, LaneState, Phase, Run};
pub use session::{CONTINUE, Conversation, ModelRequest, ReplayError, Session};
pub use step::{CommitError, Committed, Step};
