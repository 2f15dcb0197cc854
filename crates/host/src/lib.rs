//! The ports of the agent runtime and the one loop that drives a session, generic over them.
//!
//! Absent from this crate: the `worker` crate, JavaScript, and every rule of a run, which is the core's. What is
//! here performs what the core promised: it encodes, sends, decodes, races time, and feeds the outcome back.

mod deliver;
mod driver;
mod hooks;
mod index;
mod invocation;
mod live;
mod net;
mod nexus;
mod perform;
mod ports;
mod retention;
mod runtime;
mod services;
mod spans;
mod trouble;
mod wire;

pub use driver::{Driver, Driving};
pub use hooks::{CallInfo, Hooks, NoHooks};
pub use live::Delta;
pub use longhaul_core::Journal;
pub use net::{REMOVED, SECRET_BYTES_MIN, SecretNet};
pub use ports::{Audience, Clock, Platform, Ports, Transport};
pub use runtime::{Closing, HostError, NotErased, Runtime};
pub use services::{NEXUS_SINK, OTLP_SINK, OpenAi, Services, WorkersAi};
pub use spans::{CALL_TARGET, Telemetry};
pub use wire::{
    Body, GatewayRequest, HttpRequest, Method, WireFault, WireRequest, WireResponse, retry_after_ms,
};
