//! Where things are.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use longhaul_cli::{Project, Tools, project::CONFIG};

pub(crate) use longhaul_cli::{text::read, tools::is_on_path};

/// The checkout, and the tools inside it.
pub(crate) struct Workspace {
    root: PathBuf,
    packages: Tools,
}

impl Workspace {
    /// The checkout that this program was built from. Fails on a platform that workerd has no build for.
    pub(crate) fn open() -> Result<Self> {
        let manifest_dir =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root =
            PathBuf::from(manifest_dir).parent().context("xtask has no parent directory")?.to_path_buf();
        let packages = Tools::of_checkout(&root)?;
        Ok(Self { root, packages })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The npm packages of the checkout.
    pub(crate) fn packages(&self) -> &Tools {
        &self.packages
    }

    /// The worker, or the example of that name. Fails when there is no such example.
    pub(crate) fn project(&self, example: Option<&str>) -> Result<Project> {
        let Some(name) = example else {
            return Project::open(&self.root.join("crates/worker"), &self.root.join(CONFIG));
        };
        let examples = self.examples()?;
        if !examples.iter().any(|example| example == name) {
            bail!("there is no example {name}: choose one of {}", examples.join(", "));
        }
        let dir = self.root.join("examples").join(name);
        Project::open(&dir, &dir.join(CONFIG))
    }

    /// The names of the examples, sorted.
    pub(crate) fn examples(&self) -> Result<Vec<String>> {
        longhaul_tidy::crates_in(&self.root.join("examples"))
    }

    /// Rust tools that are built for this checkout.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    /// The Node that the npm packages bring along; wrangler needs a newer one than the machine may have.
    pub(crate) fn node(&self) -> PathBuf {
        self.packages.node()
    }

    /// The native workerd, not npm's script around it: a signal must reach the server itself.
    pub(crate) fn workerd(&self) -> PathBuf {
        self.packages.workerd()
    }

    /// A program of this repository that cargo has built for this machine.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.target().join("debug").join(name)
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.root.join("target"), PathBuf::from)
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
        self.packages.wrangler()
    }

    /// The search path with the npm packages' programs first, their Node among them.
    pub(crate) fn path_with_node(&self) -> Result<OsString> {
        self.packages.path()
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
