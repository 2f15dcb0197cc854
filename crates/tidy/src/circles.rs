//! No circle of imports between the files of a crate: each stands on what comes before it, and can be read in that order.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::collect;
use longhaul_cli::text::read;

/// The crates whose files are looked at.
const LISTED: [&str; 5] = ["core", "models", "trace", "host", "durable"];

/// What each file of a crate imports of the others, by the name of its module: `state::run`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// A circle in each listed crate that has one.
pub(super) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for name in LISTED {
        let src = root.join("crates").join(name).join("src");
        let mut files = Vec::new();
        collect(&src, &mut files)?;
        let sources = files.iter().map(|file| Ok((module_of(&src, file), read(file)?)));
        let imports = imports(&sources.collect::<Result<BTreeMap<String, String>>>()?);
        problems.extend(
            circle(&imports)
                .map(|circle| format!("crates/{name} has a circle of imports: {}", circle.join(" -> "))),
        );
    }
    Ok(problems)
}

/// The module that a file is, as a path from the crate's root; the root itself has an empty one.
fn module_of(src: &Path, file: &Path) -> String {
    let path: PathBuf = file.strip_prefix(src).unwrap_or(file).with_extension("");
    let parts = path.iter().filter_map(|part| part.to_str());
    let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "lib" | "main" | "mod")).collect();
    parts.join("::")
}

/// Of each module the others that it names: after `crate::` or `super::`, and children after `use`. That a module declares
/// its children is no import, and what its tests name does not count.
fn imports(sources: &BTreeMap<String, String>) -> Imports {
    let of_module = |(module, source): (&String, &String)| {
        let code = without_comments(source.split("#[cfg(test)]\nmod ").next().unwrap_or_default());
        let named = paths(&code).into_iter().filter_map(|path| file_of(&absolute(module, &path)?, sources));
        let others: BTreeSet<String> = named.filter(|other| other != module).collect();
        (module.clone(), others)
    };
    sources.iter().map(of_module).collect()
}

fn without_comments(source: &str) -> String {
    let code = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// Every path in the code that begins with `crate::` or `super::`, and each after a `use` as if it began with `self::`; a
/// group in braces as its single paths.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let begins_here = !code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
            if begins_here {
                expand("", &code[at..], &mut found);
            }
        }
    }
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or_default();
        if matches!(line.trim(), "" | "pub" | "pub(crate)" | "pub(super)") {
            expand("self::", &code[at + "use ".len()..], &mut found);
        }
    }
    found
}

/// Adds the paths that `rest` begins with, each after `prefix`, and gives what comes after them.
fn expand<'a>(prefix: &str, rest: &'a str, found: &mut Vec<String>) -> &'a str {
    let rest = rest.trim_start();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            inner = expand(prefix, inner, found).trim_start();
            match inner.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => inner = more,
                Some(more) => return more.trim_start().strip_prefix('}').unwrap_or_default(),
                None => return inner.strip_prefix('}').unwrap_or_default(),
            }
        }
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let (path, mut rest) = rest.split_at(end);
    let path = format!("{prefix}{path}");
    if path.ends_with("::") && rest.starts_with('{') {
        return expand(&path, rest, found);
    }
    if let Some(renamed) = rest.strip_prefix(" as ") {
        rest = renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    }
    found.push(path);
    rest
}

/// A path from the crate's root, as its parts.
fn absolute(module: &str, path: &str) -> Option<Vec<String>> {
    let mut base: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
    let mut parts = path.split("::").filter(|part| !part.is_empty()).peekable();
    if parts.next_if_eq(&"crate").is_some() {
        base.clear();
    }
    parts.next_if_eq(&"self");
    while parts.next_if_eq(&"super").is_some() {
        base.pop()?;
    }
    Some(base.into_iter().chain(parts).map(str::to_owned).collect())
}

/// The file that a path leads into: the longest beginning of it that is one.
fn file_of(path: &[String], sources: &BTreeMap<String, String>) -> Option<String> {
    let beginnings = (0..=path.len()).rev().map(|length| path[..length].join("::"));
    beginnings.into_iter().find(|name| sources.contains_key(name))
}

/// A way from a file back to itself, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    let mut left: BTreeSet<&String> = imports.keys().collect();
    // Files that import none of those that are left stand below them; what remains is a circle and what leads to it.
    loop {
        let stands = |name: &&&String| !imports[**name].iter().any(|other| left.contains(other));
        let Some(lowest) = left.iter().find(stands).copied() else { break };
        left.remove(lowest);
    }
    let mut way = vec![(*left.first()?).clone()];
    loop {
        let last = way.last().expect("it begins with one file");
        let next = imports[last].iter().find(|other| left.contains(other)).expect("each of them imports one");
        let begins = way.iter().position(|seen| seen == next);
        way.push(next.clone());
        if let Some(begins) = begins {
            return Some(way.split_off(begins).into_iter().map(|name| named(&name)).collect());
        }
    }
}

fn named(module: &str) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<String> {
        let sources = files.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned()));
        circle(&imports(&sources.collect())).map(|circle| circle.join(" -> "))
    }

    #[test]
    fn files_that_stand_on_one_another_pass() {
        let files = [
            ("", "mod a;\nmod b;\npub use b::c::C;\n"),
            ("a", "use std::fmt;\n\npub struct A;\n"),
            ("b", "pub(crate) mod c;\n"),
            ("b::c", "use crate::a::A;\n// use crate::b::d::D;\npub struct C(A);\n"),
            (
                "b::d",
                "use super::c::C;\nuse crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::Everything;\n}\n",
            ),
        ];
        assert_eq!(found(&files), None);
    }

    #[test]
    fn a_circle_is_named_however_it_is_written() {
        for import in [
            "use crate::b::d::D;",
            "use crate::{\n    a::A,\n    b::{self, d::{D, E as F},},\n};",
            "use super::b::d;",
            "fn f() -> crate::b::d::D { todo!() }",
        ] {
            let files = [
                ("", ""),
                ("a", "pub struct A;"),
                ("b", ""),
                ("b::d", "use super::super::c::C;"),
                ("c", import),
            ];
            assert_eq!(found(&files).as_deref(), Some("b::d -> c -> b::d"), "{import}");
        }
    }

    #[test]
    fn whoever_imports_from_the_root_closes_a_circle() {
        let files = [("", "pub use crate::a::A;"), ("a", "use crate::B;\npub struct A;")];
        assert_eq!(found(&files).as_deref(), Some("lib -> a -> lib"));
    }
}
