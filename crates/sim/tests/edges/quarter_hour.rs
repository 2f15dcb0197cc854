use longhaul_core::{CallId, RunId, RunStatus, StopReason};
use longhaul_sim::{Ending, Incident, ModelPlan, Post, Reply, Scenario, SinkReply};

use crate::platform::{Delivery, Fate, HANDLER_MS_MAX, Platform, end_of};

const MINUTE_MS: u64 = 60_000;
/// What `MODEL_TIMEOUT_MS` may be at most.
const TIMEOUT_MS_MAX: u64 = longhaul_core::limits::MODEL_TIMEOUT_MS_MAX;

/// A run whose calls take so long, with so much time for each.
fn slow(latency_ms: u64, model_timeout_ms: u64) -> Scenario {
    let plan = ModelPlan { done_at: None, latency_ms, ..ModelPlan::default() };
    Scenario::new("slow calls", StopReason::MaxIterations)
        .model(plan)
        .first(Post { model_timeout_ms, ..Post::default() })
}

/// Lets the alarm alone drive a scenario: what each handler took, in milliseconds.
fn handlers(platform: &mut Platform) -> Vec<u64> {
    let mut handlers = Vec::new();
    while platform.is_open() {
        match platform.deliver(Fate::Spared) {
            Delivery::Returned(ms) => handlers.push(ms),
            cut_off => panic!("{cut_off:?} after {handlers:?}"),
        }
        assert!(handlers.len() < 50, "{handlers:?}");
    }
    handlers
}

/// Nothing was cut off: no call, and no memory.
fn assert_whole(platform: Platform, handlers: &[u64], requests: usize) {
    assert!(handlers.iter().all(|ms| *ms < HANDLER_MS_MAX), "{handlers:?}");
    assert_eq!(platform.count("run.resumed"), 0);
    assert_eq!(
        platform.outside(|o| (o.model.requests.len(), o.model.hung_up)),
        (requests, 0),
        "{handlers:?}"
    );
    let (violations, _) = platform.rest();
    assert_eq!(violations, []);
}

#[test]
fn long_calls_are_handed_over_before_the_quarter_hour() {
    for (minutes, timeout_ms) in [
        (1, 2 * MINUTE_MS),
        (2, 2 * MINUTE_MS + 1_000),
        (4, 5 * MINUTE_MS),
        (4, TIMEOUT_MS_MAX),
        (9, 10 * MINUTE_MS),
    ] {
        let mut platform = Platform::new(&slow(minutes * MINUTE_MS, timeout_ms));
        platform.life().run_for(0);
        let handlers = handlers(&mut platform);
        assert!(handlers.len() >= 2 || minutes == 1, "{minutes} min: {handlers:?}");
        assert_whole(platform, &handlers, 6);
    }
}

#[test]
fn the_longest_call_that_may_be_configured_has_an_invocation_of_its_own() {
    let mut platform = Platform::new(&slow(TIMEOUT_MS_MAX - MINUTE_MS, TIMEOUT_MS_MAX));
    platform.life().run_for(0);
    let handlers = handlers(&mut platform);
    assert_eq!(handlers.len(), 6, "{handlers:?}");
    assert_whole(platform, &handlers, 6);
}

#[test]
fn waits_are_no_part_of_a_handler() {
    let busy = Reply::Status { status: 429, retry_after_s: Some(300) };
    let mut scenario = slow(4 * MINUTE_MS, 5 * MINUTE_MS).first(Post {
        model_timeout_ms: 5 * MINUTE_MS,
        retry_patience_ms: Some(60 * MINUTE_MS),
        ..Post::default()
    });
    scenario.model = scenario.model.reply(1, &[busy; 3]).reply(2, &[busy]).reply(4, &[busy; 2]);
    let mut platform = Platform::new(&scenario);
    platform.life().run_for(0);
    let handlers = handlers(&mut platform);
    assert!(handlers.len() > 6, "each wait is an alarm: {handlers:?}");
    assert_whole(platform, &handlers, 12);
}

#[test]
fn slow_sinks_keep_no_handler_beyond_its_time() {
    let scenario = Scenario::new("slow sinks", StopReason::Done)
        .model(ModelPlan { latency_ms: 4 * MINUTE_MS - 10_000, ..ModelPlan::default() })
        .first(Post { model_timeout_ms: 4 * MINUTE_MS, ..Post::default() })
        .sink(&[SinkReply::Hang; 20])
        .then_post(
            5,
            Post { key: "second", model_timeout_ms: 4 * MINUTE_MS, ..Post::default() },
            &[StopReason::Done],
        );
    let mut platform = Platform::new(&scenario);
    platform.life().run_for(10);
    let handlers = handlers(&mut platform);
    assert!(handlers.len() >= 2, "{handlers:?}");
    assert_whole(platform, &handlers, 6);
}

