use jsonschema::Validator;
use longhaul_tests::Answer;
use serde_json::{Map, Value, json};

const TEXT: &str = include_str!("../../../../dashboard/static/openapi.json");
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];
/// Headers of every answer of the API: no cache keeps it, and no browser takes it for a page.
const EVERYWHERE: [(&str, &str); 3] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
];
const SCHEMAS: &str = "#/components/schemas/";

/// The OpenAPI document, and a stricter view of it: a member that it does not name is an error there.
pub(crate) struct Document {
    open: Value,
    strict: Value,
}

/// A method and a path with its parameters in braces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Operation {
    pub(crate) path: String,
    pub(crate) method: String,
}

impl Document {
    pub(crate) fn read() -> Document {
        let open: Value = serde_json::from_str(TEXT).expect("the document is JSON");
        let schemas = open["components"]["schemas"].as_object().expect("the document has schemas");
        let view = |level| -> Map<String, Value> {
            schemas.iter().map(|(name, schema)| (name.clone(), strict(schema, level))).collect()
        };
        let strict = json!({"closed": view(Level::Whole), "parts": view(Level::Part)});
        Document { open, strict }
    }

    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.open.pointer(pointer).unwrap_or_else(|| panic!("the document has no {pointer}"))
    }

    /// All operations in the order of their paths.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        let paths = self.at("/paths").as_object().expect("paths are an object");
        let all = paths.iter().flat_map(|(path, item)| {
            METHODS
                .iter()
                .filter(|method| item.get(**method).is_some())
                .map(|method| Operation { path: path.clone(), method: method.to_uppercase() })
        });
        let mut all: Vec<Operation> = all.collect();
        all.sort();
        all
    }

    /// Whether the operation needs a token.
    pub(crate) fn is_closed(&self, operation: &Operation) -> bool {
        self.operation(operation)["security"].is_null()
    }

    /// The names of the operation's query parameters.
    pub(crate) fn parameters(&self, operation: &Operation) -> Vec<String> {
        let all = self.operation(operation)["parameters"].as_array().into_iter().flatten();
        let of_query = all.filter(|parameter| parameter["in"] == "query");
        of_query.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    }

    /// Panics unless the answer is one that the document gives the operation: status, headers, type and body.
    #[track_caller]
    pub(crate) fn check(&self, method: &str, path: &str, answer: &Answer) {
        let operation = Operation { path: path.to_owned(), method: method.to_owned() };
        let shown = format!("{method} {path}: {}", answer.status);
        let response = &self.operation(&operation)["responses"][answer.status.to_string()];
        assert!(!response.is_null(), "{shown} is not in the document: {}", answer.text);
        let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(cors, None, "{shown} is open to pages of other origins");
        if answer.status != 101 {
            for (name, value) in EVERYWHERE {
                assert_eq!(answer.header(name), value, "{shown}, {name}");
            }
        }
        let response = self.resolved(response);
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolved(header);
            match answer.headers.get(name).and_then(|value| value.to_str().ok()) {
                Some(value) => self.validate(&header["schema"], &as_json(value), &format!("{shown}, {name}")),
                None => assert_ne!(header["required"], true, "{shown} has no {name}"),
            }
        }
        let Some(content) = response.get("content") else {
            return assert_eq!(answer.text, "", "{shown} has a body");
        };
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default().trim();
        let schema = &content[media_type]["schema"];
        assert!(!schema.is_null(), "{shown} has the type {media_type}, which is not in the document");
        if media_type.ends_with("json") {
            self.validate(schema, &answer.body, &shown);
        }
    }

    /// Panics unless the value is a `name` of the document.
    #[track_caller]
    pub(crate) fn check_value(&self, name: &str, value: &Value) {
        self.validate(&json!({"$ref": format!("{SCHEMAS}{name}")}), value, name);
    }

    /// Whether the document takes the value as a `name`, as a client reads it.
    pub(crate) fn takes(&self, name: &str, value: &Value) -> bool {
        let schema = json!({"$ref": format!("{SCHEMAS}{name}"), "components": self.open["components"]});
        validator(&schema).is_valid(value)
    }

    #[track_caller]
    fn validate(&self, schema: &Value, value: &Value, shown: &str) {
        let mut schema = strict(schema, Level::Whole);
        schema["strict"] = self.strict.clone();
        let faults: Vec<String> = validator(&schema)
            .iter_errors(value)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{shown} is not as the document says: {faults:#?}\n{value:#}");
    }

    fn operation(&self, operation: &Operation) -> &Value {
        let found = &self.open["paths"][&operation.path][operation.method.to_lowercase()];
        assert!(!found.is_null(), "{operation:?} is not in the document");
        found
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.at(reference.trim_start_matches('#')),
            None => value,
        }
    }
}

/// Whether a schema describes all of a value, or a part of it that `allOf` puts together with others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Whole,
    Part,
}

/// The schema with every object closed that does not say what else it may have.
fn strict(schema: &Value, level: Level) -> Value {
    match schema {
        Value::Object(members) => {
            let is_object = members.contains_key("properties") || members.contains_key("allOf");
            let mut made: Map<String, Value> =
                members.iter().map(|(key, value)| (key.clone(), member(key, value, level))).collect();
            if level == Level::Whole && is_object && !members.contains_key("additionalProperties") {
                made.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            Value::Object(made)
        }
        other => other.clone(),
    }
}

fn member(key: &str, value: &Value, level: Level) -> Value {
    let each = |level: Level| match value {
        Value::Array(schemas) => schemas.iter().map(|schema| strict(schema, level)).collect(),
        other => strict(other, level),
    };
    match (key, value) {
        ("$ref", Value::String(reference)) => {
            let view = if level == Level::Whole { "#/strict/closed/" } else { "#/strict/parts/" };
            json!(reference.replacen(SCHEMAS, view, 1))
        }
        ("properties", Value::Object(properties)) => {
            properties.iter().map(|(name, schema)| (name.clone(), strict(schema, Level::Whole))).collect()
        }
        ("allOf", _) => each(Level::Part),
        ("anyOf" | "oneOf" | "items" | "additionalProperties", _) => each(Level::Whole),
        _ => value.clone(),
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema)
        .unwrap_or_else(|error| panic!("the document has a bad schema: {error}"))
}

/// A header's value as its schema takes it: a number where it is one.
fn as_json(value: &str) -> Value {
    value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number))
}
