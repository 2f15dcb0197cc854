//! Brings a fresh machine to where everything can be built: run before every task, over in milliseconds when
//! nothing is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    fingerprint, pins, process,
    report::{self, Mark, Progress, Stopwatch},
    workspace::{Workspace, is_on_path, read},
};

/// Installs what is missing, one named step after the other. Two runs at once wait for each other.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let stopwatch = Stopwatch::start();
    fs::create_dir_all(workspace.tools())?;
    let lock = fs::File::create(workspace.tools().join("lock"))?;
    lock.lock().context("cannot lock .tools/lock")?;

    let toolchains = Toolchains::find(workspace)?;
    let mut fresh = true;
    for part in [Part::Compiler, Part::Nightly, Part::NodePackages, Part::WorkerBuild, Part::WasmBindgen] {
        if part.is_ready(workspace, &toolchains)? {
            continue;
        }
        fresh = false;
        let progress = Progress::start(part.name());
        match part.install(workspace, &toolchains, &progress) {
            Ok(note) => progress.finish(Mark::Ok, &note),
            Err(error) => {
                progress.finish(Mark::Failed, "");
                return Err(error);
            }
        };
    }
    let leftovers = workspace.tools().join("build");
    if leftovers.exists() {
        fs::remove_dir_all(leftovers)?;
    }
    if fresh {
        report::done(Mark::Ok, "set-up", "nothing is missing", stopwatch.elapsed());
    }
    Ok(())
}

/// Installs `cargo fuzz`, which only the long runs need, unless it is there.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Result<()> {
    tool(workspace, "cargo-fuzz", pins::CARGO_FUZZ_VERSION)
}

/// Installs `cargo deny`, which only an audit needs, unless it is there.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<()> {
    tool(workspace, "cargo-deny", pins::CARGO_DENY_VERSION)
}

/// A tool of one program, which has its package's name.
fn tool(workspace: &Workspace, name: &str, version: &str) -> Result<()> {
    let lock = fs::File::create(workspace.tools().join("lock"))?;
    lock.lock().context("cannot lock .tools/lock")?;
    if is_installed(workspace, name, version, &[name]) {
        return Ok(());
    }
    let progress = Progress::start(name);
    let installed = cargo_install(workspace, &format!("{name}@{version}"), &["--locked"], &progress);
    let (mark, note) = installed.as_ref().map_or((Mark::Failed, ""), |note| (Mark::Ok, note.as_str()));
    progress.finish(mark, note);
    installed.map(drop)
}

/// What has to be there, in the order of installation.
#[derive(Clone, Copy)]
enum Part {
    Compiler,
    Nightly,
    NodePackages,
    WorkerBuild,
    WasmBindgen,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Compiler => "rust wasm target",
            Self::Nightly => "rust nightly",
            Self::NodePackages => "npm packages",
            Self::WorkerBuild => "worker-build",
            Self::WasmBindgen => "wasm-bindgen",
        }
    }

    fn is_ready(self, workspace: &Workspace, toolchains: &Toolchains) -> Result<bool> {
        Ok(match self {
            Self::Compiler => has_target(&toolchains.pinned) && toolchains.pinned_has_components(),
            Self::Nightly => has_target(&toolchains.nightly) && has_sources(&toolchains.nightly),
            Self::NodePackages => {
                let installed = fs::read_to_string(npm_stamp(workspace)).unwrap_or_default();
                installed == npm_fingerprint(workspace)? && workspace.node().is_file()
            }
            Self::WorkerBuild => {
                let bins = ["worker-build"];
                is_installed(workspace, "worker-build", pins::WORKER_BUILD_VERSION, &bins)
            }
            Self::WasmBindgen => {
                let bins = ["wasm-bindgen", "wasm-bindgen-test-runner"];
                is_installed(workspace, "wasm-bindgen-cli", &workspace.locked_version("wasm-bindgen")?, &bins)
            }
        })
    }

    fn install(self, workspace: &Workspace, toolchains: &Toolchains, progress: &Progress) -> Result<String> {
        match self {
            Self::Compiler => {
                let channel = &toolchains.channel;
                rustup(&["target", "add", pins::WASM_TARGET, "--toolchain", channel], progress)?;
                rustup(&["component", "add", "clippy", "rustfmt", "--toolchain", channel], progress)?;
                Ok(format!("rustup added {} to {channel}", pins::WASM_TARGET))
            }
            Self::Nightly => install_nightly(&toolchains.nightly, progress),
            Self::NodePackages => install_node_packages(workspace, progress),
            Self::WorkerBuild => {
                let version = pins::WORKER_BUILD_VERSION;
                cargo_install(workspace, &format!("worker-build@{version}"), &["--locked"], progress)
            }
            Self::WasmBindgen => {
                // Not `--locked`: the lock file inside the package names a version that does not exist.
                let version = workspace.locked_version("wasm-bindgen")?;
                cargo_install(workspace, &format!("wasm-bindgen-cli@{version}"), &[], progress)
            }
        }
    }
}

