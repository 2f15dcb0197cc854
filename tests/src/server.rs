//! The deployed Worker in real workerd, with its Durable Objects' storage on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::config::capnp;
use crate::wait::{PATIENCE, in_time, now_ms};

/// How a server is to be started.
#[derive(Clone, Default)]
pub struct Launch {
    package: Option<String>,
    vars: BTreeMap<String, String>,
    stand_in: Option<StandIn>,
}

/// A JavaScript service that plays the `AI` binding; it asks the model server's `/ai` for every answer.
#[derive(Clone)]
pub struct StandIn {
    pub(crate) far_side: String,
    streams: Streams,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Streams {
    WhenAsked,
    Never,
}

impl StandIn {
    /// Streams when the caller asks for it, as Workers AI does.
    pub fn new(model_server_origin: String) -> StandIn {
        StandIn { far_side: model_server_origin, streams: Streams::WhenAsked }
    }

    /// Always answers with one object, whatever the caller asks for.
    pub fn plain(model_server_origin: String) -> StandIn {
        StandIn { far_side: model_server_origin, streams: Streams::Never }
    }

    fn source(&self) -> String {
        let stream = if self.streams == Streams::WhenAsked { "input.stream === true" } else { "false" };
        format!(
            r#"import {{ WorkerEntrypoint }} from "cloudflare:workers";
export class Ai extends WorkerEntrypoint {{
  async run(model, input, options) {{
    const stream = {stream};
    const body = JSON.stringify({{ model, input: {{ ...input, stream }}, asked_to_stream: input.stream === true, options }});
    const answer = await fetch(this.env.FAR_SIDE + "/ai", {{ method: "POST", body }});
    if (!answer.ok) throw new Error(`${{answer.status}}: ${{await answer.text()}}`);
    return stream ? answer.body : answer.json();
  }}
}}
export default {{ fetch() {{ return new Response("not here", {{ status: 404 }}); }} }};
"#
        )
    }
}

impl Launch {
    /// The Worker of `crates/worker` without any variable.
    pub fn new() -> Launch {
        Launch::default()
    }

    /// The Worker of `examples/NAME` in place of `crates/worker`.
    pub fn example(mut self, name: &str) -> Launch {
        self.package = Some(format!("examples/{name}"));
        self
    }

    /// Sets a variable of the Worker.
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Launch {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Sets a variable unless it is set.
    pub fn default_var(mut self, name: &str, value: impl Into<String>) -> Launch {
        self.vars.entry(name.into()).or_insert_with(|| value.into());
        self
    }

    /// What `other` says wins.
    pub fn overridden_by(mut self, other: Launch) -> Launch {
        self.vars.extend(other.vars);
        Launch {
            package: other.package.or(self.package),
            vars: self.vars,
            stand_in: other.stand_in.or(self.stand_in),
        }
    }

    /// Binds `AI` to a stand-in.
    pub fn ai(mut self, stand_in: StandIn) -> Launch {
        self.stand_in = Some(stand_in);
        self
    }

    /// Starts the server on a free port and waits until it listens.
    pub async fn start(self) -> Server {
        let build = root().join(self.package.as_deref().unwrap_or("crates/worker")).join("build");
        let dir = TempDir::with_prefix("longhaul-test-").expect("the temporary directory is writable");
        for module in ["index.js", "index_bg.wasm"] {
            let from = build.join(module);
            fs::copy(&from, dir.path().join(module))
                .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", from.display()));
        }
        if let Some(stand_in) = &self.stand_in {
            fs::write(dir.path().join("ai.js"), stand_in.source())
                .expect("the temporary directory is writable");
        }
        fs::create_dir(dir.path().join("storage")).expect("the temporary directory is writable");
        let log = Arc::new(Mutex::new(String::new()));
        let mut server = Server { launch: self, dir, port: 0, child: None, log };
        server.serve().await;
        server
    }
}

/// A running server. Dropping it kills the process and removes the storage; when a test fails it prints the log.
pub struct Server {
    launch: Launch,
    dir: TempDir,
    port: u16,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Where it listens, without a slash at the end; the same after a restart.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The directory that holds the objects' databases.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// What the process has written to stdout and stderr, over all restarts.
    pub fn log(&self) -> String {
        self.log.lock().expect("no log reader panics").clone()
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill9(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().await.expect("a child can be killed and waited for");
    }

    /// Starts again on the same storage and port, after [`Server::kill9`]. Returns when it listens: nobody has
    /// sent it a request.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is still running");
        self.serve().await;
    }

