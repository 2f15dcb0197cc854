//! What a run costs, as counts that are the same on every machine, and the limits of `xtask/costs.toml`.

mod native;

use std::{collections::BTreeMap, fmt, process::Command};

use anyhow::{Context, Result, bail};
use longhaul_cli::build::{self, Grade};

use crate::{
    check, process, setup,
    workspace::{Workspace, read},
};

/// The limits, under the checkout's root.
const TABLE: &str = "xtask/costs.toml";
/// What a line begins with that says a count: `cost: talking.rows_written 9`.
const COUNTED: &str = "cost: ";
/// The end to end tests that count.
const TESTS: &str = "cost";
/// The example whose tool is called.
const EXAMPLE: &str = "tools";
/// A count so far below what it was when the limit was set, in percent, is worth a lower limit.
const WORTH_LOWERING: u64 = 3;

/// A count by its name.
type Counts = BTreeMap<String, u64>;

/// What a count was when its limit was set, and the limit.
#[derive(Clone, Copy)]
struct Limit {
    measured: u64,
    limit: u64,
}

/// A count beside its limit.
struct Judged<'a> {
    name: &'a str,
    count: u64,
    limit: Limit,
}

/// Where something is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine, without a platform.
    Native,
    /// In workerd.
    Served,
}

impl Place {
    /// Where a part of the table is counted.
    fn of(name: &str) -> Self {
        let part = name.split('.').next().unwrap_or_default();
        if native::PARTS.contains(&part) { Self::Native } else { Self::Served }
    }
}

/// What was counted, and what was not.
pub(crate) struct Costs {
    counts: Counts,
    limits: BTreeMap<String, Limit>,
    /// A part that was left out, and why.
    left_out: Option<LeftOut>,
}

/// A part that could not be counted.
struct LeftOut {
    part: &'static str,
    why: String,
}

impl Costs {
    /// Counts what is counted in this place. For workerd the worker and the example with tools are built.
    pub(crate) fn count(workspace: &Workspace, place: Place, mut on_line: impl FnMut(&str)) -> Result<Self> {
        let mut limits = limits(&read(&workspace.root().join(TABLE))?)?;
        limits.retain(|name, _| Place::of(name) == place);
        let (counts, left_out) = match place {
            Place::Native => native::count(workspace, &mut on_line)?,
            Place::Served => {
                let tests = check::end_to_end(workspace, &["--test", TESTS], 1)?;
                (counted(&process::run(tests, &mut on_line)?), None)
            }
        };
        Ok(Self { counts, limits, left_out })
    }

    /// What to say of costs that are within their limits. Fails with all that are not.
    pub(crate) fn judge(&self) -> Result<(String, Vec<String>)> {
        let mut problems = self.unknown();
        problems.extend(self.judged().filter_map(|judged| judged.problem()));
        if !problems.is_empty() {
            let which = if problems.len() == 1 { "a count is" } else { "counts are" };
            bail!("{which} not as {TABLE} says:\n  {}", problems.join("\n  "));
        }
        let mut told: Vec<String> = self.left_out.iter().map(|it| it.why.clone()).collect();
        told.extend(self.judged().filter_map(|judged| judged.hint()));
        Ok((format!("{} counts, all within their limits", self.counts.len()), told))
    }

    fn judged(&self) -> impl Iterator<Item = Judged<'_>> {
        self.counts.iter().filter_map(|(name, count)| {
            self.limits.get(name).map(|limit| Judged { name, count: *count, limit: *limit })
        })
    }

    /// Counts without a limit, and limits of nothing.
    fn unknown(&self) -> Vec<String> {
        let is_left_out = |name: &str| {
            let part = name.split('.').next();
            self.left_out.as_ref().is_some_and(|it| part == Some(it.part))
        };
        let new = self.counts.iter().filter(|(name, _)| !self.limits.contains_key(*name));
        let gone = self.limits.keys().filter(|name| !self.counts.contains_key(*name) && !is_left_out(name));
        let new = new.map(|(name, count)| format!("{name} is {count}, and has no limit: give it one"));
        new.chain(gone.map(|name| format!("{name} has a limit, and nothing counts it: take it out")))
            .collect()
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Judged { name, count, limit } in self.judged() {
            writeln!(f, "{name:<34} {count:>12} {:>12} {:>12}", limit.measured, limit.limit)?;
        }
        Ok(())
    }
}

impl Judged<'_> {
    fn problem(&self) -> Option<String> {
        let Self { name, count, limit: Limit { measured, limit } } = self;
        (count > limit).then(|| {
            format!(
                "{name} is {count}, and may be {limit} (it was {measured} when the limit was set): make it less, or raise \
                 `limit` and `measured` in {TABLE} and say in the commit what it is for"
            )
        })
    }

    fn hint(&self) -> Option<String> {
        let Self { name, count, limit: Limit { measured, limit } } = self;
        let is_worth_it = count * 100 < measured * (100 - WORTH_LOWERING);
        // As far above the count as the limit was.
        let lower = (limit * count).div_ceil((*measured).max(1));
        is_worth_it.then(|| {
            format!("{name} is {count}, and was {measured}: lower `measured` to {count} and `limit` to {lower} in {TABLE}")
        })
    }
}

