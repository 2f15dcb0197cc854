//! MCP servers, as a session and its tenant's object reach them.

pub(crate) mod credentials;
mod outbound;
mod remotes;

pub(crate) use outbound::Outbound;
pub(crate) use remotes::Remotes;
