//! From a crate to the module and the wasm that Cloudflare runs.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::{
    dashboard::Dashboard,
    fingerprint, names, pins, process,
    product::{self, Product},
    report::{Progress, Stopwatch, Took},
    workspace::Workspace,
};

/// What every build is made of, beside its crates: the lock files, and how it is built.
const SHARED_INPUTS: [&str; 7] = [
    ".cargo/config.toml",
    "Cargo.lock",
    "Cargo.toml",
    "package-lock.json",
    "xtask/src/build.rs",
    "xtask/src/names.rs",
    "xtask/src/pins.rs",
];

/// What is built for Cloudflare: the worker, or one of the examples.
pub(crate) struct Target {
    name: String,
    /// Relative to the root.
    dir: PathBuf,
    /// Relative to the root.
    config: PathBuf,
    build: Build,
}

/// For whom a target is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    /// Small first, as it is deployed.
    Deployed,
    /// Built soon: what a developer waits for after each change.
    Quick,
}

impl Build {
    /// The name of the profile in Cargo.toml.
    fn profile(self) -> &'static str {
        match self {
            Self::Deployed => "release",
            Self::Quick => "quick",
        }
    }
}

impl Target {
    /// The worker, or the example of that name. Fails when there is no such example.
    pub(crate) fn new(workspace: &Workspace, example: Option<String>) -> Result<Self> {
        let Some(name) = example else {
            return Ok(Self {
                name: "worker".into(),
                dir: "crates/worker".into(),
                config: "wrangler.toml".into(),
                build: Build::Deployed,
            });
        };
        let examples = example_names(workspace)?;
        if !examples.contains(&name) {
            bail!("there is no example {name}: choose one of {}", examples.join(", "));
        }
        let dir = Path::new("examples").join(&name);
        Ok(Self { name, config: dir.join("wrangler.toml"), dir, build: Build::Deployed })
    }

    /// The worker and all examples.
    pub(crate) fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        let examples = example_names(workspace)?.into_iter().map(Some);
        std::iter::once(None).chain(examples).map(|example| Self::new(workspace, example)).collect()
    }

    /// The same, built soon and not small: a build for deployment is taken where it is there.
    pub(crate) fn quick(self) -> Self {
        Self { build: Build::Quick, ..self }
    }

    /// The configuration that wrangler reads, relative to the root.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Whether this is an example.
    pub(crate) fn is_example(&self) -> bool {
        self.dir.starts_with("examples")
    }

    /// The wasm that is built, relative to the root.
    pub(crate) fn wasm(&self) -> PathBuf {
        self.dir.join("build/index_bg.wasm")
    }

    fn build_dir(&self, workspace: &Workspace) -> PathBuf {
        workspace.root().join(&self.dir).join("build")
    }
}

impl Product for Target {
    fn name(&self) -> &str {
        &self.name
    }

    fn stamp(&self, workspace: &Workspace) -> PathBuf {
        self.build_dir(workspace).join(".fingerprint")
    }

    fn is_there(&self, workspace: &Workspace) -> bool {
        let dir = self.build_dir(workspace);
        dir.join("index.js").is_file() && dir.join("index_bg.wasm").is_file()
    }

    fn inputs(&self, workspace: &Workspace) -> Result<String> {
        let mut inputs: Vec<PathBuf> = SHARED_INPUTS.map(PathBuf::from).into();
        inputs.extend(wasm_crates(workspace.root())?);
        inputs.push(self.dir.clone());
        fingerprint::of(workspace.root(), &inputs)
    }

    fn grade(&self) -> &'static str {
        match self.build {
            Build::Deployed => "",
            Build::Quick => " quick",
        }
    }

    fn make(&self, workspace: &Workspace, progress: &Progress) -> Result<String> {
        let phases = worker_build(workspace, self, progress)?;
        let wasm_bytes = gzip_bytes(&workspace.root().join(self.wasm()))?;
        Ok(format!("{}; {} gzipped", phases.summary(), Kib(wasm_bytes)))
    }
}

/// Builds the target, and for the worker the dashboard that is deployed with it: what has changed of them.
pub(crate) fn run(workspace: &Workspace, target: &Target) -> Result<()> {
    if !target.is_example() {
        product::build(workspace, &Dashboard)?;
    }
    product::build(workspace, target)
}

