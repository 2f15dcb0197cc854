//! The public API of the library as a text that is checked in, so that a review sees what changes of it.
//!
//! It is read by rustdoc of the pinned nightly, so `cargo test` leaves this out: `cargo xtask test --only api` compares the
//! text, and `cargo xtask api` writes it anew.

use std::{collections::BTreeSet, env, error::Error, fs, path::Path, process::Command};

const FILE: &str = "public-api.txt";
const LIBRARY: &str = "longhaul";
/// The crates of which it exports types of its own users.
const PARTS: [&str; 2] = ["longhaul-core", "longhaul-host"];
/// What rustup calls the nightly.
const NIGHTLY: &str = "LONGHAUL_NIGHTLY";
/// Asks for the text to be written.
const UPDATE: &str = "UPDATE_PUBLIC_API";

#[test]
#[ignore = "needs rustdoc of the pinned nightly: `cargo xtask test --only api`"]
fn the_public_api_is_as_it_is_written_down() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let found = found().unwrap();
    if env::var_os(UPDATE).is_some() {
        fs::write(file, found).unwrap();
        return;
    }
    let changes = changes(&fs::read_to_string(file).unwrap(), &found).join("\n");
    assert!(changes.is_empty(), "run `cargo xtask api`, and say so in CHANGELOG.md:\n{changes}");
}

/// A line for each item: those of the library, then those of the types that it exports of its parts.
fn found() -> Result<String, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut doc = Command::new("cargo");
    doc.args(["doc", "--quiet", "--no-deps", "--features", "longhaul/testing", "-p", LIBRARY])
        .args(PARTS.iter().flat_map(|part| ["-p", part]));
    doc.current_dir(&root)
        .env("RUSTUP_TOOLCHAIN", env::var(NIGHTLY)?)
        .env_remove("RUSTC")
        .env_remove("RUSTDOC");
    // What rustdoc says in JSON is of nightly alone.
    doc.env("RUSTDOCFLAGS", "-Zunstable-options --output-format json --cap-lints allow");
    assert!(doc.status()?.success(), "rustdoc failed");
    let items = |name: &str| -> Result<Vec<String>, Box<dyn Error>> {
        let json = target.join("doc").join(name.replace('-', "_")).with_extension("json");
        let api = public_api::Builder::from_rustdoc_json(json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(true)
            .build()?;
        Ok(api.items().map(ToString::to_string).collect())
    };
    let own = items(LIBRARY)?;
    let exported: Vec<&str> = own.iter().filter_map(|line| line.strip_prefix("pub use longhaul::")).collect();
    let mut lines = own.clone();
    for part in PARTS {
        lines.extend(items(part)?.into_iter().filter(|line| is_of(line, &part.replace('-', "_"), &exported)));
    }
    Ok(lines.join("\n") + "\n")
}

/// Whether a line declares one of the types, or something of it: other items may only mention it, after a parenthesis or a
/// colon.
fn is_of<'a>(line: &'a str, part: &str, types: &[&str]) -> bool {
    let (prefix, declared) = (
        format!("{part}::"),
        line.split('(').next().and_then(|begin| begin.split(": ").next()).unwrap_or(line),
    );
    let word = |rest: &'a str| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    declared.split(&prefix).skip(1).filter_map(word).any(|name| types.contains(&name))
}

/// What is gone and what is new, a line each.
fn changes(written: &str, found: &str) -> Vec<String> {
    let (written, found): (BTreeSet<_>, BTreeSet<_>) = (written.lines().collect(), found.lines().collect());
    let gone = written.difference(&found).map(|line| format!("- {line}"));
    gone.chain(found.difference(&written).map(|line| format!("+ {line}"))).collect()
}

#[test]
fn what_is_gone_and_what_is_new_is_named() {
    assert_eq!(changes("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
    assert!(changes("a\n", "a\n").is_empty());
}

#[test]
fn only_items_of_the_exported_types_are_taken() {
    let is_taken = |line| is_of(line, "longhaul_core", &["Fault"]);
    assert!(is_taken("pub struct longhaul_core::Fault"));
    assert!(is_taken("pub longhaul_core::Fault::message: alloc::string::String"));
    assert!(!is_taken("pub enum longhaul_core::FaultKind"));
    assert!(!is_taken("pub longhaul_core::Input::Failed::fault: longhaul_core::Fault"));
    assert!(!is_taken("pub fn longhaul_core::decide(&longhaul_core::Fault)"));
}
