//! Who is measured. Each does the same work, as its own documentation says to: a run of six model calls, with or without
//! five calls of the tool `lookup`, its messages and each step durably on disk.
//!
//! # What a contestant does for a run
//!
//! `POST /runs/{id}` has `{"tools":bool,"messages":N,"task":"…"}`. The conversation is a system message, N short
//! messages (a user's and an assistant's in turns) and the task as the user's, word by word: the model server reads its mark
//! and answers what it says. Each call streams `POST {MODEL_URL}/v1/chat/completions` (`"stream": true`, the tool
//! `lookup` declared where `tools` is true). Where an answer calls the tool, its result is `"the value of k1 is 42"` and
//! so on for each key; where it does not and has no line `DONE`, the next user message is `Continue.`; a line `DONE`
//! at the end ends the run. A request that was repeated after a death is answered again.

pub(crate) mod agents;
pub(crate) mod article;
pub(crate) mod dbos;
pub(crate) mod langgraph;
pub(crate) mod longhaul;
pub(crate) mod object;
mod programs;
pub(crate) mod restate;
mod workerd;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{future::BoxFuture, stream::BoxStream};
use reqwest::Client;
use serde_json::json;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::model::Work;

/// Where a contestant lives.
#[derive(Clone)]
pub(crate) struct Place {
    /// This repository's `bench`.
    pub(crate) bench: PathBuf,
    /// `target/bench-peers/NAME`: what is installed, and stays.
    pub(crate) installed: PathBuf,
    /// Node 22.
    #[allow(dead_code, reason = "for a contestant that is a program of Node's")]
    pub(crate) node: PathBuf,
    /// `PATH` with that Node and its npm first.
    pub(crate) path: std::ffi::OsString,
    /// The bundler.
    pub(crate) esbuild: PathBuf,
    /// The native workerd.
    pub(crate) workerd: PathBuf,
}

/// What a start is given.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) place: Place,
    /// Its durable state; empty at the first start, and kept over a restart.
    pub(crate) state: PathBuf,
    /// Free, and the same after a restart.
    pub(crate) port: u16,
    /// Comes before `/v1/chat/completions`.
    pub(crate) model_url: String,
    /// Whether its runs will call the tool: for a contestant that is built or configured for it.
    pub(crate) tools: bool,
    /// Whether it counts the rows that it writes, where it can: never while time is measured.
    pub(crate) counting: bool,
    /// Whether it sends traces to `{MODEL_URL}/v1/traces` as OTLP, where it can: only while these requests are counted.
    pub(crate) sink: bool,
}

/// A contestant's processes. Dropping them kills them.
pub(crate) struct Started {
    /// Where it is asked; without a slash at the end.
    pub(crate) base: String,
    /// Every process that dies with the machine, the runtime's own first.
    pub(crate) processes: Vec<Child>,
    /// Right before the first of them was spawned.
    pub(crate) spawned_at: Instant,
    /// When it could be asked.
    pub(crate) listening_at: Instant,
    /// Made anew after a restart: the far side of a kept connection may be dead.
    pub(crate) http: Client,
}

/// Everybody, in the order of the table; `builds` are those of longhaul, without and with tools.
pub(crate) fn all(builds: [PathBuf; 2]) -> Vec<Box<dyn Contestant>> {
    vec![
        Box::new(longhaul::Longhaul::new("longhaul", builds)),
        Box::new(object::Object),
        Box::new(agents::Agents::Tasks),
        Box::new(agents::Agents::Think),
        Box::new(restate::Restate::default()),
        Box::new(dbos::Dbos),
        Box::new(langgraph::LangGraph),
        Box::new(article::Article::default()),
    ]
}

/// What was installed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Installed {
    /// Such as `agents 0.32.0`.
    pub(crate) version: String,
    /// The files that are uploaded to the platform, where there is an upload.
    pub(crate) upload: Vec<PathBuf>,
}

/// What is on disk, and what was written to get there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Rows in all tables of its own; none where it does not keep rows.
    pub(crate) rows: Option<u64>,
    /// Rows written so far, as the platform bills them, indexes and alarms too; none where nobody counts.
    pub(crate) rows_written: Option<u64>,
    /// Rows read so far, likewise.
    pub(crate) rows_read: Option<u64>,
    /// Times that an alarm was set so far, on a platform with alarms.
    pub(crate) alarms: Option<u64>,
    /// Bytes of the files, or of the rows where the contestant can tell.
    pub(crate) bytes: u64,
}

