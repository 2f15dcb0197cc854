//! The OTLP backend that the backend tests run against: Arize Phoenix, in a Python environment of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    pins, process,
    report::Progress,
    workspace::{Workspace, is_on_path},
};

/// Tells the tests where the program is.
pub(crate) const VARIABLE: &str = "LONGHAUL_PHOENIX";
const PYTHON: &str = "python3";
/// The versions of all that Phoenix brings.
const CONSTRAINTS: &str = "tests/tests/backend/constraints.txt";

/// Finds the program, and installs it where it is missing; two runs at once wait for each other. The packages come
/// from where pip is configured to find them.
pub(crate) fn find(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    let dir = workspace.tools().join("phoenix");
    let program = dir.join("bin/phoenix");
    let constraints = workspace.root().join(CONSTRAINTS);
    if is_installed(&dir, &constraints) {
        return Ok(program);
    }
    check_python()?;
    let lock = fs::File::create(workspace.tools().join("lock"))?;
    lock.lock().context("cannot lock .tools/lock")?;
    if !is_installed(&dir, &constraints) {
        install(&dir, &constraints, progress)?;
    }
    if !program.is_file() {
        bail!("pip installed Phoenix, but {} is not there", program.display());
    }
    Ok(program)
}

fn install(dir: &Path, constraints: &Path, progress: &Progress) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    let mut venv = Command::new(PYTHON);
    venv.args(["-m", "venv"]).arg(dir);
    process::run(venv, |line| progress.line(line))
        .context("cannot make a Python environment (Debian has `venv` in the package python3-venv)")?;
    let mut pip = Command::new(dir.join("bin").join(PYTHON));
    pip.args(["-m", "pip", "install", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]);
    pip.arg(format!("arize-phoenix=={}", pins::PHOENIX_VERSION)).arg("--constraint").arg(constraints);
    process::run(pip, |line| progress.line(line))?;
    fs::write(stamp(dir), fingerprint(dir, constraints)?)?;
    Ok(())
}

fn is_installed(dir: &Path, constraints: &Path) -> bool {
    let installed = fs::read_to_string(stamp(dir));
    installed.is_ok_and(|stamp| fingerprint(dir, constraints).is_ok_and(|wanted| stamp == wanted))
        && dir.join("bin/phoenix").is_file()
}

/// Inside what it describes, so that deleting the environment deletes it too.
fn stamp(dir: &Path) -> PathBuf {
    dir.join(".fingerprint")
}

/// An environment is good for one place and one Python: its programs name the place, and its packages lie in a
/// directory that is named after the Python.
fn fingerprint(dir: &Path, constraints: &Path) -> Result<String> {
    let python = fs::canonicalize(dir.join("bin").join(PYTHON))?;
    let place = format!("arize-phoenix {}\n{}\n{}\n", pins::PHOENIX_VERSION, dir.display(), python.display());
    Ok(place + &fs::read_to_string(constraints)?)
}

fn check_python() -> Result<()> {
    let (oldest, newest) = (pins::PYTHON_3_MINORS.start(), pins::PYTHON_3_MINORS.end());
    let cure = format!(
        "Phoenix needs Python 3.{oldest} to 3.{newest}. Install one, or leave this step out with `--skip backend`"
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_fit("3.11") && is_fit("3.14"));
        assert!(!is_fit("3.9") && !is_fit("3.15") && !is_fit("2.7") && !is_fit(""));
    }

    #[test]
    fn an_environment_is_good_for_one_place_and_one_python() {
        let directory = tempfile::tempdir().unwrap();
        let (dir, python) = (directory.path().join("phoenix"), directory.path().join("python3.11"));
        let constraints = directory.path().join("constraints.txt");
        fs::write(&constraints, "a==1\n").unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        for file in [&python, &dir.join("bin/phoenix")] {
            fs::write(file, "").unwrap();
        }
        symlink(&python, dir.join("bin/python3")).unwrap();
        assert!(!is_installed(&dir, &constraints));
        fs::write(stamp(&dir), fingerprint(&dir, &constraints).unwrap()).unwrap();
        assert!(is_installed(&dir, &constraints));

        fs::write(&constraints, "a==2\n").unwrap();
        assert!(!is_installed(&dir, &constraints), "the versions are others");
        fs::write(&constraints, "a==1\n").unwrap();

        let elsewhere = directory.path().join("elsewhere");
        fs::rename(&dir, &elsewhere).unwrap();
        assert!(!is_installed(&elsewhere, &constraints));
        fs::rename(&elsewhere, &dir).unwrap();
        fs::rename(&python, directory.path().join("python3.12")).unwrap();
        assert!(!is_installed(&dir, &constraints));
    }
}
