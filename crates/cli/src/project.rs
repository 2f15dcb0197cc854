//! A project: one crate that is deployed, with its `wrangler.toml`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

use crate::{pins, text::read};

/// What its configuration is called.
pub const CONFIG: &str = "wrangler.toml";
/// The library that every project depends on; the dashboard and the tables of the index come with it.
pub(crate) const LIBRARY: &str = "longhaul";

/// One crate that is deployed, and where its parts are. Every path is absolute.
#[derive(Debug)]
pub struct Project {
    name: String,
    dir: PathBuf,
    config: PathBuf,
    wrangler: toml::Table,
    /// The compiled crate's name, as cargo names its file.
    library_name: String,
    target_dir: PathBuf,
    lock: PathBuf,
    /// The folders of the packages below which somebody may edit: the crate, and what it takes by path.
    sources: Vec<PathBuf>,
    library: PathBuf,
}

impl Project {
    /// The project of the folder, or of the nearest one above it that has a `wrangler.toml`.
    pub fn find(from: &Path) -> Result<Self> {
        let Some(dir) = from.ancestors().find(|dir| dir.join(CONFIG).is_file()) else {
            bail!(
                "there is no {CONFIG} in {} or above it: go to a project's folder, or make one with \
                 `longhaul new NAME`",
                from.display()
            );
        };
        Self::open(dir, &dir.join(CONFIG))
    }

    /// The crate of the folder, or of the nearest one above it, deployed by a configuration of another name or place.
    pub fn of_config(from: &Path, config: &Path) -> Result<Self> {
        let Some(dir) = from.ancestors().find(|dir| dir.join("Cargo.toml").is_file()) else {
            bail!("there is no Cargo.toml in {} or above it: go to a project's folder", from.display());
        };
        Self::open(dir, config)
    }

    /// The crate of a folder, deployed by a configuration that may be elsewhere.
    pub fn open(dir: &Path, config: &Path) -> Result<Self> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            bail!("{} has no Cargo.toml: a project is a crate", dir.display());
        }
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .other_options(["--filter-platform".to_owned(), pins::WASM_TARGET.to_owned()])
            .exec()
            .map_err(unread)
            .with_context(|| format!("cargo cannot read {}", manifest.display()))?;
        let package = metadata.root_package().with_context(|| {
            format!(
                "{} is no package: go to the folder of the crate that is deployed; in longhaul's own checkout it is \
                 `cargo xtask dev`",
                manifest.display()
            )
        })?;
        let library_name = cdylib(package)?;
        let linked = linked(&metadata, package);
        let Some(library) = linked.iter().find(|package| package.name.as_str() == LIBRARY) else {
            bail!("{} does not depend on `{LIBRARY}`: add it to its dependencies", manifest.display());
        };
        check_version(&library.version.to_string())?;
        let by_path = linked.iter().filter(|package| package.source.is_none());
        Ok(Self {
            name: package.name.to_string(),
            dir: dir.to_path_buf(),
            config: config.to_path_buf(),
            wrangler: toml::from_str(&read(config)?)
                .with_context(|| format!("{} cannot be read", config.display()))?,
            library_name,
            target_dir: metadata.target_directory.clone().into_std_path_buf(),
            lock: metadata.workspace_root.as_std_path().join("Cargo.lock"),
            sources: by_path.map(|package| folder(package)).collect(),
            library: folder(library),
        })
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The crate's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its `wrangler.toml`.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The module that is deployed, as the configuration's `main` says.
    pub fn module(&self) -> Result<PathBuf> {
        let main = self.wrangler.get("main").and_then(toml::Value::as_str);
        let main =
            main.with_context(|| format!("{} has no `main`: say build/index.js", self.config.display()))?;
        Ok(self.beside_config(main))
    }

    /// The wasm that is deployed.
    pub fn wasm(&self) -> Result<PathBuf> {
        Ok(self.module()?.with_file_name("index_bg.wasm"))
    }

    /// Where the dashboard's files are to be, as the configuration says: nowhere without `[assets]`.
    pub fn assets(&self) -> Option<PathBuf> {
        let directory = self.wrangler.get("assets")?.get("directory")?.as_str()?;
        Some(self.beside_config(directory))
    }

    /// The D1 databases: the name that each is bound under, and where its migrations are.
    pub fn databases(&self) -> Result<Vec<Database>> {
        let entries = self.wrangler.get("d1_databases").and_then(toml::Value::as_array).into_iter().flatten();
        let database = |entry: &toml::Value| {
            let text = |name: &str| entry.get(name).and_then(toml::Value::as_str);
            let binding = text("binding").context("a D1 database has no binding")?.to_owned();
            let migrations = self.beside_config(text("migrations_dir").unwrap_or("migrations"));
            let name = text("database_name").unwrap_or(self.name());
            Ok(Database {
                binding,
                name: name.to_owned(),
                id: text("database_id").map(str::to_owned),
                migrations,
            })
        };
        entries.map(database).collect()
    }

    /// Where its storage is kept on this machine, unless somebody says otherwise.
    pub fn state(&self) -> PathBuf {
        self.beside_config(".wrangler/state")
    }

    /// Where cargo builds.
    pub fn target_dir(&self) -> &Path {
        &self.target_dir
    }

    /// The lock file of the crates.
    pub fn lock(&self) -> &Path {
        &self.lock
    }

    /// Intermediate files of the command.
    pub fn scratch(&self) -> PathBuf {
        self.target_dir.join("longhaul").join(&self.name)
    }

    /// What cargo calls the compiled crate.
    pub fn library_name(&self) -> &str {
        &self.library_name
    }

    /// The folders of the crate and of what it takes by path.
    pub fn sources(&self) -> &[PathBuf] {
        &self.sources
    }

    /// The dashboard's sources, which come with the library.
    pub fn dashboard(&self) -> PathBuf {
        self.library.join("dashboard")
    }

    /// The tables of the index, which come with the library.
    pub fn migrations(&self) -> PathBuf {
        self.library.join("migrations")
    }

    fn beside_config(&self, path: &str) -> PathBuf {
        self.config.parent().unwrap_or(&self.dir).join(path)
    }
}

