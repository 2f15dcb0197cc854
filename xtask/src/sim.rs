//! The long runs of the simulation, which are programs of its crate: every death of every scenario, random worlds by the
//! million, and deliberate bugs that they must find.

use std::{
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    process::{CommandError, Group, interrupted, run as run_command},
    workspace::{Workspace, read},
};

const POLL: Duration = Duration::from_millis(50);
const RUN_SIMULATION: [&str; 6] = ["run", "--quiet", "--package", "longhaul-sim", "--profile", "explore"];
/// Random worlds of the bounded version.
const SEEDS_CHECKED: u64 = 10_000;
/// The documents that say how many deaths were simulated.
const QUOTING: [&str; 2] = ["README.md", "RELIABILITY.md"];

#[derive(Args)]
pub(crate) struct Options {
    /// Run random worlds instead: so many, one for each seed
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0, requires = "seeds")]
    from: u64,
    /// This scenario alone
    #[arg(long, value_name = "NAME", conflicts_with_all = ["seeds", "mutations"])]
    scenario: Option<String>,
    /// Put deliberate bugs into a copy of the sources, one at a time, and see that each is found
    #[arg(long)]
    mutations: bool,
    /// With --mutations: only those whose name has this in it
    #[arg(long, value_name = "TEXT", requires = "mutations")]
    only: Option<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    let mut command = match options.seeds {
        _ if options.mutations => mutations(workspace, options.only.as_deref()),
        Some(seeds) => random_worlds_of(workspace, seeds, options.from),
        None => deaths_of(workspace, options.scenario.as_deref()),
    };
    command.stdin(Stdio::null());
    let mut group = Group::spawn(command)?;
    loop {
        if let Some(status) = group.try_wait()? {
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if interrupted().is_some() {
            group.stop();
            return Err(CommandError::Interrupted.into());
        }
        thread::sleep(POLL);
    }
}

/// The bounded version: every death, and some random worlds. What they came to, and the same in short. The documents
/// that quote the number of deaths must have it right.
pub(crate) fn check(workspace: &Workspace, mut on_line: impl FnMut(&str)) -> Result<(String, Vec<String>)> {
    let deaths = run_command(deaths_of(workspace, None), &mut on_line)?;
    let explored = run_command(random_worlds_of(workspace, SEEDS_CHECKED, 0), &mut on_line)?;
    let line = |output: &str, start: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        line.with_context(|| format!("the simulation has not said what it {start}"))
    };
    let (deaths, explored) = (line(&deaths, "enumerated: ")?, line(&explored, "explored: ")?);
    let count = deaths.split(' ').next().unwrap_or_default().to_owned();
    for name in QUOTING {
        let path = workspace.root().join(name);
        if path.is_file() {
            check_figure(name, &read(&path)?, &count)?;
        }
    }
    Ok((format!("{count} deaths"), vec![deaths, explored]))
}

/// Each number in front of `simulated deaths` is the one that was counted, and the README has one.
fn check_figure(name: &str, text: &str, count: &str) -> Result<()> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let figures = words.windows(3).filter(|words| words[1] == "simulated" && words[2].starts_with("deaths"));
    let mut figures = figures.map(|words| words[0].trim_matches('*').replace(',', "")).peekable();
    if name == "README.md" && figures.peek().is_none() {
        bail!("{name} does not say \"{count} simulated deaths\"");
    }
    match figures.find(|figure| figure != count) {
        Some(wrong) => bail!("{name} says {wrong} simulated deaths, and there were {count}"),
        None => Ok(()),
    }
}

fn deaths_of(workspace: &Workspace, scenario: Option<&str>) -> Command {
    let mut command = workspace.cargo(&RUN_SIMULATION);
    command.args(["--example", "deaths", "--"]).args(scenario);
    command
}

/// Each mutant is compiled in a copy of the sources, with a target directory of its own.
fn mutations(workspace: &Workspace, only: Option<&str>) -> Command {
    let mut command =
        workspace.cargo(&["run", "--quiet", "--package", "longhaul-sim", "--example", "mutations", "--"]);
    command.arg(workspace.root()).arg(workspace.scratch().join("mutations")).args(only);
    command
}

fn random_worlds_of(workspace: &Workspace, seeds: u64, from: u64) -> Command {
    let (seeds, from) = (seeds.to_string(), from.to_string());
    let mut command = workspace.cargo(&RUN_SIMULATION);
    command.args(["--example", "explore", "--", "--seeds", &seeds, "--from", &from]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_figure_is_found() {
        let check = |name, text| check_figure(name, text, "123456").is_ok();
        assert!(check("README.md", "… **123,456** simulated\ndeaths, and 7 others."));
        assert!(!check("README.md", "… 123,457 simulated deaths."));
        assert!(!check("README.md", "Nothing is said."));
        assert!(check("RELIABILITY.md", "Nothing is said."));
        assert!(!check("RELIABILITY.md", "123,456 simulated deaths, and 99 simulated deaths."));
    }
}
