use longhaul_core::{Entry, FaultKind, Record, RunId, RunStatus, StopReason};
use longhaul_trace::{Span, SpanStatus, Trace, Value};

use crate::stage::{ORIGIN, START, Stage, eventful, new_run};

/// Start and end in milliseconds since the stage's start.
fn times(span: &Span) -> (u64, Option<u64>) {
    (span.started_at - START, span.ended_at.map(|at| at - START))
}

fn outcome(span: &Span) -> (SpanStatus, Option<&'static str>) {
    (span.status, span.error_type)
}

fn int(span: &Span, key: &str) -> i64 {
    match span.attribute(key) {
        Some(Value::Int(number)) => *number,
        other => panic!("{key} is {other:?}"),
    }
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match span.attribute(key) {
        Some(Value::Text(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

#[test]
fn a_happy_run() {
    let mut stage = Stage::default();
    stage.accept("Write a haiku about tides, and mind the number of syllables in it.");
    stage.clock = 20;
    stage.answer("Working on it.", 200);
    stage.answer("Salt breath.\nDONE", 300);
    let trace = stage.trace(1);

    assert_eq!((trace.status, trace.stop_reason), (RunStatus::Succeeded, Some(StopReason::Done)));
    assert_eq!((trace.session.as_str(), trace.run), ("ses_1", RunId(1)));
    assert_eq!(trace.name, "agent: Write a haiku about tides, and mind the number of syllables ");
    assert_eq!((trace.iterations, trace.attempts, trace.resumed), (2, 2, 0));
    assert_eq!(trace.usage.total_tokens, Some(30));

    let [root, first, second] = trace.spans.as_slice() else { panic!("{:?}", trace.spans) };
    assert_eq!(root.name, "invoke_agent poet");
    assert_eq!((root.parent_span_id, first.parent_span_id), (None, Some(root.span_id)));
    assert_eq!(outcome(root), (SpanStatus::Ok, None));
    assert_eq!(times(root), (0, Some(520)), "back-dated to the acceptance");
    assert_eq!(text(root, "gen_ai.operation.name"), "invoke_agent");
    assert_eq!(text(root, "gen_ai.conversation.id"), "ses_1");
    assert_eq!(text(root, "longhaul.stop_reason"), "done");
    assert_eq!(text(root, "longhaul.metadata.customer"), "42");
    assert_eq!(int(root, "gen_ai.usage.input_tokens"), 20);

    assert_eq!(first.name, "chat tiny");
    assert_eq!((times(first), times(second)), ((20, Some(220)), (220, Some(520))));
    assert_eq!(outcome(first), (SpanStatus::Ok, None));
    assert_eq!(text(first, "gen_ai.provider.name"), "openai");
    assert_eq!(text(first, "gen_ai.request.model"), "tiny");
    assert_eq!(text(first, "gen_ai.response.id"), "resp_1");
    assert_eq!(text(first, "gen_ai.response.model"), "tiny-2026");
    assert_eq!(int(first, "gen_ai.request.max_tokens"), 256);
    assert_eq!(first.attribute("gen_ai.request.temperature"), Some(&Value::Float(0.5)));
    assert_eq!(first.attribute("gen_ai.response.time_to_first_chunk"), Some(&Value::Float(0.1)));
    assert_eq!(
        first.attribute("gen_ai.response.finish_reasons"),
        Some(&Value::Texts(vec!["stop".to_owned()]))
    );
    assert_eq!(first.attribute("longhaul.scripted"), None);
    assert_eq!((int(second, "longhaul.call"), int(second, "longhaul.iteration")), (2, 2));
    assert_eq!(text(second, "longhaul.final"), "done");
}

#[test]
fn every_attempt_of_a_retried_call_is_a_span() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.fail(FaultKind::RateLimited, 10);
    stage.wait(60_000);
    stage.fail(FaultKind::Timeout, 50);
    stage.wait(60_000);
    stage.answer("DONE", 10);
    let trace = stage.trace(1);
    let outcomes: Vec<_> = trace.spans[1..].iter().map(outcome).collect();
    let error = |word| (SpanStatus::Error, Some(word));
    assert_eq!(outcomes, [error("rate_limited"), error("timeout"), (SpanStatus::Ok, None)]);
    let attempts: Vec<_> = trace.spans[1..]
        .iter()
        .map(|span| (int(span, "longhaul.call"), int(span, "longhaul.attempt")))
        .collect();
    assert_eq!(attempts, [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(text(&trace.spans[1], "error.type"), "rate_limited");
    assert_eq!(trace.spans[1].error_message.as_deref(), Some("it said no"));
    assert_eq!(times(&trace.spans[2]), (60_010, Some(60_060)));
    assert_eq!(outcome(&trace.spans[0]), (SpanStatus::Ok, None));
}

#[test]
fn a_run_whose_retries_are_used_up_fails_with_its_reason() {
    let mut stage = Stage::default();
    stage.accept("x");
    for _ in 0..4 {
        stage.fail(FaultKind::Timeout, 10);
        stage.wait(60_000);
    }
    let trace = stage.trace(1);
    assert_eq!(trace.spans.len(), 5);
    assert_eq!(trace.stop_reason, Some(StopReason::ModelUnavailable));
    assert_eq!(outcome(&trace.spans[0]), (SpanStatus::Error, Some("model_unavailable")));
    assert_eq!(text(&trace.spans[0], "longhaul.error_code"), "timeout");
}

#[test]
fn a_call_that_was_cut_off_twice_is_there_three_times() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.crash(40);
    stage.crash(50);
    stage.answer("DONE", 10);
    let trace = stage.trace(1);
    let calls: Vec<_> = trace.spans[1..].iter().map(|span| (outcome(span), times(span))).collect();
    let interrupted = (SpanStatus::Error, Some("interrupted"));
    assert_eq!(
        calls,
        [
            (interrupted, (0, Some(40))),
            (interrupted, (40, Some(90))),
            ((SpanStatus::Ok, None), (90, Some(100)))
        ]
    );
    let root = &trace.spans[0];
    assert_eq!((trace.resumed, int(root, "longhaul.resumed")), (2, 2));
    let events: Vec<_> = root.events.iter().map(|event| (event.name, event.at - START)).collect();
    assert_eq!(events, [("run.resumed", 40), ("run.resumed", 90)]);
    assert_eq!(root.events[0].attributes[0].value, Value::from("crash"));
    assert_eq!(root.events[0].attributes[1].value, Value::Int(1));
}

#[test]
fn a_deadline_that_passed_during_a_crash_leaves_an_interrupted_call() {
    let mut stage = Stage::default();
    let mut run = new_run("x");
    run.settings.budget.deadline_ms = Some(1_000);
    stage.accept_run(run);
    stage.crash(5_000);
    let trace = stage.trace(1);
    assert_eq!(outcome(&trace.spans[0]), (SpanStatus::Error, Some("deadline")));
    assert_eq!(outcome(&trace.spans[1]), (SpanStatus::Error, Some("interrupted")));
    assert_eq!(trace.spans.len(), 2);
}

#[test]
fn a_cancelled_call_is_no_error() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.clock += 70;
    stage.cancel();
    let trace = stage.trace(1);
    assert_eq!(trace.status, RunStatus::Cancelled);
    for span in &trace.spans {
        assert_eq!(outcome(span), (SpanStatus::Unset, None));
        assert_eq!(times(span), (0, Some(70)));
    }
    assert_eq!(trace.spans[1].attribute("longhaul.cancelled"), Some(&Value::Bool(true)));
    assert_eq!(text(&trace.spans[0], "longhaul.stop_reason"), "cancelled");
}

#[test]
fn a_running_trace_is_open() {
    let mut stage = Stage::default();
    stage.accept("x");
    stage.answer("more", 10);
    let trace = stage.trace(1);
    assert_eq!((trace.status, trace.stop_reason, trace.ended_at), (RunStatus::Running, None, None));
    let ends: Vec<_> = trace.spans.iter().map(|span| times(span).1).collect();
    assert_eq!(ends, [None, Some(10), None]);
    assert_eq!(trace.finished_spans().count(), 1);
}

#[test]
fn a_queued_run_has_a_root_only() {
    let mut stage = Stage::default();
    stage.accept("first");
    stage.accept("second");
    let queued = stage.trace(2);
    assert_eq!((queued.status, queued.spans.len()), (RunStatus::Queued, 1));
    stage.cancel();
    let cancelled = stage.trace(2);
    assert_eq!((cancelled.status, cancelled.spans.len()), (RunStatus::Cancelled, 1));
    assert_eq!(cancelled.spans[0].ended_at, Some(START));
    assert_eq!(cancelled.trace_id, queued.trace_id);
    assert_ne!(cancelled.trace_id, stage.trace(1).trace_id);
}

#[test]
fn an_unknown_run_has_no_trace() {
    let stage = eventful();
    assert_eq!(Trace::of_run(ORIGIN, RunId(9), stage.records()), None);
    assert_eq!(Trace::of_run(ORIGIN, RunId(1), Vec::<Record>::new()), None);
}

#[test]
fn a_second_acceptance_of_a_run_is_left_out() {
    let stage = eventful();
    let records = stage.records();
    let twice: Vec<&Record> = [&records[0]].into_iter().chain(records.iter()).collect();
    assert_eq!(Trace::of_run(ORIGIN, RunId(1), twice).unwrap().spans, stage.trace(1).spans);
}

#[test]
fn a_scripted_model_is_labelled() {
    let mut stage = Stage::default();
    let mut run = new_run("x");
    run.model = "scripted:haiku".to_owned();
    stage.accept_run(run);
    stage.answer("DONE", 10);
    for span in &stage.trace(1).spans {
        assert_eq!(span.attribute("longhaul.scripted"), Some(&Value::Bool(true)));
        assert_eq!(text(span, "gen_ai.provider.name"), "scripted");
    }
}

#[test]
fn entries_after_the_end_change_nothing() {
    let mut stage = eventful();
    let trace = stage.trace(1);
    stage.accept("the next task");
    stage.answer("DONE", 10);
    let mut records = stage.records();
    records.push(Record {
        entry: Entry::TraceFlushed {
            event: None,
            sink: "otlp".to_owned(),
            spans: 5,
            attempt: 1,
            rejected: 0,
            message: None,
        },
        ..records[0].clone()
    });
    assert_eq!(Trace::of_run(ORIGIN, RunId(1), &records).unwrap(), trace);
}

#[test]
fn a_clock_that_goes_back_makes_no_negative_span() {
    let mut records = eventful().records();
    for record in &mut records {
        match &mut record.entry {
            Entry::ModelAnswered { timing, .. } => timing.ended_at = timing.started_at - 10,
            Entry::RunEnded { .. } => record.at = START - 10,
            _ => {}
        }
    }
    let trace = Trace::of_run(ORIGIN, RunId(1), &records).unwrap();
    assert!(trace.spans.iter().all(|span| span.ended_at.unwrap() >= span.started_at));
}
