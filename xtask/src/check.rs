//! `cargo xtask test`: every check, step by step.

use std::{
    fs,
    panic::resume_unwind,
    process::{Command, ExitCode},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Result, bail};
use longhaul_cli::{
    build::{self, Grade, KEEP_LAST_BUILD, Kib},
    pins::WASM_TARGET,
};

use crate::{
    api, audit, chromium,
    cost::{Costs, Place},
    dashboard, fuzz,
    judges::{self, Judge},
    pins, process,
    report::{self, Mark, Progress, Stopwatch, Took},
    setup, sim,
    workspace::Workspace,
};

/// Lines of a passing step that are worth showing: what the tests measured.
const MEASURED: &str = "measured: ";

/// The end to end tests by topic. Each has a server of its own, and most of them wait for a clock: two cores are idle for a
/// third of the time with so many at once.
const TOPICS: &str = "e2e";
const TOPICS_AT_ONCE: usize = 6;

/// The tests of the guide, and their step.
const GUIDE: &str = "guide";

/// Other end to end tests, some of which are timed: more at once than this only makes them wait for each other.
const E2E_THREADS_MAX: usize = 4;

/// The tests that count what a run costs, and their step.
const COST: &str = "cost";

/// The variable under which every server of the end to end tests evicts its objects.
const EVICT: &str = "LONGHAUL_TEST_EVICT";

/// The step that makes what all steps of the lanes `Deployed` and `Served` read.
const BUILD: &str = "build";

/// The browser tests, which are a program of their own.
const BROWSER_TESTS: &str = "tests/browser/run.mjs";

struct Step {
    name: &'static str,
    about: &'static str,
    lane: Lane,
    /// Brings what it needs of others to this machine, so that it is there when the step begins.
    fetch: Option<Fetch>,
    run: fn(&Workspace, &Progress) -> Result<Report>,
}

impl Step {
    const fn new(
        lane: Lane,
        name: &'static str,
        about: &'static str,
        run: fn(&Workspace, &Progress) -> Result<Report>,
    ) -> Self {
        Self { name, about, lane, fetch: None, run }
    }

    const fn fetches(self, fetch: Fetch) -> Self {
        Self { fetch: Some(fetch), ..self }
    }

    /// The step whose output this one reads.
    fn needs(&self) -> Option<&'static str> {
        let reads_build = self.lane != Lane::Native && self.name != BUILD;
        reads_build.then_some(BUILD)
    }
}

type Fetch = fn(&Workspace, &Progress) -> Result<()>;

/// What runs one after the other. The first two lanes run side by side, the third after both.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// What is compiled for this machine, and runs on it.
    Native,
    /// What is deployed. Its optimisers have work for one core alone, and no build directory with the other lane.
    Deployed,
    /// What is tested in servers. Some of it is timed: nothing is compiled beside it.
    Served,
}

/// What a step has to say when it passed: a short note, and what it measured.
struct Report {
    note: String,
    measured: Vec<String>,
}

impl From<String> for Report {
    fn from(note: String) -> Self {
        Self { note, measured: Vec::new() }
    }
}

