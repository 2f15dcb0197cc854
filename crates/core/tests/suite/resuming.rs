use longhaul_core::{Cause, Deadline, FaultKind, RunStatus, limits};

use crate::kit::{Stage, run};

#[test]
fn a_call_that_was_cut_off_is_made_again() {
    for (cause, word) in [(Cause::Crash, "crash"), (Cause::Eviction, "eviction"), (Cause::Panic, "panic")] {
        let mut stage = Stage::started(run("Write."));
        stage.answer("a");
        let cut_off = stage.flight();
        assert_eq!(
            stage.restart(cause),
            [
                format!("1 run.resumed {word}, [2]"),
                "1 model.called 2.2 iteration 2, 4 messages".to_owned(),
                "> call 1:2.2 until +60000".to_owned(),
            ]
        );
        assert_eq!(stage.flight().call, cut_off.call, "the same call, so the same idempotency key");
        assert_eq!(stage.session.conversation().len(), 3, "the question is asked once");
        stage.answer("b\nDONE");
        let run = &stage.session.runs()[0];
        assert_eq!((run.iterations, run.attempts, run.resumed), (2, 3, 1));
    }
}

#[test]
fn crashes_are_no_failures() {
    let mut stage = Stage::started(run("Write."));
    for _ in 0..3 {
        stage.restart(Cause::Crash);
        stage.fail(FaultKind::Timeout);
        stage.wake();
        stage.restart(Cause::Crash);
    }
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Running);
    stage.answer("a\nDONE");
    assert_eq!(stage.session.runs()[0].attempts, 10);
}

#[test]
fn a_call_that_is_always_cut_off_is_given_up() {
    let mut stage = Stage::started(run("Write."));
    stage.accept(run("next"));
    for times in 1..=limits::INTERRUPTIONS_MAX {
        assert_eq!(
            stage.restart(Cause::Crash)[1],
            format!("1 model.called 1.{} iteration 1, 2 messages", times + 1)
        );
    }
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, []",
            "1 run.ended model_unavailable None, interrupted, 0 answers",
            "2 model.called 2.1 iteration 1, 3 messages",
            "> call 2:2.1 until +60000",
        ]
    );
}

#[test]
fn each_call_has_its_own_count_of_interruptions() {
    let mut stage = Stage::started(run("Write."));
    for _ in 0..6 {
        for _ in 0..limits::INTERRUPTIONS_MAX {
            stage.restart(Cause::Crash);
        }
        stage.answer("going on");
    }
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Succeeded);
}

#[test]
fn a_run_that_waits_goes_on_waiting() {
    let mut stage = Stage::started(run("Write."));
    stage.fail(FaultKind::ServerError);
    let due = stage.deadline();
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
    assert_eq!(stage.deadline(), due);
    assert_eq!(due.1, Deadline::Retry);
    assert_eq!(stage.wake()[0], "1 model.called 1.2 iteration 1, 2 messages");
}

#[test]
fn a_run_whose_wait_is_over_goes_on_as_if_its_object_had_been_there() {
    for cause in [Cause::Crash, Cause::Eviction, Cause::Panic] {
        let mut stage = Stage::started(run("Write."));
        stage.fail(FaultKind::ServerError);
        (stage.now, _) = stage.deadline();
        assert_eq!(
            stage.restart(cause),
            ["1 model.called 1.2 iteration 1, 2 messages", "> call 1:1.2 until +60000"]
        );
        assert_eq!(stage.session.runs()[0].resumed, 0);
    }
}

#[test]
fn a_session_without_open_runs_has_nothing_to_resume() {
    assert_eq!(Stage::new().restart(Cause::Crash), [""; 0]);
    let mut stage = Stage::started(run("Write."));
    stage.answer("DONE");
    assert_eq!(stage.restart(Cause::Crash), [""; 0]);
}

#[test]
fn the_queue_survives() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    stage.restart(Cause::Crash);
    assert_eq!(stage.answer("DONE")[2], "2 model.called 2.1 iteration 1, 4 messages");
}
