//! DBOS on Postgres: a workflow in Node, `peers/dbos`, and a server of Postgres of its own.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use futures::future::BoxFuture;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::{
    Contestant, Installed, Place, Setting, Started, Stored,
    programs::{self, Patience, on_path},
};

/// Where Debian and Ubuntu put servers of Postgres, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Rows in all tables of DBOS, and the bytes of its database.
const STORED: &str = "select coalesce(sum((xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I.%I', \
    schemaname, tablename), false, true, '')))[1]::text::bigint), 0), pg_database_size(current_database()) \
    from pg_tables where schemaname = 'dbos'";

pub(crate) struct Dbos;

impl Contestant for Dbos {
    fn name(&self) -> &'static str {
        "dbos"
    }

    fn about(&self) -> &'static str {
        "DBOS Transact for Node on Postgres, defaults (every commit is synced to disk): a workflow, each model call and tool call a step"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            let postgres = bin(place)?.join("postgres");
            programs::install(place, "dbos").await?;
            let output = Command::new(postgres).arg("--version").stdin(Stdio::null()).output().await?;
            let said = String::from_utf8_lossy(&output.stdout);
            let version = said.split_whitespace().nth(2).context("postgres tells no version")?.to_owned();
            let dbos = programs::version(place, "@dbos-inc/dbos-sdk")?;
            Ok(Installed { version: format!("{dbos}, PostgreSQL {version}"), upload: Vec::new() })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        Box::pin(async move {
            let [port] = programs::ports(&setting.state)?;
            let bin = bin(&setting.place)?;
            let owner = owner(&setting.state)?;
            if !setting.state.join("postgres").exists() {
                create(setting, &bin, owner).await?;
            }
            let spawned_at = Instant::now();
            let postgres = postgres(setting, &bin, owner, port).await?;
            let mut command = programs::agent(setting, "dbos");
            command.env("DATABASE_URL", format!("postgresql://postgres@127.0.0.1:{port}/bench"));
            let agent = setting.spawn(command)?;
            setting.listening(vec![agent, postgres], spawned_at, "/").await
        })
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn stored<'a>(&'a self, setting: &'a Setting, _: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        Box::pin(async move {
            let [port] = programs::ports(&setting.state)?;
            let mut psql = Command::new(bin(&setting.place)?.join("psql"));
            psql.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-d", "bench"]);
            let output = psql.args(["-XAtc", STORED]).stdin(Stdio::null()).output().await?;
            ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout)?;
            let numbers: Result<Vec<u64>, _> = text.trim().split('|').map(str::parse).collect();
            let [rows, bytes] = numbers?[..] else { bail!("psql says something else: {text}") };
            Ok(Some(Stored { rows: Some(rows), bytes, ..Stored::default() }))
        })
    }
}

/// The programs of Postgres: the newest that Debian has, or what is on the `PATH`.
fn bin(place: &Place) -> Result<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let bin = entry.path().join("bin");
        bin.join("initdb").is_file().then_some((version, bin))
    });
    let newest = versions.max().map(|(_, bin)| bin);
    let other = || Some(on_path(place, "initdb")?.parent()?.to_path_buf());
    newest.or_else(other).context(
        "DBOS needs a server of Postgres: install Debian's package `postgresql`, or put `initdb` on the PATH",
    )
}

/// Who the server runs as, where that is somebody else: Postgres refuses to be root.
fn owner(state: &Path) -> Result<Option<(u32, u32)>> {
    if fs::metadata(state)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let found = ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields =
            users.lines().find_map(|line| line.strip_prefix(*name)?.strip_prefix(':'))?.split(':');
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Ok(Some(found.context("Postgres does not run as root, and there is no user `postgres` or `nobody`")?))
}

/// Makes the cluster.
async fn create(setting: &Setting, bin: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let data = setting.state.join("postgres");
    fs::create_dir(&data)?;
    if let Some((user, group)) = owner {
        chown(&data, Some(user), Some(group))?;
        reachable(&setting.state)?;
    }
    let mut initdb = as_owner(Command::new(bin.join("initdb")), owner);
    initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"]);
    let output = initdb.current_dir("/").stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        bail!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Lets another user pass through the folders of root's that lead to the state.
fn reachable(state: &Path) -> Result<()> {
    for folder in state.ancestors() {
        let metadata = fs::metadata(folder)?;
        let mode = metadata.permissions().mode();
        if metadata.uid() == 0 && mode & 0o1 == 0 {
            let is_ours = folder.starts_with(std::env::temp_dir()) || folder == state;
            ensure!(
                is_ours,
                "the user of Postgres cannot enter {}: choose another directory",
                folder.display()
            );
            fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o11))?;
        }
    }
    Ok(())
}

/// Starts the server and waits until it takes connections.
async fn postgres(setting: &Setting, bin: &Path, owner: Option<(u32, u32)>, port: u16) -> Result<Child> {
    let spawn = || {
        let mut command = as_owner(Command::new(bin.join("postgres")), owner);
        command.arg("-D").arg(setting.state.join("postgres")).arg("-p").arg(port.to_string());
        // All else has its default: fsync and synchronous_commit are on.
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]).current_dir("/");
        setting.spawn(command)
    };
    let mut child = spawn()?;
    let mut ready = Command::new(bin.join("pg_isready"));
    ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null());
    let patience = Patience::new();
    while !ready.status().await?.success() {
        // The children of a server that was killed go after it, and until then no other starts.
        if child.try_wait()?.is_some() {
            child = spawn()?;
        }
        patience.wait("Postgres takes no connections").await?;
    }
    Ok(child)
}

fn as_owner(mut command: Command, owner: Option<(u32, u32)>) -> Command {
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    command
}
