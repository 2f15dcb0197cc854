//! From a crate to the module and the wasm that Cloudflare runs, and what is deployed beside them.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};

use crate::{
    bind,
    dashboard::Dashboard,
    fingerprint, migrations, nightly, pins, process,
    product::{self, Product},
    project::Project,
    report::{Progress, Stopwatch, Took},
    tools::Tools,
};

pub use crate::events::is_spared;
pub use crate::product::{KEEP_LAST_BUILD, note_failure, serves_on};

/// For whom a project is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Small first, as it is deployed.
    Deployed,
    /// Built soon: what a developer waits for after each change. A build for deployment is taken where it is there.
    Quick,
}

/// What every profile has. No `strip`: the sections that say what is bound to JavaScript have to stay.
const SMALL: &[&str] = &["inherits=\"release\"", "opt-level=\"z\"", "lto=true", "codegen-units=1"];
/// Ten times the size in a quarter of the time, and a changed line is compiled alone.
const SOON: &[&str] =
    &["inherits=\"release\"", "opt-level=1", "lto=\"off\"", "codegen-units=16", "incremental=true"];

impl Grade {
    /// The name of cargo's profile, and what is in it: no Cargo.toml has to say it.
    fn profile(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Deployed => ("deployed", SMALL),
            Self::Quick => ("quick", SOON),
        }
    }
}

/// Builds the project, its dashboard and the tables of its index: what has changed of them.
pub fn run(tools: &Tools, project: &Project, grade: Grade) -> Result<()> {
    dashboard(tools, project)?;
    migrations::copy(project)?;
    product::build(&project.scratch(), &Worker { tools, project, grade })
}

/// Builds the dashboard where the project has one, and it has changed.
pub fn dashboard(tools: &Tools, project: &Project) -> Result<()> {
    match project.assets() {
        Some(assets) => product::build(&project.scratch(), &Dashboard { tools, project, assets }),
        None => Ok(()),
    }
}

/// The size of a file as Cloudflare counts it, in bytes.
pub fn gzip_bytes(path: &Path) -> Result<u64> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut encoder = GzEncoder::new(CountBytes(0), Compression::default());
    encoder.write_all(&content)?;
    Ok(encoder.finish()?.0)
}

/// A size in bytes, shown in KiB.
pub struct Kib(pub u64);

impl std::fmt::Display for Kib {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} KiB", self.0 / 1024, self.0 % 1024 * 10 / 1024)
    }
}

/// The module and its wasm.
struct Worker<'a> {
    tools: &'a Tools,
    project: &'a Project,
    grade: Grade,
}

impl Product for Worker<'_> {
    fn name(&self) -> &str {
        self.project.name()
    }

    fn stamp(&self) -> PathBuf {
        let module = self.project.module().unwrap_or_default();
        module.with_file_name(".fingerprint")
    }

    fn is_there(&self) -> bool {
        let is_file = |path: Result<PathBuf>| path.is_ok_and(|path| path.is_file());
        is_file(self.project.module()) && is_file(self.project.wasm())
    }

    fn inputs(&self) -> Result<String> {
        let mut inputs = vec![self.project.lock().to_path_buf(), self.tools.lock()];
        for package in self.project.sources() {
            inputs.extend(fingerprint::parts_of_package(package)?);
        }
        let crates = fingerprint::of(self.project.dir(), &inputs)?;
        Ok(format!("{crates} {}", env!("CARGO_PKG_VERSION")))
    }

    fn grade(&self) -> &'static str {
        match self.grade {
            Grade::Deployed => "",
            Grade::Quick => " quick",
        }
    }

    fn make(&self, progress: &Progress) -> Result<String> {
        let mut phases = Phases::start();
        let linked = self.compile(progress)?;
        phases.end("compile");
        let staged = self.project.scratch().join("staged");
        if staged.exists() {
            fs::remove_dir_all(&staged)?;
        }
        bind::bind(&linked, &staged)?;
        phases.end("bind");
        if self.grade == Grade::Deployed {
            self.optimise(&staged.join("index_bg.wasm"), progress)?;
            phases.end("optimise");
        }
        bind::bundle(self.tools, &staged, self.grade == Grade::Deployed, progress)?;
        self.publish(&staged)?;
        phases.end("bundle");
        Ok(format!("{}; {} gzipped", phases.summary(), Kib(gzip_bytes(&self.project.wasm()?)?)))
    }
}

