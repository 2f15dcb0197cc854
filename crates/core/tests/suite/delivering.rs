use longhaul_core::{
    Cause, Deadline, Decision, DeliveryState, Effect, Entry, FaultKind, Input, Message, ModelAnswer, Receipt,
    Role, RunId, SINK_RETRY, Seq, SinkFailure, TimeMs, ToolCall, ToolOffer, WEBHOOK_SINK,
};

use crate::{
    kit::{RETENTION_MS, SEED, START, Stage, answer, run, run_with},
    pinned::pinned,
};

const DAY_MS: u64 = 24 * 3_600_000;

#[test]
fn a_trace_is_due_at_every_sink_when_the_run_ends() {
    let mut stage = Stage::started(traced("Write."));
    assert_eq!(stage.session.deliveries_due(TimeMs::MAX), [], "not before");
    assert_eq!(send_ok(&mut stage, 1, "otlp"), ["ignored"]);
    stage.now += 50;
    stage.answer("a\nDONE");
    assert_eq!(stage.session.deliveries_due(stage.now), [(RunId(1), "nexus"), (RunId(1), "otlp")]);
    assert_eq!(stage.session.deliveries_due(stage.now - 1), []);
    assert_eq!(stage.deadline(), (stage.now, Deadline::Flush));

    assert_eq!(send_ok(&mut stage, 1, "otlp"), ["1 trace.flushed otlp 1, 3 spans"]);
    assert_eq!(stage.session.deliveries_due(stage.now), [(RunId(1), "nexus")]);
    assert_eq!(send_ok(&mut stage, 1, "otlp"), ["ignored"], "a trace is taken once");
    assert_eq!(send_ok(&mut stage, 1, "nexus"), ["1 trace.flushed nexus 1, 3 spans"]);
    assert_eq!(stage.deadline(), (stage.now + RETENTION_MS, Deadline::Retention));
}

#[test]
fn unknown_deliveries_are_ignored() {
    let mut stage = Stage::started(traced("Write."));
    stage.answer("DONE");
    for (run, sink) in [(1, "elsewhere"), (2, "otlp"), (0, "otlp")] {
        assert_eq!(send_ok(&mut stage, run, sink), ["ignored"]);
        assert_eq!(send_failed(&mut stage, run, sink, transient()), ["ignored"]);
    }
}

#[test]
fn a_sink_that_is_down_is_asked_again() {
    let mut stage = Stage::started(traced("Write."));
    stage.answer("DONE");
    send_ok(&mut stage, 1, "nexus");
    for attempt in 1..=3 {
        let wait = SINK_RETRY.wait_ms(attempt, None, SEED);
        let again = format!("1 trace.failed otlp {attempt}, 503, again +{wait}");
        assert_eq!(send_failed(&mut stage, 1, "otlp", transient()), [again]);
        assert_eq!(stage.deadline(), (stage.now + wait, Deadline::Flush));
        assert_eq!(stage.session.deliveries_due(stage.now + wait - 1), []);
        stage.now += wait;
        assert_eq!(stage.session.deliveries_due(stage.now), [(RunId(1), "otlp")]);
    }
    assert_eq!(send_ok(&mut stage, 1, "otlp"), ["1 trace.flushed otlp 4, 3 spans"]);
    let delivery = &stage.session.runs()[0].deliveries["otlp"];
    assert_eq!((delivery.attempts, delivery.state), (4, DeliveryState::Flushed));
}

#[test]
fn a_sinks_wish_is_honoured_up_to_an_hour() {
    for (wish, wait) in [(60_000, 60_000), (9_000_000, 3_600_000)] {
        let mut stage = Stage::started(traced("Write."));
        stage.answer("DONE");
        let failure = SinkFailure::Transient { status: Some(429), retry_after_ms: Some(wish) };
        let out = send_failed(&mut stage, 1, "otlp", failure);
        assert_eq!(out, [format!("1 trace.failed otlp 1, 429, again +{wait}")]);
    }
}

