//! The development server, as a person starts it: `cargo xtask dev`, or `longhaul dev` in a project.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::server::root;

/// Setting up and building from nothing takes minutes; only a failure takes longer than this.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// A running development server. Dropping it kills its process group.
pub struct DevServer {
    child: Child,
    group: Option<Pid>,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl DevServer {
    /// Starts it with storage in `persist_to` and these arguments for `wrangler dev`; returns when `/healthz` answers.
    pub async fn start(persist_to: &Path, arguments: &[&str]) -> DevServer {
        let mut command = std::process::Command::new(env!("CARGO"));
        command.args(["xtask", "dev"]).current_dir(root());
        DevServer::of(command, persist_to, arguments).await
    }

    /// The same by another command, which has a `dev` of its own as its last argument.
    pub async fn of(command: std::process::Command, persist_to: &Path, arguments: &[&str]) -> DevServer {
        let port = free_port().await;
        let mut command = Command::from(command);
        command.args(["--", "--port", &port.to_string(), "--persist-to"]).arg(persist_to);
        command.args(arguments).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cargo can be run");
        let id = i32::try_from(child.id().expect("the process has just started")).expect("a process id fits");
        let log = Arc::new(Mutex::new(String::new()));
        tokio::spawn(keep(child.stdout.take().expect("stdout is piped"), Arc::clone(&log)));
        tokio::spawn(keep(child.stderr.take().expect("stderr is piped"), Arc::clone(&log)));
        let group = Pid::from_raw(id);
        let mut server = DevServer { child, group, port, log };
        server.ready().await;
        server
    }

    /// A client of the server.
    pub fn api(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.port))
    }

    /// What it has written to stdout and stderr.
    pub fn log(&self) -> String {
        self.log.lock().expect("no log reader panics").clone()
    }

    /// The processes below the first one, each with the end of its program's path.
    pub fn processes(&self) -> Vec<(Pid, String)> {
        let listed = std::process::Command::new("ps").args(["-e", "-o", "pid=,ppid=,args="]).output();
        let listed = String::from_utf8_lossy(&listed.expect("there is `ps`").stdout).into_owned();
        let rows: Vec<(i32, i32, String)> = listed
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                let program = words.find(|word| word.starts_with('/'))?.rsplit('/').next()?.to_owned();
                Some((pid, parent, program))
            })
            .collect();
        let mut below: Vec<i32> = self.child.id().and_then(|id| i32::try_from(id).ok()).into_iter().collect();
        let mut found = Vec::new();
        while let Some(parent) = below.pop() {
            for (pid, _, program) in rows.iter().filter(|(_, of, _)| *of == parent) {
                below.push(*pid);
                found.extend(Pid::from_raw(*pid).map(|pid| (pid, program.clone())));
            }
        }
        found.sort_by_key(|(pid, _)| pid.as_raw_nonzero());
        found
    }

    /// Whether its first process has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL to the whole process group; returns when its first process is gone.
    pub async fn kill9(mut self) {
        let group = self.group.take().expect("the group is killed once");
        kill_process_group(group, Signal::KILL).expect("the group can be killed");
        self.child.wait().await.expect("a child can be waited for");
    }

    async fn ready(&mut self) {
        let (client, url) = (reqwest::Client::new(), format!("http://127.0.0.1:{}/healthz", self.port));
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if client.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "`dev` does not serve: {ended:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- log of dev\n{}---", self.log());
        }
        if let Some(group) = self.group {
            // It fails when the whole group has ended by itself, which is as good.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// A free port below the ephemeral range: there, a poll of a port that nobody listens on yet could connect to itself,
/// and hold the port against the server.
pub async fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("less than 10,000");
    for port in first..first + 100 {
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
    panic!("loopback has no free port from {first} on");
}

async fn keep(from: impl AsyncRead + Unpin, log: Arc<Mutex<String>>) {
    let mut reader = BufReader::new(from).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        let mut log = log.lock().expect("no log reader panics");
        log.push_str(&line);
        log.push('\n');
    }
}
