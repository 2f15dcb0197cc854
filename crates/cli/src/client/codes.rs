//! What these commands end with, beside 0, 1 for a failure of their own, and 2 for a line that is none.

use std::process::ExitCode;

use serde_json::Value;

/// The run has failed.
const RUN_FAILED: u8 = 3;
/// The run was cancelled.
const RUN_CANCELLED: u8 = 4;
/// A question was answered with no.
const DECLINED: u8 = 5;
/// Of many sessions some failed, or the server gave them up.
const JOB_FAILED: u8 = 6;

/// What a run's status is to a shell.
pub(super) fn of_run(status: &Value) -> ExitCode {
    match status.as_str() {
        Some("failed") => ExitCode::from(RUN_FAILED),
        Some("cancelled") => ExitCode::from(RUN_CANCELLED),
        Some(_) | None => ExitCode::SUCCESS,
    }
}

/// What the end of a receipt's job is to a shell.
pub(super) fn of_job(receipt: &Value) -> ExitCode {
    let is_whole = receipt["state"] == "done" && receipt["failed"] == 0;
    if is_whole { ExitCode::SUCCESS } else { ExitCode::from(JOB_FAILED) }
}

/// Somebody said no, and nothing was done.
pub(super) fn declined() -> ExitCode {
    ExitCode::from(DECLINED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_whole_or_it_failed() {
        let code = |state: &str, failed: u64| {
            format!("{:?}", of_job(&json!({"state": state, "failed": failed, "left": 2})))
        };
        assert_eq!(code("done", 0), format!("{:?}", ExitCode::SUCCESS));
        for (state, failed) in [("done", 1), ("gave_up", 0), ("gave_up", 1)] {
            assert_eq!(code(state, failed), format!("{:?}", ExitCode::from(6)), "{state} {failed}");
        }
    }
}
