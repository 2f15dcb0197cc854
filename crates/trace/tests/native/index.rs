use longhaul_core::{FaultKind, RunId};
use longhaul_trace::{
    Capture, Trace,
    index::{Param, announce, forget, record},
};
use serde_json::{Value, json};

use crate::{
    index_database::{Database, answered, refused, run_at},
    stage::{OBJECT, ORIGIN, START, Stage, eventful, new_run},
};

const DAY_MS: u64 = 86_400_000;

fn open() -> Trace {
    run_at(OBJECT, 0, new_run("Write a haiku about tides."), |_| {})
}

#[test]
fn a_run_is_written_three_times_and_a_repeat_changes_nothing() {
    let database = Database::new();
    let announced = announce("acme", &open(), Capture::Preview);
    assert_eq!(database.run(&announced), 1);
    assert_eq!(database.run(&announced), 0);
    let ended = record("acme", &eventful().trace(1), Capture::Preview);
    assert_eq!(database.run(&ended), 2);
    let written = (database.table("traces"), database.table("model_days"));
    for statements in [&ended, &announced, &ended] {
        assert_eq!(database.run(statements), 0);
    }
    assert_eq!((database.table("traces"), database.table("model_days")), written);
    let late = Database::new();
    late.run(&ended);
    assert_eq!((late.table("traces"), late.table("model_days")), written, "without the announcement too");
}

#[test]
fn the_row_of_an_eventful_run() {
    let database = Database::new();
    database.run(&record("acme", &eventful().trace(1), Capture::Preview));
    let mut row = database.table("traces").remove(0);
    let trace_id = row["trace_id"].take();
    assert_eq!(trace_id.as_str().unwrap().len(), 32);
    assert_eq!(
        row,
        json!({
            "tenant": "acme", "accepted_at": START, "trace_id": null, "session": "ses_1", "run": 1,
            "status": "succeeded", "stop_reason": "done", "error_type": null, "agent": "poet",
            "model": "openai:tiny", "iterations": 2, "attempts": 4, "resumed": 1, "input_tokens": 20,
            "output_tokens": 10, "total_tokens": 30, "cost_usd": 0.5, "started_at": START,
            "ended_at": START + 30_640, "metadata": "{\n\"customer\":\"42\"\n}",
            "task": "Write a haiku about tides.", "result": "The moon lets go of the sea.",
            "waiting_ms": 0, "failed_models": "", "tools": "[]",
            "models": r#"[["openai:tiny",2,20,10,30,0.5,{"interrupted":1,"server_error":1},[62,66],[54,58]]]"#,
        })
    );
    let days = database.table("model_days");
    assert_eq!((&days[0]["day"], &days[0]["model"]), (&json!(START - START % DAY_MS), &json!("openai:tiny")));
    let counters: Value = serde_json::from_str(days[0]["counters"].as_str().unwrap()).unwrap();
    assert_eq!(
        counters,
        json!({
            "answered": 2, "error.interrupted": 1, "error.server_error": 1, "input_tokens": 20,
            "output_tokens": 10, "total_tokens": 30, "cost_usd": 0.5, "l62": 1, "l66": 1, "f54": 1, "f58": 1,
        })
    );
    let hours: Value = serde_json::from_str(days[0]["hours"].as_str().unwrap()).unwrap();
    assert_eq!(hours, json!({"h8": counters}));
}

#[test]
fn an_open_run_is_queued_or_running_and_its_row_never_goes_back() {
    let database = Database::new();
    let mut stage = Stage::default();
    stage.accept("first");
    stage.accept("second");
    let queued = announce("acme", &stage.trace(2), Capture::Preview);
    database.run(&queued);
    let status = |run: u64| {
        let rows = database.traces("acme", &[]);
        let row = rows.into_iter().find(|row| row.run == run).unwrap();
        (row.status, row.started_at.is_some(), row.ended_at)
    };
    assert_eq!(status(2), ("queued".to_owned(), false, None));
    stage.answer("DONE", 10);
    assert_eq!(database.run(&announce("acme", &stage.trace(2), Capture::Preview)), 1);
    assert_eq!(database.run(&queued), 0, "news that come late");
    assert_eq!(status(2), ("running".to_owned(), true, None));
    stage.fail(FaultKind::Timeout, 10);
    assert_eq!(stage.trace(2).status, longhaul_core::RunStatus::Waiting);
    database.run(&announce("acme", &stage.trace(2), Capture::Preview));
    assert_eq!(status(2).0, "running");
    assert_eq!(announce("acme", &stage.trace(1), Capture::Preview), []);
    assert_eq!(
        record("acme", &stage.trace(2), Capture::Off),
        announce("acme", &stage.trace(2), Capture::Off)
    );
}

#[test]
fn a_run_that_was_cancelled_in_its_queue_has_a_row_and_no_calls() {
    let database = Database::new();
    let mut stage = Stage::default();
    stage.accept("first");
    stage.accept("second");
    stage.cancel();
    for run in [1, 2] {
        database.run(&record("acme", &stage.trace(run), Capture::Preview));
    }
    assert_eq!(database.traces("acme", &[("status", "cancelled")]).len(), 2);
    assert_eq!(database.table("model_days"), [] as [Value; 0], "a cancelled call is not the model's doing");
}

