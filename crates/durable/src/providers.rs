use longhaul_core::limits::{PROVIDER_HEADER_BYTES_MAX, PROVIDER_HEADERS_MAX, PROVIDERS_MAX};
use longhaul_host::{Endpoint, Endpoints};
use longhaul_models::{BUILT_IN_PREFIXES, Format, is_provider_name};
use serde_json::{Map, Value};

use crate::api::{
    fields::{Fields, escaped, json_type},
    problem::{FieldError, FieldErrors},
};

/// Where Anthropic's own service is.
const ANTHROPIC_URL: &str = "https://api.anthropic.com";
/// A base URL at most, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// The name of a variable at most, in bytes.
const VARIABLE_BYTES_MAX: usize = 128;
/// Headers that are of the connection or of the body: they are never a provider's.
const OWN_HEADERS: [&str; 9] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
];
/// Words in the name of a header whose value is a secret, however it is given.
const SECRET_WORDS: [&str; 5] = ["auth", "cookie", "key", "secret", "token"];

/// Gives a variable or a secret by its name.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The servers that models are asked at over HTTP, by the prefix of their models.
pub(crate) fn endpoints(var: Lookup<'_>, errors: &mut Vec<FieldError>) -> Endpoints {
    let mut all = Vec::new();
    if let Some(url) = var("OPENAI_BASE_URL") {
        let base_url = base_url("OPENAI_BASE_URL", &url, errors);
        let api_key = var("OPENAI_API_KEY");
        let of = |format| Endpoint { api_key: api_key.clone(), ..Endpoint::new(format, &base_url) };
        let built_in = [("openai", Format::Chat), ("responses", Format::Responses)];
        let spoken = built_in.into_iter().filter(|(_, format)| format.left_out().is_none());
        all.extend(spoken.map(|(prefix, format)| (prefix.to_owned(), of(format))));
    }
    let (url, api_key) = (var("ANTHROPIC_BASE_URL"), var("ANTHROPIC_API_KEY"));
    if let Some(why) = Format::Messages.left_out() {
        let asked = [("ANTHROPIC_BASE_URL", &url), ("ANTHROPIC_API_KEY", &api_key)];
        let asked = asked.into_iter().filter(|(_, value)| value.is_some());
        errors.extend(asked.map(|(name, _)| FieldError::new(name, &why)));
    } else if url.is_some() || api_key.is_some() {
        let url = base_url("ANTHROPIC_BASE_URL", url.as_deref().unwrap_or(ANTHROPIC_URL), errors);
        let endpoint = Endpoint { api_key, ..Endpoint::new(Format::Messages, &url) };
        all.push(("anthropic".to_owned(), endpoint));
    }
    if let Some(json) = var("PROVIDERS") {
        all.extend(named(&json, var, errors));
    }
    Endpoints::new(all)
}

/// Reads `PROVIDERS`: every fault of it is noted.
fn named(json: &str, var: Lookup<'_>, errors: &mut Vec<FieldError>) -> Vec<(String, Endpoint)> {
    let mut fail = |detail: String| errors.push(FieldError::new("PROVIDERS", detail));
    let providers = match serde_json::from_slice::<Value>(json.as_bytes()) {
        Ok(Value::Object(providers)) => providers,
        Ok(other) => {
            fail(format!("must be an object from a name to a provider, not {}", json_type(&other)));
            Map::new()
        }
        Err(error) => {
            fail(format!("is not JSON: {error}"));
            Map::new()
        }
    };
    if providers.len() > PROVIDERS_MAX {
        fail(format!("has {} providers, at most {PROVIDERS_MAX} are taken", providers.len()));
    }
    let mut faults = FieldErrors::default();
    let mut read = Vec::new();
    for (name, provider) in providers.into_iter().take(PROVIDERS_MAX) {
        let pointer = format!("PROVIDERS/{}", escaped(&name));
        if BUILT_IN_PREFIXES.contains(&name.as_str()) {
            faults.push(FieldError::new(&pointer, "is a prefix of this version: choose another name"));
        } else if !is_provider_name(&name) {
            faults.push(FieldError::new(&pointer, "must be 1 to 32 of a-z, 0-9, `_` and `-`"));
        }
        if let Some(endpoint) = provider_of(provider, &pointer, var, &mut faults) {
            read.push((name, endpoint));
        }
    }
    errors.extend(faults.into_listed());
    read
}

