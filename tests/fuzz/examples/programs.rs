//! Builds the programs in `fuzz_targets`, libFuzzer around a function each, and runs them as long as one likes, as many at
//! once as there are cores: `cargo xtask fuzz` does it, and brings `cargo fuzz` and the nightly compiler.
//!
//! Arguments: the seconds for each program, `keep` or `drop` for what they found worth keeping, then the programs.

use std::{
    collections::VecDeque,
    env::{self, consts},
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, bail};

/// The package, from the root of the checkout.
const PACKAGE: &str = "tests/fuzz";
/// An input at most, in bytes: what is larger is the matter of the limits, which have tests of their own.
const INPUT_BYTES_MAX: u32 = 4_096;
/// One execution at most, in seconds.
const EXECUTION_SECONDS_MAX: u32 = 25;
const MEMORY_MIB_MAX: u32 = 1_024;

/// Of one target that many inputs are kept, and that many bytes, beside those with a name.
const KEPT_FILES_MAX: usize = 100;
const KEPT_BYTES_MAX: u64 = 150 * 1024;

/// What a program did.
struct Run {
    target: String,
    executions: u64,
    per_second: u64,
    edges: u64,
    corpus: u64,
    /// The file with the input that did harm.
    crash: Option<PathBuf>,
    /// What the program said last.
    said: String,
}

fn main() -> Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let seconds =
        arguments.next().and_then(|text| text.parse::<u64>().ok()).context("say how many seconds")?;
    let keeps = arguments.next().context("say keep or drop")? == "keep";
    let targets: Vec<String> = arguments.collect();
    let fuzzer = build()?;
    let runs = run(&fuzzer, &targets, seconds)?;
    if keeps {
        keep(&fuzzer, &targets)?;
    }
    println!("\n| target | executions | executions/s | edges | corpus | crashes |");
    println!("|---|---:|---:|---:|---:|---:|");
    for run in &runs {
        println!("{run}");
    }
    for crash in runs.iter().filter_map(Run::how_to_repeat) {
        println!("\n{crash}");
    }
    Ok(if runs.iter().all(Run::is_clean) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the programs for so long, as many at once as there are cores.
fn run(fuzzer: &Fuzzer, targets: &[String], seconds: u64) -> Result<Vec<Run>> {
    let queue: Mutex<VecDeque<&String>> = Mutex::new(targets.iter().collect());
    let runs = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no thread panics with it").pop_front();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(target) = next() {
                    eprintln!("{target}");
                    let run = fuzzer.run(target, seconds);
                    runs.lock().expect("no thread panics with it").push(run);
                }
            });
        }
    });
    let runs = runs.into_inner().expect("no thread panics with it");
    let mut runs: Vec<Run> = runs.into_iter().collect::<Result<_>>()?;
    runs.sort_by_key(|run| targets.iter().position(|target| *target == run.target));
    Ok(runs)
}

/// Puts into each corpus some of the smallest inputs that reach all that was reached, as many as a test can show again
/// in little time; what was written by hand, and what was found once, stays.
fn keep(fuzzer: &Fuzzer, targets: &[String]) -> Result<()> {
    for target in targets {
        let (kept, merged) = (fuzzer.kept(target), fuzzer.scratch.join("merged").join(target));
        if merged.exists() {
            fs::remove_dir_all(&merged)?;
        }
        fs::create_dir_all(&merged)?;
        let mut command = fuzzer.command(target);
        command.arg("-set_cover_merge=1").arg(&merged).arg(fuzzer.grown(target)).arg(&kept);
        succeeds(command)?;
        for entry in fs::read_dir(&kept)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.starts_with("found-") && !name.starts_with("seed-") {
                fs::remove_file(path)?;
            }
        }
        let mut inputs = Vec::new();
        for entry in fs::read_dir(&merged)? {
            let entry = entry?;
            inputs.push((entry.metadata()?.len(), entry.file_name()));
        }
        for (_, name) in spread(inputs) {
            fs::copy(merged.join(&name), kept.join(&name))?;
        }
    }
    Ok(())
}