/// In each lane in the order of execution: what fails fast comes first.
const STEPS: &[Step] = &[
    Step::new(Lane::Native, "fmt", "the code is formatted", fmt),
    Step::new(Lane::Native, "tidy", "crate edges, sizes, manifests, documents", run_tidy),
    Step::new(Lane::Native, "dashboard", "types, sources, unit tests and size of the dashboard", dashboard),
    Step::new(Lane::Native, "clippy", "lints of every crate, on this machine", clippy),
    Step::new(Lane::Native, "wasm-check", "lints of what is deployed, as wasm", wasm_check),
    Step::new(
        Lane::Native,
        "features",
        "the library without its cargo features, on this machine and as wasm",
        features,
    ),
    Step::new(Lane::Native, "doc", "the documentation builds without a warning", doc),
    Step::new(Lane::Native, "api", "the public API of the library is as it is written down", public_api),
    Step::new(Lane::Native, "unit", "unit and property tests of every crate", unit),
    Step::new(
        Lane::Native,
        "types",
        "what we send, by the types of OpenAI's and Anthropic's own SDKs, and by Standard Webhooks",
        types,
    )
    .fetches(|workspace, progress| judges::SDKS.find(workspace, progress).map(drop)),
    Step::new(Lane::Native, "sim", "every death of every scenario, and random worlds", run_sim),
    Step::new(
        Lane::Native,
        "audit",
        "licenses, sources and known vulnerabilities of what is built from",
        run_audit,
    ),
    Step::new(
        Lane::Native,
        "work",
        "allocations of simulated runs, and instructions of the core, the codecs and the trace",
        run_work,
    ),
    Step::new(Lane::Native, "wasm-test", "the codecs as wasm, under Node", wasm_test),
    Step::new(Lane::Deployed, "build", "the worker, its dashboard and the examples", run_build),
    Step::new(Lane::Deployed, "size", "the budget of the deployed wasm", size),
    Step::new(Lane::Deployed, "deploy-dry-run", "what wrangler would deploy", deploy_dry_run),
    Step::new(
        Lane::Served,
        COST,
        "rows, statements and calls between the wasm and JavaScript of a run",
        run_cost,
    ),
    Step::new(Lane::Served, "e2e", "end to end, against workerd with storage on disk", e2e),
    Step::new(
        Lane::Served,
        GUIDE,
        "every command of the guide, typed in its order; its links, figures and messages",
        guide,
    ),
    Step::new(Lane::Served, "evict", "the same, with objects that are torn down after every event", evict),
    Step::new(
        Lane::Served,
        "fuzz",
        "inputs that did harm once, and requests that nobody would send",
        run_fuzz,
    ),
    Step::new(Lane::Served, "backend", "a run's trace in a real OTLP backend, Arize Phoenix", run_backend)
        .fetches(|workspace, progress| judges::PHOENIX.find(workspace, progress).map(drop)),
    Step::new(
        Lane::Served,
        "model",
        "an agent and a comparison with a real model on this machine",
        run_model,
    )
    .fetches(|workspace, progress| judges::MODEL.find(workspace, progress).map(drop)),
    Step::new(Lane::Served, "litellm", "streams, translations and errors of LiteLLM's proxy", run_litellm)
        .fetches(|workspace, progress| judges::LITELLM.find(workspace, progress).map(drop)),
    Step::new(
        Lane::Served,
        judges::MCP,
        "the client of MCP servers, by the protocol's own suite and a server of others",
        run_mcp,
    )
    .fetches(|workspace, progress| judges::mcp(workspace, progress).map(drop)),
    Step::new(Lane::Served, "browser", "the dashboard in Chromium, against workerd", browser)
        .fetches(|workspace, progress| chromium::find(workspace, progress).map(drop)),
];

/// Which steps to run.
pub(crate) struct Selection(Vec<&'static str>);

impl Selection {
    fn has(&self, step: &Step) -> bool {
        self.0.contains(&step.name)
    }

    /// All steps, or `only` some and what they need, without those to `skip`. Fails on an unknown name.
    pub(crate) fn new(only: &[String], skip: &[String]) -> Result<Self> {
        if let Some(unknown) =
            only.iter().chain(skip).find(|name| STEPS.iter().all(|step| step.name != *name))
        {
            bail!("there is no step {unknown}: see cargo xtask test --list");
        }
        let named = |names: &[String], name: &str| names.iter().any(|other| other == name);
        let wanted = |name: &str| {
            let needed = STEPS.iter().any(|step| named(only, step.name) && step.needs() == Some(name));
            only.is_empty() || named(only, name) || needed
        };
        let chosen = STEPS.iter().map(|step| step.name).filter(|name| wanted(name) && !named(skip, name));
        Ok(Self(chosen.collect()))
    }
}

/// Prints the names of the steps.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:<16} {}", step.name, step.about);
    }
}

