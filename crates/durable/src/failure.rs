use longhaul_core::Refusal;
use longhaul_host::HostError;

use crate::{api::problem::Problem, sql::JournalError};

/// When a client tries again whose session's storage failed, in seconds.
pub(crate) const STORAGE_RETRY_AFTER_S: &str = "30";

/// The answer to what the runtime could not do.
pub(crate) fn problem_of(error: HostError<JournalError>) -> Problem {
    match error {
        HostError::Refused(Refusal::QueueFull) => {
            Problem::queue_full(Refusal::QueueFull.to_string()).with_header("Retry-After", "5")
        }
        HostError::Refused(Refusal::Comparison) => {
            Problem::comparison_takes_no_runs(Refusal::Comparison.to_string())
        }
        HostError::Refused(Refusal::SessionFull) => Problem::session_full(Refusal::SessionFull.to_string()),
        HostError::Refused(refusal) => Problem::idempotency_conflict(refusal.to_string()),
        HostError::Storage(JournalError::Decode(error)) => {
            tracing::error!(%error, "the journal is of another version");
            Problem::internal(format!(
                "{error}; nothing was changed: deploy the version that wrote it, or a later one"
            ))
        }
        HostError::Storage(error) => {
            tracing::error!(%error, "the storage failed");
            let detail = "the session's storage fails, or is full: nothing was changed, and what is stored can be read; try \
                          again later, or DELETE the session";
            Problem::storage_unavailable(detail).with_header("Retry-After", STORAGE_RETRY_AFTER_S)
        }
        HostError::Replay(error) => {
            tracing::error!(%error, "the journal contradicts itself");
            Problem::internal("the session's journal cannot be replayed")
        }
    }
}

/// The answer when the platform did not open a stream.
pub(crate) fn broken(error: worker::Error) -> Problem {
    tracing::error!(%error, "the stream could not be opened");
    Problem::internal("the stream could not be opened")
}
