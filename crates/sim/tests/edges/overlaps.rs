use std::task::{Context, Poll, Waker};

use futures::FutureExt;
use longhaul_core::{Entry, RunId, StopReason};
use longhaul_host::DeltaKind;
use longhaul_sim::{
    Action, End, Ending, Fault, FaultAt, Incident, Life, Op, Outside, Scenario, check, run_clean,
};

use crate::platform::end_of;

fn begin(scenario: &Scenario) -> Life {
    Life::new(scenario, Outside::new(scenario), &[])
}

fn entries(outside: &Outside) -> Vec<&'static str> {
    outside.disk.records().map(|record| record.entry.type_name()).collect()
}

#[test]
fn alarms_that_overlap_and_a_request_are_one_driver() {
    let scenario = Scenario::named("six turns").unwrap();
    let clean = run_clean(&scenario).unwrap().end.outside;
    for at_ms in [0, 1, 50, 100, 131, 140, 300, 700] {
        let mut life = begin(&scenario);
        life.run_for(at_ms);
        let driver = life.driver().unwrap();
        // Two more handlers, beside the alarm's own and the request that posted.
        let mut others: Vec<_> = (0..2)
            .map(|retry| {
                Box::pin({
                    let driver = std::rc::Rc::clone(&driver);
                    async move { driver.on_alarm(retry).await }
                })
            })
            .collect();
        drop(driver);
        let mut context = Context::from_waker(Waker::noop());
        for other in &mut others {
            assert!(other.poll_unpin(&mut context).is_pending());
        }
        assert_eq!(life.run(), Ending::Quiet);
        for other in &mut others {
            assert_eq!(other.poll_unpin(&mut context), Poll::Ready(()), "it joined the one drive");
        }
        drop(others);
        let outside = life.end();
        assert_eq!(outside.model.open_max, 1, "rung at {at_ms} ms");
        assert_eq!(outside.model.requests.len(), clean.model.requests.len(), "rung at {at_ms} ms");
        assert_eq!(outside.sink.deliveries.len(), clean.sink.deliveries.len(), "rung at {at_ms} ms");
        assert_eq!(entries(&outside), entries(&clean), "rung at {at_ms} ms");
        assert_eq!(outside.disk.alarm, clean.disk.alarm, "rung at {at_ms} ms");
    }
}

#[test]
fn alarms_may_come_early_late_and_again() {
    for name in ["six turns", "transient faults", "three runs", "sink down twice"] {
        let scenario = Scenario::named(name).unwrap();
        let clean = run_clean(&scenario).unwrap().end.outside;
        for lag_ms in [0, 1, 50, 5_000, 3_600_000] {
            for every_ms in [7, 40, 1_000] {
                let scenario = scenario.clone().late_alarms(lag_ms);
                let mut life = begin(&scenario);
                let beginning = life.outside().now;
                for ring in 0..150 {
                    let rings = Incident::AlarmRings(u32::try_from(ring % 7).unwrap());
                    life.outside_mut().incidents.plan(beginning + ring * every_ms, rings);
                }
                assert_eq!(life.run(), Ending::Quiet, "{name}, {lag_ms} ms late");
                let (memory, operations) = (life.session(), life.operations());
                let end = longhaul_sim::End { memory, operations, outside: life.end() };
                assert_eq!(check(&scenario, &end), [], "{name}, {lag_ms} ms late, every {every_ms} ms");
                let requests = (end.outside.model.requests.len(), clean.model.requests.len());
                assert_eq!(requests.0, requests.1, "{name}, {lag_ms} ms late, every {every_ms} ms");
                assert_eq!(entries(&end.outside).len(), entries(&clean).len());
            }
        }
    }
}

#[test]
fn an_alarm_out_of_turn_covers_nothing() {
    let scenario = Scenario::named("an alarm out of turn before a short deadline").unwrap();
    let clean = run_clean(&scenario).unwrap();
    assert_eq!(check(&scenario, &clean.end), []);
}

#[test]
fn a_retry_is_not_made_early_by_an_alarm_that_is() {
    let scenario = Scenario::named("transient faults").unwrap();
    let mut life = begin(&scenario);
    let beginning = life.outside().now;
    for ms in 0..4_000 {
        life.outside_mut().incidents.plan(beginning + ms, Incident::AlarmRings(0));
    }
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    let mut due = 0;
    for record in outside.disk.records() {
        match record.entry {
            Entry::ModelFailed { retry_at, .. } => due = retry_at.unwrap_or_default(),
            Entry::ModelCalled { .. } => assert!(record.at >= due, "{} ms early", due - record.at),
            _ => {}
        }
    }
    assert!(due > 0, "a call was made again");
}

