use longhaul_core::Refusal;
use longhaul_host::{HostError, ImportError};

use crate::{
    api::problem::{FieldError, Problem},
    sql::JournalError,
};

/// When a client tries again whose session's storage failed, in seconds.
pub(crate) const STORAGE_RETRY_AFTER_S: &str = "30";

/// The answer to what the runtime could not do.
pub(crate) fn problem_of(error: HostError<JournalError>) -> Problem {
    match error {
        HostError::Refused(refusal) => problem_of_refusal(refusal),
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

/// The answer to an import that is not taken.
pub(crate) fn problem_of_import(error: ImportError<JournalError>) -> Problem {
    let detail = format!("{error}: nothing was kept");
    match error {
        ImportError::Exists => Problem::session_exists(detail),
        ImportError::TooLarge => Problem::body_too_large(detail),
        ImportError::BrokeOff(_) => Problem::malformed_json(detail),
        ImportError::Unfit(unfit) => {
            let at_fault = FieldError::new(format!("line {}", unfit.line), unfit.why);
            Problem::invalid_request(detail).with_errors(vec![at_fault])
        }
        ImportError::Host(error) => problem_of(error),
    }
}

pub(crate) fn problem_of_refusal(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    let field = |name: &str| {
        Problem::invalid_request(detail.clone()).with_errors(vec![FieldError::new(name, &*detail)])
    };
    match refusal {
        Refusal::QueueFull => Problem::queue_full(detail).with_header("Retry-After", "5"),
        Refusal::TooManySteers => Problem::too_many_steers(detail).with_header("Retry-After", "5"),
        Refusal::NothingToSteer => Problem::nothing_to_steer(detail),
        Refusal::Comparison => Problem::comparison_takes_no_runs(detail),
        Refusal::SessionFull => Problem::session_full(detail),
        Refusal::SessionBudgetExhausted => Problem::session_budget_exhausted(detail),
        Refusal::Replayed(_) | Refusal::KeyConflict(_) => Problem::idempotency_conflict(detail),
        Refusal::NoRequest(_) => Problem::not_found(detail),
        Refusal::RequestClosed { .. } => Problem::approval_closed(detail),
        Refusal::DigestMismatch => Problem::digest_mismatch(detail),
        Refusal::OwnRequest => Problem::own_request(detail),
        Refusal::WrongDecision { .. } => field("/decision"),
        Refusal::EditRefused(_) => field("/arguments"),
        Refusal::AnswerRefused(_) => field("/input"),
    }
}

/// The answer when the platform did not open a stream.
pub(crate) fn broken(error: worker::Error) -> Problem {
    tracing::error!(%error, "the stream could not be opened");
    Problem::internal("the stream could not be opened")
}

/// The answer about a run that was never accepted.
pub(crate) fn no_such_run() -> Problem {
    Problem::not_found("the session has no such run")
}
