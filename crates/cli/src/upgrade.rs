//! `longhaul upgrade`: a project of an older version becomes one of this command's. One number says which version a project
//! is of; what else a newer one needs is compared with what a new project has, and done.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use cargo_metadata::{
    MetadataCommand,
    semver::{Op, Version, VersionReq},
};
use serde_json::{Value, json};
use similar::TextDiff;
use toml_edit::{DocumentMut, Item, TableLike, value};

use crate::{
    Project,
    configuration::Configuration,
    new::{self, Source, Template},
    process,
    project::{CONFIG, LIBRARY},
    report::Progress,
    text::read,
};

/// The tables of a manifest that may name the library.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
/// The package of this command, as workflows name it.
const COMMAND: &str = "longhaul-cli";

/// What an upgrade has changed, or would change.
#[derive(Debug, Default)]
pub struct Upgrade {
    /// The version of the library before, where it is known.
    pub from: Option<String>,
    /// Each file, from the project's folder, with what is new there.
    pub changes: Vec<(String, Vec<String>)>,
    /// What a person must do.
    pub todo: Vec<String>,
    /// All of it as a unified diff.
    pub diff: String,
}

impl Upgrade {
    /// `{"from", "to", "dry_run", "changes": [{"file", "what": [text]}], "todo": [text], "diff"}`; `from` may be null.
    pub fn json(&self, is_dry_run: bool) -> Value {
        let changes: Vec<Value> =
            self.changes.iter().map(|(file, what)| json!({"file": file, "what": what})).collect();
        json!({
            "from": self.from, "to": env!("CARGO_PKG_VERSION"), "dry_run": is_dry_run,
            "changes": changes, "todo": self.todo, "diff": self.diff,
        })
    }
}

impl Upgrade {
    /// The same for people.
    pub fn text(&self, is_dry_run: bool) -> String {
        let own = env!("CARGO_PKG_VERSION");
        let mut lines = Vec::new();
        if is_dry_run && !self.diff.is_empty() {
            lines.push(self.diff.clone());
        }
        lines.push(match (self.changes.is_empty(), is_dry_run) {
            (true, _) => format!("nothing has to change: the project is of {own}"),
            (false, true) => format!("nothing was changed; an upgrade to {own} would change:"),
            (false, false) => format!("the project is of {own} now. What has changed:"),
        });
        for (file, what) in &self.changes {
            lines.push(format!("  {file}: {}", what.join("; ")));
        }
        lines.extend(self.todo.iter().map(|todo| format!("for you to do: {todo}")));
        lines
            .push("`longhaul dev` and `longhaul deploy` bring the tables of the index up to date".to_owned());
        lines.join("\n")
    }
}

/// Where a project has the library from.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Registry,
    Path(PathBuf),
    Git,
}

/// A file that becomes another.
struct Edit {
    path: PathBuf,
    before: String,
    after: String,
    what: Vec<String>,
}

