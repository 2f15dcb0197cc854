use std::{borrow::Cow, rc::Rc};

use longhaul_core::{CallId, Life, RunId, Session};
use longhaul_models::{Format, Prices};
use longhaul_trace::{Capture, Origin, OtlpConfig, Resource, nexus::NexusConfig, redact::Redaction};

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
    /// An OpenAI-compatible server, for models `openai:…`.
    pub openai: Option<OpenAi>,
    /// The OTLP sink.
    pub otlp: Option<OtlpConfig>,
    /// The Nexus sink.
    pub nexus: Option<NexusConfig>,
    /// Whether there is a database for the index of traces.
    pub index: bool,
    /// The deployment's own secrets, which are taken out of whatever a far side sends.
    pub secrets: SecretNet,
    /// What is taken out of texts that leave the object in a trace.
    pub redaction: Redaction,
    /// The deployment's own code.
    pub hooks: Rc<dyn Hooks>,
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

/// An OpenAI-compatible server.
#[derive(Clone)]
pub struct OpenAi {
    /// What it speaks.
    pub format: Format,
    /// Up to and with `/v1`, without a slash at the end.
    pub base_url: String,
    /// The bearer token, where the server wants one.
    pub api_key: Option<String>,
}

impl OpenAi {
    /// The server's host and port, as the URL has them; credentials in the URL are left out.
    pub fn server(&self) -> &str {
        let rest = self.base_url.split_once("://").map_or(self.base_url.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        authority.rsplit_once('@').map_or(authority, |(_, server)| server)
    }
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
