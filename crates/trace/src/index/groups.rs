use longhaul_core::Usage;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    counters::Counters,
    filter::{Builder, METADATA_PREFIX, RunFilter},
    row::{Row, UnexpectedRow},
    statement::Statement,
    sums::{ModelStats, SUMS, by_calls, named},
    write::text,
};

/// Groups that are told one by one; what is beyond them is one more.
pub const GROUPS_MAX: u64 = 100;

/// What groups by the tenant.
pub(super) const BY_TENANT: &str = "tenant";

/// The value of a label as text, after `=`; nothing where a run has no such label. A number and the text of it are one value.
const LABEL: &str = "coalesce((SELECT '=' || CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
WHEN 'null' THEN 'null' ELSE atom END FROM json_each(metadata) WHERE key = ";
/// A tenant's name in its place.
const TENANT: &str = "'=' || tenant";

/// The labels in their order, and the runs of each; then what their models' cells come to.
const PLACES: &str = "), labels AS MATERIALIZED (SELECT label, row_number() OVER (ORDER BY sum(cost_usd) DESC, count(*) DESC, \
label) AS number, count(*) AS runs, sum(resumed > 0) AS resumed, sum(input_tokens) AS input, sum(output_tokens) AS output, \
sum(total_tokens) AS tokens, sum(cost_usd) AS cost, sum(status = 'queued') AS queued, sum(status = 'running') AS running, \
sum(status = 'succeeded') AS succeeded, sum(status = 'failed') AS failed, sum(status = 'cancelled') AS cancelled \
FROM chosen GROUP BY label), places AS (SELECT min(number, 101) AS place, iif(number > 100, NULL, label) AS label, \
json_object('runs', sum(runs), 'resumed', sum(resumed), 'input_tokens', sum(input), 'output_tokens', sum(output), \
'total_tokens', sum(tokens), 'cost_usd', sum(cost), 'status.queued', nullif(sum(queued), 0), 'status.running', \
nullif(sum(running), 0), 'status.succeeded', nullif(sum(succeeded), 0), 'status.failed', nullif(sum(failed), 0), \
'status.cancelled', nullif(sum(cancelled), 0)) AS figures FROM labels GROUP BY 1, 2), \
picked AS (SELECT min(number, 101) AS place, models AS cell FROM labels JOIN chosen ON chosen.label = labels.label";
/// Rows with a name are of a model; those without are of the group, and have its label.
const OWN: &str = " UNION ALL SELECT place, NULL, key || coalesce(' ' || label, ''), value FROM places, json_each(figures) WHERE value IS NOT NULL";

/// The runs of the time by the value of a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "StatsGroups"))]
pub struct GroupsView {
    /// What the runs are grouped by: `metadata.KEY`, or `tenant`.
    pub by: String,
    /// The dearest first, then the one with the most runs.
    #[cfg_attr(feature = "schema", schemars(length(max = GROUPS_MAX)))]
    pub groups: Vec<GroupStats>,
    /// All groups beyond those as one; null where there are none.
    pub rest: Option<GroupStats>,
}

/// The runs with one value of the label.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "StatsGroup"))]
pub struct GroupStats {
    /// The label's value as text, or the tenant's name; null for runs without this label, and for the rest.
    pub value: Option<String>,
    /// How many runs were accepted.
    pub runs: u64,
    /// How many of them have each status.
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<String, u64>"))]
    pub statuses: Map<String, Value>,
    /// How many of them survived a crash or an eviction.
    pub resumed: u64,
    /// What they used, their tools included: the sum over their traces.
    pub usage: Usage,
    /// What their models did, the one with the most calls first; of runs that ended.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::shape::GroupedModel>"))]
    pub models: Vec<GroupedModel>,
}

/// What a model did for a group: its figures without times.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedModel(pub ModelStats);

impl Serialize for GroupedModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &self.0.model)?;
        self.0.total.serialize_outcomes(&mut map)?;
        map.serialize_entry("usage", self.0.total.usage())?;
        map.end()
    }
}

/// The statement that finds the groups of the runs that `choose` chooses.
pub(super) fn statement(choose: impl FnOnce(&mut Builder), by: &str) -> Statement {
    let mut builder = Builder::new("WITH chosen AS MATERIALIZED (SELECT ");
    match by.strip_prefix(METADATA_PREFIX) {
        Some(key) => builder.push(&[LABEL]).bind(text(key)).push(&[" LIMIT 1), '')"]),
        None => builder.push(&[TENANT]),
    };
    builder.push(&[
        " AS label, status, resumed, input_tokens, output_tokens, total_tokens, cost_usd, models ",
        "FROM traces WHERE ",
    ]);
    choose(&mut builder);
    builder.push(&[PLACES, SUMS, OWN]);
    builder.finish()
}

