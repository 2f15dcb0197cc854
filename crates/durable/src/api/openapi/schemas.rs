//! The schemas of the types that are sent and accepted.

use std::collections::BTreeMap;

use longhaul_core::{Entry, PRIVATE_FIELDS, limits};
use longhaul_host::{Delta, DeltaKind};
use longhaul_trace::{
    TraceView, Value as AttributeValue,
    index::{ApprovalsPage, StatsView, TracesPage},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    references::{PATH, reference},
    shapes,
};
use crate::{
    api::{bulk, mcp, models, problem, server_frames, suspension, views},
    tool::Progress,
};

/// All schemas by their names.
pub(super) fn all() -> Map<String, Value> {
    let mut sent = SchemaSettings::draft2020_12().for_serialize();
    let mut taken = SchemaSettings::draft2020_12().for_deserialize();
    for settings in [&mut sent, &mut taken] {
        settings.definitions_path = PATH.trim_start_matches('#').trim_end_matches('/').into();
    }
    let mut schemas = definitions(sent.into_generator(), |sent| {
        sent.subschema_for::<views::Accepted<'_>>();
        sent.subschema_for::<views::SessionView<'_>>();
        sent.subschema_for::<views::AgentsView<'_>>();
        sent.subschema_for::<views::TenantsView<'_>>();
        sent.subschema_for::<suspension::SuspensionView<'_>>();
        sent.subschema_for::<models::ModelsView>();
        sent.subschema_for::<mcp::LinkView<'_>>();
        sent.subschema_for::<mcp::AuthorizationView<'_>>();
        sent.subschema_for::<mcp::ServersView>();
        sent.subschema_for::<views::Health>();
        sent.subschema_for::<shapes::Conversation>();
        sent.subschema_for::<shapes::EventPage>();
        sent.subschema_for::<shapes::Envelope>();
        sent.subschema_for::<shapes::OtlpTrace>();
        sent.subschema_for::<Entry>();
        sent.subschema_for::<Delta>();
        sent.subschema_for::<Progress>();
        sent.subschema_for::<server_frames::CaughtUp>();
        sent.subschema_for::<server_frames::FrameError<'_>>();
        sent.subschema_for::<TraceView<'_>>();
        sent.subschema_for::<TracesPage>();
        sent.subschema_for::<StatsView>();
        sent.subschema_for::<ApprovalsPage>();
        sent.subschema_for::<bulk::Receipt>();
        sent.subschema_for::<problem::Details>();
    });
    schemas.values_mut().for_each(never_null_where_absent);
    for (kind, name) in [(DeltaKind::Answer, "ModelDelta"), (DeltaKind::Thought, "ModelThought")] {
        schemas.insert(name.to_owned(), delta(&schemas["Delta"], kind));
    }
    schemas.remove("Delta");
    frame::<Progress>(&mut schemas, "ToolProgress");
    frame::<server_frames::CaughtUp>(&mut schemas, "CaughtUp");
    frame::<server_frames::FrameError<'_>>(&mut schemas, "FrameError");
    let mut requests = definitions(taken.into_generator(), |taken| {
        taken.subschema_for::<shapes::NewRun>();
        taken.subschema_for::<shapes::NextRun>();
        taken.subschema_for::<shapes::OfSession>();
        taken.subschema_for::<shapes::NewComparison>();
        taken.subschema_for::<shapes::Decision>();
        taken.subschema_for::<shapes::McpServerName>();
        taken.subschema_for::<shapes::McpReturn>();
        taken.subschema_for::<shapes::ClientFrame>();
    });
    new_session(&mut requests);
    schemas.extend(requests);
    schemas.extend(meanings());
    events(&mut schemas);
    schemas.values_mut().for_each(tidy);
    schemas
}

/// What starts a session: a run, and what is said of the session.
fn new_session(requests: &mut Map<String, Value>) {
    let mut of_session = requests.remove("OfSession").expect("it has a schema");
    let mut new = requests["NewRun"].clone();
    let own = of_session["properties"].as_object_mut().expect("it has members");
    new["properties"].as_object_mut().expect("a run has members").append(own);
    new["description"] = json!("What is to be done in a new session; null counts as absent.");
    requests.insert("NewSession".to_owned(), new);
}

fn definitions(mut generator: SchemaGenerator, add: impl Fn(&mut SchemaGenerator)) -> Map<String, Value> {
    add(&mut generator);
    let named = generator.take_definitions(true).into_iter();
    named.map(|(name, schema)| (camel_case(&name), schema)).collect()
}

/// `run.accepted` as the name of a schema: `RunAccepted`.
fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split(['.', '_']).map(word).collect()
}

/// Gives the schema of a frame its own name, and the `type` that its Rust type is renamed to: of a struct with a tag the
/// derive says nothing.
fn frame<T: JsonSchema>(schemas: &mut Map<String, Value>, name: &str) {
    let word = T::schema_name();
    let mut frame = schemas.remove(&camel_case(&word)).expect("the frame has a schema");
    frame["properties"]["type"] = json!({"type": "string", "const": word});
    frame["required"].as_array_mut().expect("a frame requires its members").push(json!("type"));
    schemas.insert(name.to_owned(), frame);
}

/// A frame of text in flight, of one kind.
fn delta(any: &Value, kind: DeltaKind) -> Value {
    let mut frame = any.clone();
    frame["properties"]["type"] = json!({"type": "string", "const": kind.as_str()});
    if kind == DeltaKind::Thought {
        let said = "What the model of a call in flight thinks before it answers, as a frame between events: no part of its answer. It is not stored.";
        frame["description"] = json!(said);
    }
    frame
}

