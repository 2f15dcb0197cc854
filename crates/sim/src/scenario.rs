use longhaul_core::StopReason;
use longhaul_host::{OpenAi, Services};
use longhaul_models::Prices;
use longhaul_trace::{Capture, OtlpConfig, Resource};

use crate::{
    clients::{Action, Post},
    model::{self, ModelPlan, Reply},
    sink::{self, SinkPlan, SinkReply},
};

/// The name of the object of every world.
pub const OBJECT: &str = "tenant/s1";
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
    /// What callers do, in order: milliseconds after the beginning, and the action.
    pub actions: Vec<(u64, Action)>,
    /// The model's server.
    pub model: ModelPlan,
    /// The trace sink.
    pub sink: SinkPlan,
    /// How late alarms come, in milliseconds.
    pub alarm_lag_ms: u64,
    /// Content in traces: to encode it is half the time that a world takes.
    pub capture: Capture,
    /// For each run the reasons by which it may end; the first one is that of the world without faults.
    pub ends: Vec<Vec<StopReason>>,
    /// What is due later than this does not keep the world from resting, in milliseconds.
    pub rest_horizon_ms: u64,
    /// Chance.
    pub seed: u64,
}

impl Scenario {
    /// A scenario of the catalogue.
    pub fn named(name: &str) -> Option<Self> {
        catalogue().into_iter().find(|scenario| scenario.name == name)
    }

    /// One post at the beginning; all else goes well.
    pub fn new(name: &'static str, end: StopReason) -> Self {
        Self {
            name,
            actions: vec![(0, Action::Post(Post::default()))],
            model: ModelPlan::default(),
            sink: SinkPlan::default(),
            alarm_lag_ms: 0,
            capture: Capture::Off,
            ends: vec![vec![end]],
            rest_horizon_ms: REST_HORIZON_MS,
            seed: 7,
        }
    }

    /// Replaces the model's server.
    #[must_use]
    pub fn model(self, model: ModelPlan) -> Self {
        Self { model, ..self }
    }

    /// Replaces what the sink does with the first deliveries.
    #[must_use]
    pub fn sink(self, replies: &[SinkReply]) -> Self {
        Self { sink: SinkPlan(replies.to_vec()), ..self }
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

    /// Adds a post and the reasons by which its run may end.
    #[must_use]
    pub fn then_post(mut self, at_ms: u64, post: Post, ends: &[StopReason]) -> Self {
        self.actions.push((at_ms, Action::Post(post)));
        self.ends.push(ends.to_vec());
        self
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

    /// Goes on until the session is erased.
    #[must_use]
    pub fn until_erased(self) -> Self {
        Self { rest_horizon_ms: 2 * RETENTION_MS, ..self }
    }

    /// Whether a caller deletes the session.
    pub fn deletes(&self) -> bool {
        self.actions.iter().any(|(_, action)| *action == Action::Delete)
    }

    /// Whether the session is to be gone at the end.
    pub fn ends_erased(&self) -> bool {
        self.rest_horizon_ms > RETENTION_MS || self.deletes()
    }

    /// How the object is configured.
    pub fn services(&self) -> Services {
        let variable =
            |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| sink::BASE_URL.to_owned());
        let otlp = OtlpConfig::parse(&variable).expect("the endpoint is a URL");
        Services {
            object: OBJECT.to_owned(),
            session: "s1".to_owned(),
            workers_ai: None,
            openai: Some(OpenAi { base_url: model::BASE_URL.to_owned(), api_key: Some(API_KEY.to_owned()) }),
            otlp,
            resource: Resource::default(),
            capture: self.capture,
            prices: Prices::default(),
            retention_ms: RETENTION_MS,
        }
    }
}

/// All scenarios.
pub fn catalogue() -> Vec<Scenario> {
    use StopReason::{Cancelled, Deadline, Done, EmptyResponse, MaxIterations, ModelRefused};
    let plan = ModelPlan::default;
    let at_once = || ModelPlan { done_at: Some(1), ..ModelPlan::default() };
    let post = |key| Post { key, ..Post::default() };
    let busy = Reply::Status { status: 429, retry_after_s: Some(60) };
    let down = Reply::Status { status: 503, retry_after_s: None };
    let refused = Reply::Status { status: 401, retry_after_s: None };
    vec![
        Scenario::new("six turns", MaxIterations).model(ModelPlan { done_at: None, ..plan() }),
        Scenario::new("done at once", Done).model(at_once()),
        Scenario::new("six turns, late alarms", MaxIterations)
            .model(ModelPlan { done_at: None, ..plan() })
            .late_alarms(1_000),
        Scenario::new("transient faults", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() }.reply(1, &[down, busy]).reply(2, &[down]))
            .with_content(),
        Scenario::new("broken answers", Done)
            .model(at_once().reply(1, &[Reply::Refused, Reply::Cut, Reply::Truncated])),
        Scenario::new("empty to the end", EmptyResponse).model(plan().reply(2, &[Reply::Empty; 9])),
        Scenario::new("refused", ModelRefused).model(plan().reply(2, &[refused; 9])),
        Scenario::new("timeout", Done)
            .first(Post { model_timeout_ms: 1_000, ..Post::default() })
            .model(plan().reply(2, &[Reply::Hang])),
        Scenario::new("cancelled in a call", Cancelled)
            .model(plan().reply(2, &[Reply::Hang; 9]))
            .then(500, Action::Cancel),
        Scenario::new("cancelled while backing off", Cancelled)
            .model(plan().reply(1, &[busy; 9]))
            .then(5_000, Action::Cancel),
        Scenario::new("three runs", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .then_post(10, post("second"), &[Done])
            .then_post(20, post("third"), &[Done]),
        Scenario::new("three runs, late alarms", Done)
            .model(ModelPlan { done_at: Some(2), ..plan() })
            .then_post(50, post("second"), &[Done])
            .then_post(150, post("third"), &[Done])
            .late_alarms(1_000),
        Scenario::new("a second run later", Done).model(at_once()).then_post(10_000, post("second"), &[Done]),
        Scenario::new("deadline in a call", Deadline)
            .first(Post { deadline_ms: Some(1_000), ..Post::default() })
            .model(plan().reply(2, &[Reply::Hang; 9])),
        Scenario::new("deadline in the queue", Done)
            .model(at_once().reply(1, &[busy]))
            // A death in run 1's first call uses the refusal up, and run 2 has its turn in time.
            .then_post(1_000, Post { deadline_ms: Some(5_000), ..post("second") }, &[Deadline, Done]),
        Scenario::new("sink down twice", Done)
            .model(at_once())
            .sink(&[SinkReply::Status(503), SinkReply::Refused]),
        Scenario::new("sink refuses", Done).model(at_once()).sink(&[SinkReply::Status(400); 9]),
        Scenario::new("slow sink beside a run", Done).model(at_once()).sink(&[SinkReply::Hang]).then_post(
            1_000,
            post("second"),
            &[Done],
        ),
        Scenario::new("panic", Done).model(plan().reply(2, &[Reply::Panic, Reply::Panic])),
        Scenario::new("panic to the end", StopReason::ModelUnavailable)
            .model(plan().reply(2, &[Reply::Panic; 20])),
        Scenario::new("evicted while backing off", Done)
            .model(plan().reply(2, &[busy]))
            .then(10_000, Action::Evict)
            .then(20_000, Action::Touch),
        Scenario::new("deleted in a call", Cancelled)
            .model(plan().reply(2, &[Reply::Hang; 9]))
            .then(500, Action::Delete),
        Scenario::new("retention", Done).model(at_once()).until_erased(),
    ]
}
