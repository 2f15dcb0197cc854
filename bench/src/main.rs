//! The runtime measured: beside others, with many runs in its index, from nothing to the first page. It prints Markdown tables and judges
//! nothing: times depend on the machine.

mod clock;
mod compare;
mod contestants;
mod first;
mod index;
mod model;
mod place;
mod sample;
mod scale;
mod sse;
mod tenant;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::UNIX_EPOCH,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::{
    clock::now,
    place::{here, node_modules},
};

/// Measures what `cargo xtask build` made.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    /// longhaul alone beside the bare object, or two builds of it
    #[arg(value_enum)]
    bench: Option<Bench>,
    /// The build to measure
    #[arg(long, default_value_os_t = here().join("../crates/worker/build"))]
    build: PathBuf,
    /// A second build to compare with, in place of the bare object
    #[arg(long)]
    against: Option<PathBuf>,
    /// Pieces that an answer is streamed in
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    pieces: u8,
}

#[derive(Subcommand)]
enum Other {
    /// longhaul beside other runtimes: the same work, side by side. `cargo xtask bench` builds what it needs
    Compare(Box<compare::Options>),
    /// The index of traces, with many in it
    #[command(subcommand)]
    Index(index::Command),
    /// From nothing to the first page, and a changed line, on the clock
    First,
    /// What a million sessions a day come to, and ten million: the tables of docs/scale.md
    Scale,
    /// The object of one tenant under load
    Tenant {
        /// The build to measure
        #[arg(long, default_value_os_t = here().join("../crates/worker/build"))]
        build: PathBuf,
    },
    /// The model server of a comparison; it says its port, and serves until it is killed
    Model,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// Six-turn runs without tools
    Runs,
    /// SIGKILL during a model call
    Resume,
    /// A turn after 10, 100 and 1,000 messages
    History,
    /// All of them
    All,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.other {
        Some(Other::Index(command)) => index::run(&command, now_ms()?).await,
        Some(Other::First) => print_first().await,
        Some(Other::Compare(options)) => compare::run(&options).await,
        Some(Other::Model) => model::serve().await,
        Some(Other::Scale) => Ok(writeln!(io::stdout().lock(), "{}", scale::tables().join("\n\n"))?),
        Some(Other::Tenant { build }) => print_tenant(&build).await,
        None => {
            let measures = match arguments.bench.unwrap_or(Bench::All) {
                Bench::Runs => vec!["upload", "rates"],
                Bench::Resume => vec!["resume"],
                Bench::History => vec!["history"],
                Bench::All => vec!["upload", "rates", "resume", "history"],
            };
            let build = arguments.build;
            compare::run(&compare::Options::two(build, arguments.against, &measures, arguments.pieces)).await
        }
    }
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

async fn print_tenant(build: &Path) -> Result<()> {
    let load_before = load();
    let table = tenant::measure(build).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}; load average {load_before} before, {} after\n", conditions()?, load())?;
    writeln!(out, "{table}")?;
    Ok(())
}

/// When, where and with what was measured.
fn conditions() -> Result<String> {
    let now = httpdate::fmt_http_date(now());
    let cores = thread::available_parallelism()?;
    let manifest = node_modules().join("workerd/package.json");
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
