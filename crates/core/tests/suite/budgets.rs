use longhaul_core::{Budget, Cause, Deadline, FaultKind, Input, ModelAnswer, RunStatus, Usage};

use crate::kit::{START, Stage, answer, run, run_with_budget};

const DEADLINE_MS: u64 = 10_000;

#[test]
fn tokens_are_counted_before_each_call() {
    let budget = Budget { total_tokens: Some(100), ..Budget::default() };
    let mut stage = Stage::started(run_with_budget("Write.", budget));
    stage.answer_with(costing(99, 0.0, "draft"));
    assert_eq!(
        stage.answer_with(costing(1, 0.0, "more")),
        [
            "1 model.answered 2.1 iteration 2, null",
            "1 run.ended budget_tokens Some(\"more\"), budget_tokens, 2 answers",
        ]
    );
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Failed);
}

#[test]
fn cost_is_counted_before_each_call() {
    let budget = Budget { cost_usd: Some(0.5), ..Budget::default() };
    let mut stage = Stage::started(run_with_budget("Write.", budget));
    stage.answer_with(costing(1, 0.25, "draft"));
    let out = stage.answer_with(costing(1, 0.25, "more"));
    assert_eq!(out[1], "1 run.ended budget_cost Some(\"more\"), budget_cost, 2 answers");
}

#[test]
fn an_answer_that_ends_the_run_is_a_success_however_dear() {
    let budget = Budget {
        total_tokens: Some(1),
        cost_usd: Some(0.1),
        deadline_ms: Some(DEADLINE_MS),
        tool_calls: None,
    };
    let mut stage = Stage::started(run_with_budget("Write.", budget));
    stage.now += 2 * DEADLINE_MS;
    let out = stage.answer_with(costing(9, 9.0, "a\nDONE"));
    assert_eq!(out[1], "1 run.ended done Some(\"a\"), no error, 1 answers");
}

#[test]
fn unknown_usage_spends_nothing() {
    let budget = Budget { total_tokens: Some(1), cost_usd: Some(0.1), ..Budget::default() };
    let mut stage = Stage::started(run_with_budget("Write.", budget));
    assert_eq!(stage.answer("draft")[1], "1 model.called 2.1 iteration 2, 4 messages");
}

#[test]
fn a_budget_of_nothing_ends_the_run_without_a_call() {
    let nothing = [
        (Budget { deadline_ms: Some(0), ..Budget::default() }, "deadline"),
        (Budget { total_tokens: Some(0), ..Budget::default() }, "budget_tokens"),
        (Budget { cost_usd: Some(0.0), ..Budget::default() }, "budget_cost"),
    ];
    for (budget, reason) in nothing {
        let mut stage = Stage::new();
        assert_eq!(stage.accept(run_with_budget("Write.", budget)), ["1 run.accepted Write."]);
        assert_eq!(stage.deadline().1, Deadline::Work);
        let ended = format!("run.ended {reason} None, {reason}, 0 answers");
        assert_eq!(stage.wake(), [format!("1 {ended}")]);

        let mut busy = Stage::started(run("one"));
        busy.accept(run_with_budget("two", budget));
        busy.accept(run("three"));
        let out = busy.answer("DONE");
        let begun = ["3 model.called 2.1 iteration 1, 4 messages", "> call 3:2.1 until +60000"];
        assert_eq!(out[2], format!("2 {ended}"));
        assert_eq!(out[3..], begun);
    }
}

#[test]
fn the_deadline_ends_a_queued_run() {
    let mut stage = Stage::started(run("one"));
    stage.accept(with_deadline("two"));
    stage.now += DEADLINE_MS - 1;
    assert_eq!(stage.send(Input::Tick), [""; 0]);
    stage.now += 1;
    assert_eq!(stage.send(Input::Tick), ["2 run.ended deadline None, deadline, 0 answers"]);
    assert_eq!(stage.answer("DONE").len(), 2, "it does not begin");
}

#[test]
fn a_queued_run_that_ends_has_no_result_of_an_earlier_run() {
    let mut stage = Stage::started(run("one"));
    stage.accept(with_deadline("two"));
    stage.answer("of the first run");
    stage.now += DEADLINE_MS;
    assert_eq!(stage.send(Input::Tick), ["2 run.ended deadline None, deadline, 0 answers"]);
}

#[test]
fn the_deadline_limits_the_call_in_flight_and_ends_the_run_with_its_last_answer() {
    let mut stage = Stage::new();
    assert_eq!(stage.accept(with_deadline("Write."))[2], "> call 1:1.1 until +10000");
    stage.now += 4_000;
    assert_eq!(stage.answer("draft")[2], "> call 1:2.1 until +6000");
    assert_eq!(stage.deadline(), (0, Deadline::Work));
    stage.now += 6_000;
    assert_eq!(stage.send(Input::Tick), [""; 0], "the host aborts the call and says so");
    assert_eq!(
        stage.fail(FaultKind::Timeout),
        [
            "1 model.failed 2.1 timeout, again never",
            "1 run.ended deadline Some(\"draft\"), deadline, 1 answers",
        ]
    );
}

#[test]
fn an_answer_after_the_deadline_is_kept_and_is_the_result() {
    let mut stage = Stage::started(with_deadline("Write."));
    stage.now += DEADLINE_MS;
    let out = stage.answer("late draft");
    assert_eq!(out[1], "1 run.ended deadline Some(\"late draft\"), deadline, 1 answers");
}

#[test]
fn the_deadline_ends_a_run_that_waits() {
    let mut stage = Stage::started(with_deadline("Write."));
    stage.accept(run("next"));
    stage.answer("draft");
    stage.now = START + DEADLINE_MS - 1;
    let retry_ms = stage.fail(FaultKind::Timeout);
    assert!(!retry_ms[0].ends_with("+1"), "the retry is after the deadline: {retry_ms:?}");
    assert_eq!(stage.deadline(), (START + DEADLINE_MS, Deadline::RunDeadline));
    assert_eq!(
        stage.wake(),
        [
            "1 run.ended deadline Some(\"draft\"), deadline, 1 answers",
            "2 model.called 3.1 iteration 1, 5 messages",
            "> call 2:3.1 until +60000",
        ]
    );
}

#[test]
fn the_deadline_ends_a_run_that_comes_back_too_late() {
    let mut stage = Stage::started(with_deadline("Write."));
    stage.answer("draft");
    stage.accept(run("next"));
    stage.now = START + DEADLINE_MS;
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, []",
            "1 run.ended deadline Some(\"draft\"), deadline, 1 answers",
            "2 model.called 3.1 iteration 1, 5 messages",
            "> call 2:3.1 until +60000",
        ]
    );

    let mut waiting = Stage::started(with_deadline("Write."));
    waiting.fail(FaultKind::Timeout);
    waiting.now = START + DEADLINE_MS;
    assert_eq!(waiting.restart(Cause::Crash), ["1 run.ended deadline None, deadline, 0 answers"]);
}

fn with_deadline(task: &str) -> longhaul_core::NewRun {
    run_with_budget(task, Budget { deadline_ms: Some(DEADLINE_MS), ..Budget::default() })
}

fn costing(total_tokens: u64, cost_usd: f64, text: &str) -> ModelAnswer {
    let usage = Usage { total_tokens: Some(total_tokens), cost_usd: Some(cost_usd), ..Usage::default() };
    ModelAnswer { usage, ..answer(text) }
}
