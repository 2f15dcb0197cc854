//! The document has what the code has, and nothing else.

use std::collections::BTreeSet;

use longhaul_core::limits;
use longhaul_trace::index as trace_index;
use serde_json::{Map, Value, json};

use super::document::Document;

const ENTRIES: &str = include_str!("../../../../crates/core/src/entry.rs");
const FAULTS: &str = include_str!("../../../../crates/core/src/fault.rs");

#[test]
fn the_words_are_those_of_the_code() {
    let document = Document::read();
    let of_enum = |source: &str, name: &str| -> Vec<String> {
        let code = between(source, &format!("\nimpl {name} {{"), "\n}\n");
        let words =
            code.lines().filter_map(|line| Some(line.split_once(" => \"")?.1.trim_end_matches("\",")));
        words.map(str::to_owned).collect()
    };
    let event =
        document.at("/components/schemas/Event/discriminator/mapping").as_object().expect("an object");
    assert_eq!(event.keys().cloned().collect::<BTreeSet<_>>(), of_entries());
    for (schema, source, name) in [("StopReason", ENTRIES, "StopReason"), ("Fault", FAULTS, "FaultKind")] {
        let listed = words(document.at(&format!("/components/schemas/{schema}/enum")));
        assert_eq!(listed, of_enum(source, name), "{schema}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let document = Document::read();
    let run = "/components/schemas/NewRun/properties";
    let metadata = "/components/schemas/Metadata";
    let models = "/components/schemas/NewComparison/properties/models";
    let of_size = |bytes: usize| bytes as u64;
    let limits: &[(&str, u64)] = &[
        (&format!("{run}/task/maxLength"), of_size(limits::TASK_BYTES_MAX)),
        (&format!("{run}/instructions/maxLength"), of_size(limits::INSTRUCTIONS_BYTES_MAX)),
        (&format!("{run}/agent/maxLength"), of_size(limits::NAME_BYTES_MAX)),
        (&format!("{run}/max_iterations/maximum"), limits::ITERATIONS_MAX.into()),
        ("/components/schemas/ModelName/maxLength", of_size(limits::NAME_BYTES_MAX)),
        ("/components/schemas/Budget/properties/deadline_ms/maximum", limits::DEADLINE_MS_MAX),
        ("/components/schemas/ComparisonBudget/properties/deadline_ms/maximum", limits::DEADLINE_MS_MAX),
        (&format!("{metadata}/maxProperties"), of_size(limits::METADATA_KEYS_MAX)),
        (&format!("{metadata}/propertyNames/maxLength"), of_size(limits::METADATA_KEY_BYTES_MAX)),
        (&format!("{metadata}/additionalProperties/maxLength"), of_size(limits::METADATA_VALUE_BYTES_MAX)),
        (&format!("{models}/minItems"), of_size(limits::COMPARED_MODELS_MIN)),
        (&format!("{models}/maxItems"), of_size(limits::COMPARED_MODELS_MAX)),
        ("/components/schemas/EventPage/properties/events/maxItems", of_size(limits::PAGE_EVENTS_MAX)),
        (
            "/components/schemas/TraceSent/properties/remote_id/maxLength",
            of_size(limits::REMOTE_ID_BYTES_MAX),
        ),
        ("/components/schemas/TracePage/properties/traces/maxItems", of_size(trace_index::TRACES_MAX)),
        (
            "/components/parameters/IdempotencyKey/schema/maxLength",
            of_size(limits::IDEMPOTENCY_KEY_BYTES_MAX),
        ),
        ("/x-limits/body_bytes", of_size(limits::BODY_BYTES_MAX)),
        ("/x-limits/task_bytes", of_size(limits::TASK_BYTES_MAX)),
        ("/x-limits/instructions_bytes", of_size(limits::INSTRUCTIONS_BYTES_MAX)),
        ("/x-limits/name_bytes", of_size(limits::NAME_BYTES_MAX)),
        ("/x-limits/metadata_keys", of_size(limits::METADATA_KEYS_MAX)),
        ("/x-limits/metadata_key_bytes", of_size(limits::METADATA_KEY_BYTES_MAX)),
        ("/x-limits/metadata_value_bytes", of_size(limits::METADATA_VALUE_BYTES_MAX)),
        ("/x-limits/metadata_filters", of_size(trace_index::METADATA_FILTERS_MAX)),
        ("/x-limits/queued_runs", of_size(limits::QUEUED_RUNS_MAX)),
        ("/x-limits/watchers", of_size(limits::WATCHERS_MAX)),
        ("/x-limits/client_frame_bytes", of_size(limits::CLIENT_FRAME_BYTES_MAX)),
        ("/x-limits/answer_bytes", of_size(limits::ANSWER_BYTES_MAX)),
        ("/x-limits/conversation_bytes", of_size(limits::CONVERSATION_BYTES_MAX)),
    ];
    for (pointer, limit) in limits {
        assert_eq!(document.at(pointer), &json!(limit), "{pointer}");
    }
    let of_x = limits.iter().filter(|(pointer, _)| pointer.starts_with("/x-limits/")).count();
    assert_eq!(document.at("/x-limits").as_object().map(Map::len), Some(of_x));
    let id = format!("^[A-Za-z0-9_-]{{1,{}}}$", limits::ID_BYTES_MAX);
    assert_eq!(document.at("/components/schemas/Id/pattern"), &json!(id));
    let pages = [
        ("listEvents", "limit", limits::PAGE_EVENTS_MAX, Some(limits::PAGE_EVENTS_DEFAULT)),
        ("listTraces", "limit", trace_index::TRACES_MAX, Some(trace_index::TRACES_DEFAULT)),
    ];
    let wait = usize::try_from(limits::WAIT_SECONDS_MAX).expect("a small number");
    for (operation, name, maximum, default) in pages.into_iter().chain([("showRun", "wait", wait, None)]) {
        let schema = &parameter(&document, operation, name)["schema"];
        assert_eq!(
            (&schema["maximum"], &schema["default"]),
            (&json!(maximum), &json!(default)),
            "{operation}"
        );
    }
    let texts = [
        ("q", trace_index::Q_BYTES_MAX),
        ("agent", limits::NAME_BYTES_MAX),
        ("session", limits::ID_BYTES_MAX),
        ("model", limits::COMPARED_MODELS_MAX * (limits::NAME_BYTES_MAX + 1)),
        ("metadata.KEY", limits::METADATA_VALUE_BYTES_MAX),
    ];
    for (name, bytes) in texts {
        assert_eq!(parameter(&document, "listTraces", name)["schema"]["maxLength"], json!(bytes), "{name}");
    }
    let days = [("since", trace_index::STATS_DAYS_DEFAULT), ("until", trace_index::STATS_DAYS_MAX)];
    for (name, days) in days {
        let said = parameter(&document, "showStats", name)["description"].as_str().unwrap_or_default();
        assert!(said.contains(&format!(" {days} days ")), "{name}: {said}");
    }
}

fn parameter<'a>(document: &'a Document, operation: &str, name: &str) -> &'a Value {
    let paths = document.at("/paths").as_object().expect("paths are an object");
    let mut operations = paths.values().filter_map(|path| path.get("get"));
    let found = operations.find(|it| it["operationId"] == operation).expect("an operation of this id");
    let mut parameters = found["parameters"].as_array().expect("it has parameters").iter();
    parameters.find(|parameter| parameter["name"] == name).expect("a parameter of this name")
}

/// The names that entries have in the journal.
fn of_entries() -> BTreeSet<String> {
    let names = ENTRIES.split("#[serde(rename = \"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before:?}")) + before.len();
    let length = text[start..].find(after).unwrap_or_else(|| panic!("no {after:?}"));
    &text[start..start + length]
}
