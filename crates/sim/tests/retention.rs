//! What comes while an idle session is being erased, where a test looks at more than what must always hold.

use longhaul_core::{RunId, RunStatus, Session, StopReason};
use longhaul_sim::{
    Action, Ending, Incident, IndexPlan, IndexReply, Life, ModelPlan, Outside, Post, Purpose, RETENTION_MS,
    Scenario, catalogue, check, run_clean,
};

/// When the first run's last entry was written, after the beginning: its session is erased a retention later.
const IDLE_SINCE_MS: u64 = 160;

fn at_once() -> ModelPlan {
    ModelPlan { done_at: Some(1), ..ModelPlan::default() }
}

fn beside(at_ms: u64) -> Scenario {
    Scenario::new("beside the retention", StopReason::Done)
        .without_otlp()
        .model(at_once())
        .until_erased()
        .then(RETENTION_MS + at_ms, Action::Post(Post { key: "second", ..Post::default() }))
}

fn slowly() -> IndexPlan {
    IndexPlan::default().forgetting(&[IndexReply::TakeLate(25_000)])
}

/// A life up to so long after the end of the retention.
fn lived(scenario: &Scenario, until_ms: u64) -> Life {
    let mut life = Life::new(scenario, Outside::new(scenario), &[]);
    assert_eq!(life.run_for(RETENTION_MS + until_ms), Ending::TimeUp);
    life
}

/// When the model was asked, in milliseconds after the end of the retention of a run that was done at once.
fn asked_at(outside: &Outside) -> Vec<Option<u64>> {
    let beginning = outside.model.requests[0].at;
    let at = outside.model.requests.iter().map(|request| request.at - beginning);
    at.map(|at| at.checked_sub(RETENTION_MS)).collect()
}

fn listed(outside: &Outside) -> Vec<String> {
    let answers = outside.index.answers().expect("the index answers");
    answers.traces.into_iter().map(|trace| trace.status).collect()
}

#[test]
fn whatever_comes_beside_the_retention_everything_holds() {
    for scenario in catalogue().iter().filter(|scenario| scenario.group == "retention") {
        let end = run_clean(scenario).unwrap_or_else(|error| panic!("{}: {error}", scenario.name)).end;
        assert_eq!(check(scenario, &end), [], "{}", scenario.name);
    }
}

#[test]
fn a_post_is_heard_while_the_index_takes_its_time() {
    let mut life = lived(&beside(5_000).index(slowly()), 20_000);
    assert_eq!(asked_at(&life.outside()), [None, Some(5_000)], "it does not wait for the index");
    assert_eq!(life.session().unwrap().run(RunId(2)).unwrap().status(), RunStatus::Succeeded);
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    let erased = outside.disk.erased();
    assert_eq!(erased.len(), 1);
    let last = erased[0].last().unwrap().records.last().unwrap().at;
    assert!(outside.now >= last + RETENTION_MS, "it was erased when its time had come once more");
}

#[test]
fn a_deadline_is_heard_while_the_index_takes_its_time() {
    let post = Post { key: "third", deadline_ms: Some(1_000), ..Post::default() };
    let slow = ModelPlan { latency_ms: 5_000, ..at_once() };
    let scenario = beside(10_000).index(slowly()).model(slow).then(RETENTION_MS + 10_010, Action::Post(post));
    let life = lived(&scenario, 11_100);
    let run = life.session().unwrap().run(RunId(3)).cloned().unwrap();
    assert_eq!(run.status(), RunStatus::Failed, "{:?}", run.phase);
}

#[test]
fn a_post_while_the_storage_is_erased_begins_the_next_session_at_once() {
    let at = IDLE_SINCE_MS + 2;
    let life = lived(&beside(at), 1_000);
    let outside = life.outside();
    assert_eq!(asked_at(&outside), [None, Some(at)], "it does not wait for the storage");
    let before = Session::replay(outside.disk.erased()[0].iter().flat_map(|row| &row.records)).unwrap();
    assert_eq!((before.runs().len(), life.session().unwrap().runs().len()), (1, 1));
}

#[test]
fn what_left_the_index_beside_a_post_is_listed_again() {
    let scenario = beside(5_000).index(slowly());
    let life = lived(&scenario, 20_000);
    assert_eq!(listed(&life.outside()), ["succeeded"], "no row is written beside the deletion");
    let life = lived(&scenario, 40_000);
    assert_eq!(listed(&life.outside()), ["succeeded", "succeeded"]);
    let answers = life.outside().index.answers().unwrap();
    assert_eq!(answers.daily[0].models[0].total.answered(), 2, "each call is counted once");
}

#[test]
fn what_left_the_index_is_listed_again_before_the_run_that_came_has_ended() {
    let slow = ModelPlan { latency_ms: 60_000, ..at_once() };
    let life = lived(&beside(65_000).index(slowly()).model(slow), 100_000);
    assert_eq!(listed(&life.outside()), ["running", "succeeded"]);
}

#[test]
fn what_left_the_index_is_listed_again_by_a_process_that_did_not_see_it() {
    let scenario = beside(40_000).index(slowly());
    // The index has forgotten the session, and the process dies before it erases.
    let mut life = lived(&scenario, IDLE_SINCE_MS + 25_000 + 7);
    assert_eq!(listed(&life.outside()), [""; 0]);
    life.outside_mut().disk.alarm = None;
    let mut life = Life::new(&scenario, life.end(), &[]);
    life.run_for(20_000);
    assert_eq!(listed(&life.outside()), ["succeeded", "succeeded"]);
}

#[test]
fn a_session_that_is_erased_in_time_asks_the_index_once() {
    let mut life = lived(&beside(90_000).index(IndexPlan::default()), 60_000);
    assert_eq!(life.outside().index.asked, [Purpose::Announce, Purpose::Record, Purpose::Forget]);
    assert_eq!(life.outside().disk.rows().len(), 0);
    assert_eq!(life.run(), Ending::Quiet);
}

/// Of seed 987051: the erasure is to be tried again in an hour, of which an object that was evicted knows nothing.
#[test]
fn an_alarm_out_of_turn_beside_the_retention_covers_no_post() {
    let plan = IndexPlan::default().forgetting(&[IndexReply::Lost, IndexReply::Hang]);
    let scenario = beside(38_000)
        .index(plan)
        .suffers(RETENTION_MS + 30_000, Incident::Evicted)
        .suffers(RETENTION_MS + 31_000, Incident::AlarmRings(2));
    let end = run_clean(&scenario).unwrap().end;
    let of_alarms = check(&scenario, &end).into_iter().filter(|violation| violation.invariant == 7);
    assert_eq!(of_alarms.collect::<Vec<_>>(), []);
    assert_eq!(end.outside.disk.erased().len(), 1);
}
