//! What `cargo xtask tidy` judges: rules that the compiler does not know: who may depend on whom, how long things may be, and that documents and
//! manifests speak of what exists. Each problem is one line that says what to do.

mod circles;
mod edges;
mod manifests;
mod text;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use longhaul_cli::{fingerprint::SKIPPED_DIRS, text::read};

/// Lines of one file of sources.
const FILE_LINES_MAX: usize = 800;
/// Lines of the deployable worker: its logic belongs in the library.
const WORKER_LINES_MAX: usize = 150;
/// Lines of an example: what a user writes, beside the manifest.
const EXAMPLE_LINES_MAX: usize = 120;
/// Lines of ARCHITECTURE.md: a page that is read to its end.
const ARCHITECTURE_LINES_MAX: usize = 150;

/// Checks everything and returns what was looked at. Fails with all problems at once.
pub fn run(root: &Path) -> Result<String> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .other_options(["--locked".to_owned()])
        .exec()
        .context("cargo metadata")?;
    let sources = rust_files(root)?;
    let mut problems = edges::problems(&metadata);
    problems.extend(circles::problems(root)?);
    problems.extend(size_problems(root, &sources)?);
    problems.extend(manifests::problems(root, &metadata)?);
    problems.extend(text::problems(root)?);
    if !problems.is_empty() {
        bail!("{} to tidy up:\n  {}", problems.len(), problems.join("\n  "));
    }
    Ok(format!("{} crates, {} files", metadata.packages.len(), sources.len()))
}

fn size_problems(root: &Path, sources: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in sources {
        let name = file.strip_prefix(root)?.display().to_string();
        problems.extend(over(&name, line_count(file)?, FILE_LINES_MAX));
    }
    let worker = root.join("crates/worker");
    problems.extend(over("crates/worker/src", source_lines(&worker)?, WORKER_LINES_MAX));
    for entry in fs::read_dir(root.join("examples"))? {
        let example = entry?.path();
        if !example.join("Cargo.toml").is_file() {
            continue;
        }
        let name = example.strip_prefix(root)?.join("src").display().to_string();
        problems.extend(over(&name, source_lines(&example)?, EXAMPLE_LINES_MAX));
    }
    let architecture = root.join("ARCHITECTURE.md");
    if architecture.exists() {
        problems.extend(over("ARCHITECTURE.md", line_count(&architecture)?, ARCHITECTURE_LINES_MAX));
    }
    Ok(problems)
}

fn over(name: &str, lines: usize, lines_max: usize) -> Option<String> {
    (lines > lines_max)
        .then(|| format!("{name} has {lines} lines, at most {lines_max} are allowed: split or shorten it"))
}

fn source_lines(package: &Path) -> Result<usize> {
    let mut files = Vec::new();
    collect(&package.join("src"), &mut files)?;
    files.iter().map(|file| line_count(file)).sum()
}

fn line_count(file: &Path) -> Result<usize> {
    Ok(read(file)?.lines().count())
}

/// Every Rust file of the project, tests included, build output not.
fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for part in ["bench", "crates", "examples", "tests", "xtask"] {
        if root.join(part).is_dir() {
            collect(&root.join(part), &mut files)?;
        }
    }
    Ok(files)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name == "tests" || !SKIPPED_DIRS.contains(&name) {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The names of the directories with a Cargo.toml, sorted.
pub fn crates_in(parent: &Path) -> Result<Vec<String>> {
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
    fn a_file_at_its_limit_passes_and_one_line_more_does_not() {
        assert_eq!(over("a.rs", 800, FILE_LINES_MAX), None);
        let problem = over("a.rs", 801, FILE_LINES_MAX).unwrap();
        assert!(problem.starts_with("a.rs has 801 lines"), "{problem}");
    }

    #[test]
    fn build_output_is_not_our_source() {
        let directory = tempfile::tempdir().unwrap();
        for dir in ["crates/a/src", "crates/a/build", "crates/a/tests"] {
            fs::create_dir_all(directory.path().join(dir)).unwrap();
            fs::write(directory.path().join(dir).join("x.rs"), "fn x() {}\n").unwrap();
        }
        let mut found = rust_files(directory.path()).unwrap();
        found.sort();
        let names: Vec<_> = found.iter().map(|file| file.strip_prefix(directory.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("crates/a/src/x.rs"), Path::new("crates/a/tests/x.rs")]);
    }
}
