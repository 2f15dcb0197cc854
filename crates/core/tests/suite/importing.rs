//! A journal goes out as a text and comes in as one.

use std::collections::BTreeMap;

use longhaul_core::{
    CallId, Deadline, DeliveryState, Exporter, INDEX_SINK, Importer, Input, Life, Moment, Piece, Receipt,
    RunId, RunStatus, Seq, Session, StopReason, ToolOutcome, Unfit, WholeResult, decode_row,
};
use serde_json::{Value, json};

use crate::{
    acting::{asked, returned},
    kit::{RETENTION_MS, START, Stage, run, run_with},
};

type Rows = Vec<(Seq, String)>;
type Results = BTreeMap<CallId, String>;

/// When everything is imported here.
pub(crate) fn moment() -> Moment {
    Moment { now: START + 900_000, seed: 99 }
}

/// The text of rows, as an export has it.
pub(crate) fn text_of(rows: &Rows, results: &Results) -> String {
    let records: Vec<_> = rows.iter().flat_map(|(seq, text)| decode_row(*seq, text).unwrap()).collect();
    let mut exporter = Exporter::new("s1", &Session::replay(&records).unwrap());
    let mut text = String::new();
    let mut left = results.clone();
    for (seq, row) in rows {
        exporter.row(*seq, row);
        for record in decode_row(*seq, row).unwrap() {
            if let longhaul_core::Entry::ToolAnswered { call, .. } = record.entry
                && let Some(json) = left.remove(&call)
            {
                exporter.result(call, &json);
            }
        }
        text.push_str(&exporter.take_text());
    }
    text + &exporter.end()
}

/// What is stored of a text.
pub(crate) fn imported(text: &str, moment: Moment) -> Result<(Rows, Results), Unfit> {
    let mut importer = Importer::new(moment);
    let mut pieces = Vec::new();
    for line in text.lines() {
        pieces.extend(importer.take(line)?);
    }
    pieces.extend(importer.finish()?);
    let (mut rows, mut results) = (Rows::new(), Results::new());
    for piece in pieces {
        match piece {
            Piece::Row { seq, text } => rows.push((seq, text)),
            Piece::Result(WholeResult { call, json }) => drop(results.insert(call, json)),
        }
    }
    rows.sort_by_key(|(seq, _)| *seq);
    Ok((rows, results))
}

fn session_of(rows: &Rows) -> Session {
    let records: Vec<_> = rows.iter().flat_map(|(seq, text)| decode_row(*seq, text).unwrap()).collect();
    Session::replay(&records).unwrap()
}

/// A session with a run that has ended, and what two sinks said of it.
fn told() -> Stage {
    let sinks = || vec![INDEX_SINK.to_owned(), "otlp".to_owned()];
    let events = || vec!["run.ended".to_owned()];
    let mut stage = Stage::started(run_with("Write.", |run| {
        (run.settings.sinks, run.settings.webhook_events) = (sinks(), events());
        run.settings.tenant_day = std::num::NonZeroU32::new(20_000);
    }));
    stage.answer("a\nDONE");
    flushed(&mut stage, INDEX_SINK);
    stage
}

fn flushed(stage: &mut Stage, sink: &str) {
    let (run, sink, event) = (RunId(1), sink.to_owned(), None);
    stage.send(Input::Flushed { run, sink, event, receipt: Receipt::whole(3) });
}

fn exported(stage: &Stage) -> String {
    text_of(&stage.journal.stored(), &BTreeMap::new())
}

#[test]
fn an_import_is_the_same_in_another_life() {
    let stage = told();
    let text = exported(&stage);
    let (rows, _) = imported(&text, moment()).unwrap();
    assert_eq!(rows[1..], stage.journal.stored()[1..]);
    let first: Value = serde_json::from_str(&rows[0].1).unwrap();
    assert_eq!(first[0]["settings"]["imported"], json!({"seq": 5, "at": START + 900_000}));
    let (session, before) = (session_of(&rows), &stage.session);
    assert_eq!((session.life(), session.head()), (Some(Life(99)), before.head()));
    assert_ne!(session.life(), before.life());
    assert_eq!(session.conversation(), before.conversation());
    assert_eq!(session.run(RunId(1)).unwrap().phase, before.run(RunId(1)).unwrap().phase);
    // Once more: the life and the time of the import are other ones, and nothing else.
    let again = imported(&text_of(&rows, &BTreeMap::new()), Moment { now: START, seed: 5 }).unwrap().0;
    assert_eq!(again[1..], rows[1..]);
}

