use longhaul_core::{
    Budget, Cause, Deadline, FaultKind, Input, MODEL_RETRY, NewRun, Refusal, RunStatus, limits,
};

use crate::kit::{SEED, Stage, run, run_with};

fn comparison(models: &[&str]) -> NewRun {
    run_with("Write.", |run| {
        run.models = models.iter().map(|model| (*model).to_owned()).collect();
        run.model = models.join(",");
        run.max_iterations = 1;
    })
}

#[test]
fn all_models_are_called_in_the_row_of_the_acceptance() {
    let mut stage = Stage::new();
    let expected = [
        "1 run.accepted Write.",
        "1 model.called 1.1 iteration 1, 1 messages",
        "1 model.called 2.1 iteration 1, 1 messages",
        "1 model.called 3.1 iteration 1, 1 messages",
        "> call 1:1.1 until +60000",
        "> call 1:2.1 until +60000",
        "> call 1:3.1 until +60000",
    ];
    assert_eq!(stage.accept(comparison(&["a", "b", "c"])), expected);
    assert_eq!(stage.journal.row_count(), 1);
    let models: Vec<_> = [1, 2, 3]
        .map(|call| stage.session.model_request(stage.flight_of(call)).unwrap().model.to_owned())
        .into();
    assert_eq!(models, ["a", "b", "c"]);
}

#[test]
fn it_ends_with_the_last_answer_and_no_model_hears_another() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    assert_eq!(stage.answer_to(2, "of b\nDONE"), ["1 model.answered 2.1 iteration 1, null"]);
    let request = stage.session.model_request(stage.flight_of(1)).unwrap();
    assert_eq!((request.messages.len(), request.system.as_deref()), (1, None));
    assert_eq!(request.messages[0].content, "Write.");
    assert_eq!(
        stage.answer_to(1, "of a"),
        ["1 model.answered 1.1 iteration 1, null", "1 run.ended done None, no error, 1 answers"]
    );
    let run = &stage.session.runs()[0];
    let texts = run.calls().iter().map(|call| stage.session.transcript().answer(call).unwrap());
    assert_eq!(
        texts.collect::<Vec<_>>(),
        ["of a", "of b\nDONE"],
        "in the order of the models, as they were said"
    );
}

#[test]
fn a_failure_of_one_does_not_harm_the_others() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    assert_eq!(stage.fail_call(1, FaultKind::Refused), ["1 model.failed 1.1 refused, again never"]);
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Running);
    let wait = MODEL_RETRY.wait_ms(1, None, SEED);
    assert_eq!(
        stage.fail_call(2, FaultKind::ServerError),
        [format!("1 model.failed 2.1 server_error, again +{wait}")]
    );
    assert_eq!(stage.session.runs()[0].status(), RunStatus::Waiting);
    assert_eq!(stage.deadline(), (stage.now + wait, Deadline::Retry));
    assert_eq!(stage.wake(), ["1 model.called 2.2 iteration 1, 1 messages", "> call 1:2.2 until +60000"]);
    assert_eq!(
        stage.answer_to(2, "fine"),
        ["1 model.answered 2.2 iteration 1, null", "1 run.ended done None, no error, 1 answers"]
    );
}

#[test]
fn it_fails_when_no_model_answers() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    stage.fail_call(2, FaultKind::Refused);
    assert_eq!(
        stage.fail_call(1, FaultKind::Refused),
        ["1 model.failed 1.1 refused, again never", "1 run.ended model_refused None, refused, 0 answers"]
    );
}

#[test]
fn a_restart_repeats_each_call_in_flight_once_and_no_answer() {
    let mut stage = Stage::started(comparison(&["a", "b", "c"]));
    stage.answer_to(2, "b");
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, [1,3]",
            "1 model.called 1.2 iteration 1, 1 messages",
            "1 model.called 3.2 iteration 1, 1 messages",
            "> call 1:1.2 until +60000",
            "> call 1:3.2 until +60000",
        ]
    );
    let late = longhaul_core::CallRef { attempt: 1, ..stage.flight_of(1) };
    let (answer, timing) = (crate::kit::answer("late"), stage.timing());
    assert_eq!(
        stage.send(Input::Answered { call: late, answer, timing, observed: Default::default() }),
        ["ignored"]
    );
}

