use std::{collections::BTreeSet, rc::Rc};

use longhaul_core::{
    INDEX_SINK, Judge, NANO_PER_USD,
    limits::{
        CONTEXT_TOKENS_DEFAULT, CONTEXT_TOKENS_MAX, CONTEXT_TOKENS_MIN, MODEL_TIMEOUT_MS_DEFAULT,
        MODEL_TIMEOUT_MS_MAX, RETRY_PATIENCE_MS_DEFAULT, RETRY_PATIENCE_MS_MAX,
    },
    nano_usd,
};
use longhaul_host::{Deployment, Endpoints, Hooks, NEXUS_SINK, OTLP_SINK, SecretNet, WorkersAi};
use longhaul_mcp::{
    Servers,
    oauth::{Reach, host_of},
};
use longhaul_models::{BUILT_IN_PREFIXES, ModelName, Prices, Provider, context_tokens, decimal};
use longhaul_trace::{
    Capture, ConfigErrors, OtlpConfig, Resource, WebhookConfig, nexus::NexusConfig, redact::Redaction,
};

use crate::{
    agent::Agent,
    api::{auth::Access, hosts::LocalHosts, problem::FieldError},
    databases::{Databases, INDEX_DATABASES},
    policy::Policy,
    providers, secrets, servers,
};

/// The model of requests and agents that name none, when Workers AI is bound.
/// The variable that says whether the `AI` binding can be called.
pub(crate) const WORKERS_AI: &str = "WORKERS_AI";
const WORKERS_AI_MODEL: &str = "@cf/meta/llama-3.1-8b-instruct";
/// The model when no provider is configured: the embedded script, which is no model.
const SCRIPTED_MODEL: &str = "scripted:haiku";
/// Variables that may go on in others: JSON, and the tokens.
const LONG_VARIABLES: [&str; 6] =
    ["API_TOKENS", INDEX_DATABASES, servers::MCP_SERVERS, "PRICES", "PROVIDERS", "TOOL_POLICY"];
/// The parts that such a variable has at most.
const PARTS_MAX: u8 = 9;
const DAY_MS: u64 = 24 * 3_600_000;
/// The least length of `CREDENTIALS_KEY`.
const CREDENTIALS_KEY_BYTES_MIN: usize = 32;
/// Sessions of one tenant that may have open runs at once, by default.
const TENANT_SESSIONS_DEFAULT: u32 = 100;
/// The most that a deployment may allow: the tenant's object asks each of them when all are taken.
const TENANT_SESSIONS_MAX: u32 = 1_000;
/// So many runs fit into a tenant's limit of a day that name nothing themselves.
const RUNS_PER_LIMIT: u64 = 10;
/// The least limit of a tenant that is taken, in US dollars: a part of it is a whole number of billionths.
const TENANT_USD_MIN: f64 = 1e-6;
/// The most that a tenant may spend in a day, in US dollars: in billionths it is a number that JavaScript holds exactly.
const TENANT_USD_MAX: f64 = 1e6;

/// The deployment's variables, read and checked once.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) access: Access,
    /// The names that a server with `AUTH=off` answers to; with tokens it answers to any.
    pub(crate) local_hosts: Option<LocalHosts>,
    /// Whether the embedded script may be asked for as a model.
    pub(crate) scripted: bool,
    pub(crate) default_model: Option<String>,
    pub(crate) workers_ai: Option<WorkersAi>,
    /// Whether the operator says that the binding cannot be called: it looks the same where it can.
    is_workers_ai_off: bool,
    pub(crate) endpoints: Endpoints,
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) nexus: Option<NexusConfig>,
    /// Where events are sent, one by one.
    pub(crate) webhook: Option<WebhookConfig>,
    pub(crate) has_index: bool,
    /// Which tenants' rows are in which databases of it.
    pub(crate) databases: Databases,
    /// The deployment's own secrets.
    pub(crate) secrets: SecretNet,
    /// The same as texts.
    secret_texts: Rc<BTreeSet<String>>,
    pub(crate) redaction: Redaction,
    pub(crate) resource: Resource,
    pub(crate) capture: Capture,
    pub(crate) prices: Prices,
    /// The rules for calls of tools, whatever the agent.
    pub(crate) tool_policy: Option<Rc<Policy>>,
    pub(crate) retention_ms: u64,
    pub(crate) model_timeout_ms: u64,
    /// How long transient faults of a call are borne.
    pub(crate) retry_patience_ms: u64,
    /// Sessions of one tenant that may have open runs at once.
    pub(crate) tenant_sessions_max: usize,
    /// What the runs of one tenant may cost that are accepted in one UTC day, in billionths of a US dollar.
    pub(crate) tenant_nano_usd: Option<u64>,
    /// The window of a model that the built-in table does not know, in tokens.
    pub(crate) context_tokens: u64,
    /// The deployment's own address, without a slash at its end.
    pub(crate) public_url: Option<Rc<str>>,
    /// What tokens of MCP servers are kept under: a secret.
    pub(crate) credentials_key: Option<Rc<str>>,
    /// The MCP servers of every agent, or of those that each names.
    pub(crate) mcp: Rc<Servers>,
}