#[test]
fn no_sink_is_told_again_but_the_index_which_lists_the_run() {
    let stage = told();
    assert_eq!(stage.session.deliveries_due(stage.now), [(RunId(1), "otlp"), (RunId(1), "tenant")]);
    assert_eq!(stage.session.notices_due(stage.now).len(), 1);
    assert_eq!(stage.session.run(RunId(1)).unwrap().tenant_day(), Some(20_000));
    let session = session_of(&imported(&exported(&stage), moment()).unwrap().0);
    assert_eq!(session.deliveries_due(START), [(RunId(1), INDEX_SINK)]);
    assert_eq!(session.notices_due(u64::MAX), []);
    let run = session.run(RunId(1)).unwrap();
    assert_eq!((run.is_imported, run.tenant_day()), (true, None), "it was paid for elsewhere");
    assert_eq!(run.deliveries["otlp"].state, DeliveryState::Parked);
    assert_eq!(session.unsettled(), None);
    let mut here = Stage { session, ..Stage::new() };
    here.now = moment().now;
    let (run, sink) = (RunId(1), INDEX_SINK.to_owned());
    let step = here
        .session
        .decide(Input::Flushed { run, sink, event: None, receipt: Receipt::whole(3) }, here.moment());
    drop(here.session.commit(step.unwrap(), &here.journal).unwrap());
    assert_eq!(here.session.deliveries_due(u64::MAX), [], "it is listed once");
}

#[test]
fn an_import_is_as_young_as_the_day_on_which_it_came() {
    let mut stage = told();
    flushed(&mut stage, "otlp");
    let session = session_of(
        &imported(&exported(&stage), Moment { now: START + 2 * RETENTION_MS, seed: 1 }).unwrap().0,
    );
    let mut here = Stage { session, ..Stage::new() };
    here.now = START + 2 * RETENTION_MS;
    assert_eq!(here.deadline().1, Deadline::Flush);
    let (run, sink) = (RunId(1), INDEX_SINK.to_owned());
    let step = here.session.decide(
        Input::Flushed { run, sink, event: None, receipt: Receipt::whole(3) },
        Moment { now: START, seed: 0 },
    );
    drop(here.session.commit(step.unwrap(), &here.journal).unwrap());
    assert_eq!(here.deadline(), (START + 3 * RETENTION_MS, Deadline::Retention));
}

