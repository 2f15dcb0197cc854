use std::rc::Rc;

use longhaul_core::StopReason;
use longhaul_host::{Deployment, Endpoint, Endpoints, Hooks, NoHooks, SecretNet, WorkersAi};
use longhaul_models::{Format, Prices};
use longhaul_trace::{Capture, OtlpConfig, Resource, redact::Redaction};

use crate::{
    archive::Origin,
    catalogue::catalogue,
    clients::{Action, Post},
    enumerate::Depth,
    hook,
    incidents::Incident,
    index::IndexPlan,
    model::{self, ModelPlan},
    nexus::{self, NexusPlan},
    sink::{self, SinkPlan, SinkReply},
    telemetry::SpanningHooks,
    tools::{Till, ToolPlan},
};

/// The name of the object of every world.
pub const OBJECT: &str = "tenant/s1";
/// Whose it is.
pub(crate) const TENANT: &str = "tenant";
/// The credentials of the model's server. They may be nowhere but in requests to it.
pub const API_KEY: &str = "sk-simulated-secret";
/// An idle session is erased after this time, in milliseconds.
pub const RETENTION_MS: u64 = 30 * 24 * 3_600_000;

const HOUR_MS: u64 = 3_600_000;
/// What is due later than this lets a world rest: a sink is tried for 24 hours, the retention is longer.
const REST_HORIZON_MS: u64 = 25 * HOUR_MS;

/// A story: who does what when, how the far sides behave, and how the runs may end.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name in reports.
    pub name: &'static str,
    /// The group that it belongs to in them.
    pub group: &'static str,
    /// What callers do, in order: milliseconds after the beginning, and the action.
    pub actions: Vec<(u64, Action)>,
    /// What nobody asks for: milliseconds after the beginning, and the incident.
    pub incidents: Vec<(u64, Incident)>,
    /// The model's server.
    pub model: ModelPlan,
    /// What it speaks.
    pub format: Format,
    /// The tools; none is offered where no answer asks for one.
    pub tools: ToolPlan,
    /// The tools whose calls a rule of the deployment denies.
    pub forbidden: &'static [&'static str],
    /// The OTLP collector, where there is one.
    pub otlp: Option<SinkPlan>,
    /// The receiver of webhooks, where there is one.
    pub hook: Option<SinkPlan>,
    /// What the tenant's object does with what it is told first, where the tenant has a spending limit.
    pub tenant: Option<SinkPlan>,
    /// The index of traces, where there is one.
    pub index: Option<IndexPlan>,
    /// Nexus, where traces go there.
    pub nexus: Option<NexusPlan>,
    /// Whether the deployment's own code opens spans around each attempt.
    pub has_user_spans: bool,
    /// How many requests of callers may be under way at once.
    pub callers: usize,
    /// How late alarms come, in milliseconds.
    pub alarm_lag_ms: u64,
    /// Whether the platform evicts the object as often as it can: whenever nothing is under way.
    pub is_evicted_when_idle: bool,
    /// Content in traces: to encode it is half the time that a world takes.
    pub capture: Capture,
    /// For each run the reasons by which it may end; the first one is that of the world without faults. Without any,
    /// the oracle asks of the journal alone that it explains each end.
    pub ends: Vec<Vec<StopReason>>,
    /// What is due later than this does not keep the world from resting, in milliseconds.
    pub rest_horizon_ms: u64,
    /// How far its deaths are enumerated at most.
    pub depth: Depth,
    /// Chance.
    pub seed: u64,
}

/// What the model costs that is asked over Chat Completions, in US dollars per million tokens: a thousandth for each.
const PRICES: &str = r#"{"openai:tiny": {"input": 1000, "output": 1000}}"#;

impl Scenario {
    /// A scenario of the catalogue.
    pub fn named(name: &str) -> Option<Self> {
        catalogue().into_iter().find(|scenario| scenario.name == name)
    }