#[test]
fn a_sink_that_is_down_for_a_day_is_parked() {
    let mut stage = Stage::started(traced("Write."));
    stage.answer("DONE");
    send_ok(&mut stage, 1, "nexus");
    stage.now = START + DAY_MS - SINK_RETRY.wait_ms(1, None, SEED) - 1;
    let out = send_failed(&mut stage, 1, "otlp", transient());
    assert!(out[0].contains("again +"), "one millisecond is left: {out:?}");
    stage.now = START + DAY_MS - SINK_RETRY.wait_ms(2, None, SEED);
    let nothing = SinkFailure::Transient { status: None, retry_after_ms: None };
    assert_eq!(send_failed(&mut stage, 1, "otlp", nothing), ["1 trace.failed otlp 2, null, again never"]);
    expect_parked(&mut stage);
}

#[test]
fn a_permanent_answer_parks_at_once() {
    let mut stage = Stage::started(traced("Write."));
    stage.answer("DONE");
    send_ok(&mut stage, 1, "nexus");
    let refused = SinkFailure::Permanent { status: Some(401) };
    assert_eq!(send_failed(&mut stage, 1, "otlp", refused), ["1 trace.failed otlp 1, 401, again never"]);
    expect_parked(&mut stage);
}

#[test]
fn a_sink_never_holds_up_a_run() {
    let mut stage = Stage::started(traced("one"));
    stage.answer("DONE");
    assert_eq!(stage.accept(run("two"))[1], "2 model.called 2.1 iteration 1, 4 messages");
    assert_eq!(stage.deadline(), (0, Deadline::Work));
    assert_eq!(send_ok(&mut stage, 1, "otlp"), ["1 trace.flushed otlp 1, 3 spans"]);
    stage.answer("DONE");
    assert_eq!(stage.deadline(), (START, Deadline::Flush), "of the first run, at the other sink");
}

#[test]
fn a_session_with_something_to_do_is_not_erased_first() {
    let mut stage = Stage::started(traced("Write."));
    stage.fail(FaultKind::Timeout);
    assert_eq!(stage.session.next_deadline(0).unwrap().1, Deadline::Retry);
    stage.wake();
    stage.answer("DONE");
    for sink in ["otlp", "nexus"] {
        send_failed(&mut stage, 1, sink, transient());
        assert_eq!(stage.session.next_deadline(0).unwrap().1, Deadline::Flush);
        stage.now += SINK_RETRY.cap_ms;
        send_ok(&mut stage, 1, sink);
    }
    assert_eq!(stage.session.next_deadline(0), Some((stage.now, Deadline::Retention)));
}

#[test]
fn an_empty_session_is_never_woken_and_an_idle_one_only_to_be_erased() {
    let mut stage = Stage::new();
    assert_eq!(stage.session.next_deadline(RETENTION_MS), None);
    stage.accept(run("Write."));
    assert_eq!(stage.deadline(), (0, Deadline::Work));
    stage.now += 77;
    stage.answer("DONE");
    assert_eq!(stage.deadline(), (START + 77 + RETENTION_MS, Deadline::Retention));
    assert_eq!(stage.session.next_deadline(u64::MAX), Some((u64::MAX, Deadline::Retention)));
}

fn traced(task: &str) -> longhaul_core::NewRun {
    run_with(task, |run| run.settings.sinks = vec!["otlp".to_owned(), "nexus".to_owned()])
}

fn transient() -> SinkFailure {
    SinkFailure::Transient { status: Some(503), retry_after_ms: None }
}

fn send_ok(stage: &mut Stage, run: u32, sink: &str) -> Vec<String> {
    stage.send(Input::Flushed {
        run: RunId(run),
        sink: sink.to_owned(),
        event: None,
        receipt: Receipt::whole(3),
    })
}

fn send_failed(stage: &mut Stage, run: u32, sink: &str, failure: SinkFailure) -> Vec<String> {
    stage.send(Input::FlushFailed { run: RunId(run), sink: sink.to_owned(), event: None, failure })
}

fn expect_parked(stage: &mut Stage) {
    assert_eq!(stage.session.runs()[0].deliveries["otlp"].state, DeliveryState::Parked);
    assert_eq!(stage.session.deliveries_due(TimeMs::MAX), []);
    assert_eq!(stage.deadline().1, Deadline::Retention);
    assert_eq!(send_ok(stage, 1, "otlp"), ["ignored"], "too late");
}

