//! The driver on fakes, where a test needs the time, the alarm or the far sides in its hand.

use longhaul_core::{Cause, Entry, Input, ModelAnswer, Record, RunId, RunStatus, StopReason, Timing};
use longhaul_host::DeltaKind;
use longhaul_sim::{
    Action, Ending, Fault, FaultAt, Life, ModelPlan, Outside, Post, RETENTION_MS, Reply, Scenario, SinkReply,
    check, run_clean, survive,
};

const MINUTE_MS: u64 = 60_000;

fn begin(scenario: &Scenario) -> Life {
    Life::new(scenario, Outside::new(scenario), &[])
}

fn at_once() -> ModelPlan {
    ModelPlan { done_at: Some(1), ..ModelPlan::default() }
}

fn second() -> Post {
    Post { key: "second", ..Post::default() }
}

/// When a run was accepted, and when it ended.
fn times(outside: &Outside, run: RunId) -> (u64, u64) {
    let at = |wanted: fn(&Entry) -> bool| {
        let found = outside.disk.records().find(|record| record.run == run && wanted(&record.entry));
        found.expect("the run has this entry").at
    };
    (at(|e| matches!(e, Entry::RunAccepted { .. })), at(|e| matches!(e, Entry::RunEnded { .. })))
}

fn count(outside: &Outside, type_name: &str) -> usize {
    outside.disk.records().filter(|record| record.entry.type_name() == type_name).count()
}

#[test]
fn a_long_drive_is_handed_over_between_two_steps() {
    let plan = ModelPlan { done_at: None, latency_ms: 110_000, ..ModelPlan::default() };
    let scenario = Scenario::new("long calls", StopReason::MaxIterations).model(plan);
    let mut life = begin(&scenario);
    assert_eq!(life.run_for(10 * MINUTE_MS), Ending::TimeUp);
    assert_eq!(life.outside().alarms, 1, "one invocation drives for ten minutes");
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    assert_eq!(outside.alarms, 2, "a fresh one drives the rest");
    assert_eq!((outside.model.requests.len(), outside.model.hung_up), (6, 0), "no call was cut off");
    assert_eq!(count(&outside, "run.resumed"), 0);
}

#[test]
fn a_run_in_the_queue_ends_in_time_beside_a_call_that_lasts() {
    let plan = ModelPlan { latency_ms: 14 * MINUTE_MS, ..at_once() };
    let scenario = Scenario::new("long calls", StopReason::Done)
        .first(Post { model_timeout_ms: 14 * MINUTE_MS, ..Post::default() })
        .model(plan)
        .then(1_000, Action::Post(Post { deadline_ms: Some(12 * MINUTE_MS), ..second() }));
    let mut life = begin(&scenario);
    life.run_for(12 * MINUTE_MS + 2_000);
    assert_eq!(life.outside().model.hung_up, 0, "the first run's call goes on");
    assert_eq!(life.session().unwrap().run(RunId(2)).unwrap().status(), RunStatus::Failed);
}

#[test]
fn whoever_comes_second_joins_the_drive() {
    let mut scenario = Scenario::new("touched", StopReason::Done);
    for at_ms in (0..400).step_by(20) {
        scenario = scenario.then(at_ms, Action::Touch);
    }
    let clean = run_clean(&scenario).unwrap();
    assert_eq!(clean.end.outside.model.open_max, 1);
    assert_eq!(clean.end.outside.model.requests.len(), 3);
    assert_eq!(check(&scenario, &clean.end), []);
}

#[test]
fn an_alarm_is_armed_until_the_end_and_then_only_for_the_retention() {
    let scenario = Scenario::named("six turns, late alarms").unwrap();
    let mut life = begin(&scenario);
    loop {
        let ending = life.run_for(7);
        let outside = life.outside();
        if outside.disk.open_runs() == 0 {
            break;
        }
        assert_eq!(ending, Ending::TimeUp);
        assert!(outside.disk.alarm.is_some_and(|at| at <= outside.now), "after {} ms", outside.elapsed_ms());
    }
    life.run();
    let outside = life.end();
    let last = outside.disk.records().last().unwrap().at;
    assert_eq!(outside.disk.alarm, Some(last + RETENTION_MS));
}

