//! How long somebody waits who has nothing yet, and who has changed a line.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use crate::place::here;

/// What `dev` says before the address.
const READY: &str = " is ready on ";
/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// How often the changed line is asked for.
const LOOK: Duration = Duration::from_millis(50);
/// What a line of the template's agent says, and what it says after the change.
const LINE: [&str; 2] = ["Says when the tide is high in a port.", "Says when the water is high in a port."];

/// An empty home: no crates, no packages of npm, no build. Rustup's toolchains are those of this machine.
struct Home(TempDir);

/// A server of a project.
struct Dev {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

/// The rows of the table: what was done, and how long it took.
pub(crate) async fn measure() -> Result<Vec<(&'static str, Duration)>> {
    let home = Home(TempDir::with_prefix("longhaul-first-")?);
    let checkout = fs::canonicalize(here().join(".."))?;
    let mut rows = Vec::new();

    let clone = home.path("clone");
    done(home.command("git").arg("clone").arg("--quiet").args([&checkout, &clone])).await?;
    let began = Instant::now();
    let dev = Dev::start(home.command("cargo").args(["xtask", "dev"]).current_dir(&clone)).await?;
    dev.page().await?;
    rows.push(("`cargo xtask dev` in a fresh clone, to the first page", began.elapsed()));
    dev.stop().await?;

    let home = Home(TempDir::with_prefix("longhaul-first-")?);
    let began = Instant::now();
    let install = ["install", "--quiet", "--locked", "--path"];
    let (command, root) = (checkout.join("crates/cli"), home.path("installed"));
    done(home.command("cargo").args(install).arg(command).arg("--root").arg(&root)).await?;
    rows.push(("the command, installed from a checkout", began.elapsed()));

    let (longhaul, project) = (root.join("bin/longhaul"), home.path("tides"));
    let began = Instant::now();
    let new = ["new", "--template", "tools", "--path"];
    done(home.command(&longhaul).args(new).arg(&checkout).arg(&project)).await?;
    let dev = Dev::start(home.command(&longhaul).arg("dev").current_dir(&project)).await?;
    dev.page().await?;
    rows.push(("`longhaul new` and `longhaul dev`, to the first page", began.elapsed()));

    let code = project.join("src/lib.rs");
    let text = fs::read_to_string(&code)?;
    ensure!(text.contains(LINE[0]), "the template's agent has another line");
    let began = Instant::now();
    fs::write(&code, text.replace(LINE[0], LINE[1]))?;
    timeout(PATIENCE, dev.shows(LINE[1])).await.context("the changed line is not served")??;
    rows.push(("a changed line of the agent, until it is served", began.elapsed()));
    dev.stop().await?;

    let began = Instant::now();
    let dev = Dev::start(home.command(&longhaul).arg("dev").current_dir(&project)).await?;
    dev.page().await?;
    rows.push(("`longhaul dev` once more, to the page", began.elapsed()));
    dev.stop().await?;
    Ok(rows)
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command whose home this is.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let rustup = env::var_os("RUSTUP_HOME").map_or_else(|| old_home().join(".rustup"), PathBuf::from);
        let mut command = Command::new(program);
        for name in ["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "LONGHAUL_TOOLS", "CARGO", "RUSTUP_TOOLCHAIN"] {
            command.env_remove(name);
        }
        command.env("HOME", self.0.path()).env("CARGO_HOME", self.path(".cargo")).env("RUSTUP_HOME", rustup);
        command.kill_on_drop(true);
        command
    }
}

fn old_home() -> PathBuf {
    env::var_os("HOME").map_or_else(|| Path::new("/").to_path_buf(), PathBuf::from)
}

impl Dev {
    /// Starts a server, and returns when it says that it is ready. What it says is repeated: it has the parts of the time.
    async fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.args(["--", "--port", "0"]).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                eprintln!("{line}");
                if let Some((_, rest)) = line.split_once(READY) {
                    return Ok(rest.split(' ').next().unwrap_or(rest).to_owned());
                }
            }
            bail!("the server ended before it was ready")
        };
        let url = timeout(PATIENCE, ready).await.context("the server is not ready")??;
        Ok(Self { child, lines, url })
    }

    async fn page(&self) -> Result<()> {
        let page = Client::new().get(&self.url).send().await?.error_for_status()?;
        ensure!(page.text().await?.contains("<title>"), "{} has no page", self.url);
        Ok(())
    }

    async fn shows(&self, text: &str) -> Result<()> {
        let (client, agents) = (Client::new(), format!("{}/v1/agents", self.url));
        loop {
            // While the server takes the new build it may refuse a request.
            if let Ok(answer) = client.get(&agents).send().await
                && answer.text().await?.contains(text)
            {
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// Ends it politely, so that it ends what it started.
    async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().context("it ended by itself")?.to_string();
        done(Command::new("kill").arg(pid)).await?;
        while self.lines.next_line().await?.is_some() {}
        self.child.wait().await?;
        Ok(())
    }
}

async fn done(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status().await?;
    ensure!(status.success(), "{:?} ended with {status}", command.as_std());
    Ok(())
}
