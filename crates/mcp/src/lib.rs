//! A client of remote MCP servers, of both eras of the protocol: the stateless one (revision 2026-07-28) and the one with
//! sessions before it. What a server says is data: it is read with limits, and reaches nobody as anything else.
//!
//! Absent from this crate, on purpose: sockets, a clock, randomness, JavaScript and the `worker` crate. Whoever uses it gives
//! it a way out, a [`Wire`].
//!
//! A part of `longhaul`, which is what a project depends on. This API is internal: it changes with any release, without a
//! promise of stability.

/// Why no server is asked in this build; `None` in one that has the feature.
pub const LEFT_OUT: Option<&str> = if cfg!(feature = "mcp") {
    None
} else {
    Some("needs the cargo feature `mcp` of longhaul, which this build leaves out")
};

pub mod client;
pub mod limits;
mod names;
pub mod oauth;
mod offers;
mod servers;
mod wire;

pub use names::{NAME_SEPARATOR, is_server_name, offered_name};
pub use offers::offers;
pub use servers::{Oauth, Secret, Server, Servers};
pub use wire::{Reply, Request, Wire};