    /// One post at the beginning; all else goes well.
    pub fn new(name: &'static str, end: StopReason) -> Self {
        Self {
            name,
            group: "",
            actions: vec![(0, Action::Post(Post::default()))],
            incidents: Vec::new(),
            model: ModelPlan::default(),
            format: Format::Chat,
            tools: ToolPlan::default(),
            forbidden: &[],
            otlp: Some(SinkPlan::default()),
            hook: None,
            tenant: None,
            index: None,
            nexus: None,
            has_user_spans: false,
            callers: 1,
            alarm_lag_ms: 0,
            is_evicted_when_idle: false,
            capture: Capture::Off,
            ends: vec![vec![end]],
            rest_horizon_ms: REST_HORIZON_MS,
            depth: Depth::Thrice,
            seed: 7,
        }
    }

    /// Replaces the model's server.
    #[must_use]
    pub fn model(self, model: ModelPlan) -> Self {
        Self { model, ..self }
    }

    /// Has all its models asked in this format.
    #[must_use]
    pub fn speaking(mut self, format: Format) -> Self {
        self.format = format;
        let posts = self.actions.iter_mut().filter_map(|(_, action)| match action {
            Action::Post(post) => Some(post),
            Action::Steer(_)
            | Action::Cancel
            | Action::Delete
            | Action::Import(_)
            | Action::Decide(_)
            | Action::Touch
            | Action::Evict => None,
        });
        for post in posts {
            post.model = named(format, post.model);
            post.fallbacks = match (format, post.fallbacks) {
                (_, []) => &[],
                (Format::Chat | Format::Messages, fallbacks) => fallbacks,
                (Format::Responses, _) => &[("openai:o3-small", None)],
                (Format::WorkersAi, _) => &[("@cf/small", None)],
            };
        }
        self
    }

    /// Enumerates its deaths no further than this.
    #[must_use]
    pub fn no_deeper_than(self, depth: Depth) -> Self {
        Self { depth, ..self }
    }

    /// Replaces the tools.
    #[must_use]
    pub fn tools(self, tools: ToolPlan) -> Self {
        Self { tools, ..self }
    }

