//! What is wrong with the project here and with the server, and how to mend it.

use std::{env, fs, os::unix::fs::PermissionsExt, process::ExitCode};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde_json::{Value, json};

use super::{
    api::{Api, ApiError},
    words::visible,
};
use crate::Project;

/// Bindings of a project that has everything, and what is missing without each.
const BINDINGS: [(&str, &str); 5] = [
    ("SESSIONS", "no run can be stored"),
    ("TENANTS", "nothing bounds how many sessions of a tenant run at once"),
    ("DB", "there is no list of runs, no inbox and no statistics"),
    ("RATE_LIMIT", "nothing bounds how often a tenant asks"),
    ("AI", "the models @cf/… of Workers AI cannot be asked"),
];
/// Variables that are secrets: in `wrangler.toml` everybody reads them who reads the repository.
const SECRETS: [&str; 6] = [
    "API_TOKENS",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "NEXUS_API_KEY",
    "WEBHOOK_SECRET",
    "CREDENTIALS_KEY",
];

/// How a thing is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Good,
    Warning,
    Bad,
}

struct Finding {
    health: Health,
    what: String,
}

/// Looks at everything, and ends with 1 where something is wrong.
pub(super) fn run(api: &Api, json: bool) -> Result<ExitCode> {
    let mut findings = of_project()?;
    findings.extend(of_server(api));
    let is_bad = findings.iter().any(|finding| finding.health == Health::Bad);
    if json {
        let all: Vec<Value> =
            findings.iter().map(|it| json!({"health": it.health.word(), "what": it.what})).collect();
        println!("{}", json!({"findings": all}));
    } else {
        for finding in &findings {
            let (mark, style) = finding.health.looks();
            anstream::println!("{style}{mark}{style:#} {}", visible(&finding.what));
        }
    }
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    fn looks(self) -> (&'static str, Style) {
        match self {
            Self::Good => ("✓", AnsiColor::Green.on_default()),
            Self::Warning => ("!", AnsiColor::Yellow.on_default()),
            Self::Bad => ("✗", AnsiColor::Red.on_default()),
        }
    }
}

fn good(what: impl Into<String>) -> Finding {
    Finding { health: Health::Good, what: what.into() }
}

fn warning(what: impl Into<String>) -> Finding {
    Finding { health: Health::Warning, what: what.into() }
}

fn bad(what: impl Into<String>) -> Finding {
    Finding { health: Health::Bad, what: what.into() }
}

/// The project in this folder, where there is one.
fn of_project() -> Result<Vec<Finding>> {
    let here = env::current_dir()?;
    let Ok(project) = Project::find(&here) else {
        return Ok(vec![warning("no project of longhaul's is here: only the server is looked at")]);
    };
    let wrangler = fs::read_to_string(project.config()).unwrap_or_default();
    let mut findings = of_wrangler(&wrangler);
    let secrets = project.dir().join(".dev.vars");
    if let Ok(metadata) = fs::metadata(&secrets)
        && metadata.permissions().mode() & 0o077 != 0
    {
        findings.push(warning(format!("others can read {}: chmod 600 it", secrets.display())));
    }
    Ok(findings)
}

fn of_wrangler(text: &str) -> Vec<Finding> {
    let config: toml::Table = match text.parse() {
        Ok(config) => config,
        Err(error) => return vec![bad(format!("wrangler.toml cannot be read: {error}"))],
    };
    let mut findings = Vec::new();
    for (name, without) in BINDINGS {
        if is_bound(&toml::Value::Table(config.clone()), name) {
            continue;
        }
        let what = format!("wrangler.toml has no binding {name}: {without}");
        findings.push(if name == "SESSIONS" { bad(what) } else { warning(what) });
    }
    let vars = config.get("vars").and_then(toml::Value::as_table);
    for name in SECRETS.into_iter().filter(|name| vars.is_some_and(|vars| vars.contains_key(*name))) {
        findings.push(bad(format!(
            "{name} is a secret, and stands in wrangler.toml: move it to .dev.vars, and to `wrangler secret put {name}`"
        )));
    }
    if findings.is_empty() {
        findings.push(good("wrangler.toml has every binding, and no secret"));
    }
    findings
}