#[test]
fn a_run_that_was_open_is_cancelled_and_its_end_is_told() {
    let mut stage = told();
    stage.accept(run_with("Go on.", |run| run.settings.sinks = vec!["otlp".to_owned()]));
    stage.accept(run("And on."));
    let (rows, _) = imported(&exported(&stage), moment()).unwrap();
    assert_eq!(rows.len(), stage.journal.row_count() + 1, "one row more");
    let session = session_of(&rows);
    for id in [2, 3] {
        let run = session.run(RunId(id)).unwrap();
        let longhaul_core::Phase::Ended(ending) = &run.phase else { panic!("{run:?}") };
        assert_eq!((ending.status, ending.stop_reason), (RunStatus::Cancelled, StopReason::Cancelled));
        assert!(run.is_imported);
    }
    assert!(rows.last().unwrap().1.contains(r#""by":"system:import""#));
    assert_eq!(session.outstanding(), []);
    let due = session.deliveries_due(moment().now);
    assert_eq!(due, [(RunId(1), INDEX_SINK), (RunId(2), "otlp")]);
}

#[test]
fn a_run_that_comes_after_it_is_of_here() {
    let session = session_of(&imported(&exported(&told()), moment()).unwrap().0);
    let next = run_with("Next.", |run| run.settings.tenant_day = std::num::NonZeroU32::new(20_001));
    let mut here = Stage { session, ..Stage::new() };
    let step = here.session.decide(Input::Accept(next), moment()).unwrap();
    drop(here.session.commit(step, &here.journal).unwrap());
    let run = here.session.run(RunId(2)).unwrap();
    assert_eq!((run.is_imported, run.tenant_day()), (false, Some(20_001)));
    assert_eq!(here.session.life(), Some(Life(99)));
}

#[test]
fn a_large_result_is_part_of_it() {
    let mut stage = asked(&["look", "look"]);
    for call in [2, 3] {
        let text = format!("{call}{}", "x".repeat(40 * 1024));
        returned(&mut stage, call, ToolOutcome::Done(json!(text)));
    }
    let results: Results =
        [2, 3].map(|call| (CallId(call), format!("\"{call}{}\"", "x".repeat(40 * 1024)))).into();
    let text = text_of(&stage.journal.stored(), &results);
    assert_eq!(imported(&text, moment()).unwrap().1, results);
    let line_of = |needle: &str| text.lines().position(|line| line.starts_with(needle)).unwrap();
    let (result, row) = (line_of(r#"{"call":2"#), line_of(r#"{"row":7"#));
    let missing = without(&text, result);
    assert_eq!(unfit(&missing), (result as u64 + 1, "the result of call 2 must come here".to_owned()));
    let other = text.replace("\"2xx", "\"2yy");
    assert_eq!(unfit(&other).1, "the row before it has no such result of call 2");
    assert_eq!(row, result + 1, "each comes after its row, before the next one");
}

fn without(text: &str, line: usize) -> String {
    let kept = text.lines().enumerate().filter(|(place, _)| *place != line);
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

fn unfit(text: &str) -> (u64, String) {
    let unfit = imported(text, moment()).expect_err("it is at fault");
    (unfit.line, unfit.why)
}

#[test]
fn what_is_not_whole_or_was_changed_is_refused_with_its_line() {
    let text = exported(&told());
    let lines = text.lines().count() as u64;
    let changed =
        "the SHA-256 at the end is not that of the lines before it: the file was changed, or is not whole";
    let changed = changed.to_owned();
    let whole = "the end is missing: the text is not whole".to_owned();
    assert_eq!(unfit(""), (1, whole.clone()));
    assert_eq!(unfit("{}\n"), (1, "it is not the head of an export".to_owned()));
    assert_eq!(unfit(&text.replace("{\"longhaul\":1,", "{\"longhaul\":2,")).0, 1, "another version");
    assert_eq!(unfit(&without(&text, text.lines().count() - 1)), (lines, whole));
    assert_eq!(unfit(&text.replace("Write.", "Wrote.")), (lines, changed.clone()), "one letter");
    assert_eq!(unfit(&text.replace("\"session\":\"s1\"", "\"session\":\"s2\"")), (lines, changed));
    assert_eq!(unfit(&without(&text, 2)), (3, "the journal goes from 2 to 5".to_owned()));
    let strange = "it is neither a row nor the end: the file was changed, or is not whole".to_owned();
    assert_eq!(unfit(&text.replacen('\n', "\nstrange\n", 1)), (2, strange));
    assert_eq!(unfit(&(text.clone() + "{}\n")), (lines + 1, "nothing comes after the end".to_owned()));
    let broken = unfit(&text.replacen("\"type\":\"run.ended\"", "\"type\":\"run.bored\"", 1));
    assert!(broken.0 == 3 && broken.1.contains("run.bored"), "{broken:?}");
    let strange =
        unfit(&text.replace("{\"row\":3,\"entries\":[{\"run\":1", "{\"row\":3,\"entries\":[{\"run\":7"));
    assert_eq!(strange, (3, "entry 3 belongs to run 7, which was not accepted".to_owned()));
    let empty = unfit(&text.replacen(
        "{\"row\":1,\"entries\":[",
        "{\"row\":1,\"entries\":[]}\n{\"row\":1,\"entries\":[",
        1,
    ));
    assert_eq!(empty, (2, "a row has an entry at least".to_owned()));
}
