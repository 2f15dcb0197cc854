use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::{
    Budget, Fallback, Idempotency, Misfit, NewRun, Rate, RunSettings, ToolOffer, limits, output_schema_faults,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    fields::{Fields, escaped, json_type},
    problem::{FieldError, FieldErrors, Problem},
};
use crate::{
    agent::{Agent, Agents},
    config::Config,
    tool::Declared,
};

/// What a body starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// A run of one model's loop, which starts a session.
    Run,
    /// A further one of a session.
    Further,
    /// A comparison of several models.
    Comparison,
}

/// What a session's latest run asks whom: its next one goes on with both unless it names others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GoingOn {
    /// The agent's name.
    pub(crate) agent: String,
    /// The model's full name.
    pub(crate) model: String,
}

/// What is wrong with a model where tenants have a spending limit.
const UNPRICED: &str =
    "has no price, without which nothing holds a tenant to its limit (TENANT_USD_PER_DAY): add it to PRICES";

/// What a body says, as far as it can be read: one that cannot is at fault anyway.
pub(crate) fn peeked(body: &[u8]) -> Value {
    serde_json::from_slice(without_mark(body)).unwrap_or_default()
}

/// Whether a body names agent and model itself.
pub(crate) fn names_both(json: &Value) -> bool {
    json["agent"].is_string() && json["model"].is_string()
}

pub(super) fn read_task(fields: &mut Fields<'_>) -> Option<String> {
    let task = fields.string("task", limits::TASK_BYTES_MAX);
    if task.is_none() && !fields.errors().has("/task") {
        fields.fail::<()>("task", "is required: a non-empty string");
    }
    task
}

/// Reads the body of a run or a comparison that is to be started.
///
/// # Errors
/// 413, 415, 400, or 422 with every field at fault.
pub(crate) fn new_run(
    kind: RunKind,
    media: Media<'_>,
    body: &[u8],
    idempotency_key: Option<&str>,
    agents: &Agents,
    config: &Config,
    going_on: Option<&GoingOn>,
) -> Result<NewRun, Problem> {
    let json = json_body(media, body)?;
    let idempotency = idempotency_key.map(|key| idempotency(key, &json)).transpose()?;
    let mut errors = FieldErrors::default();
    let run = read_run(kind, json, idempotency, (agents, config, going_on), &mut errors);
    match run {
        Some(run) if errors.is_empty() => Ok(run),
        _ => Err(Problem::fields(errors)),
    }
}

/// The session of a tenant's key: the object itself is then the lock for concurrent posts.
pub(crate) fn session_of_key(tenant: &str, idempotency: &Idempotency) -> String {
    id_of_key(tenant, &idempotency.key)
}

/// What a tenant makes with a key, whose digest this is.
pub(crate) fn id_of_key(tenant: &str, key: &str) -> String {
    let digest = hex(&Sha256::digest(format!("{tenant}/{key}")));
    format!("k{}", &digest[..31])
}

/// What the headers of a request say of its body.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Media<'a> {
    /// `Content-Type`.
    pub(crate) content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub(crate) content_encoding: Option<&'a str>,
}

/// The JSON of a body.
///
/// # Errors
/// 413, 415 or 400.
pub(crate) fn json_body(media: Media<'_>, body: &[u8]) -> Result<Value, Problem> {
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(too_large());
    }
    let coding = media.content_encoding.unwrap_or("").trim();
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        let detail = format!("a body of Content-Encoding `{coding}` is not read: send it as it is");
        // RFC 9110, section 12.5.3: what would be taken.
        return Err(Problem::unsupported_media_type(detail).with_header("Accept-Encoding", "identity"));
    }
    let media_type = media.content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type("send `Content-Type: application/json`"));
    }
    if let [0xfe, 0xff, ..] | [0xff, 0xfe, ..] = body {
        return Err(Problem::malformed_json(
            "the body is UTF-16 by its byte order mark: JSON is sent as UTF-8",
        ));
    }
    serde_json::from_slice(without_mark(body)).map_err(|error| Problem::malformed_json(error.to_string()))
}

/// RFC 8259, section 8.1: whoever reads may ignore a byte order mark.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// 413 for a body over the limit.
pub(crate) fn too_large() -> Problem {
    Problem::body_too_large(format!("a body has at most {} bytes", limits::BODY_BYTES_MAX))
}

impl Media<'_> {
    /// What a body has that passed the Worker.
    pub(crate) const JSON: Media<'static> =
        Media { content_type: Some("application/json"), content_encoding: None };
}

