use std::{borrow::Cow, rc::Rc};

use longhaul_core::{CallId, Judge, Life, RunId, Session};
use longhaul_models::{Format, Prices};
use longhaul_trace::{
    Capture, Origin, OtlpConfig, Resource, WebhookConfig, nexus::NexusConfig, redact::Redaction,
};

use crate::{
    hooks::Hooks,
    net::SecretNet,
    ports::Transport,
    wire::{WireFault, WireRequest, WireResponse},
};

/// The name of the OTLP sink in the journal.
pub const OTLP_SINK: &str = "otlp";
/// The name of the Nexus sink in the journal.
pub const NEXUS_SINK: &str = "nexus";

/// What a deployment is configured with, as far as driving a session needs it.
#[derive(Clone)]
pub struct Deployment {
    /// The object's name, `<tenant>/<session>`.
    pub object_name: String,
    /// The session's id.
    pub session: String,
    /// Workers AI, for models `@cf/…`.
    pub workers_ai: Option<WorkersAi>,
    /// The servers that are asked over HTTP, for models `openai:…`, `anthropic:…`, `<provider>:…`.
    pub endpoints: Endpoints,
    /// The OTLP sink.
    pub otlp: Option<OtlpConfig>,
    /// The Nexus sink.
    pub nexus: Option<NexusConfig>,
    /// Where events are sent, one by one.
    pub webhook: Option<WebhookConfig>,
    /// Whether there is a database for the index of traces.
    pub index: bool,
    /// The deployment's own secrets, which are taken out of whatever a far side sends.
    pub secrets: SecretNet,
    /// What is taken out of texts that leave the object in a trace.
    pub redaction: Redaction,
    /// The deployment's own code.
    pub hooks: Rc<dyn Hooks>,
    /// The deployment's rules for calls of tools.
    pub judge: Rc<dyn Judge>,
    /// What traces say of the service.
    pub resource: Resource,
    /// Content in traces that leave the object.
    pub capture: Capture,
    /// US dollars per million tokens.
    pub prices: Prices,
    /// An idle session is erased after this time, in milliseconds.
    pub retention_ms: u64,
}

impl Deployment {
    /// What the ids of the session's traces are derived from.
    pub fn origin(&self, session: &Session) -> Origin<'_> {
        Origin { object: &self.object_name, life: session.life() }
    }

    /// What a model's server recognises a call by, whichever attempt it is: no other call has this key, of whatever session,
    /// or whatever life of this one.
    pub(crate) fn key_of_call(&self, life: Option<Life>, run: RunId, call: CallId) -> String {
        match life {
            Some(life) => format!("{life}-{}-{run}-{call}", self.session),
            // A journal from before there were lives: a call that a deployment cut off keeps its key.
            None => format!("{}/{run}/{call}", self.session),
        }
    }

    /// The session's tenant.
    pub fn tenant(&self) -> &str {
        self.object_name.split_once('/').map_or("", |(tenant, _)| tenant)
    }

    /// The one way out: whatever a far side answers has passed the net for the deployment's secrets.
    pub(crate) async fn send(
        &self,
        transport: &impl Transport,
        request: WireRequest,
    ) -> Result<WireResponse, WireFault> {
        self.secrets.outcome(transport.send(request).await)
    }

    /// A text by the built-in rules, then by the deployment's own; `None` when nothing changes.
    pub(crate) fn redacted(&self, text: &str) -> Option<String> {
        let cleared = match self.redaction.text(text) {
            Cow::Owned(cleared) => Some(cleared),
            Cow::Borrowed(_) => None,
        };
        let own = self.hooks.redact(cleared.as_deref().unwrap_or(text));
        own.or(cleared)
    }
}

/// The Workers AI binding.
#[derive(Debug, Clone, Default)]
pub struct WorkersAi {
    /// The AI Gateway that calls go through.
    pub gateway_id: Option<String>,
}

/// A server that models are asked at over HTTP.
#[derive(Clone)]
pub struct Endpoint {
    /// What it speaks.
    pub format: Format,
    /// Up to the path of the format, without a slash at the end; it may have a query.
    pub base_url: String,
    /// The key, where the server wants one.
    pub api_key: Option<String>,
    /// Headers beside the usual ones, which they replace. Names are in lower case; some values are secrets.
    pub headers: Vec<(String, String)>,
    /// Whether its models know no system role: instructions then begin the first message of the user.
    pub system_in_first_user: bool,
}