/// Of the inputs, small and large ones alike, without the largest where they are too much together.
fn spread<T: Ord>(mut inputs: Vec<(u64, T)>) -> Vec<(u64, T)> {
    inputs.sort();
    let step = inputs.len().div_ceil(KEPT_FILES_MAX).max(1);
    let mut bytes = 0;
    let fits = |input: &(u64, T)| {
        bytes += input.0;
        bytes <= KEPT_BYTES_MAX
    };
    inputs.into_iter().step_by(step).take_while(fits).collect()
}

impl Run {
    fn is_clean(&self) -> bool {
        self.crash.is_none()
    }

    /// What was found, and how it is shown again.
    fn how_to_repeat(&self) -> Option<String> {
        let crash = self.crash.as_ref()?;
        let (target, said) = (&self.target, &self.said);
        Some(format!(
            "{target}: {}\n{said}\nagain: cp {} {PACKAGE}/corpus/{target}/found-WHAT && cargo test -p longhaul-fuzz {target}",
            crash.display(),
            crash.display(),
        ))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, executions, per_second, edges, corpus, .. } = self;
        let crashes = u8::from(self.crash.is_some());
        write!(f, "| {target} | {executions} | {per_second} | {edges} | {corpus} | {crashes} |")
    }
}

struct Fuzzer {
    package: PathBuf,
    programs: PathBuf,
    scratch: PathBuf,
}

/// The functions under test have no unsafe code, so there is no sanitizer of memory, and thrice the speed; overflows and
/// `debug_assert!` are checked.
fn build() -> Result<Fuzzer> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).context("the package is in a checkout")?;
    let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut cargo = Command::new("cargo");
    cargo.args(["fuzz", "build", "--fuzz-dir", PACKAGE, "--features", "libfuzzer"]).current_dir(root);
    cargo.args(["--sanitizer", "none", "--codegen-units", "16", "--target", &triple(), "--target-dir"]);
    cargo.arg(&target_dir);
    cargo.env("RUSTUP_TOOLCHAIN", env::var("LONGHAUL_NIGHTLY").unwrap_or_else(|_| "nightly".to_owned()));
    // Not as what is deployed, which is small.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "false").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    succeeds(cargo).context("the programs need a C++ compiler (Debian: g++), cargo-fuzz and nightly Rust")?;
    Ok(Fuzzer {
        package: package.to_path_buf(),
        programs: target_dir.join(triple()).join("release"),
        scratch: target_dir.join("xtask/fuzz"),
    })
}

/// What the command says, on both streams.
fn output(mut command: Command) -> Result<(Output, String)> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let said = [&output.stdout[..], &output.stderr].concat();
    Ok((output, String::from_utf8_lossy(&said).into_owned()))
}

fn succeeds(command: Command) -> Result<()> {
    let (output, said) = output(command)?;
    if !output.status.success() {
        bail!("{}:\n{said}", output.status);
    }
    Ok(())
}

impl Fuzzer {
    fn run(&self, target: &str, seconds: u64) -> Result<Run> {
        let (grown, crashes) = (self.grown(target), self.scratch.join("found").join(target));
        for directory in [&grown, &crashes] {
            fs::create_dir_all(directory)?;
        }
        let mut command = self.command(target);
        command.args([format!("-max_total_time={seconds}"), "-print_final_stats=1".to_owned()]);
        command.arg(format!("-artifact_prefix={}/", crashes.display())).arg(&grown).arg(self.kept(target));
        let (output, said) = output(command)?;
        if output.status.success() {
            return Ok(told(target, &said, None));
        }
        let written = said.lines().find_map(|line| line.split_once("Test unit written to "));
        let crash = written.map(|(_, path)| PathBuf::from(path));
        let crash = crash.with_context(|| format!("{target} failed without an input:\n{said}"))?;
        Ok(told(target, &said, Some(crash)))
    }

