//! MCP servers, as a session and its tenant's object reach them.

pub(crate) mod credentials;
mod outbound;

pub(crate) use outbound::Outbound;
