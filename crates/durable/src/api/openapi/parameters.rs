//! The parameters of paths, query strings and headers.

use longhaul_core::{RunStatus, limits};
use longhaul_trace::index::{
    APPROVALS_DEFAULT, APPROVALS_MAX, METADATA_FILTERS_MAX, Q_BYTES_MAX, STATS_DAYS_DEFAULT, STATS_DAYS_MAX,
    TRACES_DEFAULT, TRACES_MAX, TracesSort,
};
use serde_json::{Value, json};

use super::references::reference;

/// The largest number that JavaScript carries as it is.
const SAFE_MAX: u64 = 1 << 53;

/// Parameters that several operations share, by their names.
pub(super) fn shared() -> Value {
    json!({
        "Session": {
            "name": "session",
            "in": "path",
            "required": true,
            "description": "The session's id.",
            "schema": reference("Id"),
        },
        "Run": {
            "name": "run",
            "in": "path",
            "required": true,
            "description": "The run's number in its session.",
            "schema": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
        },
        "Call": {
            "name": "call",
            "in": "path",
            "required": true,
            "description": "The number of the tool call in its session.",
            "schema": {"type": "integer", "minimum": 1, "maximum": u32::MAX},
        },
        "Tenant": {
            "name": "tenant",
            "in": "path",
            "required": true,
            "description": "The tenant's name.",
            "schema": reference("Id"),
        },
        "Receipt": {
            "name": "receipt",
            "in": "path",
            "required": true,
            "description": "The receipt's id.",
            "schema": reference("Id"),
        },
        "McpServer": {
            "name": "server",
            "in": "path",
            "required": true,
            "description": "The server's name.",
            "schema": reference("Id"),
        },
        "BulkKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes a repeated request the same job, as long as its receipt is kept; it counts per tenant.",
            "schema": key(),
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key",
            "in": "header",
            "description":
                "Makes a repeated request the same run; it counts per tenant, or per session for a further run.",
            "schema": key(),
        },
    })
}

fn key() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": limits::IDEMPOTENCY_KEY_BYTES_MAX,
        "pattern": "^[!-~]+$",
    })
}

/// The shared parameters that a path has in braces.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let named = [
        ("{session}", "Session"),
        ("{run}", "Run"),
        ("{call}", "Call"),
        ("{tenant}", "Tenant"),
        ("{receipt}", "Receipt"),
        ("{server}", "McpServer"),
    ];
    let there = named.into_iter().filter(|(segment, _)| path.contains(segment));
    there.map(|(_, name)| json!({"$ref": format!("#/components/parameters/{name}")})).collect()
}

pub(super) fn import_session() -> Vec<Value> {
    let mut session = query("session", "The id that the session gets.", reference("Id"));
    session["required"] = json!(true);
    vec![session, tenant()]
}

pub(super) fn show_run() -> Vec<Value> {
    let schema = json!({"type": "integer", "minimum": 0, "maximum": limits::WAIT_SECONDS_MAX});
    vec![query("wait", "How many seconds the answer may wait for the end of the run.", schema), tenant()]
}

pub(super) fn show_trace() -> Vec<Value> {
    let schema = json!({"enum": ["json", "otlp"], "default": "json"});
    vec![query("format", "`otlp` gives the finished spans as OTLP/JSON.", schema), tenant()]
}

pub(super) fn list_events() -> Vec<Value> {
    let mut last_id = query(
        "Last-Event-ID",
        "Where a reader of server-sent events stopped; unless it is empty, it is stronger than `after`.",
        json!({"type": "string", "pattern": "^[0-9]{0,15}$"}),
    );
    last_id["in"] = json!("header");
    let last_id_in_url = query(
        "lastEventId",
        "The same for readers that cannot send the header, which is stronger than this.",
        json!({"type": "string", "pattern": "^[0-9]{0,15}$"}),
    );
    vec![
        query(
            "after",
            "Only events after this `seq`.",
            json!({"type": "integer", "minimum": 0, "maximum": SAFE_MAX, "default": 0}),
        ),
        query(
            "limit",
            "How many events a page has at most.",
            json!({
                "type": "integer",
                "minimum": 1,
                "maximum": limits::PAGE_EVENTS_MAX,
                "default": limits::PAGE_EVENTS_DEFAULT,
            }),
        ),
        query(
            "run",
            "Only the events of this run; server-sent events then end with it.",
            json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        ),
        query(
            "deltas",
            "With `true` server-sent events have `model.delta`, `model.thought` and `tool.progress` too; a WebSocket always has them.",
            json!({"enum": ["true", "false"], "default": "false"}),
        ),
        last_id,
        last_id_in_url,
        tenant(),
    ]
}

pub(super) fn list_traces() -> Vec<Value> {
    let orders: Vec<_> = TracesSort::words().collect();
    let mut all = run_filter();
    all.extend([
        field("since", "Accepted at this time or later.", time()),
        field("until", "Accepted before this time.", time()),
        field(
            "sort",
            "The order: the newest, or those with the largest figure first. Runs without the figure come last.",
            json!({"enum": orders, "default": orders[0]}),
        ),
        field(
            "limit",
            "How many runs a page has at most.",
            json!({"type": "integer", "minimum": 1, "maximum": TRACES_MAX, "default": TRACES_DEFAULT}),
        ),
        field(
            "cursor",
            "The `next` of the page before, in the same order.",
            json!({"type": "string", "pattern": "^((unknown|(0|[1-9][0-9]{0,15})([.][0-9]{1,20})?(e-?[0-9]{1,2})?)-)?[0-9]{1,19}-[0-9a-f]{32}$"}),
        ),
    ]);
    all
}