/// What a deployment has beside its variables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bindings {
    /// `AI`, Workers AI.
    pub(crate) ai: bool,
    /// `DB`, the database of the index of traces.
    pub(crate) db: bool,
    /// `TENANTS`, the objects of the tenants.
    pub(crate) tenants: bool,
}

impl Config {
    /// Reads every variable of `.dev.vars.example`. `lookup` gives a variable or secret by name, and something for a
    /// database that is bound under the name.
    ///
    /// # Errors
    /// Every variable at fault, by name; never a secret.
    pub(crate) fn parse(
        lookup: &dyn Fn(&str) -> Option<String>,
        bindings: Bindings,
    ) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        LONG_VARIABLES.iter().for_each(|name| check_parts(name, lookup, &mut errors));
        let whole = |name: &str| match LONG_VARIABLES.contains(&name) {
            true => joined(name, lookup),
            false => lookup(name),
        };
        let var = |name: &str| whole(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let auth = var("AUTH");
        let at_fault = if matches!(auth.as_deref(), None | Some("tokens")) { "API_TOKENS" } else { "AUTH" };
        let access = Access::parse(auth.as_deref(), var("API_TOKENS").as_deref())
            .map_err(|detail| errors.push(FieldError::new(at_fault, detail)));
        let local_hosts = LocalHosts::parse(var("LOCAL_HOSTS").as_deref()).unwrap_or_else(|detail| {
            errors.push(FieldError::new("LOCAL_HOSTS", detail));
            LocalHosts::default()
        });
        let (otlp, nexus, webhook, resource) = sinks(&var, &mut errors);
        let secret_texts = Rc::new(secrets::texts(&var, otlp.as_ref()));
        let redaction =
            var("REDACT").map_or_else(|| Ok(Redaction::default()), |text| Redaction::parse(&text));
        let redaction = redaction.map_err(|error| errors.push(FieldError::new("REDACT", error.to_string())));
        let capture = var("CAPTURE").map_or(Ok(Capture::Preview), |text| text.parse::<Capture>());
        let capture = capture.map_err(|error| errors.push(FieldError::new("CAPTURE", error.to_string())));
        let prices = var("PRICES").map_or_else(|| Ok(Prices::default()), |json| Prices::parse(&json));
        let prices = prices.map_err(|error| errors.push(FieldError::new("PRICES", error.to_string())));
        let tool_policy = var("TOOL_POLICY").and_then(|json| {
            Policy::parse("TOOL_POLICY", &json).map_err(|faults| errors.extend(faults)).ok().map(Rc::new)
        });
        let endpoints = providers::endpoints(&var, &mut errors);
        let reach = match &access {
            Ok(access) if access.is_off() => Reach::Loopback,
            _ => Reach::Public,
        };
        let mcp = Rc::new(servers::servers(&var, reach, &mut errors));
        let days = number("RETENTION_DAYS", var("RETENTION_DAYS"), 30, 3_650, &mut errors);
        let timeout = number(
            "MODEL_TIMEOUT_MS",
            var("MODEL_TIMEOUT_MS"),
            MODEL_TIMEOUT_MS_DEFAULT,
            MODEL_TIMEOUT_MS_MAX,
            &mut errors,
        );
        let patience = patience(var("RETRY_PATIENCE_MS"), &mut errors);
        let window = window(var("CONTEXT_TOKENS"), &mut errors);
        let sessions = number(
            "TENANT_SESSIONS_MAX",
            var("TENANT_SESSIONS_MAX"),
            TENANT_SESSIONS_DEFAULT.into(),
            TENANT_SESSIONS_MAX.into(),
            &mut errors,
        );
        let per_day = usd_per_day(var("TENANT_USD_PER_DAY"), bindings.tenants, &mut errors);
        let databases = Databases::parse(var(INDEX_DATABASES), &|name| lookup(name).is_some(), &mut errors);
        let public_url = var("PUBLIC_URL").map(|url| Rc::<str>::from(url.trim_end_matches('/')));
        // Where webhooks are in the build, they say it.
        if cfg!(not(feature = "webhooks")) && public_url.as_deref().is_some_and(|url| host_of(url).is_none())
        {
            errors.push(FieldError::new(
                "PUBLIC_URL",
                "must be the deployment's own address: https://, and a host",
            ));
        }
        let credentials_key = var("CREDENTIALS_KEY").map(Rc::<str>::from);
        if credentials_key.as_deref().is_some_and(|key| key.len() < CREDENTIALS_KEY_BYTES_MIN) {
            let detail = format!(
                "must have at least {CREDENTIALS_KEY_BYTES_MIN} bytes that nobody can guess: `openssl rand -base64 32`"
            );
            errors.push(FieldError::new("CREDENTIALS_KEY", detail));
        }
        let gateway_id = var("AI_GATEWAY_ID");
        let is_workers_ai_off = !switch(WORKERS_AI, var(WORKERS_AI), true, &mut errors);
        let workers_ai = (bindings.ai && !is_workers_ai_off).then_some(WorkersAi { gateway_id });
        let has_provider = workers_ai.is_some() || !endpoints.is_empty();
        let is_on = switch("SCRIPTED", var("SCRIPTED"), false, &mut errors);
        let default_model = default_model(var("MODEL"), workers_ai.is_some(), !endpoints.is_empty());
        match default_model.as_deref().map(ModelName::parse) {
            Some(Err(error)) => {
                let text = error.to_string();
                // Anybody may read this: the value, which stands before the help, is not repeated.
                let help = text.split_once("; ").map(|(_, help)| format!("is no name of a model: {help}"));
                errors.push(FieldError::new("MODEL", help.unwrap_or(text)));
            }
            // Of the built-in ones a request says what is missing.
            Some(Ok(name)) if !BUILT_IN_PREFIXES.contains(&name.prefix()) => {
                let missing =
                    (name.provider() == Provider::Server).then(|| endpoints.get(name.prefix()).err());
                errors.extend(missing.flatten().map(|missing| FieldError::new("MODEL", missing)));
            }
            Some(Ok(_)) | None => {}
        }
        match (access, capture, prices, redaction) {
            (Ok(access), Ok(capture), Ok(prices), Ok(redaction)) if errors.is_empty() => Ok(Self {
                local_hosts: access.is_off().then_some(local_hosts),
                // Its faults and waits are for trying out, and not for the tenants of a deployment that has models.
                scripted: is_on || access.is_off() || !has_provider,
                access,
                default_model,
                workers_ai,
                is_workers_ai_off,
                endpoints,
                otlp,
                nexus,
                webhook,
                has_index: bindings.db,
                databases,
                secrets: secrets::net(&secret_texts),
                secret_texts,
                redaction,
                resource,
                capture,
                prices,
                tool_policy,
                retention_ms: days * DAY_MS,
                model_timeout_ms: timeout,
                retry_patience_ms: patience,
                tenant_sessions_max: usize::try_from(sessions).expect("it is at most a thousand"),
                tenant_nano_usd: per_day,
                context_tokens: window,
                public_url,
                credentials_key,
                mcp,
            }),
            _ => Err(errors),
        }
    }

