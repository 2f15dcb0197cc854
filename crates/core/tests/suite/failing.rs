use longhaul_core::{
    Budget, CallId, CallRef, Deadline, Entry, Fault, FaultKind, Input, MODEL_RETRY, NewRun, Observed, RunId,
    RunStatus, StopReason, limits,
};

use crate::kit::{SEED, Stage, answer, run, run_with, run_with_budget};

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

/// What a server refuses before it begins costs nothing: it is asked until the patience is used up.
#[test]
fn faults_before_an_answer_are_borne_for_a_quarter_of_an_hour() {
    for kind in [FaultKind::Connection, FaultKind::RateLimited, FaultKind::ServerError] {
        let mut stage = Stage::started(run("Write."));
        stage.answer("a");
        let (began_at, mut failures) = (stage.now, 1);
        loop {
            let left = began_at + limits::RETRY_PATIENCE_MS_DEFAULT - stage.now;
            let wait = wait_ms(failures).min(left);
            let again = format!("1 model.failed 2.{failures} {}, again +{wait}", kind.as_str());
            if left == 0 {
                break;
            }
            assert_eq!(stage.fail(kind), [again]);
            assert_eq!(stage.deadline(), (stage.now + wait, Deadline::Retry));
            stage.wake();
            failures += 1;
        }
        let word = kind.as_str();
        assert_eq!(
            stage.fail(kind),
            [
                format!("1 model.failed 2.{failures} {word}, again never"),
                format!("1 run.ended model_unavailable None, {word}, 1 answers"),
            ]
        );
        assert_eq!(stage.now, began_at + limits::RETRY_PATIENCE_MS_DEFAULT, "the last attempt is at its end");
        assert_eq!(stage.deadline().1, Deadline::Retention);
    }
}

#[test]
fn patience_is_counted_from_the_first_fault_of_a_call_and_is_the_runs_own() {
    let patient = |ms| run_with("Write.", |run: &mut NewRun| run.settings.retry_patience_ms = Some(ms));
    let mut stage = Stage::started(patient(0));
    assert_eq!(stage.fail(FaultKind::ServerError)[0], "1 model.failed 1.1 server_error, again never");
    for ms in [1, 1_000, 86_400_000] {
        let mut stage = Stage::started(patient(ms));
        stage.now += 5_000_000;
        let first = stage.now;
        while !stage.fail_quickly(FaultKind::ServerError)[0].ends_with("never") {
            stage.wake_quickly();
        }
        assert_eq!(stage.now - first, ms);
    }
    let mut stage = Stage::started(patient(u64::MAX));
    let fault =
        |wish| Fault { retry_after_ms: Some(wish), ..Fault::new(FaultKind::RateLimited, "slow down") };
    let day = limits::RETRY_PATIENCE_MS_MAX;
    assert_eq!(stage.fail_with(fault(day)), [format!("1 model.failed 1.1 rate_limited, again +{day}")]);
}

/// What may have to be paid for is asked for four times at most, whatever comes between.
#[test]
fn the_fourth_failure_that_may_be_paid_for_ends_the_run() {
    let begun = |kind| Fault { begun: true, ..Fault::new(kind, "it hung up") };
    let faults: [fn(&mut Stage) -> Vec<String>; 4] = [
        |stage| stage.fail(FaultKind::Truncated),
        |stage| stage.fail(FaultKind::Timeout),
        |stage| stage.answer(" \n"),
        |stage| stage.fail_with(Fault { begun: true, ..Fault::new(FaultKind::Connection, "it hung up") }),
    ];
    for last in faults {
        let mut stage = Stage::started(run("Write."));
        for failures in 1..=3 {
            stage.fail_with(begun(FaultKind::ServerError));
            stage.wake();
            let wait = wait_ms(2 * failures);
            let between = stage.fail(FaultKind::RateLimited);
            assert_eq!(between, [format!("1 model.failed 1.{} rate_limited, again +{wait}", 2 * failures)]);
            stage.wake();
        }
        let lines = last(&mut stage);
        assert!(
            lines[0].starts_with("1 model.failed 1.7 ") && lines[0].ends_with("again never"),
            "{lines:?}"
        );
        assert_eq!(stage.session.runs()[0].status(), RunStatus::Failed);
    }
}