/// Runs the steps, all of them whatever fails, except those that need what failed. Fails with the
/// exit code, so that `N passed, N failed` stays the last line.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<ExitCode> {
    let stopwatch = Stopwatch::start();
    setup::run(workspace)?;
    let outcomes = Outcomes::default();
    let lane = |lane| run_lane(workspace, selection, lane, &outcomes);
    thread::scope(|scope| {
        scope.spawn(|| fetch(workspace, selection));
        let deployed = scope.spawn(|| lane(Lane::Deployed));
        let native = lane(Lane::Native);
        deployed.join().unwrap_or_else(|panic| resume_unwind(panic)).and(native)?;
        lane(Lane::Served)
    })?;

    println!("\nsummary ({})", Took(stopwatch.elapsed()));
    let (mut passed, mut failed, mut all) = (0, 0, 0);
    for step in STEPS {
        let Some((mark, took)) = outcomes.of(step.name) else { continue };
        println!("  {mark} {:<18} {:>12}  {}", step.name, Took(took), step.about);
        passed += u32::from(mark == Mark::Ok);
        failed += u32::from(mark == Mark::Failed);
        all += 1;
    }
    println!("\n{passed} passed, {failed} failed");
    Ok(if passed == all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How the steps ended that have, by their names.
#[derive(Default)]
struct Outcomes(Mutex<Vec<(&'static str, Mark, Duration)>>);

impl Outcomes {
    fn of(&self, name: &str) -> Option<(Mark, Duration)> {
        let outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.iter().find(|(other, ..)| *other == name).map(|(_, mark, took)| (*mark, *took))
    }

    fn note(&self, step: &Step, mark: Mark, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((step.name, mark, took));
    }
}

/// Fails only when the person at the terminal wants us to stop.
fn run_lane(workspace: &Workspace, selection: &Selection, lane: Lane, outcomes: &Outcomes) -> Result<()> {
    for step in STEPS.iter().filter(|step| step.lane == lane && selection.has(step)) {
        let is_bad = |needed: &&str| outcomes.of(needed).is_some_and(|(mark, _)| mark != Mark::Ok);
        if let Some(needed) = step.needs().filter(is_bad) {
            report::done(Mark::Skipped, step.name, &format!("needs {needed}, which failed"), Duration::ZERO);
            outcomes.note(step, Mark::Skipped, Duration::ZERO);
            continue;
        }
        let (mark, took) = run_step(workspace, step)?;
        outcomes.note(step, mark, took);
    }
    Ok(())
}

/// Fails only when the person at the terminal wants us to stop.
fn run_step(workspace: &Workspace, step: &Step) -> Result<(Mark, Duration)> {
    let progress = Progress::start(step.name);
    match (step.run)(workspace, &progress) {
        Ok(report) => {
            let tell = || report.measured.iter().for_each(|line| println!("      {line}"));
            Ok((Mark::Ok, progress.finish_with(Mark::Ok, &report.note, tell)))
        }
        Err(error) if process::interrupted().is_some() => {
            progress.finish(Mark::Failed, "");
            Err(error)
        }
        Err(error) => Ok((Mark::Failed, progress.finish_with(Mark::Failed, "", || report::failure(&error)))),
    }
}

/// Fetches what the steps need of others, while the first of them compile. What fails is tried again in its step, which
/// tells of it.
fn fetch(workspace: &Workspace, selection: &Selection) {
    let fetches = STEPS.iter().filter(|step| selection.has(step));
    let fetches: Vec<_> = fetches.filter_map(|step| Some((step.name, step.fetch?))).collect();
    if fetches.is_empty() {
        return;
    }
    let progress = Progress::start("fetch");
    let fetched = fetches.iter().filter(|(_, fetch)| fetch(workspace, &progress).is_ok());
    let names: Vec<_> = fetched.map(|(name, _)| *name).collect();
    progress.finish(Mark::Ok, &format!("{} of {}: {}", names.len(), fetches.len(), names.join(", ")));
}

fn fmt(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cargo(workspace.cargo(&["fmt", "--all", "--check"]), progress)
}

fn run_tidy(workspace: &Workspace, _progress: &Progress) -> Result<Report> {
    Ok(longhaul_tidy::run(workspace.root())?.into())
}

fn dashboard(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let tests = node_tests(&dashboard::test(workspace, progress)?);
    build::dashboard(workspace.packages(), &workspace.project(None)?)?;
    let (size, measured) = dashboard::size(workspace)?;
    Ok(Report { note: format!("{size}; {tests}"), measured })
}

fn clippy(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cargo(workspace.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]), progress)
}

fn wasm_check(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let mut command = workspace.cargo(&["clippy", "--target", WASM_TARGET]);
    command.args(["-p", "longhaul", "-p", "longhaul-worker"]);
    for example in workspace.examples()? {
        command.args(["-p", &example]);
    }
    command.args(["--", "-D", "warnings"]);
    cargo(command, progress)
}

/// What is left out is refused, and what stays compiles.
fn features(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let bare = ["-p", "longhaul", "--no-default-features"];
    let wasm = ["--target", WASM_TARGET, "--", "-D", "warnings"];
    cargo(workspace.cargo(&[&["clippy"], &bare[..], &wasm].concat()), progress)?;
    cargo(workspace.cargo(&[&["test", "--lib"], &bare[..], &["left_out"]].concat()), progress)
}

fn doc(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps", "--features", "longhaul/testing"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    cargo(command, progress)
}

fn public_api(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    api::check(workspace, progress, false).map(|output| told(&output))
}

fn unit(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cargo(
        workspace.cargo(&[
            "test",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "longhaul-tests",
            "--exclude",
            "longhaul-fuzz",
        ]),
        progress,
    )
}

fn types(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let output = judges::types(workspace, progress)?;
    Ok(Report { note: String::new(), measured: measured(&output) })
}

fn run_audit(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    Ok(audit::run(workspace, progress)?.into())
}

/// The corpora of the fuzzers, what a byte costs each parser, and schemathesis with requests that are the same every time.
fn run_fuzz(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let tests = ["test", "--no-fail-fast", "-p", "longhaul-fuzz", "--", "--show-output"];
    let report = cargo(workspace.cargo(&tests), progress)?;
    let server = fuzz::Server::start(workspace)?;
    let found = fuzz::schemathesis(workspace, &server, &fuzz::BOUNDED, |line| progress.line(line))?;
    if let Some(told) = found.report() {
        bail!("schemathesis found something:\n{told}");
    }
    Ok(Report { note: format!("{}; {} requests", report.note, found.requests()), measured: report.measured })
}

fn run_sim(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let (note, measured) = sim::check(workspace, |line| progress.line(line))?;
    Ok(Report { note, measured })
}

fn wasm_test(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    setup::wasm_test_runner(workspace)?;
    let mut command = workspace.cargo(&["test", "--no-fail-fast", "--target", WASM_TARGET, "--test", "wasm"]);
    command.args(["-p", "longhaul-models", "-p", "longhaul-trace"]);
    command.env("PATH", workspace.path_with_node()?);
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", workspace.tool(setup::WASM_TEST_RUNNER));
    cargo(command, progress)
}

fn run_build(workspace: &Workspace, _progress: &Progress) -> Result<Report> {
    build::run(workspace.packages(), &workspace.project(None)?, Grade::Deployed)?;
    let examples = workspace.examples()?;
    for example in &examples {
        build::run(workspace.packages(), &workspace.project(Some(example))?, Grade::Quick)?;
    }
    Ok(format!("the worker and {} examples", examples.len()).into())
}

fn size(workspace: &Workspace, _progress: &Progress) -> Result<Report> {
    let bytes = build::gzip_bytes(&workspace.project(None)?.wasm()?)?;
    let shown = format!("{} of {} gzipped", Kib(bytes), Kib(pins::WASM_GZIP_BYTES_MAX));
    if bytes > pins::WASM_GZIP_BYTES_MAX {
        bail!("{shown}: the wasm is over its budget");
    }
    Ok(shown.into())
}

fn deploy_dry_run(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let mut notes = Vec::new();
    let examples = workspace.examples()?;
    for example in std::iter::once(None).chain(examples.iter().map(|name| Some(name.as_str()))) {
        let project = workspace.project(example)?;
        let mut command = workspace.wrangler()?;
        command.current_dir(workspace.root()).args(["deploy", "--dry-run", "--config"]).arg(project.config());
        command.arg("--outdir").arg(workspace.scratch().join("deploy").join(project.name()));
        // Wrangler asks for a build: what the step before has built is good enough.
        command.env(KEEP_LAST_BUILD, "1");
        let output = process::run(command, |line| progress.line(line))?;
        if let Some(warning) = output.lines().find(|line| line.contains("WARNING")) {
            bail!("wrangler warns about {}: {}\n{output}", project.config().display(), warning.trim());
        }
        let upload = output.lines().find_map(|line| line.strip_prefix("Total Upload: ")).unwrap_or("?");
        notes.push(format!("{} {upload}", project.name()));
    }
    Ok(notes.join("; ").into())
}

fn run_cost(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cost(workspace, Place::Served, progress)
}

fn run_work(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cost(workspace, Place::Native, progress)
}

/// What a run costs, beside its limits.
fn cost(workspace: &Workspace, place: Place, progress: &Progress) -> Result<Report> {
    let (note, measured) = Costs::count(workspace, place, |line| progress.line(line))?.judge()?;
    Ok(Report { note, measured })
}

fn e2e(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let topics = cargo(end_to_end(workspace, &["--test", TOPICS], TOPICS_AT_ONCE)?, progress);
    let threads = thread::available_parallelism().map_or(1, usize::from).clamp(1, E2E_THREADS_MAX);
    cargo(workspace.cargo(&["build", "--package", "longhaul-cli"]), progress)?;
    let others = other_tests(workspace)?;
    let which: Vec<&str> = others.iter().flat_map(|name| ["--test", name]).chain(["--lib"]).collect();
    let others = cargo(end_to_end(workspace, &which, threads)?, progress);
    let (topics, others) = (topics?, others?);
    Ok(Report {
        note: format!("{} by topic, {} of the rest", topics.note, others.note),
        measured: [topics.measured, others.measured].concat(),
    })
}

/// The programs of end to end tests beside those that are steps of their own.
fn other_tests(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.root().join("tests/tests"))? {
        let path = entry?.path();
        let is_program = path.join("main.rs").is_file() || path.extension().is_some_and(|ext| ext == "rs");
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        names.extend(name.filter(|name| is_program && ![TOPICS, GUIDE, COST].contains(&name.as_str())));
    }
    names.sort();
    Ok(names)
}

