use longhaul_core::TimeMs;
use serde::{
    Serialize,
    ser::{SerializeMap, Serializer},
};
use serde_json::Value;

use super::{
    counters::Counters,
    hours::{HourStats, Hours, bucket},
    parameters::{Parameters, QueryFaults},
    row::{Row, UnexpectedRow},
    statement::Statement,
    tools::{self, ToolStats},
    write::{DAY_MS, HOUR_MS, text, whole},
};

/// Days in the statistics when nothing is asked for.
pub const STATS_DAYS_DEFAULT: u64 = 7;
/// Days in the statistics at most.
pub const STATS_DAYS_MAX: u64 = 92;
/// Days that are shown hour by hour; of more, each day is one bucket.
pub const STATS_HOURLY_DAYS_MAX: u64 = 31;

const SELECT_DAYS: &str = "\
SELECT day, model, counters FROM model_days WHERE tenant = ?1 AND day >= ?2 AND day < ?3 ORDER BY day";
const SELECT_HOURS: &str = "\
SELECT day, model, hours FROM model_days WHERE tenant = ?1 AND day >= ?2 AND day < ?3 ORDER BY day";

/// The database adds up: what comes out does not grow with the hours that are asked for.
const SELECT_TOOLS: &str = "\
SELECT counter.key AS key, sum(counter.value) AS total FROM tool_hours, json_each(tool_hours.counters) AS counter \
WHERE tenant = ?1 AND hour >= ?2 AND hour < ?3 GROUP BY counter.key";

/// The time that `GET /v1/stats` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsQuery {
    since: TimeMs,
    until: TimeMs,
    bucket_ms: u64,
}

/// What each model did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Stats"))]
pub struct StatsView {
    /// When the first bucket begins.
    pub since: TimeMs,
    /// When the last bucket ends.
    pub until: TimeMs,
    /// How long a bucket of `hours` is, in milliseconds: an hour, or a day of UTC where more than 31 days are shown.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [HOUR_MS, DAY_MS])))]
    pub bucket_ms: u64,
    /// The models, the one with the most calls first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::shape::ModelStats>"))]
    pub models: Vec<ModelStats>,
    /// The tools, the one with the most calls first: of runs that ended in this time. Calls of tools that a run was not
    /// offered count as `(not offered)`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::shape::ToolStats>"))]
    pub tools: Vec<ToolStats>,
}

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

impl StatsQuery {
    /// Reads a query string. `since` is rounded down to the hour, `until` up, or to the day where a bucket is one; by
    /// default they are the days before `now`. Names that it does not know are ignored.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
        now: TimeMs,
    ) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        // The hour that has just begun is one of those before `now`.
        let until = given.time("until").unwrap_or(now + 1);
        let default = until.saturating_sub(STATS_DAYS_DEFAULT * DAY_MS);
        let since = given.time("since").unwrap_or(default);
        if given.has_faults() {
            // A bound that is unknown is not held against the other one.
        } else if since >= until {
            given.fault("since", "must be before `until`, which is now when it is absent");
        } else if until - since > STATS_DAYS_MAX * DAY_MS + 1 {
            given.fault("since", format!("must be at most {STATS_DAYS_MAX} days before `until`"));
        }
        let is_hourly = until.saturating_sub(since) <= STATS_HOURLY_DAYS_MAX * DAY_MS + 1;
        let bucket_ms = if is_hourly { HOUR_MS } else { DAY_MS };
        let until = until.div_ceil(bucket_ms) * bucket_ms;
        let query = Self { since: since - since % bucket_ms, until, bucket_ms };
        given.finish(query)
    }

    /// The statement that finds the days.
    pub fn to_statement(&self, tenant: &str) -> Statement {
        let sql = if self.is_hourly() { SELECT_HOURS } else { SELECT_DAYS };
        let first = self.since - self.since % DAY_MS;
        Statement { sql: sql.to_owned(), params: vec![text(tenant), whole(first), whole(self.until)] }
    }

    /// What the statement's rows come to; of tools nothing.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn stats(&self, rows: Vec<Value>) -> Result<StatsView, UnexpectedRow> {
        let mut models: Vec<ModelStats> = Vec::new();
        for row in rows {
            let mut row = Row::new(row)?;
            let (day, model) = (row.whole("day")?, row.text("model")?);
            let place = models.iter().position(|stats| stats.model == model).unwrap_or_else(|| {
                models.push(ModelStats { model, total: Counters::default(), hours: Vec::new() });
                models.len() - 1
            });
            let stats = &mut models[place];
            let column = if self.is_hourly() { "hours" } else { "counters" };
            let json = row.text(column)?;
            let read = if self.is_hourly() {
                Hours { buckets: &mut stats.hours, day, wanted: self.since..self.until }.add_json(&json)
            } else {
                bucket(&mut stats.hours, day).add_json(&json)
            };
            read.ok_or(UnexpectedRow(column))?;
        }
        let models = by_calls(models);
        let (since, until, bucket_ms) = (self.since, self.until, self.bucket_ms);
        Ok(StatsView { since, until, bucket_ms, models, tools: Vec::new() })
    }

    /// The statement that adds up what tools did.
    pub fn tools_statement(&self, tenant: &str) -> Statement {
        let params = vec![text(tenant), whole(self.since), whole(self.until)];
        Statement { sql: SELECT_TOOLS.to_owned(), params }
    }

    /// What the rows of [`tools_statement`](Self::tools_statement) come to.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn tools(&self, rows: Vec<Value>) -> Result<Vec<ToolStats>, UnexpectedRow> {
        tools::stats(rows)
    }

    fn is_hourly(&self) -> bool {
        self.bucket_ms == HOUR_MS
    }
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

/// Those that were called, summed up and in the order of their calls.
fn by_calls(models: Vec<ModelStats>) -> Vec<ModelStats> {
    let mut sorted: Vec<ModelStats> = Vec::with_capacity(models.len());
    for mut stats in models.into_iter().filter(|stats| !stats.hours.is_empty()) {
        stats.hours.iter().for_each(|bucket| stats.total.add(&bucket.counters));
        let place = sorted.partition_point(|before| before.total.calls() >= stats.total.calls());
        sorted.insert(place, stats);
    }
    sorted
}