#[test]
fn a_restart_makes_due_retries_beside_what_was_cut_off() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    stage.fail_call(2, FaultKind::ServerError);
    stage.now += 60_000;
    assert_eq!(
        stage.restart(Cause::Crash),
        [
            "1 run.resumed crash, [1]",
            "1 model.called 1.2 iteration 1, 1 messages",
            "1 model.called 2.2 iteration 1, 1 messages",
            "> call 1:1.2 until +60000",
            "> call 1:2.2 until +60000",
        ]
    );
}

#[test]
fn a_restart_while_all_wait_leaves_no_entry() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    stage.answer_to(1, "a");
    stage.fail_call(2, FaultKind::ServerError);
    assert_eq!(stage.restart(Cause::Crash), Vec::<String>::new(), "nothing is due yet");
    stage.now += 60_000;
    assert_eq!(
        stage.restart(Cause::Crash),
        ["1 model.called 2.2 iteration 1, 1 messages", "> call 1:2.2 until +60000"]
    );
}

#[test]
fn a_call_that_kills_its_object_is_given_up_alone() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    stage.answer_to(1, "a");
    for _ in 0..limits::INTERRUPTIONS_MAX {
        stage.restart(Cause::Crash);
    }
    let out = stage.restart(Cause::Crash);
    assert_eq!(
        out,
        [
            "1 run.resumed crash, []",
            "1 model.failed 2.11 interrupted, again never",
            "1 run.ended done None, no error, 1 answers",
        ]
    );
}

#[test]
fn the_deadline_ends_what_waits_and_keeps_what_answered() {
    let timed = |models: &[&str]| {
        let mut run = comparison(models);
        run.settings.budget = Budget { deadline_ms: Some(100), ..Budget::default() };
        run
    };
    let mut stage = Stage::started(timed(&["a", "b"]));
    stage.answer_to(1, "a");
    stage.fail_call(2, FaultKind::ServerError);
    stage.now += 100;
    assert_eq!(stage.send(Input::Tick), ["1 run.ended done None, no error, 1 answers"]);

    let mut stage = Stage::started(timed(&["a", "b"]));
    stage.fail_call(1, FaultKind::ServerError);
    stage.now += 100;
    assert_eq!(
        stage.fail_call(2, FaultKind::Timeout),
        ["1 model.failed 2.1 timeout, again never", "1 run.ended deadline None, deadline, 0 answers"]
    );

    let mut stage = Stage::started(timed(&["a", "b"]));
    stage.now += 100;
    assert_eq!(
        stage.restart(Cause::Crash),
        ["1 run.resumed crash, []", "1 run.ended deadline None, deadline, 0 answers"]
    );
}

#[test]
fn a_cancel_aborts_every_call() {
    let mut stage = Stage::started(comparison(&["a", "b", "c"]));
    stage.answer_to(1, "a");
    assert_eq!(
        stage.cancel(),
        [
            "1 cancel.requested ann",
            "1 run.ended cancelled None, no error, 1 answers",
            "> abort 1:2.1",
            "> abort 1:3.1",
        ]
    );
}

#[test]
fn its_session_takes_no_further_run() {
    let mut stage = Stage::started(comparison(&["a", "b"]));
    assert_eq!(stage.refusal(run("more")), Refusal::Comparison);
    stage.answer_to(1, "a");
    stage.answer_to(2, "b");
    assert_eq!(stage.refusal(run("more")), Refusal::Comparison);
    let stage = Stage::started(run("first"));
    assert_eq!(stage.refusal(comparison(&["a", "b"])), Refusal::Comparison, "it is a session's first run");
}
