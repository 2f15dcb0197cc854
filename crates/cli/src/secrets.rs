//! The secrets of a deployment: which it needs, and where they come from. None is ever on a command line, or in a file of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, IsTerminal, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{report, text::hidden_line};

/// Variables that are secrets: in `wrangler.toml` everybody reads them who reads the repository.
pub(crate) const SECRETS: [&str; 8] = [
    "API_TOKENS",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "NEXUS_API_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "WEBHOOK_SECRET",
    "CREDENTIALS_KEY",
];
/// What the names of other secrets end with.
const ENDINGS: [&str; 5] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_TOKENS"];
/// The random part of a token that we make, in bytes.
const TOKEN_BYTES: usize = 32;
/// Who gets the token that we make.
const TENANT: &str = "me";

/// A secret that a deployment needs, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) name: String,
    pub(crate) why: String,
    pub(crate) is_required: bool,
}

/// The secrets that go with these variables of `wrangler.toml`, and with what `.dev.vars.example` has without a `#`.
pub(crate) fn needed(vars: &[(String, String)], example: &str) -> Vec<Need> {
    let var = |name: &str| vars.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let mut needs: Vec<Need> = Vec::new();
    let mut add = |name: &str, why: &str, is_required: bool| {
        match needs.iter_mut().find(|need| need.name == name) {
            Some(need) => need.is_required |= is_required,
            None => needs.push(Need { name: name.to_owned(), why: why.to_owned(), is_required }),
        };
    };
    if var("AUTH") != Some("off") {
        add("API_TOKENS", "who may call: `name:token` pairs; without it every request is refused", true);
    }
    let model = var("MODEL").unwrap_or_default();
    if model.starts_with("anthropic:") {
        add("ANTHROPIC_API_KEY", "the model is Anthropic's", true);
    }
    if let Some(url) = var("OPENAI_BASE_URL") {
        let is_public = url.contains("//api.openai.com");
        add("OPENAI_API_KEY", "the key of OPENAI_BASE_URL, where it wants one", is_public);
    }
    if var("WEBHOOK_URL").is_some() {
        add("WEBHOOK_SECRET", "what webhooks are signed with: `whsec_` and 24 to 64 bytes in base64", true);
    }
    if ["NEXUS_URL", "NEXUS_AGENT_ID", "NEXUS_MODE"].iter().any(|name| var(name).is_some()) {
        add("NEXUS_API_KEY", "traces go to Nexus", true);
    }
    if ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
        .iter()
        .any(|name| var(name).is_some())
    {
        add("OTEL_EXPORTER_OTLP_HEADERS", "`k=v` pairs for the OTLP backend, where it wants a key", false);
    }
    for long in ["PROVIDERS", "MCP_SERVERS"] {
        let parts = (2..=9).map(|n| format!("{long}_{n}"));
        let text: String =
            std::iter::once(long.to_owned()).chain(parts).filter_map(|name| var(&name)).collect();
        // What is no JSON is told by the server, with its place.
        let servers: Value = serde_json::from_str(&text).unwrap_or_default();
        for server in servers.as_object().into_iter().flat_map(|servers| servers.values()) {
            let headers = server["headers"].as_object().into_iter().flat_map(|headers| headers.values());
            let names = headers.filter_map(|header| header["secret"].as_str());
            let names = names.chain(server["key"].as_str());
            let names = names.chain(server["oauth"]["client_secret"]["secret"].as_str());
            names.for_each(|name| add(name, &format!("{long} names it"), true));
        }
    }
    for name in example.lines().filter_map(assigned).filter(|name| is_secret(name)) {
        add(name, ".dev.vars.example has it", true);
    }
    needs.retain(|need| var(&need.name).is_none());
    needs
}

/// The variables of a `.dev.vars`, with their values.
#[cfg(feature = "client")]
pub(crate) fn assigned_in(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (name, (_, value)) = (assigned(line)?, line.split_once('=')?);
        Some((name.to_owned(), unquoted(value.trim()).to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// The variable that a line of `.dev.vars` sets.
fn assigned(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, _) = line.split_once('=')?;
    Some(name.trim()).filter(|name| !name.starts_with('#') && is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a variable of this name is likely a secret.
fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Names and values. No `Debug`: nothing shows them.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) values: BTreeMap<String, String>,
    /// A token that was made, which is shown once.
    pub(crate) made: Option<String>,
}

/// Those of a file, which is JSON, an object of texts, or lines `NAME=value`; `-` is standard input.
pub(crate) fn of_file(path: &Path) -> Result<Given> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        text
    } else {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            report::say(format_args!("warning: others can read {}: chmod 600 it", path.display()));
        }
        text
    };
    // The texts of both errors could have a secret in them.
    let values = if text.trim_start().starts_with('{') {
        let Ok(values) = serde_json::from_str(&text) else {
            bail!("{} is no JSON object of texts", path.display());
        };
        values
    } else {
        let mut values = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let (Some(name), Some((_, value))) = (assigned(line), line.split_once('=')) else {
                bail!("line {number} of {} is not `NAME=value`", path.display());
            };
            values.insert(name.to_owned(), unquoted(value.trim()).to_owned());
        }
        values
    };
    if let Some((name, _)) =
        values.iter().find(|(name, value): &(&String, &String)| !is_name(name) || value.is_empty())
    {
        bail!("{} has no value for {name:?}, or that is no name of a variable", path.display());
    }
    Ok(Given { values, made: None })
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// Asks for those that nobody has yet. Off a terminal nothing is asked: then it fails with all that is missing.
pub(crate) fn complete(needs: &[Need], there: &BTreeSet<String>, mut given: Given) -> Result<Given> {
    let open: Vec<&Need> = needs
        .iter()
        .filter(|need| !there.contains(&need.name) && !given.values.contains_key(&need.name))
        .collect();
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal() && !report::is_json();
    if can_ask {
        for need in &open {
            let otherwise = match (need.name.as_str(), need.is_required) {
                ("API_TOKENS", _) => "; Enter: a new token is made",
                (_, true) => "",
                (_, false) => "; Enter: none",
            };
            let value = hidden_line(&format!("{} ({}{otherwise}): ", need.name, need.why))?.trim().to_owned();
            if !value.is_empty() {
                given.values.insert(need.name.clone(), value);
            } else if need.name == "API_TOKENS" {
                let token = token()?;
                given.values.insert(need.name.clone(), format!("{TENANT}:{token}"));
                given.made = Some(token);
            }
        }
    }
    let is_missing = |need: &&&Need| need.is_required && !given.values.contains_key(&need.name);
    let missing: Vec<String> =
        open.iter().filter(is_missing).map(|need| format!("  {}: {}", need.name, need.why)).collect();
    if !missing.is_empty() {
        bail!(
            "nothing was deployed, because these secrets are missing:\n{}\ngive them by `--secrets-file FILE` (lines \
             `NAME=value`, or JSON), or deploy on a terminal, where you are asked",
            missing.join("\n")
        );
    }
    Ok(given)
}

