use longhaul_core::{
    CallId, CallRef, Deadline, Fault, FaultKind, Input, MODEL_RETRY, Observed, RunId, RunStatus,
};

use crate::kit::{SEED, Stage, answer, run};

const TRANSIENT: [FaultKind; 6] = [
    FaultKind::Connection,
    FaultKind::Truncated,
    FaultKind::Timeout,
    FaultKind::RateLimited,
    FaultKind::ServerError,
    FaultKind::EmptyResponse,
];

#[test]
fn a_transient_fault_waits_and_is_made_again() {
    for kind in TRANSIENT {
        let mut stage = Stage::started(run("Write."));
        let wait = wait_ms(1);
        assert_eq!(stage.fail(kind), [format!("1 model.failed 1.1 {}, again +{wait}", kind.as_str())]);
        assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
        assert_eq!(stage.deadline(), (stage.now + wait, Deadline::Retry));

        stage.now += wait - 1;
        assert_eq!(stage.send(Input::Tick), [""; 0], "not yet");
        assert_eq!(stage.wake(), ["1 model.called 1.2 iteration 1, 2 messages", "> call 1:1.2 until +60000"]);
        assert_eq!(stage.answer("a\nDONE")[0], "1 model.answered 1.2 iteration 1, done");
        assert_eq!((stage.session.runs()[0].attempts, stage.session.runs()[0].iterations), (2, 1));
        assert_eq!(stage.session.conversation().len(), 2);
    }
}

#[test]
fn the_fourth_failure_of_a_call_ends_the_run() {
    let mut stage = Stage::started(run("Write."));
    stage.answer("a");
    for failures in 1..=3 {
        let again = format!("1 model.failed 2.{failures} server_error, again +{}", wait_ms(failures));
        assert_eq!(stage.fail(FaultKind::ServerError), [again]);
        stage.wake();
    }
    assert_eq!(
        stage.fail(FaultKind::RateLimited),
        [
            "1 model.failed 2.4 rate_limited, again never",
            "1 run.ended model_unavailable None, rate_limited, 1 answers",
        ]
    );
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Failed);
    assert_eq!(stage.deadline().1, Deadline::Retention);
}

#[test]
fn an_answer_resets_the_count_of_failures() {
    let mut stage = Stage::started(run("Write."));
    for _ in 0..6 {
        for _ in 0..3 {
            stage.fail(FaultKind::Timeout);
            stage.wake();
        }
        stage.answer("going on");
    }
    let run = &stage.session.runs()[0];
    assert_eq!((run.status(), run.iterations, run.attempts), (RunStatus::Succeeded, 6, 24));
}

#[test]
fn a_server_that_asks_for_time_gets_it_up_to_five_minutes() {
    for (wish, wait) in
        [(0, wait_ms(1)), (1, wait_ms(1)), (7_000, 7_000), (300_000, 300_000), (900_000, 300_000)]
    {
        let mut stage = Stage::started(run("Write."));
        let fault = Fault { retry_after_ms: Some(wish), ..Fault::new(FaultKind::RateLimited, "slow down") };
        assert_eq!(
            stage.fail_with(fault),
            [format!("1 model.failed 1.1 rate_limited, again +{wait}")],
            "{wish}"
        );
    }
}

#[test]
fn what_cannot_get_better_ends_the_run_at_once() {
    for kind in [FaultKind::Refused, FaultKind::Malformed, FaultKind::TooLarge, FaultKind::NotConfigured] {
        let mut stage = Stage::started(run("Write."));
        let word = kind.as_str();
        assert_eq!(
            stage.fail(kind),
            [
                format!("1 model.failed 1.1 {word}, again never"),
                format!("1 run.ended model_refused None, {word}, 0 answers"),
            ]
        );
    }
}

#[test]
fn an_empty_answer_is_a_fault_that_is_retried_until_the_retries_are_used_up() {
    let mut stage = Stage::started(run("Write."));
    stage.answer("a");
    for (failures, text) in [(1, ""), (2, " \n\t"), (3, "\u{a0}")] {
        let again = format!("1 model.failed 2.{failures} empty_response, again +{}", wait_ms(failures));
        assert_eq!(stage.answer(text), [again]);
        stage.wake();
    }
    assert_eq!(
        stage.answer(""),
        [
            "1 model.failed 2.4 empty_response, again never",
            "1 run.ended empty_response None, empty_response, 1 answers",
        ]
    );
    assert_eq!(stage.session.conversation().len(), 3, "nothing is no message");
}

#[test]
fn outcomes_that_nobody_waits_for_are_ignored() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    let first = stage.flight();
    stage.fail(FaultKind::Timeout);
    expect_ignored(&mut stage, first, "it failed before, the run waits");
    stage.wake();
    expect_ignored(&mut stage, first, "an older attempt");
    let second = stage.flight();
    stage.answer("a");
    expect_ignored(&mut stage, second, "answered before");
    for (run, call, attempt) in [(1, 2, 2), (1, 3, 1), (2, 2, 1), (0, 2, 1), (3, 2, 1), (1, 0, 1), (1, 2, 0)]
    {
        let call = CallRef { run: RunId(run), call: CallId(call), attempt };
        expect_ignored(&mut stage, call, "never made");
    }
    let third = stage.flight();
    stage.answer("DONE");
    expect_ignored(&mut stage, third, "the run is over");
    assert_eq!(stage.flight().run, RunId(2));
}

fn expect_ignored(stage: &mut Stage, call: CallRef, why: &str) {
    let before = stage.session.clone();
    let timing = stage.timing();
    assert_eq!(
        stage.send(Input::Answered {
            call,
            answer: answer("late\nDONE"),
            timing,
            observed: Observed::default()
        }),
        ["ignored"],
        "{why}"
    );
    let fault = Fault::new(FaultKind::Refused, "late");
    assert_eq!(
        stage.send(Input::Failed { call, fault, timing, observed: Observed::default() }),
        ["ignored"],
        "{why}"
    );
    assert_eq!(stage.session, before, "{why}");
}

fn wait_ms(failures: u32) -> u64 {
    MODEL_RETRY.wait_ms(failures, None, SEED)
}
