//! How one part of the document names another.

use serde_json::{Value, json};

/// Where the schemas stand.
pub(super) const PATH: &str = "#/components/schemas/";

/// The schema of this name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("{PATH}{name}")})
}
