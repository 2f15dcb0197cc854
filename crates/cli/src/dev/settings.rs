//! What is served and where: our settings, weaker than what the user gave.

use std::{
    env, fs,
    io::{self, IsTerminal},
    net::{IpAddr, SocketAddr, TcpListener},
    path::{self, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{pins, product::KEEP_LAST_BUILD, project::Project, secrets::SECRETS, tools::Tools};

/// Variables of local work, unless they are set: nobody needs a token, and the `AI` binding, which wrangler offers with
/// `--local` too, cannot be called there.
const LOCAL_VARS: [(&str, &str); 4] =
    [("AUTH", "off"), ("MODEL", "scripted:haiku"), ("SCRIPTED", "on"), ("WORKERS_AI", "off")];
/// What wrangler serves beside the Worker on the same port, unless it is told otherwise: a page and an API that read and
/// change the storage of every tenant and ask for no token, and a record of the requests for that page.
const WRANGLER_SWITCHES: [&str; 2] = ["X_LOCAL_EXPLORER", "X_LOCAL_OBSERVABILITY"];
/// The variable that has the names which a server with `AUTH=off` answers to.
const HOSTS_VAR: &str = "LOCAL_HOSTS";
/// Options that are not handed on as they were given.
const RESOLVED: [&str; 4] = ["--ip=", "--port=", "--host=", "--persist-to="];

/// What to serve and where: our settings, weaker than what the user gave.
pub(super) struct Settings {
    pub(super) title: String,
    ip: IpAddr,
    /// 0 means any free one.
    port: u16,
    args: Vec<String>,
    /// Secrets that the command line names.
    pub(super) shown_secrets: Vec<&'static str>,
    /// Where the storage is.
    pub(super) persist_to: PathBuf,
    /// The state whose databases get the project's tables; none with a configuration of the user's own.
    pub(super) migrated: Option<PathBuf>,
}

impl Settings {
    pub(super) fn parse(project: &Project, user: Vec<String>) -> Result<Self> {
        let ip = match option(&user, "--ip") {
            Some("localhost") | None => IpAddr::from([127, 0, 0, 1]),
            Some(ip) => ip.parse().with_context(|| format!("--ip {ip} is no IP address"))?,
        };
        let port = match option(&user, "--port") {
            Some(port) => port.parse().with_context(|| format!("--port {port} is no port"))?,
            None => pins::DEV_PORT,
        };
        let mut args = vec!["dev".to_owned(), "--local".to_owned()];
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        let is_ours = !has_option(&user, &["--config", "-c"]);
        if is_ours {
            add("--config", display(project.config().to_path_buf()));
        }
        let persist_to = match option(&user, "--persist-to") {
            Some(dir) => path::absolute(dir).with_context(|| format!("--persist-to {dir} is no folder"))?,
            None => project.state(),
        };
        add("--persist-to", display(persist_to.clone()));
        let config = project.config().to_path_buf();
        let written = [config.with_file_name(".dev.vars"), config].map(|file| fs::read_to_string(file).ok());
        for (name, value) in LOCAL_VARS {
            let is_written =
                written.iter().flatten().any(|text| text.lines().any(|line| assigns(line, name)));
            if !sets(&user, name) && !is_written {
                add("--var", format!("{name}:{value}"));
            }
        }
        let hosts = hosts(&user, ip);
        if !hosts.is_empty() {
            add("--var", format!("{HOSTS_VAR}:{}", hosts.join(",")));
        }
        let shown_secrets = SECRETS.into_iter().filter(|name| sets(&user, name)).collect();
        args.extend(without_ours(user));
        let title = project.name().to_owned();
        let migrated = is_ours.then(|| persist_to.clone());
        Ok(Self { title, ip, port, args, shown_secrets, persist_to, migrated })
    }

    /// The address to serve on, which nobody listens on at the moment.
    pub(super) fn free_address(&self) -> Result<SocketAddr> {
        let wanted = SocketAddr::new(self.ip, self.port);
        match TcpListener::bind(wanted).and_then(|listener| listener.local_addr()) {
            Ok(address) => Ok(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let other = if self.port == u16::MAX { self.port - 1 } else { self.port + 1 };
                bail!(
                    "port {} is in use: end what listens there, or choose another one, by `-- --port {other}`",
                    self.port
                )
            }
            Err(error) => Err(error).with_context(|| format!("cannot listen on {wanted}")),
        }
    }

    pub(super) fn command(&self, tools: &Tools, project: &Project, address: SocketAddr) -> Result<Command> {
        let mut command = tools.wrangler()?;
        command.args(&self.args);
        // Wrangler runs the build of the configuration where it was started itself.
        if let Some(dir) = project.config().parent().filter(|_| self.migrated.is_some()) {
            command.current_dir(dir);
        }
        command.args(["--ip", &address.ip().to_string(), "--port", &address.port().to_string()]);
        command.env(KEEP_LAST_BUILD, "1").stdin(Stdio::null());
        // Its output passes through us, on its way to a terminal or elsewhere.
        if io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none() {
            command.env("FORCE_COLOR", "1");
        }
        for name in WRANGLER_SWITCHES {
            if env::var_os(name).is_none() {
                command.env(name, "false");
            }
        }
        Ok(command)
    }
}

/// The value of an option, given as `--name value` or `--name=value`; the last one counts.
fn option<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let mut found = None;
    for (index, arg) in args.iter().enumerate() {
        if arg == name {
            found = args.get(index + 1).map(String::as_str);
        } else if let Some(value) = arg.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            found = Some(value);
        }
    }
    found
}

