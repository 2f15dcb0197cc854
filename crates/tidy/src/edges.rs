//! Which crate may depend on which.

use cargo_metadata::{DependencyKind, Metadata, Package};

/// The crates of the workspace and what each may use of the others. A crate that is not here is a problem.
const ALLOWED: [(&str, &[&str]); 22] = [
    ("longhaul-core", &[]),
    ("longhaul-models", &["longhaul-core"]),
    ("longhaul-mcp", &["longhaul-core", "longhaul-models"]),
    ("longhaul-trace", &["longhaul-core"]),
    ("longhaul-host", &["longhaul-core", "longhaul-models", "longhaul-trace"]),
    ("longhaul-world", &["longhaul-core", "longhaul-host"]),
    // With the feature `testing` alone: the test kit.
    (
        "longhaul",
        &[
            "longhaul-core",
            "longhaul-host",
            "longhaul-mcp",
            "longhaul-models",
            "longhaul-trace",
            "longhaul-world",
        ],
    ),
    (
        "longhaul-sim",
        &["longhaul-core", "longhaul-host", "longhaul-models", "longhaul-trace", "longhaul-world"],
    ),
    ("longhaul-worker", &["longhaul"]),
    ("haiku", &["longhaul"]),
    ("article", &["longhaul"]),
    ("observed", &["longhaul"]),
    ("research", &["longhaul"]),
    ("shop", &["longhaul"]),
    ("tools", &["longhaul"]),
    ("longhaul-tests", &["longhaul-core", "longhaul-models", "longhaul-sim", "longhaul-trace"]),
    ("longhaul-fuzz", &["longhaul", "longhaul-core", "longhaul-host", "longhaul-models", "longhaul-trace"]),
    ("longhaul-bench", &["longhaul-core", "longhaul-trace"]),
    ("longhaul-bench-worker", &["longhaul"]),
    ("longhaul-cli", &[]),
    ("longhaul-tidy", &["longhaul-cli"]),
    ("xtask", &["longhaul-cli", "longhaul-tidy"]),
];

/// What ties a crate to the Workers platform, and the only crates that may be tied.
const PLATFORM: [&str; 4] = ["worker", "wasm-bindgen", "js-sys", "web-sys"];
const MAY_KNOW_PLATFORM: [&str; 9] = [
    "longhaul",
    "longhaul-worker",
    "haiku",
    "article",
    "observed",
    "research",
    "shop",
    "tools",
    "longhaul-bench-worker",
];

/// What the core does without: it decides, and neither waits nor hashes.
const ABSENT_FROM_CORE: [&str; 2] = ["futures", "tokio"];

/// All edges that should not be there.
pub(super) fn problems(metadata: &Metadata) -> Vec<String> {
    let edges = metadata.packages.iter().flat_map(|package| {
        let linked = dependencies(package);
        linked.map(|dependency| (package.name.as_str(), dependency))
    });
    let unknown =
        metadata.packages.iter().filter(|package| allowed(package.name.as_str()).is_none()).map(|package| {
            format!(
                "crate {} is in no table: say in crates/tidy/src/edges.rs what it may depend on",
                package.name
            )
        });
    edges.filter_map(|(from, to)| edge_problem(from, to)).chain(unknown).collect()
}

/// The dependencies that are linked into users of the package: what only its tests or its build script use is free.
fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.as_str())
}

fn allowed(from: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(name, _)| *name == from).map(|(_, to)| *to)
}

fn edge_problem(from: &str, to: &str) -> Option<String> {
    let reason = if allowed(to).is_some() && !allowed(from).unwrap_or_default().contains(&to) {
        "this edge is not in the design"
    } else if PLATFORM.contains(&to) && !MAY_KNOW_PLATFORM.contains(&from) {
        "only the adapter and what is deployed know the platform"
    } else if from == "longhaul-core" && ABSENT_FROM_CORE.contains(&to) {
        "the core is plain state and decisions"
    } else {
        return None;
    };
    Some(format!("{from} depends on {to}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_design_pass() {
        for (from, to) in [
            ("longhaul-host", "longhaul-trace"),
            ("longhaul", "longhaul-host"),
            ("longhaul", "worker"),
            ("haiku", "longhaul"),
            ("longhaul-trace", "sha2"),
            ("longhaul-core", "serde"),
        ] {
            assert_eq!(edge_problem(from, to), None);
        }
    }

    #[test]
    fn other_edges_are_named() {
        for (from, to) in [
            ("longhaul-core", "longhaul-host"),
            ("longhaul-models", "longhaul-trace"),
            ("haiku", "longhaul-core"),
            ("longhaul-host", "worker"),
            ("longhaul-sim", "js-sys"),
            ("longhaul-core", "futures"),
            ("longhaul-host", "longhaul-worker"),
        ] {
            let problem = edge_problem(from, to).unwrap();
            assert!(problem.starts_with(&format!("{from} depends on {to}: ")), "{problem}");
        }
    }
}
