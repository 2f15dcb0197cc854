//! Tools of a deployment: what a developer declares, and what runs when a model calls one.

mod context;
mod definition;
mod digest;
mod egress;
mod error;
mod fetch;
mod outlet;
pub(crate) mod schema;

pub use context::ToolContext;
pub use definition::Tool;
pub use egress::FetchError;
pub use error::{Reconciled, ToolError, ToolResult};
pub use fetch::{FetchRequest, FetchResponse};

pub(crate) use context::{Called, Progress, Voice};
pub(crate) use definition::Declared;
pub(crate) use digest::digest;
pub(crate) use egress::Egress;
pub(crate) use outlet::Outlet;
#[cfg(all(feature = "testing", not(target_arch = "wasm32")))]
pub(crate) use {
    egress::Hop,
    outlet::{TestAnswer, TestOutlet},
};