impl Worker<'_> {
    /// Compiles and links the crate, and returns the file.
    fn compile(&self, progress: &Progress) -> Result<PathBuf> {
        let (profile, settings) = self.grade.profile();
        let mut cargo = Command::new("cargo");
        cargo.arg(format!("+{}", nightly::name()?)).args(["rustc", "--lib", "--profile", profile]);
        // Whatever else the crate is for its tests: together with an rlib nothing is optimised across crates.
        cargo.args(["--crate-type", "cdylib"]);
        cargo.args(["--target", pins::WASM_TARGET, "-Zbuild-std=std,panic_unwind"]);
        for setting in settings {
            cargo.args(["--config", &format!("profile.{profile}.{setting}")]);
        }
        cargo.current_dir(self.project.dir());
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        cargo.env("RUSTFLAGS", format!("{flags} -Cpanic=unwind").trim_start());
        cargo.env("RUST_BACKTRACE", "0");
        cargo.env("CARGO_UNSTABLE_BUILD_STD_FEATURES", pins::STD_FEATURES);
        // wasm-bindgen's macros emit paths of `js_sys::futures`, which is what is linked anyway.
        cargo.env("WASM_BINDGEN_USE_JS_SYS", "1");
        process::run(cargo, |line| progress.line(line))?;
        let dir = self.project.target_dir().join(pins::WASM_TARGET).join(profile);
        Ok(dir.join(self.project.library_name()).with_extension("wasm"))
    }

    fn optimise(&self, wasm: &Path, progress: &Progress) -> Result<()> {
        let optimised = wasm.with_extension("optimised");
        let mut wasm_opt = Command::new(self.tools.node_modules().join("binaryen/bin/wasm-opt"));
        wasm_opt.arg(wasm).arg("-o").arg(&optimised).arg("-O").env("PATH", self.tools.path()?);
        // By name, so that nothing is written that workerd cannot read yet: what the compiler emits, and exceptions.
        for feature in [
            "mutable-globals",
            "sign-ext",
            "nontrapping-float-to-int",
            "bulk-memory",
            "multivalue",
            "reference-types",
            "exception-handling",
        ] {
            wasm_opt.arg(format!("--enable-{feature}"));
        }
        process::run(wasm_opt, |line| progress.line(line))?;
        fs::rename(&optimised, wasm).with_context(|| format!("cannot write {}", wasm.display()))
    }

    /// Puts the two files where the configuration says, each at once: somebody may be reading them.
    fn publish(&self, staged: &Path) -> Result<()> {
        for (name, path) in [("index_bg.wasm", self.project.wasm()?), ("index.js", self.project.module()?)] {
            let dir = path.parent().context("a module is in a folder")?;
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            let next = path.with_extension("next");
            fs::copy(staged.join(name), &next).with_context(|| format!("cannot write {}", next.display()))?;
            fs::rename(&next, &path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// The time of each part of a build.
struct Phases {
    stopwatch: Stopwatch,
    began: Duration,
    ended: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn start() -> Self {
        Self { stopwatch: Stopwatch::start(), began: Duration::ZERO, ended: Vec::new() }
    }

    fn end(&mut self, name: &'static str) {
        let now = self.stopwatch.elapsed();
        self.ended.push((name, now.saturating_sub(self.began)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_kib() {
        assert_eq!(Kib(1536).to_string(), "1.5 KiB");
        assert_eq!(Kib(400 * 1024).to_string(), "400.0 KiB");
    }
}
