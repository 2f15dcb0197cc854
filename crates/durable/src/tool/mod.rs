//! Tools of a deployment: what a developer declares, and what runs when a model calls one.

mod context;
mod definition;
mod digest;
mod error;
mod schema;

pub use context::ToolContext;
pub use definition::Tool;
pub use error::{Reconciled, ToolError};

pub(crate) use context::{Called, Progress, Voice};
pub(crate) use definition::Declared;
