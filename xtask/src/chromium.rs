//! The browser of the browser tests: Debian's Chromium, or the one that `CHROMIUM_BIN` names.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{
    process,
    report::Progress,
    workspace::{Workspace, is_on_path},
};

/// Names another browser.
pub(crate) const VARIABLE: &str = "CHROMIUM_BIN";
const DEBIANS: &str = "/usr/bin/chromium";

/// Finds the browser. Where it is missing and we may, it is installed; two runs at once wait for each other, and for
/// any other user of apt.
pub(crate) fn find(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    let chosen = env::var_os(VARIABLE).map(PathBuf::from);
    let browser = chosen.clone().unwrap_or_else(|| DEBIANS.into());
    if browser.is_file() {
        return Ok(browser);
    }
    if chosen.is_some() {
        bail!("{VARIABLE} is {}, which is not there", browser.display());
    }
    if !is_on_path("apt-get") || !rustix::process::geteuid().is_root() {
        bail!(
            "{DEBIANS} is missing: install it (on Debian: `sudo apt-get install chromium`), or set {VARIABLE} to a Chromium or Chrome"
        );
    }
    let _lock = longhaul_cli::setup::lock(workspace.packages())?;
    if !browser.is_file() {
        install(progress)?;
    }
    if !browser.is_file() {
        bail!("apt-get installed chromium, but {DEBIANS} is not there: set {VARIABLE} to where it is");
    }
    Ok(browser)
}

fn install(progress: &Progress) -> Result<()> {
    // A fresh machine has no package lists, and an old one lists what is there no more.
    process::run(apt_get(&["update"]), |line| progress.line(line))?;
    let install = apt_get(&["install", "--yes", "--no-install-recommends", "chromium"]);
    process::run(install, |line| progress.line(line))?;
    Ok(())
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=300"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    command
}