fn guide(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    cargo(workspace.cargo(&["build", "--package", "longhaul-cli"]), progress)?;
    cargo(end_to_end(workspace, &["--test", GUIDE], 1)?, progress)
}

/// The tests by topic once more.
fn evict(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let mut command = end_to_end(workspace, &["--test", TOPICS], TOPICS_AT_ONCE)?;
    command.env(EVICT, "1");
    let report = cargo(command, progress)?;
    Ok(Report { measured: Vec::new(), ..report })
}

/// The end to end tests of these programs, so many at once.
pub(crate) fn end_to_end(workspace: &Workspace, which: &[&str], threads: usize) -> Result<Command> {
    let mut command = workspace.cargo(&["test", "--no-fail-fast", "-p", "longhaul-tests"]);
    command.args(which).args(["--", "--show-output", "--test-threads", &threads.to_string()]);
    command.env("PATH", workspace.path_with_node()?);
    command.env("LONGHAUL_ROOT", workspace.root());
    command.env("LONGHAUL_NODE", workspace.node());
    command.env("LONGHAUL_WORKERD", workspace.workerd());
    command.env("LONGHAUL_COMMAND", workspace.built("longhaul"));
    Ok(command)
}

fn run_backend(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    judged(workspace, &judges::PHOENIX, &["--test", "backend"], "", progress)
}

