use std::collections::{BTreeMap, VecDeque};

use longhaul_core::{Budget, INDEX_SINK, Idempotency, NewRun, RunId, RunSettings, Seq, TimeMs};
use longhaul_host::{NEXUS_SINK, OTLP_SINK, Services};

/// After a lost connection or a failure a caller asks again, in milliseconds.
const PATIENCE_MS: u64 = 50;

/// What a caller does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Posts a task.
    Post(Post),
    /// Cancels all runs.
    Cancel,
    /// Deletes the session.
    Delete,
    /// Reads something.
    Touch,
    /// The platform evicts the idle object; no caller is involved.
    Evict,
}

/// A task as it is posted.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// The `Idempotency-Key`; without [`is_keyed`](Self::is_keyed) only a word of the task.
    pub key: &'static str,
    /// Whether the post has an idempotency key. One that has none may be carried out twice.
    pub is_keyed: bool,
    /// The model's full name.
    pub model: &'static str,
    /// The models of a comparison; empty in any other run.
    pub models: &'static [&'static str],
    /// Wall clock that the run may take, in milliseconds.
    pub deadline_ms: Option<u64>,
    /// Tokens that the run may use.
    pub total_tokens: Option<u64>,
    /// One attempt of a model call, in milliseconds.
    pub model_timeout_ms: u64,
    /// The share of runs whose traces the sinks get.
    pub sample_ratio: Option<f64>,
}

impl Default for Post {
    fn default() -> Self {
        Self {
            key: "first",
            is_keyed: true,
            model: "openai:tiny",
            models: &[],
            deadline_ms: None,
            total_tokens: None,
            model_timeout_ms: 120_000,
            sample_ratio: None,
        }
    }
}

impl Post {
    /// A comparison of three models.
    pub fn comparison() -> Self {
        Self { models: &["openai:tiny", "openai:small", "openai:large"], ..Self::default() }
    }

    /// What it asks for.
    pub fn task(&self) -> String {
        format!("Write about tides ({}).", self.key)
    }

    /// What stands for the body of the request.
    pub fn body(&self) -> String {
        format!("{self:?}")
    }

    /// The run as the edge of such a deployment hands it to the object.
    pub fn new_run(&self, services: &Services) -> NewRun {
        let is_compared = !self.models.is_empty();
        let sinks = [
            (INDEX_SINK, services.index),
            (OTLP_SINK, services.otlp.is_some()),
            (NEXUS_SINK, services.nexus.is_some()),
        ];
        NewRun {
            task: self.task(),
            agent: "default".to_owned(),
            model: if is_compared { self.models.join(",") } else { self.model.to_owned() },
            models: self.models.iter().map(|model| (*model).to_owned()).collect(),
            max_iterations: if is_compared { 1 } else { longhaul_core::limits::ITERATIONS_MAX },
            metadata: BTreeMap::new(),
            settings: RunSettings {
                instructions: None,
                sentinel: "DONE".to_owned(),
                budget: Budget {
                    deadline_ms: self.deadline_ms,
                    total_tokens: self.total_tokens,
                    cost_usd: None,
                },
                model_timeout_ms: self.model_timeout_ms,
                max_output_tokens: None,
                temperature: None,
                sinks: sinks
                    .iter()
                    .filter(|(_, is_there)| *is_there)
                    .map(|(sink, _)| (*sink).to_owned())
                    .collect(),
                gateway_id: None,
                openai_server: None,
                sample_ratio: self.sample_ratio,
            },
            idempotency: self.is_keyed.then(|| Idempotency { key: self.key.to_owned(), body: self.body() }),
        }
    }
}

/// Those who post and cancel: one action after the other, each repeated until it is acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    waiting: VecDeque<(TimeMs, Action)>,
    /// The runs whose posts were acknowledged.
    pub acknowledged: Vec<RunId>,
    /// All that was acknowledged, in order, with the head of the journal by then; a post that was refused has no run.
    pub answers: Vec<(Action, Option<RunId>, Seq)>,
}

impl Clients {
    /// Actions with their times after `beginning`, in milliseconds and in order.
    pub(crate) fn new(beginning: TimeMs, actions: &[(u64, Action)]) -> Self {
        let waiting = actions.iter().map(|(after_ms, action)| (beginning + after_ms, action.clone()));
        Self { waiting: waiting.collect(), acknowledged: Vec::new(), answers: Vec::new() }
    }

    /// Adds an action behind the others.
    pub fn plan(&mut self, at: TimeMs, action: Action) {
        self.waiting.push_back((at, action));
    }

    /// When the next action is due.
    pub(crate) fn next_at(&self) -> Option<TimeMs> {
        self.waiting.front().map(|(at, _)| *at)
    }

    /// The next action, if it is due. It stays the next one until it is acknowledged.
    pub(crate) fn due(&self, now: TimeMs) -> Option<&Action> {
        self.waiting.front().filter(|(at, _)| *at <= now).map(|(_, action)| action)
    }

    pub(crate) fn acknowledge(&mut self, run: Option<RunId>, head: Seq) {
        self.answers.extend(self.waiting.pop_front().map(|(_, action)| (action, run, head)));
        self.acknowledged.extend(run);
    }

    pub(crate) fn ask_again(&mut self, now: TimeMs) {
        if let Some((at, _)) = self.waiting.front_mut() {
            *at = now + PATIENCE_MS;
        }
    }
}