/// A database of a `wrangler.toml`.
#[derive(Debug, PartialEq, Eq)]
pub struct Database {
    /// The name that the code knows.
    pub binding: String,
    /// Its name at the platform.
    pub name: String,
    /// Its id there, where the configuration has it.
    pub id: Option<String>,
    /// The folder of its migrations.
    pub migrations: PathBuf,
}

/// Why cargo cannot read a project; with the cure where its registry does not have the library.
fn unread(error: cargo_metadata::Error) -> anyhow::Error {
    let said = error.to_string();
    let is_elsewhere = said.contains(&format!("no matching package named `{LIBRARY}` found"))
        || said.contains(&format!("failed to select a version for the requirement `{LIBRARY} ="));
    if !is_elsewhere {
        return error.into();
    }
    let own = env!("CARGO_PKG_VERSION");
    anyhow::Error::from(error).context(format!(
        "the registry has no `{LIBRARY}` {own}: take it from a checkout, by `{LIBRARY} = {{ path = \
         \"CHECKOUT/crates/durable\" }}` in Cargo.toml, or make the project anew by `longhaul new NAME --path CHECKOUT`"
    ))
}

/// The command and the library are one release: what one builds, serves and binds is what the other needs.
fn check_version(library: &str) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    if library != own {
        bail!(
            "the project has {LIBRARY} {library}, and this command is {own}: take one version, by \
             `cargo install longhaul-cli@{library}`, or by `longhaul upgrade` where the command is the newer one"
        );
    }
    Ok(())
}

/// The name of the compiled library. Fails where the crate is none that can be deployed.
fn cdylib(package: &Package) -> Result<String> {
    let library = package.targets.iter().find(|target| target.kind.contains(&TargetKind::CDyLib));
    let library = library.with_context(|| {
        format!("{} cannot be deployed: say `crate-type = [\"cdylib\"]` in its [lib]", package.manifest_path)
    })?;
    Ok(library.name.replace('-', "_"))
}

