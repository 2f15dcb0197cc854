//! Questions to the state: pure functions, which change nothing.

pub(crate) mod deadline;
pub(crate) mod request;
pub(crate) mod result;
pub(crate) mod spent;
pub(crate) mod tools;
