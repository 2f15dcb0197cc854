use std::fmt;

use longhaul_core::ToolOutcome;

/// Why a tool has no result. Any error becomes one with `?`, and its text is what the model is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolError {
    /// The call failed; the model is told why, in these words.
    Failed(String),
}

// It is no `std::error::Error` itself: otherwise no other error could become one by `?`.
impl<E: std::error::Error> From<E> for ToolError {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

impl ToolError {
    /// A failure, in words that help the model.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }

    pub(crate) fn outcome(self) -> ToolOutcome {
        match self {
            Self::Failed(why) => ToolOutcome::Failed(longhaul_core::ToolError::failed(why)),
        }
    }
}