#[test]
fn parts_that_a_sink_has_are_remembered() {
    let mut stage = Stage::started(traced("Write."));
    let sent = |part: &str| Input::PartSent {
        run: RunId(1),
        sink: "nexus".to_owned(),
        part: part.to_owned(),
        remote_id: format!("r-{part}"),
    };
    assert_eq!(stage.send(sent("trace")), ["ignored"], "nothing is owed before the end");
    stage.answer("DONE");
    assert_eq!(stage.send(sent("trace")), ["1 trace.sent nexus trace r-trace"]);
    stage.send(sent("ab12"));
    send_failed(&mut stage, 1, "nexus", transient());
    let delivery = &stage.session.runs()[0].deliveries["nexus"];
    assert_eq!(delivery.sent.len(), 2);
    assert_eq!(delivery.sent["ab12"], "r-ab12");
    stage.now += DAY_MS / 2;
    send_ok(&mut stage, 1, "nexus");
    assert_eq!(stage.send(sent("late")), ["ignored"]);
}

#[test]
fn a_quota_is_waited_for_however_long() {
    let mut stage = Stage::started(traced("Write."));
    stage.answer("DONE");
    let resumes_at = stage.now + 20 * DAY_MS;
    let out = send_failed(&mut stage, 1, "nexus", SinkFailure::Quota { status: 429, resumes_at });
    assert_eq!(out, [format!("1 trace.failed nexus 1, 429, again +{}", 20 * DAY_MS)]);
}

#[test]
fn sampling_spares_the_sinks_a_run_in_which_nothing_went_wrong() {
    let sampled = |ratio| {
        let mut run = traced("Write.");
        run.settings.sinks.push("index".to_owned());
        run.settings.sample_ratio = Some(ratio);
        Stage::started(run)
    };
    let owed = |stage: &Stage| stage.session.runs()[0].deliveries.len();
    let mut spared = sampled(0.0);
    spared.answer("DONE");
    assert_eq!(owed(&spared), 1, "the index has every run");

    let mut kept = sampled(1.0);
    kept.answer("DONE");
    assert_eq!(owed(&kept), 3);

    let mut failed = sampled(0.0);
    failed.fail(FaultKind::Refused);
    assert_eq!(owed(&failed), 3);

    let mut retried = sampled(0.0);
    retried.fail(FaultKind::ServerError);
    retried.wake();
    retried.answer("DONE");
    assert_eq!(owed(&retried), 3);

    let mut resumed = sampled(0.0);
    resumed.restart(longhaul_core::Cause::Crash);
    resumed.answer("DONE");
    assert_eq!(owed(&resumed), 3);
}

fn told(task: &str) -> longhaul_core::NewRun {
    run_with(task, |run| {
        run.settings.sinks = Vec::new();
        run.settings.tools =
            vec![ToolOffer { approval_ms: Some(WEEK_MS), ..ToolOffer::new("pay", Effect::Once) }];
        run.settings.webhook_events = vec!["approval.requested".to_owned(), "run.ended".to_owned()];
    })
}

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

fn noticed(stage: &mut Stage, event: u64, failure: Option<SinkFailure>) -> Vec<String> {
    let (run, sink, event) = (RunId(1), WEBHOOK_SINK.to_owned(), Some(Seq(event)));
    stage.send(match failure {
        None => Input::Flushed { run, sink, event, receipt: Receipt::whole(0) },
        Some(failure) => Input::FlushFailed { run, sink, event, failure },
    })
}