#[test]
fn an_alarm_on_an_empty_object_writes_nothing() {
    let mut scenario = Scenario::new("nobody posted", StopReason::Done);
    scenario.actions = vec![(10, Action::Touch), (20, Action::Cancel), (30, Action::Delete)];
    let mut life = begin(&scenario);
    let beginning = life.outside().now;
    for ms in [0, 5, 15, 25, 35] {
        life.outside_mut().incidents.plan(beginning + ms, Incident::AlarmRings(0));
    }
    assert_eq!(life.run(), Ending::Quiet);
    assert_eq!(life.operations().iter().filter(|operation| operation.is_durable()).count(), 0);
    let outside = life.end();
    assert!(outside.disk.rows().is_empty() && outside.disk.alarm.is_none());
}

#[test]
fn an_alarm_for_a_session_that_was_deleted_brings_nothing_back() {
    let scenario = Scenario::new("deleted", StopReason::Cancelled).then(120, Action::Delete);
    for retry_count in [0, 6] {
        let mut life = begin(&scenario);
        assert_eq!(life.run(), Ending::Quiet);
        let requests = life.outside().model.requests.len();
        let mut life = Life::new(&scenario, life.end(), &[]);
        let now = life.outside().now;
        for ms in [0, 1, 1_000] {
            life.outside_mut().incidents.plan(now + ms, Incident::AlarmRings(retry_count));
        }
        assert_eq!(life.run(), Ending::Quiet);
        assert!(!life.operations().is_empty(), "the alarms rang");
        let outside = life.end();
        assert!(outside.disk.rows().is_empty() && outside.disk.alarm.is_none(), "retry {retry_count}");
        assert_eq!(outside.model.requests.len(), requests);
        assert_eq!(outside.disk.erased().len(), 1);
    }
}

#[test]
fn an_erasure_that_fails_is_no_deletion() {
    let scenario = Scenario::new("deleted", StopReason::Cancelled).then(120, Action::Delete);
    let operations = run_clean(&scenario).unwrap().end.operations;
    let place = operations.iter().position(|operation| operation.op == Op::Erase).unwrap();
    let fault = FaultAt { operation: place + 1, fault: Fault::StorageError };
    let mut life = Life::new(&scenario, Outside::new(&scenario), &[fault]);
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    assert_eq!(outside.storage_errors, 1);
    assert!(outside.disk.rows().is_empty(), "the caller heard of it, and asked again");
}

#[test]
fn many_touches_after_a_death_are_one_driver() {
    let mut scenario = Scenario::new("touched", StopReason::Done).late_alarms(1_000_000);
    for _ in 0..30 {
        scenario = scenario.then(100, Action::Touch);
    }
    let mut life = begin(&scenario);
    life.run_for(50);
    let mut outside = life.end();
    outside.deaths += 1;
    let mut life = Life::new(&scenario, outside, &[]);
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    assert_eq!((outside.model.open_max, outside.model.requests.len()), (1, 4), "one call was made again");
    assert_eq!(entries(&outside).iter().filter(|entry| **entry == "run.resumed").count(), 1);
    assert!(end_of(&outside, RunId(1)).is_some());
}

#[test]
fn an_eviction_in_doubt_costs_no_reader_an_event() {
    let at = |operation, fault| FaultAt { operation, fault };
    for name in ["six turns", "transient faults", "comparison"] {
        let scenario = Scenario::named(name).unwrap().evicted_when_idle();
        for operation in 1..60 {
            // A row is stored, the answer says that it is not, and it cannot be read either.
            let faults = [at(operation, Fault::AnswerLost), at(operation + 1, Fault::StorageError)];
            let mut life = Life::new(&scenario, Outside::new(&scenario), &faults);
            assert_eq!(life.run(), Ending::Quiet, "{name}, operation {operation}");
            let (memory, operations) = (life.session(), life.operations());
            let end = End { memory, operations, outside: life.end() };
            assert_eq!(check(&scenario, &end), [], "{name}, operation {operation}");
        }
    }
}

#[test]
fn who_joins_late_hears_thoughts_and_the_answer_apart() {
    let mut life = begin(&Scenario::named("six turns").unwrap());
    life.run_for(125);
    let heard = life.live_deltas();
    let kinds: Vec<DeltaKind> = heard.iter().map(|delta| delta.kind).collect();
    assert_eq!(kinds, [DeltaKind::Thought, DeltaKind::Answer]);
    assert!(heard.iter().all(|delta| delta.offset == 0), "{heard:?}");
    assert_eq!(life.run(), Ending::Quiet);
    let outside = life.end();
    let answered = outside.disk.records().find_map(|record| match &record.entry {
        Entry::ModelAnswered { message, .. } => Some(message),
        _ => None,
    });
    let message = answered.expect("the model answered");
    assert!(message.thoughts.starts_with(&heard[0].text) && message.content.starts_with(&heard[1].text));
}
