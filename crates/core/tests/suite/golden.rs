mod story;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use longhaul_core::{
    DeliveryState, Record, ReplayError, Run, RunStatus, Seq, Session, decode_row, encode_row,
};
use serde_json::{Value, json};

use crate::importing;

/// Set to `write`, the journals of this version are written, and what all journals show.
const SWITCH: &str = "GOLDEN";
const DAY_MS: u64 = 24 * 3_600_000;

/// A journal of each released version, with what it tells. It was written by that version and may not change: it
/// stands for the sessions that are stored in the field, which every later version must read the same way.
#[test]
fn journals_of_all_released_versions_tell_what_they_told_then() {
    write_this_version();
    let mut read = 0;
    for (name, golden) in goldens() {
        let session = session_of(&golden);
        assert_eq!(summary(&session), golden["summary"], "{name}");
        read += 1;
    }
    assert!(read >= 3, "{read} journals were found");
}

/// What a client sees of them: the events, the messages, and what the session is woken for.
#[test]
fn journals_of_all_released_versions_show_what_they_showed_then() {
    write_this_version();
    for (name, golden) in goldens() {
        let path = folder().join("shown").join(format!("{name}.json"));
        let shown = shown(&golden);
        if is_writing() && (!path.exists() || name.starts_with(VERSION)) {
            write(&path, &shown);
        }
        let pinned: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(shown, pinned, "{}", path.display());
    }
}

/// A change of the format shows here first: before the release the journals are written anew, after it the version is
/// a new one. See the README beside them.
#[test]
fn the_journals_of_this_version_are_what_it_writes() {
    write_this_version();
    for (name, rows) in stories() {
        let path = folder().join(format!("{name}.json"));
        let golden = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; {SWITCH}=write makes it", path.display()));
        let golden: Value = serde_json::from_str(&golden).unwrap();
        let written = rows_json(&rows);
        assert_eq!(records_of(&written), rows.concat(), "{name}: what is written is not what is read");
        assert_eq!(
            golden["rows"],
            written,
            "the format has changed, see the README beside {}",
            path.display()
        );
    }
}

#[test]
fn every_entry_type_is_in_the_journals_of_this_version() {
    let stories = stories();
    let records = || stories.iter().flat_map(|(_, rows)| rows).flatten();
    let seen: BTreeSet<_> = records().map(|record| record.entry.type_name()).collect();
    let expected = [
        "approval.requested",
        "approval.resolved",
        "cancel.requested",
        "model.answered",
        "model.called",
        "model.failed",
        "run.accepted",
        "run.ended",
        "run.resumed",
        "run.steered",
        "tool.answered",
        "tool.called",
        "tool.failed",
        "tool.pending",
        "tools.listed",
        "trace.failed",
        "trace.flushed",
        "trace.sent",
    ];
    assert!(seen.iter().eq(&expected), "{seen:?}");
}

/// A member that is left out where it has nothing to say is once there and once not; one that may be null is once null
/// and once not.
#[test]
fn every_optional_field_is_there_once_and_missing_once() {
    let mut seen = Members::default();
    let stories = stories();
    for record in stories.iter().flat_map(|(_, rows)| rows).flatten() {
        let row: Value = serde_json::from_str(&encode_row(std::slice::from_ref(record))).unwrap();
        seen.count(record.entry.type_name(), &row[0]);
    }
    for (path, member) in &seen.members {
        let missing = seen.objects[path.rsplit_once('/').unwrap().0] - member.there;
        let is_optional = OPTIONAL.iter().any(|field| path.ends_with(field));
        assert_eq!(missing > 0, is_optional, "{path}: there {} times, missing {missing} times", member.there);
        assert!(member.there > member.null || path.ends_with("/arguments"), "{path} is always null");
    }
    for field in OPTIONAL {
        assert!(seen.members.keys().any(|path| path.ends_with(field)), "{field} is never there");
    }
}

/// What a row of another version looks like to this one, which may be the older one: a deployment was rolled back.
#[test]
fn what_a_later_version_added_is_ignored_where_that_is_safe_and_refused_where_not() {
    for (name, golden) in goldens() {
        for row in golden["rows"].as_array().unwrap() {
            let mut later = row.clone();
            with_unknown_members(&mut later["entries"]);
            assert_eq!(records_of(&json!([later])), records_of(&json!([row])), "{name}, row {}", row["seq"]);
        }
    }
    let run = json!({"run": 1, "at": 1, "type": "run.paused", "until": 2});
    let text = decode_row(Seq(41), &json!([run]).to_string()).unwrap_err().to_string();
    assert!(text.contains("row 41") && text.contains("run.paused"), "{text}");
    let ended = json!({"run": 1, "at": 1, "type": "run.ended", "status": "succeeded", "stop_reason": "bored",
                       "usage": {}, "iterations": 1});
    let text = decode_row(Seq(7), &json!([ended]).to_string()).unwrap_err().to_string();
    assert!(text.contains("row 7") && text.contains("bored"), "{text}");
}

