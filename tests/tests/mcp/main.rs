//! The judges of our client of MCP servers: the official conformance suite, and a server that others wrote.
//!
//! `cargo xtask test` installs them and runs this; `cargo test` leaves it out.

#![allow(clippy::panic, reason = "a harness reports a broken expectation to its test by a panic")]

mod conformance;
mod everything;
mod user;

use std::env;
use std::path::PathBuf;

use tokio::process::Command;

/// The directory of the judges' packages.
const INSTALLED: &str = "LONGHAUL_MCP_JUDGES";

/// A package of the judges, by what stands below `node_modules`.
fn installed(path: &str) -> PathBuf {
    let dir = env::var_os(INSTALLED).unwrap_or_else(|| {
        panic!("{INSTALLED} does not say where the judges are: `cargo xtask test --only mcp` installs them and runs this")
    });
    PathBuf::from(dir).join("node_modules").join(path)
}

/// The Node that the judges need, which is newer than the machine's may be.
fn node() -> PathBuf {
    env::var_os("LONGHAUL_NODE").map_or_else(|| "node".into(), PathBuf::from)
}

/// A script of the judges.
fn script(path: &str) -> Command {
    let mut command = Command::new(node());
    command.arg(installed(path));
    command
}

/// A file of `tests/mcp`.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mcp").join(name)
}
