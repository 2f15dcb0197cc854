//! The run of an agent as a state machine: inputs in, entries and commands out.
//!
//! Absent from this crate, on purpose: async, a clock, randomness, HTTP, JavaScript and SQL. Time and seeds come
//! in as arguments ([`Moment`]); storage is a synchronous trait ([`Journal`]) that the caller implements.
//!
//! Whoever drives a session decides and commits each input, performs the commands that come out, and feeds each outcome
//! back as the next input. After every commit it asks [`Session::next_deadline`] again and wakes the session then with
//! [`Input::Tick`]. All of crash recovery is [`Session::replay`] followed by [`Input::Resume`].
//!
//! ```
//! # use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};
//! # use longhaul_core::*;
//! # #[derive(Default)]
//! # struct Memory(RefCell<Vec<Record>>);
//! # impl Journal for Memory {
//! #     type Error = Infallible;
//! #     fn append(&self, records: &[Record], _: &[WholeResult]) -> Result<(), Infallible> {
//! #         self.0.borrow_mut().extend_from_slice(records);
//! #         Ok(())
//! #     }
//! #     fn result(&self, _: CallId) -> Result<Option<String>, Infallible> {
//! #         Ok(None)
//! #     }
//! #     fn read(&self, after: Seq, limit: usize) -> Result<Vec<Record>, Infallible> {
//! #         Ok(self.0.borrow().iter().filter(|record| record.seq > after).take(limit).cloned().collect())
//! #     }
//! # }
//! # let settings = serde_json::from_str(r#"{"sentinel": "DONE", "model_timeout_ms": 60000}"#)?;
//! # let post = NewRun {
//! #     task: "Write a haiku.".into(), agent: "poet".into(), model: "openai:tiny".into(), models: Vec::new(),
//! #     max_iterations: 6, metadata: BTreeMap::new(), settings, idempotency: None, by: None,
//! # };
//! # let journal = Memory::default();
//! # let perform = |_: &ModelCall| ModelAnswer {
//! #     message: Message::text(Role::Assistant, "The tide comes in.\nDONE"), finish_reason: FinishReason::Stop,
//! #     usage: Usage::default(), response_id: None, response_model: None,
//! # };
//! let mut session = Session::default();
//! let mut inputs = vec![Input::Accept(post)];
//! while let Some(input) = inputs.pop() {
//!     let moment = Moment { now: 1_000, seed: 7 };
//!     let step = session.decide(input, moment)?; // pure: what would change
//!     let committed = session.commit(step, &journal)?; // append, then memory, then the commands come out
//!     for command in committed.commands {
//!         if let Command::CallModel(order) = command {
//!             let (call, answer) = (order.call, perform(&order));
//!             let (timing, observed) = (Timing::default(), Observed::default());
//!             inputs.push(Input::Answered { call, answer, timing, observed });
//!         }
//!     }
//! }
//! assert_eq!(session.runs()[0].status(), RunStatus::Succeeded);
//! assert_eq!(Session::replay(&*journal.0.borrow())?, session);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules stand in layers, each of which uses only what stands before it: words (`ids`, `limits`, `message`,
//! `fault`, `backoff`, `schema`, `done`, `tool`, `given`, `reading`), facts (`entry`, `decode`, `journal`), `output`, `input`,
//! `state` (the one fold), `views` (questions to it), `step`, and `decide` (one file an input, and the table of the loop in
//! `decide/after.rs`).
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

// A new entry or state must be looked at wherever one is told from another: the compiler then shows where.
#![warn(clippy::wildcard_enum_match_arm)]

mod archive;
mod backoff;
mod decide;
mod decode;
mod done;
mod entry;
mod fault;
mod given;
mod ids;
mod input;
mod journal;
pub mod limits;
mod markdown;
mod message;
mod output;
mod reading;
mod schema;
mod settings;
mod state;
mod step;
mod tool;
mod views;

pub use archive::{Exporter, Importer, Piece, Unfit};
pub use backoff::{MODEL_RETRY, RetryPolicy, SINK_RETRY, TOOL_RETRY, full_jitter_ms};
pub use done::{FinalRule, final_rule, strip_sentinel};
pub use entry::{
    Cause, Entry, INDEX_SINK, Idempotency, Observed, PRIVATE_FIELDS, PublicEvent, RUN_FAILED, Record,
    RunError, RunStatus, StopReason, TENANT_SINK, TRACE_PARKED, Timing, UserSpan, WEBHOOK_SINK,
};
pub use fault::{Fault, FaultKind};
pub use ids::{CallId, CallRef, Life, RunId, Seq, TimeMs};
pub use input::{
    Command, Decision, Found, Input, Listed, ModelCall, Moment, NewRun, Pending, Receipt, Refusal,
    SinkFailure, Steer, ToolOrder, ToolOutcome, Wait,
};
pub use journal::{DecodeError, Journal, WholeResult, decode_row, encode_row};
pub use message::{
    FINISH_TOOL, FinishReason, Message, ModelAnswer, Opaque, OpaqueItem, Role, ToolCall, Usage,
    estimated_tokens,
};
pub use reading::{OWN_TOOLS, Reading};
pub use schema::{Misfit, compare, is_same, misfits, output_schema_faults, schema_faults, told_misfits};
pub use settings::{Budget, Fallback, Gateway, Imported, Rate, Reserved, RunSettings};
pub use state::{
    call::{Answer, Ask, Call, CallError, CallState, Party, Settled, Tries},
    delivery::{Delivery, DeliveryState, Notice},
    round::Round,
    run::{Ending, Phase, Run},
    session::{Conversation, ReplayError, Session},
    spec::RunSpec,
    transcript::{CONTINUE, Transcript},
};
pub use step::{CommitError, Committed, Step};
pub use tool::{
    Dropped, Effect, InDoubt, Judge, LIST_TOOLS, Leave, OfferJudge, OnExpiry, Proposed, Question, Reaction,
    Remote, Request, RequestKind, Resumption, ToolAsk, ToolError, ToolOffer, Verdict,
};
pub use views::{
    deadline::Deadline,
    request::{ModelRequest, left_out, model_request, sent_messages},
    spent::{NANO_PER_USD, Spent, nano_usd},
};