/// An export of each is imported; but for the first row, and what the import adds, every byte is the same.
#[test]
fn journals_of_all_released_versions_are_imported() {
    for (name, golden) in goldens() {
        let rows: Vec<(Seq, String)> = golden["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (Seq(row["seq"].as_u64().unwrap()), row["entries"].to_string()))
            .collect();
        // The results of these are not beside them.
        if rows.iter().any(|(_, text)| text.contains("result_digest")) {
            continue;
        }
        let (text, moment) = (importing::text_of(&rows, &BTreeMap::new()), importing::moment());
        let (imported, _) =
            importing::imported(&text, moment).unwrap_or_else(|unfit| panic!("{name}: {unfit}"));
        assert_eq!(imported[1..rows.len()], rows[1..], "{name}");
        let session = Session::replay(
            imported
                .iter()
                .flat_map(|(seq, text)| decode_row(*seq, text).unwrap())
                .collect::<Vec<_>>()
                .iter(),
        )
        .unwrap();
        assert!(session.open_runs().next().is_none(), "{name}");
        let (before, after) = (session_of(&golden), session.conversation());
        assert_eq!(after[..before.conversation().len()], before.conversation(), "{name}");
    }
}

/// A row that is lost, or stored twice, is never passed over.
#[test]
fn a_journal_with_a_row_missing_or_doubled_is_refused() {
    for (name, golden) in goldens() {
        let rows = golden["rows"].as_array().unwrap();
        for index in 0..rows.len() - 1 {
            let mut without = rows.clone();
            without.remove(index);
            let doubled = [&rows[..=index], &rows[index..]].concat();
            for rows in [without, doubled] {
                let refused = Session::replay(&records_of(&Value::Array(rows)));
                assert!(matches!(refused, Err(ReplayError::Gap { .. })), "{name}, row {index}");
            }
        }
    }
}

/// An unfinished run is still to be done, by whichever version.
#[test]
fn what_was_under_way_is_still_under_way() {
    for (name, golden) in goldens() {
        let session = session_of(&golden);
        assert!(session.open_runs().any(|run| run.status() == RunStatus::Running), "{name}");
        assert!(!session.outstanding().is_empty(), "{name}");
        let deadline = session.next_deadline(30 * DAY_MS);
        assert_eq!(deadline.map(|(at, _)| at), Some(0), "{name}");
    }
}

#[test]
fn the_current_version_writes_the_golden_journal_as_it_is() {
    let golden: Value = serde_json::from_str(include_str!("../golden/v1.json")).unwrap();
    for row in golden["rows"].as_array().unwrap() {
        let records = records_of(&json!([row]));
        let written: Value = serde_json::from_str(&encode_row(&records)).unwrap();
        assert_eq!(written, row["entries"]);
    }
}

#[test]
fn every_entry_that_version_1_writes_is_in_its_golden_journal() {
    let golden: Value = serde_json::from_str(include_str!("../golden/v1.json")).unwrap();
    let records = records_of(&golden["rows"]);
    let seen: BTreeSet<_> = records.iter().map(|record| record.entry.type_name()).collect();
    let expected = [
        "cancel.requested",
        "model.answered",
        "model.called",
        "model.failed",
        "run.accepted",
        "run.ended",
        "run.resumed",
        "trace.failed",
        "trace.flushed",
    ];
    assert!(seen.iter().eq(&expected), "{seen:?}");
}

/// The version whose journals are not released yet; and how theirs are named.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Members that may be missing: each by the end of its path.
const OPTIONAL: [&str; 99] = [
    "/settings/servers",
    "tools.listed/dropped",
    "tools.listed/changed",
    "tools.listed/digest",
    "tools.listed/error",
    "tools.listed/offers",
    "/offers/parameters",
    "/offers/remote/extra",
    "tool.called/server",
    "tool.pending/retry_at",
    "tool.pending/repeatable",
    "approval.requested/schema",
    "approval.requested/url",
    "approval.resolved/input",
    "/output_schema",
    "/output_error",
    "run.ended/output",
    "run.accepted/models",
    "/sampled_out",
    "/idempotency",
    "/life",
    "/instructions",
    "/budget/total_tokens",
    "/budget/cost_usd",
    "/budget/deadline_ms",
    "/max_output_tokens",
    "/temperature",
    "/context_tokens",
    "/sinks",
    "/gateway_id",
    "/openai_server",
    "/sample_ratio",
    "/dropped_messages",
    "/first_chunk_at",
    "/response_id",
    "/response_model",
    "/observed",
    "/observed/gateway",
    "model.answered/observed/spans",
    "model.failed/observed/spans",
    "/gateway/log_id",
    "/spans/parent",
    "/spans/is_error",
    "/spans/fields",
    "/message/tool_calls",
    "/cached_input_tokens",
    "/reasoning_tokens",
    "tool.answered/result",
    "tool.answered/error",
    "/retry_patience_ms",
    "/fallbacks",
    "/fallback_from",
    "model.failed/usage",
    "/begun",
    "/estimated",
    "model.answered/cost_usd",
    "run.accepted/by",
    "/budget/tool_calls",
    "/settings/tools",
    "/tools/approval_ms",
    "/tools/description",
    "/tools/parameters",
    "/tools/timeout_ms",
    "/tools/alone",
    "/tools/may_repeat",
    "/tools/reconciles",
    "/tools/in_doubt",
    "/tools/on_expiry",
    "tool.called/attempt",
    "tool.called/iteration",
    "tool.called/effect",
    "tool.called/verdict",
    "tool.called/rule",
    "/tool_call_id",
    "tool.answered/attempt",
    "tool.answered/rule",
    "tool.answered/by",
    "tool.answered/result_bytes",
    "tool.answered/result_digest",
    "approval.requested/attempt",
    "approval.requested/kind",
    "approval.requested/digest",
    "approval.requested/summary",
    "approval.requested/rule",
    "approval.requested/by_another",
    "approval.requested/effect",
    "approval.requested/expires_at",
    "approval.resolved/arguments",
    "/webhook_events",
    "/reserved",
    "/reserved/cost_usd",
    "/last",
    "tool.called/cost_usd",
    "/rates",
    "/final_answer",
    "/imported",
    "/session_budget",
    "trace.flushed/event",
    "trace.failed/event",
];

/// Members whose values have members of the caller's, the model's or the agent's own.
const FOREIGN: [&str; 11] = [
    "metadata",
    "arguments",
    "result",
    "fields",
    "parameters",
    "output",
    "output_schema",
    "extra",
    "handle",
    "schema",
    "input",
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn is_writing() -> bool {
    env::var(SWITCH).is_ok_and(|value| value == "write")
}

fn stories() -> [(String, Vec<Vec<Record>>); 13] {
    [
        (VERSION.to_owned(), story::session()),
        (format!("{VERSION}-comparison"), story::comparison()),
        (format!("{VERSION}-life"), story::life()),
        (format!("{VERSION}-imported"), story::imported()),
        (format!("{VERSION}-fallback"), story::fallback()),
        (format!("{VERSION}-estimated"), story::estimated()),
        (format!("{VERSION}-tools"), story::tools()),
        (format!("{VERSION}-servers"), story::servers()),
        (format!("{VERSION}-steered"), story::steered()),
        (format!("{VERSION}-output"), story::output()),
        (format!("{VERSION}-told"), story::told()),
        (format!("{VERSION}-spent"), story::spent()),
        (format!("{VERSION}-refusals"), story::refusals()),
    ]
}

/// Every journal, with its name.
fn goldens() -> Vec<(String, Value)> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut journals: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    journals.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    journals.iter().map(|path| (name(path), read(path))).collect()
}

/// The journals of this version as it writes them, if that was asked for.
fn write_this_version() {
    if !is_writing() {
        return;
    }
    for (name, rows) in stories() {
        let rows = rows_json(&rows);
        let session = Session::replay(&records_of(&rows)).unwrap();
        write(&folder().join(format!("{name}.json")), &json!({"rows": rows, "summary": summary(&session)}));
    }
}

fn write(path: &Path, content: &Value) {
    let text = serde_json::to_string_pretty(content).unwrap();
    // Tests that run at once may both write: a reader must not see half of it.
    let half = path.with_extension(format!("{:?}", std::thread::current().id()));
    fs::write(&half, text + "\n").unwrap();
    fs::rename(half, path).unwrap();
}

fn rows_json(rows: &[Vec<Record>]) -> Value {
    let row = |records: &Vec<Record>| {
        let entries: Value = serde_json::from_str(&encode_row(records)).unwrap();
        json!({"seq": records[0].seq, "entries": entries})
    };
    rows.iter().map(row).collect()
}

fn session_of(golden: &Value) -> Session {
    Session::replay(&records_of(&golden["rows"])).unwrap()
}

fn shown(golden: &Value) -> Value {
    let records = records_of(&golden["rows"]);
    let session = Session::replay(&records).unwrap();
    let events: Vec<Value> =
        records.iter().map(|record| serde_json::to_value(record.public_event()).unwrap()).collect();
    let deadline = session.next_deadline(30 * DAY_MS).map(|(at, reason)| json!([at, format!("{reason:?}")]));
    let requests: Vec<Value> = session
        .outstanding()
        .into_iter()
        // A server that is asked for its tools is sent no messages.
        .filter_map(|call| {
            let request = session.model_request(call)?;
            Some(json!({"model": request.model, "system": request.system, "messages": request.messages}))
        })
        .collect();
    json!({"events": events, "deadline": deadline, "requests": requests})
}

/// What the objects of a journal have, by path.
#[derive(Default)]
struct Members {
    objects: BTreeMap<String, usize>,
    members: BTreeMap<String, Member>,
}

#[derive(Default)]
struct Member {
    there: usize,
    null: usize,
}

impl Members {
    fn count(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                *self.objects.entry(path.to_owned()).or_default() += 1;
                for (name, value) in object {
                    let inner = format!("{path}/{name}");
                    let member = self.members.entry(inner.clone()).or_default();
                    member.there += 1;
                    member.null += usize::from(value.is_null());
                    if !FOREIGN.contains(&name.as_str()) {
                        self.count(&inner, value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.count(path, item)),
            _ => {}
        }
    }
}

/// Members that no version has, in every object whose members are ours.
fn with_unknown_members(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                if !FOREIGN.contains(&name.as_str()) {
                    with_unknown_members(value);
                }
            }
            object.insert("of_a_later_version".to_owned(), json!({"any": ["thing"]}));
        }
        Value::Array(items) => items.iter_mut().for_each(with_unknown_members),
        _ => {}
    }
}

