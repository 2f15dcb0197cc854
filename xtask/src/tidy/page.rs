//! The page that browsers get: it never makes HTML of a text, and asks no other host for anything.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{FILE_LINES_MAX, over};
use crate::{fingerprint::SKIPPED_DIRS, workspace::read};

/// What is written by hand, as opposed to what is bundled into it.
const ENDINGS: [&str; 8] = ["css", "html", "js", "json", "mjs", "svg", "ts", "tsx"];

/// What `cargo xtask openapi` writes: as long as the API is large.
const GENERATED: [&str; 2] = ["dashboard/static/openapi.json", "dashboard/src/openapi.ts"];

/// What turns a text into markup or into code.
const FORBIDDEN: [&str; 10] = [
    "dangerouslySetInnerHTML",
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "setHTMLUnsafe",
    "createContextualFragment",
    "document.write",
    "srcdoc",
    "eval(",
    "new Function(",
];

/// Names, not addresses: nobody asks for them.
const NAMESPACES: &str = "http://www.w3.org/";

/// Lines of the dashboard's sources that should not be there, and files that are too long. Its tests, which are full of
/// hostile texts, may name what they like.
pub(super) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let dir = root.join("dashboard");
    if dir.is_dir() {
        collect(&dir, &mut files)?;
    }
    let mut problems = Vec::new();
    for file in files {
        let name = file.strip_prefix(root)?.display().to_string();
        let text = read(&file)?;
        if !GENERATED.contains(&name.as_str()) {
            problems.extend(over(&name, text.lines().count(), FILE_LINES_MAX));
        }
        problems.extend(line_problems(&name, &text));
    }
    Ok(problems)
}

fn line_problems(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(**word)) {
            problems.push(format!("{place} has {word}: let the page show text as text"));
        }
        if has_address(line) {
            problems.push(format!("{place} has the address of another host: the page asks its own only"));
        }
    }
    problems
}

/// `http://` or `https://` with a host, which a namespace is not. A check for the scheme alone has none.
fn has_address(line: &str) -> bool {
    line.match_indices("://").any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + 3..]);
        let is_web = before.ends_with("http") || before.ends_with("https");
        let has_host = after.starts_with(|first: char| first.is_ascii_alphanumeric());
        let is_name = format!("http://{after}").starts_with(NAMESPACES) && before.ends_with("http");
        is_web && has_host && !is_name
    })
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if name != "test" && !SKIPPED_DIRS.contains(&name) {
                collect(&path, files)?;
            }
        } else if path.extension().and_then(|ending| ending.to_str()).is_some_and(|it| ENDINGS.contains(&it))
        {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_other_hosts_are_named_with_their_line() {
        let text = "a\nnode.innerHTML = text;\nfetch(\"https://example.com/x\");\n";
        let problems = line_problems("dashboard/src/a.ts", text);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("dashboard/src/a.ts:2 has innerHTML"));
        assert!(problems[1].starts_with("dashboard/src/a.ts:3 has the address"));
    }

    #[test]
    fn namespaces_schemes_and_own_paths_pass() {
        for line in [
            "const SVG = \"http://www.w3.org/2000/svg\";",
            "if (url.startsWith(\"https://\")) return;",
            "fetch(`${location.origin}/v1/traces`);",
            "ws://",
        ] {
            assert_eq!(line_problems("x", line), [""; 0], "{line}");
        }
        assert!(has_address("https://www.w3.org/x") && has_address("http://www.w3.org/a http://b.c"));
    }

    #[test]
    fn tests_and_output_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for dir in ["src", "test", "dist"] {
            let dir = directory.path().join("dashboard").join(dir);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("a.ts"), "eval(x)\n").unwrap();
        }
        let problems = problems(directory.path()).unwrap();
        assert_eq!(problems, ["dashboard/src/a.ts:1 has eval(: let the page show text as text"]);
    }
}
