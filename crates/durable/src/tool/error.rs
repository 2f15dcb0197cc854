use std::{fmt, time::Duration};

use longhaul_core::ToolOutcome;

/// Why a tool has no result. Any error becomes one with `?`, and its text is what the model is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolError {
    /// The call failed; the model is told why, in these words.
    Failed(String),
    /// Something failed that may pass: the call is made again, at most five times in five minutes. Of a tool whose calls
    /// happen [`once`](crate::Tool::once) it says that nothing happened.
    Retry {
        /// Why.
        why: String,
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// The run cannot go on: it ends with these words.
    Fatal(String),
}

/// What a tool gives, or why it gives nothing.
pub type ToolResult<T> = Result<T, ToolError>;

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

    /// A failure that may pass.
    pub fn retry(why: impl fmt::Display) -> Self {
        Self::Retry { why: why.to_string(), after: None }
    }

    pub(crate) fn outcome(self) -> ToolOutcome {
        match self {
            Self::Failed(why) => ToolOutcome::Failed(longhaul_core::ToolError::failed(why)),
            Self::Retry { why, after } => {
                let ms = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                ToolOutcome::Retry { message: why, after_ms: after.map(ms) }
            }
            Self::Fatal(why) => ToolOutcome::Fatal(why),
        }
    }
}

/// What became of a call that was cut off: the answer of [`Tool::reconcile`](crate::Tool::reconcile).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled<R> {
    /// It was done, with this result.
    Done(R),
    /// It was not done: it is made now.
    NotDone,
    /// Nobody can tell.
    Unknown,
}
