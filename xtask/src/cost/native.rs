//! What is counted on this machine: allocations of simulated runs, and instructions of the core, the codecs and the trace.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Counts, LeftOut, counted};
use crate::{
    debian, process,
    workspace::{Workspace, is_on_path},
};

/// The parts of the table that are counted here.
pub(super) const PARTS: [&str; 3] = ["simulated", "simulated_acting", CORE];
/// The part that needs valgrind.
const CORE: &str = "core";

const VALGRIND: &str = "valgrind";
/// The program: an example of `crates/sim`.
const PROGRAM: &str = "costs";
/// Its profile: as what is deployed, without the checks of a debug build. SQLite is linked, and does nothing.
const PROFILE: [&str; 2] =
    ["profile.costs.inherits=\"release\"", "profile.costs.package.libsqlite3-sys.opt-level=0"];
/// Instructions are counted inside of this function alone.
const COUNTED_FUNCTION: &str = "--toggle-collect=*measured*";

/// Work, and the lengths of the conversations that it is done on, in messages.
const WORK: [(&str, &[&str]); 4] = [
    ("fold", &["10", "100", "1000"]),
    ("step", &["100", "1000"]),
    ("request", &["10", "100", "1000"]),
    ("trace", &["12"]),
];

/// Counts, and says what could not be counted.
pub(super) fn count(
    workspace: &Workspace,
    mut on_line: impl FnMut(&str),
) -> Result<(Counts, Option<LeftOut>)> {
    let mut build =
        workspace.cargo(&["build", "-p", "longhaul-sim", "--example", PROGRAM, "--profile", PROGRAM]);
    for setting in PROFILE {
        build.args(["--config", setting]);
    }
    process::run(build, &mut on_line)?;
    let program = workspace.target().join(PROGRAM).join("examples").join(PROGRAM);
    let mut counts = counted(&process::run(Command::new(&program), &mut on_line)?);
    if let Err(why) = find_valgrind(workspace, &mut on_line) {
        return Ok((counts, Some(LeftOut { part: CORE, why })));
    }
    for (work, lengths) in WORK {
        for messages in lengths {
            let mut valgrind = Command::new(VALGRIND);
            valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", COUNTED_FUNCTION]);
            valgrind.arg(&program).args([work, messages]);
            let output = process::run(valgrind, &mut on_line)?;
            let instructions = collected(&output).context("valgrind has counted no instructions")?;
            counts.insert(format!("{CORE}.{work}_{messages}"), instructions);
        }
    }
    Ok((counts, None))
}

/// Fails with a sentence for whoever reads the step's result.
fn find_valgrind(workspace: &Workspace, on_line: impl FnMut(&str)) -> Result<(), String> {
    let is_there = || is_on_path(VALGRIND);
    if is_there() {
        return Ok(());
    }
    let left_out = "instructions were not counted: valgrind is missing";
    if !debian::may_install() {
        return Err(format!("{left_out} (on Debian: `sudo apt-get install valgrind`)"));
    }
    match debian::install(workspace, VALGRIND, is_there, on_line) {
        Ok(()) if is_there() => Ok(()),
        Ok(()) => Err(format!("{left_out}, and apt-get installed it elsewhere")),
        Err(error) => Err(format!("{left_out}, and apt-get did not install it: {error}")),
    }
}

/// The instructions in `==7== Collected : 348971`.
fn collected(output: &str) -> Option<u64> {
    output.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 348971\n==7==\n"), Some(348_971));
        assert_eq!(collected("==7== nothing\n"), None);
    }
}
