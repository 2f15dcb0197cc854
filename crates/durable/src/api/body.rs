use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::{Budget, Fallback, Idempotency, NewRun, RunSettings, ToolOffer, limits};
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

/// What is said of a field of the contract that is refused by its name until it holds.
const NOT_YET: &str = "is not supported yet";

/// What a body starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// A run of one model's loop.
    Run,
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

/// Whether a body names agent and model itself. One that cannot be read is at fault anyway.
pub(crate) fn names_both(body: &[u8]) -> bool {
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
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
    let digest = hex(&Sha256::digest(format!("{tenant}/{}", idempotency.key)));
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
    // RFC 8259, section 8.1: whoever reads may ignore a byte order mark.
    let json = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(json).map_err(|error| Problem::malformed_json(error.to_string()))
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

pub(super) fn idempotency(key: &str, json: &Value) -> Result<Idempotency, Problem> {
    let visible = key.bytes().all(|b| (0x21..=0x7e).contains(&b));
    if !visible || !(1..=limits::IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        let max = limits::IDEMPOTENCY_KEY_BYTES_MAX;
        return Err(Problem::parameter(
            "Idempotency-Key",
            &format!("must be 1 to {max} visible ASCII characters"),
        ));
    }
    // `Value` keeps its keys sorted: the same JSON in another spelling is the same body.
    let canonical = json.to_string();
    Ok(Idempotency { key: hex(&Sha256::digest(key)), body: hex(&Sha256::digest(canonical)) })
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
        RunKind::Run => {
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
        RunKind::Run => read_fallbacks(&mut fields, model.as_deref(), config),
        RunKind::Comparison => Some(Vec::new()),
    };
    let tools = match kind {
        RunKind::Run => read_tools(&mut fields, agent),
        RunKind::Comparison => Vec::new(),
    };
    if kind == RunKind::Run {
        read_no_steer(&mut fields);
    }
    let patience = fields.integer("retry_patience_ms", 0, limits::RETRY_PATIENCE_MS_MAX);
    let instructions = fields.string("instructions", limits::INSTRUCTIONS_BYTES_MAX);
    let budget = fields.take("budget").map(|value| read_budget(kind, value, fields.errors()));
    let metadata = fields.take("metadata").map(|value| read_metadata(value, fields.errors()));
    fields.finish();
    let agent = agent?;
    let budget = budget.unwrap_or_default();
    let max_iterations = max_iterations.and_then(|n| u32::try_from(n).ok());
    let model = model?;
    let own = || agent.fallbacks.iter().filter(|name| **name != model).cloned().collect();
    let fallbacks = fallbacks.unwrap_or_else(own).into_iter().map(|name| Fallback {
        context_tokens: Some(config.context_tokens_after(agent, &name)),
        model: name,
    });
    // A comparison sends its task alone.
    let context_tokens = (kind == RunKind::Run).then(|| config.context_tokens(agent, &model));
    Some(NewRun {
        task: task?,
        agent: agent.name.clone(),
        model,
        models,
        max_iterations: max_iterations.unwrap_or(agent.max_iterations),
        metadata: metadata.unwrap_or_default(),
        settings: RunSettings {
            instructions: instructions.or_else(|| agent.instructions.clone()),
            sentinel: agent.sentinel.clone(),
            budget: Budget {
                total_tokens: budget.total_tokens.or(agent.total_tokens.filter(|_| kind == RunKind::Run)),
                cost_usd: budget.cost_usd.or(agent.cost_usd.filter(|_| kind == RunKind::Run)),
                deadline_ms: budget.deadline_ms.or(agent.deadline_ms),
                tool_calls: None,
            },
            model_timeout_ms: config.model_timeout_ms,
            max_output_tokens: agent.max_output_tokens,
            temperature: agent.temperature,
            context_tokens,
            sinks: config.sinks(),
            gateway_id: config.workers_ai.as_ref().and_then(|binding| binding.gateway_id.clone()),
            openai_server: config.endpoints.get("openai").ok().map(|server| server.server().to_owned()),
            sample_ratio: agent.sample_ratio,
            tools,
            retry_patience_ms: patience.or(agent.retry_patience_ms).or(Some(config.retry_patience_ms)),
            fallbacks: fallbacks.collect(),
        },
        idempotency,
        by: None,
    })
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

/// The models of a comparison, each named that is at fault.
fn read_models(fields: &mut Fields<'_>, config: &Config) -> Vec<String> {
    let range = limits::COMPARED_MODELS_MIN..=limits::COMPARED_MODELS_MAX;
    let listed = match fields.take("models") {
        Some(Value::Array(listed)) if range.contains(&listed.len()) => listed,
        _ => {
            let (min, max) = range.into_inner();
            fields.fail::<()>("models", format!("is required: an array of {min} to {max} model names"));
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
        tool_calls: None,
    };
    if kind == RunKind::Comparison {
        for (name, is_there) in
            [("total_tokens", budget.total_tokens.is_some()), ("cost_usd", budget.cost_usd.is_some())]
        {
            if is_there {
                fields.fail::<()>(name, "cannot bound a comparison, whose calls are all made at once");
            }
        }
    }
    if fields.take("tool_calls").is_some() {
        fields.fail::<()>("tool_calls", NOT_YET);
    }
    fields.finish();
    budget
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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::Bindings,
        tool::{Tool, ToolContext, ToolError},
    };

    const JSON: Media<'_> =
        Media { content_type: Some("application/json; charset=utf-8"), content_encoding: None };

    fn read(body: &Value) -> Result<NewRun, Problem> {
        read_with_key(body, None)
    }

    fn read_with_key(body: &Value, key: Option<&str>) -> Result<NewRun, Problem> {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        new_run(RunKind::Run, JSON, body.to_string().as_bytes(), key, &Agents::default(), &config, None)
    }

    fn pointers(problem: &Problem) -> Vec<&str> {
        problem.errors.iter().map(|error| error.pointer.as_str()).collect()
    }

    #[test]
    fn a_task_alone_gets_the_defaults() {
        let run = read(&json!({"task": "Write."})).unwrap();
        assert_eq!(
            (run.agent.as_str(), run.model.as_str(), run.max_iterations),
            ("default", "scripted:haiku", 6)
        );
        assert_eq!(run.settings.sentinel, "DONE");
        assert_eq!(
            run.settings.context_tokens,
            Some(limits::CONTEXT_TOKENS_MAX),
            "the script's window never ends"
        );
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let problem = read(&json!({
            "task": 7, "agent": "nobody", "model": "gpt-9", "instructions": [], "max_iterations": 51,
            "budget": {"total_tokens": 0, "cost_usd": -1, "deadline_ms": "soon", "tool_calls": 3, "x": 1},
            "metadata": {"ok": 1, "bad/key": [1]}, "tools": {}, "Task": "?"
        }))
        .unwrap_err();
        assert_eq!(problem.status, 422);
        let mut found = pointers(&problem);
        found.sort_unstable();
        let expected = [
            "/Task",
            "/agent",
            "/budget/cost_usd",
            "/budget/deadline_ms",
            "/budget/tool_calls",
            "/budget/total_tokens",
            "/budget/x",
            "/instructions",
            "/max_iterations",
            "/metadata/bad~1key",
            "/model",
            "/task",
            "/tools",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_field_at_fault_is_named_once() {
        let config = Config::parse(
            &|name| (name == "OPENAI_BASE_URL").then(|| "http://h/v1".to_owned()),
            Bindings::default(),
        );
        let config = config.ok().unwrap();
        assert_eq!(config.default_model, None);
        let gone = GoingOn { agent: "gone".to_owned(), model: "nobody:x".to_owned() };
        for (body, going_on, expected) in [
            (json!({"task": "x", "model": 7}), None, vec!["/model"]),
            (json!({"task": "x", "model": " "}), None, vec!["/model"]),
            (json!({"task": "x", "model": "m".repeat(limits::NAME_BYTES_MAX + 1)}), None, vec!["/model"]),
            (json!({"task": "x"}), None, vec!["/model"]),
            (json!({"task": "x", "agent": [], "model": {}}), None, vec!["/agent", "/model"]),
            (json!({"task": 1, "agent": 7, "model": 7}), Some(&gone), vec!["/task", "/agent", "/model"]),
            (json!({"task": "x", "agent": 7}), Some(&gone), vec!["/agent", "/model"]),
        ] {
            let text = body.to_string();
            let agents = Agents::default();
            let refused = new_run(RunKind::Run, JSON, text.as_bytes(), None, &agents, &config, going_on);
            assert_eq!(pointers(&refused.unwrap_err()), expected, "{text}");
        }
    }

    #[test]
    fn a_task_must_be_there_and_say_something() {
        for body in [json!({}), json!({"task": null}), json!({"task": ""}), json!({"task": " \n"})] {
            assert_eq!(pointers(&read(&body).unwrap_err()), ["/task"], "{body}");
        }
        let long = "x".repeat(limits::TASK_BYTES_MAX + 1);
        assert_eq!(pointers(&read(&json!({ "task": long })).unwrap_err()), ["/task"]);
        assert!(read(&json!({ "task": &long[1..] })).is_ok());
        assert_eq!(read(&json!([1])).unwrap_err().status, 422);
    }

    #[test]
    fn a_further_run_goes_on_with_agent_and_model_unless_it_names_others() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let agents = Agents::new([
            Agent::new("first"),
            Agent::new("poet").model("scripted:echo"),
            Agent::new("plain"),
        ]);
        let latest = GoingOn { agent: "poet".to_owned(), model: "scripted:slow".to_owned() };
        for (body, agent, model) in [
            (json!({"task": "x"}), "poet", "scripted:slow"),
            (json!({"task": "x", "agent": "poet"}), "poet", "scripted:slow"),
            (json!({"task": "x", "agent": "plain"}), "plain", "scripted:slow"),
            (json!({"task": "x", "model": "scripted:haiku"}), "poet", "scripted:haiku"),
            (json!({"task": "x", "agent": "first", "model": "scripted:haiku"}), "first", "scripted:haiku"),
        ] {
            let body = body.to_string();
            let run = new_run(RunKind::Run, JSON, body.as_bytes(), None, &agents, &config, Some(&latest));
            let run = run.unwrap();
            assert_eq!((run.agent.as_str(), run.model.as_str()), (agent, model), "{body}");
        }
        let gone = GoingOn { agent: "gone".to_owned(), model: "openai:x".to_owned() };
        let refused = new_run(RunKind::Run, JSON, br#"{"task":"x"}"#, None, &agents, &config, Some(&gone));
        assert_eq!(pointers(&refused.unwrap_err()), ["/agent", "/model"]);
        assert!(names_both(br#"{"agent":"a","model":"b"}"#));
        assert!(!names_both(br#"{"agent":"a","model":null}"#) && !names_both(b"[1]") && !names_both(b"{"));
    }

    #[test]
    fn patience_and_fallbacks_are_the_requests_the_agents_or_the_deployments() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let agents = Agents::new([Agent::new("a")
            .retry_patience(std::time::Duration::from_secs(60))
            .fallback("scripted:echo")
            .fallback("scripted:haiku")]);
        let read = |agents: &Agents, body: &Value| {
            let run = new_run(RunKind::Run, JSON, body.to_string().as_bytes(), None, agents, &config, None);
            let settings = run.unwrap().settings;
            let models = settings.fallbacks.into_iter().map(|fallback| fallback.model).collect::<Vec<_>>();
            (settings.retry_patience_ms, models)
        };
        let task = json!({"task": "x"});
        assert_eq!(read(&Agents::default(), &task), (Some(900_000), Vec::new()));
        assert_eq!(
            read(&agents, &task),
            (Some(60_000), vec!["scripted:echo".to_owned()]),
            "not its own model"
        );
        let own = json!({"task": "x", "retry_patience_ms": 0, "fallbacks": []});
        assert_eq!(read(&agents, &own), (Some(0), Vec::new()));
        for (fallbacks, expected) in [
            (json!(["scripted:echo", "scripted:echo", "nobody:x", 7, "scripted:haiku"]), vec!["/fallbacks"]),
            (
                json!(["openai:x", "scripted:haiku", 7, "gpt"]),
                vec!["/fallbacks/0", "/fallbacks/1", "/fallbacks/2", "/fallbacks/3"],
            ),
            (json!(["scripted:echo", "scripted:echo"]), vec!["/fallbacks/1"]),
            (json!("scripted:echo"), vec!["/fallbacks"]),
        ] {
            let body = json!({"task": "x", "fallbacks": fallbacks});
            assert_eq!(pointers(&super::tests::read(&body).unwrap_err()), expected, "{body}");
        }
        let body = json!({"task": "x", "retry_patience_ms": 86_400_001});
        assert_eq!(pointers(&super::tests::read(&body).unwrap_err()), ["/retry_patience_ms"]);
        let compared = json!({"task": "x", "models": ["scripted:echo", "scripted:haiku"], "retry_patience_ms": 5, "fallbacks": []});
        let compared = compared.to_string();
        let refused = new_run(RunKind::Comparison, JSON, compared.as_bytes(), None, &agents, &config, None);
        assert_eq!(pointers(&refused.unwrap_err()), ["/fallbacks"]);
    }

    /// A name that nobody can be asked by is refused where it stands, and not in a run.
    #[test]
    fn a_model_without_its_provider_is_refused_wherever_it_is_named() {
        let vars = [("WORKERS_AI", "off"), ("AUTH", "off")];
        let lookup = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let local = Config::parse(&lookup, Bindings { ai: true, db: false }).ok().unwrap();
        let unbound = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let cases = [
            (RunKind::Run, json!({"task": "x", "model": "@cf/meta/llama"}), "/model"),
            (
                RunKind::Run,
                json!({"task": "x", "fallbacks": ["scripted:echo", "@cf/meta/llama"]}),
                "/fallbacks/1",
            ),
            (
                RunKind::Comparison,
                json!({"task": "x", "models": ["@cf/meta/llama", "scripted:echo"]}),
                "/models/0",
            ),
        ];
        for (config, hint) in [(&local, "WORKERS_AI"), (&unbound, "[ai]")] {
            for (kind, body, pointer) in &cases {
                let text = body.to_string();
                let refused = new_run(*kind, JSON, text.as_bytes(), None, &Agents::default(), config, None);
                let refused = refused.unwrap_err();
                assert_eq!((refused.status, pointers(&refused)), (422, vec![*pointer]), "{text}");
                assert!(refused.errors[0].detail.contains(hint), "{:?}", refused.errors);
            }
        }
        let agents = Agents::new([Agent::new("a").model("@cf/meta/llama")]);
        let refused = new_run(RunKind::Run, JSON, br#"{"task":"x"}"#, None, &agents, &local, None);
        assert_eq!(pointers(&refused.unwrap_err()), ["/model"], "the agent's own too");
    }

    #[test]
    fn a_run_gets_the_agents_tools_or_those_that_it_names() {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        struct Nothing {}
        async fn nothing(_: Nothing, _: ToolContext) -> Result<(), ToolError> {
            Ok(())
        }
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let shop = Agent::new("shop")
            .max_iterations(20)
            .tool(Tool::new("find", nothing).read())
            .tool(Tool::new("pay", nothing).always_ask());
        let agents = Agents::new([shop, Agent::new("idle")]);
        let read = |body: &Value| {
            let body = body.to_string();
            new_run(RunKind::Run, JSON, body.as_bytes(), None, &agents, &config, None)
        };
        let names = |body: Value| {
            let run = read(&body).unwrap();
            run.settings.tools.into_iter().map(|offer| offer.name).collect::<Vec<_>>()
        };
        assert_eq!(names(json!({"task": "x"})), ["find", "pay"]);
        assert_eq!(names(json!({"task": "x", "tools": ["pay"], "max_iterations": 20})), ["pay"]);
        assert!(names(json!({"task": "x", "tools": []})).is_empty());
        assert!(names(json!({"task": "x", "agent": "idle"})).is_empty());
        let offer = read(&json!({"task": "x", "tools": ["pay"]})).unwrap().settings.tools.remove(0);
        assert_eq!(offer.approval_ms, Some(limits::APPROVAL_MS_DEFAULT));
        let run = read(&json!({"task": "x"})).unwrap();
        assert!(agents.missing_tools(&run).is_empty());
        let idle = Agents::new([Agent::new("shop").tool(Tool::new("pay", nothing))]);
        assert_eq!(idle.missing_tools(&run), ["find"], "an object that has other code than the Worker");
        for (body, expected) in [
            (json!({"tools": ["find", "sell", 7, "find"]}), vec!["/tools/1", "/tools/2", "/tools/3"]),
            (json!({"tools": "find"}), vec!["/tools"]),
            (json!({"tools": ["find"], "agent": "idle"}), vec!["/tools/0"]),
            (json!({"max_iterations": 21}), vec!["/max_iterations"]),
            (json!({"max_iterations": 7, "agent": "idle"}), vec!["/max_iterations"]),
        ] {
            let mut body = body;
            body["task"] = json!("x");
            assert_eq!(pointers(&read(&body).unwrap_err()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart_from_what_is_wrong_in_it() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let status = |media, body: &[u8]| {
            new_run(RunKind::Run, media, body, None, &Agents::default(), &config, None).unwrap_err().status
        };
        assert_eq!(status(JSON, b"{"), 400);
        assert_eq!(status(JSON, b"\xff"), 400);
        let of_type = |content_type| Media { content_type, ..JSON };
        assert_eq!(status(of_type(None), b"{\"task\":\"x\"}"), 415);
        assert_eq!(status(of_type(Some("text/plain")), b"{\"task\":\"x\"}"), 415);
        assert_eq!(status(JSON, &vec![b' '; limits::BODY_BYTES_MAX + 1]), 413);
    }

    #[test]
    fn api_03_a_byte_order_mark_is_no_part_of_the_body() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let read = |body: &[u8]| new_run(RunKind::Run, JSON, body, None, &Agents::default(), &config, None);
        assert_eq!(read(b"\xef\xbb\xbf{\"task\":\"x\"}").unwrap().task, "x");
        for utf_16 in [&b"\xfe\xff\0{\0}"[..], b"\xff\xfe{\0}\0"] {
            let refused = read(utf_16).unwrap_err();
            assert_eq!(refused.status, 400);
            assert!(serde_json::to_string(&refused).unwrap().contains("byte order mark"));
        }
    }

    #[test]
    fn a_body_in_a_coding_is_refused_by_its_name() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let read = |coding| {
            let media = Media { content_encoding: Some(coding), ..JSON };
            new_run(RunKind::Run, media, b"{\"task\":\"x\"}", None, &Agents::default(), &config, None)
        };
        for plain in ["", "identity", "Identity "] {
            assert!(read(plain).is_ok(), "{plain}");
        }
        for coding in ["gzip", "br", "gzip, identity"] {
            let refused = read(coding).unwrap_err();
            assert_eq!(refused.status, 415);
            assert!(serde_json::to_string(&refused).unwrap().contains(&format!("`{coding}`")), "{coding}");
            assert_eq!(refused.headers, [("Accept-Encoding", "identity".to_owned())]);
        }
    }

    #[test]
    fn a_comparison_names_each_model_at_fault() {
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let read = |body: &Value| {
            new_run(
                RunKind::Comparison,
                JSON,
                body.to_string().as_bytes(),
                None,
                &Agents::default(),
                &config,
                None,
            )
        };
        let run = read(&json!({"task": "x", "models": ["scripted:haiku", "scripted:echo"]})).unwrap();
        assert_eq!((run.model.as_str(), run.models.len()), ("scripted:haiku,scripted:echo", 2));
        assert_eq!(run.settings.context_tokens, None, "it sends its task alone");
        let problem = read(&json!({
            "models": ["scripted:echo", 7, "scripted:echo", "gpt", "scripted:x,y"], "model": "scripted:echo",
            "max_iterations": 2, "budget": {"total_tokens": 5, "deadline_ms": 5}
        }))
        .unwrap_err();
        let mut found = pointers(&problem);
        found.sort_unstable();
        let expected = [
            "/budget/total_tokens",
            "/max_iterations",
            "/model",
            "/models/1",
            "/models/2",
            "/models/3",
            "/models/4",
            "/task",
        ];
        assert_eq!(found, expected);
        for models in [json!([]), json!(["scripted:echo"]), json!("scripted:echo"), json!(null)] {
            let problem = read(&json!({"task": "x", "models": models})).unwrap_err();
            assert_eq!(pointers(&problem), ["/models"]);
        }
        let nine: Vec<_> = (0..9).map(|n| format!("scripted:{n}")).collect();
        assert_eq!(pointers(&read(&json!({"task": "x", "models": nine})).unwrap_err()), ["/models"]);
    }

    #[test]
    fn a_key_is_visible_ascii_and_the_body_is_compared_as_json() {
        let max = "k".repeat(limits::IDEMPOTENCY_KEY_BYTES_MAX);
        for bad in ["", "a b", "é", "a\u{7f}", format!("{max}k").as_str()] {
            assert_eq!(read_with_key(&json!({"task": "x"}), Some(bad)).unwrap_err().status, 400, "{bad}");
        }
        let first = read_with_key(&json!({"task": "x", "model": "scripted:haiku"}), Some(&max)).unwrap();
        let config = Config::parse(&|_| None, Bindings::default()).ok().unwrap();
        let respelled = b"{ \"model\":\"scripted:haiku\",\n\"task\":\"\\u0078\"}";
        let second =
            new_run(RunKind::Run, JSON, respelled, Some(&max), &Agents::default(), &config, None).unwrap();
        assert_eq!(first.idempotency, second.idempotency);
        let session = session_of_key("ann", &first.idempotency.clone().unwrap());
        assert_eq!(session.len(), 32);
        assert_ne!(session, session_of_key("bob", &first.idempotency.unwrap()));
    }
}
