//! The browser of the browser tests: Debian's Chromium, or the one that `CHROMIUM_BIN` names.

use std::{env, path::PathBuf};

use anyhow::{Result, bail};

use crate::{debian, report::Progress, workspace::Workspace};

/// Names another browser.
pub(crate) const VARIABLE: &str = "CHROMIUM_BIN";
const DEBIANS: &str = "/usr/bin/chromium";

/// Finds the browser. Where it is missing and we may, it is installed.
pub(crate) fn find(workspace: &Workspace, progress: &Progress) -> Result<PathBuf> {
    let chosen = env::var_os(VARIABLE).map(PathBuf::from);
    let browser = chosen.clone().unwrap_or_else(|| DEBIANS.into());
    if browser.is_file() {
        return Ok(browser);
    }
    if chosen.is_some() {
        bail!("{VARIABLE} is {}, which is not there", browser.display());
    }
    if !debian::may_install() {
        bail!(
            "{DEBIANS} is missing: install it (on Debian: `sudo apt-get install chromium`), or set {VARIABLE} to a Chromium or Chrome"
        );
    }
    debian::install(workspace, "chromium", || browser.is_file(), |line| progress.line(line))?;
    if !browser.is_file() {
        bail!("apt-get installed chromium, but {DEBIANS} is not there: set {VARIABLE} to where it is");
    }
    Ok(browser)
}
