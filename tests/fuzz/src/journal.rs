//! What a session's storage may hold: whatever an older or a newer version wrote, and what a disk made of it.

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};

use arbitrary::{Arbitrary, Result, Unstructured};
use longhaul_core::{
    CallId, Cause, Input, Journal, Moment, Record, RunId, Seq, Session, Step, TimeMs, WholeResult,
    decode_row, encode_row,
};
use longhaul_models::{Format, ModelName, RequestForm};
use longhaul_trace::{
    Capture, Origin, REQUEST_BYTES_MAX, Resource, Trace, encode_json, encode_protobuf, index,
    redact::{Redaction, records as redact_records},
};
use serde_json::{Value, json};

const OBJECT: &str = "tenant/session";
const RETENTION_MS: u64 = 30 * 24 * 3_600_000;
/// A time that no entry of a running deployment is far from.
const NOW: TimeMs = 1_800_000_000_000;
/// Entries of a made-up journal.
const ENTRIES_MAX: usize = 40;

/// The text of a row: an error, or entries that are written again as they were read.
pub(crate) fn row(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    let Ok(records) = decode_row(Seq(1), text) else { return };
    let again = encode_row(&records);
    assert_eq!(decode_row(Seq(1), &again).expect("what was written is read"), records);
    examine(&records);
}

/// Entries that this version could write, in an order that it would not: all are read, and whatever they tell of can be
/// shown, traced and gone on with.
pub(crate) fn session(bytes: &[u8]) {
    let mut source = Unstructured::new(bytes);
    let mut entries = Vec::new();
    while !source.is_empty() && entries.len() < ENTRIES_MAX {
        entries.push(entry(&mut source).expect("a source that is used up gives zeros"));
    }
    let row = Value::from(entries).to_string();
    let records = decode_row(Seq(1), &row).unwrap_or_else(|error| unreachable!("{error}: {row}"));
    assert_eq!(decode_row(Seq(1), &encode_row(&records)).expect("what was written is read"), records);
    examine(&records);
    // Without what no session can tell of, there is more of a story.
    let mut session = Session::default();
    let mut told: Vec<Record> = Vec::new();
    for record in records {
        let record = Record { seq: session.head().next(), ..record };
        if session.replay_one(&record).is_ok() {
            told.push(record);
        }
    }
    examine(&told);
    go_on(session, told);
}

/// Replays as far as it goes, and looks at the session from every side.
fn examine(records: &[Record]) {
    let mut session = Session::default();
    let replayed = records.iter().take_while(|record| session.replay_one(record).is_ok()).count();
    for record in &records[..replayed] {
        let event = record.public_event().to_string();
        let event: Value = serde_json::from_str(&event).expect("an event is JSON");
        assert_eq!((&event["seq"], &event["type"]), (&record.seq.0.into(), &record.entry.type_name().into()));
    }
    look_at(&session);
    let mut redacted = records.to_vec();
    let redaction = Redaction::parse("secrets,emails").expect("these words are known");
    redact_records(&mut redacted, &|text| Some(redaction.text(text).into_owned()));
    for run in [1, 2, 3] {
        export(RunId(run), records, &[Capture::Full, Capture::Off]);
        export(RunId(run), &redacted, &[Capture::Preview]);
    }
}

fn look_at(session: &Session) {
    longhaul::fuzzing::page(session).expect("a page is JSON");
    assert_eq!(session.conversation().len(), session.messages().len());
    session.deliveries_due(NOW);
    session.next_deadline(RETENTION_MS);
    session.next_deadline_after(NOW);
    for call in session.outstanding() {
        let request = session.model_request(call).expect("a call that has no outcome has a request");
        let name = ModelName::parse("openai:tiny").expect("this is a name");
        for format in [Format::Chat, Format::Responses, Format::Messages, Format::WorkersAi] {
            let form = RequestForm::usual(format, name.wire_name());
            let body = format.body(name.wire_name(), &request, form);
            serde_json::from_str::<Value>(&body).expect("a request is JSON");
        }
    }
}

fn export(run: RunId, records: &[Record], captures: &[Capture]) {
    let Some(trace) = Trace::of_run(Origin { object: OBJECT, life: None }, run, records) else { return };
    serde_json::to_string(&trace.view()).expect("a page is JSON");
    for &capture in captures {
        let json = encode_json(&trace, &Resource::default(), capture);
        serde_json::from_slice::<Value>(&json).expect("OTLP's JSON is JSON");
        let protobuf = encode_protobuf(&trace, &Resource::default(), capture);
        assert!(json.len().max(protobuf.len()) <= REQUEST_BYTES_MAX);
        for statement in [index::announce("t", &trace, capture), index::record("t", &trace, capture)].concat()
        {
            assert!(statement.params.len() <= 100, "D1 binds no more");
        }
    }
}