#[test]
fn models_that_are_compared_are_handed_over_together() {
    let mut scenario = Scenario::new("slow models", StopReason::Done)
        .first(Post { model_timeout_ms: TIMEOUT_MS_MAX, ..Post::comparison() });
    scenario.model =
        ModelPlan { latency_ms: 8 * MINUTE_MS, ..ModelPlan::default() }.reply(2, &[Reply::Refused]);
    let mut platform = Platform::new(&scenario);
    platform.life().run_for(0);
    let handlers = handlers(&mut platform);
    assert_whole(platform, &handlers, 4);
}

/// A journal of a deployment that allowed an hour for a call.
#[test]
fn a_call_that_would_outlast_its_handler_times_out_in_it() {
    let hang = [Reply::Hang; 20];
    let mut scenario = Scenario::new("an hour", StopReason::ModelUnavailable)
        .first(Post { model_timeout_ms: 60 * MINUTE_MS, ..Post::default() });
    scenario.model = scenario.model.reply(1, &hang);
    let mut platform = Platform::new(&scenario);
    platform.life().run_for(0);
    let handlers = handlers(&mut platform);
    assert!(handlers.iter().all(|ms| *ms < HANDLER_MS_MAX), "{handlers:?}");
    assert_eq!(platform.count("run.resumed"), 0);
    let (violations, outside) = platform.rest();
    assert_eq!(violations, []);
    assert_eq!(end_of(&outside, RunId(1)), Some((RunStatus::Failed, StopReason::ModelUnavailable)));
    // The first fault comes after a quarter of an hour, the patience is as long, and so is each attempt.
    assert_eq!(
        outside.model.requests_of(RunId(1), CallId(1)),
        3,
        "what may be paid for, within the patience"
    );
}

#[test]
fn a_request_hands_over_too() {
    let mut platform = Platform::new(&slow(4 * MINUTE_MS, 5 * MINUTE_MS));
    // No alarm rings: what drives was given to `waitUntil`.
    assert_eq!(platform.life().run_for(60 * MINUTE_MS), Ending::TimeUp);
    let asked = |o: &longhaul_sim::Outside| o.model.requests.iter().map(|r| r.at).collect::<Vec<_>>();
    let (requests, beginning) = (platform.outside(asked), platform.now() - 60 * MINUTE_MS);
    assert!(requests.iter().all(|at| at - beginning <= 10 * MINUTE_MS), "{requests:?}");
    assert!(platform.is_open() && platform.alarm().is_some_and(|at| at < beginning + 15 * MINUTE_MS));
    let mut handlers = handlers(&mut platform);
    handlers.retain(|ms| *ms > 0);
    assert_whole(platform, &handlers, 6);
}

#[test]
fn a_panic_gives_a_handler_no_more_time() {
    let mut scenario = slow(4 * MINUTE_MS - 1_000, 4 * MINUTE_MS).sink(&[]);
    scenario.model = scenario.model.reply(2, &[Reply::Panic]).reply(3, &[Reply::Panic]);
    let mut platform = Platform::new(&scenario);
    platform.life().run_for(0);
    let handlers = handlers(&mut platform);
    assert!(handlers.iter().all(|ms| *ms < HANDLER_MS_MAX), "{handlers:?}");
    assert_eq!(platform.count("run.resumed"), 2);
    let (violations, outside) = platform.rest();
    assert_eq!((violations, outside.model.requests.len()), (Vec::new(), 8));
}

#[test]
fn a_clock_that_is_set_hands_over_at_most() {
    let mut platform = Platform::new(&slow(4 * MINUTE_MS, 5 * MINUTE_MS));
    let now = platform.now();
    for (minute, jump_ms) in [(1, 3_600_000), (70, -1_800_000)] {
        platform.life().outside_mut().incidents.plan(now + minute * MINUTE_MS, Incident::ClockJumps(jump_ms));
    }
    let (violations, outside) = platform.rest();
    let requests = outside.model.requests.len();
    assert_eq!(
        (violations, requests),
        (Vec::new(), 7),
        "the call in flight had no time left after the first jump"
    );
}
