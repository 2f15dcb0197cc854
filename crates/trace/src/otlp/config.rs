use std::fmt;

use crate::{
    config::{ConfigError, ConfigErrors, set},
    list,
};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TRACES_PROTOCOL: &str = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const TRACES_TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT";
const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
const TRACES_COMPRESSION: &str = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION";

/// Where and how traces are sent over OTLP/HTTP. Its `Debug` shows no header values: they are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    url: String,
    headers: Vec<(String, String)>,
    protocol: Protocol,
    timeout_ms: Option<u64>,
}

/// One delivery at most, in milliseconds: what `OTEL_EXPORTER_OTLP_TIMEOUT` may say.
pub const OTLP_TIMEOUT_MS_MAX: u64 = 60_000;

/// The encodings of OTLP over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// `http/protobuf`
    #[default]
    HttpProtobuf,
    /// `http/json`
    HttpJson,
}

impl OtlpConfig {
    /// Reads the standard variables of the OTLP exporter through `lookup`. `None` when no endpoint is set: nothing
    /// is exported then, and the other variables do not matter. An empty variable counts as one that is not set.
    /// A variable for traces alone wins over the one for all signals, whole, as OpenTelemetry specifies them
    /// (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
    ///
    /// # Errors
    /// Lists every variable at fault.
    pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
        let Some(url) = url(lookup) else { return Ok(None) };
        let mut errors = Vec::new();
        let mut checked = |variable, problem| errors.push(ConfigError { variable, problem });
        let url = url.unwrap_or_else(|error| {
            checked(error.variable, error.problem);
            String::new()
        });
        let (variable, text) = of_signal(lookup, TRACES_HEADERS, HEADERS);
        let headers = headers(&text.unwrap_or_default()).unwrap_or_else(|problem| {
            checked(variable, problem);
            Vec::new()
        });
        let (variable, text) = of_signal(lookup, TRACES_PROTOCOL, PROTOCOL);
        let protocol = protocol(text.as_deref()).unwrap_or_else(|problem| {
            checked(variable, problem);
            Protocol::default()
        });
        let (variable, text) = of_signal(lookup, TRACES_TIMEOUT, TIMEOUT);
        let timeout_ms = timeout(text.as_deref()).unwrap_or_else(|problem| {
            checked(variable, problem);
            None
        });
        let (variable, text) = of_signal(lookup, TRACES_COMPRESSION, COMPRESSION);
        if text.is_some_and(|text| !matches!(text.as_str(), "none" | "gzip")) {
            checked(variable, "must be none or gzip; nothing is compressed".to_owned());
        }
        if errors.is_empty() {
            Ok(Some(Self { url, headers, protocol, timeout_ms }))
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// The URL to post to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Headers of each request, beside `Content-Type`: names in lower case, values visible ASCII.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// How long a delivery may take, in milliseconds, where the deployment says so.
    pub fn timeout_ms(&self) -> Option<u64> {
        self.timeout_ms
    }

    /// The encoding of each request.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl Protocol {
    /// The `Content-Type` of a request.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "application/x-protobuf",
            Self::HttpJson => "application/json",
        }
    }
}

impl fmt::Debug for OtlpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        // A URL may have a key in its query.
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("OtlpConfig")
            .field("url", &url)
            .field("headers", &names)
            .field("protocol", &self.protocol)
            .finish()
    }
}

/// The variable for traces and its value, or that for all signals.
fn of_signal(
    lookup: &dyn Fn(&str) -> Option<String>,
    traces: &'static str,
    all: &'static str,
) -> (&'static str, Option<String>) {
    match set(lookup, traces) {
        Some(text) => (traces, Some(text)),
        None => (all, set(lookup, all)),
    }
}