/// The digest of an `Idempotency-Key`.
///
/// # Errors
/// 400 where it has another form.
pub(crate) fn key(key: &str) -> Result<String, Problem> {
    let visible = key.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if !visible || !(1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
        return Err(Problem::parameter(
            "Idempotency-Key",
            &format!("must be 1 to {max} visible ASCII characters"),
        ));
    }
    Ok(hex(&Sha256::digest(key)))
}

pub(super) fn idempotency(key: &str, json: &Value) -> Result<Idempotency, Problem> {
    // `Value` keeps its keys sorted: the same JSON in another spelling is the same body.
    let canonical = json.to_string();
    Ok(Idempotency { key: self::key(key)?, body: hex(&Sha256::digest(canonical)) })
}

fn read_run(
    kind: RunKind,
    json: Value,
    idempotency: Option<Idempotency>,
    (agents, config, going_on): (&Agents, &Config, Option<&GoingOn>),
    errors: &mut FieldErrors,
) -> Option<NewRun> {
    let mut fields = Fields::of(json, "", errors);
    let task = read_task(&mut fields);
    let agent_name = fields.string("agent", limits::NAME_BYTES_MAX);
    let agent = agents.find(agent_name.as_deref().or(going_on.map(|latest| latest.agent.as_str())));
    if fields.errors().has("/agent") {
        // Said already.
    } else if let (None, None, Some(gone)) = (&agent, &agent_name, going_on) {
        let (gone, names) = (&gone.agent, agents.names());
        fields.fail::<()>(
            "agent",
            format!("is required: the session's own, {gone}, is gone; there are: {names}"),
        );
    } else if agent.is_none() {
        fields.fail::<()>("agent", format!("is not an agent of this deployment; it has: {}", agents.names()));
    }
    let (model, models, max_iterations) = match kind {
        RunKind::Run | RunKind::Further => {
            let model = read_model(&mut fields, agent, config, going_on);
            let most = agent.map_or(limits::AGENT_ITERATIONS_MAX, |agent| agent.max_iterations);
            (model, Vec::new(), fields.integer("max_iterations", 1, most.into()))
        }
        RunKind::Comparison => {
            let models = read_models(&mut fields, config);
            (Some(models.join(",")), models, Some(1))
        }
    };
    let fallbacks = match kind {
        RunKind::Run | RunKind::Further => read_fallbacks(&mut fields, model.as_deref(), config),
        RunKind::Comparison => Some(Vec::new()),
    };
    let tools = match kind {
        RunKind::Run | RunKind::Further => read_tools(&mut fields, agent),
        RunKind::Comparison => Vec::new(),
    };
    if kind != RunKind::Comparison {
        read_no_steer(&mut fields);
    }
    let output_schema = match kind {
        RunKind::Run | RunKind::Further => read_output_schema(&mut fields),
        RunKind::Comparison => None,
    };
    let patience = fields.integer("retry_patience_ms", 0, limits::RETRY_PATIENCE_MS_MAX);
    let instructions = fields.string("instructions", limits::INSTRUCTIONS_BYTES_MAX);
    let budget = fields.take("budget").map(|value| read_budget(kind, value, fields.errors()));
    let metadata = fields.take("metadata").map(|value| read_metadata(value, fields.errors()));
    let final_answer = match kind {
        RunKind::Run | RunKind::Further => fields.boolean("final_answer"),
        RunKind::Comparison => None,
    };
    let session_budget = match kind {
        RunKind::Run => {
            fields.take("session_budget").map(|value| read_session_budget(value, fields.errors()))
        }
        RunKind::Further | RunKind::Comparison => None,
    };
    fields.finish();
    let agent = agent?;
    let budget = budget.unwrap_or_default();
    let of_agent = Some(agent).filter(|_| kind != RunKind::Comparison);
    let max_iterations = max_iterations.and_then(|n| u32::try_from(n).ok());
    let model = model?;
    let is_own = fallbacks.is_none();
    let own = || agent.fallbacks.iter().filter(|name| **name != model).cloned().collect();
    let fallbacks: Vec<Fallback> = fallbacks
        .unwrap_or_else(own)
        .into_iter()
        .map(|name| Fallback { context_tokens: Some(config.context_tokens_after(agent, &name)), model: name })
        .collect();
    for (place, name) in fallbacks.iter().map(|fallback| &fallback.model).enumerate().filter(|_| is_own) {
        if let Some(missing) = config.missing_for(name) {
            let detail = format!("the agent's own fallback {name} cannot be called: {missing}");
            errors.push(FieldError::new(format!("/fallbacks/{place}"), detail));
        }
    }
    let asked = if models.is_empty() { std::slice::from_ref(&model) } else { &models };
    let asked = asked.iter().chain(fallbacks.iter().map(|fallback| &fallback.model));
    let unpriced = asked.clone().filter(|_| config.tenant_nano_usd.is_some());
    for (place, name) in unpriced.enumerate().filter(|(_, name)| config.prices.price(name).is_none()) {
        errors.push(FieldError::new(pointer_of_model(kind, place), format!("{name} {UNPRICED}")));
    }
    let servers = servers_of(kind, agents, agent, config);
    if servers.len() > limits::SERVERS_MAX {
        let (count, max) = (servers.len(), limits::SERVERS_MAX);
        let detail = format!("has {count} MCP servers, its own and those of MCP_SERVERS: at most {max}");
        errors.push(FieldError::new("/agent", detail));
    }
    let rates = asked.filter_map(|name| rate_of(config, name)).collect();
    // A comparison sends its task alone.
    let context_tokens = (kind != RunKind::Comparison).then(|| config.context_tokens(agent, &model));
    Some(NewRun {
        task: task?,
        agent: agent.name.clone(),
        model,
        models,
        max_iterations: max_iterations.unwrap_or(agent.max_iterations),
        metadata: metadata.unwrap_or_default(),
        settings: RunSettings {
            servers,
            instructions: instructions.or_else(|| agent.instructions.clone()),
            sentinel: agent.sentinel.clone(),
            budget: Budget {
                total_tokens: budget.total_tokens.or(of_agent.and_then(|agent| agent.total_tokens)),
                cost_usd: budget
                    .cost_usd
                    .or(of_agent.and_then(|agent| agent.cost_usd))
                    .or(config.default_cost_usd()),
                deadline_ms: budget.deadline_ms.or(agent.deadline_ms),
                tool_calls: budget.tool_calls.or(of_agent.and_then(|agent| agent.tool_calls)),
            },
            model_timeout_ms: config.model_timeout_ms,
            max_output_tokens: agent.max_output_tokens,
            temperature: agent.temperature,
            context_tokens,
            sinks: config.sinks(),
            webhook_events: config.webhook_events(),
            gateway_id: config.workers_ai.as_ref().and_then(|binding| binding.gateway_id.clone()),
            openai_server: config.endpoints.get("openai").ok().map(|server| server.server().to_owned()),
            sample_ratio: agent.sample_ratio,
            tools,
            retry_patience_ms: patience.or(agent.retry_patience_ms).or(Some(config.retry_patience_ms)),
            fallbacks,
            output_schema: output_schema
                .or_else(|| agent.output_schema.clone())
                .filter(|_| kind != RunKind::Comparison),
            rates,
            final_answer: final_answer.unwrap_or(agent.final_answer && kind != RunKind::Comparison),
            session_budget: session_budget.map(Box::new),
            // The tenant's object says it.
            tenant_day: None,
            imported: None,
        },
        idempotency,
        by: None,
    })
}

