//! What a registry would get: each crate that may be published, with what it says of itself and the files that it needs.

use std::process::Command;

use longhaul_tests::server::root;
use serde_json::Value;

/// What every package has.
const EVERYWHERE: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// What a registry shows of a crate.
const SAID: [&str; 7] =
    ["description", "readme", "license", "repository", "rust_version", "keywords", "categories"];
/// What some have beside their sources: it comes by links, or is read when they are built.
const NEEDED: [(&str, &[&str]); 2] = [
    (
        "longhaul",
        &[
            "dashboard/build.mjs",
            "dashboard/problems.mjs",
            "dashboard/src/app.tsx",
            "dashboard/static/index.html",
            "dashboard/static/openapi.json",
            "dashboard/tsconfig.json",
            "migrations/0001_traces.sql",
        ],
    ),
    (
        "longhaul-cli",
        &[
            "npm/package.json",
            "npm/package-lock.json",
            "src/shim.js",
            "templates/Cargo.toml.in",
            "templates/tests/served.rs",
        ],
    ),
];
/// What is built or tested here alone.
const NOT_PACKAGED: [&str; 4] = ["dashboard/dist/", "dashboard/test/", "node_modules/", "tests/"];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output();
    let output = output.expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}:\n{said}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

fn published() -> Vec<Value> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"]))
        .expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages").clone();
    packages.into_iter().filter(|package| package["publish"].is_null()).collect()
}

#[test]
fn each_package_says_what_it_is_and_has_what_it_needs() {
    let mut problems = Vec::new();
    for package in published() {
        let name = package["name"].as_str().expect("a package has a name");
        let is_said = |key: &&&str| {
            !package[**key].is_null() && package[**key].as_array().is_none_or(|all| !all.is_empty())
        };
        problems.extend(SAID.iter().filter(|key| !is_said(key)).map(|key| format!("{name} says no {key}")));
        let list = cargo(&["package", "--list", "--allow-dirty", "--locked", "-p", name]);
        let files: Vec<&str> = list.lines().map(str::trim).collect();
        let own = NEEDED.iter().filter(|(of, _)| *of == name).flat_map(|(_, files)| *files);
        let missing = EVERYWHERE.iter().chain(own).filter(|file| !files.contains(*file));
        problems.extend(missing.map(|file| format!("the package of {name} lacks {file}")));
        let surplus = files.iter().filter(|file| NOT_PACKAGED.iter().any(|start| file.starts_with(start)));
        problems.extend(surplus.map(|file| format!("the package of {name} has {file}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whatever a package needs of the others is published as well, and has a version.
#[test]
fn every_package_can_be_made() {
    let published = published();
    let names = published.iter().filter_map(|package| package["name"].as_str());
    let mut arguments = vec!["package", "--no-verify", "--allow-dirty", "--locked", "--offline", "--quiet"];
    arguments.extend(names.flat_map(|name| ["-p", name]));
    cargo(&arguments);
    assert!(published.len() >= 6, "{}", published.len());
}
