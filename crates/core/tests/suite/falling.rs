//! Models that take a run over from one that cannot answer.

use longhaul_core::{
    Budget, Cause, Fallback, Fault, FaultKind, Input, NewRun, RunStatus, StopReason, TimeMs, Usage,
    estimated_tokens, limits,
};

use crate::kit::{Stage, run_with};

/// Asks `m`, then these.
fn falling(models: &[&str]) -> NewRun {
    run_with("Write.", |run| {
        let fallback = |model: &&str| Fallback { model: (*model).to_owned(), context_tokens: None };
        run.settings.fallbacks = models.iter().map(fallback).collect();
    })
}

/// Fails and waits until another model is asked, or the run is over: the last lines, and how long it took.
fn fail_to_the_end(stage: &mut Stage, kind: FaultKind) -> (Vec<String>, TimeMs) {
    let began_at = stage.now;
    loop {
        let lines = stage.fail(kind);
        if lines.len() > 1 {
            return (lines, stage.now - began_at);
        }
        stage.wake();
    }
}

#[test]
fn after_a_minute_the_next_model_takes_the_call_and_keeps_the_run() {
    let mut stage = Stage::started(falling(&["n", "o"]));
    stage.answer("a");
    let (lines, took) = fail_to_the_end(&mut stage, FaultKind::ServerError);
    let attempt = stage.flight().attempt;
    assert_eq!(took, limits::FALLBACK_PATIENCE_MS);
    assert_eq!(
        lines,
        [
            format!("1 model.failed 2.{} server_error, again never", attempt - 1),
            format!("1 model.called 2.{attempt} iteration 2, 4 messages, n for m"),
            format!("> call 1:2.{attempt} until +60000"),
        ]
    );
    let request = stage.session.model_request(stage.flight()).unwrap();
    assert_eq!((request.model, request.iteration, request.messages.len()), ("n", 2, 3));
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Running);
    let lines = stage.answer("b");
    assert_eq!(lines[1], "1 model.called 3.1 iteration 3, 6 messages");
    assert_eq!(stage.session.model_request(stage.flight()).unwrap().model, "n", "the rest stays with it");
    let (lines, took) = fail_to_the_end(&mut stage, FaultKind::RateLimited);
    assert_eq!(took, limits::FALLBACK_PATIENCE_MS);
    assert!(lines[1].ends_with("o for n"), "{lines:?}");
    let (lines, took) = fail_to_the_end(&mut stage, FaultKind::Connection);
    assert_eq!(took, limits::RETRY_PATIENCE_MS_DEFAULT, "no other model follows");
    assert!(
        lines[1].starts_with("1 run.ended model_unavailable Some(\"b\")") || lines[1].contains("connection")
    );
    let run = &stage.session.runs()[0];
    assert_eq!((run.model(), run.fallen_back(), run.spec.model.as_str()), ("o", 2, "m"));
    assert_eq!(run.answered_by(), Some("o"));
    stage.accept(falling(&["n"]));
    assert_eq!(stage.session.model_request(stage.flight()).unwrap().model, "m", "a further run begins anew");
    assert_eq!(stage.session.runs()[1].answered_by(), None);
}

#[test]
fn a_model_that_is_refused_is_given_up_at_once_and_what_it_is_asked_is_not() {
    let refused = |is_of_model| Fault { is_of_model, ..Fault::new(FaultKind::Refused, "no") };
    for fault in [
        refused(true),
        Fault::new(FaultKind::NotConfigured, "set it"),
        Fault::new(FaultKind::Malformed, "no JSON"),
        Fault { retry_after_ms: Some(60_001), ..Fault::new(FaultKind::RateLimited, "tomorrow") },
    ] {
        let mut stage = Stage::started(falling(&["n"]));
        let lines = stage.fail_with(fault.clone());
        assert_eq!(lines[1], "1 model.called 1.2 iteration 1, 2 messages, n for m", "{fault:?}");
        let lines = stage.fail_with(Fault { retry_after_ms: Some(900_001), ..fault });
        assert!(lines[1].starts_with("1 run.ended model_"), "there is no further one: {lines:?}");
    }
    for fault in [refused(false), Fault::new(FaultKind::TooLarge, "much")] {
        let mut stage = Stage::started(falling(&["n"]));
        let lines = stage.fail_with(fault);
        assert!(lines[1].starts_with("1 run.ended model_refused"), "{lines:?}");
    }
}

#[test]
fn an_impatient_run_does_not_wait_for_the_minute() {
    for (patience, took) in [(0, 0), (5_000, 5_000), (900_000, 60_000)] {
        let mut run = falling(&["n"]);
        run.settings.retry_patience_ms = Some(patience);
        let mut stage = Stage::started(run);
        assert_eq!(fail_to_the_end(&mut stage, FaultKind::ServerError).1, took);
        assert_eq!(fail_to_the_end(&mut stage, FaultKind::ServerError).1, patience, "of the last model");
    }
}