fn run_model(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    judged(workspace, &judges::MODEL, &["--test", "servers"], "model::", progress)
}

fn run_litellm(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    judged(workspace, &judges::LITELLM, &["--test", "servers"], "litellm::", progress)
}

fn run_mcp(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    let dir = judges::mcp(workspace, progress)?;
    let mut command = end_to_end(workspace, &["--test", judges::MCP], 1)?;
    command.arg("--ignored").env(judges::MCP_VARIABLE, dir);
    cargo(command, progress)
}

/// The tests that `cargo test` leaves out, because they need a program that is not there by itself.
fn judged(
    workspace: &Workspace,
    judge: &Judge,
    which: &[&str],
    filter: &str,
    progress: &Progress,
) -> Result<Report> {
    let program = judge.find(workspace, progress)?;
    let mut command = end_to_end(workspace, which, 1)?;
    command.args(["--ignored", filter]).env(judge.variable, program);
    cargo(command, progress)
}

/// A program of its own: it gets what it needs by variables, and leaves files in the directory that one of them names.
fn browser(workspace: &Workspace, progress: &Progress) -> Result<Report> {
    if !workspace.root().join(BROWSER_TESTS).is_file() {
        return Ok(format!("{BROWSER_TESTS} is not there").into());
    }
    let chromium = chromium::find(workspace, progress)?;
    let artifacts = workspace.scratch().join("browser");
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(workspace.node());
    command.arg(BROWSER_TESTS).current_dir(workspace.root());
    command.env("PATH", workspace.path_with_node()?);
    command.env(chromium::VARIABLE, chromium);
    command.env("LONGHAUL_ROOT", workspace.root());
    command.env("LONGHAUL_NODE", workspace.node());
    command.env("LONGHAUL_WORKERD", workspace.workerd());
    command.env("LONGHAUL_ARTIFACTS", artifacts);
    let output = process::run(command, |line| progress.line(line))?;
    Ok(Report { note: node_tests(&output), measured: measured(&output) })
}

