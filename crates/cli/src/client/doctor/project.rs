//! What a project's files say: bindings, secrets, versions, and what this machine has to build it.

use std::{env, fs, os::unix::fs::PermissionsExt};

use anyhow::Result;

use super::{Finding, bad, good, probe, warning};
use crate::{
    Project, Tools,
    configuration::Configuration,
    new::{self, Source, Template},
    project::CONFIG,
    secrets::{self, SECRETS},
    setup,
};

/// Bindings of a project that has everything, and what is missing without each.
const BINDINGS: [(&str, &str); 5] = [
    ("SESSIONS", "no run can be stored"),
    ("TENANTS", "nothing bounds how many sessions of a tenant run at once"),
    ("DB", "there is no list of runs, no inbox and no statistics"),
    ("RATE_LIMIT", "nothing bounds how often a tenant asks"),
    ("AI", "the models @cf/… of Workers AI cannot be asked"),
];

/// The project in this folder, where there is one, and what this machine has for it.
pub(super) fn findings() -> Result<Vec<Finding>> {
    let here = env::current_dir()?;
    let Some(dir) = here.ancestors().find(|dir| dir.join(CONFIG).is_file()) else {
        return Ok(vec![warning("no project of longhaul's is here: only the server is looked at")]);
    };
    let mut findings = of_machine()?;
    match Project::find(dir) {
        Ok(project) => findings.push(good(format!(
            "{} has the library of this command, version {}",
            project.name(),
            env!("CARGO_PKG_VERSION")
        ))),
        Err(error) => findings.push(bad(format!("{error:#}"))),
    }
    let wrangler = fs::read_to_string(dir.join(CONFIG)).unwrap_or_default();
    findings.extend(of_wrangler(&wrangler));
    let dev_vars = dir.join(".dev.vars");
    if let Ok(metadata) = fs::metadata(&dev_vars)
        && metadata.permissions().mode() & 0o077 != 0
    {
        findings.push(warning(format!("others can read {}: chmod 600 it", dev_vars.display())));
    }
    let mut vars = Configuration::parse(&wrangler).map(|own| own.vars()).unwrap_or_default();
    vars.extend(secrets::assigned_in(&fs::read_to_string(dev_vars).unwrap_or_default()));
    findings.extend(probe::findings(&vars));
    Ok(findings)
}

fn of_machine() -> Result<Vec<Finding>> {
    let missing = setup::missing(&Tools::of_command()?)?;
    if missing.is_empty() {
        return Ok(vec![good("this machine has the compiler, Node and wrangler")]);
    }
    Ok(missing
        .into_iter()
        .map(|what| if what.is_installed { warning(what.text) } else { bad(what.text) })
        .collect())
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
            "{name} is a secret, and stands in wrangler.toml: move it to .dev.vars, and `longhaul deploy` asks for it"
        )));
    }
    findings.extend(behind(text));
    if findings.is_empty() {
        findings.push(good("wrangler.toml has every binding, and no secret"));
    }
    findings
}

/// What `longhaul upgrade` would do to the configuration.
fn behind(text: &str) -> Option<Finding> {
    let files = new::files("agent", Template::Minimal, &Source::Registry).ok()?;
    let (_, fresh) = files.into_iter().find(|(file, _)| *file == CONFIG)?;
    let said = Configuration::parse(text).ok()?.complete(&Configuration::parse(&fresh).ok()?);
    let what = || {
        format!(
            "wrangler.toml is behind a new project's; `longhaul upgrade` mends it: it {}",
            said.join("; it ")
        )
    };
    (!said.is_empty()).then(|| warning(what()))
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

#[cfg(test)]
mod tests {
    use super::{super::Health, *};

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
        assert!(texts.iter().any(|text| text.contains("OPENAI_API_KEY is a secret")));
        assert!(texts.iter().any(|text| text.contains("longhaul upgrade")), "{texts:?}");
        assert_eq!(of_wrangler("= 1")[0].health, Health::Bad);
    }

    #[test]
    fn a_new_project_has_nothing_to_mend() {
        let files = new::files("agent", Template::Minimal, &Source::Registry).unwrap();
        let (_, text) = files.into_iter().find(|(file, _)| *file == CONFIG).unwrap();
        let findings = of_wrangler(&text);
        assert!(findings.iter().all(|it| it.health == Health::Good), "{:?}", findings[0].what);
    }
}
