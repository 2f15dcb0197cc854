//! The dashboard's types, tests and size. How it is built is `longhaul`'s.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use longhaul_cli::build::{Kib, gzip_bytes};

use crate::{pins, process, report::Progress, workspace::Workspace};

const DIR: &str = "dashboard";
const DIST: &str = "dashboard/dist";

/// What writes the API's types from the OpenAPI document. It needs TypeScript 5, whose interface version 7 does not have.
const TYPES: &str = "dashboard/types.mjs";
/// The compiler that checks types: version 7, under a name beside the other one's.
const TSC: &str = "node_modules/typescript-native/bin/tsc";

/// Writes the API's types from the OpenAPI document.
pub(crate) fn write_types(workspace: &Workspace) -> Result<()> {
    process::run(node(workspace, &[TYPES])?, |_| {})?;
    Ok(())
}

/// Checks that the API's types are those of its document, checks all types and runs the unit tests; returns the tests'
/// output.
pub(crate) fn test(workspace: &Workspace, progress: &Progress) -> Result<String> {
    for check in [&[TYPES, "--check"][..], &[TSC, "-p", DIR, "--noEmit"]] {
        process::run(node(workspace, check)?, |line| progress.line(line))?;
    }
    Ok(process::run(node(workspace, &["dashboard/test.mjs"])?, |line| progress.line(line))?)
}

/// Checks the size of what is served, and says it: the sum, and each file. Fails when it is over the budget.
pub(crate) fn size(workspace: &Workspace) -> Result<(String, Vec<String>)> {
    let sizes = sizes(workspace)?;
    let bytes = total(&sizes);
    let shown = format!("{} of {} gzipped", Kib(bytes), Kib(pins::DASHBOARD_GZIP_BYTES_MAX));
    if bytes > pins::DASHBOARD_GZIP_BYTES_MAX {
        bail!("{shown}: the dashboard is over its budget");
    }
    Ok((shown, sizes.iter().map(|(name, bytes)| format!("{name} {}", Kib(*bytes))).collect()))
}

fn node(workspace: &Workspace, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(workspace.node());
    command.args(args).current_dir(workspace.root()).env("PATH", workspace.path_with_node()?);
    Ok(command)
}

fn total(sizes: &[(String, u64)]) -> u64 {
    sizes.iter().map(|(_, bytes)| bytes).sum()
}

/// The gzip size of each file that is served, in bytes, by its path below the output.
fn sizes(workspace: &Workspace) -> Result<Vec<(String, u64)>> {
    let dist = workspace.root().join(DIST);
    let mut files = Vec::new();
    served(&dist, &mut files)?;
    files.sort();
    let size = |file: &PathBuf| {
        let name = file.strip_prefix(&dist)?.display().to_string();
        Ok((name, gzip_bytes(file)?))
    };
    files.iter().map(size).collect()
}

fn served(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        if entry.path().is_dir() {
            served(&entry.path(), files)?;
        } else if entry.file_name() != "_headers" {
            files.push(entry.path());
        }
    }
    Ok(())
}