    /// Denies the calls of these tools.
    #[must_use]
    pub fn forbids(self, tools: &'static [&'static str]) -> Self {
        Self { forbidden: tools, ..self }
    }

    /// Replaces what the OTLP collector does with the first deliveries.
    #[must_use]
    pub fn sink(self, replies: &[SinkReply]) -> Self {
        Self { otlp: Some(SinkPlan(replies.to_vec())), ..self }
    }

    /// Takes the OTLP collector away.
    #[must_use]
    pub fn without_otlp(self) -> Self {
        Self { otlp: None, ..self }
    }

    /// Adds a receiver of webhooks, and what it does with the first deliveries.
    #[must_use]
    pub fn hook(self, replies: &[SinkReply]) -> Self {
        Self { hook: Some(SinkPlan(replies.to_vec())), ..self }
    }

    /// Gives the tenant a spending limit, and what its object does with what it is told first.
    #[must_use]
    pub fn limited(self, replies: &[SinkReply]) -> Self {
        Self { tenant: Some(SinkPlan(replies.to_vec())), ..self }
    }

    /// Adds the index of traces.
    #[must_use]
    pub fn index(self, index: IndexPlan) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Takes the index of traces away.
    #[must_use]
    pub fn without_index(self) -> Self {
        Self { index: None, ..self }
    }

    /// Adds Nexus.
    #[must_use]
    pub fn nexus(self, nexus: NexusPlan) -> Self {
        Self { nexus: Some(nexus), ..self }
    }

    /// Waits as long for what is due, in milliseconds, before the world rests.
    #[must_use]
    pub fn patient(self, rest_horizon_ms: u64) -> Self {
        Self { rest_horizon_ms, ..self }
    }

    /// Imports a session in place of the first post.
    #[must_use]
    pub fn importing(mut self, origin: Origin) -> Self {
        self.actions = vec![(0, Action::Import(origin))];
        self.ends.clear();
        self
    }

    /// The session that is imported, where one is.
    pub fn origin(&self) -> Option<Origin> {
        self.actions.iter().find_map(|(_, action)| match action {
            Action::Import(origin) => Some(*origin),
            _ => None,
        })
    }

    /// Replaces the first post.
    #[must_use]
    pub fn first(mut self, post: Post) -> Self {
        self.actions[0] = (0, Action::Post(post));
        self
    }

    /// Adds an action.
    #[must_use]
    pub fn then(mut self, at_ms: u64, action: Action) -> Self {
        self.actions.push((at_ms, action));
        self
    }

    /// Lets something happen that nobody asks for.
    #[must_use]
    pub fn suffers(mut self, at_ms: u64, incident: Incident) -> Self {
        self.incidents.push((at_ms, incident));
        self
    }

    /// Adds a post and the reasons by which its run may end.
    #[must_use]
    pub fn then_post(mut self, at_ms: u64, post: Post, ends: &[StopReason]) -> Self {
        self.actions.push((at_ms, Action::Post(post)));
        self.ends.push(ends.to_vec());
        self
    }

    /// Adds reasons by which the first run may end when something was interrupted.
    #[must_use]
    pub fn or(mut self, ends: &[StopReason]) -> Self {
        self.ends[0].extend_from_slice(ends);
        self
    }

    /// Has the deployment's own code open spans around each attempt.
    #[must_use]
    pub fn with_user_spans(self) -> Self {
        Self { has_user_spans: true, ..self }
    }

    /// Sends all content with the traces.
    #[must_use]
    pub fn with_content(self) -> Self {
        Self { capture: Capture::Full, ..self }
    }

    /// Lets alarms come late, so that it is the requests that drive.
    #[must_use]
    pub fn late_alarms(self, alarm_lag_ms: u64) -> Self {
        Self { alarm_lag_ms, ..self }
    }

    /// Has the object evicted as often as it can be.
    #[must_use]
    pub fn evicted_when_idle(self) -> Self {
        Self { is_evicted_when_idle: true, ..self }
    }

    /// Lets so many callers ask at once.
    #[must_use]
    pub fn callers(self, callers: usize) -> Self {
        Self { callers, ..self }
    }

    /// Asks of the journal alone that it explains how its runs end.
    #[must_use]
    pub fn unordered(self) -> Self {
        Self { ends: Vec::new(), ..self }
    }

    /// Goes on until the session is erased.
    #[must_use]
    pub fn until_erased(self) -> Self {
        Self { rest_horizon_ms: 2 * RETENTION_MS, ..self }
    }

    /// Whether a caller deletes the session.
    pub fn deletes(&self) -> bool {
        self.actions.iter().any(|(_, action)| *action == Action::Delete)
    }

    /// Whether it goes on until the session is erased.
    pub fn waits_for_retention(&self) -> bool {
        self.rest_horizon_ms > RETENTION_MS
    }

    /// Whether the session may be gone at the end.
    pub fn may_end_erased(&self) -> bool {
        self.waits_for_retention() || self.deletes()
    }

    /// How the object is configured.
    pub fn deployment(&self) -> Deployment {
        let variable =
            |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| sink::BASE_URL.to_owned());
        let otlp = OtlpConfig::parse(&variable).expect("the endpoint is a URL");
        let hooks: Rc<dyn Hooks> =
            if self.has_user_spans { Rc::new(SpanningHooks) } else { Rc::new(NoHooks) };
        let server =
            Endpoint { api_key: Some(API_KEY.to_owned()), ..Endpoint::new(self.format, model::BASE_URL) };
        Deployment {
            object_name: OBJECT.to_owned(),
            session: "s1".to_owned(),
            workers_ai: Some(WorkersAi::default()),
            endpoints: Endpoints::new(vec![("openai".to_owned(), server)]),
            otlp: otlp.filter(|_| self.otlp.is_some()),
            nexus: self.nexus.as_ref().and_then(NexusPlan::config),
            webhook: self.hook.as_ref().map(|_| hook::config()),
            index: self.index.is_some(),
            secrets: SecretNet::new([API_KEY, nexus::KEY, hook::SECRET]),
            redaction: Redaction::default(),
            hooks,
            judge: Rc::new(Till { forbidden: self.forbidden, costs: self.tools.costs.clone() }),
            resource: Resource::default(),
            capture: self.capture,
            prices: Prices::parse(PRICES).expect("it is JSON"),
            retention_ms: RETENTION_MS,
        }
    }
}

/// What a model is called where it is asked in this format.
fn named(format: Format, model: &'static str) -> &'static str {
    match (format, model) {
        (Format::Responses, "openai:tiny") => "openai:o3-tiny",
        (Format::WorkersAi, "openai:tiny") => "@cf/tiny",
        (Format::Chat | Format::Responses | Format::Messages | Format::WorkersAi, model) => model,
    }
}
