//! What stands for the sinks that a build leaves out. Their configurations are types without a value, so that nothing can be
//! sent; a variable that asks for one is refused.

use crate::config::{ConfigError, ConfigErrors, set};

/// Refuses each variable that is set: the build has no code for what it asks for.
fn refuse<T>(
    feature: &str,
    variables: &[&'static str],
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<T>, ConfigErrors> {
    let asked = variables.iter().copied().filter(|variable| set(lookup, variable).is_some());
    let problem = format!("needs the cargo feature `{feature}` of longhaul, which this build leaves out");
    let errors: Vec<_> = asked.map(|variable| ConfigError { variable, problem: problem.clone() }).collect();
    if errors.is_empty() { Ok(None) } else { Err(ConfigErrors(errors)) }
}

/// The sink of OTLP/HTTP.
#[cfg(any(test, not(feature = "otlp")))]
pub(crate) mod otlp {
    use crate::{absent::refuse, config::ConfigErrors};

    /// Where traces would be sent over OTLP/HTTP: nowhere.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum OtlpConfig {}

    impl OtlpConfig {
        /// `None` where no endpoint is set.
        ///
        /// # Errors
        /// Lists every variable that sets one.
        pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
            let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
            refuse("otlp", &endpoints, lookup)
        }

        /// Where it is.
        pub fn url(&self) -> &str {
            match *self {}
        }

        /// Headers of each request.
        pub fn headers(&self) -> &[(String, String)] {
            match *self {}
        }
    }
}

/// The Nexus sink.
#[cfg(any(test, not(feature = "nexus")))]
pub mod nexus {
    use crate::{absent::refuse, config::ConfigErrors};

    /// Where traces would be sent to Nexus: nowhere.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum NexusConfig {}

    impl NexusConfig {
        /// `None` where no key is set.
        ///
        /// # Errors
        /// When there is one.
        pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
            refuse("nexus", &["NEXUS_API_KEY"], lookup)
        }

        /// Where it is.
        pub fn url(&self) -> &str {
            match *self {}
        }
    }
}

/// Signed webhooks.
#[cfg(any(test, not(feature = "webhooks")))]
pub(crate) mod webhook {
    use crate::{absent::refuse, config::ConfigErrors};

    /// Where events would be sent: nowhere.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum WebhookConfig {}

    impl WebhookConfig {
        /// `None` where neither an address nor a secret is set.
        ///
        /// # Errors
        /// Lists both that are.
        pub fn parse(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigErrors> {
            refuse("webhooks", &["WEBHOOK_URL", "WEBHOOK_SECRET"], lookup)
        }

        /// Where it is.
        pub fn url(&self) -> &str {
            match *self {}
        }

        /// The types of the events that are sent.
        pub fn events(&self) -> &[String] {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{nexus::NexusConfig, otlp::OtlpConfig, webhook::WebhookConfig, *};

    type Parsed = Result<(), ConfigErrors>;

    fn all(vars: &[&str]) -> [Parsed; 3] {
        let lookup = |name: &str| vars.contains(&name).then(|| "s3cret".to_owned());
        [
            OtlpConfig::parse(&lookup).map(|none| assert!(none.is_none())),
            NexusConfig::parse(&lookup).map(|none| assert!(none.is_none())),
            WebhookConfig::parse(&lookup).map(|none| assert!(none.is_none())),
        ]
    }

    #[test]
    fn nothing_is_refused_that_asks_for_no_sink() {
        let vars = ["OTEL_EXPORTER_OTLP_HEADERS", "NEXUS_URL", "WEBHOOK_EVENTS", "PUBLIC_URL"];
        assert_eq!(all(&vars), [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn each_variable_is_named_with_its_feature() {
        let errors = all(&[
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "NEXUS_API_KEY",
            "WEBHOOK_URL",
            "WEBHOOK_SECRET",
        ]);
        let shown = errors.map(|parsed| parsed.unwrap_err().to_string());
        let says = |variable: &str, feature: &str| {
            format!(
                "{variable}: needs the cargo feature `{feature}` of longhaul, which this build leaves out"
            )
        };
        let endpoint = says("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp");
        assert_eq!(shown[0], format!("{}; {endpoint}", says("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otlp")));
        assert_eq!(shown[1], says("NEXUS_API_KEY", "nexus"));
        let secret = says("WEBHOOK_SECRET", "webhooks");
        assert_eq!(shown[2], format!("{}; {secret}", says("WEBHOOK_URL", "webhooks")));
    }
}
