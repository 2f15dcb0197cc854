//! Requests that nobody would send, by schemathesis and our own OpenAPI document, to a server as `wrangler dev` serves it.

use std::{
    fmt, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use longhaul_cli::{Project, build::KEEP_LAST_BUILD, dev, migrations};

use crate::{
    process::{self, CommandError, Group, interrupted},
    report::Stopwatch,
    workspace::{Workspace, read},
};

const POLL: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(120);
const WORKER: &str = "wrangler.toml";
const TENANT: &str = "fuzz";
/// Of somebody who may do everything: no valid request is refused for its token.
const TOKEN: &str = "token-of-an-operator";
/// What run.py says at its end, with numbers after it.
const COUNTED: &str = "counted: ";

/// A server of the worker that may be thrown away, with its storage. It ends when it is dropped.
pub(crate) struct Server {
    group: Group,
    address: SocketAddr,
    directory: PathBuf,
}

impl Server {
    /// Starts the worker as it was built last, on a free port, and waits until it answers.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let directory = workspace.scratch().join("fuzz").join(format!("server-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let (config, state) = (directory.join(WORKER), directory.join("state"));
        fs::write(&config, without_limits(workspace.root(), &read(&workspace.root().join(WORKER))?)?)?;
        let project = Project::open(&workspace.root().join("crates/worker"), &config)?;
        migrations::apply(workspace.packages(), &project, &state)?;
        // The listener is gone before the server comes: nobody else asks for a port of just this number meanwhile.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = workspace.wrangler()?;
        command.args(["dev", "--local", "--config"]).arg(&config).arg("--persist-to").arg(&state);
        command.args(["--ip", "127.0.0.1", "--port", &address.port().to_string()]);
        let tokens = format!("API_TOKENS:{TENANT}/all:{TOKEN}[admin,operator]");
        let own =
            ["PUBLIC_URL:https://runs.example.com", "CREDENTIALS_KEY:a-key-of-more-than-thirty-two-bytes"];
        let others = ["AUTH:tokens", &tokens, "MODEL:scripted:haiku", "TENANT_SESSIONS_MAX:1000"];
        for variable in own.into_iter().chain(others) {
            command.args(["--var", variable]);
        }
        command.env(KEEP_LAST_BUILD, "1").stdin(Stdio::null());
        let log = fs::File::create(directory.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let mut server = Self { group: Group::spawn(command)?, address, directory };
        server.ready()?;
        Ok(server)
    }

    fn ready(&mut self) -> Result<()> {
        let stopwatch = Stopwatch::start();
        while !dev::answers(self.address) {
            if interrupted().is_some() {
                return Err(CommandError::Interrupted.into());
            }
            if self.group.try_wait()?.is_some() || stopwatch.elapsed() > PATIENCE {
                bail!("the server does not serve:\n{}", read(&self.directory.join("log"))?);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.group.stop();
        // Left behind it is only in the way of nobody.
        fs::remove_dir_all(&self.directory).ok();
    }
}

/// What schemathesis found.
pub(crate) struct Found {
    requests: u64,
    server_errors: u64,
    violations: u64,
    /// Its report, where there is something to report.
    report: Option<String>,
}

impl Found {
    pub(crate) fn is_clean(&self) -> bool {
        self.report.is_none()
    }

    pub(crate) fn report(&self) -> Option<&str> {
        self.report.as_deref()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} |", self.requests, self.server_errors, self.violations)
    }
}

/// Runs tests/fuzz/run.py against the server. Each line is handed to `on_line` as it comes.
pub(crate) fn schemathesis(
    workspace: &Workspace,
    server: &Server,
    arguments: &[&str],
    on_line: impl FnMut(&str),
) -> Result<Found> {
    let mut command = Command::new("python3");
    command
        .arg(workspace.root().join("tests/fuzz/run.py"))
        .args(["--url", &format!("http://{}", server.address)]);
    command.args(arguments).env("LONGHAUL_TOKEN", TOKEN);
    match process::run(command, on_line) {
        Ok(output) => found(&output, None),
        Err(CommandError::Failed { output, .. }) => found(&output, Some(output.clone())),
        Err(error) => Err(error.into()),
    }
}

/// Reads `counted: 1200 requests, 0 server errors, 0 violations`.
fn found(output: &str, report: Option<String>) -> Result<Found> {
    let counted = output.lines().find_map(|line| line.strip_prefix(COUNTED));
    let counted = counted.with_context(|| format!("schemathesis did not run:\n{output}"))?;
    let numbers: Vec<u64> = counted.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [requests, server_errors, violations] = numbers[..] else {
        bail!("schemathesis counted {counted}");
    };
    Ok(Found { requests, server_errors, violations, report })
}

/// The worker's configuration for a place of its own: without a limit of requests, and without what needs an account.
fn without_limits(root: &Path, config: &str) -> Result<String> {
    let mut config: toml::Table = toml::from_str(config)?;
    for name in ["ratelimits", "build", "ai"] {
        config.remove(name);
    }
    let absolute = |value: &mut toml::Value| {
        if let Some(path) = value.as_str() {
            *value = root.join(path).display().to_string().into();
        }
    };
    config.get_mut("main").map(absolute).context("no main")?;
    config
        .get_mut("assets")
        .and_then(|assets| assets.get_mut("directory"))
        .map(absolute)
        .context("no assets")?;
    let databases = config.get_mut("d1_databases").and_then(toml::Value::as_array_mut);
    for database in databases.into_iter().flatten() {
        database.get_mut("migrations_dir").map(absolute).context("no migrations_dir")?;
    }
    Ok(toml::to_string(&config)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_no_limit_of_requests_and_finds_its_files() {
        let root = Path::new("/root");
        let config = "main = \"a/b.js\"\n[assets]\ndirectory = \"d\"\n[[d1_databases]]\nmigrations_dir = \"m\"\n\
            [[ratelimits]]\nname = \"RATE_LIMIT\"\n[build]\ncommand = \"x\"\n";
        let config: toml::Table = toml::from_str(&without_limits(root, config).unwrap()).unwrap();
        assert_eq!(config["main"].as_str(), Some("/root/a/b.js"));
        assert_eq!(config["assets"]["directory"].as_str(), Some("/root/d"));
        assert_eq!(config["d1_databases"][0]["migrations_dir"].as_str(), Some("/root/m"));
        assert!(!config.contains_key("ratelimits") && !config.contains_key("build"));
    }

    #[test]
    fn what_was_counted_is_read() {
        let output = "...\ncounted: 1200 requests, 0 server errors, 3 violations\n";
        assert_eq!(found(output, None).unwrap().to_string(), "| 1200 | 0 | 3 |");
        assert!(found("Traceback", None).is_err());
    }
}
