//! The ports of the agent runtime and the one loop that drives a session, generic over them.
//!
//! Absent from this crate: the `worker` crate, JavaScript, and every rule of a run, which is the core's. What is
//! here performs what the core promised: it encodes, sends, decodes, races time, and feeds the outcome back.
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

// What only a sink uses is left over in a build without it, and the linker drops it.
#![cfg_attr(
    not(all(feature = "nexus", feature = "otlp", feature = "webhooks")),
    allow(dead_code, unused_imports, unused_variables)
)]

mod alarm;
mod courier;
mod deployment;
mod driver;
mod flights;
mod hooks;
mod import;
mod index;
mod invocation;
mod launch;
mod listing;
mod live;
mod memory;
mod net;
#[cfg(feature = "nexus")]
mod nexus;
mod notices;
mod orders;
#[cfg(feature = "otlp")]
mod otlp;
mod outbox;
mod perform;
mod ports;
mod report;
mod retention;
mod retiring;
mod runtime;
mod settling;
mod signal;
mod spans;
mod storage;
mod traces;
#[cfg(feature = "webhooks")]
mod webhook;
mod wire;
mod wish;

pub use deployment::{Deployment, Endpoint, Endpoints, NEXUS_SINK, OTLP_SINK, WorkersAi};
pub use driver::{Driver, Driving};
pub use hooks::{CallInfo, Hooks, NoHooks};
pub use import::{Export, ImportError};
pub use live::{Delta, DeltaKind};
pub use longhaul_core::Journal;
pub use memory::HostError;
pub use net::{REMOVED, SECRET_BYTES_MIN, SecretNet};
pub use outbox::Closing;
pub use ports::{Archive, Audience, Clock, NoRoom, NotErased, Platform, Ports, ToolJob, Transport};
pub use runtime::Runtime;
pub use settling::Unsettled;
pub use spans::{CALL_TARGET, Telemetry};
pub use wire::{
    Body, GatewayRequest, HttpRequest, Method, WireFault, WireRequest, WireResponse, retry_after_ms,
};
pub use wish::RESET_HEADERS;