    fn command(&self, target: &str) -> Command {
        let mut command = Command::new(self.programs.join(target));
        command.arg(format!("-max_len={INPUT_BYTES_MAX}")).arg(format!("-timeout={EXECUTION_SECONDS_MAX}"));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
        let dictionary = self.package.join("dictionaries").join(dictionary(target));
        command.arg(format!("-dict={}", dictionary.display()));
        command
    }

    /// What earlier runs on this machine found worth keeping.
    fn grown(&self, target: &str) -> PathBuf {
        self.scratch.join("corpus").join(target)
    }

    fn kept(&self, target: &str) -> PathBuf {
        self.package.join("corpus").join(target)
    }
}

/// What the compiler calls this machine.
fn triple() -> String {
    let system = if consts::OS == "macos" { "apple-darwin" } else { "unknown-linux-gnu" };
    format!("{}-{system}", consts::ARCH)
}

fn dictionary(target: &str) -> &'static Path {
    Path::new(match target {
        "sse" | "openai" | "responses" | "messages" | "workers_ai" | "faults" | "script" => "models.dict",
        "row" | "session" => "journal.dict",
        "redact" => "redact.dict",
        _ => "api.dict",
    })
}

/// Reads libFuzzer's own words.
fn told(target: &str, output: &str, crash: Option<PathBuf>) -> Run {
    let number = |text: &str| text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
    let stat = |name: &str| {
        let line = output.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        line.and_then(|rest| number(rest.trim_start_matches(':'))).unwrap_or(0)
    };
    let last = |field: &str| {
        let status = output.lines().rev().filter(|line| line.starts_with('#'));
        status
            .filter_map(|line| line.split_once(field))
            .find_map(|(_, rest)| number(&rest.replace('/', " ")))
            .unwrap_or(0)
    };
    let is_said = |line: &&str| !line.starts_with(['#', ' ']) && !line.starts_with("stat::");
    let said: Vec<&str> =
        output.lines().skip_while(|line| !line.contains("panicked at")).filter(is_said).take(6).collect();
    Run {
        target: target.to_owned(),
        executions: stat("number_of_executed_units"),
        per_second: stat("average_exec_per_sec"),
        edges: last(" cov: "),
        corpus: last(" corp: "),
        crash,
        said: said.join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_read() {
        let output = "#2\tINITED cov: 1 ft: 2 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #900\tDONE   cov: 391 ft: 1222 corp: 307/18Kb lim: 4096 exec/s: 180 rss: 50Mb\n\
            Done 900 runs in 5 second(s)\n\
            stat::number_of_executed_units: 900\n\
            stat::average_exec_per_sec:     180\n";
        assert_eq!(told("sse", output, None).to_string(), "| sse | 900 | 180 | 391 | 307 | 0 |");
        assert_eq!(told("sse", "", None).to_string(), "| sse | 0 | 0 | 0 | 0 | 0 |");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let sizes = |count: u64, bytes: u64| (0..count).map(|n| (bytes, n)).collect::<Vec<_>>();
        assert_eq!(spread(sizes(40, 10)).len(), 40);
        assert_eq!(spread(sizes(250, 10)).len(), 84);
        assert_eq!(spread(sizes(100, 4_096)).len(), 37);
        assert!(spread(sizes(0, 0)).is_empty());
    }

    #[test]
    fn a_crash_is_told_with_the_command_that_shows_it_again() {
        let output = "#7\tNEW    cov: 5 ft: 6 corp: 2/3b\n\nthread '<unnamed>' panicked at a.rs:1:1:\nno\nstack backtrace:\n";
        let run = told("row", output, Some(PathBuf::from("/tmp/crash-1")));
        let shown = run.how_to_repeat().unwrap();
        assert!(!run.is_clean() && shown.contains("panicked at a.rs:1:1:\nno\n"), "{shown}");
        assert!(shown.ends_with("found-WHAT && cargo test -p longhaul-fuzz row"), "{shown}");
    }
}
