use longhaul_core::TimeMs;
use serde::Serialize;
use serde_json::Value;

use super::{
    filter::{Builder, METADATA_PREFIX, RunFilter, filter_parameters, is_label},
    groups::{self, BY_TENANT, GroupsView},
    hours::{Hours, bucket},
    parameters::{Parameters, QueryFaults},
    row::{Row, UnexpectedRow},
    statement::{Statement, Tenants},
    sums::{ModelStats, SUMS, TIMES, by_calls, named},
    tools::{self, ToolStats},
    write::{DAY_MS, HOUR_MS, whole},
};

/// Days in the statistics when nothing is asked for.
pub const STATS_DAYS_DEFAULT: u64 = 7;
/// Days in the statistics at most.
pub const STATS_DAYS_MAX: u64 = 92;
/// Days that are shown hour by hour; of more, each day is one bucket.
pub const STATS_HOURLY_DAYS_MAX: u64 = 31;
/// Days of chosen runs that are shown hour by hour: what the database gives grows with the hours.
pub const STATS_CHOSEN_HOURLY_DAYS_MAX: u64 = 2;

const SELECT_DAYS: &str = "SELECT day, model, counters FROM model_days WHERE ";
const SELECT_HOURS: &str = "SELECT day, model, hours FROM model_days WHERE ";
const OF_DAYS: &str = " AND day >= ?2 AND day < ?3 ORDER BY day";

/// The database adds up: what comes out does not grow with the hours that are asked for.
const SELECT_TOOLS: &str = "\
SELECT substr(key, instr(key, ' ') + 1) AS name, substr(key, 1, instr(key, ' ') - 1) AS key, sum(value) AS total \
FROM tool_hours, json_each(tool_hours.counters) WHERE ";
const OF_HOURS: &str = " AND hour >= ?2 AND hour < ?3 GROUP BY 1, 2";

/// What `GET /v1/stats` asks for: all calls of a time, or those of the runs that a filter chooses, by the value of a label.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsQuery {
    since: TimeMs,
    until: TimeMs,
    bucket_ms: u64,
    /// Without times: those are above.
    filter: RunFilter,
    /// `tenant`, or `metadata.KEY`.
    group: Option<String>,
}

/// What each model did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Stats"))]
pub struct StatsView {
    /// When the first bucket begins.
    pub since: TimeMs,
    /// When the last bucket ends.
    pub until: TimeMs,
    /// How long a bucket of `hours` is, in milliseconds: an hour, or a day of UTC where more than 31 days are shown, or more
    /// than 2 of chosen runs.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = [HOUR_MS, DAY_MS])))]
    pub bucket_ms: u64,
    /// The models, the one with the most calls first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::shape::ModelStats>"))]
    pub models: Vec<ModelStats>,
    /// The tools, the one with the most calls first: of runs that ended in this time. Calls of tools that a run was not
    /// offered count as `(not offered)`.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::shape::ToolStats>"))]
    pub tools: Vec<ToolStats>,
    /// The runs by the value of the label that `group` names, or by their tenant; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouped: Option<GroupsView>,
}

impl StatsQuery {
    /// The names of its parameters; `KEY` stands for any key.
    pub const PARAMETERS: &[&str] = filter_parameters!["group"];

