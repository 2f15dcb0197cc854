use std::{fs, path::Path};

use longhaul_core::{DeliveryState, Phase, Record, Run, Seq, Session, decode_row, encode_row};
use serde_json::{Value, json};

/// A journal of each released version, with what it tells. It was written by that version and may not change: it
/// stands for the sessions that are stored in the field, which every later version must read the same way.
#[test]
fn journals_of_all_released_versions_tell_what_they_told_then() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut read = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let records = records_of(&golden["rows"]);
        let session = Session::replay(&records).unwrap();
        assert_eq!(summary(&session), golden["summary"], "{}", path.display());
        read += 1;
    }
    assert!(read >= 1);
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
    let seen: std::collections::BTreeSet<_> = records.iter().map(|record| record.entry.type_name()).collect();
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
    json!({
        "head": session.head(),
        "conversation": conversation,
        "outstanding": outstanding,
        "runs": session.runs().iter().map(run_summary).collect::<Vec<_>>(),
    })
}

fn run_summary(run: &Run) -> Value {
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
    let end = match &run.phase {
        Phase::Ended { stop_reason, result, error, .. } => {
            json!({"stop_reason": stop_reason, "result": result, "error": error})
        }
        _ => Value::Null,
    };
    json!({
        "run": run.id,
        "status": run.status(),
        "end": end,
        "task": run.task,
        "agent": run.agent,
        "model": run.model,
        "max_iterations": run.max_iterations,
        "metadata": run.metadata,
        "settings": run.settings,
        "idempotency": run.idempotency,
        "times": [run.accepted_at, run.started_at, run.ended_at],
        "iterations": run.iterations,
        "attempts": run.attempts,
        "resumed": run.resumed,
        "usage": run.usage,
        "deliveries": deliveries,
    })
}
