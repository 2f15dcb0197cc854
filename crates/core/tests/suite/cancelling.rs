use longhaul_core::{Cause, Deadline, FaultKind, Input, RunStatus, Session};

use crate::kit::{Stage, run, run_with};

#[test]
fn cancel_aborts_the_call_in_flight_and_ends_the_queued_runs_too() {
    let mut stage = Stage::started(run("one"));
    stage.answer("a");
    stage.accept(run("two"));
    let said = stage.session.conversation().len();
    assert_eq!(
        stage.cancel(),
        [
            "1 cancel.requested ann",
            "1 run.ended cancelled None, no error, 1 answers",
            "2 cancel.requested ann",
            "2 run.ended cancelled None, no error, 0 answers",
            "> abort 1:2.1",
        ]
    );
    assert!(stage.session.runs().iter().all(|run| run.status() == RunStatus::Cancelled));
    assert_eq!(stage.session.conversation().len(), said, "the conversation stays as it was");
    assert_eq!(stage.session.outstanding(), []);
    assert_eq!(stage.deadline().1, Deadline::Retention);
}

#[test]
fn a_waiting_run_is_cancelled_and_never_begins_again() {
    let mut stage = Stage::started(run("Write."));
    stage.fail(FaultKind::Connection);
    assert_eq!(stage.cancel().len(), 2, "there is nothing to abort");
    stage.now += 1_000_000;
    assert_eq!(stage.send(Input::Tick), [""; 0]);
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
}

#[test]
fn cancel_is_idempotent() {
    let mut empty = Stage::new();
    assert_eq!(empty.cancel(), [""; 0]);
    assert_eq!(empty.session, Session::default());

    let mut stage = Stage::started(run("Write."));
    stage.cancel();
    assert_eq!(stage.cancel(), [""; 0]);
    stage.accept(run("again"));
    stage.answer("a\nDONE");
    assert_eq!(stage.cancel(), [""; 0]);
    assert_eq!(stage.session.runs()[1].status(), RunStatus::Succeeded, "an ended run stays as it ended");
}

#[test]
fn after_a_crash_a_cancelled_run_stays_cancelled() {
    let mut stage = Stage::started(run("Write."));
    stage.cancel();
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
}

#[test]
fn a_cancelled_session_takes_new_runs_and_goes_on_with_its_conversation() {
    let mut stage = Stage::started(run("one"));
    stage.cancel();
    assert_eq!(stage.accept(run("two"))[1], "2 model.called 2.1 iteration 1, 3 messages");
}

#[test]
fn a_cancelled_run_still_has_a_trace_to_deliver() {
    let mut stage = Stage::started(run_with("Write.", |run| run.settings.sinks = vec!["otlp".to_owned()]));
    stage.cancel();
    assert_eq!(stage.deadline(), (stage.now, Deadline::Flush));
}
