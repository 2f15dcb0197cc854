//! One side of a comparison in real workerd, with its objects' storage on disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::Instant,
};

use crate::in_process::ModelServer;

/// The platform behaviour that both sides run on; the same date as in `wrangler.toml`.
const COMPATIBILITY_DATE: &str = "2026-11-17";
const TASK: &str = "Write a haiku about tides.";

/// What is measured.
#[derive(Clone)]
pub(crate) enum Side {
    /// The modules `index.js` and `index_bg.wasm` of a directory.
    Longhaul(PathBuf),
    /// `peer/object.js`.
    Peer,
}

/// A running side. Dropping it kills the process and removes the storage.
pub(crate) struct Server {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
    http: Client,
}

/// A start of the process.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    /// Right before the process was spawned.
    pub(crate) spawned_at: Instant,
    /// When it said that it listens.
    pub(crate) listening_at: Instant,
}

/// A run that was accepted.
pub(crate) struct Post {
    pub(crate) session: String,
    pub(crate) run: u64,
}

impl Server {
    /// Starts a side on a free port, with `model` as its OpenAI-compatible server.
    pub(crate) async fn start(side: &Side, model: &ModelServer) -> Result<Self> {
        let dir = TempDir::with_prefix("longhaul-bench-")?;
        let modules: &[(&str, PathBuf)] = match side {
            Side::Longhaul(build) => &["index.js", "index_bg.wasm"].map(|name| (name, build.join(name))),
            Side::Peer => &[("index.js", here().join("peer/object.js"))],
        };
        for (name, from) in modules {
            let hint = || format!("cannot copy {}; `cargo xtask build` makes the worker", from.display());
            fs::copy(from, dir.path().join(name)).with_context(hint)?;
        }
        fs::create_dir(dir.path().join("storage"))?;
        fs::write(dir.path().join("config.capnp"), capnp(side, model.base_url()))?;
        // The far side of a kept connection is killed in some benches: there every request makes its own.
        let mut server = Self { dir, port: 0, child: None, http: Client::new() };
        server.spawn().await?;
        Ok(server)
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill().await?;
        self.http = Client::new();
        Ok(())
    }

    /// Starts again on the same storage and port; returns when it listens. Nobody has asked it anything then.
    pub(crate) async fn restart(&mut self) -> Result<Start> {
        self.spawn().await
    }

    /// Posts a task to a new session.
    pub(crate) async fn post(&self) -> Result<Post> {
        self.accepted("/v1/sessions").await
    }

    /// Posts a further task to a session.
    pub(crate) async fn post_to(&self, session: &str) -> Result<Post> {
        self.accepted(&format!("/v1/sessions/{session}/runs")).await
    }

    /// Waits for the run's end.
    pub(crate) async fn ended(&self, post: &Post) -> Result<()> {
        let run = self.show(post, "?wait=60").await?;
        if run["status"] != "succeeded" {
            bail!("a run did not succeed: {run}");
        }
        Ok(())
    }

    /// Asks for a run; `query` begins with `?` or is empty.
    pub(crate) async fn show(&self, post: &Post, query: &str) -> Result<Value> {
        let url = self.url(&format!("/v1/sessions/{}/runs/{}{query}", post.session, post.run));
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    async fn accepted(&self, path: &str) -> Result<Post> {
        let request = self.http.post(self.url(path)).json(&json!({ "task": TASK }));
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let session = answer["session"].as_str().context("an answer without a session")?.to_owned();
        Ok(Post { session, run: answer["run"].as_u64().context("an answer without a run")? })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn spawn(&mut self) -> Result<Start> {
        let mut command = Command::new(workerd()?);
        let address = format!("--socket-addr=http=127.0.0.1:{}", self.port);
        command.args(["serve", "config.capnp", "--control-fd=1", &address]).current_dir(self.dir.path());
        command.env("PWD", self.dir.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let spawned_at = Instant::now();
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(port) = listening(&line) {
                    return Ok(port);
                }
            }
            bail!("workerd ended before it listened")
        };
        self.port = tokio::time::timeout(Duration::from_secs(30), listening).await??;
        self.child = Some(child);
        // Whatever else it says on stdout must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Start { spawned_at, listening_at: Instant::now() })
    }
}

/// This crate's directory.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn capnp(side: &Side, base_url: &str) -> String {
    let wasm = match side {
        Side::Longhaul(_) => "\n    (name = \"index_bg.wasm\", wasm = embed \"index_bg.wasm\"),",
        Side::Peer => "",
    };
    let model = match side {
        Side::Longhaul(_) => "openai:tiny",
        Side::Peer => "tiny",
    };
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),{wasm}
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
    (name = "SESSIONS", durableObjectNamespace = "Session"),
    (name = "AUTH", text = "off"),
    (name = "MODEL", text = "{model}"),
    (name = "OPENAI_BASE_URL", text = "{base_url}"),
  ],
  durableObjectNamespaces = [(className = "Session", uniqueKey = "session", enableSql = true)],
  durableObjectStorage = (localDisk = "storage"),
);
"#
    )
}

/// The native workerd that npm installed for this platform.
pub(crate) fn workerd() -> Result<PathBuf> {
    let scope = here().join("../node_modules/@cloudflare");
    let packages = fs::read_dir(&scope)
        .with_context(|| format!("cannot list {}; `cargo xtask build` installs it", scope.display()))?;
    let binaries = packages.filter_map(|entry| {
        let path = entry.ok()?.path();
        path.file_name()?.to_str()?.starts_with("workerd-").then(|| path.join("bin/workerd"))
    });
    binaries.into_iter().find(|binary| binary.exists()).context("npm has no workerd for this platform")
}

/// The port in a line of workerd's control channel, if the line is about it.
fn listening(line: &str) -> Option<u16> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "listen").then(|| u16::try_from(event["port"].as_u64()?).ok())?
}