/// Runs cargo, and keeps its output as the step's log.
fn cargo(command: Command, progress: &Progress) -> Result<Report> {
    Ok(told(&process::run(command, |line| progress.line(line))?))
}

/// Counts the tests in cargo's output.
fn told(output: &str) -> Report {
    let passed: u32 = output.lines().filter_map(tests_passed).sum();
    let note = if passed > 0 { format!("{passed} tests") } else { String::new() };
    Report { note, measured: measured(output) }
}

fn measured(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.trim().strip_prefix(MEASURED)).map(str::to_owned).collect()
}

/// The number of tests in `test result: ok. 12 passed; 0 failed; …`.
fn tests_passed(line: &str) -> Option<u32> {
    line.trim().strip_prefix("test result: ok. ")?.split(' ').next()?.parse().ok()
}

/// What Node's test runner says of itself: `12 tests`.
fn node_tests(output: &str) -> String {
    let passed = output.lines().find_map(|line| {
        let line = line.trim().trim_start_matches(['#', 'ℹ', ' ']);
        line.strip_prefix("pass ")?.parse::<u32>().ok()
    });
    passed.map(|count| format!("{count} tests")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(only: &[&str], skip: &[&str]) -> Result<Vec<&'static str>> {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        Selection::new(&owned(only), &owned(skip)).map(|selection| selection.0)
    }

    #[test]
    fn a_step_brings_what_it_needs() {
        assert_eq!(select(&["e2e"], &[]).unwrap(), ["build", "e2e"]);
        assert_eq!(select(&["e2e"], &["build"]).unwrap(), ["e2e"]);
        assert_eq!(select(&["browser"], &[]).unwrap(), ["build", "browser"]);
        assert_eq!(select(&[], &["e2e"]).unwrap().len(), STEPS.len() - 1);
        assert!(select(&["nonsense"], &[]).is_err());
    }

    #[test]
    fn what_a_step_needs_comes_before_it() {
        let in_order = |lane| STEPS.iter().filter(move |step| step.lane == lane).map(|step| step.name);
        assert_eq!(in_order(Lane::Deployed).next(), Some(BUILD));
        let needing: Vec<_> =
            STEPS.iter().filter(|step| step.needs().is_some()).map(|step| step.name).collect();
        let rest: Vec<_> = in_order(Lane::Deployed).skip(1).chain(in_order(Lane::Served)).collect();
        assert_eq!(needing, rest);
    }

    #[test]
    fn every_program_of_end_to_end_tests_is_run() {
        let others = other_tests(&Workspace::open().unwrap()).unwrap();
        assert!(["kills", "mistakes", "scale"].iter().all(|name| others.iter().any(|other| other == name)));
        assert!([TOPICS, GUIDE, COST].iter().all(|step| others.iter().all(|name| name != step)));
    }

    #[test]
    fn tests_are_counted() {
        assert_eq!(tests_passed("test result: ok. 12 passed; 0 failed; 0 ignored"), Some(12));
        assert_eq!(tests_passed("test result: FAILED. 1 passed; 1 failed"), None);
        assert_eq!(node_tests("# tests 3\n# pass 3\n# fail 0\n"), "3 tests");
        assert_eq!(node_tests("ℹ pass 12\n"), "12 tests");
        assert_eq!(node_tests("ok\n"), "");
    }
}