/// The size of a file as Cloudflare counts it, in bytes.
pub(crate) fn gzip_bytes(path: &Path) -> Result<u64> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut encoder = GzEncoder::new(CountBytes(0), Compression::default());
    encoder.write_all(&content)?;
    Ok(encoder.finish()?.0)
}

/// A size in bytes, shown in KiB.
pub(crate) struct Kib(pub(crate) u64);

impl std::fmt::Display for Kib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} KiB", self.0 / 1024, self.0 % 1024 * 10 / 1024)
    }
}

fn worker_build(workspace: &Workspace, target: &Target, progress: &Progress) -> Result<Phases> {
    let mut command = Command::new(workspace.tool("worker-build"));
    command
        .args(["--profile", target.build.profile(), "--panic-unwind"])
        .args((target.build == Build::Quick).then_some("--no-opt"))
        .current_dir(workspace.root().join(&target.dir))
        .env("PATH", workspace.path_with_node()?)
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", pins::STD_FEATURES)
        .env("WASM_BINDGEN_BIN", workspace.tool("wasm-bindgen"))
        .env("WASM_OPT_BIN", workspace.node_modules().join("binaryen/bin/wasm-opt"))
        .env("ESBUILD_BIN", workspace.node_modules().join("esbuild/bin/esbuild"));
    let mut phases = Phases::start();
    process::run(command, |line| {
        phases.line(line);
        progress.line(line);
    })?;
    let wasm = workspace.root().join(target.wasm());
    let content = fs::read(&wasm).with_context(|| format!("cannot read {}", wasm.display()))?;
    fs::write(&wasm, names::strip(&content)?)?;
    phases.end();
    Ok(phases)
}

/// The time of each part of a build, told by what `worker-build` prints.
struct Phases {
    stopwatch: Stopwatch,
    current: &'static str,
    began: Duration,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn start() -> Self {
        Self { stopwatch: Stopwatch::start(), current: "compile", began: Duration::ZERO, ended: Vec::new() }
    }

    fn line(&mut self, line: &str) {
        for (text, next) in
            [("Finished `", "bind"), ("Optimizing wasm binaries", "optimise"), ("ready to publish", "bundle")]
        {
            if line.contains(text) {
                self.end();
                self.current = next;
            }
        }
    }

    fn end(&mut self) {
        let now = self.stopwatch.elapsed();
        self.ended.push((self.current, now.saturating_sub(self.began)));
        self.began = now;
    }

    fn summary(&self) -> String {
        let parts = self.ended.iter().map(|(name, took)| format!("{name} {}", Took(*took)));
        parts.collect::<Vec<_>>().join(", ")
    }
}

struct CountBytes(u64);

impl Write for CountBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The crates below crates/ that can end up in the wasm, relative to the root. What is built for Cloudflare is
/// left out, as are the crates that only run on the machine itself.
pub(crate) fn wasm_crates(root: &Path) -> Result<Vec<PathBuf>> {
    const NOT_LINKED: [&str; 3] = ["worker", "sim", "cli"];
    let names = crates_in(&root.join("crates"))?;
    let linked = names.into_iter().filter(|name| !NOT_LINKED.contains(&name.as_str()));
    Ok(linked.map(|name| Path::new("crates").join(name)).collect())
}

fn example_names(workspace: &Workspace) -> Result<Vec<String>> {
    crates_in(&workspace.root().join("examples"))
}

/// The names of the directories with a Cargo.toml, sorted.
pub(crate) fn crates_in(parent: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_what_worker_build_prints() {
        let mut phases = Phases::start();
        phases.line("[INFO]: Compiling to Wasm (with panic=unwind)...");
        phases.line("    Finished `release` profile [optimized] target(s) in 2m 28s");
        phases.line("[INFO]: Optimizing wasm binaries with `wasm-opt`...");
        phases.line("[INFO]: Your wasm pkg is ready to publish at build.");
        phases.end();
        let names: Vec<_> = phases.ended.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["compile", "bind", "optimise", "bundle"]);
    }

    #[test]
    fn sizes_are_shown_in_kib() {
        assert_eq!(Kib(1536).to_string(), "1.5 KiB");
        assert_eq!(Kib(400 * 1024).to_string(), "400.0 KiB");
    }
}
