use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};

use super::{counters::Counters, hours::HourStats};

/// What the cells of `picked` come to, each with its place. The database adds up; it takes five parts in one statement.
pub(super) const SUMS: &str = "), calls AS MATERIALIZED (SELECT place, value FROM picked, json_each(cell)), \
sums AS MATERIALIZED (SELECT place, value ->> 0 AS name, sum(value ->> 1) AS answered, sum(value ->> 2) AS input, \
sum(value ->> 3) AS output, sum(value ->> 4) AS tokens, sum(value ->> 5) AS cost FROM calls GROUP BY 1, 2) \
SELECT place, name, key, value AS total FROM sums, json_each(json_object('answered', answered, 'input_tokens', input, \
'output_tokens', output, 'total_tokens', tokens, 'cost_usd', cost)) WHERE value IS NOT NULL \
UNION ALL SELECT place, calls.value ->> 0, 'error.' || each.key, sum(each.value) FROM calls, \
json_each(calls.value, '$[6]') AS each GROUP BY 1, 2, 3";
/// And the times of their answers.
pub(super) const TIMES: &str = " UNION ALL SELECT place, calls.value ->> 0, 'l' || each.value, count(*) FROM calls, \
json_each(calls.value, '$[7]') AS each GROUP BY 1, 2, 3 \
UNION ALL SELECT place, calls.value ->> 0, 'f' || each.value, count(*) FROM calls, \
json_each(calls.value, '$[8]') AS each GROUP BY 1, 2, 3";

/// What a model did.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelStats {
    /// Its full name.
    pub model: String,
    /// In all of the time.
    pub total: Counters,
    /// The buckets in which it was called, oldest first.
    pub hours: Vec<HourStats>,
}

impl Serialize for ModelStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &self.model)?;
        self.total.serialize_into(&mut map)?;
        map.serialize_entry("hours", &self.hours)?;
        map.end()
    }
}

/// A model's figures, which may be new.
pub(super) fn named<'a>(models: &'a mut Vec<ModelStats>, model: &str) -> &'a mut ModelStats {
    let place = models.iter().position(|stats| stats.model == model).unwrap_or_else(|| {
        models.push(ModelStats { model: model.to_owned(), total: Counters::default(), hours: Vec::new() });
        models.len() - 1
    });
    &mut models[place]
}

/// In the order of their calls.
pub(super) fn by_calls(models: Vec<ModelStats>) -> Vec<ModelStats> {
    let mut sorted: Vec<ModelStats> = Vec::with_capacity(models.len());
    for stats in models {
        let place = sorted.partition_point(|before| before.total.calls() >= stats.total.calls());
        sorted.insert(place, stats);
    }
    sorted
}