/// Whether a binding of this name is anywhere in the configuration.
fn is_bound(value: &toml::Value, name: &str) -> bool {
    match value {
        toml::Value::Table(table) => table.iter().any(|(key, value)| {
            matches!(key.as_str(), "binding" | "name") && value.as_str() == Some(name)
                || is_bound(value, name)
        }),
        toml::Value::Array(values) => values.iter().any(|value| is_bound(value, name)),
        _ => false,
    }
}

fn of_server(api: &Api) -> Vec<Finding> {
    let health = match api.get("/healthz") {
        Ok(health) => health,
        Err(error) => return vec![bad(error.to_string())],
    };
    let version = health["version"].as_str().unwrap_or_default();
    let mut findings = vec![good(format!("{} answers, version {version}", api.url()))];
    if version != env!("CARGO_PKG_VERSION") {
        let own = env!("CARGO_PKG_VERSION");
        findings.push(warning(format!("this command is version {own}, the server is {version}")));
    }
    for text in health["warnings"].as_array().into_iter().flatten().filter_map(said) {
        findings.push(warning(text));
    }
    let deployment = match api.get("/v1/agents") {
        Ok(deployment) => deployment,
        Err(error) => {
            findings.push(bad(explained(&error)));
            return findings;
        }
    };
    let agents = deployment["agents"].as_array().map(Vec::len).unwrap_or_default();
    let tenant = deployment["tenant"].as_str().unwrap_or_default();
    findings.push(good(format!("you are {tenant}; agents: {agents}")));
    if deployment["index"] == false {
        findings.push(warning("there is no index: bind a D1 database as DB and apply the migrations"));
    }
    match api.get("/v1/models") {
        Ok(models) => findings.extend(of_models(&models)),
        Err(error) => findings.push(bad(explained(&error))),
    }
    findings
}

/// A warning, in words.
fn said(warning: &Value) -> Option<String> {
    let (code, detail) = (warning["code"].as_str()?, warning["detail"].as_str()?);
    Some(format!("{detail} ({code})"))
}

/// A refusal, with what to do about it.
fn explained(error: &ApiError) -> String {
    match error {
        ApiError::Refused { status: 401, .. } => format!("{error}. Set LONGHAUL_TOKEN, or `longhaul login`"),
        ApiError::Refused { .. } | ApiError::Unreachable { .. } | ApiError::Foreign { .. } => {
            error.to_string()
        }
    }
}

fn of_models(models: &Value) -> Vec<Finding> {
    let models = models["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut findings = Vec::new();
    for model in models.iter().filter(|model| model["named"] == true) {
        let name = model["model"].as_str().unwrap_or_default();
        match model["missing"].as_str() {
            Some(missing) => findings.push(bad(format!("{name} {missing}"))),
            None => {
                // The script costs nothing.
                let price = if model["price"].is_null() && !name.starts_with("scripted:") {
                    ", of which no price is known: set PRICES"
                } else {
                    ""
                };
                findings.push(good(format!("{name} can be asked{price}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_bindings_and_with_a_secret_is_told_so() {
        let text = "[vars]\nOPENAI_API_KEY = \"sk\"\n[[durable_objects.bindings]]\nname = \"SESSIONS\"\n[ai]\nbinding = \"AI\"";
        let findings = of_wrangler(text);
        let texts: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(findings.iter().filter(|it| it.health == Health::Bad).count(), 1, "{texts:?}");
        assert!(
            texts.iter().any(|text| text.contains("binding DB:"))
                && !texts.iter().any(|text| text.contains("AI:"))
        );
        assert!(texts.iter().any(|text| text.contains("wrangler secret put OPENAI_API_KEY")));
        assert_eq!(of_wrangler("= 1")[0].health, Health::Bad);
    }

    #[test]
    fn a_model_that_cannot_be_asked_is_named_with_what_is_missing() {
        let models = json!({"models": [
            {"model": "openai:a", "named": true, "missing": "needs OPENAI_API_KEY", "price": null},
            {"model": "openai:b", "named": true, "missing": null, "price": null},
            {"model": "openai:c", "named": false, "missing": "x"},
            {"model": "scripted:haiku", "named": true, "missing": null, "price": null},
        ]});
        let findings = of_models(&models);
        assert!(findings[1].what.contains("set PRICES") && !findings[2].what.contains("PRICES"));
        let healths: Vec<Health> = findings.iter().map(|finding| finding.health).collect();
        assert_eq!(healths, [Health::Bad, Health::Good, Health::Good]);
    }
}
