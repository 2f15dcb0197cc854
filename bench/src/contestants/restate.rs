//! Restate: its server, and a service of Node with a virtual object: `peers/restate`.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Mutex, time::Duration};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use reqwest::Client;
use serde_json::json;
use tokio::{process::Command, time::Instant};

use super::{
    Contestant, Installed, Place, Setting, Started, Stored, Watch, bytes_of, default_event,
    programs::{self, Patience},
};
use crate::model::Work;

#[derive(Default)]
pub(crate) struct Restate {
    /// Where runs are watched: the service's own front, by the address of the ingress.
    fronts: Mutex<BTreeMap<String, String>>,
}

/// Its ports beside the ingress.
struct Ports {
    admin: u16,
    node: u16,
    service: u16,
}

impl Contestant for Restate {
    fn name(&self) -> &'static str {
        "restate"
    }

    fn about(&self) -> &'static str {
        "Restate: its server with one node, defaults (its log is synced to disk); a virtual object of the SDK for Node, each model call and tool call a ctx.run"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            programs::install(place, "restate").await?;
            server(place)?;
            let packages = ["@restatedev/restate-server", "@restatedev/restate-sdk"];
            let versions: Result<Vec<_>> =
                packages.iter().map(|package| programs::version(place, package)).collect();
            Ok(Installed { version: versions?.join(", "), upload: Vec::new() })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        Box::pin(async move {
            let [admin, node, service, front] = programs::ports(&setting.state)?;
            let ports = Ports { admin, node, service };
            let spawned_at = Instant::now();
            let at_front = Setting { port: front, ..setting.clone() };
            let processes = vec![
                setting.spawn(server_of(setting, &ports)?)?,
                at_front.spawn(service_of(setting, &ports))?,
            ];
            let started = at_front.listening(processes, spawned_at, "/").await?;
            let mut started = setting.listening(started.processes, spawned_at, "/restate/health").await?;
            self.fronts
                .lock()
                .expect("nobody panics")
                .insert(started.base.clone(), format!("http://127.0.0.1:{front}"));
            if register(setting, &ports).await? {
                started.listening_at = Instant::now();
            }
            Ok(started)
        })
    }

    /// The ingress answers when the invocation is in its log.
    fn post<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let body = json!({"tools": work.tools, "messages": work.history, "task": work.task()});
            let request = at.http.post(format!("{}/agent/{}/run/send", at.base, work.id)).json(&body);
            request.header("idempotency-key", &work.id).send().await?.error_for_status()?;
            Ok(())
        })
    }

    fn watch<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<Watch>> {
        Box::pin(async move {
            let front = self.fronts.lock().expect("nobody panics").get(&at.base).cloned();
            let front = front.context("this server was not started here")?;
            crate::sse::watch(at.http.clone(), format!("{front}/runs/{}/events", work.id), default_event)
                .await
        })
    }

    /// It keeps keys in RocksDB, and no rows.
    fn stored<'a>(&'a self, setting: &'a Setting, _: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        Box::pin(async move {
            let bytes = bytes_of(&setting.state.join("restate"))?;
            Ok(Some(Stored { bytes, ..Stored::default() }))
        })
    }
}

/// The native server that npm has installed for this platform; not npm's script around it, which a kill would end alone.
fn server(place: &Place) -> Result<PathBuf> {
    let scope = place.installed.join("node_modules/@restatedev");
    let packages = fs::read_dir(&scope).with_context(|| format!("cannot list {}", scope.display()))?;
    let binaries = packages.filter_map(|entry| Some(entry.ok()?.path().join("bin/restate-server")));
    binaries.into_iter().find(|binary| binary.is_file()).context(
        "npm has no Restate server for this platform: there are builds for Linux and macOS, x86_64 and arm64",
    )
}

fn server_of(setting: &Setting, ports: &Ports) -> Result<Command> {
    let mut command = Command::new(server(&setting.place)?);
    command.arg("--no-logo").current_dir(&setting.state);
    // All else has its default.
    command.env("RESTATE_BASE_DIR", setting.state.join("restate")).env("RESTATE_NODE_NAME", "bench");
    command.env("RESTATE_BIND_IP", "127.0.0.1").env("RESTATE_LISTEN_MODE", "tcp");
    command.env("RESTATE_DISABLE_TELEMETRY", "true");
    command.env("RESTATE_BIND_PORT", ports.node.to_string());
    command.env("RESTATE_ADMIN__BIND_PORT", ports.admin.to_string());
    command.env("RESTATE_INGRESS__BIND_PORT", setting.port.to_string());
    Ok(command)
}

fn service_of(setting: &Setting, ports: &Ports) -> Command {
    let mut command = programs::agent(setting, "restate");
    command.env("INGRESS_URL", format!("http://127.0.0.1:{}", setting.port));
    command.env("SERVICE_PORT", ports.service.to_string());
    command
}

/// Tells the server of the service, once: it keeps that. Returns whether it was told now.
async fn register(setting: &Setting, ports: &Ports) -> Result<bool> {
    let stamp = setting.state.join("registered");
    if stamp.exists() {
        return Ok(false);
    }
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let url = format!("http://127.0.0.1:{}/deployments", ports.admin);
    let body = json!({"uri": format!("http://127.0.0.1:{}", ports.service)});
    let patience = Patience::new();
    while !http.post(&url).json(&body).send().await.is_ok_and(|answer| answer.status().is_success()) {
        patience.wait("Restate does not take its service").await?;
    }
    fs::write(stamp, "")?;
    Ok(true)
}