#[test]
fn a_webhook_is_told_that_a_person_is_asked_while_the_run_waits() {
    let mut stage = Stage::started(told("Pay."));
    let call = ToolCall { id: "p".to_owned(), name: "pay".to_owned(), arguments: "{}".to_owned() };
    let message = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
    stage.answer_with(ModelAnswer { message, ..answer("") });
    assert_eq!(stage.session.notices_due(stage.now), [(RunId(1), Seq(4))]);
    assert_eq!(stage.session.next_deadline(1).unwrap(), (stage.now, Deadline::Flush));
    let busy = SinkFailure::Transient { status: Some(503), retry_after_ms: None };
    assert!(noticed(&mut stage, 4, Some(busy))[0].starts_with("1 trace.failed 4 1, 503, again +"));
    assert_eq!(stage.session.notices_due(stage.now), []);
    let (at, reason) = stage.session.next_deadline(1).unwrap();
    assert!(at > stage.now && reason == Deadline::Flush);
    stage.now = at;
    assert_eq!(stage.restart(Cause::Crash), Vec::<String>::new(), "it is told again, and nothing else");
    assert_eq!(stage.session.notices_due(at), [(RunId(1), Seq(4))]);
    assert_eq!(noticed(&mut stage, 4, None), ["1 trace.flushed 4 2"]);
    assert_eq!(noticed(&mut stage, 4, None), ["ignored"], "once");
    assert_eq!(noticed(&mut stage, 2, None), ["ignored"], "nobody is told of that");
    assert_eq!(stage.session.next_deadline(1).unwrap().1, Deadline::Expiry);
    let row = stage.journal.row_count();
    stage.now += 60_000;
    stage.send(Input::Tick);
    assert_eq!(stage.journal.row_count(), row, "it waits without a word");
    let (call, by) = (stage.session.runs()[0].calls()[0].id, "acme/lead".to_owned());
    let decision = Decision::Deny { reason: None };
    stage.send(Input::Decided { call, request: None, decision, digest: None, by });
    stage.answer("So.\nDONE");
    let ended = stage.session.head().0;
    assert_eq!(stage.session.notices_due(stage.now), [(RunId(1), Seq(ended))]);
    noticed(&mut stage, ended, Some(busy));
    let states: Vec<_> = stage.session.runs()[0].notices.iter().map(|it| it.delivery.attempts).collect();
    assert_eq!(states, [2, 1], "each event has attempts of its own");
}

#[test]
fn a_webhook_is_tried_for_a_day_from_the_event_on() {
    let mut stage = Stage::started(told("Write."));
    stage.answer("DONE");
    let ended_at = stage.now;
    assert_eq!(stage.session.notices_due(stage.now), [(RunId(1), Seq(4))]);
    let busy = || Some(SinkFailure::Transient { status: None, retry_after_ms: Some(600_000) });
    let mut attempts = 1;
    while !noticed(&mut stage, 4, busy())[0].ends_with("again never") && attempts < 2_000 {
        attempts += 1;
        stage.now = stage.session.next_deadline(WEEK_MS).unwrap().0;
    }
    let tried_for = stage.now - ended_at;
    assert!(
        (23 * 3_600_000..24 * 3_600_000).contains(&tried_for) && attempts > 100,
        "{tried_for} {attempts}"
    );
    assert_eq!(stage.session.next_deadline(WEEK_MS).unwrap().1, Deadline::Retention);
    let mut stage = Stage::started(told("Write."));
    stage.answer("DONE");
    let gone = Some(SinkFailure::Permanent { status: Some(410) });
    assert_eq!(noticed(&mut stage, 4, gone), ["1 trace.failed 4 1, 410, again never"]);
}

#[test]
fn a_run_that_was_accepted_without_a_webhook_tells_nobody() {
    let mut stage = Stage::started(run_with("Write.", |run| run.settings.webhook_events = Vec::new()));
    stage.answer("DONE");
    assert_eq!(stage.session.notices_due(u64::MAX), []);
    assert_eq!(noticed(&mut stage, 4, None), ["ignored"]);
    let mut stage = Stage::started(run_with("Write.", |run| {
        run.settings.webhook_events = vec!["approval.requested".to_owned()];
    }));
    stage.answer("DONE");
    assert_eq!(stage.session.notices_due(u64::MAX), []);
}