/// The MCP servers that a run asks for their tools. The models of a comparison call none.
fn servers_of(kind: RunKind, agents: &Agents, agent: &Agent, config: &Config) -> Vec<String> {
    match kind {
        RunKind::Run | RunKind::Further => {
            let servers = agents.servers_of(&config.mcp, &agent.name);
            servers.into_iter().map(|server| server.name).collect()
        }
        RunKind::Comparison => Vec::new(),
    }
}

/// Where a request names the model at a place among those that it asks: first its own, or those of a comparison.
fn pointer_of_model(kind: RunKind, place: usize) -> String {
    match (kind, place) {
        (RunKind::Comparison, place) => format!("/models/{place}"),
        (RunKind::Run | RunKind::Further, 0) => "/model".to_owned(),
        (RunKind::Run | RunKind::Further, place) => format!("/fallbacks/{}", place - 1),
    }
}

/// A run that is started joins no other.
fn read_no_steer(fields: &mut Fields<'_>) {
    match fields.take("steer") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            let detail = "joins the run under way of a session: post it to /v1/sessions/{session}/runs";
            fields.fail::<()>("steer", detail);
        }
        Some(other) => {
            fields.fail::<()>("steer", format!("must be a boolean, not {}", json_type(&other)));
        }
    }
}

fn read_model(
    fields: &mut Fields<'_>,
    agent: Option<&Agent>,
    config: &Config,
    going_on: Option<&GoingOn>,
) -> Option<String> {
    let model = fields.string("model", limits::NAME_BYTES_MAX);
    if fields.errors().has("/model") {
        return None;
    }
    // Another agent comes with its own model, where it has one.
    let stays = |latest: &&GoingOn| agent.is_none_or(|it| it.name == latest.agent || it.model.is_none());
    let model = model.or_else(|| Some(going_on.filter(stays)?.model.clone()));
    let model =
        model.or_else(|| agent.and_then(|a| a.model.clone())).or_else(|| config.default_model.clone());
    match model.as_deref().map(|model| config.missing_for(model)) {
        None => fields.fail::<()>("model", "is required: the deployment has no default, set MODEL"),
        Some(Some(missing)) => fields.fail("model", missing),
        Some(None) => Some(()),
    };
    model
}

