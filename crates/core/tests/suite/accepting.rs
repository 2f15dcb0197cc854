use longhaul_core::{Entry, Idempotency, Input, Life, Record, Refusal, RunId, RunStatus, Session, limits};

use crate::kit::{MemoryJournal, SEED, START, Stage, run, run_with};

#[test]
fn an_idle_session_begins_at_once_in_the_same_row() {
    let mut stage = Stage::new();
    assert_eq!(
        stage.accept(run("Write.")),
        ["1 run.accepted Write.", "1 model.called 1.1 iteration 1, 2 messages", "> call 1:1.1 until +60000"]
    );
    let run = &stage.session.runs()[0];
    assert_eq!((run.accepted_at, run.started_at, run.ended_at), (START, Some(START), None));
    assert_eq!(run.status(), RunStatus::Running);
}

#[test]
fn runs_are_first_in_first_out_and_the_next_begins_in_the_row_that_ends_the_one_before() {
    let mut stage = Stage::started(run("one"));
    assert_eq!(stage.accept(run("two")), ["2 run.accepted two"]);
    assert_eq!(stage.accept(run("three")), ["3 run.accepted three"]);
    assert_eq!(stage.session.runs()[1].status(), RunStatus::Queued);
    assert_eq!(
        stage.answer("a\nDONE"),
        [
            "1 model.answered 1.1 iteration 1, done",
            "1 run.ended done Some(\"a\"), no error, 1 answers",
            "2 model.called 2.1 iteration 1, 4 messages",
            "> call 2:2.1 until +60000",
        ]
    );
    stage.answer("b\nDONE");
    assert_eq!(stage.flight().run, RunId(3));
    stage.answer("c\nDONE");
    assert_eq!(stage.session.open_runs().count(), 0);
    assert_eq!(stage.accept(run("four"))[1], "4 model.called 4.1 iteration 1, 8 messages");
}

#[test]
fn a_failed_run_makes_way_for_the_next_too() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    let out = stage.fail(longhaul_core::FaultKind::Refused);
    assert_eq!(
        out[1..],
        [
            "1 run.ended model_refused None, refused, 0 answers",
            "2 model.called 2.1 iteration 1, 3 messages",
            "> call 2:2.1 until +60000",
        ]
    );
}

#[test]
fn a_tick_begins_nothing_beside_a_call_in_flight() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    assert_eq!(stage.send(Input::Tick), [""; 0]);
}

#[test]
fn a_full_queue_refuses() {
    let mut stage = Stage::started(run("running"));
    for _ in 0..limits::QUEUED_RUNS_MAX {
        stage.accept(run("queued"));
    }
    assert_eq!(stage.refusal(run("one too many")), Refusal::QueueFull);
    stage.answer("DONE");
    assert_eq!(stage.accept(run("room again")), ["102 run.accepted room again"]);
}

#[test]
fn the_first_row_of_a_session_alone_says_which_life_it_is() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    let lives = |stage: &Stage| {
        let records = stage.journal.all();
        let life = |record: &Record| match record.entry {
            Entry::RunAccepted { life, .. } => Some(life),
            _ => None,
        };
        records.iter().filter_map(life).collect::<Vec<_>>()
    };
    assert_eq!(lives(&stage), [Some(Life(SEED)), None]);
    assert_eq!(stage.session.life(), Some(Life(SEED)), "chance is what tells it from the next one");
    assert_eq!(Session::default().life(), None);
}

/// What an earlier version began keeps the ids that it has, however many runs follow.
#[test]
fn a_session_that_began_without_a_life_never_gets_one() {
    let mut stage = Stage::started(run("one"));
    stage.accept(run("two"));
    let with_lives = |given: [Option<Life>; 2]| {
        let mut records = stage.journal.all();
        let lives = records.iter_mut().filter_map(|record| match &mut record.entry {
            Entry::RunAccepted { life, .. } => Some(life),
            _ => None,
        });
        lives.zip(given).for_each(|(life, given)| *life = given);
        Session::replay(&records).unwrap()
    };
    let session = with_lives([None, None]);
    assert_eq!(session.life(), None);
    let step = session.decide(Input::Accept(run("three")), stage.moment()).unwrap();
    let mut later = session.clone();
    let committed = later.commit(step, &MemoryJournal::default()).unwrap();
    assert!(matches!(committed.records[0].entry, Entry::RunAccepted { life: None, .. }));
    assert_eq!(later.life(), None);
    // Not even a later row that has one, which nothing writes, changes the ids of the runs before it.
    assert_eq!(with_lives([None, Some(Life(1))]).life(), None);
}

#[test]
fn a_key_is_taken_once() {
    let keyed = |key: &str, body: &str| {
        let idempotency = Idempotency { key: key.to_owned(), body: body.to_owned() };
        run_with("Write.", |run| run.idempotency = Some(idempotency))
    };
    let mut stage = Stage::started(run("no key"));
    stage.accept(keyed("k", "b"));
    assert_eq!(stage.refusal(keyed("k", "b")), Refusal::Replayed(RunId(2)));
    assert_eq!(stage.refusal(keyed("k", "c")), Refusal::KeyConflict(RunId(2)));
    stage.accept(keyed("l", "b"));
    stage.cancel();
    assert_eq!(stage.refusal(keyed("k", "b")), Refusal::Replayed(RunId(2)), "also when its run is over");
    assert_eq!(stage.refusal(keyed("l", "b")), Refusal::Replayed(RunId(3)));
}

#[test]
fn a_key_is_looked_up_before_the_queue() {
    let keyed = || {
        run_with("Write.", |run| {
            run.idempotency = Some(Idempotency { key: "k".to_owned(), body: "b".to_owned() });
        })
    };
    let mut stage = Stage::started(keyed());
    for _ in 0..limits::QUEUED_RUNS_MAX {
        stage.accept(run("queued"));
    }
    assert_eq!(stage.refusal(keyed()), Refusal::Replayed(RunId(1)));
}
