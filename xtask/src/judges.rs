//! Programs of others that judge ours: an OTLP backend, the providers' own types, and models' servers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};

use crate::{
    process::{self, CommandError},
    python::{self, Environment},
    report::{Mark, Progress},
    workspace::Workspace,
};

/// Tells the tests where Phoenix is.
pub(crate) const PHOENIX_VARIABLE: &str = "LONGHAUL_PHOENIX";

/// Tells the tests where the Python is that has a real model.
pub(crate) const MODEL_VARIABLE: &str = "LONGHAUL_MODEL";
/// Tells the tests where LiteLLM is.
pub(crate) const LITELLM_VARIABLE: &str = "LONGHAUL_LITELLM";

/// The OTLP backend Arize Phoenix.
const PHOENIX: Environment = Environment {
    name: "phoenix",
    requirements: "tests/tests/backend/requirements.txt",
    options: &[],
    brings: &["bin/phoenix"],
    step: "backend",
};

/// The SDKs of OpenAI and Anthropic, and Standard Webhooks.
const SDKS: Environment = Environment {
    name: "sdks",
    requirements: "tests/types/requirements.txt",
    options: &[],
    brings: &["bin/python3"],
    step: "types",
};

/// A real model, and a server for it. Without what else the packages name, which nothing here calls.
const MODEL: Environment = Environment {
    name: "model",
    requirements: "tests/servers/model/requirements.txt",
    options: &["--no-deps"],
    brings: &["bin/python3"],
    step: "model",
};

/// LiteLLM's proxy, with those of its packages that it needs to start.
const LITELLM: Environment = Environment {
    name: "litellm",
    requirements: "tests/servers/litellm/requirements.txt",
    options: &[],
    brings: &["bin/litellm"],
    step: "litellm",
};

/// Where the Python is that has the SDKs.
pub(crate) fn sdks(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    Ok(python::python(&SDKS.find(workspace, progress)?))
}

/// Where Phoenix is.
pub(crate) fn phoenix(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    Ok(PHOENIX.find(workspace, progress)?.join("bin/phoenix"))
}

/// Where the Python is that has a real model.
pub(crate) fn model(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    Ok(python::python(&MODEL.find(workspace, progress)?))
}

/// Serves the real model until somebody stops it.
pub(crate) fn serve_model(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let progress = Progress::start(MODEL.name);
    let found = model(workspace, &progress);
    progress.finish(if found.is_ok() { Mark::Ok } else { Mark::Failed }, "");
    let mut command = Command::new(found?);
    command.arg(workspace.root().join("tests/servers/model/serve.py")).args(args);
    match process::run(command, |line| println!("{line}")) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(CommandError::Interrupted) => {
            Ok(process::interrupted().map_or(ExitCode::SUCCESS, |signal| ExitCode::from(signal.exit_code())))
        }
        // What it said is on the terminal already.
        Err(CommandError::Failed { status, .. }) => bail!("the model's server ended ({status})"),
        Err(error) => Err(error.into()),
    }
}

/// Where LiteLLM is.
pub(crate) fn litellm(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    Ok(LITELLM.find(workspace, progress)?.join("bin/litellm"))
}

/// Holds the requests that we send against the SDKs' types, after the tests of what does so, and the webhooks against the
/// code that receivers use. Gives what it says.
pub(crate) fn types(workspace: &Workspace, progress: &Progress) -> Result<String> {
    let sdks = sdks(workspace, progress)?;
    fs::create_dir_all(workspace.scratch())?;
    let written = |package: &str, example: &str| -> Result<PathBuf> {
        let lines = workspace.scratch().join(example).with_extension("jsonl");
        let mut command = workspace.cargo(&["run", "--quiet", "-p", package, "--example", example]);
        command.arg("--").arg(&lines);
        process::run(command, |line| progress.line(line))?;
        Ok(lines)
    };
    let requests = written("longhaul-models", "requests")?;
    let webhooks = written("longhaul-trace", "webhooks")?;
    let script = |arguments: &[&str]| {
        let mut command = Command::new(&sdks);
        command.args(arguments).current_dir(workspace.root().join("tests/types"));
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    process::run(script(&["-m", "unittest", "test_check"]), |line| progress.line(line))?;
    let judged = |program: &str, lines: &Path| {
        let mut check = script(&[program]);
        check.arg(lines);
        process::run(check, |line| progress.line(line))
    };
    Ok(judged("check.py", &requests)? + &judged("webhooks.py", &webhooks)?)
}