/// The URL of traces as it is, or the base URL of all signals with the path of traces after it.
fn url(lookup: &dyn Fn(&str) -> Option<String>) -> Option<Result<String, ConfigError>> {
    let at = |variable| move |problem| ConfigError { variable, problem };
    if let Some(url) = set(lookup, TRACES_ENDPOINT) {
        return Some(check_url(&url).map(|()| url).map_err(at(TRACES_ENDPOINT)));
    }
    let base = set(lookup, ENDPOINT)?;
    let url = check_url(&base).and_then(|()| {
        if base.contains('?') {
            return Err(format!("a base URL has no query; give the full URL in {TRACES_ENDPOINT}"));
        }
        Ok(format!("{}/v1/traces", base.trim_end_matches('/')))
    });
    Some(url.map_err(at(ENDPOINT)))
}

fn check_url(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) {
        return Err("must be a URL that begins with http:// or https://".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of [::1] belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    if authority.contains('@') {
        Err(format!("has a user or a password in it; put them into {HEADERS}"))
    } else if host.is_empty() || port.parse::<u16>().is_err() {
        Err("has no host, or a port that is no number".to_owned())
    } else if url.contains('#') || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err("has a `#` or white space in it".to_owned())
    } else {
        Ok(())
    }
}

fn headers(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in list::parse(text)? {
        let name = name.to_ascii_lowercase();
        if !name.bytes().all(is_token) {
            return Err("has a name that no header can have".to_owned());
        }
        if name == "content-type" {
            return Err(format!("has content-type, which follows {PROTOCOL}"));
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(format!("the value of {name} has characters that a header cannot have"));
        }
        headers.retain(|(earlier, _)| *earlier != name);
        headers.push((name, value));
    }
    Ok(headers)
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn protocol(text: Option<&str>) -> Result<Protocol, String> {
    match text {
        None | Some("http/protobuf") => Ok(Protocol::HttpProtobuf),
        Some("http/json") => Ok(Protocol::HttpJson),
        Some(_) => Err("must be http/protobuf or http/json".to_owned()),
    }
}

fn timeout(text: Option<&str>) -> Result<Option<u64>, String> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse().ok().filter(|ms| (1..=OTLP_TIMEOUT_MS_MAX).contains(ms));
    read.map(Some).ok_or_else(|| format!("must be a number of milliseconds from 1 to {OTLP_TIMEOUT_MS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(vars: &[(&str, &str)]) -> Result<Option<OtlpConfig>, ConfigErrors> {
        OtlpConfig::parse(&lookup(vars))
    }

    fn lookup(vars: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn variables(errors: &ConfigErrors) -> Vec<&'static str> {
        errors.0.iter().map(|error| error.variable).collect()
    }

    #[test]
    fn without_an_endpoint_nothing_is_exported() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[(ENDPOINT, "  "), (PROTOCOL, "grpc")]), Ok(None));
    }

    #[test]
    fn the_path_is_put_after_a_base_url_only() {
        for (variable, given, url) in [
            (ENDPOINT, "http://localhost:4318", "http://localhost:4318/v1/traces"),
            (ENDPOINT, "http://localhost:4318/", "http://localhost:4318/v1/traces"),
            (ENDPOINT, "https://otel.example/tenant/7/", "https://otel.example/tenant/7/v1/traces"),
            (ENDPOINT, "HTTPS://otel.example", "HTTPS://otel.example/v1/traces"),
            (ENDPOINT, "http://[::1]:4318", "http://[::1]:4318/v1/traces"),
            (TRACES_ENDPOINT, "https://otel.example", "https://otel.example"),
            (TRACES_ENDPOINT, "https://otel.example/in?key=1", "https://otel.example/in?key=1"),
        ] {
            let config = parse(&[(variable, given)]).unwrap().unwrap();
            assert_eq!((config.url(), config.protocol()), (url, Protocol::HttpProtobuf), "{given}");
        }
        let both = parse(&[(ENDPOINT, "nonsense"), (TRACES_ENDPOINT, "http://t/x")]).unwrap().unwrap();
        assert_eq!(both.url(), "http://t/x");
    }

    #[test]
    fn headers_are_checked_decoded_and_never_shown() {
        let vars = [(ENDPOINT, "http://h"), (HEADERS, "Authorization=Bearer%20s3cret, x-a=1,X-A=2")];
        let config = parse(&vars).unwrap().unwrap();
        let expected = [("authorization", "Bearer s3cret"), ("x-a", "2")];
        assert_eq!(config.headers(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let shown = format!("{config:?}");
        assert!(shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
        for bad in [
            "s3cret",
            "a b=s3cret",
            "a=s3cret%0d%0ax: y",
            "a=s3cret%C3%BC",
            "a=s3cret%",
            "s3 cret=1",
            "Content-Type=s3cret",
        ] {
            let errors = parse(&[(ENDPOINT, "http://h"), (HEADERS, bad)]).unwrap_err();
            assert_eq!(variables(&errors), [HEADERS]);
            assert!(!errors.to_string().contains("s3cret"), "{errors}");
        }
    }

    #[test]
    fn ot_03_variables_for_traces_win_over_the_general_ones() {
        let vars = [
            (ENDPOINT, "http://127.0.0.1:4318"),
            (TRACES_HEADERS, "Authorization=Basic%20cGs6c2s%3D"),
            (TRACES_PROTOCOL, "http/json"),
            (TRACES_TIMEOUT, "5000"),
        ];
        let config = parse(&vars).unwrap().unwrap();
        assert_eq!(config.headers(), [("authorization".to_owned(), "Basic cGs6c2s=".to_owned())]);
        assert_eq!((config.protocol(), config.timeout_ms()), (Protocol::HttpJson, Some(5_000)));
        let general =
            [(HEADERS, "x-a=1"), (PROTOCOL, "http/protobuf"), (TIMEOUT, "9000"), (COMPRESSION, "gzip")];
        let both: Vec<_> = vars.into_iter().chain(general).collect();
        assert_eq!(parse(&both), Ok(Some(config)), "not even one header of the general ones is left");
        let general: Vec<_> = [(ENDPOINT, "http://h")].into_iter().chain(general).collect();
        let config = parse(&general).unwrap().unwrap();
        assert_eq!(
            (config.headers().len(), config.protocol(), config.timeout_ms()),
            (1, Protocol::HttpProtobuf, Some(9_000))
        );
        let wrong = [
            (ENDPOINT, "http://h"),
            (TRACES_HEADERS, "x"),
            (TRACES_PROTOCOL, "grpc"),
            (TIMEOUT, "soon"),
            (TRACES_COMPRESSION, "zip"),
        ];
        assert_eq!(
            variables(&parse(&wrong).unwrap_err()),
            [TRACES_HEADERS, TRACES_PROTOCOL, TIMEOUT, TRACES_COMPRESSION]
        );
    }

    #[test]
    fn every_variable_at_fault_is_listed() {
        let errors = parse(&[(ENDPOINT, "localhost:4318"), (HEADERS, "x"), (PROTOCOL, "grpc")]).unwrap_err();
        assert_eq!(variables(&errors), [ENDPOINT, HEADERS, PROTOCOL]);
        assert!(
            errors.to_string().contains("; OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf"),
            "{errors}"
        );
    }

    #[test]
    fn only_whole_http_urls_are_taken() {
        for bad in [
            "h",
            "ftp://h",
            "http://",
            "http:///v1",
            "http://h:port",
            "http://:4318",
            "http://u:s3cret@h",
            "http://h h",
            "http://h#x",
            "grpc://h:4317",
            "http://h?x=1",
        ] {
            let errors = parse(&[(ENDPOINT, bad)]).unwrap_err();
            assert_eq!(variables(&errors), [ENDPOINT], "{bad}");
            assert!(!errors.to_string().contains("s3cret"));
        }
    }
}
