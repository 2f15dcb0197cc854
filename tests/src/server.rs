//! The deployed Worker in real workerd, with its Durable Objects' storage on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::config::{self, Ai, Code, Config, Database, RateLimit};
use crate::index::{Fault, Index, Tables};
use crate::memory::Memory;
use crate::meter::Meter;
use crate::wait::{PATIENCE, in_time, now_ms};

/// How a server is to be started.
#[derive(Clone, Default)]
pub struct Launch {
    worker: Option<Worker>,
    vars: BTreeMap<String, String>,
    stand_in: Option<StandIn>,
    index: Option<Tables>,
    rate_limit: Option<RateLimit>,
    without_tenants: bool,
    gauge: bool,
    meter: bool,
    memory: Option<Memory>,
}

#[derive(Clone)]
enum Worker {
    Package(String),
    Script(String),
}

/// The far side of the `AI` binding; it asks the model server's `/ai` for every answer. The near side, `env.AI`, is
/// the platform's own client. A call arrives at the model server with the client's `options` as a part of its body,
/// `extraHeaders` among them, which are headers of the call as well.
#[derive(Clone)]
pub struct StandIn {
    far_side: String,
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

    /// What wrangler gives on a machine without an account: it refuses everything.
    pub fn stub() -> StandIn {
        StandIn { far_side: String::new(), streams: Streams::Never }
    }

    fn config(&self) -> Ai<'_> {
        Ai { far_side: &self.far_side, streams: self.streams == Streams::WhenAsked }
    }
}

impl Launch {
    /// The Worker of `crates/worker` without any variable.
    pub fn new() -> Launch {
        Launch::default()
    }

    /// The Worker of `examples/NAME` in place of `crates/worker`.
    pub fn example(mut self, name: &str) -> Launch {
        self.worker = Some(Worker::Package(format!("examples/{name}")));
        self
    }

    /// A Worker of the test's own in place of `crates/worker`: the source of one JavaScript module.
    pub fn script(mut self, source: impl Into<String>) -> Launch {
        self.worker = Some(Worker::Script(source.into()));
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
            worker: other.worker.or(self.worker),
            vars: self.vars,
            stand_in: other.stand_in.or(self.stand_in),
            index: other.index.or(self.index),
            rate_limit: other.rate_limit.or(self.rate_limit),
            without_tenants: other.without_tenants || self.without_tenants,
            gauge: other.gauge || self.gauge,
            meter: other.meter || self.meter,
            memory: other.memory.or(self.memory),
        }
    }

    /// Puts a gauge around the Worker, see [`Server::gauge`].
    pub fn gauged(mut self) -> Launch {
        self.gauge = true;
        self
    }

    /// Puts a meter around the Worker, see [`Server::meter`].
    pub fn metered(mut self) -> Launch {
        self.meter = true;
        self
    }

    /// Binds `AI` to a stand-in.
    pub fn ai(mut self, stand_in: StandIn) -> Launch {
        self.stand_in = Some(stand_in);
        self
    }

    /// Binds `DB` to a stand-in for D1 that has these tables.
    pub fn index(mut self, tables: Tables) -> Launch {
        self.index = Some(tables);
        self
    }

    /// How long objects keep their memory; the default is [`Memory::of_environment`].
    pub fn memory(mut self, memory: Memory) -> Launch {
        self.memory = Some(memory);
        self
    }

    /// Binds `RATE_LIMIT` to a stand-in.
    pub fn rate_limit(mut self, limit: RateLimit) -> Launch {
        self.rate_limit = Some(limit);
        self
    }

    /// Leaves `TENANTS` unbound, as a deployment of an earlier version has it.
    pub fn without_tenants(mut self) -> Launch {
        self.without_tenants = true;
        self
    }

    /// Starts the server on a free port and waits until it listens.
    pub async fn start(self) -> Server {
        let dir = TempDir::with_prefix("longhaul-test-").expect("the temporary directory is writable");
        let write = |name: &str, content: &str| {
            fs::write(dir.path().join(name), content).expect("the temporary directory is writable");
        };
        match &self.worker {
            None => copy_build("crates/worker", dir.path()),
            Some(Worker::Package(package)) => copy_build(package, dir.path()),
            Some(Worker::Script(source)) => write("index.js", source),
        }
        assert!(!(self.gauge && self.meter), "a Worker has one instrument around it");
        if self.gauge || self.meter {
            fs::rename(dir.path().join("index.js"), dir.path().join("built.js"))
                .expect("the build was copied");
        }
        if self.gauge {
            write("index.js", include_str!("stand_in/gauge.js"));
            write("hook.js", include_str!("stand_in/hook.js"));
        }
        if self.meter {
            write("index.js", include_str!("stand_in/meter.js"));
            write("crossings.js", include_str!("stand_in/crossings.js"));
        }
        write("ai.js", include_str!("stand_in/ai.js"));
        write("evict.js", include_str!("stand_in/evict.js"));
        write("witness.js", include_str!("stand_in/witness.js"));
        write("db.js", include_str!("stand_in/db.js"));
        write("rate.js", include_str!("stand_in/rate.js"));
        for storage in ["storage", "index"] {
            fs::create_dir(dir.path().join(storage)).expect("the temporary directory is writable");
        }
        let (log, fault) = (Arc::default(), Arc::default());
        let tables = self.index;
        let mut server = Server { launch: self, dir, ports: Ports::default(), child: None, log, fault };
        server.serve().await;
        if tables == Some(Tables::Migrated) {
            server.index().migrate().await;
        }
        server
    }

    fn memory_of_objects(&self) -> Memory {
        self.memory.unwrap_or_else(Memory::of_environment)
    }
}

