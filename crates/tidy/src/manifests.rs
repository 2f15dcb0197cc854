//! Cargo.toml, package.json and wrangler.toml agree with each other and with what is there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cargo_metadata::Metadata;
use longhaul_cli::text::read;
use serde_json::Value as Json;
use toml::{Table, Value};

/// All disagreements.
pub(super) fn problems(root: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let workspace: Table = toml::from_str(&read(&root.join("Cargo.toml"))?)?;
    let members = metadata.packages.iter().map(|package| {
        let manifest: Table = toml::from_str(&read(package.manifest_path.as_std_path())?)?;
        Ok((package.name.to_string(), manifest))
    });
    let members: Vec<(String, Table)> = members.collect::<Result<_>>()?;
    let mut problems = dependency_problems(&workspace, &members);

    let packages: Json = serde_json::from_str(&read(&root.join("package.json"))?)?;
    let lock: Json = serde_json::from_str(&read(&root.join("package-lock.json"))?)?;
    problems.extend(npm_problems(&packages, &lock));

    let crates = wasm_crates(root)?;
    for (config, own) in wrangler_configs(root)? {
        let wrangler: Table = toml::from_str(&read(&root.join(&config))?)?;
        let up = if own.starts_with("examples") { "../../" } else { "" };
        let mut expected: Vec<String> =
            crates.iter().map(|dir| format!("{up}{}/src", dir.display())).collect();
        expected.push(if up.is_empty() { format!("{own}/src") } else { "src".to_owned() });
        if up.is_empty() {
            expected.extend(["dashboard/src", "dashboard/static"].map(str::to_owned));
        }
        problems.extend(watch_problems(&config, &wrangler, &expected));
    }
    Ok(problems)
}

/// Versions are in one place, and nothing there is left over.
fn dependency_problems(workspace: &Table, members: &[(String, Table)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    for (member, manifest) in members {
        for (name, dependency) in dependency_tables(manifest).into_iter().flatten() {
            used.insert(name.as_str());
            if dependency.get("workspace").and_then(Value::as_bool) != Some(true) {
                problems
                    .push(format!("{member} gives {name} a version of its own: write `workspace = true`"));
            }
        }
    }
    let declared =
        workspace.get("workspace").and_then(|table| table.get("dependencies")).and_then(Value::as_table);
    for name in declared.into_iter().flat_map(Table::keys).filter(|name| !used.contains(name.as_str())) {
        problems.push(format!("no crate uses {name}: take it out of the workspace's dependencies"));
    }
    problems
}

/// The dependency tables of a manifest, those for one platform only included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    places.flat_map(|place| KINDS.iter().filter_map(|kind| place.get(*kind)?.as_table())).collect()
}

/// npm versions are exact, the lock file agrees and names no host, and our workerd is the one wrangler runs.
fn npm_problems(packages: &Json, lock: &Json) -> Vec<String> {
    let mut problems = Vec::new();
    for kind in ["dependencies", "devDependencies", "optionalDependencies"] {
        for (name, version) in packages[kind].as_object().into_iter().flatten() {
            // An alias is `npm:NAME@VERSION`.
            let version = version.as_str().unwrap_or_default();
            let version = version
                .strip_prefix("npm:")
                .and_then(|alias| alias.rsplit_once('@'))
                .map_or(version, |it| it.1);
            if !version.starts_with(|first: char| first.is_ascii_digit()) {
                problems.push(format!("package.json: {name} {version} is not one exact version"));
            }
            if lock["packages"][format!("node_modules/{name}")]["version"] != version {
                problems.push(format!("package-lock.json has no {name} {version}: run npm install"));
            }
        }
    }
    if lock.to_string().contains("\"resolved\"") {
        problems.push(
            "package-lock.json names a host: run npm install --omit-lockfile-registry-resolved".to_owned(),
        );
    }
    let (ours, wranglers) = (
        &packages["devDependencies"]["workerd"],
        &lock["packages"]["node_modules/wrangler"]["dependencies"]["workerd"],
    );
    if ours != wranglers {
        problems.push(format!("package.json has workerd {ours}, wrangler runs {wranglers}: take that one"));
    }
    problems
}

/// While `wrangler dev` runs, a change of any crate in the wasm must be seen, and the build's own output must not.
fn watch_problems(config: &str, wrangler: &Table, expected: &[String]) -> Vec<String> {
    let watched: Vec<&str> = wrangler
        .get("build")
        .and_then(|build| build.get("watch_dir")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let missing = expected.iter().filter(|dir| !watched.contains(&dir.as_str()));
    missing.map(|dir| format!("{config}: add {dir} to build.watch_dir")).collect()
}

/// Each wrangler.toml, with the directory of the crate that it deploys; both relative to the root.
fn wrangler_configs(root: &Path) -> Result<Vec<(String, String)>> {
    let mut configs = vec![("wrangler.toml".to_owned(), "crates/worker".to_owned())];
    for example in crate::crates_in(&root.join("examples")).context("examples")? {
        configs.push((format!("examples/{example}/wrangler.toml"), format!("examples/{example}")));
    }
    Ok(configs)
}

/// The crates below crates/ that can end up in the wasm, relative to the root. What is built for Cloudflare is
/// left out, as are the crates that only run on the machine itself.
fn wasm_crates(root: &Path) -> Result<Vec<PathBuf>> {
    const NOT_LINKED: [&str; 5] = ["worker", "world", "sim", "cli", "tidy"];
    let names = crate::crates_in(&root.join("crates"))?;
    let linked = names.into_iter().filter(|name| !NOT_LINKED.contains(&name.as_str()));
    Ok(linked.map(|name| Path::new("crates").join(name)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_in_one_place_and_used() {
        let workspace: Table = toml::from_str("[workspace.dependencies]\na = '1'\nb = '1'\nc = '1'").unwrap();
        let member = "[dependencies]\na.workspace = true\nx = '2'\n[target.'cfg(unix)'.dev-dependencies]\nb = { workspace = true }";
        let problems = dependency_problems(&workspace, &[("m".to_owned(), toml::from_str(member).unwrap())]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("m gives x a version of its own"));
        assert!(problems[1].starts_with("no crate uses c"));
    }

    #[test]
    fn npm_versions_are_exact_and_locked_without_a_host() {
        let packages = json!({"devDependencies":
            {"workerd": "1.0.0", "esbuild": "^0.2.0", "old": "npm:@a/tool@1.0.0", "older": "npm:tool@^0.9.0"}});
        let lock = json!({"packages": {
            "node_modules/workerd": {"version": "1.0.0", "resolved": "somewhere"},
            "node_modules/old": {"version": "1.0.0"},
            "node_modules/wrangler": {"dependencies": {"workerd": "1.0.1"}},
        }});
        let problems = npm_problems(&packages, &lock).join("\n");
        for part in [
            "esbuild ^0.2.0 is not one exact",
            "no esbuild",
            "older ^0.9.0 is not one exact",
            "names a host",
            "wrangler runs \"1.0.1\"",
        ] {
            assert!(problems.contains(part), "{part} is not in {problems}");
        }
        assert!(!problems.contains("old 1.0.0"), "{problems}");
    }

    #[test]
    fn an_unwatched_crate_is_named() {
        let wrangler: Table = toml::from_str("[build]\nwatch_dir = ['crates/a/src']").unwrap();
        let expected = ["crates/a/src".to_owned(), "crates/b/src".to_owned()];
        let problems = watch_problems("wrangler.toml", &wrangler, &expected);
        assert_eq!(problems, ["wrangler.toml: add crates/b/src to build.watch_dir"]);
    }
}
