use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    counters::Counters,
    row::{Row, UnexpectedRow},
};
use crate::{
    fold::Trace,
    span::{IN_DOUBT, SpanStatus},
};

/// What calls of tools count for that a run was not offered: a model can make up any number of names.
const NOT_OFFERED: &str = "(not offered)";

/// What a tool did.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolStats {
    /// Its name.
    pub tool: String,
    /// What its calls came to, those included that were not made.
    pub counters: Counters,
}

/// What the tools of a run come to, as the flat object of the column `counters`; empty without any.
pub(super) fn counters(tools: &[ToolStats]) -> Map<String, Value> {
    let mut counters = Map::new();
    tools.iter().for_each(|stats| stats.put_members(&mut counters));
    counters
}

/// The same as the cell of the run's row.
pub(super) fn cell(tools: &[ToolStats]) -> Value {
    tools.iter().map(|stats| stats.counters.to_cell(&stats.tool)).collect()
}

/// What each tool of a run did.
pub(super) fn of_run(trace: &Trace) -> Vec<ToolStats> {
    let mut tools: Vec<ToolStats> = Vec::new();
    for span in &trace.spans {
        if let Some(tool) = &span.tool
            && span.ended_at.is_some()
            && span.status != SpanStatus::Unset
            && !tool.is_listing()
        {
            let name = if tool.effect.is_some() { &tool.tool } else { NOT_OFFERED };
            named(&mut tools, name).counters.take_act(span, tool.latency_ms);
        }
    }
    tools
}

/// What the rows of sums come to: the tool with the most calls first.
pub(super) fn stats(rows: Vec<Value>) -> Result<Vec<ToolStats>, UnexpectedRow> {
    let mut tools: Vec<ToolStats> = Vec::new();
    for row in rows {
        let mut row = Row::new(row)?;
        let (tool, counter, total) = (row.text("name")?, row.text("key")?, row.number_or_null("total")?);
        named(&mut tools, &tool).counters.add_member(&counter, total.unwrap_or_default());
    }
    let mut sorted: Vec<ToolStats> = Vec::with_capacity(tools.len());
    for stats in tools.into_iter().filter(|stats| stats.counters.calls() > 0) {
        // A sort of the library takes more code than all of this.
        let comes_before = |before: &ToolStats| {
            let (more, less) = (before.counters.calls(), stats.counters.calls());
            more > less || (more == less && before.tool <= stats.tool)
        };
        let place = sorted.partition_point(comes_before);
        sorted.insert(place, stats);
    }
    Ok(sorted)
}

fn named<'a>(tools: &'a mut Vec<ToolStats>, name: &str) -> &'a mut ToolStats {
    let place = tools.iter().position(|stats| stats.tool == name).unwrap_or_else(|| {
        tools.push(ToolStats { tool: name.to_owned(), counters: Counters::default() });
        tools.len() - 1
    });
    &mut tools[place]
}

impl ToolStats {
    /// Those of which nobody knows what they did.
    pub fn in_doubt(&self) -> u64 {
        self.counters.errors_of(IN_DOUBT)
    }

    /// Its members of the flat object of the column `counters`, each `<counter> <tool>`.
    fn put_members(&self, members: &mut Map<String, Value>) {
        let own = self.counters.to_members();
        members.extend(own.into_iter().map(|(counter, count)| ([&counter, " ", &self.tool].concat(), count)));
    }
}

impl Serialize for ToolStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tool", &self.tool)?;
        self.counters.serialize_outcomes(&mut map)?;
        map.serialize_entry("in_doubt", &self.in_doubt())?;
        map.serialize_entry("cost_usd", &self.counters.usage().cost_usd)?;
        map.serialize_entry("latency_ms", &self.counters.latency_ms())?;
        map.end()
    }
}
