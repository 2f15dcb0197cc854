//! Puts deliberate bugs into a copy of the sources, one at a time, and sees that each is found:
//! `cargo run -p longhaul-sim --example mutations -- ROOT COPY [NAME]`, which is what `cargo xtask sim --mutations` does.
//!
//! The bugs are in `mutations.toml`. With a text as the last argument, only those whose name has it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Random worlds that a mutant has to survive before it counts as not found by them.
const WORLDS_PER_MUTANT: &str = "4000";
/// The crates that a mutant consists of.
const COPIED: [&str; 6] = ["core", "models", "trace", "host", "world", "sim"];

/// A deliberate bug: a text that stands in a file once, and what stands there instead.
struct Mutation {
    name: String,
    file: String,
    find: String,
    replace: String,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [root, copy] => check_mutations(Path::new(root), Path::new(copy), ""),
        [root, copy, only] => check_mutations(Path::new(root), Path::new(copy), only),
        _ => bail!("say where the sources are, where their copy may be, and which mutations"),
    }
}

fn check_mutations(root: &Path, copy: &Path, only: &str) -> Result<ExitCode> {
    let mutations = mutations(root)?;
    copy_sources(root, copy)?;
    if random_worlds(copy)?.is_some() {
        bail!("something fails without any mutation: see `cargo xtask sim --seeds {WORLDS_PER_MUTANT}`");
    }
    println!("{:<60} {:<38} {:>8}", "mutation", "found by", "took");
    let mut survivors = 0;
    for mutation in mutations.iter().filter(|mutation| mutation.name.contains(only)) {
        #[expect(clippy::disallowed_methods, reason = "how long it took is told to people")]
        let began = Instant::now();
        let path = copy.join(&mutation.file);
        let sound = read(&path)?;
        fs::write(&path, mutation.apply(&sound)?)?;
        let finding = judge(copy);
        fs::write(&path, sound)?;
        let finding = finding.with_context(|| format!("\"{}\"", mutation.name))?;
        survivors += u32::from(finding.is_none());
        let (finding, seconds) = (finding.as_deref().unwrap_or("NOTHING"), began.elapsed().as_secs());
        println!("{:<60} {finding:<38} {seconds:>6} s", mutation.name);
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

/// Builds the copy and looks for what fails in it: the name of what found the bug.
fn judge(copy: &Path) -> Result<Option<String>> {
    const SUITES: [(&str, &[&str]); 3] = [
        ("the tests of core and models", &["--package", "longhaul-core", "--package", "longhaul-models"]),
        (
            "the tests of the platform's edges",
            &[
                "--package",
                "longhaul-sim",
                "--test",
                "edges",
                "--test",
                "retention",
                "--test",
                "field",
                "--test",
                "importing",
            ],
        ),
        ("the tests of trace and host", &["--package", "longhaul-trace", "--package", "longhaul-host"]),
    ];
    if let Some(seed) = random_worlds(copy)? {
        return Ok(Some(format!("random worlds, seed {seed}")));
    }
    for (name, suite) in SUITES {
        if !cargo(copy, &[&["test"], suite].concat())?.status.success() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Runs random worlds on the copy. The first seed that fails.
fn random_worlds(copy: &Path) -> Result<Option<String>> {
    let built = cargo(copy, &["build", "--package", "longhaul-sim", "--example", "explore"])?;
    if !built.status.success() {
        bail!("the copy does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    let mut explore = Command::new(copy.join("target/debug/examples/explore"));
    explore.args(["--seeds", WORLDS_PER_MUTANT, "--failures", "1", "--stories", "0"]);
    let explored = explore.output().context("the random worlds cannot be run")?;
    if explored.status.success() {
        return Ok(None);
    }
    let output = String::from_utf8_lossy(&explored.stdout);
    let seed = output.lines().find_map(|line| line.strip_prefix("first failing seed: "));
    Ok(Some(seed.unwrap_or("unknown, the process aborted").to_owned()))
}

fn cargo(copy: &Path, args: &[&str]) -> Result<Output> {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(copy).env("CARGO_TARGET_DIR", copy.join("target"));
    command.env_remove("CARGO_MANIFEST_DIR").output().context("cargo cannot be run")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
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
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for mutation in mutations(&root).unwrap() {
            mutation.apply(&read(&root.join(&mutation.file)).unwrap()).unwrap();
        }
    }
}