#[test]
fn no_call_has_more_attempts_than_a_day_of_patience_takes() {
    let mut stage = Stage::started(run_with("Write.", |run| {
        run.settings.retry_patience_ms = Some(limits::RETRY_PATIENCE_MS_MAX);
    }));
    // Crashes count as attempts, and a clock that is set back gives no more of them.
    for _ in 1..limits::CALL_ATTEMPTS_MAX {
        let lines = stage.fail_quickly(FaultKind::ServerError);
        assert!(!lines[0].ends_with("never"), "{lines:?}");
        let waited = stage.deadline().0 - stage.now;
        stage.wake_quickly();
        stage.now -= waited;
    }
    assert!(stage.fail_quickly(FaultKind::ServerError)[0].ends_with("again never"));
    assert_eq!(stage.session.runs()[0].attempts, limits::CALL_ATTEMPTS_MAX);
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
fn a_server_that_asks_for_time_gets_it_as_far_as_patience_goes() {
    for (wish, wait) in [
        (0, Some(wait_ms(1))),
        (1, Some(wait_ms(1))),
        (7_000, Some(7_000)),
        (900_000, Some(900_000)),
        (900_001, None),
        (u64::MAX, None),
    ] {
        let mut stage = Stage::started(run("Write."));
        let lines = stage.fail_with(asks(wish));
        let again = wait.map_or("never".to_owned(), |wait| format!("+{wait}"));
        assert_eq!(lines[0], format!("1 model.failed 1.1 rate_limited, again {again}"), "{wish}");
        let end = "1 run.ended model_unavailable None, rate_limited, 0 answers";
        assert_eq!(lines.get(1).map(String::as_str), wait.is_none().then_some(end), "{wish}");
    }
    let mut stage = Stage::started(run("Write."));
    stage.fail_with(asks(500_000));
    stage.wake();
    assert!(stage.fail_with(asks(400_001))[0].ends_with("again never"), "of the patience 400 s are left");
}

#[test]
fn nobody_waits_for_a_server_beyond_the_deadline() {
    for (wish, ends_at_once) in [(9_999, false), (10_000, true), (60_000, true)] {
        let budget = Budget { deadline_ms: Some(10_000), ..Budget::default() };
        let mut stage = Stage::started(run_with_budget("Write.", budget));
        assert_eq!(stage.fail_with(asks(wish)).len() == 2, ends_at_once, "{wish}");
        let reason = stage.session.runs()[0].ending().map(|ending| ending.stop_reason);
        assert_eq!(reason, ends_at_once.then_some(StopReason::ModelUnavailable));
    }
}

/// Who reads the failure learns why the call was not made again.
#[test]
fn a_server_that_asks_for_too_much_time_is_named_as_the_reason() {
    let message = |stage: &Stage| match &stage.journal.all()[stage.journal.all().len() - 2].entry {
        Entry::ModelFailed { message, .. } => message.clone(),
        other => panic!("{other:?}"),
    };
    let of_patience = "slow down; the provider asks to wait 3601 s, which is longer than what is left of the patience (900 s)";
    let mut stage = Stage::started(run("Write."));
    stage.fail_with(asks(3_600_001));
    assert_eq!(message(&stage), of_patience);
    let ending = stage.session.runs()[0].ending().cloned().expect("it ended");
    assert!(ending.error.expect("it failed").message.ends_with(of_patience));

    let budget = Budget { deadline_ms: Some(10_000), ..Budget::default() };
    let mut stage = Stage::started(run_with_budget("Write.", budget));
    stage.fail_with(asks(60_000));
    assert_eq!(
        message(&stage),
        "slow down; the provider asks to wait 60 s, and the run's deadline is in 10 s"
    );

    // The server's words are cut where there is no room for both.
    let mut stage = Stage::started(run("Write."));
    stage.fail_with(Fault { message: "ü".repeat(limits::ERROR_CHARS_MAX), ..asks(3_600_001) });
    let told = message(&stage);
    assert_eq!(told.chars().count(), limits::ERROR_CHARS_MAX);
    assert!(told.starts_with("üü") && told.ends_with("ü…; the provider asks to wait 3601 s, which is longer than what is left of the patience (900 s)"));

    // No other failure has such words.
    for fault in [
        Fault { kind: FaultKind::Refused, ..asks(3_600_001) },
        Fault { kind: FaultKind::RateLimited, retry_after_ms: None, ..asks(0) },
    ] {
        let mut stage = Stage::started(run_with("Write.", |run| run.settings.retry_patience_ms = Some(0)));
        stage.fail_with(fault);
        assert_eq!(message(&stage), "slow down");
    }
}

fn asks(wish: u64) -> Fault {
    Fault { retry_after_ms: Some(wish), ..Fault::new(FaultKind::RateLimited, "slow down") }
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
