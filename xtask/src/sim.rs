//! The long runs of the simulation: every death of every scenario, random worlds by the million, and deliberate bugs
//! that they must find.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{
    process::{CommandError, Group, interrupted, run as run_command},
    report::{Stopwatch, Took},
    workspace::{Workspace, read},
};

const POLL: Duration = Duration::from_millis(50);
const RUN_SIMULATION: [&str; 6] = ["run", "--quiet", "--package", "longhaul-sim", "--profile", "explore"];
/// Random worlds of the bounded version.
const SEEDS_CHECKED: u64 = 10_000;
/// The documents that say how many deaths were simulated.
const QUOTING: [&str; 2] = ["README.md", "RELIABILITY.md"];
/// Random worlds that a mutant has to survive before it counts as not found by them.
const WORLDS_PER_MUTANT: &str = "4000";
/// The crates that a mutant consists of.
const COPIED: [&str; 6] = ["core", "models", "trace", "host", "world", "sim"];

#[derive(Args)]
pub(crate) struct Options {
    /// Run random worlds instead: so many, one for each seed
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 0, requires = "seeds")]
    from: u64,
    /// This scenario alone
    #[arg(long, value_name = "NAME", conflicts_with_all = ["seeds", "mutations"])]
    scenario: Option<String>,
    /// Put deliberate bugs into a copy of the sources, one at a time, and see that each is found
    #[arg(long)]
    mutations: bool,
    /// With --mutations: only those whose name has this in it
    #[arg(long, value_name = "TEXT", requires = "mutations")]
    only: Option<String>,
}

/// A deliberate bug: a text that stands in a file once, and what stands there instead.
struct Mutation {
    name: String,
    file: String,
    find: String,
    replace: String,
}

/// What found a mutant.
enum Finding {
    Seed(String),
    CoreTests,
    EdgeTests,
    PortTests,
    Nothing,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if options.mutations {
        return check_mutations(workspace, options.only.as_deref().unwrap_or(""));
    }
    let mut command = match options.seeds {
        Some(seeds) => random_worlds_of(workspace, seeds, options.from),
        None => deaths_of(workspace, options.scenario.as_deref()),
    };
    command.stdin(Stdio::null());
    let mut group = Group::spawn(command)?;
    loop {
        if let Some(status) = group.try_wait()? {
            return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if interrupted().is_some() {
            group.stop();
            return Err(CommandError::Interrupted.into());
        }
        thread::sleep(POLL);
    }
}

/// The bounded version: every death, and some random worlds. What they came to, and the same in short. The documents
/// that quote the number of deaths must have it right.
pub(crate) fn check(workspace: &Workspace, mut on_line: impl FnMut(&str)) -> Result<(String, Vec<String>)> {
    let deaths = run_command(deaths_of(workspace, None), &mut on_line)?;
    let explored = run_command(random_worlds_of(workspace, SEEDS_CHECKED, 0), &mut on_line)?;
    let line = |output: &str, start: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
        line.with_context(|| format!("the simulation has not said what it {start}"))
    };
    let (deaths, explored) = (line(&deaths, "enumerated: ")?, line(&explored, "explored: ")?);
    let count = deaths.split(' ').next().unwrap_or_default().to_owned();
    for name in QUOTING {
        let path = workspace.root().join(name);
        if path.is_file() {
            check_figure(name, &read(&path)?, &count)?;
        }
    }
    Ok((format!("{count} deaths"), vec![deaths, explored]))
}

/// Each number in front of `simulated deaths` is the one that was counted, and the README has one.
fn check_figure(name: &str, text: &str, count: &str) -> Result<()> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let figures = words.windows(3).filter(|words| words[1] == "simulated" && words[2].starts_with("deaths"));
    let mut figures = figures.map(|words| words[0].trim_matches('*').replace(',', "")).peekable();
    if name == "README.md" && figures.peek().is_none() {
        bail!("{name} does not say \"{count} simulated deaths\"");
    }
    match figures.find(|figure| figure != count) {
        Some(wrong) => bail!("{name} says {wrong} simulated deaths, and there were {count}"),
        None => Ok(()),
    }
}