/// What the rows of the statement come to, those of each database.
pub(super) fn view(
    filter: &RunFilter,
    by: &str,
    databases: Vec<Vec<Value>>,
) -> Result<GroupsView, UnexpectedRow> {
    let (mut named, mut rest): (Vec<Group>, Option<Group>) = (Vec::new(), None);
    for rows in databases {
        for (place, group) in of_database(filter, rows)? {
            let known = match place > GROUPS_MAX {
                true => rest.as_mut(),
                false => named.iter_mut().find(|known| known.value == group.value),
            };
            match known {
                Some(known) => known.add(group),
                None if place > GROUPS_MAX => rest = Some(group),
                None => named.push(group),
            }
        }
    }
    let mut sorted: Vec<Group> = Vec::with_capacity(named.len());
    for group in named {
        let place = sorted.partition_point(|before| before.rank() >= group.rank());
        sorted.insert(place, group);
    }
    let mut view = GroupsView { by: by.to_owned(), groups: Vec::new(), rest: None };
    for group in sorted {
        if (view.groups.len() as u64) < GROUPS_MAX {
            view.groups.push(group.finish());
            continue;
        }
        match &mut rest {
            Some(rest) => rest.add(group),
            None => rest = Some(Group { value: None, ..group }),
        }
    }
    view.rest = rest.map(Group::finish);
    Ok(view)
}

/// The groups of one database, with their places.
fn of_database(filter: &RunFilter, rows: Vec<Value>) -> Result<Vec<(u64, Group)>, UnexpectedRow> {
    let mut groups: Vec<(u64, Group)> = Vec::new();
    for row in rows {
        let mut row = Row::new(row)?;
        let (place, model, counter) = (row.whole("place")?, row.text_or_null("name")?, row.text("key")?);
        let total = row.number_or_null("total")?.unwrap_or_default();
        let index = groups.binary_search_by_key(&place, |(place, _)| *place).unwrap_or_else(|index| {
            groups.insert(index, (place, Group::default()));
            index
        });
        match (&mut groups[index].1, model) {
            (group, None) => group.take(&counter, total),
            (group, Some(model)) if filter.names_model(&model) => {
                named(&mut group.models, &model).total.add_member(&counter, total);
            }
            (_, Some(_)) => {}
        }
    }
    Ok(groups)
}

#[derive(Default)]
struct Group {
    value: Option<String>,
    runs: u64,
    statuses: Map<String, Value>,
    resumed: u64,
    own: Counters,
    models: Vec<ModelStats>,
}

impl Group {
    /// One of its own figures, after which the label stands.
    fn take(&mut self, figure: &str, total: f64) {
        let (figure, label) =
            figure.split_once(' ').map_or((figure, None), |(figure, label)| (figure, Some(label)));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from float saturates"
        )]
        let count = total as u64;
        match figure {
            "runs" => {
                self.runs = count;
                self.value = label.and_then(|label| label.strip_prefix('=')).map(str::to_owned);
            }
            "resumed" => self.resumed = count,
            _ => match figure.strip_prefix("status.") {
                Some(status) => {
                    self.statuses.insert(status.to_owned(), count.into());
                }
                None => self.own.add_member(figure, total),
            },
        }
    }

    /// Adds the same group of another database.
    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.resumed += other.resumed;
        for (status, count) in other.statuses {
            let sum = self.statuses.entry(status).or_insert(Value::from(0));
            *sum = (sum.as_u64().unwrap_or(0) + count.as_u64().unwrap_or(0)).into();
        }
        self.own.add(&other.own);
        for stats in other.models {
            named(&mut self.models, &stats.model).total.add(&stats.total);
        }
    }

    /// The dearest has the highest, then the one with the most runs.
    fn rank(&self) -> (f64, u64) {
        (self.own.usage().cost_usd.unwrap_or(-1.0), self.runs)
    }

    fn finish(self) -> GroupStats {
        GroupStats {
            value: self.value,
            runs: self.runs,
            statuses: self.statuses,
            resumed: self.resumed,
            usage: self.own.usage().clone(),
            models: by_calls(self.models).into_iter().map(GroupedModel).collect(),
        }
    }
}