#[test]
fn the_retention_erases_everything() {
    let scenario = Scenario::named("retention").unwrap();
    let outside = run_clean(&scenario).unwrap().end.outside;
    assert!(outside.disk.rows().is_empty() && outside.disk.alarm.is_none());
    assert_eq!(outside.disk.erased().len(), 1);
    assert!(outside.elapsed_ms() >= RETENTION_MS);
}

#[test]
fn a_slow_sink_does_not_slow_the_next_run() {
    let unavailable = Reply::Status { status: 503, retry_after_s: None };
    let scenario = Scenario::new("slow sink", StopReason::Done)
        .model(at_once().reply(1, &[unavailable; 3]))
        .sink(&[SinkReply::Hang])
        .then_post(10_000, second(), &[StopReason::Done]);
    let outside = run_clean(&scenario).unwrap().end.outside;
    let (first_accepted, first_ended) = times(&outside, RunId(1));
    let (accepted, ended) = times(&outside, RunId(2));
    assert!(first_ended - first_accepted < 5_000);
    assert!(ended - accepted < 5_000, "{} ms, beside a delivery that hangs", ended - accepted);
}

#[test]
fn a_queued_run_ends_at_its_deadline_while_another_backs_off() {
    let scenario = Scenario::named("deadline in the queue").unwrap();
    let outside = run_clean(&scenario).unwrap().end.outside;
    let (accepted, ended) = times(&outside, RunId(2));
    assert_eq!(ended - accepted, 5_000);
}

#[test]
fn a_full_disk_is_tried_again_at_a_walk() {
    let scenario = Scenario::new("full disk", StopReason::Done);
    let mut life = begin(&scenario);
    life.run_for(50);
    life.outside_mut().disk.is_full = true;
    assert_eq!(life.run_for(MINUTE_MS), Ending::TimeUp);
    // The handler of one alarm waits: it asks the disk after 0, 2, 6, 14 and 30 seconds, and next after 62.
    assert_eq!((life.outside().alarms, life.outside().storage_errors), (1, 5));
    life.outside_mut().disk.is_full = false;
    assert_eq!(life.run(), Ending::Quiet);
    // What came back while the disk was full was kept, and not asked for again.
    let paid = |call| life.outside().model.requests_of(RunId(1), longhaul_core::CallId(call));
    assert!((1..=6).all(|call| paid(call) <= 1));
    let session = life.session().unwrap();
    assert_eq!(session.run(RunId(1)).unwrap().status(), RunStatus::Succeeded);
}

#[test]
fn a_post_that_comes_before_the_alarm_does_not_hide_what_must_be_resumed() {
    let scenario = Scenario::new("posted after a death", StopReason::Done)
        .then_post(110, second(), &[StopReason::Done])
        .late_alarms(5_000);
    // The process dies as the first request has left; the post is the next one's first event.
    let end = survive(&scenario, &[FaultAt { operation: 4, fault: Fault::CrashAfter }]).unwrap();
    assert_eq!(
        (end.outside.deaths, end.outside.model.requests_of(RunId(1), longhaul_core::CallId(1))),
        (1, 2)
    );
    assert_eq!(check(&scenario, &end), []);
}

#[test]
fn what_a_run_survived_is_in_the_journal() {
    let causes = |outside: &Outside| {
        let of_record = |record: &Record| match record.entry {
            Entry::RunResumed { cause, .. } => Some(cause),
            _ => None,
        };
        outside.disk.records().filter_map(of_record).collect::<Vec<_>>()
    };
    let of_scenario = |name| causes(&run_clean(&Scenario::named(name).unwrap()).unwrap().end.outside);
    assert_eq!(of_scenario("six turns"), []);
    assert_eq!(of_scenario("panic"), [Cause::Panic, Cause::Panic]);
    // Nothing was cut off.
    assert_eq!(of_scenario("evicted while backing off"), []);
    let faults = [FaultAt { operation: 4, fault: Fault::CrashAfter }];
    let end = survive(&Scenario::named("six turns").unwrap(), &faults).unwrap();
    assert_eq!(causes(&end.outside), [Cause::Crash]);
}