/// Which sessions are meant: at least one filter has a value.
pub(super) fn many() -> Vec<Value> {
    let mut all = vec![json!({"$ref": "#/components/parameters/BulkKey"})];
    all.extend(run_filter());
    all.extend([
        field("since", "Runs that were accepted then or later.", time()),
        field("until", "Runs that were accepted earlier.", time()),
    ]);
    all
}

/// Which runs are meant.
fn run_filter() -> Vec<Value> {
    let text = |bytes_max: usize| json!({"type": "string", "maxLength": bytes_max});
    let count = || json!({"type": "integer", "minimum": 0, "maximum": SAFE_MAX});
    let label =
        format!("A label's value, where KEY is the label's key; at most {METADATA_FILTERS_MAX} labels.");
    vec![
        field(
            "status",
            "One status, or several with commas between them.",
            json!({"type": "string", "pattern": statuses()}),
        ),
        field(
            "model",
            "A model's full name; a comparison has each of its models, a run the one asked for and the latest that took it over.",
            text(limits::COMPARED_MODELS_MAX * (limits::NAME_BYTES_MAX + 1)),
        ),
        field("agent", "An agent's name.", text(limits::NAME_BYTES_MAX)),
        field("session", "A session's id.", text(limits::ID_BYTES_MAX)),
        field(
            "q",
            "A text in the task or the result, where ASCII letters match in either case; or the id of a session or a trace; or a run's address.",
            text(Q_BYTES_MAX),
        ),
        field("error_type", "What a failed run failed of.", text(limits::NAME_BYTES_MAX)),
        field("resumed", "Whether the run survived a crash or an eviction.", json!({"type": "boolean"})),
        field(
            "model_failed",
            "Whether the last attempt of one of its models failed.",
            json!({"type": "boolean"}),
        ),
        field("min_duration_ms", "It ended, and took at least so long.", count()),
        field("min_working_ms", "The same without the queue and the time that people took.", count()),
        field("min_total_tokens", "It used at least so many tokens.", count()),
        field(
            "min_cost_usd",
            "It cost at least so many US dollars.",
            json!({"type": "number", "minimum": 0}),
        ),
        query("metadata.KEY", &label, text(limits::METADATA_VALUE_BYTES_MAX)),
        tenant(),
    ]
}

/// Whose it is, where an operator asks.
pub(super) fn tenant() -> Value {
    field(
        "tenant",
        "Whose: for a token with the scope `operator`, whose lists are of all tenants without it. Any other token names its own, or none.",
        json!({"type": "string", "maxLength": limits::ID_BYTES_MAX, "pattern": "^[A-Za-z0-9_-]*$"}),
    )
}

pub(super) fn list_approvals() -> Vec<Value> {
    let text = |bytes_max: usize| json!({"type": "string", "maxLength": bytes_max});
    vec![
        field("status", "Only open ones are listed.", json!({"type": "string", "enum": ["open"]})),
        field("agent", "An agent's name.", text(limits::NAME_BYTES_MAX)),
        field("tool", "A tool's name.", text(limits::NAME_BYTES_MAX)),
        field(
            "limit",
            "How many calls a page has at most.",
            json!({"type": "integer", "minimum": 1, "maximum": APPROVALS_MAX, "default": APPROVALS_DEFAULT}),
        ),
        field(
            "cursor",
            "The `next` of the page before.",
            json!({"type": "string", "pattern": "^[0-9]{1,19}-[0-9]{1,19}-[A-Za-z0-9_-]{1,64}$"}),
        ),
        tenant(),
    ]
}

pub(super) fn show_stats() -> Vec<Value> {
    let since = format!(
        "The beginning, rounded down to the bucket; by default {STATS_DAYS_DEFAULT} days before `until`."
    );
    let until = format!(
        "The end, rounded up to the bucket, at most {STATS_DAYS_MAX} days after `since`; by default now."
    );
    let mut all = vec![field("since", &since, time()), field("until", &until, time())];
    all.push(field(
        "group",
        "`metadata.KEY`: the runs by the value of this label; `tenant`: by their tenant. With a filter below, the figures are those of the runs that were accepted in the time.",
        json!({"type": "string", "pattern": "^(tenant|metadata\\..+)$", "maxLength": "metadata.".len() + limits::METADATA_KEY_BYTES_MAX}),
    ));
    all.extend(run_filter());
    all
}

/// Milliseconds since the epoch, or a date or a time as ISO 8601 has them.
fn time() -> Value {
    let iso = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:[0-9]{2}))?$";
    json!({"anyOf": [reference("Time"), {"type": "string", "pattern": iso}]})
}

/// One status, or several with commas.
fn statuses() -> String {
    let all = [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Waiting,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ];
    let words = all.map(|status| json!(status).as_str().unwrap_or_default().to_owned()).join("|");
    format!("^({words})(,({words}))*$")
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

/// A parameter that a form may send without a value, which counts as absent.
fn field(name: &str, description: &str, schema: Value) -> Value {
    let mut parameter = query(name, description, schema);
    parameter["allowEmptyValue"] = json!(true);
    parameter
}