/// Brings the project of the folder, or of the nearest one above it, to the version of this command. A dry run changes
/// nothing.
///
/// # Errors
/// When the project is newer than this command, is none, or cannot be read or written; and when cargo cannot change the
/// lock file, which is the last that is changed.
pub fn run(from: &Path, is_dry_run: bool) -> Result<Upgrade> {
    let Some(dir) = from.ancestors().find(|dir| dir.join(CONFIG).is_file()) else {
        bail!("there is no {CONFIG} in {} or above it: go to a project's folder", from.display());
    };
    let own: Version = env!("CARGO_PKG_VERSION").parse()?;
    let manifest = dir.join("Cargo.toml");
    let workspace = MetadataCommand::new().manifest_path(&manifest).no_deps().exec();
    let workspace = workspace.with_context(|| format!("cargo cannot read {}", manifest.display()))?;
    let root = workspace.workspace_root.as_std_path();
    let (mut manifests, origin, asked) = manifests(&manifest, &root.join("Cargo.toml"), &own)?;

    let locked = locked(&root.join("Cargo.lock"))?;
    let there = match &origin {
        Origin::Path(path) => Some(version_at(&dir.join(path))?),
        Origin::Git | Origin::Registry => locked.clone().or(asked),
    };
    if let Some(newer) = there.as_ref().filter(|there| **there > own) {
        bail!(
            "the project has {LIBRARY} {newer}, and this command is {own}: install {COMMAND} {newer} first, by \
             `cargo install {COMMAND}@{newer}`"
        );
    }
    let mut todo = Vec::new();
    if let (Origin::Path(path), Some(older)) = (&origin, there.as_ref().filter(|there| **there < own)) {
        todo.push(format!(
            "the library is taken from {}, which is {older}: bring that checkout to {own}",
            path.display()
        ));
    }

    let name = workspace.packages.iter().find(|it| it.manifest_path.as_std_path() == manifest);
    let name = name.map_or("agent", |package| package.name.as_str());
    let fresh = new::files(name, Template::Minimal, &Source::Registry)?;
    let template =
        |file: &str| fresh.iter().find(|(path, _)| *path == file).map_or("", |(_, text)| text.as_str());
    raise(&mut manifests[0], template("Cargo.toml"))?;
    let configuration = configuration(&dir.join(CONFIG), template(CONFIG))?;
    todo.extend(classes_of_code(dir, &Configuration::parse(&configuration.after)?)?);
    let mut edits = manifests;
    edits.push(configuration);
    edits.extend(workflows(dir, &own)?);
    edits.retain(|edit| edit.before != edit.after);

    let shown = |path: &Path| path.strip_prefix(dir).unwrap_or(path).display().to_string();
    let mut upgrade = Upgrade { from: there.map(|it| it.to_string()), todo, ..Upgrade::default() };
    for edit in &edits {
        let file = shown(&edit.path);
        let diff = TextDiff::from_lines(&edit.before, &edit.after);
        upgrade.diff += &diff.unified_diff().header(&format!("a/{file}"), &format!("b/{file}")).to_string();
        upgrade.changes.push((file, edit.what.clone()));
    }
    let is_lock_old = !matches!(origin, Origin::Path(_)) && locked.is_some_and(|locked| locked < own);
    if is_lock_old {
        upgrade.changes.push(("Cargo.lock".to_owned(), vec![format!("{LIBRARY} {own}, by cargo")]));
    }
    if is_dry_run {
        return Ok(upgrade);
    }
    for edit in &edits {
        fs::write(&edit.path, &edit.after)
            .with_context(|| format!("cannot write {}", edit.path.display()))?;
    }
    if is_lock_old {
        lock(dir, &origin, &own).context("everything but Cargo.lock is changed: upgrade once more")?;
    }
    Ok(upgrade)
}

/// The manifests that say where the library is from: the crate's, and the workspace's where the crate's leads there.
fn manifests(own: &Path, root: &Path, version: &Version) -> Result<(Vec<Edit>, Origin, Option<Version>)> {
    let before = read(own)?;
    let mut document: DocumentMut =
        before.parse().with_context(|| format!("{} is no TOML", own.display()))?;
    let mut found = Found::default();
    for name in DEPENDENCIES {
        found.set(document.get_mut(name), version)?;
    }
    let edit = |path: &Path, before, after: &DocumentMut, what| Edit {
        path: path.to_path_buf(),
        before,
        after: after.to_string(),
        what,
    };
    let mut edits = vec![edit(own, before, &document, std::mem::take(&mut found.what))];
    if found.is_of_workspace {
        let before = read(root)?;
        let mut document: DocumentMut =
            before.parse().with_context(|| format!("{} is no TOML", root.display()))?;
        found.set(document.get_mut("workspace").and_then(|it| it.get_mut("dependencies")), version)?;
        edits.push(edit(root, before, &document, std::mem::take(&mut found.what)));
        // A path there is from there.
        if let Some(Origin::Path(path)) = &mut found.origin {
            *path = root.parent().unwrap_or(root).join(&path);
        }
    }
    let Some(origin) = found.origin else {
        bail!("{} does not depend on `{LIBRARY}`: it is no project of longhaul's", own.display());
    };
    Ok((edits, origin, found.asked))
}

/// What the entries of the library say.
#[derive(Default)]
struct Found {
    is_of_workspace: bool,
    origin: Option<Origin>,
    /// The least version that an entry takes.
    asked: Option<Version>,
    what: Vec<String>,
}

