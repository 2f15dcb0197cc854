//! The budgets of the runtime, measured. It prints a Markdown table and judges nothing: times depend on the machine.

mod clock;
mod compare;
mod contestants;
mod first;
mod history;
mod in_process;
mod index;
mod model;
mod resume;
mod runs;
mod sample;
mod server;
mod sse;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::{
    clock::now,
    sample::row,
    server::{Side, here},
};

/// Measures the worker that `cargo xtask build` made.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// What is measured
    #[arg(value_enum, default_value_t = Bench::All)]
    bench: Bench,
    /// The build to measure
    #[arg(long, default_value_os_t = here().join("../crates/worker/build"))]
    build: PathBuf,
    /// A second build to compare with, in place of the JavaScript object
    #[arg(long)]
    against: Option<PathBuf>,
    /// Pieces that an answer of `runs` is streamed in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    pieces: u8,
}

#[derive(Subcommand)]
enum Other {
    /// The index of traces, with many in it
    #[command(subcommand)]
    Index(index::Command),
    /// From nothing to the first page, and a changed line, on the clock
    First,
    /// longhaul beside other runtimes: the same work, side by side
    Compare(compare::Options),
    /// The model server of a comparison; it says its port, and serves until it is killed
    Model,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// Six-turn runs against the JavaScript object
    Runs,
    /// SIGKILL during a model call
    Resume,
    /// A turn at 1,000 messages against one at 10
    History,
    /// All of them
    All,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.other {
        Some(Other::Index(command)) => return index::run(command, now_ms()?).await,
        Some(Other::First) => return print_first().await,
        Some(Other::Compare(options)) => return compare::run(options).await,
        Some(Other::Model) => return model::serve().await,
        None => {}
    }
    let does = |bench| arguments.bench == bench || arguments.bench == Bench::All;
    let ours = Side::Longhaul(arguments.build.clone());
    let theirs = arguments.against.clone().map_or(Side::Peer, Side::Longhaul);
    let load_before = load();
    let other = if arguments.against.is_some() { "other build" } else { "JavaScript" };
    let mut tables = Vec::new();
    if does(Bench::Runs) {
        let rows = runs::measure(&ours, &theirs, arguments.pieces.into()).await?;
        tables.push(table(["longhaul", other], &rows));
    }
    if does(Bench::Resume) {
        tables.push(table(["longhaul", other], &resume::measure(&ours).await?));
    }
    if does(Bench::History) {
        let rows = history::measure([("longhaul", &ours), (other, &theirs)]).await?;
        tables.push(table(["1,000 messages", "10 messages"], &rows));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}; load average {load_before} before, {} after\n", conditions()?, load())?;
    writeln!(out, "gzip of the wasm: {}\n", gzip(&arguments.build)?)?;
    writeln!(out, "{}", tables.join("\n"))?;
    Ok(())
}

async fn print_first() -> Result<()> {
    let load_before = load();
    let rows = first::measure().await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}; load average {load_before} before, {} after\n", conditions()?, load())?;
    writeln!(out, "| what | on the clock |\n|---|---|")?;
    for (what, took) in rows {
        writeln!(out, "| {what} | {:.1} s |", took.as_secs_f64())?;
    }
    Ok(())
}

fn table([left, right]: [&str; 2], rows: &[String]) -> String {
    let head = row([&"median (range)", &left, &right, &"ratio, pair by pair", &"budget"]);
    format!("{head}\n|---|---|---|---|---|\n{}\n", rows.join("\n"))
}

/// When, where and with what was measured.
fn conditions() -> Result<String> {
    let now = httpdate::fmt_http_date(now());
    let cores = thread::available_parallelism()?;
    let manifest = here().join("../node_modules/workerd/package.json");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text)?;
    let workerd = manifest["version"].as_str().unwrap_or("of unknown version");
    Ok(format!("{now}; {cores} cores; longhaul {}, workerd {workerd}", env!("CARGO_PKG_VERSION")))
}

/// Milliseconds since the epoch.
fn now_ms() -> Result<u64> {
    Ok(u64::try_from(now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// The load average of the last minute, where the system tells it.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

fn gzip(build: &Path) -> Result<String> {
    let wasm = build.join("index_bg.wasm");
    let content = fs::read(&wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content)?;
    Ok(format!("{:.1} KiB", encoder.finish()?.len() as f64 / 1024.0))
}
