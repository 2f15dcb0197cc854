//! Brings a fresh machine to where a project can be built: run before every task, over in milliseconds when nothing is
//! missing.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    nightly, process,
    report::{self, Mark, Progress, Stopwatch},
    tools::{Tools, check_node, is_on_path},
};

/// Installs what is missing, one named step after the other. Two runs at once wait for each other.
pub fn run(tools: &Tools) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let _lock = lock(tools)?;
    if !is_on_path("rustup") {
        bail!("rustup is missing: install it from https://rustup.rs, then run this again");
    }
    let has_nightly = nightly::is_ready()?;
    if !has_nightly {
        step("rust nightly", nightly::install)?;
    }
    let has_packages = tools.are_ready()?;
    if !has_packages {
        step("npm packages", |progress| tools.install(progress))?;
    }
    if has_nightly && has_packages {
        report::done(Mark::Ok, "set-up", "nothing is missing", stopwatch.elapsed());
    }
    Ok(())
}

/// Something that this machine lacks.
#[derive(Debug)]
pub struct Missing {
    /// What it is, and who installs it.
    pub text: String,
    /// Whether `dev` and `build` install it.
    pub is_installed: bool,
}

/// What a build would need that is not there.
pub fn missing(tools: &Tools) -> Result<Vec<Missing>> {
    let mut missing = Vec::new();
    if !is_on_path("rustup") {
        let text = "rustup is missing: install it from https://rustup.rs".to_owned();
        missing.push(Missing { text, is_installed: false });
    }
    if !nightly::is_ready()? {
        let text = format!("{} with rust-src is missing: `longhaul dev` installs it", nightly::name()?);
        missing.push(Missing { text, is_installed: true });
    }
    if !tools.are_ready().unwrap_or(false) {
        let text = format!(
            "wrangler and its Node are not in {}: `longhaul dev` installs them",
            tools.dir().display()
        );
        missing.push(Missing { text, is_installed: true });
        // Only npm needs the machine's own Node.
        if let Err(error) = check_node() {
            missing.push(Missing { text: error.to_string(), is_installed: false });
        }
    }
    Ok(missing)
}

/// Held while something is installed; it is given back when it is dropped.
pub fn lock(tools: &Tools) -> Result<fs::File> {
    let dir = tools.dir().join(".tools");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join("lock");
    let lock = fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    lock.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(lock)
}

/// One part of a set-up, which says what it has done in a few words.
pub fn step(name: &str, install: impl FnOnce(&Progress) -> Result<String>) -> Result<()> {
    let progress = Progress::start(name);
    match install(&progress) {
        Ok(note) => progress.finish(Mark::Ok, &note),
        Err(error) => {
            progress.finish(Mark::Failed, "");
            return Err(error);
        }
    };
    Ok(())
}

/// A command of rustup.
pub fn rustup(args: &[&str], progress: &Progress) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(args);
    process::run(rustup, |line| progress.line(line))?;
    Ok(())
}
