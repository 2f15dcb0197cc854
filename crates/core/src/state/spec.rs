use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use crate::{
    done::FinalRule,
    entry::{Entry, Idempotency, StopReason},
    message::{Message, Usage, estimated_tokens},
    settings::{Budget, RunSettings},
};

/// What a run was accepted with, but for its task, and the tools that its servers have. Nothing else of it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSpec {
    /// The agent's name.
    pub agent: String,
    /// The model's full name; those of a comparison, joined by commas.
    pub model: String,
    /// The models of a comparison; empty in any other run.
    pub models: Vec<String>,
    /// Answers at most.
    pub max_iterations: u32,
    /// The caller's labels.
    pub metadata: BTreeMap<String, Value>,
    /// How it was configured when it was accepted.
    pub settings: RunSettings,
    /// Whether head sampling spares the sinks its trace, unless something goes wrong.
    pub sampled_out: bool,
    /// The caller's key.
    pub idempotency: Option<Idempotency>,
    /// Who posted it.
    pub by: Option<String>,
    /// What the task counts as in a context window.
    pub(crate) task_tokens: u64,
    /// The servers that did not say which tools they have.
    pub(crate) absent_servers: Vec<String>,
}

impl RunSpec {
    /// What a `run.accepted` says; `None` for any other entry.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let Entry::RunAccepted {
            task,
            agent,
            model,
            models,
            max_iterations,
            metadata,
            settings,
            sampled_out,
            idempotency,
            by,
            life: _,
        } = entry
        else {
            return None;
        };
        Some(Self {
            agent: agent.clone(),
            model: model.clone(),
            models: models.clone(),
            max_iterations: *max_iterations,
            metadata: metadata.clone(),
            settings: settings.clone(),
            sampled_out: *sampled_out,
            idempotency: idempotency.clone(),
            by: by.clone(),
            task_tokens: estimated_tokens(task),
            absent_servers: Vec::new(),
        })
    }

    /// Whether the run asks several models once each, side by side.
    pub fn is_comparison(&self) -> bool {
        !self.models.is_empty()
    }

    /// The line that ends the run; a comparison has none, because it has no loop.
    pub fn sentinel(&self) -> Option<&str> {
        (!self.is_comparison()).then_some(&self.settings.sentinel)
    }

    /// The schema that the result has to fit.
    pub(crate) fn output_schema(&self) -> Option<&Value> {
        self.settings.output_schema.as_ref().filter(|_| !self.is_comparison())
    }

    /// Whether an answer that is final by `rule`, or is not, asks for tools that the run offers, or may be told that it does not.
    pub(crate) fn asks_for_tools(&self, message: &Message, rule: Option<FinalRule>) -> bool {
        rule.is_none() && !self.settings.tools.is_empty() && !message.tool_calls.is_empty()
    }

    /// The text of a committed answer as later requests quote it.
    pub(crate) fn quoted_text<'a>(&self, message: &'a Message) -> Cow<'a, str> {
        message.quoted_text(self.output_schema().is_some())
    }
}

impl Budget {
    /// Whether it must know what was used: where a server does not count, that is estimated.
    pub fn counts_usage(&self) -> bool {
        self.total_tokens.is_some() || self.cost_usd.is_some()
    }

    /// The part that forbids another call, after `usage` and `elapsed_ms` were spent.
    pub(crate) fn exhausted_by(&self, usage: &Usage, elapsed_ms: u64) -> Option<StopReason> {
        if self.deadline_ms.is_some_and(|max| elapsed_ms >= max) {
            Some(StopReason::Deadline)
        } else if self.total_tokens.is_some_and(|max| usage.total_tokens.unwrap_or(0) >= max) {
            Some(StopReason::BudgetTokens)
        } else if self.cost_usd.is_some_and(|max| reaches(usage.cost_usd.unwrap_or(0.0), max)) {
            Some(StopReason::BudgetCost)
        } else {
            None
        }
    }
}

/// Sums of dollars are not exact: three times 0.1 is as much as 0.3.
const ROUNDING: f64 = 1e-9;

/// Whether so many dollars are no more than a limit.
pub(crate) fn fits(dollars: f64, max: f64) -> bool {
    dollars <= max * (1.0 + ROUNDING)
}

/// Whether so many dollars are all of a limit.
fn reaches(dollars: f64, max: f64) -> bool {
    dollars >= max * (1.0 - ROUNDING)
}
