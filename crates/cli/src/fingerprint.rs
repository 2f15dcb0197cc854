//! One short text for the content of many files: equal means that nothing has to be done again.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Directories of a package that never reach a build's output: what it wrote itself, and what only tests read.
pub const SKIPPED_DIRS: [&str; 7] =
    ["build", "dist", "target", "node_modules", "tests", "benches", "snapshots"];

/// Parts of the library's folder that are built for themselves.
const APART: [&str; 2] = ["dashboard", "migrations"];

/// The fingerprint of texts.
pub fn of_text(texts: &[&str]) -> String {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What may reach the build of a package, below its folder.
pub fn parts_of_package(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_apart = SKIPPED_DIRS.contains(&name.as_ref()) || APART.contains(&name.as_ref());
        let is_skipped = name.starts_with('.') || is_apart && entry.path().is_dir();
        if !is_skipped {
            parts.push(entry.path());
        }
    }
    parts.sort();
    Ok(parts)
}

/// The fingerprint of files, and of everything below directories but what is hidden, given relative to the root. A path
/// that does not exist counts as such, so that its appearance is a change.
pub fn of(root: &Path, paths: &[impl AsRef<Path>]) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(&root.join(path), &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = match fs::read(&file) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        file.strip_prefix(root).unwrap_or(&file).hash(&mut hasher);
        content.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_with_content_names_and_new_files() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let fingerprint = || of(root, &["src", "Cargo.toml"]).unwrap();
        fs::create_dir_all(root.join("src/build")).unwrap();
        fs::write(root.join("src/a.rs"), "one").unwrap();

        let first = fingerprint();
        assert_eq!(first, fingerprint());
        fs::write(root.join("src/build/mod.rs"), "a module of that name").unwrap();
        let with_module = fingerprint();
        assert_ne!(first, with_module);

        fs::write(root.join("Cargo.toml"), "").unwrap();
        let second = fingerprint();
        assert_ne!(with_module, second);
        fs::rename(root.join("src/a.rs"), root.join("src/b.rs")).unwrap();
        let third = fingerprint();
        assert_ne!(second, third);
        fs::write(root.join("src/b.rs"), "two").unwrap();
        assert_ne!(third, fingerprint());
    }

    #[test]
    fn output_and_tests_are_no_part_of_a_build() {
        let directory = tempfile::tempdir().unwrap();
        for dir in ["src", "build", "tests", "dashboard", ".git"] {
            fs::create_dir(directory.path().join(dir)).unwrap();
        }
        for file in ["Cargo.toml", "build.rs"] {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let parts = parts_of_package(directory.path()).unwrap();
        let names: Vec<_> = parts.iter().map(|part| part.file_name().unwrap()).collect();
        assert_eq!(names, ["Cargo.toml", "build.rs", "src"]);
    }
}
