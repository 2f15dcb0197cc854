//! The OpenAPI document, made of the table of routes and of the types that are sent and accepted. It is a file of the
//! dashboard, `dashboard/static/openapi.json`; `cargo xtask openapi` writes it.

mod operations;
mod parameters;
mod references;
mod responses;
mod schemas;
mod shapes;

use std::{collections::BTreeSet, env, fs};

use longhaul_core::{Seq, limits};
use longhaul_host::{Delta, DeltaKind};
use longhaul_trace::index::{METADATA_FILTERS_MAX, STATS_DAYS_MAX, STATS_HOURLY_DAYS_MAX, StatsQuery};
use serde_json::{Map, Value, json};

use self::operations::Described;
use super::{
    bulk,
    problem::Code,
    route::route,
    routes::{Access, ROUTES, RouteSpec},
    server_frames::{CaughtUp, FrameError},
};
use crate::tool::Progress;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard/static/openapi.json");
/// Set, the file is written in place of being compared.
const UPDATE: &str = "UPDATE_OPENAPI";

#[test]
fn the_file_is_what_the_code_says() {
    let made = format!("{:#}\n", document());
    if env::var_os(UPDATE).is_some() {
        fs::write(FILE, made).expect("the document can be written");
        return;
    }
    let stored = fs::read_to_string(FILE).expect("the document is there");
    let differs = stored.lines().zip(made.lines()).find(|(stored, made)| stored != made);
    assert!(stored == made, "openapi.json is not what the code says: run `cargo xtask openapi`. {differs:?}");
}

/// What the router takes is what the document describes.
#[test]
fn every_parameter_of_a_route_is_described_and_no_other() {
    for spec in ROUTES.iter().filter(|spec| spec.access != Access::Asset) {
        let path =
            ["{session}", "{receipt}"].iter().fold(spec.path.to_owned(), |path, id| path.replace(id, "abc"));
        let path = path.replace("{run}", "7").replace("{call}", "1").replace("{tenant}", "acme");
        let path = path.replace("{server}", "crm");
        let route = route(spec.method, &path).expect("the path has a possible form").1;
        let described = operations::described(spec.operation).parameters;
        let of_query = described.iter().filter(|parameter| parameter["in"] == "query");
        let names: BTreeSet<_> = of_query.filter_map(|parameter| parameter["name"].as_str()).collect();
        assert_eq!(names, route.query().iter().copied().collect(), "{spec:?}");
        assert_eq!(names.len(), route.query().len(), "{spec:?}");
    }
}

#[test]
fn every_problem_can_happen() {
    let possible: BTreeSet<Code> = ROUTES.iter().flat_map(problems).collect();
    assert_eq!(possible, Code::ALL.iter().copied().collect());
}

#[test]
fn every_reference_leads_to_something_and_everything_is_referred_to() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    for reference in &references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    for kind in ["headers", "parameters", "responses", "schemas"] {
        for name in document["components"][kind].as_object().expect("the components are objects").keys() {
            let pointer = format!("#/components/{kind}/{name}");
            assert!(references.contains(&pointer), "nothing refers to {pointer}");
        }
    }
}

/// The derive does not see what these types write: their schemas are put together by hand.
#[test]
fn what_is_written_has_the_members_of_its_schema() {
    let schemas = schemas::all();
    let check = |name: &str, written: Value| {
        let (schema, members) = (&schemas[name], written.as_object().expect("it is an object"));
        let properties = schema["properties"].as_object().expect("it has properties");
        assert!(members.keys().eq(properties.keys()), "{name}: {members:?}");
        let word = properties.get("type").map_or(&Value::Null, |word| &word["const"]);
        assert_eq!(written.get("type").unwrap_or(&Value::Null), word, "{name}");
    };
    check("CaughtUp", json!(CaughtUp { seq: Seq(7) }));
    check("FrameError", json!(FrameError::new("send `ping`")));
    let delta = |kind| json!(Delta { kind, run: 1, call: 1, attempt: 1, offset: 0, text: "a".to_owned() });
    check("ToolProgress", json!(Progress { run: 1, call: 1, attempt: 1, text: "a".to_owned() }));
    check("ModelDelta", delta(DeltaKind::Answer));
    check("ModelThought", delta(DeltaKind::Thought));
    let query = StatsQuery::parse([].into_iter(), 1_000).expect("all parameters have defaults");
    let row = json!({"day": 0, "model": "a", "hours": r#"{"h0":{"answered":1,"error.timeout":2}}"#});
    let stats = json!(query.stats(vec![row]).expect("a row as the index has it"));
    check("ModelStats", stats["models"][0].clone());
    check("BucketStats", stats["models"][0]["hours"][0].clone());
}

/// Doc comments name limits in words.
#[test]
fn the_words_of_a_description_agree_with_the_limits() {
    const DAY_MS: u64 = 24 * 3_600_000;
    let schemas = schemas::all();
    let kib = |bytes: usize| format!("at most {} KiB", bytes / 1024);
    let deadline = format!("at most {} days", limits::DEADLINE_MS_MAX / DAY_MS);
    for (schema, property, words) in [
        ("NewRun", "task", kib(limits::TASK_BYTES_MAX)),
        ("Steer", "task", kib(limits::TASK_BYTES_MAX)),
        ("NewRun", "instructions", kib(limits::INSTRUCTIONS_BYTES_MAX)),
        ("NewComparison", "task", kib(limits::TASK_BYTES_MAX)),
        ("NewComparison", "instructions", kib(limits::INSTRUCTIONS_BYTES_MAX)),
        ("Budget", "deadline_ms", deadline.clone()),
        ("ComparisonBudget", "deadline_ms", deadline),
        ("Problem", "errors", format!("at most {} of them", limits::FIELD_ERRORS_MAX)),
        ("Stats", "bucket_ms", format!("more than {STATS_HOURLY_DAYS_MAX} days")),
        ("BulkReceipt", "id", format!("{} days", bulk::KEPT_MS / DAY_MS)),
    ] {
        let said = schemas[schema]["properties"][property]["description"].as_str().unwrap_or_default();
        assert!(said.contains(&words), "{schema}.{property} says {said:?}, not {words:?}");
    }
    let frame = schemas["ClientFrame"]["description"].as_str().unwrap_or_default();
    let many = format!("at most {} of them in a minute", limits::SOCKET_FRAMES_MAX);
    assert!(frame.contains(&kib(limits::CLIENT_FRAME_BYTES_MAX)) && frame.contains(&many), "{frame}");
    assert_eq!(limits::SOCKET_UNKNOWN_FRAMES_MAX, 8, "`FrameError` says that the ninth closes the socket");
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "longhaul",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Durable runs of AI agents.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
            "description":
                "JSON in UTF-8. Unknown fields and unknown parameters are refused. Answers may get more fields.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [
            {"name": "Runs", "description": "Tasks that run to their end, whatever happens."},
            {"name": "Sessions", "description": "Conversations of runs, and their events."},
            {
                "name": "Index",
                "description": "All runs of a tenant, where the deployment has a database for them.",
            },
            {"name": "MCP", "description": "Remote MCP servers, and who has authorised them."},
            {"name": "Operators", "description": "Every tenant, for tokens with the scope `operator`."},
            {"name": "Deployment", "description": "What is deployed."},
        ],
        "x-limits": limits(),
        "paths": paths(),
        "components": components(),
    })
}