fn deaths_of(workspace: &Workspace, scenario: Option<&str>) -> Command {
    let mut command = workspace.cargo(&RUN_SIMULATION);
    command.args(["--example", "deaths", "--"]).args(scenario);
    command
}

fn random_worlds_of(workspace: &Workspace, seeds: u64, from: u64) -> Command {
    let (seeds, from) = (seeds.to_string(), from.to_string());
    let mut command = workspace.cargo(&RUN_SIMULATION);
    command.args(["--example", "explore", "--", "--seeds", &seeds, "--from", &from]);
    command
}

fn check_mutations(workspace: &Workspace, only: &str) -> Result<ExitCode> {
    let mutations = mutations(workspace.root())?;
    let copy = workspace.scratch().join("mutations");
    copy_sources(workspace.root(), &copy)?;
    if random_worlds(&copy)?.is_some() {
        bail!("something fails without any mutation: see `cargo xtask sim --seeds {WORLDS_PER_MUTANT}`");
    }
    println!("{:<60} {:<38} {:>8}", "mutation", "found by", "took");
    let mut survivors = 0;
    for mutation in mutations.iter().filter(|mutation| mutation.name.contains(only)) {
        let stopwatch = Stopwatch::start();
        let path = copy.join(&mutation.file);
        let sound = read(&path)?;
        fs::write(&path, mutation.apply(&sound)?)?;
        let finding = judge(&copy);
        fs::write(&path, sound)?;
        let finding = match finding.with_context(|| format!("\"{}\"", mutation.name))? {
            Finding::Seed(seed) => format!("random worlds, seed {seed}"),
            Finding::CoreTests => "the tests of core and models".to_owned(),
            Finding::EdgeTests => "the tests of the platform's edges".to_owned(),
            Finding::PortTests => "the tests of trace and host".to_owned(),
            Finding::Nothing => {
                survivors += 1;
                "NOTHING".to_owned()
            }
        };
        println!("{:<60} {finding:<38} {:>8}", mutation.name, Took(stopwatch.elapsed()));
    }
    Ok(if survivors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Mutation {
    fn apply(&self, source: &str) -> Result<String> {
        let count = source.matches(&self.find).count();
        if count != 1 {
            bail!("{} has the text of \"{}\" {count} times, not once", self.file, self.name);
        }
        Ok(source.replacen(&self.find, &self.replace, 1))
    }
}

fn mutations(root: &Path) -> Result<Vec<Mutation>> {
    let path = root.join("crates/sim/mutations.toml");
    let file: Value = toml::from_str(&read(&path)?)?;
    let text = |entry: &Value, key: &str| {
        let text = entry.get(key).and_then(Value::as_str).map(str::to_owned);
        text.with_context(|| format!("a mutation in {} has no {key}", path.display()))
    };
    let entries = file.get("mutation").and_then(Value::as_array);
    let entries = entries.with_context(|| format!("{} has no mutations", path.display()))?;
    let mutation = |entry: &Value| {
        let (name, file) = (text(entry, "name")?, text(entry, "file")?);
        Ok(Mutation { name, file, find: text(entry, "find")?, replace: text(entry, "replace")? })
    };
    entries.iter().map(mutation).collect()
}

/// Builds the copy and looks for what fails in it.
fn judge(copy: &Path) -> Result<Finding> {
    if let Some(seed) = random_worlds(copy)? {
        return Ok(Finding::Seed(seed));
    }
    if !passes(copy, &["test", "--package", "longhaul-core", "--package", "longhaul-models"])? {
        return Ok(Finding::CoreTests);
    }
    if !passes(
        copy,
        &["test", "--package", "longhaul-sim", "--test", "edges", "--test", "retention", "--test", "field"],
    )? {
        return Ok(Finding::EdgeTests);
    }
    if !passes(copy, &["test", "--package", "longhaul-trace", "--package", "longhaul-host"])? {
        return Ok(Finding::PortTests);
    }
    Ok(Finding::Nothing)
}

fn passes(copy: &Path, args: &[&str]) -> Result<bool> {
    match run_command(cargo(copy, args), |_| {}) {
        Ok(_) => Ok(true),
        Err(CommandError::Failed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Runs random worlds on the copy. The first seed that fails.
fn random_worlds(copy: &Path) -> Result<Option<String>> {
    run_command(cargo(copy, &["build", "--package", "longhaul-sim", "--example", "explore"]), |_| {})
        .map_err(|error| explained(error, "the copy does not compile"))?;
    let mut explore = Command::new(copy.join("target/debug/examples/explore"));
    explore.args(["--seeds", WORLDS_PER_MUTANT, "--failures", "1", "--stories", "0"]);
    match run_command(explore, |_| {}) {
        Ok(_) => Ok(None),
        Err(CommandError::Failed { output, .. }) => {
            let seed = output.lines().find_map(|line| line.strip_prefix("first failing seed: "));
            Ok(Some(seed.unwrap_or("unknown, the process aborted").to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

fn cargo(copy: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(copy).env("CARGO_TARGET_DIR", copy.join("target"));
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

fn explained(error: CommandError, what: &str) -> anyhow::Error {
    match error {
        CommandError::Failed { ref output, .. } => {
            let text = output.lines().filter(|line| line.starts_with("error")).collect::<Vec<_>>().join("\n");
            anyhow::Error::new(error).context(format!("{what}:\n{text}"))
        }
        error => error.into(),
    }
}

/// The crates and what they need to be a workspace of their own. What is there already and the same stays as it is, so
/// that cargo builds only what has changed.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    let manifest = read(&root.join("Cargo.toml"))?;
    let members = COPIED.map(|name| format!("\"crates/{name}\"")).join(", ");
    let is_list = |line: &&str| !line.starts_with("members") && !line.starts_with("default-members");
    let rest: Vec<&str> = manifest.lines().filter(is_list).collect();
    let manifest = rest.join("\n").replacen("[workspace]", &format!("[workspace]\nmembers = [{members}]"), 1);
    fs::create_dir_all(copy)?;
    write_if_new(&copy.join("Cargo.toml"), manifest.as_bytes())?;
    for file in ["rust-toolchain.toml", "clippy.toml"] {
        write_if_new(&copy.join(file), &fs::read(root.join(file))?)?;
    }
    // Cargo takes the members out of the lock that the copy does not have.
    if !copy.join("Cargo.lock").exists() {
        fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    }
    copy_tree(&root.join("migrations"), &copy.join("migrations"))?;
    for name in COPIED {
        let crate_dir = Path::new("crates").join(name);
        copy_tree(&root.join(&crate_dir), &copy.join(&crate_dir))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            write_if_new(&target, &fs::read(entry.path())?)?;
        }
    }
    // A file that is gone here would still be a module there.
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        match (from.join(entry.file_name()).exists(), entry.file_type()?.is_dir()) {
            (true, _) => {}
            (false, true) => fs::remove_dir_all(entry.path())?,
            (false, false) => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn write_if_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(there) if there == content => Ok(()),
        _ => fs::write(path, content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mutation_has_its_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for mutation in mutations(root).unwrap() {
            mutation.apply(&read(&root.join(&mutation.file)).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_wrong_figure_is_found() {
        let check = |name, text| check_figure(name, text, "123456").is_ok();
        assert!(check("README.md", "… **123,456** simulated\ndeaths, and 7 others."));
        assert!(!check("README.md", "… 123,457 simulated deaths."));
        assert!(!check("README.md", "Nothing is said."));
        assert!(check("RELIABILITY.md", "Nothing is said."));
        assert!(!check("RELIABILITY.md", "123,456 simulated deaths, and 99 simulated deaths."));
    }
}