    /// The configuration with further secrets, those of tools.
    pub(crate) fn with_secrets(&self, more: impl Iterator<Item = String>) -> Self {
        let all: BTreeSet<String> = more.chain(self.secret_texts.iter().cloned()).collect();
        Self { secrets: secrets::net(&all), secret_texts: Rc::new(all), ..self.clone() }
    }

    /// What is missing to call `model`, as a sentence that says what to set.
    pub(crate) fn missing_for(&self, model: &str) -> Option<String> {
        let missing = match ModelName::parse(model) {
            Err(error) => error.to_string(),
            Ok(name) => match name.provider() {
                Provider::WorkersAi if self.is_workers_ai_off => {
                    "Workers AI is off here (WORKERS_AI): it does not run on a machine without an account, so name \
                     another model, or deploy"
                        .to_owned()
                }
                Provider::WorkersAi if self.workers_ai.is_none() => {
                    "Workers AI is not configured: add `[ai] binding = \"AI\"` to wrangler.toml".to_owned()
                }
                Provider::Scripted if !self.scripted => {
                    "the embedded script is no model, and off beside a provider: set SCRIPTED to `on` to allow it".to_owned()
                }
                Provider::Server => return self.endpoints.get(name.prefix()).err(),
                Provider::WorkersAi | Provider::Scripted => return None,
            },
        };
        Some(missing)
    }

