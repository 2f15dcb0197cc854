//! The process is killed, the object panics or is evicted: the run goes on by itself.

use std::io::{self, Write};

use longhaul_tests::oracle::{Injury, assert_events_sound, assert_run_sound, of_type};
use longhaul_tests::wait::now_ms;
use longhaul_tests::watch::events;
use longhaul_tests::{Frame, Gate, Memory, Post, Reply, Span, Stage, Verdict};
use serde_json::{Value, json};

#[tokio::test]
async fn a_kill_during_a_model_call_is_survived_unattended() {
    let mut stage = held_at_first_arrival_of(&[2]).await;
    let post = stage.api.start_task("Survive a kill.").await;
    stage.model.wait_for_calls(2).await;
    let restarted_ms = stage.server.crash().await;
    // Nobody asks the server anything until the trace is there: it goes on by itself.
    let calls = stage.model.wait_for_calls(3).await;
    report("kill during a model call, from the start of workerd", restarted_ms, calls[2].at_ms);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(calls[2].key, calls[1].key, "the call in flight is made again under its key");
    let run = finished(&stage, &post, &spans, Injury::kills(1)).await;
    assert_eq!((&run["iterations"], &run["attempts"]), (&json!(3), &json!(4)));
    assert_eq!(stage.model.calls().len(), 4, "one call was repeated, no more");
    let resumed = of_type(&stage.api.events(&post.session).await, "run.resumed");
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0]["outstanding"], json!([2]));
    assert_interrupted(&spans, &[(2, 1)]);
}

