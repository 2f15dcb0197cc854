//! One short text for the content of many files: equal means that nothing has to be done again.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Directories that never reach a build's output: what it wrote itself, and what only tests read.
pub(crate) const SKIPPED_DIRS: [&str; 7] =
    ["build", "dist", "target", "node_modules", "tests", "benches", "snapshots"];

/// The fingerprint of files, and of everything below directories, given relative to the root. A path that does
/// not exist counts as such, so that its appearance is a change.
pub(crate) fn of(root: &Path, paths: &[impl AsRef<Path>]) -> Result<String> {
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
        let is_skipped = name.starts_with('.') || SKIPPED_DIRS.contains(&name.as_ref());
        if !is_skipped {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_with_content_names_and_new_files_but_not_with_output() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let fingerprint = || of(root, &["src", "Cargo.toml"]).unwrap();
        fs::create_dir_all(root.join("src/build")).unwrap();
        fs::write(root.join("src/a.rs"), "one").unwrap();

        let first = fingerprint();
        assert_eq!(first, fingerprint());
        fs::write(root.join("src/build/out.js"), "output").unwrap();
        assert_eq!(first, fingerprint());

        fs::write(root.join("Cargo.toml"), "").unwrap();
        let second = fingerprint();
        assert_ne!(first, second);
        fs::rename(root.join("src/a.rs"), root.join("src/b.rs")).unwrap();
        let third = fingerprint();
        assert_ne!(second, third);
        fs::write(root.join("src/b.rs"), "two").unwrap();
        assert_ne!(third, fingerprint());
    }
}
