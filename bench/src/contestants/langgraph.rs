//! LangGraph with its SQLite checkpointer: a graph in Python, `peers/langgraph`.

use std::{fs, process::Stdio};

use anyhow::{Result, bail};
use futures::future::BoxFuture;
use rusqlite::{Connection, OpenFlags};
use tokio::process::Command;

use super::{Contestant, Installed, Place, Setting, Started, Stored, run};

/// Rows of both tables of the checkpointer, and the bytes of the database.
const STORED: &str = "select (select count(*) from checkpoints) + (select count(*) from writes), \
    (select page_count from pragma_page_count()) * (select page_size from pragma_page_size())";
const OLDEST_PYTHON: &str = "import sys, venv; sys.exit(sys.version_info < (3, 10))";

pub(crate) struct LangGraph;

impl Contestant for LangGraph {
    fn name(&self) -> &'static str {
        "langgraph"
    }

    fn about(&self) -> &'static str {
        "LangGraph on Python with AsyncSqliteSaver, durability \"async\", its default (every checkpoint is synced to disk while the next step runs): a model node and a tool node"
    }

    fn install<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<Installed>> {
        Box::pin(async move {
            venv(place).await?;
            let pins = fs::read_to_string(place.bench.join("peers/langgraph/requirements.txt"))?;
            let main = ["langgraph==", "langgraph-checkpoint-sqlite=="];
            let pins = pins.lines().filter(|pin| main.iter().any(|name| pin.starts_with(name)));
            let version = pins.map(|pin| pin.replace("==", " ")).collect::<Vec<_>>().join(", ");
            Ok(Installed { version, upload: Vec::new() })
        })
    }

    fn start<'a>(&'a self, setting: &'a Setting) -> BoxFuture<'a, Result<Started>> {
        Box::pin(async move {
            let mut command = Command::new(setting.place.installed.join("venv/bin/python"));
            command.arg(setting.place.bench.join("peers/langgraph/agent.py")).current_dir(&setting.state);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            setting.start(command, "/").await
        })
    }

    fn is_heavy(&self) -> bool {
        true
    }

    fn stored<'a>(&'a self, setting: &'a Setting, _: &'a Started) -> BoxFuture<'a, Result<Option<Stored>>> {
        Box::pin(async move {
            let file = setting.state.join("checkpoints.sqlite");
            let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let (rows, bytes): (i64, i64) =
                database.query_row(STORED, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Some(Stored { rows: Some(rows.try_into()?), bytes: bytes.try_into()?, ..Stored::default() }))
        })
    }
}

/// Makes a virtual environment with the pinned packages, unless just these are there.
async fn venv(place: &Place) -> Result<()> {
    let requirements = place.bench.join("peers/langgraph/requirements.txt");
    let pins = fs::read(&requirements)?;
    let stamp = place.installed.join(".installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let mut python = Command::new("python3");
    python.args(["-c", OLDEST_PYTHON]).stdin(Stdio::null()).stderr(Stdio::null());
    if !python.status().await.is_ok_and(|status| status.success()) {
        bail!("it needs `python3`, 3.10 or newer, with its module `venv`");
    }
    fs::create_dir_all(&place.installed)?;
    let mut python = Command::new("python3");
    python.args(["-m", "venv", "--clear", "venv"]);
    run(place, python).await?;
    let mut pip = Command::new(place.installed.join("venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]);
    pip.arg(&requirements);
    run(place, pip).await?;
    Ok(fs::write(stamp, pins)?)
}