#[test]
fn the_error_of_a_failed_run_is_its_last_calls_or_the_rule_that_ended_it() {
    let error = |trace: &Trace| {
        let database = Database::new();
        database.record("acme", trace);
        database.traces("acme", &[]).remove(0).error_type
    };
    assert_eq!(error(&refused(OBJECT, 0)).as_deref(), Some("refused"));
    let mut run = new_run("x");
    run.settings.budget.deadline_ms = Some(1_000);
    let late = run_at(OBJECT, 0, run, |stage| stage.fail(FaultKind::Timeout, 5_000));
    assert_eq!(error(&late).as_deref(), Some("deadline"));
    assert_eq!(error(&eventful().trace(1)), None);
}

#[test]
fn what_is_unknown_stays_unknown() {
    let database = Database::new();
    database.record("acme", &refused(OBJECT, 0));
    let row = database.traces("acme", &[]).remove(0);
    assert_eq!(row.usage, longhaul_core::Usage::default());
    assert_eq!(database.table("model_days")[0]["counters"], "{\"error.refused\":1}");
    let stats = database.stats("acme", &[], START);
    let unknown =
        json!({"input_tokens": null, "output_tokens": null, "total_tokens": null, "cost_usd": null});
    assert_eq!(stats["models"][0]["usage"], unknown);
}

#[test]
fn content_is_what_capture_lets_out() {
    let task = "ö".repeat(5_000);
    let kept = |capture| {
        let database = Database::new();
        let trace = run_at(OBJECT, 0, new_run(&task), |stage| stage.answer(&format!("{task}\nDONE"), 10));
        database.run(&record("acme", &trace, capture));
        let row = database.traces("acme", &[]).remove(0);
        assert_eq!(row.task, row.result);
        row.task
    };
    assert_eq!(kept(Capture::Full), Some(format!("{}…[8976 more bytes]", "ö".repeat(512))));
    assert_eq!(kept(Capture::Preview), Some(format!("{}…[9600 more bytes]", "ö".repeat(200))));
    assert_eq!(kept(Capture::Off), None);
}

#[test]
fn a_comparison_is_one_row_and_counts_for_each_of_its_models() {
    let database = Database::new();
    let mut run = new_run("x");
    run.models = ["openai:a", "openai:b", "openai:c"].map(str::to_owned).to_vec();
    run.model = run.models.join(",");
    let trace = run_at(OBJECT, 0, run, |stage| {
        stage.answer("one", 100);
        stage.fail(FaultKind::Refused, 10);
        stage.answer("three", 100);
    });
    assert_eq!(trace.status, longhaul_core::RunStatus::Succeeded);
    let statements = record("acme", &trace, Capture::Full);
    assert_eq!(database.run(&statements), 4);
    assert_eq!(database.run(&statements), 0);
    for model in ["openai:a", "openai:b", "openai:c", "openai:a,openai:b,openai:c"] {
        assert_eq!(database.traces("acme", &[("model", model)]).len(), 1, "{model}");
    }
    for model in ["openai", "a", "openai:", "openai:d", "b,"] {
        assert_eq!(database.traces("acme", &[("model", model)]), [], "{model}");
    }
    let models = database.table("model_days");
    assert_eq!(models.len(), 3);
    assert!(models[1]["counters"].as_str().unwrap().contains("\"error.refused\":1"));
}

#[test]
fn an_erased_session_leaves_the_hours_and_nothing_else() {
    let database = Database::new();
    let trace = |n: u64| answered(&format!("acme/ses_{n}"), n, new_run("x"));
    let runs: Vec<_> = (0..1_200).map(trace).collect();
    runs.iter().for_each(|trace| database.record("acme", trace));
    let days = database.table("model_days");
    let keys: Vec<_> = runs[1..].iter().map(|trace| (trace.started_at, trace.trace_id)).collect();
    let statements = forget("acme", &keys);
    assert_eq!(statements.len(), 6);
    assert_eq!(database.run(&forget("other", &keys)), 0);
    assert_eq!(database.run(&statements), 1_199);
    assert_eq!(database.run(&statements), 0);
    assert_eq!(database.traces("acme", &[])[0].session, "ses_0");
    assert_eq!(database.table("model_days"), days);
    assert_eq!(forget("acme", &[]), []);
}

#[test]
fn no_number_is_too_large_to_be_written() {
    let mut trace = answered(OBJECT, 0, new_run("x"));
    let usage = trace.spans.iter_mut().filter_map(|span| span.usage.as_mut());
    usage.for_each(|usage| {
        (usage.total_tokens, usage.cost_usd) = (Some(u64::MAX), Some(f64::INFINITY));
    });
    (trace.usage.total_tokens, trace.usage.cost_usd) = (Some(u64::MAX), Some(f64::NAN));
    let database = Database::new();
    for run in 1..=20 {
        trace.trace_id = longhaul_trace::trace_id(ORIGIN, RunId(run));
        let statements = record("acme", &trace, Capture::Full);
        assert!(statements.iter().flat_map(|s| &s.params).all(|param| match param {
            Param::Int(number) => number.unsigned_abs() <= 1 << 53,
            Param::Float(number) => number.is_finite(),
            _ => true,
        }));
        database.run(&statements);
    }
    let stats = database.stats("acme", &[], START);
    assert_eq!(stats["models"][0]["usage"]["total_tokens"], json!(20_u64 << 40));
}
