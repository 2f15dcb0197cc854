use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    counters::{Percentiles, percentiles},
    histogram::Histogram,
    row::{Row, UnexpectedRow},
};
use crate::{
    fold::Trace,
    span::{IN_DOUBT, Span, SpanStatus, ToolSpan},
};

/// What calls of tools count for that a run was not offered: a model can make up any number of names.
const NOT_OFFERED: &str = "(not offered)";

/// What a tool did.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolStats {
    /// Its name.
    pub tool: String,
    answered: u64,
    errors: Vec<(String, u64)>,
    latencies: Histogram,
}

/// What the tools of a run come to, as the flat object of the column `counters`; empty without any.
pub(super) fn counters(trace: &Trace) -> Map<String, Value> {
    let mut tools: Vec<ToolStats> = Vec::new();
    for span in &trace.spans {
        if let Some(tool) = &span.tool
            && span.ended_at.is_some()
            && span.status != SpanStatus::Unset
        {
            let name = if tool.effect.is_some() { &tool.tool } else { NOT_OFFERED };
            named(&mut tools, name).take(span, tool);
        }
    }
    let mut counters = Map::new();
    tools.iter().for_each(|stats| stats.put_members(&mut counters));
    counters
}

/// What the rows of sums come to: the tool with the most calls first.
pub(super) fn stats(rows: Vec<Value>) -> Result<Vec<ToolStats>, UnexpectedRow> {
    let mut tools: Vec<ToolStats> = Vec::new();
    for row in rows {
        let mut row = Row::new(row)?;
        let (key, total) = (row.text("key")?, row.whole("total")?);
        // Names that this version does not know are passed over.
        if let Some((counter, tool)) = key.split_once(' ') {
            named(&mut tools, tool).add(counter, total);
        }
    }
    tools.retain(|stats| stats.calls() > 0);
    tools.sort_by(|a, b| b.calls().cmp(&a.calls()).then_with(|| a.tool.cmp(&b.tool)));
    Ok(tools)
}

fn named<'a>(tools: &'a mut Vec<ToolStats>, name: &str) -> &'a mut ToolStats {
    let place = tools.iter().position(|stats| stats.tool == name).unwrap_or_else(|| {
        let (tool, errors, latencies) = (name.to_owned(), Vec::new(), Histogram::default());
        tools.push(ToolStats { tool, answered: 0, errors, latencies });
        tools.len() - 1
    });
    &mut tools[place]
}

impl ToolStats {
    /// Attempts that ended, and calls that were not made, unless somebody cancelled them.
    pub fn calls(&self) -> u64 {
        self.answered + self.error_count()
    }

    /// Attempts with a result.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Attempts that failed or were cut off, and calls that were not made.
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|(_, count)| count).sum()
    }

    /// These by their code.
    pub fn errors(&self) -> &[(String, u64)] {
        &self.errors
    }

    /// Those of which nobody knows what they did.
    pub fn in_doubt(&self) -> u64 {
        self.errors.iter().find(|(code, _)| code == IN_DOUBT).map_or(0, |(_, count)| *count)
    }

    /// From the call to its result.
    pub fn latency_ms(&self) -> Percentiles {
        percentiles(&self.latencies)
    }

    fn take(&mut self, span: &Span, tool: &ToolSpan) {
        if let Some(code) = span.error_type {
            return self.add_error(code, 1);
        }
        self.answered += 1;
        if let Some(ms) = tool.latency_ms {
            self.latencies.take(ms);
        }
    }

    /// Its members of the flat object of the column `counters`, each `<counter> <tool>`.
    fn put_members(&self, members: &mut Map<String, Value>) {
        let mut put = |counter: &str, count: u64| {
            if count > 0 {
                members.insert([counter, " ", &self.tool].concat(), count.into());
            }
        };
        put("answered", self.answered);
        self.errors.iter().for_each(|(code, count)| put(&["error.", code].concat(), *count));
        for (bucket, count) in self.latencies.buckets() {
            put(&["l", &bucket.to_string()].concat(), *count);
        }
    }

    fn add(&mut self, counter: &str, count: u64) {
        if counter == "answered" {
            self.answered = self.answered.saturating_add(count);
        } else if let Some(code) = counter.strip_prefix("error.") {
            self.add_error(code, count);
        } else if let Some(bucket) = counter.strip_prefix('l').and_then(|bucket| bucket.parse().ok()) {
            self.latencies.add(bucket, count);
        }
    }

    fn add_error(&mut self, code: &str, count: u64) {
        match self.errors.iter_mut().find(|(known, _)| known == code) {
            Some((_, sum)) => *sum += count,
            None => self.errors.push((code.to_owned(), count)),
        }
    }
}

impl Serialize for ToolStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut errors = Map::new();
        for (code, count) in &self.errors {
            errors.insert(code.clone(), (*count).into());
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tool", &self.tool)?;
        map.serialize_entry("calls", &self.calls())?;
        map.serialize_entry("answered", &self.answered)?;
        map.serialize_entry("errors", &errors)?;
        map.serialize_entry("error_count", &self.error_count())?;
        map.serialize_entry("in_doubt", &self.in_doubt())?;
        map.serialize_entry("latency_ms", &self.latency_ms())?;
        map.end()
    }
}