/// Counts and prints everything, or the calls by name.
pub(crate) fn run(workspace: &Workspace, is_profile: bool) -> Result<()> {
    setup::run(workspace)?;
    for example in [None, Some(EXAMPLE)] {
        build::run(workspace.packages(), &workspace.project(example)?, Grade::Quick)?;
    }
    if is_profile {
        let mut command = check::end_to_end(workspace, &["--test", TESTS], 1)?;
        command.args(["--ignored", "--exact", "profile::calls_by_name"]);
        return print(command);
    }
    println!("{:<34} {:>12} {:>12} {:>12}", "a run of six turns", "now", "measured", "limit");
    let mut judged = Vec::new();
    for place in [Place::Served, Place::Native] {
        let costs = Costs::count(workspace, place, |_| {})?;
        print!("{costs}");
        judged.push(costs.judge());
    }
    for judged in judged {
        let (note, told) = judged?;
        println!("{}", told.into_iter().chain([note]).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// Prints what a test says between the first line of its own and the runner's last words.
fn print(command: Command) -> Result<()> {
    let output = process::run(command, |_| {})?;
    let said = output.find("== ").context("the test has printed no profile")?;
    let until = output.rfind("\ntest ").unwrap_or(output.len());
    println!("{}", output.get(said..until).unwrap_or_default());
    Ok(())
}

/// The counts that a program has printed.
fn counted(output: &str) -> Counts {
    let count = |line: &str| {
        // The runner may have begun the line.
        let (name, count) = line.trim().split_once(COUNTED)?.1.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    output.lines().filter_map(count).collect()
}

fn limits(text: &str) -> Result<BTreeMap<String, Limit>> {
    let table: toml::Table = toml::from_str(text).with_context(|| format!("cannot read {TABLE}"))?;
    let mut limits = BTreeMap::new();
    for (part, counts) in &table {
        for (name, row) in counts.as_table().with_context(|| format!("{part} in {TABLE} is no table"))? {
            let number = |field: &str| {
                let number = row.get(field).and_then(toml::Value::as_integer);
                number.and_then(|number| u64::try_from(number).ok()).with_context(|| {
                    format!("{part}.{name} in {TABLE} needs `{field}`, a whole number from 0 on")
                })
            };
            let limit = Limit { measured: number("measured")?, limit: number("limit")? };
            limits.insert(format!("{part}.{name}"), limit);
        }
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[talking]\nrows = { measured = 9, limit = 10 }\ncalls = { measured = 700, limit = 720 }\n";

    fn costs(output: &str) -> Costs {
        Costs { counts: counted(output), limits: limits(TEXT).unwrap(), left_out: None }
    }

    #[test]
    fn what_is_within_its_limit_passes() {
        let (note, told) =
            costs("test a ... cost: talking.rows 10\ncost: talking.calls 690\n").judge().unwrap();
        assert_eq!((note.as_str(), told.len()), ("2 counts, all within their limits", 0));
    }

    #[test]
    fn what_is_above_says_by_how_much_and_what_to_do() {
        let error =
            costs("cost: talking.rows 11\ncost: talking.calls 700\n").judge().unwrap_err().to_string();
        for part in [
            "a count is not",
            "talking.rows is 11, and may be 10 (it was 9",
            "xtask/costs.toml",
            "raise `limit`",
        ] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn what_became_less_asks_for_a_lower_limit() {
        let (_, told) = costs("cost: talking.rows 9\ncost: talking.calls 350\n").judge().unwrap();
        let hint = "talking.calls is 350, and was 700: lower `measured` to 350 and `limit` to 360 in xtask/costs.toml";
        assert_eq!(told, [hint]);
    }

    #[test]
    fn what_is_counted_has_a_limit_and_the_other_way_round() {
        let error = costs("cost: talking.rows 9\ncost: acting.rows 9\n").judge().unwrap_err().to_string();
        for part in ["acting.rows is 9, and has no limit", "talking.calls has a limit, and nothing counts it"]
        {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn what_was_left_out_says_why() {
        let left_out = Some(LeftOut { part: "talking", why: "nobody could count".to_owned() });
        let costs = Costs { left_out, ..costs("") };
        assert_eq!(costs.judge().unwrap().1, ["nobody could count"]);
    }

    #[test]
    fn the_limits_are_read() {
        let workspace = Workspace::open().unwrap();
        let limits = limits(&read(&workspace.root().join(TABLE)).unwrap()).unwrap();
        assert!(limits.values().all(|it| it.measured <= it.limit));
        assert!(limits["talking.rows_written"].limit <= 10 && limits["acting.rows_written"].limit <= 20);
        assert!(native::PARTS.iter().all(|part| limits.keys().any(|name| name.starts_with(part))));
        assert!(super::limits("[a]\nb = { measured = 1 }\n").is_err());
    }
}