#[test]
fn a_webhook_for_failed_runs_hears_of_those_alone_and_once() {
    let only = |events: &[&str]| {
        let events = events.iter().map(|&name| name.to_owned()).collect();
        run_with("Write.", |run| run.settings.webhook_events = events)
    };
    let mut good = Stage::started(only(&["run.failed"]));
    good.answer("DONE");
    assert_eq!(good.session.notices_due(u64::MAX), []);
    for events in [&["run.failed"][..], &["run.ended", "run.failed"]] {
        let mut bad = Stage::started(only(events));
        bad.fail(FaultKind::Unauthorized);
        let ended = bad.session.head();
        assert_eq!(bad.session.notices_due(u64::MAX), [(RunId(1), ended)], "{events:?}");
    }
}

#[test]
fn a_webhook_for_parked_traces_hears_of_each_sink_that_will_not_get_one() {
    let mut stage = Stage::started(run_with("Write.", |run| {
        run.settings.webhook_events = vec!["trace.parked".to_owned()];
        run.settings.sinks = vec!["otlp".to_owned()];
    }));
    stage.answer("DONE");
    let failed =
        |status| Input::FlushFailed { run: RunId(1), sink: "otlp".to_owned(), event: None, failure: status };
    stage.send(failed(SinkFailure::Transient { status: Some(503), retry_after_ms: None }));
    assert_eq!(stage.session.notices_due(u64::MAX), [], "it is tried again");
    stage.now += 3_600_000;
    stage.send(failed(SinkFailure::Permanent { status: Some(400) }));
    let parked = stage.session.head();
    assert_eq!(stage.session.notices_due(u64::MAX), [(RunId(1), parked)]);
    // That the webhook does not take it is told to nobody.
    let gone = SinkFailure::Permanent { status: Some(410) };
    let (run, sink) = (RunId(1), "webhook".to_owned());
    stage.send(Input::FlushFailed { run, sink, event: Some(parked), failure: gone });
    assert_eq!(stage.session.notices_due(u64::MAX), []);
}

#[test]
fn what_a_webhook_has() {
    let flushed = Entry::TraceFlushed {
        sink: "webhook".to_owned(),
        spans: 0,
        attempt: 1,
        rejected: 0,
        message: None,
        event: Some(Seq(7)),
    };
    pinned(
        flushed,
        r#"{"type":"trace.flushed","sink":"webhook","spans":0,"attempt":1,"event":7}"#,
        &["sink", "spans", "attempt", "event"],
    );
    let failed = Entry::TraceFailed {
        sink: "webhook".to_owned(),
        status: Some(503),
        attempt: 1,
        retry_at: Some(4_000),
        event: Some(Seq(7)),
    };
    pinned(
        failed,
        r#"{"type":"trace.failed","sink":"webhook","status":503,"attempt":1,"retry_at":4000,"event":7}"#,
        &["sink", "status", "attempt", "retry_at", "event"],
    );
}

#[test]
fn trace_flushed_and_failed() {
    let flushed = |spans, attempt, rejected, message: Option<&str>| Entry::TraceFlushed {
        sink: "otlp".to_owned(),
        spans,
        attempt,
        rejected,
        message: message.map(str::to_owned),
        event: None,
    };
    pinned(
        flushed(9, 2, 0, None),
        r#"{"type":"trace.flushed","sink":"otlp","spans":9,"attempt":2}"#,
        &["sink", "spans", "attempt"],
    );
    pinned(
        flushed(7, 1, 2, Some("too old")),
        r#"{"type":"trace.flushed","sink":"otlp","spans":7,"attempt":1,"rejected":2,"message":"too old"}"#,
        &["sink", "spans", "attempt", "rejected", "message"],
    );
    let failed = |status, retry_at| Entry::TraceFailed {
        sink: "otlp".to_owned(),
        status,
        attempt: 1,
        retry_at,
        event: None,
    };
    pinned(
        failed(Some(503), Some(4_000)),
        r#"{"type":"trace.failed","sink":"otlp","status":503,"attempt":1,"retry_at":4000}"#,
        &["sink", "status", "attempt", "retry_at"],
    );
    pinned(
        failed(None, None),
        r#"{"type":"trace.failed","sink":"otlp","status":null,"attempt":1,"retry_at":null}"#,
        &["sink", "status", "attempt", "retry_at"],
    );
}