impl Endpoint {
    /// A server without key and headers.
    pub fn new(format: Format, base_url: &str) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { format, base_url, api_key: None, headers: Vec::new(), system_in_first_user: false }
    }

    /// The server's host and port, as the URL has them; credentials in the URL are left out.
    pub fn server(&self) -> &str {
        let rest = self.base_url.split_once("://").map_or(self.base_url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        authority.rsplit_once('@').map_or(authority, |(_, server)| server)
    }

    /// Where calls are posted to: a query of the base URL stays at the end.
    pub(crate) fn url(&self) -> String {
        let (base, query) = match self.base_url.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (self.base_url.as_str(), String::new()),
        };
        self.format.url(base) + &query
    }

    /// The headers that name the caller, and the deployment's own.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let of_format = self.format.headers().iter().map(|(name, value)| (*name, (*value).to_owned()));
        let key = self.api_key.as_deref().map(|key| self.format.credential(key));
        let is_own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let usual = of_format.chain(key).filter(|(name, _)| !is_own(name));
        let usual = usual.map(|(name, value)| (name.to_owned(), value));
        usual.chain(self.headers.iter().cloned()).collect()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("format", &self.format)
            .field("server", &self.server())
            .finish_non_exhaustive()
    }
}

/// The servers of a deployment, by the prefix of their models. A clone shares them.
#[derive(Debug, Clone, Default)]
pub struct Endpoints(Rc<Vec<(String, Endpoint)>>);

impl Endpoints {
    /// The servers by their prefixes, without colons.
    pub fn new(endpoints: Vec<(String, Endpoint)>) -> Self {
        Self(Rc::new(endpoints))
    }

    /// All servers with their prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Endpoint)> {
        self.0.iter().map(|(prefix, endpoint)| (prefix.as_str(), endpoint))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The server of models with this prefix.
    ///
    /// # Errors
    /// What to set where there is none.
    pub fn get(&self, prefix: &str) -> Result<&Endpoint, String> {
        let found = self.iter().find(|(known, _)| *known == prefix).map(|(_, endpoint)| endpoint);
        let left_out = |format: Format| format.left_out().map(|why| format!("`{prefix}` {why}"));
        found.ok_or_else(|| match prefix {
            "responses" if let Some(why) = left_out(Format::Responses) => why,
            "anthropic" if let Some(why) = left_out(Format::Messages) => why,
            "openai" | "responses" => {
                "no OpenAI-compatible server is configured: set OPENAI_BASE_URL".to_owned()
            }
            "anthropic" => "Anthropic is not configured: set ANTHROPIC_API_KEY".to_owned(),
            other => format!("the provider `{other}` is not configured: add it to PROVIDERS"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_the_base_and_the_path_of_the_format() {
        for (format, base, url) in [
            (Format::Chat, "https://h/v1/", "https://h/v1/chat/completions"),
            (
                Format::Chat,
                "https://h/openai?api-version=1",
                "https://h/openai/chat/completions?api-version=1",
            ),
            (Format::Responses, "https://h/v1", "https://h/v1/responses"),
            (Format::Messages, "https://h", "https://h/v1/messages"),
            (Format::Messages, "https://h/anthropic/v1", "https://h/anthropic/v1/messages"),
        ] {
            assert_eq!(Endpoint::new(format, base).url(), url);
        }
    }

    #[test]
    fn a_key_goes_where_the_format_has_it_and_own_headers_replace_it() {
        let with = |format, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let endpoint = Endpoint {
                api_key: Some("k".to_owned()),
                headers,
                ..Endpoint::new(format, "https://u:p@h/v1")
            };
            assert!(!format!("{endpoint:?}").contains("u:p"));
            endpoint.headers().into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
        };
        assert_eq!(with(Format::Chat, &[]), ["Authorization: Bearer k"]);
        assert_eq!(with(Format::Responses, &[("authorization", "x")]), ["authorization: x"]);
        assert_eq!(
            with(Format::Messages, &[("y", "z")]),
            ["anthropic-version: 2023-06-01", "x-api-key: k", "y: z"]
        );
    }
}
