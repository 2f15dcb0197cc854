//! The same work by several runtimes, side by side on one machine: a table, JSON, a chart.

mod book;
mod chart;
mod machine;
mod measures;
mod player;
pub(crate) mod prices;
mod table;

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use tokio::time::Instant;

use self::{
    book::Book,
    measures::{Field, MEASURES, Mode},
    player::Player,
    table::Column,
};
use crate::{
    conditions,
    contestants::{self, Contestant, Place, longhaul::Longhaul},
    load,
    model::Model,
    place::{self, here, node_modules},
};

/// What is compared, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// In less than three minutes: fewer rounds, fewer measures
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// In less than half an hour: more rounds, every measure, every contestant
    #[arg(long)]
    full: bool,
    /// These contestants alone, by name
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<String>,
    /// These measures alone
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    measure: Vec<String>,
    /// Name the contestants and the measures, and stop
    #[arg(long)]
    list: bool,
    /// Put the table and the chart into `bench`, and the table into README.md
    #[arg(long)]
    publish: bool,
    /// longhaul's build without tools
    #[arg(long, value_name = "DIR", default_value_os_t = here().join("../crates/worker/build"))]
    build: PathBuf,
    /// longhaul's build with the tool
    #[arg(long, value_name = "DIR", default_value_os_t = here().join("worker/build"))]
    tools_build: PathBuf,
    /// A second build of longhaul, as the contestant `against`
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The second build with the tool
    #[arg(long, value_name = "DIR", requires = "against")]
    against_tools: Option<PathBuf>,
    /// Runs without tools alone
    #[arg(long)]
    no_tools: bool,
    /// Pieces that an answer is streamed in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    pieces: u8,
}

impl Options {
    /// A build of longhaul beside a second one or the bare object, without tools.
    pub(crate) fn two(build: PathBuf, against: Option<PathBuf>, measures: &[&str], pieces: u8) -> Self {
        let other = if against.is_some() { AGAINST } else { "object" };
        Self {
            quick: false,
            full: false,
            only: vec!["longhaul".to_owned(), other.to_owned()],
            measure: measures.iter().map(|name| (*name).to_owned()).collect(),
            list: false,
            publish: false,
            tools_build: build.clone(),
            build,
            against,
            against_tools: None,
            no_tools: true,
            pieces,
        }
    }

    fn contestants(&self) -> Vec<Box<dyn Contestant>> {
        let mut all = contestants::all([self.build.clone(), self.tools_build.clone()]);
        if let Some(build) = &self.against {
            // Without a build with the tool it plays no such runs.
            let builds = [build.clone(), self.against_tools.clone().unwrap_or_default()];
            all.insert(1, Box::new(Longhaul::new(AGAINST, builds)));
        }
        all
    }
}

/// The name of a second build.
const AGAINST: &str = "against";

/// Installs who is missing, plays, and prints the table.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let all = options.contestants();
    check(options, &all)?;
    if options.list {
        return list(&all);
    }
    let mode = match (options.quick, options.full) {
        (true, _) => Mode::Quick,
        (_, true) => Mode::Full,
        _ => Mode::Default,
    };
    machine::raise_open_files();
    let began = Instant::now();
    let load_before = load();
    let mut book = Book::default();
    let players = install(options, mode, all, &mut book).await?;
    let kinds: &[bool] = if options.no_tools { &[false] } else { &[false, true] };
    let field = Field {
        players: players.iter().collect(),
        model: Model::start().await?,
        mode,
        kinds,
        pieces: options.pieces.into(),
    };
    for (name, least, _) in MEASURES {
        let is_chosen = if options.measure.is_empty() {
            least <= mode
        } else {
            options.measure.iter().any(|it| it == name)
        };
        if is_chosen {
            eprintln!("{name}");
            if let Err(error) = measures::play(name, &field, &mut book).await {
                book.fail("everybody", name, &error);
            }
        }
    }
    measures::figures(&field.players, &mut book);
    let conditions = format!(
        "{}; {}; load average {load_before} before, {} after; {} s; {}",
        conditions()?,
        machine::processor(),
        load(),
        began.elapsed().as_secs(),
        match mode {
            Mode::Quick => "--quick",
            Mode::Default => "the default",
            Mode::Full => "--full",
        }
    );
    report(options, &players, &book, &conditions)
}

/// Fails at a name that nobody has.
fn check(options: &Options, all: &[Box<dyn Contestant>]) -> Result<()> {
    let names: Vec<&str> = all.iter().map(|contestant| contestant.name()).collect();
    if let Some(name) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no contestant {name}: there are {}", names.join(", "));
    }
    let measures: Vec<&str> = MEASURES.iter().map(|(name, _, _)| *name).collect();
    if let Some(name) = options.measure.iter().find(|name| !measures.contains(&name.as_str())) {
        bail!("there is no measure {name}: there are {}", measures.join(", "));
    }
    Ok(())
}

fn list(all: &[Box<dyn Contestant>]) -> Result<()> {
    let mut out = io::stdout().lock();
    for contestant in all {
        let only = if contestant.is_heavy() { " (--full, or by name)" } else { "" };
        writeln!(out, "{}{only}: {}", contestant.name(), contestant.about())?;
    }
    writeln!(out)?;
    for (name, least, what) in MEASURES {
        let when = match least {
            Mode::Quick => "",
            Mode::Default => " (not in --quick)",
            Mode::Full => " (--full, or by name)",
        };
        writeln!(out, "{name}: {what}{when}")?;
    }
    writeln!(out, "What a million runs cost follows from stored and rates.")?;
    Ok(())
}