/// Limits that no schema can say, and those that a form needs.
fn limits() -> Value {
    json!({
        "body_bytes": limits::BODY_BYTES_MAX,
        "task_bytes": limits::TASK_BYTES_MAX,
        "instructions_bytes": limits::INSTRUCTIONS_BYTES_MAX,
        "name_bytes": limits::NAME_BYTES_MAX,
        "iterations": limits::AGENT_ITERATIONS_MAX,
        "deadline_ms": limits::DEADLINE_MS_MAX,
        "compared_models_min": limits::COMPARED_MODELS_MIN,
        "compared_models": limits::COMPARED_MODELS_MAX,
        "metadata_keys": limits::METADATA_KEYS_MAX,
        "metadata_key_bytes": limits::METADATA_KEY_BYTES_MAX,
        "metadata_value_bytes": limits::METADATA_VALUE_BYTES_MAX,
        "metadata_filters": METADATA_FILTERS_MAX,
        "stats_days": STATS_DAYS_MAX,
        "queued_runs": limits::QUEUED_RUNS_MAX,
        "bulk_jobs": bulk::OPEN_MAX,
        "watchers": limits::WATCHERS_MAX,
        "client_frame_bytes": limits::CLIENT_FRAME_BYTES_MAX,
        "socket_frames": limits::SOCKET_FRAMES_MAX,
        "socket_unknown_frames": limits::SOCKET_UNKNOWN_FRAMES_MAX,
        "answer_bytes": limits::ANSWER_BYTES_MAX,
        "conversation_bytes": limits::CONVERSATION_BYTES_MAX,
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    for spec in ROUTES {
        let item = paths.entry(spec.path).or_insert_with(|| json!({}));
        let of_path = parameters::of_path(spec.path);
        if !of_path.is_empty() {
            item["parameters"] = json!(of_path);
        }
        let described = operations::described(spec.operation);
        item[spec.method.to_lowercase()] = operation(described, spec.access, &problems(spec));
    }
    let document = operation(operations::document(), Access::Asset, &BTreeSet::new());
    paths.insert("/openapi.json".to_owned(), json!({"get": document}));
    Value::Object(paths)
}

fn problems(spec: &RouteSpec) -> BTreeSet<Code> {
    spec.problems.iter().copied().flatten().copied().collect()
}

fn operation(described: Described, access: Access, problems: &BTreeSet<Code>) -> Value {
    let mut responses = responses::of(problems);
    responses.extend(described.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)));
    let mut operation = json!({
        "operationId": described.id,
        "tags": [described.tag],
        "summary": described.summary,
        "responses": responses,
    });
    if let Some(description) = described.description {
        operation["description"] = json!(description);
    }
    if !described.parameters.is_empty() {
        operation["parameters"] = json!(described.parameters);
    }
    if let Some(body) = described.body {
        // The one body that is no JSON has no schema.
        let content = match body {
            "Export" => json!({"application/x-ndjson": {"schema": {"type": "string"}}}),
            body => json!({"application/json": {"schema": references::reference(body)}}),
        };
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    if access != Access::Token {
        operation["security"] = json!([]);
    }
    operation
}

fn components() -> Value {
    let mut responses = responses::all();
    responses.insert("Accepted".to_owned(), operations::accepted());
    responses.insert("BulkAccepted".to_owned(), operations::bulk_accepted());
    json!({
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description":
                    "A token is a tenant's; a WebSocket may offer it as a subprotocol, `longhaul.bearer.` and its base64url.",
            },
        },
        "parameters": parameters::shared(),
        "headers": responses::headers(),
        "responses": responses,
        "schemas": schemas::all(),
    })
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