fn has_option(args: &[String], names: &[&str]) -> bool {
    names.iter().any(|name| option(args, name).is_some())
}

/// The names that the server is asked by beside those of loopback: each `--host`, and the address of `--ip`.
fn hosts(args: &[String], ip: IpAddr) -> Vec<String> {
    let mut hosts = Vec::new();
    for (index, arg) in args.iter().enumerate() {
        let next = || args.get(index + 1).map(String::as_str);
        let given = if arg == "--host" { next() } else { arg.strip_prefix("--host=") };
        hosts.extend(given.map(str::to_owned));
    }
    if !ip.is_loopback() && !ip.is_unspecified() {
        hosts.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
    }
    hosts
}

/// The user's arguments without those that are given once, resolved, and without `--host`: wrangler would give each
/// request that name, whatever name it came by.
fn without_ours(args: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--ip" | "--port" | "--host" | "--persist-to" => drop(args.next()),
            other if RESOLVED.iter().any(|option| other.starts_with(option)) => {}
            _ => kept.push(arg),
        }
    }
    kept
}

/// Whether the arguments for wrangler set a variable.
fn sets(args: &[String], name: &str) -> bool {
    let value = |arg: &str| arg.strip_prefix("--var=").unwrap_or(arg).strip_prefix(name).map(str::to_owned);
    args.iter().filter_map(|arg| value(arg)).any(|rest| rest.starts_with(':'))
}

