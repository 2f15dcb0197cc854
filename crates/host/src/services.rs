use longhaul_models::Prices;
use longhaul_trace::{Capture, OtlpConfig, Resource};

/// The name of the OTLP sink in the journal.
pub const OTLP_SINK: &str = "otlp";

/// What a deployment is configured with, as far as driving a session needs it.
#[derive(Debug, Clone)]
pub struct Services {
    /// The object's name, `<tenant>/<session>`.
    pub object: String,
    /// The session's id.
    pub session: String,
    /// Workers AI, for models `@cf/…`.
    pub workers_ai: Option<WorkersAi>,
    /// An OpenAI-compatible server, for models `openai:…`.
    pub openai: Option<OpenAi>,
    /// The OTLP sink.
    pub otlp: Option<OtlpConfig>,
    /// What traces say of the service.
    pub resource: Resource,
    /// Content in traces that leave the object.
    pub capture: Capture,
    /// US dollars per million tokens.
    pub prices: Prices,
    /// An idle session is erased after this time, in milliseconds.
    pub retention_ms: u64,
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
    /// Up to and with `/v1`, without a slash at the end.
    pub base_url: String,
    /// The bearer token, where the server wants one.
    pub api_key: Option<String>,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}
