//! What contestants on the platform have in common: real workerd, the storage of their objects on disk.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::process::Command;

use super::{Setting, Started, Stored};
use crate::place::{CAPNP, COMPATIBILITY_DATE};

/// A worker with one class of objects, `Session`.
pub(super) struct Worker {
    /// `index.js`, and for longhaul its wasm: name in the worker, and where it is.
    pub(super) modules: Vec<(&'static str, PathBuf)>,
    /// Variables beside `MODEL_URL`.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Whether the objects are told of Node's modules.
    pub(super) node: bool,
}

impl Worker {
    /// Starts it; returns when workerd listens. No object was touched then.
    pub(super) async fn start(&self, setting: &Setting) -> Result<Started> {
        let storage = setting.state.join("storage");
        fs::create_dir_all(&storage)?;
        for (name, from) in &self.modules {
            fs::copy(from, setting.state.join(name))
                .with_context(|| format!("cannot copy {}: was it built?", from.display()))?;
        }
        fs::copy(setting.place.bench.join("peers/count.js"), setting.state.join("count.js"))?;
        fs::write(setting.state.join("config.capnp"), self.config(setting))?;
        let mut command = Command::new(&setting.place.workerd);
        let address = format!("--socket-addr=http=127.0.0.1:{}", setting.port);
        command.args(["serve", "config.capnp", &address]);
        command.current_dir(&setting.state).env("PWD", &setting.state);
        setting.start_port(command).await
    }

    fn config(&self, setting: &Setting) -> String {
        let mut modules: Vec<String> = self.modules.iter().map(|(name, _)| module(name)).collect();
        let mut objects = vec![("SESSIONS", "Session", "session")];
        if setting.counting {
            // The first module is the one whose events count.
            modules.insert(0, module("count.js"));
            objects.push(("PROBE", "Probe", "probe"));
        }
        let variables = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        let texts = variables.chain([("MODEL_URL", setting.model_url.as_str())]);
        let texts = texts.map(|(name, value)| format!("(name = {name:?}, text = {value:?})"));
        let bound = |(name, class, _): &(&str, &str, &str)| {
            format!("(name = {name:?}, durableObjectNamespace = {class:?})")
        };
        let bindings: Vec<String> = texts.chain(objects.iter().map(bound)).collect();
        let named = |(_, class, key): &(&str, &str, &str)| {
            format!("(className = {class:?}, uniqueKey = {key:?}, enableSql = true)")
        };
        let namespaces: Vec<String> = objects.iter().map(named).collect();
        let flags = if self.node { r#"compatibilityFlags = ["nodejs_compat"],"# } else { "" };
        format!(
            r#"{CAPNP}

const main :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  {flags}
  bindings = [{bindings}],
  durableObjectNamespaces = [{namespaces}],
  durableObjectStorage = (localDisk = "storage"),
);
"#,
            modules = modules.join(", "),
            bindings = bindings.join(", "),
            namespaces = namespaces.join(", "),
        )
    }
}

fn module(name: &str) -> String {
    let kind = if name.ends_with(".wasm") { "wasm" } else { "esModule" };
    format!("(name = {name:?}, {kind} = embed {name:?})")
}

/// The bytes of the objects' databases, the rows in them, and what was counted.
pub(super) fn stored<'a>(setting: &'a Setting, at: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
    Box::pin(async move {
        let mut stored =
            Stored { bytes: super::bytes_of(&setting.state.join("storage/session"))?, ..Stored::default() };
        if setting.counting {
            let request = at.http.get(format!("{}/bench/counts", at.base));
            let counts: Value = request.send().await?.error_for_status()?.json().await?;
            stored.alarms = counts["alarms"].as_u64();
            (stored.rows_written, stored.rows_read) =
                (counts["rowsWritten"].as_u64(), counts["rowsRead"].as_u64());
        }
        Ok(Some(stored))
    })
}