    /// The context window of an agent's run, in tokens: the agent's own, the model's, or `CONTEXT_TOKENS`.
    pub(crate) fn context_tokens(&self, agent: &Agent, model: &str) -> u64 {
        agent.context_tokens.or_else(|| context_tokens(model)).unwrap_or(self.context_tokens)
    }

    /// The window of a model that takes a run of the agent over. The agent's own window is that of its model: it makes a
    /// smaller one no larger.
    pub(crate) fn context_tokens_after(&self, agent: &Agent, fallback: &str) -> u64 {
        match (agent.context_tokens, context_tokens(fallback)) {
            (Some(own), Some(known)) => own.min(known),
            (own, known) => own.or(known).unwrap_or(self.context_tokens),
        }
    }

    /// What a run of a tenant with a spending limit may cost that names nothing.
    #[expect(clippy::cast_precision_loss, reason = "it stays below 2^53")]
    pub(crate) fn default_cost_usd(&self) -> Option<f64> {
        self.tenant_nano_usd.map(|limit| (limit / RUNS_PER_LIMIT) as f64 / NANO_PER_USD)
    }

    /// The sinks that a run's trace goes to.
    pub(crate) fn sinks(&self) -> Vec<String> {
        let configured = [
            (INDEX_SINK, self.has_index),
            (OTLP_SINK, self.otlp.is_some()),
            (NEXUS_SINK, self.nexus.is_some()),
        ];
        configured.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_owned()).collect()
    }

    /// The types of the events that are sent one by one.
    pub(crate) fn webhook_events(&self) -> Vec<String> {
        self.webhook.as_ref().map(|webhook| webhook.events().to_vec()).unwrap_or_default()
    }

    /// What driving the session `<tenant>/<session>` needs; `hooks` and `judge` are the deployment's own code.
    pub(crate) fn deployment(&self, object: &str, hooks: Rc<dyn Hooks>, judge: Rc<dyn Judge>) -> Deployment {
        let session = object.split_once('/').map_or(object, |(_, session)| session);
        Deployment {
            object_name: object.to_owned(),
            session: session.to_owned(),
            workers_ai: self.workers_ai.clone(),
            endpoints: self.endpoints.clone(),
            otlp: self.otlp.clone(),
            nexus: self.nexus.clone(),
            webhook: self.webhook.clone(),
            index: self.has_index,
            secrets: self.secrets.clone(),
            redaction: self.redaction,
            hooks,
            judge,
            resource: self.resource.clone(),
            capture: self.capture,
            prices: self.prices.clone(),
            retention_ms: self.retention_ms,
        }
    }
}

/// A variable with what it goes on in, `NAME_2` to `NAME_9`: the platform lets each hold 5 KB.
fn joined(name: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let first = lookup(name)?;
    Some(
        (2..=PARTS_MAX)
            .map_while(|part| lookup(&format!("{name}_{part}")))
            .fold(first, |whole, part| whole + &part),
    )
}

/// A part after one that is missing would be lost without a word.
fn check_parts(name: &str, lookup: &dyn Fn(&str) -> Option<String>, errors: &mut Vec<FieldError>) {
    let is_set = |part: u8| match part {
        1 => lookup(name).is_some(),
        part => lookup(&format!("{name}_{part}")).is_some(),
    };
    if let Some(lost) = (2..=PARTS_MAX).find(|part| is_set(*part) && !is_set(part - 1)) {
        let before = if lost == 2 { name.to_owned() } else { format!("{name}_{}", lost - 1) };
        let detail = format!("goes on what {before} begins, which is not set");
        errors.push(FieldError::new(format!("{name}_{lost}"), detail));
    }
}

fn default_model(configured: Option<String>, ai_is_bound: bool, server_is_set: bool) -> Option<String> {
    configured.or_else(|| match (ai_is_bound, server_is_set) {
        (true, _) => Some(WORKERS_AI_MODEL.to_owned()),
        // Nobody can tell which model a server has: a request must say so.
        (false, true) => None,
        (false, false) => Some(SCRIPTED_MODEL.to_owned()),
    })
}

