//! What a person types: `cargo xtask dev`, `cargo xtask build`, `cargo xtask test`.
//!
//! Knows the tools and their versions, nothing of what the worker does. No async, no network of its own:
//! everything is fetched by `rustup`, `cargo`, `npm` and `pip`.

mod api;
mod audit;
mod bench;
mod check;
mod chromium;
mod cost;
mod dashboard;
mod debian;
mod fuzz;
mod judges;
mod kill;
mod openapi;
mod pins;
mod setup;
mod sim;
mod workspace;

use std::{num::NonZeroU32, process::ExitCode};

use clap::{Parser, Subcommand};
use longhaul_cli::{
    build::{self, Grade},
    dev, process, report,
};

use crate::{check::Selection, workspace::Workspace};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, dev, build and test of longhaul",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing: the compilers and their parts, the npm packages
    Setup,
    /// Build the worker with its dashboard, or an example
    Build {
        /// An example's directory under examples/
        #[arg(long, value_name = "NAME")]
        example: Option<String>,
    },
    /// Set up, build and serve on this machine, with storage kept on disk
    Dev {
        /// Serve an example instead of the worker
        #[arg(long, value_name = "NAME")]
        example: Option<String>,
        /// Handed to `wrangler dev`, and stronger than our own settings: --port, --ip, --persist-to, --var
        #[arg(last = true, value_name = "WRANGLER ARGS")]
        wrangler_args: Vec<String>,
    },
    /// Serve a real model on this machine, SmolLM2-135M: no account, no key, nothing to pay
    Model {
        /// Handed to tests/servers/model/serve.py: --port, --file, --name, --context, --tokens, --threads
        #[arg(last = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Run every check, or some of them
    Test {
        /// Run this step and what it needs; may be repeated
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Leave this step out; may be repeated
        #[arg(long, value_name = "STEP")]
        skip: Vec<String>,
        /// Name the steps and stop
        #[arg(long)]
        list: bool,
    },
    /// Kill real workerd by SIGKILL at seeded moments, count what everybody saw, and print the table
    Kill {
        /// How often
        #[arg(long, value_name = "N", default_value = "100")]
        kills: NonZeroU32,
        /// Decides the sessions and the moments
        #[arg(long, value_name = "SEED", default_value_t = 0)]
        seed: u64,
    },
    /// Measure longhaul beside other runtimes, which it installs: one table, JSON and a chart
    #[command(disable_help_flag = true)]
    Bench {
        /// Handed to the bench: --quick, --full, --only NAME,…, --measure NAME,…, --list, --publish, --build DIR, --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<String>,
    },
    /// Count what a run costs that does not depend on the machine, beside the limits
    Cost {
        /// Print the calls between the wasm and JavaScript by name instead, and the SQL statements
        #[arg(long)]
        profile: bool,
    },
    /// Look for known vulnerabilities, foreign sources and licenses among what is built from
    Audit,
    /// Try hostile input: libFuzzer on what reads foreign bytes, schemathesis on a server; and print the table
    Fuzz(fuzz::Options),
    /// Let every scenario die at every operation; or run random worlds, or see that deliberate bugs are found
    Sim(sim::Options),
    /// Write the public API of the library from the code, for reviews
    Api,
    /// Write the OpenAPI document from the code, and the dashboard's types from the document
    Openapi,
    /// Check what the compiler does not: the edges between crates, sizes, the documents
    Tidy,
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    process::catch_signals();
    match run(task) {
        Ok(code) => code,
        Err(error) => {
            report::failure(&error);
            process::interrupted().map_or(ExitCode::FAILURE, |signal| ExitCode::from(signal.exit_code()))
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::open()?;
    match task {
        Task::Setup => setup::run(&workspace)?,
        Task::Build { .. } if build::is_spared() => {}
        Task::Build { example } => {
            let grade = if build::serves_on() { Grade::Quick } else { Grade::Deployed };
            longhaul_cli::setup::run(workspace.packages())?;
            build::run(workspace.packages(), &workspace.project(example.as_deref())?, grade)?;
        }
        Task::Dev { example, wrangler_args } => {
            let project = workspace.project(example.as_deref())?;
            return dev::run(workspace.packages(), &project, wrangler_args);
        }
        Task::Model { args } => return judges::serve_model(&workspace, &args),
        Task::Test { list: true, .. } => check::list(),
        Task::Test { only, skip, list: false } => {
            return check::run(&workspace, &Selection::new(&only, &skip)?);
        }
        Task::Kill { kills, seed } => kill::run(&workspace, kills, seed)?,
        Task::Bench { args } => bench::run(&workspace, &args)?,
        Task::Cost { profile } => cost::run(&workspace, profile)?,
        Task::Audit => audit::print(&workspace)?,
        Task::Fuzz(options) => return fuzz::run(&workspace, &options),
        Task::Sim(options) => return sim::run(&workspace, &options),
        Task::Api => api::write(&workspace)?,
        Task::Openapi => openapi::run(&workspace)?,
        Task::Tidy => {
            let summary = longhaul_tidy::run(workspace.root())?;
            println!("{summary}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