#[tokio::test]
async fn a_kill_between_two_turns_is_survived_unattended() {
    let mut stage = held_at_first_arrival_of(&[]).await;
    let post = stage.api.start_task("Survive a kill.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    watcher.until(|frame| matches!(frame, Frame::Event(event) if event["type"] == "model.answered")).await;
    stage.server.crash().await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let run = finished(&stage, &post, &spans, Injury::kills(1)).await;
    assert_eq!(run["iterations"], 3);
    let first = stage.model.calls()[0].key.clone();
    let again = stage.model.calls().iter().filter(|call| call.key == first).count();
    assert_eq!(again, 1, "a committed answer is never requested again");
}

#[tokio::test]
async fn a_kill_right_after_the_202_is_survived_unattended() {
    let mut stage = held_at_first_arrival_of(&[]).await;
    let post = stage.api.start_task("Survive a kill.").await;
    let restarted_ms = stage.server.crash().await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let calls = stage.model.calls();
    // A call may have been made before the kill already.
    let resumed = calls.iter().find(|call| call.at_ms >= restarted_ms).expect("the run went on");
    report("kill right after the 202, from the start of workerd", restarted_ms, resumed.at_ms);
    let run = finished(&stage, &post, &spans, Injury::kills(1)).await;
    assert_eq!(run["iterations"], 3);
}

#[tokio::test]
async fn two_kills_in_one_run_are_survived_unattended() {
    let mut stage = held_at_first_arrival_of(&[1, 3]).await;
    let post = stage.api.start_task("Survive two kills.").await;
    stage.model.wait_for_calls(1).await;
    let first_ms = stage.server.crash().await;
    let calls = stage.model.wait_for_calls(4).await;
    report("first of two kills, from the start of workerd", first_ms, calls[1].at_ms);
    let second_ms = stage.server.crash().await;
    let calls = stage.model.wait_for_calls(5).await;
    report("second of two kills, from the start of workerd", second_ms, calls[4].at_ms);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    finished(&stage, &post, &spans, Injury::kills(2)).await;
    assert_eq!(stage.model.calls().len(), 5);
    assert_interrupted(&spans, &[(1, 1), (3, 1)]);
}

#[tokio::test]
async fn a_kill_after_each_answer_of_six_turns_is_survived() {
    let mut stage = Stage::of_turns(6).await;
    let post = stage.api.start_task("Survive five kills.").await;
    for iteration in 1..=5 {
        let mut watcher = stage.api.watch(&post.session, 0).await;
        let answered = |event: &Value| event["type"] == "model.answered" && event["iteration"] == iteration;
        watcher.until(|frame| matches!(frame, Frame::Event(event) if answered(event))).await;
        stage.server.crash().await;
    }
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let run = finished(&stage, &post, &spans, Injury::kills(5)).await;
    assert_eq!(run["iterations"], 6);
}

#[tokio::test]
async fn a_touched_object_resumes_at_once() {
    let mut stage = held_at_first_arrival_of(&[2]).await;
    let post = stage.api.start_task("Survive a kill.").await;
    stage.model.wait_for_calls(2).await;
    stage.server.crash().await;
    let touched_ms = now_ms();
    stage.api.run(&post).await;
    let calls = stage.model.wait_for_calls(3).await;
    report("kill during a model call, then a request", touched_ms, calls[2].at_ms);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    finished(&stage, &post, &spans, Injury::kills(1)).await;
}

#[tokio::test]
async fn a_kill_during_the_delivery_of_the_trace_is_survived_unattended() {
    let mut stage = Stage::builder(|call| Reply::turn(call.turn(), 2))
        .sink(|delivery| if delivery == 0 { Verdict::Hang } else { Verdict::Accept })
        .start()
        .await;
    let (post, _) = stage.run("Be traced.").await;
    stage.sink.wait_for_deliveries(1).await;
    stage.server.crash().await;
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    finished(&stage, &post, &spans, Injury::NONE).await;
    assert_eq!(stage.model.calls().len(), 2);
}

#[tokio::test]
async fn one_call_killed_twice_is_made_three_times_under_one_key() {
    let held = Gate::shut();
    let mut stage = Stage::new(move |call| match (call.turn(), call.arrival) {
        (1, 1 | 2) => Reply::turn(1, 2).held_by(&held),
        (turn, _) => Reply::turn(turn, 2),
    })
    .await;
    let post = stage.api.start_task("Survive two kills.").await;
    for kill in 1..=2 {
        stage.model.wait_for_calls(kill).await;
        stage.server.crash().await;
    }
    let calls = stage.model.wait_for_calls(3).await;
    assert!(calls.iter().take(3).all(|call| call.key == calls[0].key), "{calls:#?}");
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    finished(&stage, &post, &spans, Injury::kills(2)).await;
    assert_interrupted(&spans, &[(1, 1), (1, 2)]);
}

#[tokio::test]
async fn a_kill_during_a_back_off_keeps_the_time_of_the_retry() {
    let mut stage = Stage::new(|call| match call.index {
        0 => Reply::too_many("3"),
        _ => Reply::turn(call.turn(), 2),
    })
    .await;
    let post = stage.api.start_task("Back off.").await;
    let failed =
        stage.api.event(&post.session, "model.failed", |event| event["type"] == "model.failed").await;
    assert_eq!(stage.api.run(&post).await["status"], "waiting");
    stage.server.crash().await;
    let calls = stage.model.wait_for_calls(2).await;
    let retry_at_ms = failed["retry_at"].as_u64().expect("a retry is planned");
    assert!(calls[1].at_ms >= retry_at_ms, "the retry came {} ms early", retry_at_ms - calls[1].at_ms);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    finished(&stage, &post, &spans, Injury { kills: 1, faults: 1 }).await;
    assert_interrupted(&spans, &[]);
}

/// The runtime evicts an object that has nothing to do for ten seconds; a socket that hibernates does not hinder it.
#[tokio::test]
async fn an_object_that_sleeps_through_a_back_off_wakes_for_it_and_its_watcher_misses_nothing() {
    let stage = Stage::builder(|call| match call.index {
        0 => Reply::too_many("13"),
        _ => Reply::turn(call.turn(), 2),
    })
    .memory(Memory::Witnessed)
    .start()
    .await;
    let post = stage.api.start_task("Sleep on it.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let seen = events(&watcher.until_ended(1).await);
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    assert_eq!(stage.server.objects_made(), 2, "memory was gone");
    // And nothing else: the journal does not even mention it.
    finished(&stage, &post, &spans, Injury { kills: 0, faults: 1 }).await;
    assert_eq!(seen, stage.api.events(&post.session).await[..seen.len()]);
}

#[tokio::test]
async fn a_kill_with_runs_in_the_queue_loses_none() {
    let mut stage = held_at_first_arrival_of(&[1]).await;
    let first = stage.api.start_task("First.").await;
    let second = stage.api.start_run(&first.session, &json!({"task": "Second."})).await;
    stage.model.wait_for_calls(1).await;
    stage.server.crash().await;
    // The second run's first call is held as well: its key arrives for the first time.
    stage.model.wait_for_calls(5).await;
    stage.server.crash().await;
    for post in [&first, &second] {
        let spans = stage.sink.wait_for_trace(&post.trace_id).await;
        finished(&stage, post, &spans, Injury::kills(2)).await;
    }
}

#[tokio::test]
async fn a_watcher_who_comes_back_after_a_kill_misses_nothing() {
    let mut stage = held_at_first_arrival_of(&[2]).await;
    let post = stage.api.start_task("Be watched.").await;
    let mut watcher = stage.api.watch(&post.session, 0).await;
    let mut seen = watcher.until(|frame| matches!(frame, Frame::Event(event) if event["seq"] == 3)).await;
    stage.model.wait_for_calls(2).await;
    stage.server.crash().await;
    let last = events(&seen).last().and_then(|event| event["seq"].as_u64()).expect("events have been seen");
    let mut watcher = stage.api.watch(&post.session, last).await;
    seen.extend(watcher.until_ended(1).await);
    let seen = events(&seen);
    let stored = stage.api.events(&post.session).await;
    assert_eq!(seen[..], stored[..seen.len()]);
    assert_eq!(of_type(&seen, "run.resumed").len(), 1);
}

#[tokio::test]
async fn the_same_post_after_a_kill_gives_the_same_session() {
    let mut stage = held_at_first_arrival_of(&[1]).await;
    let body = json!({"task": "Once only."});
    let first = stage.api.post_with_key("/v1/sessions", "key-1", &body).await.ok(202);
    stage.model.wait_for_calls(1).await;
    stage.server.crash().await;
    let again = stage.api.post_with_key("/v1/sessions", "key-1", &body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.ok(202), first);
}

#[tokio::test]
async fn a_panic_in_the_object_is_survived() {
    survive("panic").await;
}

#[tokio::test]
async fn an_eviction_of_the_object_is_survived() {
    survive("abort").await;
}

#[tokio::test]
async fn neighbours_of_an_object_that_panics_or_is_reset_do_not_notice() {
    let gate = Gate::shut();
    let held = gate.clone();
    let stage = Stage::new(move |_| Reply::turn(1, 1).held_by(&held)).await;
    let neighbour = stage.api.start_task("Be quiet.").await;
    stage.model.wait_for_calls(1).await;
    for fault in ["panic", "abort"] {
        let task = format!("Survive.\n#scripted turns=2 latency_ms=300 fault={fault}@1");
        let post = stage.api.start(&json!({"task": task, "model": "scripted:haiku"})).await;
        // Asked earlier, the object could be reset under the question.
        stage.sink.wait_for_trace(&post.trace_id).await;
        let events = stage.api.events(&post.session).await;
        assert_eq!(of_type(&events, "run.resumed").len(), 1);
        assert_eq!(stage.api.ended(&post).await["status"], "succeeded");
    }
    gate.open();
    assert_eq!(stage.api.ended(&neighbour).await["status"], "succeeded");
    assert_eq!(of_type(&stage.api.events(&neighbour.session).await, "run.resumed"), Vec::<Value>::new());
    assert_eq!(stage.model.calls().len(), 1);
}

/// The scripted model lets the fault happen in the second turn of three.
async fn survive(fault: &str) {
    let stage = Stage::builder(|_| Reply::hang()).start().await;
    // The latency lets the 202 go out before the object is reset.
    let task = format!("Survive.\n#scripted turns=3 latency_ms=300 fault={fault}@2");
    let post = stage.api.start(&json!({"task": task, "model": "scripted:haiku"})).await;
    // Unattended: the trace arrives before anybody asks.
    let spans = stage.sink.wait_for_trace(&post.trace_id).await;
    let run = stage.api.ended(&post).await;
    assert_eq!(
        (&run["status"], &run["stop_reason"], &run["iterations"]),
        (&json!("succeeded"), &json!("done"), &json!(3))
    );
    assert_run_sound(&stage.api, &post, &[], &spans, Injury::kills(1)).await;
    let events = stage.api.events(&post.session).await;
    assert_eq!(of_type(&events, "run.resumed").len(), 1, "{events:#?}");
    assert_interrupted(&spans, &[(2, 1)]);
}

/// A stage of three turns; the first arrival of each of these turns' calls is held for ever.
async fn held_at_first_arrival_of(turns: &'static [usize]) -> Stage {
    let never = Gate::shut();
    Stage::new(move |call| {
        let reply = Reply::turn(call.turn(), 3);
        if call.arrival == 1 && turns.contains(&call.turn()) { reply.held_by(&never) } else { reply }
    })
    .await
}

/// The end of a run that a kill did not stop: everything that must hold for it.
async fn finished(stage: &Stage, post: &Post, spans: &[Span], injury: Injury) -> Value {
    let run = stage.api.ended(post).await;
    assert_eq!((&run["status"], &run["stop_reason"]), (&json!("succeeded"), &json!("done")), "{run}");
    assert_run_sound(&stage.api, post, &stage.model.calls(), spans, injury).await;
    assert_events_sound(&stage.api.events(&post.session).await);
    // A kill right after a delivery, before its answer is stored, repeats it with the same ids; nothing else does.
    let with_root =
        |spans: &[Span]| spans.iter().any(|span| span.trace_id == post.trace_id && span.parent_id.is_empty());
    let deliveries = stage.sink.accepted().iter().filter(|delivery| with_root(&delivery.spans)).count();
    assert!((1..=1 + injury.kills).contains(&deliveries), "{deliveries} deliveries of one trace");
    run
}

/// The attempts that a crash cut off, as (call, attempt), are in the trace as errors; and no others are.
fn assert_interrupted(spans: &[Span], expected: &[(u64, u64)]) {
    let number = |span: &Span, key: &str| span.attribute(key).as_u64().unwrap_or_default();
    let cut_off = spans.iter().filter(|span| span.attribute("error.type") == "interrupted");
    let mut cut_off: Vec<_> = cut_off
        .inspect(|span| assert_eq!(span.status, 2, "{span:#?}"))
        .map(|span| (number(span, "longhaul.call"), number(span, "longhaul.attempt")))
        .collect();
    cut_off.sort_unstable();
    assert_eq!(cut_off, expected);
}

/// Printed past the capture of the test runner: these numbers are for people.
fn report(what: &str, restarted_ms: u64, called_ms: u64) {
    let latency_ms = called_ms.saturating_sub(restarted_ms);
    writeln!(io::stderr(), "measured: resume latency, {what}: {latency_ms} ms to the model call")
        .expect("stderr is open");
}