/// The package and all that is linked into it, or runs while it is built; sorted by name.
fn linked<'a>(metadata: &'a Metadata, package: &'a Package) -> Vec<&'a Package> {
    let nodes = metadata.resolve.as_ref().map(|resolve| resolve.nodes.as_slice()).unwrap_or_default();
    let mut found = BTreeSet::from([&package.id]);
    let mut open = vec![&package.id];
    while let Some(id) = open.pop() {
        let deps =
            nodes.iter().find(|node| node.id == *id).map(|node| node.deps.as_slice()).unwrap_or_default();
        let counts = |kind: DependencyKind| kind != DependencyKind::Development;
        for dep in deps.iter().filter(|dep| dep.dep_kinds.iter().any(|it| counts(it.kind))) {
            if found.insert(&dep.pkg) {
                open.push(&dep.pkg);
            }
        }
    }
    let mut packages: Vec<_> = metadata.packages.iter().filter(|it| found.contains(&it.id)).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    packages
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().unwrap_or(&package.manifest_path).as_std_path().to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_of_the_library_is_refused_with_the_cure() {
        assert!(check_version(env!("CARGO_PKG_VERSION")).is_ok());
        let error = check_version("99.0.0").unwrap_err().to_string();
        assert!(error.contains("longhaul-cli@99.0.0") && error.contains("longhaul upgrade"), "{error}");
    }

    #[test]
    fn a_registry_without_the_library_is_told_with_the_cure() {
        let told = |stderr: &str| {
            format!("{:#}", unread(cargo_metadata::Error::CargoMetadata { stderr: stderr.to_owned() }))
        };
        let text =
            told("error: no matching package named `longhaul` found\nlocation searched: crates.io index");
        assert!(text.contains("longhaul new NAME --path") && text.contains("location searched"), "{text}");
        let other = told("error: failed to select a version for the requirement `longhaul = \"^0.1.0\"`");
        assert!(other.contains("crates/durable"), "{other}");
        assert!(!told("error: no matching package named `serde` found").contains("--path"));
    }

    #[test]
    fn what_is_no_project_is_told_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let told = |result: Result<Project>| format!("{:#}", result.unwrap_err());
        assert!(told(Project::find(root.path())).contains("longhaul new"));
        std::fs::write(root.path().join(CONFIG), "name = 'a'").unwrap();
        assert!(told(Project::find(root.path())).contains("has no Cargo.toml"));
        std::fs::create_dir(root.path().join("src")).unwrap();
        std::fs::write(root.path().join("src/lib.rs"), "").unwrap();
        let manifest = "[package]\nname = 'a'\nedition = '2024'\n[workspace]\n";
        std::fs::write(root.path().join("Cargo.toml"), manifest).unwrap();
        assert!(told(Project::find(root.path())).contains("crate-type"));
        let manifest = format!("{manifest}[lib]\ncrate-type = ['cdylib']");
        std::fs::write(root.path().join("Cargo.toml"), manifest).unwrap();
        assert!(told(Project::find(root.path())).contains("does not depend on `longhaul`"));
        std::fs::create_dir_all(root.path().join("a/src")).unwrap();
        std::fs::write(root.path().join("a/src/lib.rs"), "").unwrap();
        std::fs::write(root.path().join("a/Cargo.toml"), "[package]\nname = 'a'\nedition = '2024'").unwrap();
        std::fs::write(root.path().join("Cargo.toml"), "[workspace]\nmembers = ['a']\nresolver = '3'")
            .unwrap();
        assert!(told(Project::find(root.path())).contains("go to the folder of the crate"));
    }

    #[test]
    fn the_worker_of_this_repository_is_a_project() {
        let root = std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
        let project = Project::open(&root.join("crates/worker"), &root.join(CONFIG)).unwrap();
        assert_eq!((project.name(), project.library_name()), ("longhaul-worker", "longhaul_worker"));
        assert_eq!(project.wasm().unwrap(), root.join("crates/worker/build/index_bg.wasm"));
        assert_eq!(project.assets().unwrap(), root.join("dashboard/dist"));
        let (binding, name) = ("DB".to_owned(), "longhaul".to_owned());
        let index = Database { binding, name, id: None, migrations: root.join("migrations") };
        assert_eq!(project.databases().unwrap(), [index]);
        for name in ["core", "durable", "worker"] {
            assert!(project.sources().contains(&root.join("crates").join(name)), "{name}");
        }
        assert!(!project.sources().contains(&root.join("crates/sim")), "only tests take it");
        assert!(
            project.dashboard().join("build.mjs").is_file()
                && project.migrations().join("0001_traces.sql").is_file()
        );
    }
}
