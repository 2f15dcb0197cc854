//! The compiler that rebuilds std: the nightly of one date, so that every machine builds the same.

use std::{
    env::{self, consts},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{pins::NIGHTLY_DATE, report::Progress, setup::rustup};

/// Where a toolchain says of which date it is, and in which of its first lines.
const MANIFEST: &str = "lib/rustlib/multirust-channel-manifest.toml";
const MANIFEST_LINES: usize = 8;

/// What rustup calls the toolchain: a machine that has the same under the name `nightly` needs no second one.
///
/// # Errors
/// Where rustup's folder cannot be read.
pub fn name() -> Result<String> {
    Ok(find()?.unwrap_or_else(dated))
}

/// Whether it is there with the sources of std.
pub(crate) fn is_ready() -> Result<bool> {
    let toolchains = toolchains()?;
    let has_std = |name: String| folder(&toolchains, &name).join("lib/rustlib/src/rust/library/std").is_dir();
    Ok(find()?.is_some_and(has_std))
}

/// Installs what is missing. What is there is never updated: it may be somebody's choice.
pub(crate) fn install(progress: &Progress) -> Result<String> {
    const WHY: &str = "a panic needs a std that is rebuilt";
    if let Some(name) = find()? {
        rustup(&["component", "add", "rust-src", "--toolchain", &name], progress)?;
        return Ok(format!("rustup added rust-src to {name}: {WHY}"));
    }
    let name = dated();
    let install = ["toolchain", "install", &name, "--profile", "minimal"];
    rustup(&[&install[..], &["--component", "rust-src", "--no-self-update"]].concat(), progress)?;
    Ok(format!("rustup installed {name} with rust-src: {WHY}"))
}

fn dated() -> String {
    format!("nightly-{NIGHTLY_DATE}")
}

fn find() -> Result<Option<String>> {
    find_in(&toolchains()?)
}

fn find_in(toolchains: &Path) -> Result<Option<String>> {
    if folder(toolchains, &dated()).is_dir() {
        return Ok(Some(dated()));
    }
    let undated = "nightly".to_owned();
    let manifest = folder(toolchains, &undated).join(MANIFEST);
    if !manifest.is_file() {
        return Ok(None);
    }
    let file = fs::File::open(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let date = format!("date = \"{NIGHTLY_DATE}\"");
    for line in BufReader::new(file).lines().take(MANIFEST_LINES) {
        if line? == date {
            return Ok(Some(undated));
        }
    }
    Ok(None)
}

/// The folder of a toolchain, which is named after this machine too.
fn folder(toolchains: &Path, name: &str) -> PathBuf {
    let system = if consts::OS == "macos" { "apple-darwin" } else { "unknown-linux-gnu" };
    toolchains.join(format!("{name}-{}-{system}", consts::ARCH))
}

fn toolchains() -> Result<PathBuf> {
    let home = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".rustup")));
    Ok(home.context("HOME is not set: set it, or RUSTUP_HOME")?.join("toolchains"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nightly_of_the_date_is_taken() {
        let toolchains = tempfile::tempdir().unwrap();
        let found = || find_in(toolchains.path()).unwrap();
        assert_eq!(found(), None);
        let manifest = folder(toolchains.path(), "nightly").join(MANIFEST);
        fs::create_dir_all(manifest.parent().unwrap()).unwrap();
        fs::write(&manifest, "manifest-version = \"2\"\ndate = \"2020-01-01\"\n").unwrap();
        assert_eq!(found(), None, "another date");
        fs::write(&manifest, format!("manifest-version = \"2\"\ndate = \"{NIGHTLY_DATE}\"\n")).unwrap();
        assert_eq!(found().as_deref(), Some("nightly"));
        fs::create_dir_all(folder(toolchains.path(), &dated())).unwrap();
        assert_eq!(found(), Some(dated()));
    }
}