/// What a watcher sees of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Something happened: one a turn at least.
    Turn,
    /// The run has ended well; nothing comes after this.
    Ended,
}

/// A watcher's stream; an error is also a run that did not succeed.
pub(crate) type Watch = BoxStream<'static, Result<Seen>>;

/// One runtime. Every method but the first four has a default for a contestant with the HTTP form above, and with
/// `GET /runs/{id}/events`: server-sent events, `turn` for each turn and `ended` with `{"status":"completed"}` at the end; a
/// late watcher gets `ended` at once.
pub(crate) trait Contestant: Sync {
    /// As `--only` names it.
    fn name(&self) -> &'static str;

    /// What keeps its runs, and how durably: a few words for the legend.
    fn about(&self) -> &'static str;

    /// Installs it from registries, in exact versions; does nothing where that is done.
    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>>;

    /// Starts it in its state directory, also after SIGKILL; returns when it listens. Nobody has asked it anything of a run then.
    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>>;

    /// Its folder below `target/bench-peers`.
    fn folder(&self) -> &'static str {
        self.name()
    }

    /// Whether an accepted run is on disk. One that is not is shown, and compared with nobody.
    fn is_durable(&self) -> bool {
        true
    }

    /// Whether it goes on with its runs after a death.
    fn resumes(&self) -> bool {
        true
    }

    /// Whether it does such runs at all.
    fn plays(&self, _tools: bool) -> bool {
        true
    }

    /// Whether its watchers hear of turns, and not of the end alone.
    fn tells_turns(&self) -> bool {
        true
    }

    /// Whether it is measured in the full run only.
    fn is_heavy(&self) -> bool {
        false
    }

    /// Returns when the run is durably accepted.
    fn post<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let body = json!({"tools": work.tools, "messages": work.history, "task": work.task()});
            let request = at.http.post(format!("{}/runs/{}", at.base, work.id)).json(&body);
            request.send().await?.error_for_status()?;
            Ok(())
        })
    }

    /// Watches a run to its end.
    fn watch<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<Watch>> {
        let url = format!("{}/runs/{}/events", at.base, work.id);
        Box::pin(crate::sse::watch(at.http.clone(), url, default_event))
    }

    /// Asks for the run, as a person would who looks whether it still lives; its answer is not needed.
    fn touch<'a>(&'a self, at: &'a Started, work: &'a Work) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.watch(at, work).await.map(drop) })
    }

    /// What is on disk under its state directory. It is asked while the contestant runs.
    fn stored<'a>(&'a self, setting: &'a Setting, at: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>>;

    /// Whether it sends traces when it is started with `sink`: the requests are counted then.
    fn has_sink(&self) -> bool {
        false
    }

    /// Requests that carry one run's trace to a backend, for a contestant that sends one elsewhere.
    fn requests_per_trace(&self) -> Option<u32> {
        None
    }
}

