//! `cargo xtask fuzz`: hostile input, for as long as one likes, and a table of what was tried.

mod requests;

use std::{num::NonZeroU32, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use longhaul_cli::{
    build::{self, Grade},
    nightly,
};

pub(crate) use self::requests::{Found, Server, schemathesis};
use crate::{
    process::{self, CommandError},
    report::{Mark, Progress},
    setup,
    workspace::{Workspace, read},
};

/// What schemathesis does in `cargo xtask test`: so many requests of each operation, the same every time, whatever the
/// machine does meanwhile. Without `--seconds` it makes one round of them; how fast it makes them up is no finding.
pub(crate) const BOUNDED: [&str; 8] = [
    "--",
    "--max-examples",
    "12",
    "--generation-deterministic",
    "--phases",
    "coverage,fuzzing",
    "--suppress-health-check",
    "all",
];

/// The kind of input that schemathesis tries, beside those of the programs.
const REQUESTS: &str = "requests";
/// Inputs of growing size, which show what a byte costs each parser.
const GROWTH: &str = "growth";

#[derive(Args)]
pub(crate) struct Options {
    /// How long each kind of input is tried
    #[arg(long, value_name = "N", default_value = "10")]
    minutes: NonZeroU32,
    /// Only this kind: a program of tests/fuzz, `requests` or `growth`; may be repeated
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
    /// Put what is worth keeping into tests/fuzz/corpus
    #[arg(long)]
    keep: bool,
}

/// Runs the programs side by side, then requests against a server of its own, and prints the tables. What was found is
/// printed with the command that shows it again.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    setup::run(workspace)?;
    let is_wanted = |name: &str| options.target.is_empty() || options.target.iter().any(|only| only == name);
    let chosen = programs(workspace)?.into_iter().filter(|name| is_wanted(name)).collect::<Vec<_>>();
    if chosen.is_empty() && !is_wanted(REQUESTS) && !is_wanted(GROWTH) {
        bail!("there is no such kind of input: see tests/fuzz/fuzz_targets, or `{REQUESTS}`, `{GROWTH}`");
    }
    if is_wanted(GROWTH) {
        println!("\n{}", growth(workspace)?.join("\n"));
    }
    let seconds = u64::from(options.minutes.get()) * 60;
    let mut is_clean = chosen.is_empty() || run_programs(workspace, &chosen, seconds, options.keep)?;
    if is_wanted(REQUESTS) {
        let found = ask(workspace, seconds)?;
        println!("\n| requests | answers 5xx | violations of the document |\n|---:|---:|---:|\n{found}");
        if let Some(report) = found.report() {
            println!("\n{report}");
        }
        is_clean &= found.is_clean();
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The programs that there are.
fn programs(workspace: &Workspace) -> Result<Vec<String>> {
    let manifest: toml::Table = toml::from_str(&read(&workspace.root().join("tests/fuzz/Cargo.toml"))?)?;
    let programs = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    Ok(programs.filter_map(|program| Some(program.get("name")?.as_str()?.to_owned())).collect())
}

/// Whether nothing was found by the programs, which their package builds and runs.
fn run_programs(workspace: &Workspace, targets: &[String], seconds: u64, keeps: bool) -> Result<bool> {
    setup::cargo_fuzz(workspace)?;
    let mut command =
        workspace.cargo(&["run", "--quiet", "-p", "longhaul-fuzz", "--example", "programs", "--"]);
    command.args([seconds.to_string().as_str(), if keeps { "keep" } else { "drop" }]).args(targets);
    command.env("LONGHAUL_NIGHTLY", nightly::name()?).env("PATH", workspace.path_with_tools()?);
    match process::run(command, |line| println!("{line}")) {
        Ok(_) => Ok(true),
        // What they found, or what went wrong, is on the terminal already.
        Err(CommandError::Failed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a byte costs each parser, as a table, the slowest first. Fails where a byte of a larger input costs more.
fn growth(workspace: &Workspace) -> Result<Vec<String>> {
    let progress = Progress::start(GROWTH);
    let tests =
        ["test", "-p", "longhaul-fuzz", "--profile", "explore", "--test", GROWTH, "--", "--show-output"];
    let output = process::run(workspace.cargo(&tests), |line| progress.line(line));
    progress.finish(if output.is_ok() { Mark::Ok } else { Mark::Failed }, "");
    let output = output?;
    Ok(output.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect())
}

fn ask(workspace: &Workspace, seconds: u64) -> Result<Found> {
    build::run(workspace.packages(), &workspace.project(None)?, Grade::Deployed)?;
    let progress = Progress::start(REQUESTS);
    let server = Server::start(workspace)?;
    let found =
        schemathesis(workspace, &server, &["--seconds", &seconds.to_string()], |line| progress.line(line));
    progress.finish(if found.is_ok() { Mark::Ok } else { Mark::Failed }, "");
    found
}
