use longhaul_core::{CallId, RunId, RunStatus, StopReason, limits::INTERRUPTIONS_MAX};
use longhaul_sim::{Action, Ending, Life, Scenario};

use crate::platform::{Delivery, Fate, Platform, end_of};

/// What the platform is known to do when a handler fails again and again.
const DELIVERIES_OF_ONE_ALARM: usize = 7;

/// A run that was accepted, whose object was reset while its first call was in flight.
fn interrupted(scenario: &Scenario) -> Platform {
    let mut platform = Platform::new(scenario);
    assert_eq!(platform.life().run_for(50), Ending::TimeUp);
    platform.reset();
    assert!(platform.is_open() && platform.alarm().is_some());
    platform
}

#[test]
fn a_run_ends_however_often_its_handlers_fail() {
    let scenario = Scenario::new("failing handlers", StopReason::Done).or(&[StopReason::ModelUnavailable]);
    for after_ms in [0, 1, 50, 105, 131, 150, 250, 400] {
        for failures in 0..=3 * DELIVERIES_OF_ONE_ALARM {
            let mut platform = interrupted(&scenario);
            for _ in 0..failures {
                if !platform.is_open() {
                    break;
                }
                let delivery = platform.deliver(Fate::ResetAfter(after_ms));
                assert_ne!(delivery, Delivery::GivenUp, "{failures} failures, {after_ms} ms in");
            }
            let (violations, outside) = platform.rest();
            assert_eq!(violations, [], "{failures} failures, each {after_ms} ms in");
            assert!(end_of(&outside, RunId(1)).is_some(), "{failures} failures, each {after_ms} ms in");
        }
    }
}

#[test]
fn a_call_whose_handler_always_fails_is_given_up_and_not_paid_for_again() {
    let scenario = Scenario::new("a deadly call", StopReason::ModelUnavailable);
    let mut platform = interrupted(&scenario);
    let mut deliveries = 0;
    while platform.is_open() {
        let delivery = platform.deliver(Fate::ResetAfter(50));
        deliveries += 1;
        assert!(delivery == Delivery::Failed || !platform.is_open(), "{delivery:?} after {deliveries}");
    }
    assert!(deliveries > DELIVERIES_OF_ONE_ALARM, "one alarm would not have sufficed: {deliveries}");
    let (violations, outside) = platform.rest();
    assert_eq!(violations, []);
    assert_eq!(end_of(&outside, RunId(1)), Some((RunStatus::Failed, StopReason::ModelUnavailable)));
    assert_eq!(outside.model.requests_of(RunId(1), CallId(1)), INTERRUPTIONS_MAX as usize + 1);
}

/// The handler is killed before anything of it is on disk, as by a journal that is too large to be replayed: no row
/// counts this, and only the alarm can bring the run back when the reason is gone.
#[test]
fn an_untouched_object_keeps_its_alarm_when_every_handler_dies_in_its_first_turn() {
    let mut platform = interrupted(&Scenario::new("deadly turns", StopReason::Done));
    let began = platform.now();
    for failure in 1..=8 * DELIVERIES_OF_ONE_ALARM {
        assert_eq!(platform.deliver(Fate::ResetInItsFirstTurn), Delivery::Failed, "failure {failure}");
    }
    assert_eq!(
        platform.outside(|outside| outside.model.requests.len()),
        1,
        "the call before the first failure"
    );
    let seconds = (platform.now() - began) / 1_000;
    assert!(seconds > 200, "{seconds} s: not faster than one attempt in a few seconds");
    let (violations, outside) = platform.rest();
    assert_eq!(violations, []);
    assert_eq!(end_of(&outside, RunId(1)), Some((RunStatus::Succeeded, StopReason::Done)));
}

#[test]
fn a_session_whose_alarm_is_gone_goes_on_when_it_is_touched() {
    let scenario = Scenario::new("no alarm", StopReason::Done).then(60_000, Action::Touch);
    let mut life = Life::new(&scenario, longhaul_sim::Outside::new(&scenario), &[]);
    life.run_for(50);
    let mut outside = life.end();
    (outside.deaths, outside.disk.alarm) = (1, None);
    let mut life = Life::new(&scenario, outside, &[]);
    assert_eq!(life.run_for(59_000), Ending::TimeUp);
    assert!(life.session().is_none(), "nothing touched it yet");
    life.outside_mut().offences.clear();
    assert_eq!(life.run_for(10_000), Ending::TimeUp);
    let outside = life.outside();
    assert_eq!(end_of(&outside, RunId(1)), Some((RunStatus::Succeeded, StopReason::Done)));
    assert!(outside.disk.alarm.is_some_and(|at| at > outside.now), "for the retention");
}

#[test]
fn a_touched_session_is_covered_again_before_its_call_leaves() {
    let scenario = Scenario::new("no alarm", StopReason::Done).then(60_000, Action::Touch);
    let mut life = Life::new(&scenario, longhaul_sim::Outside::new(&scenario), &[]);
    life.run_for(50);
    let mut outside = life.end();
    (outside.deaths, outside.disk.alarm) = (1, None);
    let mut life = Life::new(&scenario, outside, &[]);
    life.run_for(60_000);
    let outside = life.outside();
    assert_eq!(outside.model.requests.len(), 2);
    assert!(outside.disk.alarm.is_some_and(|at| at <= outside.now), "{:?}", outside.disk.alarm);
}

#[test]
fn whatever_retry_it_is_an_alarm_with_nothing_to_do_changes_nothing() {
    for retry_count in 0..=6 {
        let scenario = Scenario::new("at rest", StopReason::Done);
        let mut life = Life::new(&scenario, longhaul_sim::Outside::new(&scenario), &[]);
        assert_eq!(life.run(), Ending::Quiet);
        let (rows, alarm) = (life.outside().disk.rows().len(), life.outside().disk.alarm);
        let now = life.outside().now;
        for _ in 0..100 {
            life.outside_mut().incidents.plan(now, longhaul_sim::Incident::AlarmRings(retry_count));
        }
        assert_eq!(life.run(), Ending::Quiet);
        let outside = life.outside();
        assert_eq!((outside.disk.rows().len(), outside.disk.alarm), (rows, alarm), "retry {retry_count}");
    }
}