impl Found {
    /// Sets the version in a table of dependencies.
    fn set(&mut self, table: Option<&mut Item>, own: &Version) -> Result<()> {
        let Some(table) = table.and_then(Item::as_table_like_mut) else { return Ok(()) };
        let is_library = |(name, item): (&str, &Item)| match item.get("package").and_then(Item::as_str) {
            Some(package) => package == LIBRARY,
            None => name == LIBRARY,
        };
        let Some(key) = table.iter().find(|it| is_library(*it)).map(|(key, _)| key.to_owned()) else {
            return Ok(());
        };
        let Some(item) = table.get_mut(&key) else { return Ok(()) };
        if item.as_str().is_some() {
            self.origin.get_or_insert(Origin::Registry);
            return self.requirement(item, own);
        }
        let Some(entry) = item.as_table_like_mut() else { bail!("the dependency `{key}` cannot be read") };
        if entry.get("workspace").and_then(Item::as_bool) == Some(true) {
            self.is_of_workspace = true;
            return Ok(());
        }
        let text =
            |entry: &dyn TableLike, name: &str| entry.get(name).and_then(Item::as_str).map(str::to_owned);
        let origin = match (text(entry, "path"), text(entry, "git")) {
            (Some(path), _) => Origin::Path(PathBuf::from(path)),
            (None, Some(_)) => Origin::Git,
            (None, None) => Origin::Registry,
        };
        self.origin.get_or_insert(origin);
        if let Some(item) = entry.get_mut("tag") {
            let tag = item.as_str().unwrap_or_default().to_owned();
            let version = tag.trim_start_matches(|c: char| !c.is_ascii_digit());
            if version.parse::<Version>().is_ok_and(|version| version < *own) {
                let fresh = tag.replace(version, &own.to_string());
                self.what.push(format!("`{key}` has the tag {fresh}"));
                replace(item, &fresh);
            }
        }
        match entry.get_mut("version") {
            Some(item) => self.requirement(item, own),
            None => Ok(()),
        }
    }

    fn requirement(&mut self, item: &mut Item, own: &Version) -> Result<()> {
        let text = item.as_str().unwrap_or_default().to_owned();
        let least = least(&text).with_context(|| format!("`{LIBRARY} = {text:?}` is no version"))?;
        if least < *own {
            let exact = if text.trim_start().starts_with('=') { "=" } else { "" };
            let fresh = format!("{exact}{own}");
            let said = format!("{LIBRARY} {fresh}, was {text}");
            if !self.what.contains(&said) {
                self.what.push(said);
            }
            replace(item, &fresh);
        }
        self.asked.get_or_insert(least);
        Ok(())
    }
}

/// Another text in the place of a value; what stands around it stays.
fn replace(item: &mut Item, text: &str) {
    let decor = item.as_value().map(|own| own.decor().clone());
    *item = value(text);
    if let (Some(decor), Some(fresh)) = (decor, item.as_value_mut()) {
        *fresh.decor_mut() = decor;
    }
}

/// The least version that a requirement takes.
fn least(requirement: &str) -> Option<Version> {
    let read: VersionReq = requirement.parse().ok()?;
    let floors = read.comparators.iter().filter(|it| !matches!(it.op, Op::Less | Op::LessEq));
    floors
        .map(|it| Version {
            pre: it.pre.clone(),
            ..Version::new(it.major, it.minor.unwrap_or(0), it.patch.unwrap_or(0))
        })
        .max()
}

/// What the crate needs beside the library: the platform's bindings, and the compiler.
fn raise(edit: &mut Edit, template: &str) -> Result<()> {
    let wanted: DocumentMut = template.parse()?;
    let mut document: DocumentMut = edit.after.parse()?;
    for (table, key) in [("dependencies", "worker"), ("package", "rust-version")] {
        let Some(fresh) = wanted.get(table).and_then(|it| it.get(key)).and_then(Item::as_str) else {
            continue;
        };
        let Some(mut item) = document.get_mut(table).and_then(|it| it.get_mut(key)) else { continue };
        if item.is_table_like() {
            let Some(version) = item.get_mut("version") else { continue };
            item = version;
        }
        let own = item.as_str().and_then(least);
        if own.is_some_and(|own| least(fresh).is_some_and(|fresh| own < fresh)) {
            replace(item, fresh);
            edit.what.push(format!("{key} {fresh}"));
        }
    }
    edit.after = document.to_string();
    Ok(())
}

fn configuration(path: &Path, template: &str) -> Result<Edit> {
    let mut own = Configuration::open(path)?;
    let before = read(path)?;
    let what = own.complete(&Configuration::parse(template)?);
    Ok(Edit { path: path.to_path_buf(), before, after: own.text(), what })
}

/// The pinned version in the workflows.
fn workflows(dir: &Path, own: &Version) -> Result<Vec<Edit>> {
    let folder = dir.join(".github/workflows");
    let mut edits = Vec::new();
    if !folder.is_dir() {
        return Ok(edits);
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            let before = read(&path)?;
            let after = pinned(&before, own);
            edits.push(Edit { path, before, after, what: vec![format!("installs {COMMAND} {own}")] });
        }
    }
    edits.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(edits)
}

