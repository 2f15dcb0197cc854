use std::collections::{BTreeMap, VecDeque};

use longhaul_core::{
    Budget, Decision, Fallback, INDEX_SINK, Idempotency, NewRun, Rate, RequestKind, RunId, RunSettings, Seq,
    TimeMs, ToolOffer,
};
use longhaul_host::{Deployment, NEXUS_SINK, OTLP_SINK};
use serde_json::json;

use crate::archive::Origin;

/// After a lost connection or a failure a caller asks again, in milliseconds.
const PATIENCE_MS: u64 = 50;
/// A schema that the arguments of every call fit, and none of what a model writes.
pub(crate) const OF_CALLS: &str =
    r#"{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}"#;
/// A schema that nothing fits.
pub(crate) const OF_NOTHING: &str = r#"{"type":"object","required":["port"]}"#;

/// What a caller does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Posts a task.
    Post(Post),
    /// Says something to the run under way.
    Steer(Note),
    /// Cancels all runs.
    Cancel,
    /// Deletes the session.
    Delete,
    /// Imports the export of a session of another world.
    Import(Origin),
    /// Decides about a tool call that waits for approval.
    Decide(Verdict),
    /// Reads something.
    Touch,
    /// The platform evicts the idle object; no caller is involved.
    Evict,
}

/// A message to the run under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The `Idempotency-Key`, and a word of the message.
    pub key: &'static str,
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
    /// US dollars that the run may cost.
    pub cost_usd: Option<f64>,
    /// Calls of tools that the run may make.
    pub tool_calls: Option<u32>,
    /// Tokens that all runs of the session may use.
    pub session_tokens: Option<u64>,
    /// Whether the last answer is asked for without tools.
    pub final_answer: bool,
    /// One attempt of a model call, in milliseconds.
    pub model_timeout_ms: u64,
    /// The model's context window, in tokens; without one nothing is left out.
    pub context_tokens: Option<u64>,
    /// The share of runs whose traces the sinks get.
    pub sample_ratio: Option<f64>,
    /// How long faults are borne, in milliseconds.
    pub retry_patience_ms: Option<u64>,
    /// The models that may take the run over, and their windows.
    pub fallbacks: &'static [(&'static str, Option<u64>)],
    /// The schema of the result, as JSON.
    pub output_schema: Option<&'static str>,
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
            cost_usd: None,
            tool_calls: None,
            session_tokens: None,
            final_answer: false,
            model_timeout_ms: 120_000,
            context_tokens: None,
            sample_ratio: None,
            retry_patience_ms: None,
            fallbacks: &[],
            output_schema: None,
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

    /// What its models cost.
    fn rates(&self, deployment: &Deployment) -> Vec<Rate> {
        let fallbacks = self.fallbacks.iter().map(|(model, _)| *model);
        let asked = std::iter::once(self.model).chain(self.models.iter().copied()).chain(fallbacks);
        let rate = |model: &str| {
            let price = deployment.prices.price(model)?;
            Some(Rate { model: model.to_owned(), input: price.input, output: price.output })
        };
        asked.filter_map(rate).collect()
    }

    /// What stands for the body of the request.
    pub fn body(&self) -> String {
        format!("{self:?}")
    }

    /// The run as the edge of such a deployment hands it to the object.
    pub fn new_run(&self, deployment: &Deployment, tools: Vec<ToolOffer>) -> NewRun {
        let is_compared = !self.models.is_empty();
        let sinks = [
            (INDEX_SINK, deployment.index),
            (OTLP_SINK, deployment.otlp.is_some()),
            (NEXUS_SINK, deployment.nexus.is_some()),
        ];
        NewRun {
            task: self.task(),
            agent: "default".to_owned(),
            model: if is_compared { self.models.join(",") } else { self.model.to_owned() },
            models: self.models.iter().map(|model| (*model).to_owned()).collect(),
            max_iterations: if is_compared { 1 } else { longhaul_core::limits::ITERATIONS_MAX },
            metadata: BTreeMap::new(),
            settings: RunSettings {
                servers: Vec::new(),
                instructions: None,
                sentinel: "DONE".to_owned(),
                budget: Budget {
                    deadline_ms: self.deadline_ms,
                    total_tokens: self.total_tokens,
                    cost_usd: self.cost_usd,
                    tool_calls: self.tool_calls,
                },
                model_timeout_ms: self.model_timeout_ms,
                max_output_tokens: None,
                temperature: None,
                context_tokens: self.context_tokens,
                sinks: sinks
                    .iter()
                    .filter(|(_, is_there)| *is_there)
                    .map(|(sink, _)| (*sink).to_owned())
                    .collect(),
                webhook_events: deployment
                    .webhook
                    .as_ref()
                    .map(|webhook| webhook.events().to_vec())
                    .unwrap_or_default(),
                gateway_id: None,
                openai_server: None,
                sample_ratio: self.sample_ratio,
                // The models of a comparison are offered none.
                tools: if is_compared { Vec::new() } else { tools },
                retry_patience_ms: self.retry_patience_ms,
                fallbacks: self
                    .fallbacks
                    .iter()
                    .map(|(model, tokens)| Fallback { model: (*model).to_owned(), context_tokens: *tokens })
                    .collect(),
                output_schema: self.output_schema.map(|schema| {
                    serde_json::from_slice(schema.as_bytes()).expect("the schemas of the worlds are JSON")
                }),
                rates: self.rates(deployment),
                final_answer: self.final_answer,
                session_budget: self.session_tokens.map(|total_tokens| {
                    Box::new(Budget { total_tokens: Some(total_tokens), ..Budget::default() })
                }),
                tenant_day: None,
                imported: None,
            },
            idempotency: self.is_keyed.then(|| Idempotency { key: self.key.to_owned(), body: self.body() }),
            by: None,
        }
    }
}

