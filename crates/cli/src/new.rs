//! `longhaul new`: a project that is the user's own. It has an agent and says how it is deployed; the runtime, the
//! dashboard and the tables come with the library that it depends on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// What a change is checked by, where the project is kept on GitHub.
pub const WORKFLOW: &str = ".github/workflows/ci.yml";

/// What the project begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// One agent that writes
    Minimal,
    /// An agent with two tools, one of which a person may have to approve
    Tools,
    /// An agent that reads pages and gives a report of a fixed shape
    Research,
}

impl Template {
    fn code(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("../templates/src/minimal.rs"),
            Self::Tools => include_str!("../templates/src/tools.rs"),
            Self::Research => include_str!("../templates/src/research.rs"),
        }
    }

    /// What the code depends on beside the library and the platform.
    fn dependencies(self) -> &'static str {
        match self {
            Self::Minimal => "",
            Self::Tools | Self::Research => {
                "schemars = \"1.2\"\nserde = { version = \"1.0\", features = [\"derive\"] }\n"
            }
        }
    }

    /// What tests the code natively.
    fn test(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("../templates/tests/minimal.rs"),
            Self::Tools => include_str!("../templates/tests/tools.rs"),
            Self::Research => include_str!("../templates/tests/research.rs"),
        }
    }

    /// A task that the embedded script does, as text between quotes: of JSON and of Rust alike.
    fn task(self) -> &'static str {
        match self {
            Self::Minimal => r#""Write a haiku about tides.""#,
            Self::Tools => {
                r#""When is high water in Whitby?\n#scripted call=tide {\"port\":\"Whitby\"}\n#scripted turns=2""#
            }
            Self::Research => {
                r#""What are tides?\n#scripted call=finish {\"summary\":\"The sea, twice a day.\",\"sources\":[]}""#
            }
        }
    }
}

/// Where the library comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The registry, at this command's version.
    Registry,
    /// A checkout on this machine.
    Path(PathBuf),
    /// A repository.
    Git(String),
}

impl Source {
    /// The dependency in Cargo.toml.
    fn dependency(&self) -> Result<String> {
        Ok(match self {
            Self::Registry => format!("{:?}", env!("CARGO_PKG_VERSION")),
            Self::Git(_) | Self::Path(_) => format!("{{ {} }}", self.place()?),
        })
    }

    /// The same for tests, with the test kit.
    fn testing(&self) -> Result<String> {
        Ok(format!("{{ {}, features = [\"testing\"] }}", self.place()?))
    }

    fn place(&self) -> Result<String> {
        Ok(match self {
            Self::Registry => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
            Self::Git(url) => format!("git = {url:?}"),
            Self::Path(checkout) => format!("path = {:?}", library(checkout)?.to_string_lossy()),
        })
    }

    /// How a machine that has nothing gets the command of the same version; none where only this machine has the library.
    fn install(&self) -> Option<String> {
        match self {
            Self::Registry => {
                Some(format!("cargo install longhaul-cli@{} --locked", env!("CARGO_PKG_VERSION")))
            }
            Self::Git(url) => Some(format!("cargo install longhaul-cli --git {url} --locked")),
            Self::Path(_) => None,
        }
    }
}

/// The library's folder in a checkout, which may be given itself.
fn library(checkout: &Path) -> Result<PathBuf> {
    for dir in [checkout.join("crates/durable"), checkout.to_path_buf()] {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
        if manifest.contains("name = \"longhaul\"") {
            return fs::canonicalize(&dir).with_context(|| format!("cannot find {}", dir.display()));
        }
    }
    bail!("{} is no checkout of longhaul: it has no crates/durable", checkout.display())
}