/// The models that may take a run over, each named that is at fault; `None` where the request says nothing of them.
fn read_fallbacks(fields: &mut Fields<'_>, model: Option<&str>, config: &Config) -> Option<Vec<String>> {
    let max = limits::FALLBACKS_MAX;
    let listed = match fields.take("fallbacks")? {
        Value::Array(listed) if listed.len() <= max => listed,
        Value::Array(listed) => {
            let detail = format!("must have at most {max} model names, has {}", listed.len());
            return fields.fail("fallbacks", detail);
        }
        other => {
            let detail = format!("must be an array of at most {max} model names, not {}", json_type(&other));
            return fields.fail("fallbacks", detail);
        }
    };
    let mut models: Vec<String> = Vec::with_capacity(listed.len());
    for (index, value) in listed.into_iter().enumerate() {
        let fault = match &value {
            Value::String(name) if name.len() > limits::NAME_BYTES_MAX => {
                Some(format!("must be at most {} bytes, is {}", limits::NAME_BYTES_MAX, name.len()))
            }
            Value::String(name) if models.contains(name) => Some("is there twice".to_owned()),
            Value::String(name) if Some(name.as_str()) == model => {
                Some("is the model that it is to take over from".to_owned())
            }
            Value::String(name) => config.missing_for(name),
            other => Some(format!("must be a string, not {}", json_type(other))),
        };
        if let Some(fault) = fault {
            fields.errors().push(FieldError::new(format!("/fallbacks/{index}"), fault));
        }
        models.extend(value.as_str().map(str::to_owned));
    }
    Some(models)
}

/// The tools that the run is offered: the agent's, or those of them that the request names. Each is named that is at fault.
fn read_tools(fields: &mut Fields<'_>, agent: Option<&Agent>) -> Vec<ToolOffer> {
    let listed = match fields.take("tools") {
        None => return agent.into_iter().flat_map(|agent| &agent.tools).map(Declared::offer).collect(),
        Some(Value::Array(listed)) => listed,
        Some(other) => {
            let detail = format!("must be an array of names of tools, not {}", json_type(&other));
            fields.fail::<()>("tools", detail);
            return Vec::new();
        }
    };
    // Of an agent that there is not, nobody can tell.
    let Some(agent) = agent else { return Vec::new() };
    let (mut offers, mut named) = (Vec::new(), BTreeSet::new());
    for (index, value) in listed.into_iter().enumerate() {
        let found = value.as_str().and_then(|name| agent.find_tool(name));
        let fault = match (&value, found) {
            (Value::String(name), Some(tool)) if named.insert(name.clone()) => {
                offers.push(tool.offer());
                None
            }
            (Value::String(_), Some(_)) => Some("is there twice".to_owned()),
            (Value::String(_), None) => {
                let names: Vec<_> = agent.tools.iter().map(|tool| tool.name.as_str()).collect();
                Some(format!("is no tool of the agent {}; it has: {}", agent.name, names.join(", ")))
            }
            (other, _) => Some(format!("must be a string, not {}", json_type(other))),
        };
        if let Some(fault) = fault {
            fields.errors().push_with(|| FieldError::new(format!("/tools/{index}"), fault));
        }
    }
    offers
}

/// The schema of the result, each place named that is at fault.
fn read_output_schema(fields: &mut Fields<'_>) -> Option<Value> {
    let schema = fields.take("output_schema")?;
    for Misfit { pointer, detail } in output_schema_faults(&schema) {
        fields.errors().push_with(|| FieldError::new(format!("/output_schema{pointer}"), detail));
    }
    Some(schema)
}

