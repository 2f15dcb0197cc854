//! The object of one tenant under load: every post of a tenant goes through it.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, timeout},
};

use crate::place::{CAPNP, COMPATIBILITY_DATE, workerd};

/// What each case is asked, in all.
const REQUESTS: usize = 600;
/// How many of them are under way at once.
const AT_ONCE: usize = 32;
/// How often each case is played, on storage of its own.
const ROUNDS: usize = 3;
/// Tenants with a token each; the first one has an operator as well.
const TENANTS: usize = 16;
/// Sessions whose files are looked at.
const SIZED: usize = 40;
const HEAD: &str = "\
| of the process | ms of CPU for each, median | range | so many a second would fill a core | a second here |
|---|---|---|---|---|";
/// A run that holds its slot while it is measured how others come in.
const HOLD: &str = "Hold.\n#scripted latency_ms=60000";
/// A run of six turns.
const SIX_TURNS: &str = "Write a haiku about tides.\n#scripted turns=6";

/// What is asked for.
#[derive(Clone, Copy)]
enum Case {
    /// What no object answers.
    Worker,
    /// What the tenant's object answers by itself.
    Object,
    /// New sessions of so many tenants.
    Posts { tenants: usize, through: Through },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    Tenant,
    Nothing,
}

const CASES: [(&str, Case); 5] = [
    ("answers of the Worker alone", Case::Worker),
    ("answers of one tenant's object", Case::Object),
    ("sessions that begin, without a tenant's object", Case::Posts { tenants: 1, through: Through::Nothing }),
    ("sessions that begin, of one tenant", Case::Posts { tenants: 1, through: Through::Tenant }),
    ("sessions that begin, of 16 tenants", Case::Posts { tenants: TENANTS, through: Through::Tenant }),
];

/// Plays every case in turns, and gives a table.
pub(crate) async fn measure(build: &Path) -> Result<String> {
    let mut samples: Vec<Vec<(f64, f64)>> = vec![Vec::new(); CASES.len()];
    for _ in 0..ROUNDS {
        for (place, (_, case)) in CASES.iter().enumerate() {
            samples[place].push(play(build, *case).await?);
        }
    }
    let mut table = HEAD.to_owned();
    for ((what, _), mut played) in CASES.into_iter().zip(samples) {
        played.sort_by(|one, other| one.1.total_cmp(&other.1));
        let ((_, least), (rate, cpu), (_, most)) = (played[0], played[ROUNDS / 2], played[ROUNDS - 1]);
        let a_core = 1_000.0 / cpu;
        write!(table, "\n| {what} | {cpu:.2} | {least:.2} to {most:.2} | {a_core:.0} | {rate:.0} |")?;
    }
    let bytes = bytes(build).await?;
    write!(table, "\n| bytes of a session's object after a run of six turns | {bytes} | - | - | - |")?;
    Ok(table)
}

/// Requests in a second, and milliseconds of the process for each.
async fn play(build: &Path, case: Case) -> Result<(f64, f64)> {
    let through = match case {
        Case::Posts { through, .. } => through,
        Case::Worker | Case::Object => Through::Tenant,
    };
    let server = Server::start(build, through).await?;
    // The first ones find nothing compiled.
    ask_many(&server, case, AT_ONCE).await?;
    let (begun, cpu) = (Instant::now(), server.cpu_ms()?);
    ask_many(&server, case, REQUESTS).await?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), server.cpu_ms()? - cpu);
    Ok((REQUESTS as f64 / seconds, cpu / REQUESTS as f64))
}

async fn ask_many(server: &Server, case: Case, count: usize) -> Result<()> {
    let asked = (0..count).map(|number| server.ask(case, number));
    stream::iter(asked).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(drop)
}

/// The mean of the databases of sessions whose run has ended.
async fn bytes(build: &Path) -> Result<i64> {
    let server = Server::start(build, Through::Tenant).await?;
    for number in 0..SIZED {
        let answer = server.post(number % TENANTS, SIX_TURNS).await?;
        let session = answer["session"].as_str().context("an answer without a session")?;
        let path = format!("/v1/sessions/{session}/runs/1?wait=60");
        let run: Value = server.get(&path, number % TENANTS).await?.json().await?;
        if run["status"] != "succeeded" {
            bail!("a run did not succeed: {run}");
        }
    }
    let mut sizes = Vec::new();
    for entry in fs::read_dir(server.dir.path().join("storage/session"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sqlite") {
            let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            sizes.push(Connection::open(&path)?.query_row(size, [], |row| row.get::<_, i64>(0))?);
        }
    }
    let count = i64::try_from(sizes.len())?;
    if count == 0 {
        bail!("no session has a file");
    }
    Ok(sizes.iter().sum::<i64>() / count)
}