fn provider_of(value: Value, pointer: &str, var: Lookup<'_>, faults: &mut FieldErrors) -> Option<Endpoint> {
    let is_object = value.is_object();
    let mut fields = Fields::of(value, pointer, faults);
    if !is_object {
        return None;
    }
    let format = match fields.string("format", VARIABLE_BYTES_MAX).as_deref() {
        Some("chat") => Some(Format::Chat),
        Some("responses") => Some(Format::Responses),
        Some("messages") => Some(Format::Messages),
        Some(_) => fields.fail("format", FORMATS),
        None if fields.errors().has(&format!("{pointer}/format")) => None,
        None => fields.fail("format", FORMATS),
    };
    let format = match format.map(|format| (format, format.left_out())) {
        Some((_, Some(why))) => fields.fail("format", why),
        known => known.map(|(format, _)| format),
    };
    let base_url = match fields.string("base_url", URL_BYTES_MAX) {
        Some(url) if is_url(&url) => Some(url),
        Some(_) => fields.fail("base_url", NOT_A_URL),
        None if fields.errors().has(&format!("{pointer}/base_url")) => None,
        None => fields.fail("base_url", "is required: an address that begins with https:// or http://"),
    };
    let api_key = fields.string("key", VARIABLE_BYTES_MAX).and_then(|name| match secret(&name, var) {
        Ok(key) => Some(key),
        Err(detail) => fields.fail("key", detail),
    });
    let system_in_first_user = match fields.string("system", VARIABLE_BYTES_MAX).as_deref() {
        None => false,
        Some("first_user") => true,
        Some(_) => fields.fail("system", "must be `first_user`").unwrap_or_default(),
    };
    let headers = fields.take("headers").map(|value| headers(value, pointer, var, fields.errors()));
    fields.finish();
    let headers = headers.into_iter().flatten().map(|header| (header.name, header.value)).collect();
    Some(Endpoint { api_key, headers, system_in_first_user, ..Endpoint::new(format?, &base_url?) })
}

/// A header of each request to a server.
pub(crate) struct Header {
    /// Its name, in lower case.
    pub(crate) name: String,
    pub(crate) value: String,
    /// The variable that the value is from.
    pub(crate) variable: Option<String>,
}

/// Reads the field `headers` of what `pointer` points to.
pub(crate) fn headers(value: Value, pointer: &str, var: Lookup<'_>, faults: &mut FieldErrors) -> Vec<Header> {
    let pointer = format!("{pointer}/headers");
    let Value::Object(given) = value else {
        faults.push(FieldError::new(pointer, format!("must be an object, not {}", json_type(&value))));
        return Vec::new();
    };
    if given.len() > PROVIDER_HEADERS_MAX {
        faults.push(FieldError::new(&pointer, format!("has more than {PROVIDER_HEADERS_MAX} headers")));
    }
    let mut read = Vec::new();
    for (name, value) in given.into_iter().take(PROVIDER_HEADERS_MAX) {
        let pointer = format!("{pointer}/{}", escaped(&name));
        let name = name.to_ascii_lowercase();
        if OWN_HEADERS.contains(&name.as_str()) {
            faults.push(FieldError::new(&pointer, "is longhaul's own header"));
        } else if name.is_empty() || !name.bytes().all(is_of_header_name) {
            faults.push(FieldError::new(&pointer, "is no name of a header"));
        }
        let given = match value {
            Value::String(text) => Some((text, None)),
            other => named_secret(other, &pointer, var, faults).map(|(name, value)| (value, Some(name))),
        };
        match given {
            Some((value, variable)) if is_header_value(&value) => read.push(Header { name, value, variable }),
            Some(_) => faults.push(FieldError::new(
                pointer,
                format!("must be 1 to {PROVIDER_HEADER_BYTES_MAX} visible ASCII characters and spaces"),
            )),
            None => {}
        }
    }
    read
}