/// Whether a line of `.dev.vars` or `wrangler.toml` sets a variable.
fn assigns(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn display(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The repository's own worker.
    fn project() -> Project {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Project::open(&root.join("crates/worker"), &root.join("wrangler.toml")).unwrap()
    }

    fn settings(args: &[&str]) -> Settings {
        Settings::parse(&project(), args.iter().map(ToString::to_string).collect()).unwrap()
    }

    #[test]
    fn ours_are_loopback_a_fixed_port_and_storage_on_disk() {
        let ours = settings(&[]);
        assert_eq!((ours.ip.to_string().as_str(), ours.port), ("127.0.0.1", 8787));
        assert!(option(&ours.args, "--persist-to").unwrap().ends_with(".wrangler/state"));
        assert!(ours.migrated.unwrap().ends_with(".wrangler/state"));
        assert!(option(&ours.args, "--config").unwrap().ends_with("wrangler.toml"));
        assert!(
            ours.args.contains(&"AUTH:off".to_owned())
                && ours.args.contains(&"MODEL:scripted:haiku".to_owned())
                && ours.args.contains(&"WORKERS_AI:off".to_owned())
        );
    }

    #[test]
    fn what_the_user_gives_wins() {
        let theirs = settings(&["--port", "9000", "--persist-to=/tmp/x", "--var", "MODEL:a", "AUTH:tokens"]);
        assert_eq!(theirs.port, 9000);
        assert_eq!(theirs.args.iter().filter(|arg| arg.starts_with("--persist-to")).count(), 1);
        assert_eq!(theirs.migrated, Some(PathBuf::from("/tmp/x")));
        assert_eq!(settings(&["--config", "own.toml"]).migrated, None);
        let here = std::env::current_dir().unwrap();
        assert_eq!(settings(&["--persist-to", "x"]).migrated, Some(here.join("x")));
        assert!(!theirs.args.contains(&"AUTH:off".to_owned()));
        assert!(theirs.args.contains(&"MODEL:a".to_owned()));
        assert!(!theirs.args.contains(&"MODEL:scripted:haiku".to_owned()));
        assert!(!theirs.args.contains(&"9000".to_owned()));
    }

    #[test]
    fn names_of_the_server_become_a_variable_and_are_kept_from_wrangler() {
        let hosts = |args: &[&str]| {
            let settings = settings(args);
            assert!(!settings.args.iter().any(|arg| arg.starts_with("--host")), "{:?}", settings.args);
            settings.args.iter().find_map(|arg| arg.strip_prefix("LOCAL_HOSTS:").map(str::to_owned))
        };
        assert_eq!(hosts(&[]), None);
        assert_eq!(
            hosts(&["--host", "a.test", "--host=b.test", "--port", "1"]).as_deref(),
            Some("a.test,b.test")
        );
        assert_eq!(hosts(&["--ip", "192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(hosts(&["--ip=2001:db8::7", "--host", "a"]).as_deref(), Some("a,[2001:db8::7]"));
        assert_eq!(hosts(&["--ip", "0.0.0.0"]), None, "whoever opens it to a network says by which names");
    }

    #[test]
    fn a_secret_on_the_command_line_is_noticed() {
        let shown =
            settings(&["--var", "OPENAI_API_KEY:sk-x", "--var=API_TOKENS:a:b", "MODEL:a"]).shown_secrets;
        assert_eq!(shown, ["API_TOKENS", "OPENAI_API_KEY"]);
        assert!(settings(&["--var", "OPENAI_API_KEYS:x"]).shown_secrets.is_empty());
    }

    #[test]
    fn wranglers_own_page_is_shut_unless_it_is_asked_for() {
        let (tools, address) = (Tools::of_checkout(Path::new("/")).unwrap(), ([127, 0, 0, 1], 1).into());
        let command = settings(&[]).command(&tools, &project(), address).unwrap();
        for name in WRANGLER_SWITCHES {
            let value = command.get_envs().find(|(known, _)| *known == name).and_then(|(_, value)| value);
            assert_eq!(value.is_some_and(|value| value == "false"), env::var_os(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_cure() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = settings(&["--port", &port.to_string()]).free_address().unwrap_err().to_string();
        assert!(error.contains(&format!("port {port} is in use")) && error.contains("-- --port"), "{error}");
    }

    #[test]
    fn a_variable_in_a_file_is_seen() {
        assert!(assigns("AUTH=tokens", "AUTH") && assigns("  export AUTH = \"tokens\"", "AUTH"));
        assert!(!assigns("# AUTH=tokens", "AUTH") && !assigns("AUTHOR=me", "AUTH"));
    }
}