/// A session goes on from wherever its journal left it, and its journal tells the same of it.
fn go_on(mut session: Session, told: Vec<Record>) {
    let journal = Stored(RefCell::new(told));
    let moment = Moment { now: NOW, seed: 7 };
    let events = [Input::Resume(Cause::Crash), Input::Tick, Input::Cancel { by: "tenant".to_owned() }];
    for event in events {
        let step: Option<Step> = session.decide(event, moment).ok();
        if let Some(step) = step {
            drop(session.commit(step, &journal).expect("nothing came between"));
        }
        let replayed = Session::replay(&*journal.0.borrow()).expect("its own entries");
        assert_eq!(replayed, session);
    }
    look_at(&session);
}

#[derive(Default)]
pub(crate) struct Stored(pub(crate) RefCell<Vec<Record>>);

impl Journal for Stored {
    type Error = Infallible;

    fn append(&self, records: &[Record], _: &[WholeResult]) -> std::result::Result<(), Infallible> {
        // What is stored is text.
        let seq = records.first().map_or(Seq(1), |record| record.seq);
        self.0.borrow_mut().extend(decode_row(seq, &encode_row(records)).expect("entries"));
        Ok(())
    }

    fn result(&self, _: CallId) -> std::result::Result<Option<String>, Infallible> {
        Ok(None)
    }

    fn read(&self, after: Seq, limit: usize) -> std::result::Result<Vec<Record>, Infallible> {
        let records = self.0.borrow();
        Ok(records.iter().filter(|record| record.seq > after).take(limit).cloned().collect())
    }
}

fn entry(source: &mut Unstructured<'_>) -> Result<Value> {
    let mut entry = match source.int_in_range(0..=13)? {
        0 => accepted(source)?,
        1 | 2 => {
            let iteration = small(source)?;
            let model = one_of(source, &MODELS)?;
            json!({ "type": "model.called", "iteration": iteration, "model": model, "message_count": small(source)? })
        }
        3 | 4 => answered(source)?,
        5 => {
            json!({
                "type": "model.failed", "error_type": one_of(source, &FAULTS)?, "message": text(source)?,
                "retry_at": time_or_null(source)?, "timing": timing(source)?, "observed": observed(source)?,
            })
        }
        6 => json!({
            "type": "run.resumed", "cause": one_of(source, &["crash", "eviction", "panic"])?,
            "outstanding": [small(source)?],
        }),
        7 => json!({ "type": "cancel.requested", "by": text(source)? }),
        8 | 9 => ended(source)?,
        10 => {
            json!({ "type": "trace.sent", "sink": sink(source)?, "part": text(source)?, "remote_id": text(source)? })
        }
        11 => json!({ "type": "trace.flushed", "sink": sink(source)?, "spans": small(source)? }),
        12 => json!({
            "type": "trace.failed", "sink": sink(source)?, "status": u16::arbitrary(source)?,
            "retry_at": time_or_null(source)?,
        }),
        _ => tool(source)?,
    };
    entry["run"] = source.int_in_range(1..=3)?.into();
    entry["at"] = time(source)?.into();
    entry["call"] = small(source)?.into();
    entry["attempt"] = small(source)?.into();
    Ok(entry)
}

const MODELS: [&str; 3] = ["scripted:haiku", "openai:tiny", "@cf/meta/llama"];
const FAULTS: [&str; 16] = [
    "connection",
    "truncated",
    "timeout",
    "rate_limited",
    "server_error",
    "empty_response",
    "refused",
    "unauthorized",
    "unknown_model",
    "bad_request",
    "content_refused",
    "malformed",
    "too_large",
    "not_configured",
    "interrupted",
    "aborted",
];
const STOP_REASONS: [&str; 13] = [
    "done",
    "finish_tool",
    "max_iterations",
    "budget_tokens",
    "budget_cost",
    "budget_tool_calls",
    "deadline",
    "cancelled",
    "empty_response",
    "model_refused",
    "model_unavailable",
    "tool_failed",
    "denied",
];

fn accepted(source: &mut Unstructured<'_>) -> Result<Value> {
    let models = if source.ratio(1, 3)? { json!(MODELS) } else { json!([]) };
    let mut settings = json!({
        "sentinel": "DONE", "model_timeout_ms": small(source)?, "sinks": ["index", "otlp", "nexus"],
        "budget": { "total_tokens": optional(source)?, "deadline_ms": optional(source)?, "cost_usd": number(source)? },
        "temperature": number(source)?, "sample_ratio": number(source)?,
    });
    if bool::arbitrary(source)? {
        settings["instructions"] = text(source)?.into();
        settings["context_tokens"] = small(source)?.into();
    }
    Ok(json!({
        "type": "run.accepted", "task": text(source)?, "agent": text(source)?, "model": one_of(source, &MODELS)?,
        "models": models, "max_iterations": small(source)?, "sampled_out": bool::arbitrary(source)?,
        "metadata": fields(source)?, "settings": settings,
    }))
}

