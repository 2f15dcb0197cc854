use std::fmt;

use longhaul_core::Usage;
use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Map, Value};

use super::histogram::Histogram;
use crate::span::{Span, SpanStatus};

/// What one call may add to a sum of tokens. Much larger numbers would overflow SQLite's integers in the end, and an
/// hour whose sum overflows takes no further run.
const CALL_TOKENS_MAX: u64 = 1 << 40;

/// What calls of a model came to. All of it adds up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters {
    answered: u64,
    errors: Vec<(String, u64)>,
    usage: Usage,
    latencies: Histogram,
    first_chunks: Histogram,
}

/// Percentiles of the times of answers, in milliseconds, each right to 5 %; `None` when there were no answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// Half of the times are at most this.
    pub p50: Option<u64>,
    /// 95 of 100 times are at most this.
    pub p95: Option<u64>,
    /// 99 of 100 times are at most this.
    pub p99: Option<u64>,
}

impl Counters {
    /// Attempts that ended, unless somebody cancelled them.
    pub fn calls(&self) -> u64 {
        self.answered + self.error_count()
    }

    /// Attempts that were answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Attempts that failed or were cut off.
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
    }

    /// These by their `error.type`.
    pub fn errors(&self) -> &[(String, u64)] {
        &self.errors
    }

    /// Attempts whose answer had nothing in it.
    pub fn empty(&self) -> u64 {
        self.errors_of("empty_response")
    }

    /// Attempts that failed with this `error.type`.
    pub(super) fn errors_of(&self, error_type: &str) -> u64 {
        self.errors.iter().find(|(error, _)| error == error_type).map_or(0, |(_, count)| *count)
    }

    /// What the attempts used, those that failed included.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// From the request to the whole answer, of answers.
    pub fn latency_ms(&self) -> Percentiles {
        percentiles(&self.latencies)
    }

    /// From the request to the first chunk of text, of answers that came in chunks.
    pub fn time_to_first_chunk_ms(&self) -> Percentiles {
        percentiles(&self.first_chunks)
    }

    /// Whether an attempt counts: it ended, and not because somebody cancelled it.
    pub(super) fn counts(span: &Span) -> bool {
        span.model.is_some() && span.ended_at.is_some() && span.status != SpanStatus::Unset
    }

    /// Adds an attempt that counts.
    pub(super) fn take(&mut self, span: &Span) {
        self.add_usage(span.usage.as_ref().and_then(Usage::counted));
        self.take_outcome(span.error_type, span.model.as_ref().and_then(|model| model.latency_ms));
        if span.error_type.is_none()
            && let Some(ms) = span.model.as_ref().and_then(|model| model.time_to_first_chunk_ms)
        {
            self.first_chunks.take(ms);
        }
    }

    /// Adds an attempt of a tool's call, with what it cost.
    pub(super) fn take_act(&mut self, span: &Span, latency_ms: Option<u64>) {
        self.add_usage(span.usage.as_ref());
        self.take_outcome(span.error_type, latency_ms);
    }

    /// Adds an attempt that failed with this `error.type`, or was answered after this time.
    pub(super) fn take_outcome(&mut self, error_type: Option<&str>, latency_ms: Option<u64>) {
        if let Some(error) = error_type {
            return self.add_errors(error, 1);
        }
        self.answered += 1;
        if let Some(ms) = latency_ms {
            self.latencies.take(ms);
        }
    }

    fn add_usage(&mut self, usage: Option<&Usage>) {
        if let Some(usage) = usage {
            let tokens = |count: Option<u64>| count.map(|count| count.min(CALL_TOKENS_MAX));
            self.usage = self.usage.plus(&Usage {
                input_tokens: tokens(usage.input_tokens),
                output_tokens: tokens(usage.output_tokens),
                total_tokens: tokens(usage.total_tokens),
                cost_usd: usage.cost_usd.filter(|cost| cost.is_finite()),
                ..Usage::default()
            });
        }
    }

    /// The flat object of the column `counters`. What is 0 or unknown has no member.
    pub(super) fn to_members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        if self.answered > 0 {
            members.insert("answered".to_owned(), self.answered.into());
        }
        for (error, count) in &self.errors {
            members.insert(["error.", error].concat(), (*count).into());
        }
        let tokens = [
            ("input_tokens", self.usage.input_tokens),
            ("output_tokens", self.usage.output_tokens),
            ("total_tokens", self.usage.total_tokens),
        ];
        for (name, count) in tokens {
            if let Some(count) = count {
                members.insert(name.to_owned(), count.into());
            }
        }
        if let Some(cost) = self.usage.cost_usd {
            members.insert("cost_usd".to_owned(), cost.into());
        }
        for (letter, histogram) in [("l", &self.latencies), ("f", &self.first_chunks)] {
            for (bucket, count) in histogram.buckets() {
                members.insert([letter, &bucket.to_string()].concat(), (*count).into());
            }
        }
        members
    }

    /// What a run's row has of a model or a tool: see the migration that made its columns.
    pub(super) fn to_cell(&self, name: &str) -> Value {
        let errors: Map<String, Value> =
            self.errors.iter().map(|(error, count)| (error.clone(), (*count).into())).collect();
        let usage = &self.usage;
        let tokens = [usage.input_tokens, usage.output_tokens, usage.total_tokens].map(Value::from);
        let mut cell = vec![name.into(), self.answered.into()];
        cell.extend(tokens);
        cell.extend([usage.cost_usd.into(), errors.into(), self.latencies.each(), self.first_chunks.each()]);
        cell.into()
    }

    /// Adds what a column `counters` holds; `None`, with a part of it added, when that is no flat object of numbers.
    pub(super) fn add_json(&mut self, text: &str) -> Option<()> {
        read(text, Members(self))
    }

    /// Adds what others came to.
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        for (error, count) in &other.errors {
            self.add_errors(error, *count);
        }
        self.usage = self.usage.plus(&other.usage);
        self.latencies.add_all(&other.latencies);
        self.first_chunks.add_all(&other.first_chunks);
    }

    /// Names that this version does not know are passed over.
    pub(super) fn add_member(&mut self, name: &str, value: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from float saturates"
        )]
        let count = value as u64;
        let sum = match name {
            "answered" => &mut self.answered,
            "input_tokens" => self.usage.input_tokens.get_or_insert(0),
            "output_tokens" => self.usage.output_tokens.get_or_insert(0),
            "total_tokens" => self.usage.total_tokens.get_or_insert(0),
            "cost_usd" => {
                *self.usage.cost_usd.get_or_insert(0.0) += value;
                return;
            }
            _ => return self.add_by_prefix(name, count),
        };
        *sum = sum.saturating_add(count);
    }

    fn add_errors(&mut self, error: &str, count: u64) {
        match self.errors.iter_mut().find(|(known, _)| known == error) {
            Some((_, sum)) => *sum += count,
            None => self.errors.push((error.to_owned(), count)),
        }
    }

    /// Adds a member whose name begins as those of one kind do: an error, or a bucket of a histogram.
    fn add_by_prefix(&mut self, name: &str, count: u64) {
        let bucket = |letter: char| name.strip_prefix(letter)?.parse::<u32>().ok();
        if let Some(error) = name.strip_prefix("error.") {
            self.add_errors(error, count);
        } else if let Some(bucket) = bucket('l') {
            self.latencies.add(bucket, count);
        } else if let Some(bucket) = bucket('f') {
            self.first_chunks.add(bucket, count);
        }
    }

    /// Its members in an answer.
    pub(super) fn serialize_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.serialize_outcomes(map)?;
        map.serialize_entry("empty", &self.empty())?;
        map.serialize_entry("latency_ms", &self.latency_ms())?;
        map.serialize_entry("time_to_first_chunk_ms", &self.time_to_first_chunk_ms())?;
        map.serialize_entry("usage", &self.usage)
    }

    /// Those of its members that say how attempts ended.
    pub(super) fn serialize_outcomes<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("calls", &self.calls())?;
        map.serialize_entry("answered", &self.answered)?;
        let mut errors = Map::new();
        for (error, count) in &self.errors {
            errors.insert(error.clone(), (*count).into());
        }
        map.serialize_entry("errors", &errors)?;
        map.serialize_entry("error_count", &self.error_count())
    }
}

fn percentiles(histogram: &Histogram) -> Percentiles {
    Percentiles {
        p50: histogram.percentile(50),
        p95: histogram.percentile(95),
        p99: histogram.percentile(99),
    }
}

/// Members are taken as they are read: a month has a hundred thousand of them, and a tree of each row costs twice.
pub(super) fn read<'de>(text: &'de str, seed: impl DeserializeSeed<'de, Value = ()>) -> Option<()> {
    let mut json = serde_json::Deserializer::from_slice(text.as_bytes());
    seed.deserialize(&mut json).ok()?;
    json.end().ok()
}

/// A flat object of numbers.
pub(super) struct Members<'a>(pub(super) &'a mut Counters);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object of numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry::<&str, f64>()? {
            self.0.add_member(name, value);
        }
        Ok(())
    }
}
