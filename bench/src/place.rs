//! Where things are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// How workerd serves the worker `main`, with its objects' storage on disk: the beginning of its configuration.
pub(crate) const CAPNP: &str = r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);"#;

/// The platform behaviour that every worker runs on; the same date as in `wrangler.toml`.
pub(crate) const COMPATIBILITY_DATE: &str = "2026-11-17";

/// This crate's directory.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where npm has put the packages of the checkout.
pub(crate) fn node_modules() -> PathBuf {
    here().join("../node_modules")
}

/// The native workerd that npm installed for this platform, not npm's script around it: a signal must reach the server itself.
pub(crate) fn workerd() -> Result<PathBuf> {
    let found = packages(&node_modules().join("@cloudflare"), "workerd-", "bin/workerd")?;
    found.context("npm has no workerd for this platform")
}

/// The Node that npm installed for this platform.
pub(crate) fn node() -> Result<PathBuf> {
    packages(&node_modules(), "node-", "bin/node")?
        .context("npm has no Node for this platform: set LONGHAUL_NODE")
}

/// A file of the first package whose name begins so, and that has it.
fn packages(scope: &Path, begin: &str, file: &str) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(scope)
        .with_context(|| format!("cannot list {}; `cargo xtask setup` installs it", scope.display()))?;
    let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(begin));
    Ok(named.map(|entry| entry.path().join(file)).find(|file| file.is_file()))
}