/// Those who post and cancel: one action after the other, each repeated until it is acknowledged. With several callers
/// so many are under way at once.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    callers: usize,
    waiting: VecDeque<(TimeMs, Action)>,
    under_way: BTreeMap<Ticket, Action>,
    tickets: Ticket,
    /// The runs whose posts were acknowledged.
    pub acknowledged: Vec<RunId>,
    /// All that was acknowledged, in order.
    pub answers: Vec<Answered>,
}

/// A request that is under way.
pub(crate) type Ticket = u64;

/// An action that was acknowledged, and how things stood by then.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What was asked for.
    pub action: Action,
    /// The run of a post; a post that was refused has none.
    pub run: Option<RunId>,
    /// The head of the journal.
    pub head: Seq,
    /// How many sessions of this name had been erased.
    pub incarnation: usize,
    /// How many requests the model's server had got.
    pub model_requests: usize,
}

impl Clients {
    /// Actions with their times after `beginning`, in milliseconds and in order.
    pub(crate) fn new(beginning: TimeMs, actions: &[(u64, Action)], callers: usize) -> Self {
        let waiting = actions.iter().map(|(after_ms, action)| (beginning + after_ms, action.clone()));
        Self { callers, waiting: waiting.collect(), ..Self::default() }
    }

    /// Adds an action after the others.
    pub fn plan(&mut self, at: TimeMs, action: Action) {
        self.waiting.push_back((at, action));
    }

    /// When the next action is due, unless all callers wait for an answer.
    pub(crate) fn next_at(&self) -> Option<TimeMs> {
        self.waiting.front().filter(|_| self.under_way.len() < self.callers).map(|(at, _)| *at)
    }

    /// The next action, if it is due and a caller is free: it is under way from now on.
    pub(crate) fn begin(&mut self, now: TimeMs) -> Option<(Ticket, Action)> {
        self.next_at().filter(|at| *at <= now)?;
        let (_, action) = self.waiting.pop_front()?;
        self.tickets += 1;
        self.under_way.insert(self.tickets, action.clone());
        Some((self.tickets, action))
    }

    pub(crate) fn acknowledge(&mut self, ticket: Ticket, answered: impl FnOnce(Action) -> Answered) {
        let Some(action) = self.under_way.remove(&ticket) else { return };
        let answered = answered(action);
        if let Action::Post(_) = answered.action {
            self.acknowledged.extend(answered.run);
        }
        self.answers.push(answered);
    }

    pub(crate) fn ask_again(&mut self, ticket: Ticket, now: TimeMs) {
        if let Some(action) = self.under_way.remove(&ticket) {
            self.waiting.push_front((now + PATIENCE_MS, action));
        }
    }

    /// All connections are lost.
    pub(crate) fn all_ask_again(&mut self, now: TimeMs) {
        for (_, action) in std::mem::take(&mut self.under_way).into_iter().rev() {
            self.waiting.push_front((now + PATIENCE_MS, action));
        }
    }
}

/// A person's decision about the `nth` payment that a run asks for, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Which request.
    pub nth: usize,
    /// Whether it is approved.
    pub is_approved: bool,
    /// Whether it is approved with other arguments.
    pub is_edited: bool,
}

impl Verdict {
    /// What the core is told.
    pub(crate) fn decision(self, kind: RequestKind) -> Decision {
        match (kind, self.is_approved) {
            (RequestKind::InDoubt | RequestKind::Authorize, true) => Decision::Retry,
            (RequestKind::InDoubt, false) => Decision::Settle { result: "it arrived".into() },
            (RequestKind::Input, true) => Decision::Answer { input: json!({"name": "Ann"}) },
            // No model asks for these.
            (RequestKind::Call, true) => {
                Decision::Approve { arguments: self.is_edited.then(|| json!({"n": 1_000 + self.nth})) }
            }
            (RequestKind::Call | RequestKind::Input | RequestKind::Authorize, false) => {
                Decision::Deny { reason: Some("too dear".to_owned()) }
            }
        }
    }
}
