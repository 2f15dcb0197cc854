use longhaul_core::{Effect, limits::NAME_BYTES_MAX};
use longhaul_mcp::{
    LEFT_OUT, Oauth, Secret, Server, Servers, is_server_name,
    limits::{CLIENT_BYTES_MAX, LISTED_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX, SERVERS_MAX, URL_BYTES_MAX},
    oauth::{Reach, address_fault},
};
use serde_json::{Map, Value};

use crate::{
    api::{
        fields::{Fields, escaped, json_type},
        problem::{FieldError, FieldErrors},
    },
    providers::{Lookup, header_secrets, headers, named_secret},
};

/// The variable with a deployment's MCP servers.
pub(crate) const MCP_SERVERS: &str = "MCP_SERVERS";
/// What the name of a server must be.
pub(crate) const SERVER_NAME: &str =
    "must be 1 to 32 of a-z, A-Z, 0-9, `_` and `-`, without `__` and with no `_` at an end of it";
/// Agents that a server may name.
const AGENTS_MAX: usize = 256;
/// Headers that are the protocol's.
const PROTOCOL_HEADERS: [&str; 2] = ["last-event-id", "traceparent"];
/// What the names of others of them begin with.
const PROTOCOL_PREFIX: &str = "mcp-";
const EFFECTS: &str = "must be `read`, `idempotent` or `once`";

/// The MCP servers of a deployment: every fault of its variable is noted.
pub(crate) fn servers(var: Lookup<'_>, reach: Reach, errors: &mut Vec<FieldError>) -> Servers {
    let Some(json) = var(MCP_SERVERS) else { return Servers::default() };
    if let Some(why) = LEFT_OUT {
        errors.push(FieldError::new(MCP_SERVERS, why));
        return Servers::default();
    }
    let mut fail = |detail: String| errors.push(FieldError::new(MCP_SERVERS, detail));
    let given = match serde_json::from_slice::<Value>(json.as_bytes()) {
        Ok(Value::Object(servers)) => servers,
        Ok(other) => {
            fail(format!("must be an object from a name to a server, not {}", json_type(&other)));
            Map::new()
        }
        Err(error) => {
            fail(format!("is not JSON: {error}"));
            Map::new()
        }
    };
    if given.len() > SERVERS_MAX {
        fail(format!("has {} servers, at most {SERVERS_MAX} are taken", given.len()));
    }
    let mut faults = FieldErrors::default();
    let mut read = Vec::new();
    for (name, server) in given.into_iter().take(SERVERS_MAX) {
        let pointer = format!("{MCP_SERVERS}/{}", escaped(&name));
        if !is_server_name(&name) {
            faults.push(FieldError::new(&pointer, SERVER_NAME));
        }
        read.extend(server_of(&name, server, &pointer, (var, reach), &mut faults));
    }
    errors.extend(faults.into_listed());
    Servers(read)
}