fn records_of(rows: &Value) -> Vec<Record> {
    let rows = rows.as_array().unwrap().iter();
    rows.flat_map(|row| decode_row(Seq(row["seq"].as_u64().unwrap()), &row["entries"].to_string()).unwrap())
        .collect()
}

/// All that a session tells, in words of its own: not the debug form, which may change.
fn summary(session: &Session) -> Value {
    let conversation: Vec<_> = session
        .conversation()
        .into_iter()
        .map(|(run, message)| json!([run, message.role, message.content]))
        .collect();
    let outstanding: Vec<_> =
        session.outstanding().into_iter().map(|call| json!([call.run, call.call, call.attempt])).collect();
    let mut summary = json!({
        "head": session.head(),
        "conversation": conversation,
        "outstanding": outstanding,
        "runs": session.runs().iter().map(|run| run_summary(session, run)).collect::<Vec<_>>(),
    });
    if let Some(life) = session.life() {
        summary["life"] = json!(life);
    }
    summary
}

fn run_summary(session: &Session, run: &Run) -> Value {
    let deliveries: serde_json::Map<_, _> = run
        .deliveries
        .iter()
        .map(|(sink, delivery)| {
            let state = match delivery.state {
                DeliveryState::Due(at) => json!({"due": at}),
                DeliveryState::Flushed => json!("flushed"),
                DeliveryState::Parked => json!("parked"),
            };
            (sink.clone(), json!({"attempts": delivery.attempts, "state": state}))
        })
        .collect();
    let end = run.ending().map(
        |ending| json!({"stop_reason": ending.stop_reason, "result": ending.result, "error": ending.error}),
    );
    json!({
        "run": run.id,
        "status": run.status(),
        "end": end,
        "task": session.transcript().task(run),
        "agent": run.spec.agent,
        "model": run.spec.model,
        "max_iterations": run.spec.max_iterations,
        "metadata": run.spec.metadata,
        "settings": run.spec.settings,
        "idempotency": run.spec.idempotency,
        "times": [run.accepted_at, run.started_at, run.ended_at],
        "iterations": run.iterations,
        "attempts": run.attempts,
        "resumed": run.resumed,
        "usage": run.usage,
        "deliveries": deliveries,
    })
}
