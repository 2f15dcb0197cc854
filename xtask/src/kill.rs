//! `cargo xtask kill`: the long version of the kills of real workerd, and its table.

use std::num::NonZeroU32;

use anyhow::{Context, Result};

use longhaul_cli::build::{self, Grade};

use crate::{process, setup, workspace::Workspace};

/// The tests that `cargo test` leaves out because they take minutes: kills of everything, and kills while tools act.
const TESTS: [&str; 2] =
    ["many_kills_lose_nothing_and_double_nothing", "acting::many_kills_of_tools_do_nothing_twice"];

/// Builds what is killed, and kills it that often. The same seed gives the same sessions and moments. The test prints
/// the table, or the command that shows a failure again.
pub(crate) fn run(workspace: &Workspace, kills: NonZeroU32, seed: u64) -> Result<()> {
    setup::run(workspace)?;
    for example in [None, Some("shop")] {
        build::run(workspace.packages(), &workspace.project(example)?, Grade::Deployed)?;
    }
    TESTS.into_iter().try_for_each(|test| play(workspace, test, kills, seed))
}

fn play(workspace: &Workspace, test: &str, kills: NonZeroU32, seed: u64) -> Result<()> {
    let mut command = workspace.cargo(&["test", "-p", "longhaul-tests", "--test", "kills"]);
    command.args(["--", "--ignored", "--exact", "--nocapture", test]);
    command.env("PATH", workspace.path_with_node()?);
    command.env("LONGHAUL_KILLS", kills.to_string());
    command.env("LONGHAUL_SEED", seed.to_string());
    let output = process::run(command, |line| {
        if is_shown(line) {
            println!("{line}");
        }
    })?;
    // A test that was not found passes as well.
    output
        .lines()
        .find(|line| line.starts_with("| killed when |"))
        .context("the test has printed no table")?;
    Ok(())
}

/// Whether a line is of the table, or says how far the kills are.
fn is_shown(line: &str) -> bool {
    line.is_empty() || ["|", "seed ", "again: "].iter().any(|start| line.starts_with(start))
}
