//! What the hand-written `Serialize` of [`Counters`](super::counters::Counters) makes, as types with a schema.

#![expect(dead_code, reason = "only their schemas are read")]

use std::collections::BTreeMap;

use longhaul_core::{TimeMs, Usage};
use schemars::JsonSchema;

use super::counters::Percentiles;

/// What a model did.
#[derive(JsonSchema)]
pub(super) struct ModelStats {
    /// The model's full name.
    model: String,
    #[schemars(flatten)]
    total: Counters,
    /// The buckets with calls, the oldest first.
    hours: Vec<BucketStats>,
}

/// What a model did for a group of runs.
#[derive(JsonSchema)]
pub(super) struct GroupedModel {
    /// The model's full name.
    model: String,
    /// Attempts that ended, unless somebody cancelled them.
    calls: u64,
    /// Attempts that were answered.
    answered: u64,
    /// How many attempts failed, by their fault.
    errors: BTreeMap<String, Count>,
    /// How many attempts failed.
    error_count: u64,
    /// What the answers used.
    usage: Usage,
}

/// What a model did in one bucket.
#[derive(JsonSchema)]
struct BucketStats {
    /// When the bucket begins.
    at: TimeMs,
    #[schemars(flatten)]
    counters: Counters,
}

#[derive(JsonSchema)]
struct Counters {
    /// Attempts that ended, unless somebody cancelled them.
    calls: u64,
    /// Attempts that were answered.
    answered: u64,
    /// How many attempts failed, by their fault.
    errors: BTreeMap<String, Count>,
    /// How many attempts failed.
    error_count: u64,
    /// Answers without a text, which are errors too.
    empty: u64,
    /// From the request to the whole answer, of calls that were answered, in milliseconds.
    latency_ms: Percentiles,
    /// From the request to the first chunk of text, of answers that came in chunks, in milliseconds.
    time_to_first_chunk_ms: Percentiles,
    /// What the answers used.
    usage: Usage,
}

/// What a tool did.
#[derive(JsonSchema)]
pub(super) struct ToolStats {
    /// The tool's name.
    tool: String,
    /// Attempts that ended, and calls that were not made, unless somebody cancelled them.
    calls: u64,
    /// Attempts with a result.
    answered: u64,
    /// How many attempts failed or were not made, by their code.
    errors: BTreeMap<String, Count>,
    /// How many that were.
    error_count: u64,
    /// Those of which nobody knows what they did.
    in_doubt: u64,
    /// What its attempts cost, in US dollars; null where the tool does not say.
    #[schemars(range(min = 0))]
    cost_usd: Option<f64>,
    /// From the call to its result, in milliseconds.
    latency_ms: Percentiles,
}

#[derive(JsonSchema)]
#[schemars(inline, extend("minimum" = 1))]
struct Count(u64);