fn answered(source: &mut Unstructured<'_>) -> Result<Value> {
    let tool_calls = match source.ratio(1, 4)? {
        true => {
            json!([{ "id": text(source)?, "name": one_of(source, &["finish", "f"])?, "arguments": text(source)? }])
        }
        false => json!([]),
    };
    Ok(json!({
        "type": "model.answered", "iteration": small(source)?, "latency_ms": optional(source)?.unwrap_or(0),
        "message": {
            "role": one_of(source, &["assistant", "user", "system", "tool"])?, "content": text(source)?,
            "tool_calls": tool_calls,
        },
        "finish_reason": one_of(source, &["stop", "length", "tool_calls", "content_filter", "other"])?,
        "usage": usage(source)?, "final": null, "timing": timing(source)?, "observed": observed(source)?,
        "response_id": text(source)?, "response_model": text(source)?,
    }))
}

fn ended(source: &mut Unstructured<'_>) -> Result<Value> {
    let error = match source.ratio(1, 2)? {
        true => json!({ "code": text(source)?, "message": text(source)? }),
        false => Value::Null,
    };
    Ok(json!({
        "type": "run.ended", "status": one_of(source, &["succeeded", "failed", "cancelled"])?,
        "stop_reason": one_of(source, &STOP_REASONS)?, "result": text(source)?, "error": error,
        "usage": usage(source)?, "iterations": small(source)?,
    }))
}

fn tool(source: &mut Unstructured<'_>) -> Result<Value> {
    let kind = one_of(source, &["tool.called", "tool.answered", "approval.requested", "approval.resolved"])?;
    Ok(json!({
        "type": kind, "tool": text(source)?, "arguments": fields(source)?, "result": fields(source)?,
        "latency_ms": small(source)?, "decision": "approve", "by": text(source)?,
    }))
}

fn usage(source: &mut Unstructured<'_>) -> Result<Value> {
    Ok(json!({
        "input_tokens": optional(source)?, "output_tokens": optional(source)?, "total_tokens": optional(source)?,
        "cost_usd": number(source)?,
    }))
}

fn timing(source: &mut Unstructured<'_>) -> Result<Value> {
    let (started_at, ended_at) = (time(source)?, time(source)?);
    Ok(json!({ "started_at": started_at, "ended_at": ended_at, "first_chunk_at": time_or_null(source)? }))
}

fn observed(source: &mut Unstructured<'_>) -> Result<Value> {
    let mut spans = Vec::new();
    for _ in 0..source.int_in_range(0..=3)? {
        spans.push(json!({
            "name": text(source)?, "parent": optional(source)?.map(|parent| parent % 4), "started_at": time(source)?,
            "ended_at": time(source)?, "is_error": bool::arbitrary(source)?, "fields": fields(source)?,
        }));
    }
    let gateway = if source.ratio(1, 4)? { json!({ "id": text(source)? }) } else { Value::Null };
    Ok(json!({ "spans": spans, "gateway": gateway }))
}

fn fields(source: &mut Unstructured<'_>) -> Result<BTreeMap<String, Value>> {
    let mut fields = BTreeMap::new();
    for _ in 0..source.int_in_range(0..=2)? {
        let key = text(source)?;
        let value = if bool::arbitrary(source)? { text(source)?.into() } else { json!(number(source)?) };
        fields.insert(key, value);
    }
    Ok(fields)
}

fn text(source: &mut Unstructured<'_>) -> Result<String> {
    const TEXTS: [&str; 6] =
        ["", "DONE", "a\nDONE\n", "password=hunter2hunter2", "{\"result\":\"r\"}", "ä🌊\u{0}\u{feff}\"\\"];
    match source.int_in_range(0..=9_usize)? {
        index @ 0..=5 => Ok(TEXTS[index].to_owned()),
        6 => Ok("long ".repeat(usize::from(u8::arbitrary(source)?))),
        _ => Ok(<&str>::arbitrary(source)?.to_owned()),
    }
}

fn number(source: &mut Unstructured<'_>) -> Result<Option<f64>> {
    Ok(Option::<f64>::arbitrary(source)?.filter(|number| number.is_finite() && number.abs() < 1e15))
}

fn optional(source: &mut Unstructured<'_>) -> Result<Option<u64>> {
    Ok(match source.int_in_range(0..=3)? {
        0 => None,
        1 => Some(u64::from(u8::arbitrary(source)?)),
        2 => Some(u64::from(u32::arbitrary(source)?)),
        _ => Some(u64::MAX),
    })
}

fn small(source: &mut Unstructured<'_>) -> Result<u32> {
    source.int_in_range(0..=9)
}

fn time(source: &mut Unstructured<'_>) -> Result<TimeMs> {
    Ok(match source.int_in_range(0..=9)? {
        0 => 0,
        1 => u64::MAX,
        _ => NOW + u64::from(u16::arbitrary(source)?),
    })
}

fn time_or_null(source: &mut Unstructured<'_>) -> Result<Option<TimeMs>> {
    if bool::arbitrary(source)? { time(source).map(Some) } else { Ok(None) }
}

fn sink(source: &mut Unstructured<'_>) -> Result<&'static str> {
    one_of(source, &["index", "otlp", "nexus", "?"])
}

fn one_of(source: &mut Unstructured<'_>, words: &[&'static str]) -> Result<&'static str> {
    source.choose(words).copied()
}
