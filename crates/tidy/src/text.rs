//! The documents are there, and what they say exists does exist.

use std::path::Path;

use anyhow::Result;

use longhaul_cli::text::read;

const DOCUMENTS: [&str; 2] = ["README.md", "ARCHITECTURE.md"];
const PLACES: [&str; 2] = ["crates/", "examples/"];

/// Every document that is not there, and every crate that one mentions and that is not there.
pub(super) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for document in DOCUMENTS {
        if !root.join(document).exists() {
            problems.push(format!("{document} is missing: write it"));
            continue;
        }
        let text = read(&root.join(document))?;
        let mentions = mentions(&text).into_iter();
        let gone = mentions.filter(|path| !root.join(path).join("Cargo.toml").is_file());
        problems.extend(gone.map(|path| format!("{document} mentions {path}, which does not exist")));
    }
    Ok(problems)
}

/// Paths such as `crates/core` in a text, each once: the directory only, not what is below it.
fn mentions(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for place in PLACES {
        for (at, _) in text.match_indices(place) {
            let is_inner =
                text[..at].ends_with(|before: char| before.is_alphanumeric() || "-_/".contains(before));
            let rest = &text[at + place.len()..];
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
            if !is_inner && !name.is_empty() {
                found.push(format!("{place}{name}"));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_are_paths_of_crates() {
        let text = "`crates/core/src/run.rs`, crates/core and examples/haiku; all of `crates/`, my-crates/x, a/crates/y";
        assert_eq!(mentions(text), ["crates/core", "examples/haiku"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("README.md"), "see crates/old").unwrap();
        let problems = problems(directory.path()).unwrap();
        assert_eq!(
            problems,
            ["README.md mentions crates/old, which does not exist", "ARCHITECTURE.md is missing: write it"]
        );
    }
}