/// An event of the HTTP form above.
fn default_event(event: &str, data: &str) -> Result<Option<Seen>> {
    match event {
        "turn" => Ok(Some(Seen::Turn)),
        "ended" if data.contains(r#""completed""#) => Ok(Some(Seen::Ended)),
        "ended" => bail!("a run did not succeed: {data}"),
        _ => Ok(None),
    }
}

impl Setting {
    /// Spawns a process with the variables of every contestant: `PORT`, `MODEL_URL`, `STATE`. Its output goes to
    /// `output.log` in the state directory.
    pub(crate) fn spawn(&self, mut command: Command) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.state.join("output.log"))?;
        command.env("PORT", self.port.to_string()).env("MODEL_URL", &self.model_url);
        command.env("STATE", &self.state).env("PATH", &self.place.path).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))
    }

    /// Spawns the process that listens on `port`, and waits until `GET path` is answered, whatever the answer.
    #[allow(dead_code, reason = "for a contestant that is a server of its own")]
    pub(crate) async fn start(&self, command: Command, path: &str) -> Result<Started> {
        let spawned_at = Instant::now();
        let process = self.spawn(command)?;
        self.listening(vec![process], spawned_at, path).await
    }

    /// Spawns the process that listens on `port`, and waits until it takes connections; it is asked nothing.
    pub(crate) async fn start_port(&self, command: Command) -> Result<Started> {
        let spawned_at = Instant::now();
        let mut processes = vec![self.spawn(command)?];
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            self.check(&mut processes, spawned_at)?;
            sleep(Duration::from_millis(1)).await;
        }
        self.started(processes, spawned_at)
    }

    /// Waits until `GET path` is answered. Fails when a process ends, or after half a minute.
    pub(crate) async fn listening(
        &self,
        mut processes: Vec<Child>,
        spawned_at: Instant,
        path: &str,
    ) -> Result<Started> {
        let http = Client::builder().no_proxy().build()?;
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        while http.get(&url).timeout(Duration::from_secs(2)).send().await.is_err() {
            self.check(&mut processes, spawned_at)?;
            sleep(Duration::from_millis(2)).await;
        }
        self.started(processes, spawned_at)
    }

    /// Fails when a process has ended, or after half a minute.
    fn check(&self, processes: &mut [Child], spawned_at: Instant) -> Result<()> {
        for process in processes {
            if let Some(status) = process.try_wait()? {
                let log = fs::read_to_string(self.state.join("output.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(5)..].join(" / ");
                bail!("it ended before it listened ({status}): {tail}");
            }
        }
        if spawned_at.elapsed() > Duration::from_secs(30) {
            bail!("it does not listen after 30 s");
        }
        Ok(())
    }

    fn started(&self, processes: Vec<Child>, spawned_at: Instant) -> Result<Started> {
        // Shorter than servers keep a connection that nobody uses: Node closes it after five seconds.
        let http = Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build()?;
        let base = format!("http://127.0.0.1:{}", self.port);
        Ok(Started { base, processes, spawned_at, listening_at: Instant::now(), http })
    }
}

/// Installs `bench/peers/FOLDER/package-lock.json` by npm, unless just that is installed.
pub(crate) async fn npm_ci(place: &Place, folder: &str) -> Result<()> {
    let from = place.bench.join("peers").join(folder);
    let lock = fs::read(from.join("package-lock.json"))?;
    let stamp = place.installed.join(".installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    fs::create_dir_all(&place.installed)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(from.join(name), place.installed.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--omit=dev"]).env("npm_config_update_notifier", "false");
    run(place, npm).await?;
    Ok(fs::write(stamp, lock)?)
}

/// Bundles `bench/peers/FOLDER/NAME.js` with what it imports to one module, as it is uploaded; returns where that is.
async fn bundle(place: &Place, folder: &str, name: &str) -> Result<PathBuf> {
    let peers = place.bench.join("peers");
    copy_js(&peers.join(folder), &place.installed.join(folder))?;
    fs::copy(peers.join("model.js"), place.installed.join("model.js"))?;
    let module = place.installed.join(name).join("index.js");
    let mut esbuild = Command::new(&place.esbuild);
    esbuild.arg(format!("{folder}/{name}.js")).arg(format!("--outfile={}", module.display()));
    esbuild.args(["--bundle", "--minify", "--format=esm", "--platform=neutral", "--log-level=warning"]);
    esbuild.args(["--main-fields=module,main", "--conditions=workerd,worker,browser,import"]);
    esbuild.args(["--external:cloudflare:*", "--external:node:*"]);
    run(place, esbuild).await?;
    Ok(module)
}

fn copy_js(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|end| end == "js")) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// Runs a command in the place's folder to its end; an error has the gist of what it said.
pub(crate) async fn run(place: &Place, mut command: Command) -> Result<()> {
    command.current_dir(&place.installed).env("PATH", &place.path).stdin(Stdio::null()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.output().await.with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}", gist(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(())
}

/// The lines that tell why a command has failed: npm's first, anybody else's last.
fn gist(said: &str) -> String {
    const NPM: &str = "npm error ";
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let npm: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix(NPM)).take(4).collect();
    let some = if npm.is_empty() { &lines[lines.len().saturating_sub(4)..] } else { &npm };
    some.join(" / ")
}

/// The bytes of all files in a folder and below it; none where there is no such folder.
pub(crate) fn bytes_of(folder: &Path) -> Result<u64> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(0) };
    entries
        .map(|entry| {
            let entry = entry?;
            // A file may go while it is counted, such as a journal of SQLite's.
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => bytes_of(&entry.path()),
                Ok(metadata) => Ok(metadata.len()),
                Err(_) => Ok(0),
            }
        })
        .sum()
}