    /// Reads a query string. `since` is rounded down to the hour, `until` up, or to the day where a bucket is one; by
    /// default they are the days before `now`. Names that it does not know are for the caller to refuse.
    ///
    /// # Errors
    /// Every parameter at fault.
    pub fn parse<'a>(
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
        now: TimeMs,
    ) -> Result<Self, QueryFaults> {
        let mut given = Parameters::new(pairs);
        let mut filter = RunFilter::read(&mut given);
        let (since, until) = (filter.since.take(), filter.until.take());
        // The hour that has just begun is one of those before `now`.
        let until = until.unwrap_or(now + 1);
        let default = until.saturating_sub(STATS_DAYS_DEFAULT * DAY_MS);
        let since = since.unwrap_or(default);
        if given.has_faults() {
            // A bound that is unknown is not held against the other one.
        } else if since >= until {
            given.fault("since", "must be before `until`, which is now when it is absent");
        } else if until - since > STATS_DAYS_MAX * DAY_MS + 1 {
            given.fault("since", format!("must be at most {STATS_DAYS_MAX} days before `until`"));
        }
        let hourly_days = if filter.is_any() { STATS_HOURLY_DAYS_MAX } else { STATS_CHOSEN_HOURLY_DAYS_MAX };
        let is_hourly = until.saturating_sub(since) <= hourly_days * DAY_MS + 1;
        let bucket_ms = if is_hourly { HOUR_MS } else { DAY_MS };
        let until = until.div_ceil(bucket_ms) * bucket_ms;
        let group = group(&mut given);
        let query = Self { since: since - since % bucket_ms, until, bucket_ms, filter, group };
        given.finish(query)
    }

    /// The statement that finds what models did.
    pub fn to_statement<'a>(&self, tenants: impl Into<Tenants<'a>>) -> Statement {
        let tenants = tenants.into();
        if self.filter.is_any() {
            let sql = if self.is_hourly() { SELECT_HOURS } else { SELECT_DAYS };
            let mut builder = Builder::new(sql);
            builder.of(tenants);
            return builder.rest(OF_DAYS, [whole(self.since - self.since % DAY_MS), whole(self.until)]);
        }
        self.sums_of("models", tenants)
    }

    /// What the statement's rows come to; of tools and groups nothing.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn stats(&self, rows: Vec<Value>) -> Result<StatsView, UnexpectedRow> {
        let mut models = if self.filter.is_any() { self.of_days(rows) } else { self.of_runs(rows) }?;
        models.retain(|stats| !stats.hours.is_empty());
        for stats in &mut models {
            stats.hours.iter().for_each(|bucket| stats.total.add(&bucket.counters));
        }
        let (since, until, bucket_ms) = (self.since, self.until, self.bucket_ms);
        Ok(StatsView { since, until, bucket_ms, models: by_calls(models), tools: Vec::new(), grouped: None })
    }

    /// The statement that adds up what tools did.
    pub fn tools_statement<'a>(&self, tenants: impl Into<Tenants<'a>>) -> Statement {
        let tenants = tenants.into();
        if self.filter.is_any() {
            let mut builder = Builder::new(SELECT_TOOLS);
            builder.of(tenants);
            return builder.rest(OF_HOURS, [whole(self.since), whole(self.until)]);
        }
        self.sums_of("tools", tenants)
    }

    /// What the rows of [`tools_statement`](Self::tools_statement) come to.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn tools(&self, rows: Vec<Value>) -> Result<Vec<ToolStats>, UnexpectedRow> {
        tools::stats(rows)
    }

    /// The statement that adds the runs up by the value of a label, or by their tenant; `None` where neither is asked for.
    pub fn groups_statement<'a>(&self, tenants: impl Into<Tenants<'a>>) -> Option<Statement> {
        let tenants = tenants.into();
        self.group.as_deref().map(|by| groups::statement(|builder| self.choose(builder, tenants), by))
    }

    /// What the rows of [`groups_statement`](Self::groups_statement) come to, those of each database. Of several, what is
    /// beyond the first groups of one counts as the rest, whatever the others have.
    ///
    /// # Errors
    /// [`UnexpectedRow`] for rows of other tables than this version's.
    pub fn groups(&self, databases: Vec<Vec<Value>>) -> Result<Option<GroupsView>, UnexpectedRow> {
        self.group.as_deref().map(|by| groups::view(&self.filter, by, databases)).transpose()
    }

    /// The runs that are meant.
    fn choose(&self, builder: &mut Builder, tenants: Tenants<'_>) {
        builder.choose(tenants, &self.filter).since(Some(self.since)).until(Some(self.until));
    }

    /// What the cells of a column come to, by bucket.
    fn sums_of(&self, column: &str, tenants: Tenants<'_>) -> Statement {
        let mut builder = Builder::new("WITH chosen AS (SELECT accepted_at / ");
        builder.bind(whole(self.bucket_ms)).push(&[" AS bucket, ", column, " AS cell FROM traces WHERE "]);
        self.choose(&mut builder, tenants);
        // D1 binds numbers as floats.
        builder.push(&[
            "), picked AS (SELECT CAST(bucket AS INTEGER) AS place, cell FROM chosen",
            SUMS,
            TIMES,
        ]);
        builder.finish()
    }

    fn of_days(&self, rows: Vec<Value>) -> Result<Vec<ModelStats>, UnexpectedRow> {
        let mut models: Vec<ModelStats> = Vec::new();
        for row in rows {
            let mut row = Row::new(row)?;
            let day = row.whole("day")?;
            let stats = named(&mut models, &row.text("model")?);
            let column = if self.is_hourly() { "hours" } else { "counters" };
            let json = row.text(column)?;
            let read = if self.is_hourly() {
                Hours { buckets: &mut stats.hours, day, wanted: self.since..self.until }.add_json(&json)
            } else {
                bucket(&mut stats.hours, day).add_json(&json)
            };
            read.ok_or(UnexpectedRow(column))?;
        }
        Ok(models)
    }

    fn of_runs(&self, rows: Vec<Value>) -> Result<Vec<ModelStats>, UnexpectedRow> {
        let mut models: Vec<ModelStats> = Vec::new();
        for row in rows {
            let mut row = Row::new(row)?;
            let at = row.whole("place")?.saturating_mul(self.bucket_ms);
            let (model, counter) = (row.text("name")?, row.text("key")?);
            let total = row.number_or_null("total")?.unwrap_or_default();
            if self.filter.names_model(&model) {
                bucket(&mut named(&mut models, &model).hours, at).add_member(&counter, total);
            }
        }
        Ok(models)
    }

    fn is_hourly(&self) -> bool {
        self.bucket_ms == HOUR_MS
    }
}

fn group(given: &mut Parameters<'_>) -> Option<String> {
    let by = given.value("group")?;
    if by != BY_TENANT && !by.strip_prefix(METADATA_PREFIX).is_some_and(is_label) {
        given.fault("group", "must be `tenant`, or metadata.KEY, where KEY is a label's key");
    }
    Some(by.to_owned())
}