/// What a Worker's isolate has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// The size of the wasm's memory, which only grows.
    pub wasm_bytes: u64,
    /// The memory of the process.
    pub resident_bytes: u64,
    /// Rows of SQLite read since the last question, as they are billed.
    pub rows_read: u64,
    /// Rows of SQLite written since the last question.
    pub rows_written: u64,
}

/// A running server. Dropping it kills the process and removes the storage; when a test fails it prints the log.
pub struct Server {
    launch: Launch,
    dir: TempDir,
    ports: Ports,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    fault: Arc<Mutex<Fault>>,
}

/// Where the process listens; 0 before its first start, and where it has nothing to listen for.
#[derive(Clone, Copy, Default)]
struct Ports {
    main: u16,
    index: u16,
}

impl Server {
    /// Where it listens, without a slash at the end; the same after a restart.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.main)
    }

    /// The directory that holds the objects' databases.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("storage")
    }

    /// The way into the database behind `DB`. Panics unless the launch has one, see [`Launch::index`].
    pub fn index(&self) -> Index {
        assert!(self.launch.index.is_some(), "this server has no index");
        Index::new(self.ports.index, Arc::clone(&self.fault))
    }

    /// What the process has written to stdout and stderr, over all restarts.
    pub fn log(&self) -> String {
        self.log.lock().expect("no log reader panics").clone()
    }

    /// What the Worker's isolate has used since the last question. Panics unless the launch is
    /// [gauged](Launch::gauged).
    pub async fn gauge(&self) -> Gauge {
        assert!(self.launch.gauge, "this server has no gauge");
        let url = format!("{}/gauge", self.base_url());
        let read: Value =
            reqwest::get(url).await.expect("the server answers").json().await.expect("the gauge is JSON");
        let number =
            |name: &str| read[name].as_u64().unwrap_or_else(|| panic!("the gauge has no {name}: {read}"));
        Gauge {
            wasm_bytes: number("wasm_bytes"),
            resident_bytes: self.resident_bytes(),
            rows_read: number("rows_read"),
            rows_written: number("rows_written"),
        }
    }

    /// The way to what the Worker's isolate does. Panics unless the launch is [metered](Launch::metered).
    pub fn meter(&self) -> Meter {
        assert!(self.launch.meter, "this server has no meter");
        Meter::new(&self.base_url())
    }

    /// The memory of the process, all isolates and SQLite included, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("Linux has /proc");
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("the second number is of pages") * rustix::param::page_size() as u64
    }

    /// What the process has computed since its start, in milliseconds.
    pub fn cpu_ms(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("Linux has /proc");
        let of_thread = |path: PathBuf| {
            let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default()
        };
        tasks.filter_map(Result::ok).map(|task| of_thread(task.path())).sum::<f64>() / 1e6
    }

    /// From now on no file of the process grows beyond this many bytes: its disk is full. `None` makes room again.
    pub fn limit_files(&self, bytes_max: Option<u64>) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("the server runs");
        let limit = Rlimit { current: bytes_max, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).expect("a child's limits can be changed");
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the server runs")
    }

    /// How often the object of a session was made, that is once more than each was evicted. Panics for a
    /// [memory](Memory) that nobody witnesses.
    pub fn objects_made(&self) -> usize {
        assert_ne!(self.launch.memory_of_objects(), Memory::Kept, "nobody witnesses how objects are made");
        self.log().matches("an object was made").count()
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
        fs::write(self.dir.path().join("config.capnp"), self.config())
            .expect("the temporary directory is writable");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((child, ports)) = self.spawn().await {
                (self.child, self.ports) = (Some(child), ports);
                return;
            }
            // The port of the process before may be held for a moment; any other fault shows in the log.
            assert!(Instant::now() < deadline, "workerd does not start:\n{}", self.log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn config(&self) -> String {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let (listen, index_listen) = (address(self.ports.main), address(self.ports.index));
        let fault = self.fault.lock().expect("no test panics here").json(0).to_string();
        config::capnp(&Config {
            listen: &listen,
            vars: &self.launch.vars,
            code: match self.launch.worker {
                Some(Worker::Script(_)) => Code::Script,
                _ if self.launch.gauge => Code::Around("hook.js"),
                _ if self.launch.meter => Code::Around("crossings.js"),
                _ => match self.launch.memory_of_objects() {
                    Memory::Kept => Code::Built,
                    Memory::Witnessed => Code::Fronted("witness.js"),
                    Memory::Evicted => Code::Fronted("evict.js"),
                },
            },
            ai: self.launch.stand_in.as_ref().map(StandIn::config),
            index: self.launch.index.map(|_| Database { listen: &index_listen, fault: &fault }),
            rate_limit: self.launch.rate_limit,
            tenants: !self.launch.without_tenants,
        })
    }

    /// One attempt; `None` if the process ended before it listened.
    async fn spawn(&self) -> Option<(Child, Ports)> {
        // A file that may not grow is an error of its write and not the end of the process.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(workerd());
        command.args(["serve", "config.capnp", "--control-fd=1", "--verbose"]).current_dir(self.dir.path());
        if self.launch.index.is_some() {
            // For workerd's own D1 server, see `config`; the Worker itself sees no difference.
            command.arg("--experimental");
        }
        command.env("PWD", self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("workerd can be run");
        let (sender, mut lines) = mpsc::unbounded_channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        tokio::spawn(keep(stdout, Arc::clone(&self.log), Some(sender)));
        tokio::spawn(keep(stderr, Arc::clone(&self.log), None));
        let mut ports = Ports::default();
        let has_index = self.launch.index.is_some();
        let listening = in_time("workerd to listen", async {
            while ports.main == 0 || (has_index && ports.index == 0) {
                match listening(&lines.recv().await?) {
                    Some((socket, port)) if socket == config::INDEX_SOCKET => ports.index = port,
                    Some((_, port)) => ports.main = port,
                    None => {}
                }
            }
            Some(())
        });
        listening.await?;
        Some((child, ports))
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
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are one directory below the root")
}

fn copy_build(package: &str, dir: &Path) {
    let build = root().join(package).join("build");
    for module in ["index.js", "index_bg.wasm"] {
        let from = build.join(module);
        fs::copy(&from, dir.join(module))
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask build` makes it", from.display()));
    }
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

/// The socket and its port in a line of workerd's control channel, if the line is about one.
fn listening(line: &str) -> Option<(String, u16)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let port = u16::try_from(event["port"].as_u64()?).ok()?;
    (event["event"] == "listen").then(|| Some((event["socket"].as_str()?.to_owned(), port)))?
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
