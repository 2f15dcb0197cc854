//! Brings a fresh machine to where a project can be built: run before every task, over in milliseconds when nothing is
//! missing.

use std::{
    env::{self, consts},
    fs,
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    pins, process,
    report::{self, Mark, Progress, Stopwatch},
    tools::{Tools, is_on_path},
};

/// Installs what is missing, one named step after the other. Two runs at once wait for each other.
pub fn run(tools: &Tools) -> Result<()> {
    let stopwatch = Stopwatch::start();
    let _lock = lock(tools)?;
    if !is_on_path("rustup") {
        bail!("rustup is missing: install it from https://rustup.rs, then run this again");
    }
    let nightly = nightly()?;
    let is_complete = |dir: &PathBuf| dir.join("lib/rustlib/src/rust/library/std").is_dir();
    let has_nightly = nightly.as_ref().is_some_and(is_complete);
    if !has_nightly {
        step("rust nightly", |progress| install_nightly(nightly.is_some(), progress))?;
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

/// The folder of the nightly compiler of this machine, if it is there.
fn nightly() -> Result<Option<PathBuf>> {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".rustup")));
    let toolchains = home.context("HOME is not set: set it, or RUSTUP_HOME")?.join("toolchains");
    if !toolchains.is_dir() {
        return Ok(None);
    }
    let prefix = format!("{}-{}-", pins::NIGHTLY, consts::ARCH);
    for entry in fs::read_dir(&toolchains).with_context(|| format!("cannot list {}", toolchains.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// An installed nightly is completed, never updated: it may be somebody's choice.
fn install_nightly(is_there: bool, progress: &Progress) -> Result<String> {
    let nightly = pins::NIGHTLY;
    if is_there {
        rustup(&["component", "add", "rust-src", "--toolchain", nightly], progress)?;
        return Ok(format!("rustup added rust-src to {nightly}: a panic needs a std that is rebuilt"));
    }
    let install = ["toolchain", "install", nightly, "--profile", "minimal"];
    rustup(&[&install[..], &["--component", "rust-src", "--no-self-update"]].concat(), progress)?;
    Ok(format!("rustup installed {nightly} with rust-src: a panic needs a std that is rebuilt"))
}

/// A command of rustup.
pub fn rustup(args: &[&str], progress: &Progress) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(args);
    process::run(rustup, |line| progress.line(line))?;
    Ok(())
}
