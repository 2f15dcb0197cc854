//! JSON Schema, as much of it as is checked here: draft 2020-12 without what needs regular expressions, other documents or
//! the names of formats. What checks a value takes bounded steps, whatever the schema and the value are.

mod keywords;
mod misfit;
mod place;
#[cfg(test)]
mod tests;
mod value;

pub use keywords::{output_schema_faults, schema_faults};
pub use misfit::{Misfit, told_misfits};
pub use value::{compare, is_same, misfits};