/// The directories of the two compilers.
struct Toolchains {
    channel: String,
    pinned: PathBuf,
    nightly: PathBuf,
}

impl Toolchains {
    fn find(workspace: &Workspace) -> Result<Self> {
        if !is_on_path("rustup") {
            bail!("rustup is missing: install it from https://rustup.rs, then run this again");
        }
        let file: toml::Table = toml::from_str(&read(&workspace.root().join("rust-toolchain.toml"))?)?;
        let channel =
            file["toolchain"]["channel"].as_str().context("rust-toolchain.toml has no channel")?.to_owned();
        // Rustup tells its children where it is and what it chose, which saves asking it.
        let home = env::var_os("RUSTUP_HOME").map(PathBuf::from).unwrap_or_default();
        let chosen = env::var("RUSTUP_TOOLCHAIN").unwrap_or_default();
        let Some(host) = chosen.strip_prefix(&format!("{channel}-")).filter(|_| home.is_dir()) else {
            bail!(
                "cargo is not rustup's {channel}: unset RUSTUP_TOOLCHAIN, and put rustup's cargo first in PATH"
            );
        };
        let toolchains = home.join("toolchains");
        let pinned = toolchains.join(&chosen);
        let nightly = toolchains.join(format!("{}-{host}", pins::NIGHTLY));
        Ok(Self { channel, pinned, nightly })
    }

    fn pinned_has_components(&self) -> bool {
        ["cargo-clippy", "rustfmt"].iter().all(|program| self.pinned.join("bin").join(program).is_file())
    }
}

fn has_target(toolchain: &Path) -> bool {
    toolchain.join("lib/rustlib").join(pins::WASM_TARGET).join("lib").is_dir()
}

fn has_sources(toolchain: &Path) -> bool {
    toolchain.join("lib/rustlib/src/rust/library/std").is_dir()
}

/// An installed nightly is completed, never updated: it may be somebody's choice.
fn install_nightly(toolchain: &Path, progress: &Progress) -> Result<String> {
    let nightly = pins::NIGHTLY;
    if toolchain.is_dir() {
        rustup(&["component", "add", "rust-src", "--toolchain", nightly], progress)?;
        rustup(&["target", "add", pins::WASM_TARGET, "--toolchain", nightly], progress)?;
        return Ok(format!("rustup added rust-src and {} to {nightly}", pins::WASM_TARGET));
    }
    let install = ["toolchain", "install", nightly, "--profile", "minimal"];
    let with = ["--component", "rust-src", "--target", pins::WASM_TARGET, "--no-self-update"];
    rustup(&[&install[..], &with[..]].concat(), progress)?;
    Ok(format!("rustup installed {nightly} with rust-src"))
}

fn install_node_packages(workspace: &Workspace, progress: &Progress) -> Result<String> {
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

    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(workspace.root());
    npm.env("npm_config_update_notifier", "false");
    process::run(npm, |line| progress.line(line))?;
    if !workspace.node().is_file() {
        bail!(
            "npm left out the optional packages, which bring Node: run `npm config delete omit`, then this again"
        );
    }
    fs::write(npm_stamp(workspace), npm_fingerprint(workspace)?)?;
    Ok("npm ci".to_owned())
}

/// Inside what it describes, so that deleting `node_modules` deletes it too.
fn npm_stamp(workspace: &Workspace) -> PathBuf {
    workspace.node_modules().join(".fingerprint")
}

fn npm_fingerprint(workspace: &Workspace) -> Result<String> {
    fingerprint::of(workspace.root(), &["package.json", "package-lock.json"])
}

fn is_installed(workspace: &Workspace, package: &str, version: &str, bins: &[&str]) -> bool {
    let receipts = fs::read_to_string(workspace.tools().join(".crates.toml")).unwrap_or_default();
    receipts.contains(&format!("\"{package} {version} ("))
        && bins.iter().all(|bin| workspace.tool(bin).is_file())
}

/// The debug profile: three times faster to build, and fast enough to use.
fn cargo_install(
    workspace: &Workspace,
    package: &str,
    options: &[&str],
    progress: &Progress,
) -> Result<String> {
    let mut cargo = workspace.cargo(&["install", package, "--debug"]);
    cargo.args(options).arg("--root").arg(workspace.tools());
    cargo.env("CARGO_TARGET_DIR", workspace.tools().join("build"));
    process::run(cargo, |line| progress.line(line))?;
    Ok(format!("cargo install {package}"))
}

fn rustup(args: &[&str], progress: &Progress) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(args);
    process::run(rustup, |line| progress.line(line))?;
    Ok(())
}
