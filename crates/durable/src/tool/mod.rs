//! Tools of a deployment: what a developer declares, and what runs when a model calls one.

mod context;
mod definition;
mod digest;
mod egress;
mod error;
mod fetch;
pub(crate) mod schema;

pub use context::ToolContext;
pub use definition::Tool;
pub use egress::FetchError;
pub use error::{Reconciled, ToolError, ToolResult};
pub use fetch::FetchRequest;

pub(crate) use context::{Called, Progress, Voice};
pub(crate) use definition::Declared;
pub(crate) use digest::digest;
pub(crate) use egress::Egress;