fn server_of(
    name: &str,
    value: Value,
    pointer: &str,
    (var, reach): (Lookup<'_>, Reach),
    faults: &mut FieldErrors,
) -> Option<Server> {
    let is_object = value.is_object();
    let mut fields = Fields::of(value, pointer, faults);
    if !is_object {
        return None;
    }
    let url = match fields.string("url", URL_BYTES_MAX) {
        Some(url) => match address_fault(&url, reach) {
            Some(fault) => fields.fail("url", fault),
            None => Some(url),
        },
        None if fields.errors().has(&format!("{pointer}/url")) => None,
        None => fields.fail("url", "is required: the address of the server, by https"),
    };
    let headers = fields.take("headers").map(|value| sent(value, pointer, var, fields.errors()));
    let trust = fields.boolean("trust");
    let effects = fields.take("effects").map(|value| effects(value, pointer, fields.errors()));
    let tools = (PATTERNS_MAX, PATTERN_BYTES_MAX);
    let allow = texts(&mut fields, pointer, "allow", tools);
    let deny = texts(&mut fields, pointer, "deny", tools);
    let pin = fields.boolean("pin");
    let asks = match fields.string("verdict", NAME_BYTES_MAX).as_deref() {
        None => false,
        Some("ask") => true,
        Some(_) => fields.fail("verdict", "must be `ask`").unwrap_or_default(),
    };
    let agents = texts(&mut fields, pointer, "agents", (AGENTS_MAX, NAME_BYTES_MAX));
    let oauth = fields
        .take("oauth")
        .and_then(|value| oauth(value, &format!("{pointer}/oauth"), (var, reach), fields.errors()));
    fields.finish();
    Some(Server {
        headers: headers.unwrap_or_default(),
        trust: trust.unwrap_or_default(),
        effects: effects.unwrap_or_default(),
        allow,
        deny: deny.unwrap_or_default(),
        pin: pin.unwrap_or_default(),
        asks,
        agents,
        oauth,
        ..Server::new(name, &url?)
    })
}

fn sent(value: Value, pointer: &str, var: Lookup<'_>, faults: &mut FieldErrors) -> Vec<(String, Secret)> {
    let read = headers(value, pointer, var, faults).into_iter().map(|header| {
        if header.name.starts_with(PROTOCOL_PREFIX) || PROTOCOL_HEADERS.contains(&header.name.as_str()) {
            let pointer = format!("{pointer}/headers/{}", escaped(&header.name));
            faults.push(FieldError::new(pointer, "is a header of the protocol"));
        }
        let secret = header.variable.map_or(Secret::Plain(header.value), Secret::Named);
        (header.name, secret)
    });
    read.collect()
}

fn effects(value: Value, pointer: &str, faults: &mut FieldErrors) -> Vec<(String, Effect)> {
    let pointer = format!("{pointer}/effects");
    let Value::Object(given) = value else {
        let detail = format!("must be an object from a tool to its effect, not {}", json_type(&value));
        faults.push(FieldError::new(pointer, detail));
        return Vec::new();
    };
    if given.len() > LISTED_MAX {
        faults.push(FieldError::new(&pointer, format!("has more than {LISTED_MAX} tools")));
    }
    let mut read = Vec::new();
    for (tool, effect) in given.into_iter().take(LISTED_MAX) {
        let effect = match effect.as_str() {
            Some("read") => Effect::Read,
            Some("idempotent") => Effect::Idempotent,
            Some("once") => Effect::Once,
            _ => {
                faults.push(FieldError::new(format!("{pointer}/{}", escaped(&tool)), EFFECTS));
                continue;
            }
        };
        read.push((tool, effect));
    }
    read
}

/// Takes a list of texts, of so many at most and each of so many bytes.
fn texts(
    fields: &mut Fields<'_>,
    pointer: &str,
    name: &'static str,
    (count_max, bytes_max): (usize, usize),
) -> Option<Vec<String>> {
    let given = match fields.take(name)? {
        Value::Array(given) => given,
        other => return fields.fail(name, format!("must be an array, not {}", json_type(&other))),
    };
    if given.len() > count_max {
        return fields.fail(name, format!("has more than {count_max} entries"));
    }
    let mut read = Vec::new();
    for (place, text) in given.into_iter().enumerate() {
        match text {
            Value::String(text) if (1..=bytes_max).contains(&text.len()) => read.push(text),
            _ => fields.errors().push(FieldError::new(
                format!("{pointer}/{name}/{place}"),
                format!("must be a string of 1 to {bytes_max} bytes"),
            )),
        }
    }
    Some(read)
}

fn oauth(
    value: Value,
    pointer: &str,
    (var, reach): (Lookup<'_>, Reach),
    faults: &mut FieldErrors,
) -> Option<Oauth> {
    let is_object = value.is_object();
    let mut fields = Fields::of(value, pointer, faults);
    if !is_object {
        return None;
    }
    let client_id = match fields.string("client_id", CLIENT_BYTES_MAX) {
        Some(id) if id.bytes().all(is_of_text) => Some(id),
        Some(_) => fields.fail("client_id", VISIBLE),
        None if fields.errors().has(&format!("{pointer}/client_id")) => None,
        None => fields.fail(
            "client_id",
            "is required: the id that the issuer gave, or the address of a document that says who the client is",
        ),
    };
    let client_secret = fields.take("client_secret").and_then(|value| {
        let read = named_secret(value, &format!("{pointer}/client_secret"), var, fields.errors());
        read.map(|(name, _)| name)
    });
    let issuer = fields.string("issuer", URL_BYTES_MAX).and_then(|url| match address_fault(&url, reach) {
        Some(fault) => fields.fail("issuer", fault),
        None => Some(url),
    });
    let scope = match fields.string("scope", CLIENT_BYTES_MAX) {
        Some(scope) if !scope.bytes().all(is_of_text) => fields.fail("scope", VISIBLE),
        scope => scope,
    };
    fields.finish();
    Some(Oauth { client_id: client_id?, client_secret, issuer, scope })
}

const VISIBLE: &str = "must be visible ASCII characters and spaces";

fn is_of_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// The secrets in `MCP_SERVERS`, also where it is at fault; and the addresses, which may have some.
pub(crate) fn secrets(var: Lookup<'_>) -> (Vec<String>, Vec<String>) {
    let (mut secrets, mut urls) = (Vec::new(), Vec::new());
    let text = var(MCP_SERVERS).unwrap_or_default();
    let servers = serde_json::from_slice::<Value>(text.as_bytes()).unwrap_or_default();
    for server in servers.as_object().into_iter().flat_map(Map::values) {
        secrets.extend(server["oauth"]["client_secret"]["secret"].as_str().and_then(var));
        secrets.extend(header_secrets(&server["headers"], var));
        urls.extend(server["url"].as_str().map(str::to_owned));
    }
    (secrets, urls)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRETS: [(&str, &str); 2] = [("CRM_KEY", "key-of-crm"), ("CRM_CLIENT", "secret-of-client")];

    fn parsed(text: &str, reach: Reach) -> (Servers, Vec<FieldError>) {
        let lookup = |name: &str| match name {
            MCP_SERVERS => Some(text.to_owned()),
            _ => SECRETS.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()),
        };
        let mut errors = Vec::new();
        (servers(&lookup, reach, &mut errors), errors)
    }

    fn faults(given: &Value) -> Vec<String> {
        let errors = parsed(&given.to_string(), Reach::Public).1;
        errors.into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn everything_that_a_server_may_have_is_read() {
        let given = json!({
            "crm": {"url": "https://crm.test/mcp?tenant=1",
                "headers": {"X-Key": {"secret": "CRM_KEY"}, "x-team": "mine"}, "trust": true,
                "effects": {"find": "read", "put": "idempotent", "charge": "once"}, "allow": ["find", "p*"],
                "deny": ["*_all"], "pin": true, "verdict": "ask", "agents": ["sales"],
                "oauth": {"client_id": "id-1", "client_secret": {"secret": "CRM_CLIENT"},
                    "issuer": "https://as.test/tenant", "scope": "read write"}},
            "docs": {"url": "https://docs.test"},
        });
        let (servers, errors) = parsed(&given.to_string(), Reach::Public);
        assert_eq!(errors, []);
        let named = |name: &str| Secret::Named(name.to_owned());
        let crm = Server {
            headers: vec![
                ("x-key".to_owned(), named("CRM_KEY")),
                ("x-team".to_owned(), Secret::Plain("mine".to_owned())),
            ],
            trust: true,
            effects: vec![
                ("charge".to_owned(), Effect::Once),
                ("find".to_owned(), Effect::Read),
                ("put".to_owned(), Effect::Idempotent),
            ],
            allow: Some(vec!["find".to_owned(), "p*".to_owned()]),
            deny: vec!["*_all".to_owned()],
            pin: true,
            asks: true,
            agents: Some(vec!["sales".to_owned()]),
            oauth: Some(Oauth {
                client_id: "id-1".to_owned(),
                client_secret: Some("CRM_CLIENT".to_owned()),
                issuer: Some("https://as.test/tenant".to_owned()),
                scope: Some("read write".to_owned()),
            }),
            ..Server::new("crm", "https://crm.test/mcp?tenant=1")
        };
        assert_eq!(servers, Servers(vec![crm, Server::new("docs", "https://docs.test")]));
    }

    #[test]
    fn every_fault_is_named() {
        let given = json!({
            "a__b": {"url": "https://h"},
            "a": {"url": "http://h", "headers": {"host": "x", "MCP-Name": "x", "x-a": {"secret": "UNSET"}}, "trust": 1,
                "effects": {"t": "never", "u": 1}, "allow": "x", "deny": ["", 1], "pin": "y", "verdict": "allow",
                "agents": [""], "more": 1},
            "b": {"effects": [], "oauth": {"client_secret": "sk-1", "issuer": "as.test", "scope": "\n1", "more": 1}},
            "c": {"url": "https://h", "oauth": "id", "headers": []},
            "d": "https://h",
            "e": {"url": "https://user:pass@h", "oauth": {"client_id": "\u{7f}"}},
            "f": {"url": "https://h/#x", "oauth": {"client_id": 1, "client_secret": {"secret": "UNSET"}}},
        });
        let expected = [
            "a",
            "a/agents/0",
            "a/allow",
            "a/deny/0",
            "a/deny/1",
            "a/effects/t",
            "a/effects/u",
            "a/headers/host",
            "a/headers/mcp-name",
            "a/headers/x-a/secret",
            "a/more",
            "a/pin",
            "a/trust",
            "a/url",
            "a/verdict",
            "a__b",
            "b/effects",
            "b/oauth/client_id",
            "b/oauth/client_secret",
            "b/oauth/issuer",
            "b/oauth/more",
            "b/oauth/scope",
            "b/url",
            "c/headers",
            "c/oauth",
            "d",
            "e/oauth/client_id",
            "e/url",
            "f/oauth/client_id",
            "f/oauth/client_secret/secret",
            "f/url",
        ];
        let mut found = faults(&given);
        found.sort_unstable();
        let expected: Vec<_> =
            expected[1..].iter().map(|pointer| format!("{MCP_SERVERS}/{pointer}")).collect();
        assert_eq!(found, expected);
        for wrong in [json!([]), json!("x"), json!(null)] {
            assert_eq!(faults(&wrong), [MCP_SERVERS], "{wrong}");
        }
        assert_eq!(parsed("{", Reach::Public).1[0].pointer, MCP_SERVERS);
        let many: Map<String, Value> =
            (0..=SERVERS_MAX).map(|n| (format!("s{n}"), json!({"url": "https://h"}))).collect();
        assert_eq!(faults(&many.into()), [MCP_SERVERS]);
    }

    /// A server on this machine is for local work, where nobody needs a token either.
    #[test]
    fn http_is_for_this_machine_without_tokens() {
        for (url, public, local) in [
            ("https://h.test/mcp", true, true),
            ("http://h.test/mcp", false, false),
            ("http://127.0.0.1:3001/mcp", false, true),
            ("http://localhost:3001/mcp", false, true),
            ("https://localhost/mcp", false, true),
        ] {
            let given = json!({"s": {"url": url, "oauth": {"client_id": "i", "issuer": url}}}).to_string();
            for (reach, is_taken) in [(Reach::Public, public), (Reach::Loopback, local)] {
                let faults = parsed(&given, reach).1;
                assert_eq!(faults.is_empty(), is_taken, "{url} {reach:?} {faults:?}");
            }
        }
    }

    /// A fault must not repeat what may be a secret in the wrong place.
    #[test]
    fn no_fault_repeats_a_value() {
        let given = json!({"p": {"url": "sk-value-1", "headers": {"x-key": "\u{7f}sk-value-2", "x-o": {"secret": "sk-value-3"}},
            "verdict": "sk-value-4", "effects": {"t": "sk-value-5"}, "oauth": {"client_id": "\u{7f}sk-value-6",
                "client_secret": {"secret": "sk-value-7"}, "issuer": "sk-value-8"}}});
        let errors = parsed(&given.to_string(), Reach::Public).1;
        assert_eq!(errors.len(), 8, "{errors:?}");
        assert!(!format!("{errors:?}").contains("sk-value"), "{errors:?}");
    }
}