/// The text with this version wherever one of the command is pinned that is older.
fn pinned(text: &str, own: &Version) -> String {
    let mut fresh = text.to_owned();
    for before in [format!("{COMMAND}@"), format!("{COMMAND} --version ")] {
        let parts: Vec<&str> = fresh.split(&before).collect();
        let mut joined = parts.first().copied().unwrap_or_default().to_owned();
        for part in parts.iter().skip(1) {
            let end =
                part.find(|c: char| !c.is_ascii_alphanumeric() && !".-+".contains(c)).unwrap_or(part.len());
            let (version, rest) = part.split_at(end);
            let is_older = version.parse::<Version>().is_ok_and(|version| version < *own);
            joined += &before;
            joined += &if is_older { own.to_string() } else { version.to_owned() };
            joined += rest;
        }
        fresh = joined;
    }
    fresh
}

/// What the code has to say, where the configuration binds classes that it does not name.
fn classes_of_code(dir: &Path, configuration: &Configuration) -> Result<Option<String>> {
    let code = dir.join("src/lib.rs");
    let text = fs::read_to_string(&code).unwrap_or_default();
    let Some((_, rest)) = text.split_once("objects!(") else { return Ok(None) };
    let named = rest.split(')').next().unwrap_or_default();
    let classes = configuration.bound_classes();
    let is_named = |class: &String| named.split(',').any(|word| word.trim() == class);
    if classes.iter().all(is_named) {
        return Ok(None);
    }
    let others: Vec<&str> = named.split(',').map(str::trim).filter(|word| word.contains('=')).collect();
    let words: Vec<&str> = classes.iter().map(String::as_str).chain(others).collect();
    Ok(Some(format!("src/lib.rs has to say `longhaul::objects!({});`", words.join(", "))))
}

/// The version of the library in a lock file.
fn locked(path: &Path) -> Result<Option<Version>> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(None) };
    let lock: toml::Table = text.parse().with_context(|| format!("{} cannot be read", path.display()))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, name: &str| package.get(name)?.as_str().map(str::to_owned);
    let mut named = packages.filter(|package| text(package, "name").as_deref() == Some(LIBRARY));
    let version = named.next().and_then(|package| text(package, "version"));
    version
        .map(|version| version.parse().with_context(|| format!("{} cannot be read", path.display())))
        .transpose()
}

/// The version of the library in a folder.
fn version_at(folder: &Path) -> Result<Version> {
    let manifest = folder.join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(&manifest).no_deps().exec();
    let metadata = metadata.with_context(|| format!("cargo cannot read {}", manifest.display()))?;
    let package = metadata.packages.into_iter().find(|package| package.name.as_str() == LIBRARY);
    Ok(package.with_context(|| format!("{} is not {LIBRARY}", folder.display()))?.version)
}

