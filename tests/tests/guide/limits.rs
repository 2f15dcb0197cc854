//! The figures of `docs/limits.md` are those of the code, and of the API's own description.

use std::{collections::BTreeMap, fs};

use longhaul_core::limits;
use longhaul_tests::server::root;
use serde_json::Value;

/// Constants by their names.
macro_rules! named {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), u64::try_from(limits::$name).expect("a limit is a small number"))),*]
    };
}

/// The rows of the guide's tables: what stands in the columns of the limit and of its name.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/limits.md")).expect("the guide has limits");
    let cells =
        text.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').collect::<Vec<_>>());
    let rows = cells.filter(|cells| cells.len() == 5);
    rows.map(|cells| (cells[2].trim().to_owned(), cells[3].trim().trim_matches('`').to_owned())).collect()
}

/// A limit as a person reads it, by the unit in its name.
fn shown(name: &str, value: u64) -> String {
    const SIZES: [(u64, &str); 2] = [(1 << 20, "MiB"), (1 << 10, "KiB")];
    const TIMES: [(u64, &str); 4] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    let whole = |units: &[(u64, &str)]| {
        units
            .iter()
            .find(|(unit, _)| value.is_multiple_of(*unit))
            .map(|(unit, name)| (value / unit, name.to_string()))
    };
    if name.contains("_BYTES") {
        return whole(&SIZES)
            .map_or(format!("{} bytes", thousands(value)), |(count, unit)| format!("{count} {unit}"));
    }
    if name.contains("_MS") {
        let (count, unit) = whole(&TIMES).expect("a time is whole seconds");
        return format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    }
    thousands(value)
}

fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[test]
fn figures_are_those_of_the_code() {
    let named = named![
        BODY_BYTES_MAX,
        IMPORT_BYTES_MAX,
        IMPORT_LINE_BYTES_MAX,
        IMPORT_ABANDONED_MS,
        TASK_BYTES_MAX,
        INSTRUCTIONS_BYTES_MAX,
        NAME_BYTES_MAX,
        METADATA_KEYS_MAX,
        METADATA_KEY_BYTES_MAX,
        METADATA_VALUE_BYTES_MAX,
        IDEMPOTENCY_KEY_BYTES_MAX,
        ID_BYTES_MAX,
        DEADLINE_MS_MAX,
        OUTPUT_SCHEMA_BYTES_MAX,
        OUTPUT_SCHEMA_DEPTH_MAX,
        FIELD_ERRORS_MAX,
        ITERATIONS_MAX,
        AGENT_ITERATIONS_MAX,
        COMPARED_MODELS_MAX,
        FALLBACKS_MAX,
        UNREAD_STEERS_MAX,
        QUEUED_RUNS_MAX,
        CONVERSATION_BYTES_MAX,
        OUTPUT_BYTES_MAX,
        INTERRUPTIONS_MAX,
        ANSWER_BYTES_MAX,
        RESPONSE_BYTES_MAX,
        COMPARED_ANSWERS_BYTES_MAX,
        MODEL_TIMEOUT_MS_DEFAULT,
        MODEL_TIMEOUT_MS_MAX,
        RETRY_PATIENCE_MS_DEFAULT,
        RETRY_PATIENCE_MS_MAX,
        FALLBACK_PATIENCE_MS,
        PAID_FAILURES_MAX,
        CONTEXT_TOKENS_DEFAULT,
        PROVIDERS_MAX,
        PROVIDER_HEADERS_MAX,
        TOOLS_MAX,
        TOOL_NAME_BYTES_MAX,
        TOOLS_AT_ONCE,
        TOOL_TIMEOUT_MS,
        TOOL_TIMEOUT_MS_MAX,
        TOOL_ATTEMPTS_MAX,
        TOOL_PATIENCE_MS,
        TOOL_ARGUMENTS_BYTES_MAX,
        TOOL_RESULT_BYTES_MAX,
        RESULT_KEPT_BYTES_MAX,
        TOOL_FAILURES_MAX,
        SAME_CALLS_END,
        APPROVAL_MS_DEFAULT,
        REASON_BYTES_MAX,
        POLICY_RULES_MAX,
        USER_SPANS_MAX,
        PROGRESS_PER_SECOND_MAX,
        WATCHERS_MAX,
        PAGE_EVENTS_MAX,
        WAIT_SECONDS_MAX,
        WATCHER_BYTES_MAX,
        READERS_BYTES_MAX,
        CLIENT_FRAME_BYTES_MAX,
        SOCKET_FRAMES_MAX,
        DELTA_FRAME_BYTES_MAX
    ];
    let code: BTreeMap<&str, u64> = named.into_iter().collect();
    let (mut rows, mut compared) = (rows(), 0);
    rows.retain(|(_, name)| {
        code.contains_key(name.as_str()) || name.ends_with("_MAX") || name.contains("_MS")
    });
    for (limit, name) in &rows {
        if name.starts_with("TENANT_") {
            continue;
        }
        let value =
            code.get(name.as_str()).unwrap_or_else(|| panic!("docs/limits.md: the code has no {name}"));
        assert_eq!(limit, &shown(name, *value), "docs/limits.md: {name}");
        compared += 1;
    }
    assert_eq!(compared, code.len(), "docs/limits.md has each of these once");
}

/// The API's own description says the same to those who generate clients.
#[test]
fn figures_are_those_of_the_api() {
    let text = fs::read_to_string(root().join("dashboard/static/openapi.json")).expect("it is generated");
    let api: Value = serde_json::from_str(&text).expect("it is JSON");
    let of = |schema: &str, property: &str, keyword: &str| {
        let found = &api["components"]["schemas"][schema]["properties"][property][keyword];
        found.as_u64().and_then(|value| usize::try_from(value).ok())
    };
    for (schema, property, keyword, limit) in [
        ("NewSession", "task", "maxLength", limits::TASK_BYTES_MAX),
        ("NewSession", "instructions", "maxLength", limits::INSTRUCTIONS_BYTES_MAX),
        ("NewSession", "agent", "maxLength", limits::NAME_BYTES_MAX),
        ("NewSession", "fallbacks", "maxItems", limits::FALLBACKS_MAX),
        ("NewSession", "tools", "maxItems", limits::TOOLS_MAX),
        ("NewComparison", "models", "maxItems", limits::COMPARED_MODELS_MAX),
    ] {
        assert_eq!(of(schema, property, keyword), Some(limit), "{schema}/{property}");
    }
    let guide = fs::read_to_string(root().join("docs/limits.md")).expect("the guide has limits");
    for path in ["/v1/traces", "/v1/approvals"] {
        let parameters = api["paths"][path]["get"]["parameters"].as_array().expect("it has parameters");
        let limit = parameters.iter().find(|it| it["name"] == "limit").expect("it has a limit");
        let row =
            format!("`{path}` | {}, at most {} |", limit["schema"]["default"], limit["schema"]["maximum"]);
        assert!(guide.contains(&row), "docs/limits.md has no {row}");
    }
}
