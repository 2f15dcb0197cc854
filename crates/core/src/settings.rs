use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ids::{Seq, TimeMs},
    message::Usage,
    tool::ToolOffer,
};

/// What a run was configured with when it was accepted; a later deployment does not change a run under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The system message, without the DONE rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The line that ends the run.
    pub sentinel: String,
    /// What the run may spend.
    #[serde(default)]
    pub budget: Budget,
    /// One attempt of a model call, in milliseconds.
    pub model_timeout_ms: u64,
    /// Tokens of one answer at most; the provider's own limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// The sampling temperature; the provider's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The context window of the model, in tokens; nothing is left out of a conversation when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    /// The sinks that get the trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sinks: Vec<String>,
    /// The types of the events that [`WEBHOOK_SINK`](crate::WEBHOOK_SINK) gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_events: Vec<String>,
    /// The AI Gateway that models `@cf/…` are asked through, for the spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_id: Option<String>,
    /// Where models `openai:…` are asked: host and port, for the spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openai_server: Option<String>,
    /// The share of runs, 0 to 1, whose traces the sinks get; all when absent. A run in which something went wrong is
    /// always kept, and [`INDEX_SINK`](crate::INDEX_SINK) gets every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_ratio: Option<f64>,
    /// The tools that its models are offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolOffer>,
    /// The servers whose tools they are offered beside these, by name: each is asked for them when the run begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// How long transient faults of a call are borne, in milliseconds; [`crate::limits::RETRY_PATIENCE_MS_DEFAULT`] when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_patience_ms: Option<u64>,
    /// The models that take the run over, one after the other, when the one before cannot answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Fallback>,
    /// What the result is as JSON, an object's schema; any text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// What its models cost, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<Rate>,
    /// Whether the last answer that a limit leaves room for is asked for without tools.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub final_answer: bool,
    /// What all runs of the session may spend, in the acceptance of its first run alone; it has no deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_budget: Option<Box<Budget>>,
    /// The day, from 1970 on, whose spending limit of the tenant it was let through by; absent where there was none. Its
    /// [`Budget::cost_usd`] is set aside there until its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_day: Option<NonZeroU32>,
    /// That the session's journal came from elsewhere, in the acceptance of its first run alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
}

/// What an import says of the journal that it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The last position that came from elsewhere.
    pub seq: Seq,
    /// When.
    pub at: TimeMs,
}

/// What a model costs, in US dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The model's full name.
    pub model: String,
    /// Tokens of the request.
    pub input: f64,
    /// Tokens of the answer.
    pub output: f64,
}

/// A model that may take a run over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Its full name, with its provider's prefix.
    pub model: String,
    /// Its context window, in tokens; nothing is left out of a conversation when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
}

/// What a run may spend; checked before each call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    /// Tokens of all its calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// US dollars of all its calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Wall clock from acceptance to the end, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Tool calls that are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u32>,
}

/// What is set aside for an attempt of a model's call before it begins. An attempt of which nobody says what it used counts
/// as this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
pub struct Reserved {
    /// Tokens of the request, as estimated.
    pub input_tokens: u64,
    /// Tokens that the answer may have.
    pub output_tokens: u64,
    /// What both cost, in US dollars; absent where the model's price is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    pub cost_usd: Option<f64>,
}

/// An AI Gateway that a request went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its id.
    pub id: String,
    /// Its own id of the request's log entry, where it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_id: Option<String>,
}

impl Reserved {
    /// What it counts as where nobody says what was used.
    pub fn usage(&self) -> Usage {
        let total = self.input_tokens.saturating_add(self.output_tokens);
        // A tool uses no tokens.
        let tokens = |count: u64| (total > 0).then_some(count);
        Usage {
            input_tokens: tokens(self.input_tokens),
            output_tokens: tokens(self.output_tokens),
            total_tokens: tokens(total),
            cost_usd: self.cost_usd,
            estimated: true,
            ..Usage::default()
        }
    }
}