/// Has cargo take the version into the lock file.
fn lock(dir: &Path, origin: &Origin, own: &Version) -> Result<()> {
    let progress = Progress::start("cargo update");
    let mut cargo = Command::new("cargo");
    cargo.args(["update", "--package", LIBRARY]).current_dir(dir);
    if *origin == Origin::Registry {
        cargo.arg("--precise").arg(own.to_string());
    }
    let updated = process::run(cargo, |line| progress.line(line));
    progress.end(updated.is_ok());
    updated?;
    // A branch of a repository may be ahead of this command, or behind.
    Project::find(dir)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [(&str, &str); 4] = [
        ("Cargo.toml", include_str!("../fixtures/0.0.9/Cargo.toml.in")),
        ("wrangler.toml", include_str!("../fixtures/0.0.9/wrangler.toml")),
        ("src/lib.rs", include_str!("../fixtures/0.0.9/lib.rs")),
        (".github/workflows/ci.yml", include_str!("../fixtures/0.0.9/ci.yml")),
    ];

    /// A project of an older version; the word in the manifest becomes another.
    fn old(manifest: impl Fn(&str) -> String) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in OLD {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if file == "Cargo.toml" { manifest(text) } else { text.to_owned() }).unwrap();
        }
        folder
    }

    fn text(folder: &tempfile::TempDir, file: &str) -> String {
        read(&folder.path().join(file)).unwrap()
    }

    #[test]
    fn an_older_project_becomes_one_of_this_version_and_stays_it() {
        let own = env!("CARGO_PKG_VERSION");
        let folder = old(str::to_owned);
        let dry = run(&folder.path().join("src"), true).unwrap();
        for (file, before) in OLD {
            assert_eq!(text(&folder, file), before, "a dry run has changed {file}");
        }
        assert!(dry.diff.contains("-longhaul = \"0.0.9\" # with everything"), "{}", dry.diff);
        assert!(dry.diff.contains("--- a/.github/workflows/ci.yml"), "{}", dry.diff);

        let done = run(folder.path(), false).unwrap();
        assert_eq!((&done.diff, done.from.as_deref()), (&dry.diff, Some("0.0.9")));
        let manifest = text(&folder, "Cargo.toml");
        assert!(
            manifest.contains(&format!("# The runtime.\nlonghaul = \"{own}\" # with everything\n")),
            "{manifest}"
        );
        assert!(
            manifest.contains(&format!("longhaul = {{ version = \"{own}\", features = [\"testing\"] }}"))
        );
        assert!(manifest.contains("version = \"3.1.4\"") && !manifest.contains("\"0.7.0\""), "{manifest}");
        let workflow = text(&folder, ".github/workflows/ci.yml");
        assert!(workflow.contains(&format!("{COMMAND}@{own} --locked\n")), "{workflow}");
        assert_eq!(
            done.todo,
            ["src/lib.rs has to say `longhaul::objects!(Session, Tenant, agents = agents);`"]
        );
        assert!(text(&folder, CONFIG).contains("RATE_LIMIT"));
        let shape = done.json(false);
        assert_eq!((&shape["from"], &shape["changes"][0]["file"]), (&json!("0.0.9"), &json!("Cargo.toml")));

        let again = run(folder.path(), false).unwrap();
        assert!(again.changes.is_empty() && again.diff.is_empty(), "{again:?}");
    }

    #[test]
    fn a_newer_project_says_which_command_to_install_and_stays_as_it_is() {
        let folder = old(|text| text.replace("\"0.0.9\"", "\"99.1\""));
        let error = run(folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("install longhaul-cli 99.1.0 first"), "{error}");
        assert_eq!(text(&folder, CONFIG), OLD[1].1);
        let folder = old(str::to_owned);
        fs::write(
            folder.path().join("Cargo.lock"),
            "[[package]]\nname = \"longhaul\"\nversion = \"9.0.0\"\n",
        )
        .unwrap();
        assert!(run(folder.path(), true).unwrap_err().to_string().contains("longhaul-cli 9.0.0 first"));
    }

    #[test]
    fn a_lock_file_is_brought_along() {
        let folder = old(str::to_owned);
        fs::write(
            folder.path().join("Cargo.lock"),
            "[[package]]\nname = \"longhaul\"\nversion = \"0.0.9\"\n",
        )
        .unwrap();
        let dry = run(folder.path(), true).unwrap();
        assert_eq!(dry.changes.last().unwrap().0, "Cargo.lock");
    }

    #[test]
    fn a_library_of_a_checkout_or_a_repository_is_understood() {
        let checkout = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../durable")).unwrap();
        let path = format!("{{ path = {checkout:?} }}");
        // One library in a project is of one place.
        let from = |place: &str| {
            old(|text| {
                let tests = text.split("[dev-dependencies]").next().unwrap_or_default();
                format!("{}[workspace]\n", tests.replace("\"0.0.9\" #", &format!("{place} #")))
            })
        };
        let folder = from(&path);
        let done = run(folder.path(), false).unwrap();
        assert_eq!(done.from.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert!(text(&folder, "Cargo.toml").contains(&path));

        let git = "{ git = \"https://example.com/x\", tag = \"v0.0.9\" }";
        let folder = from(git);
        run(folder.path(), false).unwrap();
        let tag = format!("tag = \"v{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text(&folder, "Cargo.toml").contains(&tag));
        let none = old(|text| text.replace("longhaul = ", "other = "));
        assert!(run(none.path(), false).unwrap_err().to_string().contains("does not depend"));
    }

    #[test]
    fn the_version_of_a_workspace_is_set_there() {
        let folder = old(|text| {
            let text = text.replace("\"0.0.9\" #", "{ workspace = true } #");
            text.replace("[workspace]", "[workspace.dependencies]\nlonghaul = \"=0.0.9\" # here")
        });
        run(folder.path(), false).unwrap();
        let manifest = text(&folder, "Cargo.toml");
        assert!(
            manifest.contains(&format!("longhaul = \"={}\" # here", env!("CARGO_PKG_VERSION"))),
            "{manifest}"
        );
    }

    #[test]
    fn only_older_pins_become_newer() {
        let own = Version::new(1, 2, 0);
        let before = "a longhaul-cli@1.0.0\nb longhaul-cli@1.3.0 c longhaul-cli --version 1.1.9 --locked longhaul-cli@latest";
        let after = "a longhaul-cli@1.2.0\nb longhaul-cli@1.3.0 c longhaul-cli --version 1.2.0 --locked longhaul-cli@latest";
        assert_eq!(pinned(before, &own), after);
    }
}
