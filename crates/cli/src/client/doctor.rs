//! What is wrong with the project here and with the server, and how to mend it.

mod probe;
mod project;

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use serde_json::{Value, json};

use super::{
    api::{Api, ApiError},
    words::visible,
};

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
    let mut findings = project::findings()?;
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
    match api.get("/readyz") {
        Ok(_) => findings.push(good("its configuration can serve")),
        Err(ApiError::Refused { code, detail, .. })
            if code == "misconfigured" || code == "auth_not_configured" =>
        {
            let faults = detail.lines().map(str::trim).filter(|fault| !fault.is_empty());
            findings.extend(faults.map(|fault| bad(format!("the server's configuration is wrong: {fault}"))));
            // It answers nothing else.
            return findings;
        }
        Err(error) => findings.push(bad(explained(&error))),
    }
    findings.extend(of_page(api, version));
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
    findings.push(of_index(api, deployment["index"] == true));
    match api.get("/v1/models") {
        Ok(models) => findings.extend(of_models(&models)),
        Err(error) => findings.push(bad(explained(&error))),
    }
    findings
}

/// The page is of the version that its document names.
fn of_page(api: &Api, version: &str) -> Option<Finding> {
    let page = match api.get("/openapi.json") {
        Ok(document) => document["info"]["version"].as_str().unwrap_or_default().to_owned(),
        Err(_) => {
            return Some(warning(
                "the server has no page: wrangler.toml has no [assets], or nothing was built",
            ));
        }
    };
    let what = || format!("the page is version {page}, the server {version}: build and deploy both");
    (page != version).then(|| warning(what()))
}

fn of_index(api: &Api, is_bound: bool) -> Finding {
    if !is_bound {
        return warning("there is no index: bind a D1 database as DB in wrangler.toml");
    }
    match api.get("/v1/traces?limit=1") {
        Ok(_) => good("the index answers, and has its tables"),
        Err(ApiError::Refused { code, .. }) if code == "index_unavailable" => bad(
            "the index does not answer, or its tables are old: `longhaul dev` or `longhaul deploy` brings them up to date",
        ),
        Err(error) => bad(explained(&error)),
    }
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
