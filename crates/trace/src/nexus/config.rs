use std::fmt;

use longhaul_core::limits::NAME_BYTES_MAX;

use crate::config::{ConfigError, ConfigErrors, set};

const API_KEY: &str = "NEXUS_API_KEY";
const URL: &str = "NEXUS_URL";
const AGENT_ID: &str = "NEXUS_AGENT_ID";
const MODE: &str = "NEXUS_MODE";

#[cfg(feature = "otlp")]
const MODES: &str = "must be native or otlp";
#[cfg(not(feature = "otlp"))]
const MODES: &str = "must be native; otlp needs the cargo feature `otlp` of longhaul";

const URL_DEFAULT: &str = "https://nexus.keylightdigital.dev";
const AGENT_ID_DEFAULT: &str = "longhaul";

/// Where and how traces are sent to Nexus. Its `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct NexusConfig {
    pub(super) api_key: String,
    /// Without a slash at its end.
    pub(super) url: String,
    /// The name under which Nexus lists the deployment's traces.
    pub(super) agent_id: String,
    pub(super) mode: NexusMode,
}

/// The ways to hand a trace to Nexus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NexusMode {
    /// Its own protocol: a request for the trace and one for each span.
    #[default]
    Native,
    /// One request with the whole run as OTLP/JSON.
    #[cfg(feature = "otlp")]
    Otlp,
}

impl NexusConfig {
    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads `NEXUS_API_KEY`, `NEXUS_URL`, `NEXUS_AGENT_ID` and `NEXUS_MODE` through `lookup`. `None` without a key:
    /// nothing is sent then, and the other variables do not matter. An empty variable counts as one that is not set.
    ///
    /// # Errors
    /// Lists every variable at fault.
    pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
        let set = |variable| set(lookup, variable);
        let Some(api_key) = set(API_KEY) else { return Ok(None) };
        let url = set(URL).unwrap_or_else(|| URL_DEFAULT.to_owned());
        let agent_id = set(AGENT_ID).unwrap_or_else(|| AGENT_ID_DEFAULT.to_owned());
        let word = set(MODE);
        let mode = match word.as_deref() {
            None | Some("native") => Some(NexusMode::Native),
            #[cfg(feature = "otlp")]
            Some("otlp") => Some(NexusMode::Otlp),
            Some(_) => None,
        };
        let checks = [
            (API_KEY, is_visible_ascii(&api_key), "must be one word of visible ASCII characters"),
            (
                URL,
                is_base_url(&url),
                "must be a base URL: http:// or https://, a host, no user, query or `#`",
            ),
            (AGENT_ID, is_name(&agent_id), "must be at most 128 bytes without control characters"),
            (MODE, mode.is_some(), MODES),
        ];
        let faults = checks.into_iter().filter(|(_, is_good, _)| !is_good);
        let errors: Vec<ConfigError> = faults
            .map(|(variable, _, problem)| ConfigError { variable, problem: problem.to_owned() })
            .collect();
        match mode {
            Some(mode) if errors.is_empty() => {
                Ok(Some(Self { api_key, url: url.trim_end_matches('/').to_owned(), agent_id, mode }))
            }
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// How traces are sent.
    pub fn mode(&self) -> NexusMode {
        self.mode
    }
}

impl fmt::Debug for NexusConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusConfig")
            .field("url", &self.url)
            .field("agent_id", &self.agent_id)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}

fn is_base_url(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        // The last colon of [::1] belongs to the address.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, "0"),
    };
    is_http
        && !host.is_empty()
        && port.parse::<u16>().is_ok()
        && is_visible_ascii(url)
        && !url.contains(['?', '#', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "nxs_s3cret";

    fn parse(vars: &[(&str, &str)]) -> Result<Option<NexusConfig>, ConfigErrors> {
        NexusConfig::parse(&|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_a_key_nothing_is_sent() {
        assert_eq!(parse(&[]), Ok(None));
        assert_eq!(parse(&[(API_KEY, "  "), (MODE, "carrier pigeon")]), Ok(None));
    }

    #[test]
    fn a_key_is_enough() {
        let config = parse(&[(API_KEY, KEY)]).unwrap().unwrap();
        assert_eq!(config.url, URL_DEFAULT);
        assert_eq!((config.agent_id.as_str(), config.mode()), ("longhaul", NexusMode::Native));
        assert_eq!(config.api_key, KEY);
    }

    #[test]
    fn all_variables_are_read() {
        let vars = [(API_KEY, KEY), (URL, "http://[::1]:80/n/"), (AGENT_ID, "my poet"), (MODE, "otlp")];
        let config = parse(&vars).unwrap().unwrap();
        assert_eq!((config.url.as_str(), config.agent_id.as_str()), ("http://[::1]:80/n", "my poet"));
        assert_eq!(config.mode(), NexusMode::Otlp);
    }

    #[test]
    fn every_variable_at_fault_is_listed_and_no_value_is_shown() {
        let long = "n".repeat(129);
        let errors = parse(&[(API_KEY, "nxs s3cret"), (URL, "h"), (AGENT_ID, &long), (MODE, "Native")]);
        let errors = errors.unwrap_err();
        let variables: Vec<_> = errors.0.iter().map(|error| error.variable).collect();
        assert_eq!(variables, [API_KEY, URL, AGENT_ID, MODE]);
        assert!(!errors.to_string().contains("s3cret"), "{errors}");
        let config = parse(&[(API_KEY, KEY)]).unwrap().unwrap();
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    }

    #[test]
    fn a_base_url_is_a_whole_one() {
        for good in ["http://h", "HTTPS://h/", "http://h:8080/a/b", "http://127.0.0.1:1"] {
            assert!(is_base_url(good), "{good}");
        }
        let bad = ["h", "ftp://h", "http://", "http:///x", "http://h:x", "http://:1", "http://u:p@h"];
        for bad in bad.into_iter().chain(["http://h/?q=1", "http://h#x", "http://h h", "http://h\r\nx: y"]) {
            assert!(!is_base_url(bad), "{bad}");
        }
        for bad in ["nxs_\u{1}", "nxs_ü", "nxs_a b"] {
            assert!(parse(&[(API_KEY, bad)]).is_err(), "{bad}");
        }
    }
}