/// Who was installed. Who was not is in the book.
async fn install(
    options: &Options,
    mode: Mode,
    all: Vec<Box<dyn Contestant>>,
    book: &mut Book,
) -> Result<Vec<Player>> {
    let mut players = Vec::new();
    for contestant in all {
        let is_chosen = if options.only.is_empty() {
            mode == Mode::Full || !contestant.is_heavy()
        } else {
            options.only.iter().any(|name| name == contestant.name())
        };
        if !is_chosen {
            continue;
        }
        let place = place(contestant.folder())?;
        eprintln!("install {}", contestant.name());
        match contestant.install(&place).await {
            Ok(installed) => players.push(Player { contestant, place, installed }),
            Err(error) => book.fail(contestant.name(), "it could not be installed", &error),
        }
    }
    Ok(players)
}

fn place(folder: &str) -> Result<Place> {
    let bench = here().to_path_buf();
    // `cargo xtask` names it; else it is the one that npm has installed for this platform.
    let node = env::var_os("LONGHAUL_NODE").map_or_else(place::node, |node| Ok(PathBuf::from(node)))?;
    let beside = node.parent().context("Node is in no folder")?.canonicalize()?;
    let paths = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(beside).chain(env::split_paths(&paths)))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| bench.join("../target"), PathBuf::from);
    let installed = target.join("bench-peers").join(folder);
    fs::create_dir_all(&installed)?;
    let esbuild = node_modules().join(".bin/esbuild");
    Ok(Place { installed: installed.canonicalize()?, node, path, esbuild, workerd: place::workerd()?, bench })
}

/// Prints the table, and writes JSON and chart.
fn report(options: &Options, players: &[Player], book: &Book, conditions: &str) -> Result<()> {
    let columns: Vec<Column> = players
        .iter()
        .map(|player| Column {
            name: player.name(),
            version: player.installed.version.clone(),
            is_durable: player.contestant.is_durable(),
        })
        .collect();
    let table = table::table(book, &columns, |_| true);
    let text = explained(players, book, &table, conditions)?;
    let svg = chart::chart(book, &columns, conditions);
    let json = json!({
        "conditions": conditions,
        "contestants": players.iter().map(|player| json!({
            "name": player.name(), "version": player.installed.version, "about": player.contestant.about(),
        })).collect::<Vec<_>>(),
        "lines": book.lines().iter().map(book::Line::json).collect::<Vec<_>>(),
        "failures": book.failures,
    });
    let target = here().join("../target/bench");
    fs::create_dir_all(&target)?;
    fs::write(target.join("bench.json"), serde_json::to_string_pretty(&json)? + "\n")?;
    fs::write(target.join("bench.md"), &text)?;
    fs::write(target.join("chart.svg"), &svg)?;
    if options.publish {
        let main = table::table(book, &columns, |line| table::MAIN.contains(&line.title.as_str()));
        publish(&text, &main, &svg, conditions)?;
    }
    write!(io::stdout().lock(), "{text}")?;
    eprintln!("target/bench has bench.json, bench.md and chart.svg");
    Ok(())
}

/// The table with what a reader needs to know of it.
fn explained(players: &[Player], book: &Book, table: &str, conditions: &str) -> Result<String> {
    let mut text = format!("{conditions}\n\n{table}\n");
    writeln!(
        text,
        "Every contestant does the same work: six streamed model calls over HTTP to one model server in a process of its own, which answers at \
         once; a watcher of each run; state on disk. They play in turns, and who begins changes with each round; the ratio is taken round by \
         round, and above 1 {} is ahead. The best of a line is bold.\n",
        players.first().map_or("the first", Player::name)
    )?;
    for player in players {
        writeln!(text, "- {}: {}", player.name(), player.contestant.about())?;
    }
    for player in players {
        let median = |title: &str| book.median(title, player.name());
        let parts = (
            median("rows written by a run, five tools"),
            median("rows read by a run, five tools"),
            median("alarms set by a run, five tools"),
        );
        if let (Some(written), Some(read), Some(alarms)) = parts {
            let own_ms = median("p50 of a run, ms, 1 at once, five tools").unwrap_or_default();
            let run = prices::Run { written, read, alarms, own_ms };
            write!(text, "\n{}", run.arithmetic(&format!("{}, five tools", player.name())))?;
        }
    }
    writeln!(
        text,
        "\nPrices: {}. A model that takes 2 s for an answer is assumed. Not reckoned: the Worker's own processor time, \
         storage, what is included in the plan, and longhaul's index in D1, which is not served here: three further rows written, 3.00 USD.",
        prices::SOURCE
    )?;
    Ok(text)
}

/// Puts the figures where readers find them.
fn publish(text: &str, table: &str, svg: &str, conditions: &str) -> Result<()> {
    let head = "# The figures\n\n`cargo xtask bench --publish` has written this page; README.md here says how to read it.\n\n";
    fs::write(here().join("RESULTS.md"), format!("{head}{text}"))?;
    fs::write(here().join("chart.svg"), svg)?;
    let readme = here().join("../README.md");
    let page = fs::read_to_string(&readme)?;
    let picture =
        "![Runs a second, latency, processor time, rows and resume of each runtime](bench/chart.svg)";
    let more = "All lines, and how they were measured: [bench/RESULTS.md](bench/RESULTS.md).";
    if let Some(page) = between(&page, &format!("{picture}\n\n{table}\n{conditions}. {more}\n")) {
        fs::write(readme, page)?;
    } else {
        eprintln!("README.md has no lines `{BEGIN}` and `{END}`: it stays as it is");
    }
    Ok(())
}

const BEGIN: &str = "<!-- bench -->";
const END: &str = "<!-- /bench -->";

/// The page with other text between its marks.
fn between(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_put_between_the_marks() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(between(&page, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(between("no marks", "new"), None);
    }
}