#[test]
fn a_cancel_hangs_up_and_a_late_outcome_changes_nothing() {
    let scenario = Scenario::new("cancelled", StopReason::Cancelled)
        .model(ModelPlan { latency_ms: 1_000, ..ModelPlan::default() })
        .then(500, Action::Cancel);
    let mut life = begin(&scenario);
    life.run_for(400);
    let call = {
        let outstanding = life.session().unwrap().outstanding();
        *outstanding.first().expect("a call is in flight")
    };
    assert_eq!(life.run(), Ending::Quiet);
    assert_eq!((life.outside().model.hung_up, life.outside().model.requests.len()), (1, 1));
    let head = life.outside().disk.head();
    let answer = ModelAnswer {
        message: longhaul_core::Message::text(longhaul_core::Role::Assistant, "too late\nDONE"),
        finish_reason: longhaul_core::FinishReason::Stop,
        usage: longhaul_core::Usage::default(),
        response_id: None,
        response_model: None,
    };
    let observed = longhaul_core::Observed::default();
    let late = Input::Answered { call, answer, timing: Timing::default(), observed };
    assert_eq!(life.runtime().unwrap().submit(late).unwrap(), []);
    assert_eq!(life.outside().disk.head(), head);
}

#[test]
fn deltas_join_up_to_the_answer_and_a_joiner_gets_the_text_so_far() {
    let scenario = Scenario::new("deltas", StopReason::Done).model(at_once().reply(1, &[Reply::Cut]));
    let mut life = begin(&scenario);
    life.run_for(115);
    let so_far = life.live_deltas();
    let kinds = so_far.iter().map(|delta| delta.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [DeltaKind::Thought, DeltaKind::Answer]);
    assert!(so_far.iter().all(|delta| (delta.offset, delta.attempt) == (0, 1)));
    life.run();
    assert_eq!(life.live_deltas(), [], "nothing is in flight");
    let outside = life.end();
    for (heard, known) in outside.watcher.deltas.iter().zip(&so_far) {
        assert!(heard.kind == known.kind && heard.text.starts_with(&known.text), "{heard:?}, {known:?}");
    }
    for attempt in [1, 2] {
        let (mut text, mut thoughts) = (String::new(), String::new());
        for delta in outside.watcher.deltas.iter().filter(|delta| delta.attempt == attempt) {
            let so_far = if delta.kind == DeltaKind::Thought { &mut thoughts } else { &mut text };
            assert_eq!(delta.offset, so_far.encode_utf16().count(), "attempt {attempt}");
            so_far.push_str(&delta.text);
        }
        let answered = outside.disk.records().find_map(|record| match &record.entry {
            Entry::ModelAnswered { message, attempt: answered, .. } if *answered == attempt => Some(message),
            _ => None,
        });
        assert_eq!(attempt == 2, answered.is_some());
        assert!(answered.is_none_or(|message| message.content == text), "{text:?}");
        assert!(answered.is_none_or(|message| message.thoughts == thoughts), "{thoughts:?}");
    }
}

#[test]
fn a_trace_is_delivered_exactly_once() {
    for name in ["six turns", "three runs", "transient faults", "a second run later"] {
        let scenario = Scenario::named(name).unwrap();
        let outside = run_clean(&scenario).unwrap().end.outside;
        assert_eq!(outside.sink.deliveries.len(), scenario.ends.len(), "{name}");
        assert_eq!(count(&outside, "trace.flushed"), scenario.ends.len(), "{name}");
    }
}

#[test]
fn a_sink_that_is_down_gets_the_trace_later_and_one_that_refuses_is_left_alone() {
    let sent = |name| run_clean(&Scenario::named(name).unwrap()).unwrap().end.outside;
    let outside = sent("sink down twice");
    assert_eq!((outside.sink.deliveries.len(), outside.sink.taken().count()), (3, 1));
    assert_eq!((count(&outside, "trace.failed"), count(&outside, "trace.flushed")), (2, 1));
    let outside = sent("sink refuses");
    assert_eq!((outside.sink.deliveries.len(), outside.sink.taken().count()), (1, 0));
}