/// The models of a comparison, each named that is at fault.
fn read_models(fields: &mut Fields<'_>, config: &Config) -> Vec<String> {
    let range = limits::COMPARED_MODELS_MIN..=limits::COMPARED_MODELS_MAX;
    let listed = match fields.take("models") {
        Some(Value::Array(listed)) if range.contains(&listed.len()) => listed,
        other => {
            let (verb, given) = match other {
                None => ("is required:", String::new()),
                Some(Value::Array(listed)) => ("must be", format!(", has {}", listed.len())),
                Some(other) => ("must be", format!(", not {}", json_type(&other))),
            };
            let (min, max) = range.into_inner();
            fields.fail::<()>("models", format!("{verb} an array of {min} to {max} model names{given}"));
            return Vec::new();
        }
    };
    let mut models: Vec<String> = Vec::with_capacity(listed.len());
    for (index, value) in listed.into_iter().enumerate() {
        let fault = match &value {
            Value::String(name) if name.len() > limits::NAME_BYTES_MAX => {
                Some(format!("must be at most {} bytes, is {}", limits::NAME_BYTES_MAX, name.len()))
            }
            // The names are joined by commas where a run has one model.
            Value::String(name) if name.contains(',') => Some("must not contain a comma".to_owned()),
            Value::String(name) if models.contains(name) => Some("is there twice".to_owned()),
            Value::String(name) => config.missing_for(name),
            other => Some(format!("must be a string, not {}", json_type(other))),
        };
        if let Some(fault) = fault {
            fields.errors().push(FieldError::new(format!("/models/{index}"), fault));
        }
        models.extend(value.as_str().map(str::to_owned));
    }
    models
}

fn read_budget(kind: RunKind, value: Value, errors: &mut FieldErrors) -> Budget {
    let mut fields = Fields::of(value, "/budget", errors);
    let budget = Budget {
        total_tokens: fields.integer("total_tokens", 1, 1 << 53),
        cost_usd: fields.positive("cost_usd"),
        deadline_ms: fields.integer("deadline_ms", 1, limits::DEADLINE_MS_MAX),
        tool_calls: read_tool_calls(&mut fields),
    };
    if kind == RunKind::Comparison {
        let at_once = "cannot bound a comparison, whose calls are all made at once";
        for (name, is_there, why) in [
            ("total_tokens", budget.total_tokens.is_some(), at_once),
            ("cost_usd", budget.cost_usd.is_some(), at_once),
            ("tool_calls", budget.tool_calls.is_some(), "cannot bound a comparison, which calls no tools"),
        ] {
            if is_there {
                fields.fail::<()>(name, why);
            }
        }
    }
    fields.finish();
    budget
}

/// What all runs of a session may spend. Each has a deadline of its own.
fn read_session_budget(value: Value, errors: &mut FieldErrors) -> Budget {
    let mut fields = Fields::of(value, "/session_budget", errors);
    let budget = Budget {
        total_tokens: fields.integer("total_tokens", 1, 1 << 53),
        cost_usd: fields.positive("cost_usd"),
        deadline_ms: None,
        tool_calls: read_tool_calls(&mut fields),
    };
    fields.finish();
    budget
}

fn read_tool_calls(fields: &mut Fields<'_>) -> Option<u32> {
    fields.integer("tool_calls", 1, u32::MAX.into()).and_then(|n| u32::try_from(n).ok())
}

/// What is set aside for tokens of a model, where its price is known: the most that one of its request costs.
fn rate_of(config: &Config, model: &str) -> Option<Rate> {
    let price = config.prices.price(model)?;
    let input = price.cache_write.map_or(price.input, |written| written.max(price.input));
    Some(Rate { model: model.to_owned(), input, output: price.output })
}

fn read_metadata(value: Value, errors: &mut FieldErrors) -> BTreeMap<String, Value> {
    let Value::Object(entries) = value else {
        errors.push(FieldError::new("/metadata", format!("must be an object, not {}", json_type(&value))));
        return BTreeMap::new();
    };
    if entries.len() > limits::METADATA_KEYS_MAX {
        let detail = format!("has {} keys; at most {}", entries.len(), limits::METADATA_KEYS_MAX);
        errors.push(FieldError::new("/metadata", detail));
        return BTreeMap::new();
    }
    for (key, value) in &entries {
        if let Some(fault) = metadata_fault(key, value) {
            errors.push(FieldError::new(format!("/metadata/{}", escaped(key)), fault));
        }
    }
    entries.into_iter().collect()
}

fn metadata_fault(key: &str, value: &Value) -> Option<String> {
    if key.is_empty() || key.len() > limits::METADATA_KEY_BYTES_MAX {
        return Some(format!("a key has 1 to {} bytes", limits::METADATA_KEY_BYTES_MAX));
    }
    match value {
        Value::String(text) if text.len() > limits::METADATA_VALUE_BYTES_MAX => {
            Some(format!("a value has at most {} bytes", limits::METADATA_VALUE_BYTES_MAX))
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => None,
        other => Some(format!("must be a string, a number or a boolean, not {}", json_type(other))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
