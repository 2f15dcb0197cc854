//! Programs and packages from Python's registry, each set in an environment of its own under `.tools`.

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

const PYTHON: &str = "python3";

/// A Python environment: what is in it, and for which step.
pub(crate) struct Environment {
    /// Its directory under `.tools`.
    pub(crate) name: &'static str,
    /// The file under the checkout's root that lists what pip installs, each package at one version.
    pub(crate) requirements: &'static str,
    /// Further options of pip.
    pub(crate) options: &'static [&'static str],
    /// What must be there when pip is done: files under the environment's directory.
    pub(crate) brings: &'static [&'static str],
    /// The step of `cargo xtask test` that needs it.
    pub(crate) step: &'static str,
}

impl Environment {
    /// Finds the environment, and installs it where it is missing; two runs at once wait for each other. The packages come
    /// from where pip is configured to find them. Gives its directory.
    pub(crate) fn find(&self, workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
        let dir = workspace.tools().join(self.name);
        let requirements = workspace.root().join(self.requirements);
        if self.is_installed(&dir, &requirements) {
            return Ok(dir);
        }
        check_python(self.step)?;
        fs::create_dir_all(workspace.tools())?;
        let lock = fs::File::create(workspace.tools().join("lock"))?;
        lock.lock().context("cannot lock .tools/lock")?;
        if !self.is_installed(&dir, &requirements) {
            self.install(&dir, &requirements, progress)?;
        }
        let missing = self.brings.iter().map(|file| dir.join(file)).find(|file| !file.is_file());
        if let Some(file) = missing {
            bail!("pip has installed {}, but {} is not there", self.name, file.display());
        }
        Ok(dir)
    }

    fn install(&self, dir: &Path, requirements: &Path, progress: &Progress) -> Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let mut venv = Command::new(PYTHON);
        venv.args(["-m", "venv"]).arg(dir);
        process::run(venv, |line| progress.line(line))
            .context("cannot make a Python environment (Debian has `venv` in the package python3-venv)")?;
        let mut pip = Command::new(python(dir));
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
            && self.brings.iter().all(|file| dir.join(file).is_file())
    }

    /// An environment is good for one place and one Python: its programs name the place, and its packages lie in a
    /// directory that is named after the Python.
    fn fingerprint(&self, dir: &Path, requirements: &Path) -> Result<String> {
        let python = fs::canonicalize(python(dir))?;
        let place = format!("{}\n{}\n{}\n", self.options.join(" "), dir.display(), python.display());
        Ok(place + &fs::read_to_string(requirements)?)
    }
}

/// The Python of an environment.
pub(crate) fn python(dir: &Path) -> PathBuf {
    dir.join("bin").join(PYTHON)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ENVIRONMENT: Environment = Environment {
        name: "program",
        requirements: "requirements.txt",
        options: &[],
        brings: &["bin/program"],
        step: "step",
    };

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
        let is_installed = |dir: &Path| ENVIRONMENT.is_installed(dir, &requirements);
        assert!(!is_installed(&dir));
        fs::write(stamp(&dir), ENVIRONMENT.fingerprint(&dir, &requirements).unwrap()).unwrap();
        assert!(is_installed(&dir));
        assert!(!Environment { options: &["--no-deps"], ..ENVIRONMENT }.is_installed(&dir, &requirements));
        assert!(!Environment { brings: &["bin/other"], ..ENVIRONMENT }.is_installed(&dir, &requirements));

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