/// Makes the folder, which is named after the project, and returns the project's name.
pub fn run(dir: &Path, template: Template, source: &Source) -> Result<String> {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    check_name(name)?;
    if dir.exists() {
        bail!("{} is there already: choose another name, or move it away", dir.display());
    }
    for (file, text) in files(name, template, source)? {
        let path = dir.join(file);
        let parent = path.parent().unwrap_or(dir);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(name.to_owned())
}

/// The files of a new project, each by its path from the project's folder.
pub(crate) fn files(name: &str, template: Template, source: &Source) -> Result<Vec<(&'static str, String)>> {
    let post = format!("{{\"task\":{}}}", template.task());
    let (dependency, testing) = (source.dependency()?, source.testing()?);
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{longhaul}}", &dependency)
            .replace("{{testing}}", &testing)
            .replace("{{dependencies}}", template.dependencies())
            .replace("{{post}}", &post)
            .replace("{{task}}", template.task())
    };
    let mut files = vec![
        ("Cargo.toml", fill(include_str!("../templates/Cargo.toml.in"))),
        ("wrangler.toml", fill(include_str!("../templates/wrangler.toml.in"))),
        (".gitignore", fill(include_str!("../templates/gitignore.in"))),
        (".dev.vars.example", fill(include_str!("../templates/dev.vars.example.in"))),
        ("README.md", fill(include_str!("../templates/README.md.in"))),
        ("src/lib.rs", fill(template.code())),
        ("tests/agent.rs", fill(template.test())),
        ("tests/served.rs", fill(include_str!("../templates/tests/served.rs"))),
    ];
    if let Some(install) = source.install() {
        let workflow = fill(include_str!("../templates/ci.yml.in")).replace("{{install}}", &install);
        files.push((WORKFLOW, workflow));
    }
    Ok(files)
}

/// A name that a package and a Worker may have.
fn check_name(name: &str) -> Result<()> {
    const TAKEN: [&str; 4] = ["longhaul", "worker", "test", "core"];
    let is_good = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
        && !name.ends_with('-')
        && name.len() <= 50;
    if !is_good {
        bail!(
            "{name:?} cannot be a project's name: take lower-case letters, digits and `-`, a letter first, 50 at most"
        );
    }
    if TAKEN.contains(&name) {
        bail!("{name} is the name of a crate that the project needs: choose another one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_what_it_needs_and_no_gaps() {
        let root = tempfile::tempdir().unwrap();
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for template in [Template::Minimal, Template::Tools, Template::Research] {
            for (index, source) in [
                Source::Registry,
                Source::Git("https://example.com/x".into()),
                Source::Path(checkout.clone()),
            ]
            .iter()
            .enumerate()
            {
                let dir = root.path().join(format!("{template:?}-{index}").to_lowercase());
                let name = run(&dir, template, source).unwrap();
                for file in ["Cargo.toml", "wrangler.toml"] {
                    let text = fs::read_to_string(dir.join(file)).unwrap();
                    let table: toml::Table = toml::from_str(&text).unwrap();
                    let named = table.get("package").and_then(|it| it.get("name")).or(table.get("name"));
                    assert_eq!(named.and_then(toml::Value::as_str), Some(name.as_str()));
                }
                for file in [
                    "README.md",
                    ".gitignore",
                    ".dev.vars.example",
                    "src/lib.rs",
                    "tests/agent.rs",
                    "tests/served.rs",
                ] {
                    let text = fs::read_to_string(dir.join(file)).unwrap();
                    assert!(!text.is_empty() && !text.contains("{{"), "{file}: {text}");
                }
                let workflow = fs::read_to_string(dir.join(WORKFLOW)).ok();
                let is_installed = |text: &str| {
                    let mut runs = text.lines().filter_map(|line| line.trim().strip_prefix("- run: "));
                    runs.next().is_some_and(|run| run.starts_with("cargo install longhaul-cli"))
                };
                let is_on_one_machine = matches!(source, Source::Path(_));
                assert_eq!(workflow.is_none(), is_on_one_machine, "a path is on one machine");
                assert!(workflow.is_none_or(|text| is_installed(&text) && !text.contains("{{")));
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("mine");
        fs::create_dir(&dir).unwrap();
        let error = run(&dir, Template::Minimal, &Source::Registry).unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
    }

    #[test]
    fn names_are_those_of_packages_and_workers() {
        for name in ["a", "my-agent", "agent-2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "My-agent", "2nd", "a_b", "a/b", "ends-", "longhaul", "ünicode"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_checkout_is_one() {
        let root = tempfile::tempdir().unwrap();
        let error = Source::Path(root.path().to_path_buf()).dependency().unwrap_err().to_string();
        assert!(error.contains("is no checkout of longhaul"), "{error}");
    }
}