fn sinks(
    lookup: &dyn Fn(&str) -> Option<String>,
    errors: &mut Vec<FieldError>,
) -> (Option<OtlpConfig>, Option<NexusConfig>, Option<WebhookConfig>, Resource) {
    let mut noted = |faults: ConfigErrors| {
        errors.extend(faults.0.into_iter().map(|fault| FieldError::new(fault.variable, fault.problem)));
    };
    let config = OtlpConfig::parse(lookup).unwrap_or_else(|faults| {
        noted(faults);
        None
    });
    let nexus = NexusConfig::parse(lookup).unwrap_or_else(|faults| {
        noted(faults);
        None
    });
    let webhook = WebhookConfig::parse(lookup).unwrap_or_else(|faults| {
        noted(faults);
        None
    });
    let resource = Resource::parse(lookup).unwrap_or_else(|faults| {
        noted(faults);
        Resource::default()
    });
    (config, nexus, webhook, resource)
}

fn switch(name: &str, value: Option<String>, default: bool, errors: &mut Vec<FieldError>) -> bool {
    match value.as_deref() {
        Some("off") => false,
        Some("on") => true,
        None => default,
        Some(_) => {
            errors.push(FieldError::new(name, "must be `on` or `off`"));
            default
        }
    }
}

fn number(name: &str, value: Option<String>, default: u64, max: u64, errors: &mut Vec<FieldError>) -> u64 {
    let Some(text) = value else { return default };
    match text.parse::<u64>().ok().filter(|n| (1..=max).contains(n)) {
        Some(number) => number,
        None => {
            errors.push(FieldError::new(name, format!("must be a whole number from 1 to {max}")));
            default
        }
    }
}

/// A limit that nobody counts for would be none, without a word.
fn usd_per_day(value: Option<String>, has_tenants: bool, errors: &mut Vec<FieldError>) -> Option<u64> {
    let usd = decimal(&value?);
    let fault = match usd.filter(|usd| (TENANT_USD_MIN..=TENANT_USD_MAX).contains(usd)) {
        Some(usd) if has_tenants => return Some(nano_usd(usd)),
        Some(_) => "needs the binding TENANTS: add it to wrangler.toml, with its class and migration",
        None => "must be a number of US dollars from 0.000001 to 1000000",
    };
    errors.push(FieldError::new("TENANT_USD_PER_DAY", fault));
    None
}

/// Nothing is tried again where it is 0.
fn patience(value: Option<String>, errors: &mut Vec<FieldError>) -> u64 {
    let Some(text) = value else { return RETRY_PATIENCE_MS_DEFAULT };
    text.parse::<u64>().ok().filter(|ms| *ms <= RETRY_PATIENCE_MS_MAX).unwrap_or_else(|| {
        let detail = format!("must be a whole number from 0 to {RETRY_PATIENCE_MS_MAX}");
        errors.push(FieldError::new("RETRY_PATIENCE_MS", detail));
        RETRY_PATIENCE_MS_DEFAULT
    })
}

