//! Brings a fresh machine to where everything can be checked: run before every check, over in milliseconds when
//! nothing is missing. What a build alone needs is `longhaul`'s.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, bail};

use longhaul_cli::{pins::WASM_TARGET, setup::rustup};

use crate::{
    pins, process,
    report::Progress,
    workspace::{Workspace, read},
};

/// Runs tests that were built as wasm.
pub(crate) const WASM_TEST_RUNNER: &str = "wasm-bindgen-test-runner";

/// Installs what every build needs, and the compiler's parts that only checks need.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    longhaul_cli::setup::run(workspace.packages())?;
    let pinned = Pinned::find(workspace)?;
    if !pinned.is_complete() {
        let _lock = longhaul_cli::setup::lock(workspace.packages())?;
        longhaul_cli::setup::step("rust wasm target", |progress| pinned.complete(progress))?;
    }
    Ok(())
}

/// Installs wasm-bindgen's test runner, which only the tests under Node need, unless it is there.
pub(crate) fn wasm_test_runner(workspace: &Workspace) -> Result<()> {
    // Not `--locked`: the lock file inside the package names a version that does not exist.
    let version = workspace.locked_version("wasm-bindgen")?;
    tool(workspace, "wasm-bindgen-cli", &version, WASM_TEST_RUNNER, &[])
}

/// Installs `cargo fuzz`, which only the long runs need, unless it is there.
pub(crate) fn cargo_fuzz(workspace: &Workspace) -> Result<()> {
    tool(workspace, "cargo-fuzz", pins::CARGO_FUZZ_VERSION, "cargo-fuzz", &["--locked"])
}

/// Installs `cargo deny`, which only an audit needs, unless it is there.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<()> {
    tool(workspace, "cargo-deny", pins::CARGO_DENY_VERSION, "cargo-deny", &["--locked"])
}

/// A package of tools, and the program of it that is needed.
fn tool(workspace: &Workspace, package: &str, version: &str, program: &str, options: &[&str]) -> Result<()> {
    let _lock = longhaul_cli::setup::lock(workspace.packages())?;
    let receipts = fs::read_to_string(workspace.tools().join(".crates.toml")).unwrap_or_default();
    if receipts.contains(&format!("\"{package} {version} (")) && workspace.tool(program).is_file() {
        return Ok(());
    }
    longhaul_cli::setup::step(package, |progress| {
        cargo_install(workspace, &format!("{package}@{version}"), options, progress)
    })?;
    let leftovers = workspace.tools().join("build");
    if leftovers.exists() {
        fs::remove_dir_all(leftovers)?;
    }
    Ok(())
}

/// The compiler of every native build and of every check.
struct Pinned {
    channel: String,
    dir: PathBuf,
}

impl Pinned {
    fn find(workspace: &Workspace) -> Result<Self> {
        let file: toml::Table = toml::from_str(&read(&workspace.root().join("rust-toolchain.toml"))?)?;
        let channel =
            file["toolchain"]["channel"].as_str().context("rust-toolchain.toml has no channel")?.to_owned();
        // Rustup tells its children where it is and what it chose, which saves asking it.
        let home = env::var_os("RUSTUP_HOME").map(PathBuf::from).unwrap_or_default();
        let chosen = env::var("RUSTUP_TOOLCHAIN").unwrap_or_default();
        if !chosen.starts_with(&format!("{channel}-")) || !home.is_dir() {
            bail!(
                "cargo is not rustup's {channel}: unset RUSTUP_TOOLCHAIN, and put rustup's cargo first in PATH"
            );
        }
        Ok(Self { channel, dir: home.join("toolchains").join(chosen) })
    }

    fn is_complete(&self) -> bool {
        let has_target = self.dir.join("lib/rustlib").join(WASM_TARGET).join("lib").is_dir();
        has_target
            && ["cargo-clippy", "rustfmt"].iter().all(|program| self.dir.join("bin").join(program).is_file())
    }

    fn complete(&self, progress: &Progress) -> Result<String> {
        rustup(&["target", "add", WASM_TARGET, "--toolchain", &self.channel], progress)?;
        rustup(&["component", "add", "clippy", "rustfmt", "--toolchain", &self.channel], progress)?;
        Ok(format!("rustup added {WASM_TARGET} to {}", self.channel))
    }
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