/// One schema for each entry of the journal, and `Event` as their union.
fn events(schemas: &mut Map<String, Value>) {
    let entry = schemas.remove("Entry").expect("the entries have a schema");
    let (mut union, mut mapping) = (Vec::new(), Map::new());
    for variant in entry["oneOf"].as_array().expect("the entries are a union") {
        let word = variant["properties"]["type"]["const"].as_str().expect("each entry has its word");
        let name = camel_case(word);
        let private = PRIVATE_FIELDS.iter().find(|field| variant["properties"].get(*field).is_some());
        assert_eq!(private, None, "{word} shows a field that its event does not have: skip it");
        let mut event = variant.clone();
        event["allOf"] = json!([reference("Envelope")]);
        union.push(reference(&name));
        mapping.insert(word.to_owned(), json!(format!("{PATH}{name}")));
        schemas.insert(name, event);
    }
    let event = json!({
        "description": "What happened to a run.",
        "oneOf": union,
        "discriminator": {"propertyName": "type", "mapping": mapping},
    });
    schemas.insert("Event".to_owned(), event);
    let kinds =
        ["Event", "ModelDelta", "ModelThought", "ToolProgress", "CaughtUp", "FrameError"].map(reference);
    let frame = json!({
        "description": "What a WebSocket's reader gets; beside it the text `pong`.",
        "oneOf": kinds,
    });
    schemas.insert("ServerFrame".to_owned(), frame);
}

/// A member that is left out when there is nothing to say is never null.
fn never_null_where_absent(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in members(schema, "properties") {
        if required.iter().any(|other| other == name) {
            continue;
        }
        if let Some([one, Value::String(null)]) = property["type"].as_array().map(Vec::as_slice)
            && null == "null"
        {
            property["type"] = one.clone();
        }
    }
    for variant in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        never_null_where_absent(variant);
    }
}

/// Makes a schema say in the document's own words what it says in Rust's.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_of_rust = |format: &Value| {
                format.as_str().is_some_and(|format| format.contains("int") || format == "double")
            };
            if members.get("format").is_some_and(is_of_rust) {
                members.remove("format");
            }
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text = prose(text);
            }
            words(members);
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    for (name, property) in members(schema, "properties") {
        meaning_of(name, property);
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(tidy),
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A doc comment as a description: its lines joined, without links into the code, and `None` as JSON has it.
fn prose(comment: &str) -> String {
    let joined = comment.replace("\n\n", "\0").replace('\n', " ").replace('\0', "\n\n");
    let text = joined.replace("[`", "`").replace("`]", "`").replace("`None`", "null");
    assert!(!text.contains("::"), "a description names a path of the code: {text}");
    text
}

/// An enumeration of documented words: the words as `enum`, and what each says beside them.
fn words(schema: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
    let plain: Option<Vec<&str>> = variants.iter().map(|variant| variant["const"].as_str()).collect();
    let Some(plain) = plain else { return };
    let said = variants.iter().map(|variant| prose(variant["description"].as_str().unwrap_or_default()));
    let (plain, said) = (json!(plain), said.collect::<Vec<_>>());
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), plain);
    schema.insert("x-enum-descriptions".to_owned(), json!(said));
}

/// A name means the same everywhere.
fn meaning_of(name: &str, property: &mut Value) {
    let meant = match name {
        "session" => "Id",
        "trace_id" => "TraceId",
        "call" => "Call",
        "attempt" => "Attempt",
        "metadata" => "Metadata",
        "attributes" => "Attributes",
        "run" | "iteration" => {
            property["minimum"] = json!(1);
            return;
        }
        _ if name == "at" || name.ends_with("_at") => "Time",
        _ => return,
    };
    let types = &property["type"];
    let is_nullable = types.as_array().is_some_and(|types| types.contains(&json!("null")))
        || property["anyOf"].as_array().is_some_and(|any| any.contains(&json!({"type": "null"})))
        // Of any JSON, in a request: null counts as absent.
        || (name == "metadata" && types.is_null());
    let description = property.get("description").cloned();
    *property =
        if is_nullable { json!({"anyOf": [reference(meant), {"type": "null"}]}) } else { reference(meant) };
    if let Some(description) = description {
        property["description"] = description;
    }
}

/// What those names mean.
fn meanings() -> Map<String, Value> {
    let all = json!({
        "Id": {
            "description": format!("An id: opaque, at most {} characters.", limits::ID_BYTES_MAX),
            "type": "string",
            "pattern": format!("^[A-Za-z0-9_-]{{1,{}}}$", limits::ID_BYTES_MAX),
        },
        "Time": {
            "description": "Milliseconds since the Unix epoch.",
            "type": "integer",
            "minimum": 0,
            "maximum": 1_u64 << 53,
        },
        "Attempt": {"description": "The number of an attempt, from 1.", "type": "integer", "minimum": 1},
        "Metadata": {
            "description": "The caller's own labels.",
            "type": "object",
            "maxProperties": limits::METADATA_KEYS_MAX,
            "propertyNames": {"minLength": 1, "maxLength": limits::METADATA_KEY_BYTES_MAX},
            "additionalProperties": {
                "type": ["string", "number", "boolean"],
                "maxLength": limits::METADATA_VALUE_BYTES_MAX,
            },
        },
    });
    let mut all = all.as_object().cloned().expect("it is an object");
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut attributes = generator.subschema_for::<BTreeMap<String, AttributeValue>>().to_value();
    attributes["description"] = json!("Named values, as OpenTelemetry names them.");
    all.insert("Attributes".to_owned(), attributes);
    all
}

fn members<'a>(schema: &'a mut Value, of: &str) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    schema.get_mut(of).and_then(Value::as_object_mut).into_iter().flatten()
}