    /// Kills and starts again; gives the time of the restart in milliseconds since the epoch, the process not yet
    /// spawned.
    pub async fn crash(&mut self) -> u64 {
        self.kill9().await;
        let restarted_ms = now_ms();
        self.restart().await;
        restarted_ms
    }

    /// Sets a variable for the next start.
    pub fn change_var(&mut self, name: &str, value: impl Into<String>) {
        self.launch.vars.insert(name.into(), value.into());
    }

    async fn serve(&mut self) {
        let listen = format!("127.0.0.1:{}", self.port);
        let config = capnp(&listen, &self.launch.vars, self.launch.stand_in.as_ref());
        fs::write(self.dir.path().join("config.capnp"), config).expect("the temporary directory is writable");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((child, port)) = self.spawn().await {
                (self.child, self.port) = (Some(child), port);
                return;
            }
            // The port of the process before may be held for a moment; any other fault shows in the log.
            assert!(Instant::now() < deadline, "workerd does not start:\n{}", self.log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// One attempt; `None` if the process ended before it listened.
    async fn spawn(&self) -> Option<(Child, u16)> {
        let mut command = Command::new(workerd());
        command.args(["serve", "config.capnp", "--control-fd=1", "--verbose"]).current_dir(self.dir.path());
        command.env("PWD", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("workerd can be run");
        let (sender, mut lines) = mpsc::unbounded_channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        tokio::spawn(keep(stdout, Arc::clone(&self.log), Some(sender)));
        tokio::spawn(keep(stderr, Arc::clone(&self.log), None));
        let port = in_time("workerd to listen", async {
            while let Some(line) = lines.recv().await {
                if let Some(port) = listening(&line) {
                    return Some(port);
                }
            }
            None
        });
        let port = port.await?;
        Some((child, port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of the server\n{}---", self.log());
        }
        // The child is killed as it is dropped; its directory goes after it.
        drop(self.child.take());
    }
}

/// Lets this process and the servers that it starts from now on hold that many files and sockets open.
pub fn allow_open_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit })
            .expect("the hard limit allows it");
    }
}

/// The root of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are one directory below the root")
}

fn workerd() -> PathBuf {
    let scope = root().join("node_modules/@cloudflare");
    let packages = fs::read_dir(&scope)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` installs it", scope.display()));
    let mut binaries = packages.filter_map(|entry| {
        let path = entry.ok()?.path();
        let is_workerd = path.file_name()?.to_str()?.starts_with("workerd-");
        is_workerd.then(|| path.join("bin/workerd")).filter(|binary| binary.exists())
    });
    binaries.next().unwrap_or_else(|| panic!("no workerd for this platform in {}", scope.display()))
}

/// The port in a line of workerd's control channel, if the line is about it.
fn listening(line: &str) -> Option<u16> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == "listen").then(|| u16::try_from(event["port"].as_u64()?).ok())?
}

async fn keep(
    from: impl AsyncRead + Unpin,
    log: Arc<Mutex<String>>,
    lines: Option<mpsc::UnboundedSender<String>>,
) {
    let mut reader = BufReader::new(from).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        {
            let mut log = log.lock().expect("no log reader panics");
            log.push_str(&line);
            log.push('\n');
        }
        if let Some(lines) = &lines {
            // Nobody listens any more once the port is known.
            lines.send(line).ok();
        }
    }
}
