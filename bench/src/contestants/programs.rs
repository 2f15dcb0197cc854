//! What contestants with more than one process need: ports of their own, and programs beside what npm installed.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use super::{Place, Setting, copy_js, npm_ci};

/// Ports beside the contestant's own: free at the first start, and the same after a restart.
pub(super) fn ports<const N: usize>(state: &Path) -> Result<[u16; N]> {
    let file = state.join("ports.json");
    if let Ok(text) = fs::read(&file) {
        let ports: Vec<u16> = serde_json::from_slice(&text)?;
        return ports.try_into().ok().with_context(|| format!("{} has other ports", file.display()));
    }
    // All are held until the last is known, so that no two are the same.
    let mut held = Vec::new();
    for _ in 0..N {
        held.push(TcpListener::bind("127.0.0.1:0")?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    fs::write(&file, serde_json::to_vec(ports.as_slice())?)?;
    Ok(ports)
}

/// Installs the packages of `peers/FOLDER` and copies its programs beside them.
pub(super) async fn install(place: &Place, folder: &str) -> Result<()> {
    npm_ci(place, folder).await?;
    let peers = place.bench.join("peers");
    copy_js(&peers.join(folder), &place.installed.join(folder))?;
    for name in ["front.js", "model.js"] {
        fs::copy(peers.join(name), place.installed.join(name))?;
    }
    Ok(())
}

/// The version of a package that npm has installed, such as `PACKAGE 1.2.3`.
pub(super) fn version(place: &Place, package: &str) -> Result<String> {
    let path = place.installed.join("node_modules").join(package).join("package.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: serde_json::Value = serde_json::from_slice(&text)?;
    let version = manifest["version"].as_str().with_context(|| format!("{package} has no version"))?;
    Ok(format!("{package} {version}"))
}

/// Node with `FOLDER/agent.js`.
pub(super) fn agent(setting: &Setting, folder: &str) -> Command {
    let mut command = Command::new(&setting.place.node);
    command.arg(setting.place.installed.join(folder).join("agent.js"));
    command.env("NODE_ENV", "production").current_dir(&setting.state);
    command
}

/// Tries again and again, for half a minute.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    /// Waits a moment; `what` is said when there is no patience left.
    pub(super) async fn wait(&self, what: &str) -> Result<()> {
        if self.0.elapsed() > Duration::from_secs(30) {
            bail!("{what} after 30 s");
        }
        sleep(Duration::from_millis(5)).await;
        Ok(())
    }
}

/// Where a program of this name is on the `PATH` of contestants.
pub(super) fn on_path(place: &Place, name: &str) -> Option<PathBuf> {
    std::env::split_paths(&place.path).map(|folder| folder.join(name)).find(|path| path.is_file())
}
