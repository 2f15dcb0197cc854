use std::collections::BTreeSet;

use longhaul_host::SecretNet;
use longhaul_trace::OtlpConfig;

use crate::{api::auth, providers, servers};

/// Where the deployment's own secrets are: what is added here is taken out of everything that a far side sends, and of the
/// log.
const SECRET_VARIABLES: [(&str, Kind); 11] = [
    ("API_TOKENS", Kind::Tokens),
    ("OPENAI_API_KEY", Kind::Whole),
    ("NEXUS_API_KEY", Kind::Whole),
    ("OTEL_EXPORTER_OTLP_HEADERS", Kind::Headers),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", Kind::Headers),
    ("OPENAI_BASE_URL", Kind::Url),
    ("ANTHROPIC_API_KEY", Kind::Whole),
    ("ANTHROPIC_BASE_URL", Kind::Url),
    ("WEBHOOK_SECRET", Kind::Whole),
    ("CREDENTIALS_KEY", Kind::Whole),
    // Many a receiver is known by its address alone.
    ("WEBHOOK_URL", Kind::Whole),
];

/// What of a variable is secret.
#[derive(Clone, Copy)]
enum Kind {
    Whole,
    /// Pairs of an owner and a token.
    Tokens,
    /// `name=value` with commas between them: the values, as they are sent.
    Headers,
    /// What stands before the `@`: the password, and name and password together. The addresses of sinks may have none.
    Url,
}

/// All secrets that are configured.
pub(crate) fn texts(lookup: &dyn Fn(&str) -> Option<String>, otlp: Option<&OtlpConfig>) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for (name, kind) in SECRET_VARIABLES {
        let Some(value) = lookup(name) else { continue };
        match kind {
            Kind::Whole => {
                secrets.insert(value);
            }
            Kind::Tokens => secrets.extend(auth::tokens(&value).map(str::to_owned)),
            Kind::Headers => secrets.extend(value.split(',').filter_map(header)),
            Kind::Url => secrets.extend(credentials(&value)),
        }
    }
    for (given, urls) in [providers::secrets(lookup), servers::secrets(lookup)] {
        secrets.extend(given);
        secrets.extend(urls.iter().flat_map(|url| credentials(url)));
    }
    // As they are sent: decoded.
    secrets.extend(otlp.into_iter().flat_map(OtlpConfig::headers).map(|(_, value)| value.clone()));
    secrets
}

/// A net for secrets.
pub(crate) fn net(secrets: &BTreeSet<String>) -> SecretNet {
    SecretNet::new(secrets.iter().map(String::as_str))
}

fn header(pair: &str) -> Option<String> {
    pair.split_once('=').map(|(_, value)| value.trim().to_owned())
}

fn credentials(url: &str) -> Vec<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@') else { return Vec::new() };
    user.split_once(':')
        .map(|(_, password)| password.to_owned())
        .into_iter()
        .chain([user.to_owned()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second of these providers lacks its format: the deployment is refused, and its secrets are secrets all the same.
    const PROVIDERS: &str = r#"{"groq":{"format":"chat","base_url":"https://user:password-3@h/v1","key":"GROQ_KEY",
        "headers":{"x-auth-token":"token-in-a-header","x-title":"title-of-mine"}},"b":{"headers":{"x":{"secret":"TEAM"}}}}"#;

    const MCP_SERVERS: &str = r#"{"crm":{"url":"https://user:password-4@h/mcp","headers":{"x-team":{"secret":"CRM_KEY"},
        "authorization":"bearer-in-a-header"},"oauth":{"client_secret":{"secret":"CRM_CLIENT"}}}}"#;

    #[test]
    fn every_secret_that_is_configured_is_found() {
        let vars = [
            ("API_TOKENS", "acme:token-of-acme, bob/ci:token-of-bob[run,read]"),
            ("OPENAI_API_KEY", "key-of-openai"),
            ("NEXUS_API_KEY", "key-of-nexus"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20header-one,x-key=header-two"),
            ("OPENAI_BASE_URL", "https://user:password-1@h/v1"),
            ("ANTHROPIC_API_KEY", "key-of-anthropic"),
            ("ANTHROPIC_BASE_URL", "https://user:password-2@h"),
            ("PROVIDERS", PROVIDERS),
            ("GROQ_KEY", "key-of-groq"),
            ("TEAM", "team-of-mine"),
            ("MCP_SERVERS", MCP_SERVERS),
            ("CRM_KEY", "key-of-crm"),
            ("CRM_CLIENT", "secret-of-client"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h"),
        ];
        let lookup = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let otlp = OtlpConfig::parse(&lookup).expect("the headers and the endpoint are right");
        let net = net(&texts(&lookup, otlp.as_ref()));
        for secret in [
            "token-of-acme",
            "token-of-bob",
            "key-of-openai",
            "key-of-nexus",
            "Basic header-one",
            "header-one",
            "header-two",
            "password-1",
            "key-of-anthropic",
            "password-2",
            "key-of-groq",
            "team-of-mine",
            "token-in-a-header",
            "password-3",
            "key-of-crm",
            "bearer-in-a-header",
            "secret-of-client",
            "password-4",
        ] {
            assert_eq!(net.text(&format!("<{secret}>")).as_deref(), Some("<[secret removed]>"), "{secret}");
        }
        assert_eq!(net.text("https://h/v1 acme bob/ci user x-key authorization title-of-mine"), None);
    }
}