struct Server {
    dir: TempDir,
    child: Child,
    base: String,
    http: Client,
}

impl Server {
    async fn start(build: &Path, through: Through) -> Result<Self> {
        let dir = TempDir::with_prefix("longhaul-tenant-")?;
        for name in ["index.js", "index_bg.wasm"] {
            let from = build.join(name);
            let hint = || format!("cannot copy {}; `cargo xtask build` makes the worker", from.display());
            fs::copy(&from, dir.path().join(name)).with_context(hint)?;
        }
        fs::create_dir(dir.path().join("storage"))?;
        fs::write(dir.path().join("config.capnp"), capnp(through))?;
        let mut command = Command::new(workerd()?);
        command.args(["serve", "config.capnp", "--control-fd=1", "--socket-addr=http=127.0.0.1:0"]);
        command.current_dir(dir.path()).env("PWD", dir.path()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let port = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(port) = listening(&line) {
                    return Ok(port);
                }
            }
            bail!("workerd ended before it listened")
        };
        let port = timeout(Duration::from_secs(30), port).await??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { dir, child, base: format!("http://127.0.0.1:{port}"), http: Client::new() })
    }

    async fn ask(&self, case: Case, number: usize) -> Result<()> {
        match case {
            Case::Worker => self.get("/v1/agents", 0).await.map(drop),
            Case::Object => {
                let url = format!("{}/v1/tenants/t0/suspension", self.base);
                let asked = self.http.get(url).bearer_auth(operators_token());
                asked.send().await?.error_for_status()?.bytes().await?;
                Ok(())
            }
            Case::Posts { tenants, .. } => self.post(number % tenants, HOLD).await.map(drop),
        }
    }

    async fn get(&self, path: &str, tenant: usize) -> Result<reqwest::Response> {
        let asked = self.http.get(format!("{}{path}", self.base)).bearer_auth(token(tenant));
        Ok(asked.send().await?.error_for_status()?)
    }

    async fn post(&self, tenant: usize, task: &str) -> Result<Value> {
        let asked = self.http.post(format!("{}/v1/sessions", self.base)).bearer_auth(token(tenant));
        let answer = asked.json(&json!({ "task": task })).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What the process has computed since its start, in milliseconds, all of its threads together.
    fn cpu_ms(&self) -> Result<f64> {
        let id = self.child.id().context("the server runs")?;
        let tasks =
            fs::read_dir(format!("/proc/{id}/task")).context("Linux alone tells what a process computes")?;
        let of_thread = |path: PathBuf| {
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default()
        };
        Ok(tasks.filter_map(Result::ok).map(|task| of_thread(task.path())).sum::<f64>() / 1e6)
    }
}

fn token(tenant: usize) -> String {
    format!("a-token-of-the-tenant-{tenant}")
}

fn operators_token() -> String {
    "the-token-of-an-operator".to_owned()
}

fn capnp(through: Through) -> String {
    let mut tokens: Vec<_> = (0..TENANTS).map(|tenant| format!("t{tenant}:{}", token(tenant))).collect();
    tokens.push(format!("t0/op:{}[operator]", operators_token()));
    let tokens = tokens.join(",");
    let tenants = match through {
        Through::Tenant => "\n    (name = \"TENANTS\", durableObjectNamespace = \"Tenant\"),",
        Through::Nothing => "",
    };
    format!(
        r#"{CAPNP}

const main :Workerd.Worker = (
  modules = [
    (name = "index.js", esModule = embed "index.js"),
    (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),
  ],
  compatibilityDate = "{COMPATIBILITY_DATE}",
  bindings = [
    (name = "SESSIONS", durableObjectNamespace = "Session"),{tenants}
    (name = "AUTH", text = "tokens"),
    (name = "API_TOKENS", text = "{tokens}"),
    (name = "TENANT_SESSIONS_MAX", text = "1000"),
  ],
  durableObjectNamespaces = [
    (className = "Session", uniqueKey = "session", enableSql = true),
    (className = "Tenant", uniqueKey = "tenant", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "storage"),
);
"#
    )
}

/// The port in a line of workerd's control channel, if the line is about it.
fn listening(line: &str) -> Option<u16> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "listen").then(|| u16::try_from(event["port"].as_u64()?).ok())?
}