/// Reads `{"secret": "NAME"}`: the name of a variable, and its value.
pub(crate) fn named_secret(
    value: Value,
    pointer: &str,
    var: Lookup<'_>,
    faults: &mut FieldErrors,
) -> Option<(String, String)> {
    let mut fields = Fields::of(value, pointer, faults);
    let named = fields.string("secret", VARIABLE_BYTES_MAX).map(|name| (secret(&name, var), name));
    let read = match named {
        Some((Ok(value), name)) => Some((name, value)),
        Some((Err(detail), _)) => fields.fail("secret", detail),
        None if fields.errors().has(pointer) || fields.errors().has(&format!("{pointer}/secret")) => None,
        None => fields.fail("secret", "is required: the name of a secret"),
    };
    fields.finish();
    read
}

/// The secret of a name. The name is the operator's, and no secret.
fn secret(name: &str, var: Lookup<'_>) -> Result<String, String> {
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("must be the name of a secret, not the secret itself".to_owned());
    }
    var(name).ok_or_else(|| format!("names the secret {name}, which is not set"))
}

const FORMATS: &str = "must be `chat`, `responses` or `messages`";
const NOT_A_URL: &str = "must begin with http:// or https://";

fn is_url(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
}

fn base_url(name: &str, url: &str, errors: &mut Vec<FieldError>) -> String {
    if !is_url(url) {
        errors.push(FieldError::new(name, NOT_A_URL));
    }
    url.to_owned()
}