/// A token that nobody can guess.
fn token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("no randomness")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(vars: &[(&str, &str)], example: &str, is_required: bool) -> Vec<String> {
        let vars: Vec<_> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let needs = needed(&vars, example).into_iter().filter(|need| need.is_required == is_required);
        needs.map(|need| need.name).collect()
    }

    #[test]
    fn what_is_configured_says_which_secrets_it_needs() {
        assert_eq!(names(&[], "# OPENAI_API_KEY=\n", true), ["API_TOKENS"]);
        assert_eq!(names(&[("AUTH", "off")], "", true), [""; 0]);
        let vars = [
            ("AUTH", "off"),
            ("MODEL", "anthropic:x"),
            ("OPENAI_BASE_URL", "http://h/v1"),
            ("WEBHOOK_URL", "https://h"),
            ("NEXUS_MODE", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://o"),
            ("PROVIDERS", r#"{"a": {"key": "A_KEY", "headers": {"x": {"secret": "B"}, "y": "plain"}},"#),
            ("PROVIDERS_2", r#""b": {}}"#),
            (
                "MCP_SERVERS",
                r#"{"m": {"headers": {"x-key": {"secret": "M_KEY"}}, "oauth": {"client_secret": {"secret": "M_S"}}}}"#,
            ),
        ];
        let required = ["ANTHROPIC_API_KEY", "WEBHOOK_SECRET", "NEXUS_API_KEY", "B", "A_KEY", "M_KEY", "M_S"];
        assert_eq!(names(&vars, "", true), required);
        assert_eq!(names(&vars, "", false), ["OPENAI_API_KEY", "OTEL_EXPORTER_OTLP_HEADERS"]);
        let example = "OPENAI_API_KEY=\nexport LEDGER_TOKEN = x\nMODEL=a\n# OTHER_KEY=\n";
        let public = [("AUTH", "off"), ("OPENAI_BASE_URL", "https://api.openai.com/v1")];
        assert_eq!(names(&public, example, true), ["OPENAI_API_KEY", "LEDGER_TOKEN"]);
        assert_eq!(names(&[("AUTH", "off"), ("PROVIDERS", "{")], "", true), [""; 0]);
    }

    #[test]
    fn a_file_of_either_form_is_read_and_no_error_has_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            of_file(&file).map(|given| given.values.into_iter().collect::<Vec<_>>())
        };
        let both = [("A".to_owned(), "b=c".to_owned()), ("D_2".to_owned(), "e f".to_owned())];
        assert_eq!(read("# note\nA=b=c\n\nexport D_2 = \"e f\"\n").unwrap(), both);
        assert_eq!(read(r#"{"A": "b=c", "D_2": "e f"}"#).unwrap(), both);
        for wrong in ["hush", "A=\n", "{\"A\": hush}", "{\"A\": 7}", "a b=hush", "{\"A B\": \"hush\"}"] {
            let error = format!("{:?}", read(wrong).unwrap_err());
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn off_a_terminal_everything_that_is_missing_is_listed() {
        let needs = needed(&[("WEBHOOK_URL".to_owned(), "https://h".to_owned())], "");
        let there = BTreeSet::new();
        let given =
            |name: &str| Given { values: BTreeMap::from([(name.to_owned(), "x".to_owned())]), made: None };
        let error = complete(&needs, &there, Given::default()).err().unwrap().to_string();
        assert!(error.contains("\n  API_TOKENS: ") && error.contains("\n  WEBHOOK_SECRET: "), "{error}");
        let error = complete(&needs, &there, given("API_TOKENS")).err().unwrap().to_string();
        assert!(!error.contains("API_TOKENS") && error.contains("WEBHOOK_SECRET"), "{error}");
        let there = BTreeSet::from(["WEBHOOK_SECRET".to_owned()]);
        assert!(complete(&needs, &there, given("API_TOKENS")).is_ok(), "what is there is not asked for");
    }

    #[test]
    fn no_two_tokens_are_the_same_and_none_is_short() {
        let (one, two) = (token().unwrap(), token().unwrap());
        assert!(one != two && one.len() == 43 && !one.contains([',', ':', '[']), "{one}");
    }
}