fn window(value: Option<String>, errors: &mut Vec<FieldError>) -> u64 {
    let Some(text) = value else { return CONTEXT_TOKENS_DEFAULT };
    match text.parse::<u64>().ok().filter(|n| (CONTEXT_TOKENS_MIN..=CONTEXT_TOKENS_MAX).contains(n)) {
        Some(tokens) => tokens,
        None => {
            let range = format!("from {CONTEXT_TOKENS_MIN} to {CONTEXT_TOKENS_MAX}");
            errors.push(FieldError::new("CONTEXT_TOKENS", format!("must be a whole number {range}")));
            CONTEXT_TOKENS_DEFAULT
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(vars: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let lookup = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::parse(&lookup, Bindings::default())
            .map_err(|errors| errors.into_iter().map(|e| e.pointer).collect())
    }

    #[test]
    fn nothing_set_is_a_working_closed_deployment() {
        let config = parse(&[]).ok().unwrap();
        assert_eq!(config.default_model.as_deref(), Some("scripted:haiku"));
        assert!(config.sinks().is_empty());
        assert_eq!(config.access.caller(None, None).unwrap_err().code, "auth_not_configured");
        assert_eq!(config.retention_ms, 30 * DAY_MS);
        assert_eq!(config.tenant_sessions_max, 100);
    }

    /// The step `features` runs it, in a build with no feature.
    #[cfg(not(any(
        feature = "anthropic",
        feature = "mcp",
        feature = "nexus",
        feature = "otlp",
        feature = "responses",
        feature = "webhooks"
    )))]
    #[test]
    fn what_is_left_out_is_refused_with_its_variable_and_its_feature() {
        let providers = r#"{"a":{"format":"responses","base_url":"https://h"},
            "b":{"format":"messages","base_url":"https://h"},"c":{"format":"chat","base_url":"https://h"}}"#;
        let asked = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp"),
            ("NEXUS_API_KEY", "nexus"),
            ("WEBHOOK_URL", "webhooks"),
            ("MCP_SERVERS", "mcp"),
            ("ANTHROPIC_BASE_URL", "anthropic"),
            ("ANTHROPIC_API_KEY", "anthropic"),
            ("PROVIDERS/a/format", "responses"),
            ("PROVIDERS/b/format", "anthropic"),
        ];
        let lookup = |name: &str| match name {
            "PROVIDERS" => Some(providers.to_owned()),
            _ => asked.iter().any(|(variable, _)| *variable == name).then(|| "https://h".to_owned()),
        };
        let errors = Config::parse(&lookup, Bindings::default()).err().unwrap();
        let shown: Vec<_> =
            errors.iter().map(|error| (error.pointer.as_str(), error.detail.as_str())).collect();
        assert_eq!(shown.len(), asked.len(), "{shown:?}");
        for (variable, feature) in asked {
            let detail =
                format!("needs the cargo feature `{feature}` of longhaul, which this build leaves out");
            assert!(shown.contains(&(variable, detail.as_str())), "{variable}: {shown:?}");
        }
    }

    #[cfg(not(any(feature = "anthropic", feature = "responses")))]
    #[test]
    fn a_model_of_a_format_that_is_left_out_names_the_feature() {
        let config = parse(&[("OPENAI_BASE_URL", "http://h/v1")]).ok().unwrap();
        assert_eq!(config.missing_for("openai:gpt"), None);
        for (model, feature) in [("responses:gpt", "responses"), ("anthropic:claude", "anthropic")] {
            let missing = config.missing_for(model).unwrap();
            assert!(
                missing.starts_with(&format!("`{feature}` needs the cargo feature `{feature}`")),
                "{missing}"
            );
        }
    }

    #[test]
    fn every_variable_at_fault_is_named_in_one_answer() {
        let faults = parse(&[
            ("AUTH", "maybe"),
            ("CAPTURE", "some"),
            ("PRICES", "{"),
            ("OPENAI_BASE_URL", "ftp://x"),
            ("RETENTION_DAYS", "0"),
            ("MODEL_TIMEOUT_MS", "soon"),
            ("TENANT_SESSIONS_MAX", "1001"),
            ("TENANT_USD_PER_DAY", "much"),
            ("MODEL", "gpt"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "no pair"),
            ("REDACT", "everything"),
            ("NEXUS_API_KEY", "nxs_0"),
            ("NEXUS_MODE", "both"),
            ("WEBHOOK_URL", "http://example.com"),
            ("WEBHOOK_SECRET", "s3cret"),
            ("WEBHOOK_EVENTS", "everything"),
            ("PUBLIC_URL", "runs.example.com"),
            ("CREDENTIALS_KEY", "short"),
            ("LOCAL_HOSTS", "http://box.test"),
            ("SCRIPTED", "yes"),
            ("WORKERS_AI", "local"),
            ("TOOL_POLICY", "deny"),
            ("MCP_SERVERS", "crm"),
            ("INDEX_DATABASES", "DB_2"),
        ]);
        let faults = faults.err().unwrap();
        for name in
            ["AUTH", "CAPTURE", "PRICES", "OPENAI_BASE_URL", "RETENTION_DAYS", "MODEL_TIMEOUT_MS", "MODEL"]
        {
            assert!(faults.iter().any(|f| f.contains(name)), "{name} is missing in {faults:?}");
        }
        for name in [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_RESOURCE_ATTRIBUTES",
            "REDACT",
            "NEXUS_MODE",
            "WEBHOOK_URL",
            "WEBHOOK_SECRET",
            "WEBHOOK_EVENTS",
            "PUBLIC_URL",
            "CREDENTIALS_KEY",
            "TENANT_SESSIONS_MAX",
            "TENANT_USD_PER_DAY",
            "LOCAL_HOSTS",
            "SCRIPTED",
            "WORKERS_AI",
            "TOOL_POLICY",
            "MCP_SERVERS",
            "INDEX_DATABASES",
        ] {
            assert!(faults.iter().any(|f| f == name), "{name} is missing in {faults:?}");
        }
    }

    #[test]
    fn a_window_is_the_agents_own_or_the_models_or_the_configured_one() {
        let (plain, own) = (Agent::new("a"), Agent::new("b").context_tokens(5_000));
        let default = parse(&[]).ok().unwrap();
        let configured = parse(&[("CONTEXT_TOKENS", "32000")]).ok().unwrap();
        for (config, agent, model, tokens) in [
            (&default, &plain, "openai:tiny", 128_000),
            (&configured, &plain, "openai:tiny", 32_000),
            (&configured, &plain, "@cf/meta/llama-3.1-8b-instruct", 7_968),
            (&configured, &own, "@cf/meta/llama-3.1-8b-instruct", 5_000),
            (&configured, &plain, "scripted:haiku", 10_000_000),
        ] {
            assert_eq!(config.context_tokens(agent, model), tokens, "{model}");
        }
        for (agent, model, tokens) in [
            (&plain, "openai:gpt-4", 8_192),
            (&plain, "openai:tiny", 32_000),
            (&own, "openai:tiny", 5_000),
            (&own, "openai:gpt-4", 5_000),
            (&Agent::new("c").context_tokens(900_000), "openai:gpt-4", 8_192),
        ] {
            assert_eq!(configured.context_tokens_after(agent, model), tokens, "{model}");
        }
        for wrong in ["999", "10000001", "12.5", "-1", "many"] {
            assert_eq!(parse(&[("CONTEXT_TOKENS", wrong)]).err(), Some(vec!["CONTEXT_TOKENS".to_owned()]));
        }
    }

    #[test]
    fn a_tenants_limit_is_dollars_and_needs_somebody_who_counts() {
        let read = |value: &str, tenants| {
            let lookup = |name: &str| (name == "TENANT_USD_PER_DAY").then(|| value.to_owned());
            Config::parse(&lookup, Bindings { tenants, ..Bindings::default() })
        };
        for (value, nano_usd, tenth) in
            [("5", 5_000_000_000, 0.5), ("0.3", 300_000_000, 0.03), ("0.000001", 1_000, 1e-7)]
        {
            let config = read(value, true).ok().unwrap();
            assert_eq!((config.tenant_nano_usd, config.default_cost_usd()), (Some(nano_usd), Some(tenth)));
        }
        for value in ["0", "-1", "NaN", "inf", "1e7", "5 USD", "0.0000001"] {
            let errors = read(value, true).err().unwrap();
            assert!(errors[0].detail.contains("from 0.000001 to 1000000"), "{value}: {errors:?}");
        }
        assert!(read("5", false).err().unwrap()[0].detail.contains("TENANTS"));
        assert_eq!(parse(&[]).ok().unwrap().default_cost_usd(), None);
    }

    #[test]
    fn patience_is_a_day_at_most() {
        for (value, ms) in [("0", 0), ("86400000", 86_400_000)] {
            assert_eq!(parse(&[("RETRY_PATIENCE_MS", value)]).ok().unwrap().retry_patience_ms, ms);
        }
        assert_eq!(parse(&[]).ok().unwrap().retry_patience_ms, 900_000);
        for value in ["86400001", "-1", "1.5", "long"] {
            assert_eq!(
                parse(&[("RETRY_PATIENCE_MS", value)]).err().unwrap(),
                ["RETRY_PATIENCE_MS"],
                "{value}"
            );
        }
    }

    /// A call that outlasts its invocation is cut off by the platform, and paid for again.
    #[test]
    fn a_call_has_less_time_than_an_invocation() {
        let config = parse(&[("MODEL_TIMEOUT_MS", "840000")]).ok().unwrap();
        assert_eq!(config.model_timeout_ms, MODEL_TIMEOUT_MS_MAX);
        for value in ["840001", "3600000", "0"] {
            assert_eq!(parse(&[("MODEL_TIMEOUT_MS", value)]).err().unwrap(), ["MODEL_TIMEOUT_MS"], "{value}");
        }
    }

    #[test]
    fn a_long_variable_goes_on_in_others() {
        let begun = ("PROVIDERS", r#"{"groq":{"format":"chat","#);
        let rest = ("PROVIDERS_2", r#""base_url":"https://h/v1"}}"#);
        let config = parse(&[begun, rest, ("API_TOKENS", "ann:to"), ("API_TOKENS_2", "ken")]).ok().unwrap();
        assert_eq!(config.missing_for("groq:x"), None);
        assert!(config.missing_for("other:x").unwrap().contains("PROVIDERS"));
        assert!(config.access.caller(Some("Bearer token"), None).is_ok());
        assert_eq!(config.default_model, None, "nobody can tell which models a server has");
        assert!(config.missing_for("scripted:haiku").is_some());
        let (begun_rules, rest_rules) = (r#"{"rules":[{"tool":"a","#, r#""verdict":"no"}]}"#);
        let policy = [("TOOL_POLICY", begun_rules), ("TOOL_POLICY_2", rest_rules)];
        assert_eq!(parse(&policy).err().unwrap(), ["TOOL_POLICY/rules/0/verdict"]);
        assert_eq!(parse(&[rest]).err().unwrap(), ["PROVIDERS_2"]);
        assert_eq!(parse(&[("PRICES", "{}"), ("PRICES_3", " ")]).err().unwrap(), ["PRICES_3"]);
        assert_eq!(parse(&[begun]).err().unwrap(), ["PROVIDERS"]);
        assert_eq!(parse(&[begun, rest, ("MODEL", "grok:x")]).err().unwrap(), ["MODEL"]);
        assert!(parse(&[begun, rest, ("MODEL", "groq:x")]).is_ok());
    }

    #[test]
    fn a_missing_provider_says_what_to_set() {
        let config = parse(&[]).ok().unwrap();
        assert!(config.missing_for("openai:x").unwrap().contains("OPENAI_BASE_URL"));
        assert!(config.missing_for("@cf/x").unwrap().contains("[ai]"));
        assert!(config.missing_for("responses:x").unwrap().contains("OPENAI_BASE_URL"));
        assert!(config.missing_for("anthropic:x").unwrap().contains("ANTHROPIC_API_KEY"));
        assert!(config.missing_for("gpt-5").unwrap().contains("openai:"));
        assert_eq!(config.missing_for("scripted:haiku"), None);
    }

    #[test]
    fn a_binding_that_cannot_be_called_is_none() {
        let config = |value: &str| {
            let lookup = |name: &str| (name == "WORKERS_AI").then(|| value.to_owned());
            Config::parse(&lookup, Bindings { ai: true, ..Bindings::default() })
        };
        let on = config("on").ok().unwrap();
        assert_eq!((on.missing_for("@cf/x"), on.default_model.as_deref()), (None, Some(WORKERS_AI_MODEL)));
        let off = config("off").ok().unwrap();
        assert!(off.missing_for("@cf/x").unwrap().contains("WORKERS_AI"));
        assert_eq!(off.default_model.as_deref(), Some("scripted:haiku"));
        assert_eq!(off.missing_for("scripted:haiku"), None, "there is no other provider");
        assert!(off.workers_ai.is_none());
        assert!(matches!(config("no").err().as_deref(), Some([error]) if error.pointer == "WORKERS_AI"));
    }

    /// Beside a provider, tenants get no model that fails on request.
    #[test]
    fn the_script_is_no_model_of_a_deployment_that_has_one() {
        let tokens = ("API_TOKENS", "ann:x");
        let openai = ("OPENAI_BASE_URL", "http://127.0.0.1:1/v1");
        for (vars, is_refused) in [
            (vec![tokens, openai], true),
            (vec![openai], true),
            (vec![tokens, openai, ("SCRIPTED", "off"), ("MODEL", "scripted:slow")], true),
            (vec![tokens, openai, ("SCRIPTED", "on")], false),
            (vec![tokens], false),
            (vec![openai, ("AUTH", "off")], false),
        ] {
            let missing = parse(&vars).ok().unwrap().missing_for("scripted:haiku");
            assert_eq!(missing.is_some_and(|text| text.contains("SCRIPTED")), is_refused, "{vars:?}");
        }
        let lookup = |name: &str| (name == "API_TOKENS").then(|| "ann:x".to_owned());
        let bound = Config::parse(&lookup, Bindings { ai: true, ..Bindings::default() }).ok().unwrap();
        assert!(bound.missing_for("scripted:haiku").is_some());
    }

    #[test]
    fn only_a_server_without_tokens_looks_at_the_name_it_is_asked_by() {
        let off = parse(&[("AUTH", "off"), ("LOCAL_HOSTS", "box.test")]).ok().unwrap().local_hosts.unwrap();
        assert!(off.check("http://box.test:8787/").is_ok());
        assert_eq!(off.check("http://evil.example/").unwrap_err().status, 421);
        assert_eq!(parse(&[("API_TOKENS", "ann:x")]).ok().unwrap().local_hosts, None);
    }

    #[test]
    fn each_sink_that_is_configured_gets_every_trace() {
        let all = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("NEXUS_API_KEY", "nxs_0")];
        let lookup = |name: &str| all.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let config = Config::parse(&lookup, Bindings { db: true, ..Bindings::default() }).ok().unwrap();
        assert_eq!(config.sinks(), ["index", "otlp", "nexus"]);
    }
}