#[test]
fn each_model_has_its_own_attempts_that_may_be_paid_for() {
    let mut stage = Stage::started(falling(&["n"]));
    for attempt in 1..=3 {
        assert!(stage.fail(FaultKind::Truncated).len() == 1, "{attempt}");
        stage.wake();
    }
    assert!(stage.fail(FaultKind::Truncated)[1].ends_with("n for m"));
    for attempt in 5..=7 {
        assert!(stage.fail(FaultKind::Truncated).len() == 1, "{attempt}");
        stage.wake();
    }
    assert!(stage.fail(FaultKind::Truncated)[1].starts_with("1 run.ended model_unavailable"));
}

#[test]
fn interruptions_and_the_deadline_count_on() {
    let mut run = falling(&["n"]);
    run.settings.budget.deadline_ms = Some(100_000);
    let mut stage = Stage::started(run.clone());
    for _ in 0..6 {
        stage.restart(Cause::Crash);
    }
    stage.fail_with(Fault { is_of_model: true, ..Fault::new(FaultKind::Refused, "no such model") });
    for _ in 0..4 {
        let lines = stage.restart(Cause::Crash);
        assert!(lines[1].starts_with("1 model.called"), "the same model is asked again: {lines:?}");
        assert_eq!(stage.session.model_request(stage.flight()).unwrap().model, "n");
    }
    assert!(stage.restart(Cause::Crash)[1].starts_with("1 run.ended model_unavailable"));

    let mut stage = Stage::started(run);
    fail_to_the_end(&mut stage, FaultKind::ServerError);
    stage.fail(FaultKind::ServerError);
    while stage.session.runs()[0].is_open() {
        let lines = stage.wake();
        if lines.iter().any(|line| line.starts_with("1 model.called")) {
            stage.fail(FaultKind::ServerError);
        }
    }
    let run = &stage.session.runs()[0];
    assert_eq!(run.ending().map(|ending| ending.stop_reason), Some(StopReason::Deadline));
    assert_eq!(run.ended_at, run.deadline_at());
}

/// Where the wait would outlast the run, another model may still be in time.
#[test]
fn the_deadline_is_not_waited_for_while_another_model_is_there() {
    let mut run = falling(&["n"]);
    run.settings.budget.deadline_ms = Some(50);
    let mut stage = Stage::started(run);
    assert!(stage.fail(FaultKind::ServerError)[1].ends_with("n for m"));
    assert_eq!(stage.fail(FaultKind::ServerError).len(), 1);
    assert!(stage.wake()[0].starts_with("1 run.ended deadline"));
}

#[test]
fn the_next_model_has_its_own_window() {
    let (first, second) = ("first draft ".repeat(40), "Write.");
    let tokens = estimated_tokens(second) + 71 + 40;
    let mut run = falling(&["n"]);
    run.settings.max_output_tokens = Some(40);
    run.settings.fallbacks[0].context_tokens = Some(tokens);
    let mut stage = Stage::started(run.clone());
    stage.answer(&format!("{first}\nDONE"));
    assert_eq!(stage.accept(run)[1], "2 model.called 2.1 iteration 1, 4 messages");
    let gone = Fault { is_of_model: true, ..Fault::new(FaultKind::Refused, "no such model") };
    assert_eq!(stage.fail_with(gone)[1], "2 model.called 2.2 iteration 1, 2 messages, 2 dropped, n for m");
    stage.fail(FaultKind::ServerError);
    assert_eq!(stage.wake()[0], "2 model.called 2.3 iteration 1, 2 messages, 2 dropped");
    assert_eq!(stage.answer("b")[1], "2 model.called 3.1 iteration 2, 4 messages, 2 dropped");
}

#[test]
fn what_a_failed_attempt_used_counts_and_a_budget_that_it_used_up_ends_the_run() {
    let spent = |tokens| {
        let usage = Usage { total_tokens: Some(tokens), cost_usd: Some(0.25), ..Usage::default() };
        Fault { usage: Some(Box::new(usage)), ..Fault::new(FaultKind::Truncated, "broke off") }
    };
    for budget in [
        Budget { total_tokens: Some(100), ..Budget::default() },
        Budget { cost_usd: Some(0.5), ..Budget::default() },
    ] {
        for models in [&[][..], &["n"]] {
            let mut run = falling(models);
            run.settings.budget = budget;
            let mut stage = Stage::started(run);
            assert_eq!(stage.fail_with(spent(60)).len(), 1);
            stage.wake();
            let lines = stage.fail_with(spent(40));
            assert_eq!(lines[0], "1 model.failed 1.2 truncated, again never");
            let word = if budget.cost_usd.is_some() { "budget_cost" } else { "budget_tokens" };
            assert_eq!(lines[1], format!("1 run.ended {word} None, {word}, 0 answers"));
            let usage = &stage.session.runs()[0].usage;
            assert_eq!((usage.total_tokens, usage.cost_usd), (Some(100), Some(0.5)));
        }
    }
    let mut stage = Stage::started(falling(&[]));
    let mut empty = crate::kit::answer(" ");
    empty.usage = Usage { output_tokens: Some(900), ..Usage::default() };
    stage.answer_with(empty);
    assert_eq!(stage.session.runs()[0].usage.output_tokens, Some(900), "an answer of nothing is paid for");
    stage.send(Input::Cancel { by: "ann".to_owned() });
    assert_eq!(stage.session.runs()[0].usage.output_tokens, Some(900));
}
