//! The HTTP contract as pure functions: what a request asks for, and what the answer says. Nothing here knows the
//! `worker` crate, so all of it is tested natively.

pub(crate) mod approvals;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod bulk;
pub(crate) mod fields;
pub(crate) mod frames;
pub(crate) mod hosts;
pub(crate) mod mcp;
pub(crate) mod models;
pub(crate) mod nearest;
#[cfg(test)]
mod openapi;
pub(crate) mod pins;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod reach;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod server_frames;
pub(crate) mod slots;
pub(crate) mod spending;
pub(crate) mod steer;
pub(crate) mod suspension;
pub(crate) mod views;
pub(crate) mod wire;
