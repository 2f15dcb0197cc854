//! One terminal: a shell that types what the guide says, block after block.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use longhaul_tests::{dev::free_port, server::root};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep},
};

/// A project may have to be compiled from nothing.
const PATIENCE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(50);
/// The port of which the guide speaks; the tests take a free one.
const GUIDES_PORT: &str = "8787";

/// A shell in a home of its own, with job control, outside of the checkout.
pub(crate) struct Shell {
    child: Child,
    keys: ChildStdin,
    home: TempDir,
    port: u16,
    typed: usize,
    served: usize,
}

impl Shell {
    pub(crate) async fn open() -> Self {
        let home = TempDir::with_prefix("longhaul-guide-").expect("the temporary directory is writable");
        // Where the guide puts the source. No other path leads into the checkout.
        std::os::unix::fs::symlink(root(), home.path().join("longhaul")).expect("the home takes a link");
        fs::create_dir(home.path().join(".typed")).expect("the home takes a folder");
        let port = free_port().await;
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).env_clear().env("HOME", home.path()).current_dir(home.path());
        let program = env::var_os("LONGHAUL_COMMAND").map(PathBuf::from);
        let program = program.expect("`cargo xtask test` builds the command and says where it is");
        let theirs = env::var_os("PATH").unwrap_or_default();
        let ours = program.parent().map(Path::to_path_buf).into_iter();
        let path = env::join_paths(ours.chain(env::split_paths(&theirs))).expect("no folder has a colon");
        command.env("PATH", path).env("LONGHAUL_SERVER", format!("http://localhost:{port}"));
        // What a machine has once: toolchains, npm's packages, and what is compiled already.
        let own = env::home_dir().expect("there is a home");
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, env::var_os(name).map_or_else(|| own.join(folder), PathBuf::from));
        }
        command.env("CARGO_TARGET_DIR", root().join("target")).env("LONGHAUL_TOOLS", root());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("there is bash");
        let keys = child.stdin.take().expect("it is piped");
        let mut shell = Self { child, keys, home, port, typed: 0, served: 0 };
        shell.send("set -em\n").await;
        shell
    }

    /// Types commands, waits for their end, and gives what they printed. Panics when one fails.
    pub(crate) async fn types(&mut self, place: &str, commands: &str) -> String {
        self.typed += 1;
        let out = self.file(&format!("out{}", self.typed));
        let done = self.file(&format!("done{}", self.typed));
        let commands = commands.replace(GUIDES_PORT, &self.port.to_string());
        let (shown, jobs, cwd) = (out.display(), self.file("jobs"), self.file("cwd"));
        let around = format!(
            "{{\n{commands}\n}} > {shown} 2>&1 < /dev/null\npwd > {}\njobs -p > {}\ntouch {}\n",
            cwd.display(),
            jobs.display(),
            done.display()
        );
        self.send(&around).await;
        let deadline = Instant::now() + PATIENCE;
        while !done.exists() {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "{place}: {ended:?}\n{commands}\n{}\n{}",
                read(&out),
                self.log()
            );
            sleep(POLL).await;
        }
        self.take_versions();
        self.as_shown(&read(&out))
    }

    /// Starts `longhaul dev`, after the end of one that serves; returns what it has printed when it is ready.
    pub(crate) async fn serves(&mut self, place: &str, command: &str) -> String {
        let end =
            "for job in $(jobs -p); do kill $job || true; done 2> /dev/null\nwait || true\njobs > /dev/null";
        self.types(place, end).await;
        self.served += 1;
        let command = command.trim().trim_end_matches('&').trim_end();
        let given = if command.contains(" -- ") { "" } else { " --" };
        let log = self.log_file();
        self.types(place, &format!("{command}{given} --port {} > {} 2>&1 &", self.port, log.display())).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = read(&log);
            if said.contains(" is ready on ") {
                return self.as_shown(&said);
            }
            let is_there = self.jobs().into_iter().any(|job| test_kill_process(job).is_ok());
            assert!(is_there && Instant::now() < deadline, "{place}: it does not serve\n{said}");
            sleep(POLL * 4).await;
        }
    }

    /// Writes a file of the project. A server that is there goes on with it: returns when it does.
    pub(crate) async fn writes(&mut self, place: &str, file: &str, text: &str) {
        let agents = self.agents().await;
        let path = self.project().join(file);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{place}: {}: {error}", path.display()));
        let deadline = Instant::now() + PATIENCE;
        while agents.is_some() && file.ends_with(".rs") {
            let now = self.agents().await;
            if now.is_some() && now != agents {
                break;
            }
            let is_broken = self.log().contains("the last build that worked stays");
            assert!(!is_broken && Instant::now() < deadline, "{place}: it is not served\n{}", self.log());
            sleep(POLL * 4).await;
        }
    }

    /// What the server offers, if there is one.
    async fn agents(&self) -> Option<String> {
        let url = format!("http://127.0.0.1:{}/v1/agents", self.port);
        let answer = reqwest::get(url).await.ok().filter(|answer| answer.status().is_success())?;
        answer.text().await.ok()
    }

    /// The folder that the shell is in.
    fn project(&self) -> PathBuf {
        PathBuf::from(read(&self.file("cwd")).trim_end())
    }

    /// A project gets the versions that everything here was built with: what is compiled already is not compiled again.
    fn take_versions(&self) {
        let project = self.project();
        if project.join("Cargo.toml").is_file() && !project.join("Cargo.lock").exists() {
            fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock"))
                .expect("the lock file can be copied");
        }
    }

    /// An output as the guide shows it.
    fn as_shown(&self, output: &str) -> String {
        output
            .replace(&self.port.to_string(), GUIDES_PORT)
            .replace(&self.home.path().to_string_lossy()[..], "~")
    }

    /// What it has started in the background: of each its first process, which leads a group.
    fn jobs(&self) -> Vec<Pid> {
        let listed = read(&self.file("jobs"));
        listed.lines().filter_map(|job| job.parse().ok().and_then(Pid::from_raw)).collect()
    }

    fn log_file(&self) -> PathBuf {
        self.file(&format!("log{}", self.served))
    }

    fn log(&self) -> String {
        read(&self.log_file())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(".typed").join(name)
    }

    async fn send(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).await.expect("the shell reads");
        self.keys.flush().await.expect("the shell reads");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for group in self.jobs() {
            // It fails when the whole group has ended by itself, which is as good.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

/// A file's text; of one that is not there, nothing.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
