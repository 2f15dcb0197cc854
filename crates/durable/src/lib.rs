//! An agent runtime for Cloudflare Durable Objects: a task goes in, a durable run and one trace come out.
//!
//! A deployment is a `cdylib` with the classes that [`objects!`] declares and a `fetch` event that calls [`serve`]; see
//! `examples/haiku`. What its agents are is said with [`Agent`] and [`Agents`].
//!
//! This is the only library of the workspace that knows the `worker` crate. It decides nothing: rules of a run are
//! `longhaul-core`'s, and the loop that performs them is `longhaul-host`'s.

mod accounts;
mod agent;
mod ai;
mod api;
mod backlog;
mod config;
mod d1;
mod env;
mod failure;
mod frames;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod hands;
mod hang_up;
mod http;
mod index;
mod judge;
mod large;
mod log;
mod object;
mod objects;
mod platform;
mod policy;
mod providers;
mod rate;
mod secrets;
mod shell;
mod sql;
mod stream;
mod tenant;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub mod testing;
mod tool;
mod watchers;

pub use agent::{Agent, Agents};
pub use front::serve;
pub use longhaul_core::{CallId, Fault, FaultKind, InDoubt, ModelAnswer, OnExpiry, RunId};
pub use longhaul_host::{CallInfo, Hooks, NoHooks};
pub use object::SessionObject;
pub use tenant::TenantObject;
pub use tool::{
    FetchError, FetchRequest, FetchResponse, Reconciled, Tool, ToolContext, ToolError, ToolResult,
};
