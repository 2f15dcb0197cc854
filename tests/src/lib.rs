//! The harness of the end to end tests: real workerd with storage on disk, workerd's own D1 with a switch for faults,
//! a model server and an OTLP receiver of the tests' own over real HTTP, and clients for every way to watch a session.
//!
//! Absent on purpose: any code of the server. The tests know it by its HTTP contract alone, and a test waits for
//! a condition (see [`wait`]), never for a time.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

pub mod api;
mod config;
pub mod dev;
mod dialect;
pub mod far_side;
mod http;
pub mod index;
pub mod lazy;
pub mod memory;
pub mod meter;
pub mod model;
pub mod nexus;
pub mod oracle;
pub mod otlp;
pub mod platform;
mod program;
pub mod reply;
pub mod server;
pub mod stage;
pub mod storage;
pub mod terminal;
pub mod wait;
pub mod watch;

pub use api::{Answer, Api, Post};
pub use config::RateLimit;
pub use dev::DevServer;
pub use far_side::{Answered, Asked, FarSide};
pub use index::{Executed, Fault, Index, Tables};
pub use lazy::LazyReader;
pub use memory::Memory;
pub use meter::{Busy, Counts, Meter, Metered};
pub use model::{Call, ModelServer};
pub use otlp::{OtlpReceiver, Span, Verdict};
pub use program::Program;
pub use reply::{Gate, Reply};
pub use server::{Gauge, Launch, Server, StandIn};
pub use stage::{Stage, StageBuilder};
pub use watch::{Frame, SseWatcher, WsWatcher};
