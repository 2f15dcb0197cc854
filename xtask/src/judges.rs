//! Programs of others that judge ours: an OTLP backend, the providers' own types, and models' servers.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    process,
    python::{self, Environment},
    report::Progress,
    workspace::Workspace,
};

/// Tells the tests where Phoenix is.
pub(crate) const PHOENIX_VARIABLE: &str = "LONGHAUL_PHOENIX";

/// The OTLP backend Arize Phoenix.
const PHOENIX: Environment = Environment {
    name: "phoenix",
    requirements: "tests/tests/backend/requirements.txt",
    options: &[],
    brings: &["bin/phoenix"],
    step: "backend",
};

/// The SDKs of OpenAI and Anthropic.
const SDKS: Environment = Environment {
    name: "sdks",
    requirements: "tests/types/requirements.txt",
    options: &[],
    brings: &["bin/python3"],
    step: "types",
};

/// Where Phoenix is.
pub(crate) fn phoenix(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    Ok(PHOENIX.find(workspace, progress)?.join("bin/phoenix"))
}

/// Holds the requests that we send against the SDKs' types, after the tests of what does so. Gives what it says.
pub(crate) fn types(workspace: &Workspace, progress: &Progress) -> Result<String> {
    let sdks = SDKS.find(workspace, progress)?;
    let requests = workspace.scratch().join("requests.jsonl");
    fs::create_dir_all(workspace.scratch())?;
    let mut example = workspace.cargo(&["run", "--quiet", "-p", "longhaul-models", "--example", "requests"]);
    example.arg("--").arg(&requests);
    process::run(example, |line| progress.line(line))?;
    let script = |arguments: &[&str]| {
        let mut command = Command::new(python::python(&sdks));
        command.args(arguments).current_dir(workspace.root().join("tests/types"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    process::run(script(&["-m", "unittest", "test_check"]), |line| progress.line(line))?;
    let mut check = script(&["check.py"]);
    check.arg(&requests);
    Ok(process::run(check, |line| progress.line(line))?)
}