/// RFC 9110, section 5.6.2.
fn is_of_header_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_header_value(value: &str) -> bool {
    (1..=PROVIDER_HEADER_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The secrets in `PROVIDERS`, also where it is at fault: keys and values of headers; and the addresses, which may have
/// some.
pub(crate) fn secrets(var: Lookup<'_>) -> (Vec<String>, Vec<String>) {
    let (mut secrets, mut urls) = (Vec::new(), Vec::new());
    let text = var("PROVIDERS").unwrap_or_default();
    let providers = serde_json::from_slice::<Value>(text.as_bytes()).unwrap_or_default();
    for provider in providers.as_object().into_iter().flat_map(Map::values) {
        secrets.extend(provider["key"].as_str().and_then(var));
        urls.extend(provider["base_url"].as_str().map(str::to_owned));
        secrets.extend(header_secrets(&provider["headers"], var));
    }
    (secrets, urls)
}

/// The secrets among headers: the values of variables, and what stands in a header whose name says so.
pub(crate) fn header_secrets(headers: &Value, var: Lookup<'_>) -> Vec<String> {
    let mut secrets = Vec::new();
    for (name, value) in headers.as_object().into_iter().flatten() {
        let name = name.to_ascii_lowercase();
        let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word));
        secrets.extend(value.as_str().filter(|_| is_secret).map(str::to_owned));
        secrets.extend(value["secret"].as_str().and_then(var));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRETS: [(&str, &str); 2] = [("GROQ_KEY", "key-of-groq"), ("TEAM", "team-of-mine")];

    fn parsed(providers: &Value, more: &[(&str, &str)]) -> (Endpoints, Vec<String>) {
        let text = providers.to_string();
        let lookup = |name: &str| match name {
            "PROVIDERS" => Some(text.clone()),
            _ => SECRETS.iter().chain(more).find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned()),
        };
        let mut errors = Vec::new();
        let read = endpoints(&lookup, &mut errors);
        (read, errors.into_iter().map(|error| error.pointer).collect())
    }

    #[test]
    fn several_providers_are_read_beside_the_built_in_ones() {
        let providers = json!({
            "groq": {"format": "chat", "base_url": "https://api.groq.test/openai/v1/", "key": "GROQ_KEY",
                "headers": {"X-Team": {"secret": "TEAM"}, "HTTP-Referer": "https://me.test"}, "system": "first_user"},
            "claude-proxy": {"format": "messages", "base_url": "http://127.0.0.1:1"},
        });
        let built_in =
            [("OPENAI_BASE_URL", "http://h/v1/"), ("OPENAI_API_KEY", "o"), ("ANTHROPIC_API_KEY", "a")];
        let (endpoints, errors) = parsed(&providers, &built_in);
        assert_eq!(errors, [""; 0]);
        let prefixes: Vec<_> = endpoints.iter().map(|(prefix, _)| prefix).collect();
        assert_eq!(prefixes, ["openai", "responses", "anthropic", "claude-proxy", "groq"]);
        let groq = endpoints.get("groq").unwrap();
        assert_eq!((groq.format, groq.base_url.as_str()), (Format::Chat, "https://api.groq.test/openai/v1"));
        assert_eq!((groq.api_key.as_deref(), groq.system_in_first_user), (Some("key-of-groq"), true));
        let headers = [("http-referer", "https://me.test"), ("x-team", "team-of-mine")];
        assert_eq!(groq.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let anthropic = endpoints.get("anthropic").unwrap();
        assert_eq!((anthropic.format, anthropic.base_url.as_str()), (Format::Messages, ANTHROPIC_URL));
        assert_eq!(endpoints.get("responses").unwrap().api_key.as_deref(), Some("o"));
        assert!(endpoints.get("nobody").unwrap_err().contains("`nobody`"));
        let own = parsed(&json!({}), &[("ANTHROPIC_BASE_URL", "http://h")]).0;
        assert_eq!(own.get("anthropic").unwrap().api_key, None);
    }

    #[test]
    fn every_fault_is_named() {
        let providers = json!({
            "openai": {"format": "chat", "base_url": "https://h"},
            "Groq": {"format": "soap", "base_url": "h", "key": "UNSET", "system": "none", "more": 1},
            "a": {"headers": {"host": "x", "x y": "z", "x-a": {"secret": "UNSET"}, "x-b": {"secret": "TEAM", "b": 1},
                "x-c": 5, "x-d": "\n", "x-e": {}}},
            "b": {"format": "chat", "base_url": "https://h", "key": "sk-not-a-name", "headers": []},
            "c": "https://h",
        });
        let (_, errors) = parsed(&providers, &[]);
        let expected = [
            "Groq",
            "Groq/format",
            "Groq/base_url",
            "Groq/key",
            "Groq/system",
            "Groq/more",
            "a/format",
            "a/base_url",
            "a/headers/host",
            "a/headers/x y",
            "a/headers/x-a/secret",
            "a/headers/x-b/b",
            "a/headers/x-c",
            "a/headers/x-d",
            "a/headers/x-e/secret",
            "b/key",
            "b/headers",
            "c",
            "openai",
        ];
        let mut found = errors;
        found.sort_unstable();
        let mut expected = expected.map(|pointer| format!("PROVIDERS/{pointer}"));
        expected.sort_unstable();
        assert_eq!(found, expected);
        for wrong in [json!([]), json!("x"), json!(null)] {
            assert_eq!(parsed(&wrong, &[]).1, ["PROVIDERS"], "{wrong}");
        }
        let many: Map<String, Value> = (0..=PROVIDERS_MAX)
            .map(|n| (format!("p{n}"), json!({"format": "chat", "base_url": "https://h"})))
            .collect();
        assert_eq!(parsed(&many.into(), &[]).1, ["PROVIDERS"]);
        assert_eq!(parsed(&json!({}), &[("ANTHROPIC_BASE_URL", "ftp://h")]).1, ["ANTHROPIC_BASE_URL"]);
    }

    /// A fault must not repeat what may be a secret in the wrong place.
    #[test]
    fn no_fault_repeats_a_value() {
        let providers = json!({"p": {"format": "chat", "base_url": "sk-value-1", "key": "sk-value-2",
            "headers": {"x-key": "\u{7f}sk-value-3", "x-other": {"secret": "sk-value-4"}}}});
        let text = providers.to_string();
        let lookup = |name: &str| (name == "PROVIDERS").then(|| text.clone());
        let mut errors = Vec::new();
        endpoints(&lookup, &mut errors);
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(!format!("{errors:?}").contains("sk-value"), "{errors:?}");
    }
}
